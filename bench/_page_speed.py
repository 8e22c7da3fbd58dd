"""Pages a CPU second of several systems on the same pages, taken in turns so that a busy machine slows all alike."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bench import _report
from bench._data import GoldPage
from bench._score import Interval
from bench._system import TextMaker
from cleaner.learn.evaluate import bootstrap_interval

BATCH_PAGES = 25
BASE = "trafilatura"


def spread_batches(pages: Sequence[GoldPage], n_pages: int) -> list[Sequence[GoldPage]]:
    """About n_pages of them in batches of BATCH_PAGES or fewer, each batch with pages from all over the list."""
    sample = pages[:: max(1, -(-len(pages) // n_pages))]
    n_batches = -(-len(sample) // BATCH_PAGES)
    return [sample[i::n_batches] for i in range(n_batches)]


def cpu_in_turns(systems: Sequence[TextMaker], batches: Sequence[Sequence[GoldPage]]) -> npt.NDArray[np.float64]:
    """CPU seconds, float64, shape (n_systems, n_batches).

    Every system takes a batch before any takes the next, each time in another order. Each page comes once, so that
    no cache of a system helps it, but for the three on which is built before what is built on first use.
    """
    spent = np.zeros((len(systems), len(batches)))
    for system in systems:
        system.cpu_s(batches[0][:3])
    # A collection walks over all that lives in the process, of whichever system: that is not to be anyone's time.
    gc.collect()
    gc.freeze()
    try:
        for number, batch in enumerate(batches):
            for turn in range(len(systems)):
                i = (number + turn) % len(systems)
                spent[i, number] = systems[i].cpu_s(batch)
                gc.collect()
    finally:
        gc.unfreeze()
    return spent


def ratio(base: npt.NDArray[np.float64], spent: npt.NDArray[np.float64], n_resamples: int) -> Interval:
    """How many times as fast as the base, from both CPU seconds by batch; the interval by drawing batches."""
    low, high = bootstrap_interval(
        range(len(base)), lambda weights: float(weights @ base) / float(weights @ spent), n_resamples
    )
    return Interval(float(base.sum() / spent.sum()), low, high)


def speed_table(spent: Mapping[str, npt.NDArray[np.float64]], n_pages: int, n_resamples: int) -> str:
    """One row a system, from its CPU seconds by batch."""
    rows = []
    for name, seconds in spent.items():
        cells = [name, f"{n_pages / seconds.sum():,.1f}", f"{1000 * seconds.sum() / n_pages:.2f}"]
        if BASE in spent:
            times = ratio(spent[BASE], seconds, n_resamples)
            cells.append(f"{times.value:.2f} [{times.low:.2f}, {times.high:.2f}]")
        rows.append(cells)
    head = ["", "pages / CPU s", "CPU ms a page", f"times {BASE}"]
    return _report.table(head if BASE in spent else head[:-1], rows)
