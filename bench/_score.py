"""What the benchmarks add to the metrics of `cleaner.learn.evaluate`: segments, differences between two systems."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cleaner.learn.evaluate import bootstrap_interval, shingle_prf

__all__ = ["Interval", "difference", "page_f1", "page_prf", "segment_counts", "segment_f1"]

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval, of a difference, leaves zero out."""
        return self.low > 0 or self.high < 0


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
