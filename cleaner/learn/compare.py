"""Two models on the same labelled lines: what each decided wrong, and whether the difference is more than chance."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cleaner.learn.evaluate import bootstrap_interval, drop_prf, lines_lost
from cleaner.learn.new_labels import UNLABELLED
from cleaner.model.nets import IS_KEPT

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Outcome = Literal["better", "worse", "no difference shown", "too few to tell"]

MIN_GROUPS = 5
"""Of fewer sites (or documents) an interval by drawing them says nothing."""


@dataclass(frozen=True)
class Decisions:
    """kept: bool, predicted: int64, index into LABELS; shape (n_lines,) both."""

    kept: BoolArray
    predicted: IntArray


def compare_decisions(
    labels: IntArray,
    page_starts: IntArray,
    groups: Sequence[Hashable],
    before: Decisions,
    after: Decisions,
    n_resamples: int = 2000,
) -> dict[str, Any]:
    """Figures of both, and which is better, as plain values that go into JSON.

    labels: int64, shape (n_lines,); lines that are UNLABELLED count nowhere. groups: of each document, what it is drawn
    together with. ``wrong`` is the share of lines wrongly kept or dropped; its ``change`` has an interval of 95 %
    that pairs both models' decisions in each draw, and only one that leaves out 0 makes an outcome.
    """
    known = labels != UNLABELLED
    doc_ids = np.repeat(np.arange(len(groups)), np.diff(page_starts))[known]
    labels = labels[known]
    keep = IS_KEPT[labels]
    wrong = [np.bincount(doc_ids, decided.kept[known] != keep, len(groups)) for decided in (before, after)]
    n_lines = np.bincount(doc_ids, minlength=len(groups))
    difference = wrong[1] - wrong[0]

    def change(weights: npt.NDArray[np.float64]) -> float:
        return float(weights @ difference / max(weights @ n_lines, 1))

    n_groups = len(set(groups))
    low, high = bootstrap_interval(groups, change, n_resamples) if n_groups >= MIN_GROUPS else (None, None)
    return {
        "n_documents": int((n_lines > 0).sum()),
        "n_lines": len(labels),
        "n_groups": n_groups,
        "outcome": _outcome(low, high),
        "change": {"value": _rounded(change(np.ones(len(groups)))), "low": _rounded(low), "high": _rounded(high)},
        "before": _figures(labels, keep, before, known, doc_ids),
        "after": _figures(labels, keep, after, known, doc_ids),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _outcome(low: float | None, high: float | None) -> Outcome:
    if low is None or high is None:
        return "too few to tell"
    return "better" if high < 0 else "worse" if low > 0 else "no difference shown"


def _figures(
    labels: IntArray, keep: BoolArray, decided: Decisions, known: BoolArray, doc_ids: IntArray
) -> dict[str, float | int]:
    kept = decided.kept[known]
    return {
        "wrong": int((kept != keep).sum()),
        "wrong_class": int((decided.predicted[known] != labels).sum()),
        "drop_f1": round(drop_prf(~keep, ~kept)[2], 5),
        "article_lines_lost": round(lines_lost(keep, ~kept, doc_ids), 5),
    }
