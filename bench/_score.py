"""What the benchmarks add to the metrics of `cleaner.learn.evaluate`: segments, differences between two systems."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cleaner.learn.evaluate import bootstrap_interval, shingle_prf

__all__ = ["Compared", "Interval", "compare", "difference", "page_f1", "page_prf", "segment_counts", "segment_f1"]

Counts = npt.NDArray[np.float64]


MIN_SITES = 5
"""`compare` gives no interval over fewer: draws of two sites say nothing about a third."""


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its 95 % interval; both NaN where there is too little for one."""

    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval, of a difference, leaves zero out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Compared:
    """One system on some pages: its figures, and F1 of the first system less its own, None for the first itself."""

    f1: Interval
    precision: float
    recall: float
    gap: Interval | None


def segment_counts(text: str, wanted: Sequence[str], unwanted: Sequence[str]) -> tuple[float, float, float]:
    """Wanted segments found (tp), unwanted ones found (fp), wanted ones missed (fn); white space does not count."""
    squeezed = "".join(text.split())
    found = sum("".join(segment.split()) in squeezed for segment in wanted)
    wrong = sum("".join(segment.split()) in squeezed for segment in unwanted)
    return float(found), float(wrong), float(len(wanted) - found)


def segment_f1(counts: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """2tp / (2tp + fp + fn) over all segments, from `segment_counts`, shape (n_pages, 3)."""
    return shingle_prf(counts, weights)[2]


def page_prf(counts: Counts) -> tuple[float, float, float]:
    """Precision, recall and F1 over pages; see `cleaner.learn.evaluate.shingle_f1`."""
    return shingle_prf(counts)


def page_f1(counts: Counts, sites: Sequence[Hashable], n_resamples: int) -> Interval:
    """F1 over pages, its interval by drawing sites."""
    low, high = bootstrap_interval(sites, lambda weights: shingle_prf(counts, weights)[2], n_resamples)
    return Interval(shingle_prf(counts)[2], low, high)


def difference(ours: Counts, theirs: Counts, sites: Sequence[Hashable], n_resamples: int) -> Interval:
    """F1 of ours less theirs on the same pages; both are measured on each draw of sites, so their luck is shared."""

    def gap(weights: npt.NDArray[np.float64]) -> float:
        return shingle_prf(ours, weights)[2] - shingle_prf(theirs, weights)[2]

    low, high = bootstrap_interval(sites, gap, n_resamples)
    return Interval(gap(np.ones(len(sites))), low, high)


def compare(counts: Mapping[str, Counts], sites: Sequence[Hashable], n_resamples: int) -> dict[str, Compared]:
    """Every system of ``counts`` on the same pages, the first against each other one, all on the same draws of sites.

    The same figures as `page_f1` and `difference` give, in one pass over the draws; no intervals below MIN_SITES.
    """
    # float64, shape (n_pages, n_systems * 3)
    side_by_side = np.concatenate([np.asarray(each).reshape(-1, 3) for each in counts.values()], axis=1)

    def f1s_and_gaps(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        right, wrong, missed = (weights @ side_by_side).reshape(-1, 3).T
        either = 2 * right + wrong + missed
        f1s = np.divide(2 * right, either, out=np.zeros_like(right), where=either > 0)
        return np.stack([f1s, f1s[0] - f1s])

    values = f1s_and_gaps(np.ones(len(sites)))
    lows = highs = np.full_like(values, np.nan)
    if len(set(sites)) >= MIN_SITES:
        lows, highs = bootstrap_interval(sites, f1s_and_gaps, n_resamples)
    compared = {}
    for i, (name, each) in enumerate(counts.items()):
        f1, gap = (Interval(*map(float, (values[j, i], lows[j, i], highs[j, i]))) for j in (0, 1))
        precision, recall, _ = shingle_prf(each)
        compared[name] = Compared(f1, precision, recall, gap if i else None)
    return compared
