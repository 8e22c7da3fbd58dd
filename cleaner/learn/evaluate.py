"""Figures of quality: of kept and dropped lines, and of whole texts. numpy only.

What every figure means stands at its function. Functions over lines take flat arrays and ``doc_ids``, the number of
the document (from 0) that each line belongs to. ``weights`` count a line or a document more than once, which is how
the bootstrap draws its samples.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from cleaner.labels import BODY, LABELS
from cleaner.model.nets import IS_KEPT

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

LOSS_CAP = 5
"""Lost lines that one document may count. One page of film credits was 1 % of all article lines."""

MIN_CLASS_LINES = 20
"""A class with fewer lines gets no F1 of its own: its interval would span half the scale."""


# --- lines kept and dropped -----------------------------------------------------------------------------------------


def average_precision(scores: npt.ArrayLike, is_debris: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Area under the steps of precision over recall of "this line is debris"; lines of equal score fall together.

    The same value as scikit-learn's ``average_precision_score``. 0 without any debris.
    """
    scores, is_debris = np.asarray(scores, dtype=np.float64), np.asarray(is_debris, dtype=np.bool_)
    line_weights = _weights(weights, len(scores))
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum((is_debris * line_weights)[order])
    dropped = np.cumsum(line_weights[order])
    if not len(found) or found[-1] == 0:
        return 0.0
    last_of_score = np.append(np.diff(scores[order]) != 0, True)
    found, dropped = found[last_of_score], dropped[last_of_score]
    precision = np.divide(found, dropped, out=np.zeros_like(found), where=dropped > 0)
    return float(np.sum(np.diff(found, prepend=0.0) * precision) / found[-1])


def drop_prf(
    is_debris: npt.ArrayLike, dropped: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> tuple[float, float, float]:
    """Precision, recall and F1 of the dropped lines; 0 where nothing was dropped or nothing was to be."""
    is_debris, dropped = np.asarray(is_debris, dtype=np.bool_), np.asarray(dropped, dtype=np.bool_)
    line_weights = _weights(weights, len(is_debris))
    right = float(line_weights @ (is_debris & dropped))
    n_dropped, n_debris = float(line_weights @ dropped), float(line_weights @ is_debris)
    return _ratio(right, n_dropped), _ratio(right, n_debris), _ratio(2 * right, n_dropped + n_debris)


def lines_lost(
    keep: npt.ArrayLike,
    dropped: npt.ArrayLike,
    doc_ids: npt.ArrayLike,
    cap: int = LOSS_CAP,
    doc_weights: npt.ArrayLike | None = None,
) -> float:
    """Share of article lines that were dropped: the one definition of loss here.

    The sum over documents of min(article lines dropped, cap), over the number of all article lines. Lines beyond
    the cap count as if they had stayed. ``keep`` marks article lines (classes title and body).
    """
    keep, dropped = np.asarray(keep, dtype=np.bool_), np.asarray(dropped, dtype=np.bool_)
    doc_ids = np.asarray(doc_ids, dtype=np.int64)
    per_document = _weights(doc_weights, _n_documents(doc_ids))
    n_lost = np.bincount(doc_ids, keep & dropped, len(per_document))
    n_keep = np.bincount(doc_ids, keep, len(per_document))
    return _ratio(float(per_document @ np.minimum(n_lost, cap)), float(per_document @ n_keep))


def threshold_at_loss(
    scores: npt.ArrayLike,
    keep: npt.ArrayLike,
    doc_ids: npt.ArrayLike,
    max_loss: float,
    cap: int = LOSS_CAP,
    doc_weights: npt.ArrayLike | None = None,
) -> float:
    """The lowest threshold at which `lines_lost` is at most ``max_loss``, when lines with score >= threshold go.

    It lies half way between the first article line that must stay and the next higher score of any line, so that a
    last bit decides nothing. Where even dropping every line loses no more, the lowest score. 1 without lines.
    """
    scores, keep = np.asarray(scores, dtype=np.float64), np.asarray(keep, dtype=np.bool_)
    doc_ids = np.asarray(doc_ids, dtype=np.int64)
    if not len(scores):
        return 1.0
    per_document = _weights(doc_weights, _n_documents(doc_ids))
    order = np.argsort(-scores, kind="stable")
    order = order[keep[order] & (per_document[doc_ids[order]] > 0)]
    # Article lines of a document beyond its cap cost nothing more, whatever the threshold.
    order = order[_rank_within(doc_ids[order]) < cap]
    n_keep = float(per_document @ np.bincount(doc_ids, keep, len(per_document)))
    # The sums are whole numbers, the product is not: .07 * 100 is 7.000000000000001 and .29 * 100 28.999999999999996.
    too_many = np.cumsum(per_document[doc_ids[order]]) > max_loss * n_keep + 1e-9
    if not too_many.any():
        return float(scores.min())
    must_stay = float(scores[order[int(np.argmax(too_many))]])
    higher = scores[scores > must_stay]
    next_score = float(higher.min()) if len(higher) else float(np.nextafter(must_stay, np.inf))
    middle = (must_stay + next_score) / 2
    return middle if middle > must_stay else next_score


def exact_documents(
    keep: npt.ArrayLike, dropped: npt.ArrayLike, doc_ids: npt.ArrayLike, doc_weights: npt.ArrayLike | None = None
) -> float:
    """Share of documents in which every line was rightly kept or rightly dropped."""
    keep, dropped = np.asarray(keep, dtype=np.bool_), np.asarray(dropped, dtype=np.bool_)
    doc_ids = np.asarray(doc_ids, dtype=np.int64)
    per_document = _weights(doc_weights, _n_documents(doc_ids))
    is_exact = np.bincount(doc_ids, keep == dropped, len(per_document)) == 0
    return _ratio(float(per_document @ is_exact), float(per_document.sum()))


def articles_with_debris(
    labels: npt.ArrayLike, dropped: npt.ArrayLike, doc_ids: npt.ArrayLike, doc_weights: npt.ArrayLike | None = None
) -> float:
    """Share of articles (documents with a line of class body) in which at least one line of debris stayed.

    Articles that came without debris count in the denominator.
    """
    labels, dropped = np.asarray(labels, dtype=np.int64), np.asarray(dropped, dtype=np.bool_)
    doc_ids = np.asarray(doc_ids, dtype=np.int64)
    per_document = _weights(doc_weights, _n_documents(doc_ids))
    has_body = np.bincount(doc_ids, labels == BODY, len(per_document)) > 0
    has_debris = np.bincount(doc_ids, ~IS_KEPT[labels] & ~dropped, len(per_document)) > 0
    return _ratio(float(per_document @ (has_body & has_debris)), float(per_document @ has_body))


def per_class_f1(
    labels: npt.ArrayLike,
    predicted: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    min_lines: int = MIN_CLASS_LINES,
) -> dict[str, float]:
    """F1 of each class that has at least ``min_lines`` lines (counted without weights), in the order of LABELS."""
    labels, predicted = np.asarray(labels, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    line_weights, n_labels = _weights(weights, len(labels)), len(LABELS)
    enough = np.bincount(labels, minlength=n_labels) >= max(min_lines, 1)
    right = np.bincount(labels, line_weights * (labels == predicted), n_labels)
    either = np.bincount(labels, line_weights, n_labels) + np.bincount(predicted, line_weights, n_labels)
    return {LABELS[i]: _ratio(2 * float(right[i]), float(either[i])) for i in range(n_labels) if enough[i]}


def expected_calibration_error(
    scores: npt.ArrayLike, is_debris: npt.ArrayLike, weights: npt.ArrayLike | None = None, n_bins: int = 15
) -> float:
    """Mean distance between the score and the share of debris, over bins of equal width weighted by their lines."""
    scores, is_debris = np.asarray(scores, dtype=np.float64), np.asarray(is_debris, dtype=np.bool_)
    line_weights = _weights(weights, len(scores))
    bins = np.minimum((scores * n_bins).astype(np.int64), n_bins - 1)
    surplus = np.bincount(bins, line_weights * (scores - is_debris), n_bins)
    return _ratio(float(np.abs(surplus).sum()), float(line_weights.sum()))


# --- uncertainty ----------------------------------------------------------------------------------------------------


def wilson_interval(n_right: int, n: int) -> tuple[float, float]:
    """Bounds of a share that was counted, at 95 % (Wilson 1927); 0 and 1 where nothing was."""
    if not n:
        return 0.0, 1.0
    z = 1.959964
    share, spread = n_right / n, z * z / n
    centre = share + spread / 2
    half = z * (share * (1 - share) / n + spread / (4 * n)) ** 0.5
    return max((centre - half) / (1 + spread), 0.0), min((centre + half) / (1 + spread), 1.0)


def bootstrap_interval(
    groups: Sequence[Hashable],
    fn: Callable[[FloatArray], npt.ArrayLike],
    n_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Any, Any]:
    """Lower and upper end of the percentile interval of ``fn`` when whole groups are drawn with replacement.

    groups: one for each document, its site where known: pages of one site share templates, so drawing single
        documents would make intervals too narrow.
    fn: takes how often each document was drawn, float64, shape (n_documents,), and returns a number or an array;
        both ends have its shape (a number comes back as float).
    """
    numbers: dict[Hashable, int] = {}
    group_ids = np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)
    random, n_groups = np.random.default_rng(seed), len(numbers)
    if not n_groups:
        return float("nan"), float("nan")
    samples = []
    for _ in range(n_resamples):
        drawn = np.bincount(random.integers(n_groups, size=n_groups), minlength=n_groups).astype(np.float64)
        samples.append(np.asarray(fn(drawn[group_ids]), dtype=np.float64))
    low, high = np.quantile(np.stack(samples), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return (float(low), float(high)) if low.ndim == 0 else (low, high)


# --- reports over labelled documents --------------------------------------------------------------------------------


class LabelledDocuments:
    """Documents whose lines have a true class, flat. labels: a list of one array (n_lines of the document) each.

    groups: the site of each document, or anything else that names what it must be drawn together with.
    """

    def __init__(self, labels: Sequence[npt.ArrayLike], groups: Sequence[Hashable]) -> None:
        if len(labels) != len(groups):
            raise ValueError(f"{len(labels)} documents have {len(groups)} groups; give one group for each")
        self.groups = groups
        self.sizes = [len(np.asarray(document)) for document in labels]
        self.labels: IntArray = self.flatten(labels, np.int64)
        self.doc_ids: IntArray = np.repeat(np.arange(len(labels), dtype=np.int64), self.sizes)
        self.keep: BoolArray = IS_KEPT[self.labels]

    @property
    def n_documents(self) -> int:
        return len(self.sizes)

    def reordered(self, order: IntArray) -> LabelledDocuments:
        """The same documents with their lines, as flat arrays, in another order."""
        other = copy(self)
        other.labels, other.doc_ids, other.keep = self.labels[order], self.doc_ids[order], self.keep[order]
        return other

    def flatten(self, per_document: Sequence[npt.ArrayLike], dtype: type[Any]) -> npt.NDArray[Any]:
        """One array over all lines. Raises ValueError where a document's values are not one a line."""
        arrays = [np.asarray(values, dtype=dtype) for values in per_document]
        found = [len(values) for values in arrays]
        if found != self.sizes:
            first = next((i for i, (a, b) in enumerate(zip(found, self.sizes, strict=False)) if a != b), len(found))
            raise ValueError(
                f"values for {len(found)} documents and {sum(found)} lines, labels for {len(self.sizes)} documents "
                f"and {sum(self.sizes)} lines; they part at document {first}"
            )
        return np.concatenate(arrays) if arrays else np.empty(0, dtype)


_DECISION_FIGURES = ("precision", "recall", "f1", "lost", "exact_documents", "articles_with_debris")


def _decision_figures(documents: LabelledDocuments, dropped: BoolArray, doc_weights: FloatArray) -> list[float]:
    """The values of _DECISION_FIGURES, in order."""
    labels, keep, doc_ids = documents.labels, documents.keep, documents.doc_ids
    return [
        *drop_prf(~keep, dropped, doc_weights[doc_ids]),
        lines_lost(keep, dropped, doc_ids, doc_weights=doc_weights),
        exact_documents(keep, dropped, doc_ids, doc_weights),
        articles_with_debris(labels, dropped, doc_ids, doc_weights),
    ]


def decision_report(
    labels: Sequence[npt.ArrayLike],
    dropped: Sequence[npt.ArrayLike],
    groups: Sequence[Hashable],
    n_resamples: int = 1000,
) -> dict[str, Any]:
    """Figures of fixed decisions, each ``{value, low, high}``: those of a mode, or of a rule.

    precision, recall, f1 (of dropped lines), lost, exact_documents, articles_with_debris.
    """
    documents = LabelledDocuments(labels, groups)
    flat = documents.flatten(dropped, np.bool_)
    return _with_intervals(
        _DECISION_FIGURES, groups, lambda weights: _decision_figures(documents, flat, weights), n_resamples
    )


def text_report(
    labels: Sequence[npt.ArrayLike],
    drop_scores: Sequence[npt.ArrayLike],
    predicted: Sequence[npt.ArrayLike],
    groups: Sequence[Hashable],
    decisions: Mapping[str, Sequence[npt.ArrayLike]] | None = None,
    max_losses: Sequence[float] = (0.005, 0.01),
    n_resamples: int = 1000,
) -> dict[str, Any]:
    """All figures of a line model over labelled documents, as plain values that go into JSON.

    labels, drop_scores, predicted: one array a document; classes as indices into LABELS, scores in [0, 1].
    decisions: which lines were dropped, by name of the mode; as told by the caller, because the thresholds of a
        model may differ by kind of input.
    Comes back: ``n_documents, n_lines, n_article_lines, n_sites``; ``average_precision``,
    ``expected_calibration_error``, ``macro_f1`` and each of ``class_f1`` as ``{value, low, high}``; ``at_loss``: for
    each of max_losses (as text) the figures of `decision_report` and ``threshold``, which is chosen on these same
    documents, in every resample anew; ``modes``: the figures of `decision_report` for each of decisions.
    """
    documents = LabelledDocuments(labels, groups)
    scores = documents.flatten(drop_scores, np.float64)
    classes = documents.flatten(predicted, np.int64)
    # Sorted once: each resample sorts again, which is nearly free on what is sorted already.
    order = np.argsort(-scores, kind="stable")
    scores, classes, documents = scores[order], classes[order], documents.reordered(order)
    keep, doc_ids = documents.keep, documents.doc_ids

    def score_figures(weights: FloatArray) -> list[float]:
        line_weights = weights[doc_ids]
        class_f1 = list(per_class_f1(documents.labels, classes, line_weights).values())
        return [
            average_precision(scores, ~keep, line_weights),
            expected_calibration_error(scores, ~keep, line_weights),
            float(np.mean(class_f1)) if class_f1 else 0.0,
            *class_f1,
        ]

    class_names = list(per_class_f1(documents.labels, classes))
    figures = _with_intervals(
        ("average_precision", "expected_calibration_error", "macro_f1", *class_names),
        groups,
        score_figures,
        n_resamples,
    )

    def at_loss(max_loss: float) -> dict[str, Any]:
        def figures_at(weights: FloatArray) -> list[float]:
            threshold = threshold_at_loss(scores, keep, doc_ids, max_loss, doc_weights=weights)
            return [*_decision_figures(documents, scores >= threshold, weights), threshold]

        return _with_intervals((*_DECISION_FIGURES, "threshold"), groups, figures_at, n_resamples)

    return {
        "n_documents": documents.n_documents,
        "n_lines": len(scores),
        "n_article_lines": int(keep.sum()),
        "n_sites": len(set(groups)),
        "loss_cap": LOSS_CAP,
        "class_f1": {name: figures.pop(name) for name in class_names},
        **figures,
        "at_loss": {f"{max_loss:g}": at_loss(max_loss) for max_loss in max_losses},
        "modes": {
            name: decision_report(labels, dropped, groups, n_resamples) for name, dropped in (decisions or {}).items()
        },
    }


def _with_intervals(
    names: Sequence[str], groups: Sequence[Hashable], fn: Callable[[FloatArray], Sequence[float]], n_resamples: int
) -> dict[str, Any]:
    values = fn(np.ones(len(groups)))
    lows, highs = bootstrap_interval(groups, fn, n_resamples) if len(groups) else (values, values)
    return {
        name: {"value": round(float(value), 5), "low": round(float(low), 5), "high": round(float(high), 5)}
        for name, value, low, high in zip(names, values, lows, highs, strict=True)
    }


# --- whole texts ----------------------------------------------------------------------------------------------------

SHINGLE_WORDS = 4

# Scripts written without spaces between words: Chinese and Japanese, Thai, Khmer, Burmese.
_UNSPACED = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff"
    "\u0e00-\u0e7f\u1780-\u17ff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"
)
_WORD = re.compile(rf"(?=\w)[{_UNSPACED}]|[^\W{_UNSPACED}]+")


def words(text: str) -> list[str]:
    r"""Words of a text as they stand: each ``\w+``; in scripts without spaces each character that is one of \w."""
    return _WORD.findall(text)


def shingles(text: str, n_words: int = SHINGLE_WORDS) -> Counter[tuple[str, ...]]:
    """How often each run of ``n_words`` words stands in the text; a shorter text is one run, an empty one none."""
    found = words(text)
    if len(found) <= n_words:
        return Counter([tuple(found)] if found else [])
    return Counter(zip(*(found[i:] for i in range(n_words)), strict=False))


def shingle_counts(gold: str, found: str) -> tuple[float, float, float]:
    """True positive, false positive and false negative shingles, as shares of their sum: a page weighs 1.

    All 0 where both texts are empty.
    """
    wanted, got = shingles(gold), shingles(found)
    n_right = (wanted & got).total()
    n_wrong, n_missed = got.total() - n_right, wanted.total() - n_right
    total = n_right + n_wrong + n_missed
    return (n_right / total, n_wrong / total, n_missed / total) if total else (0.0, 0.0, 0.0)


def shingle_prf(counts: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> tuple[float, float, float]:
    """Precision, recall and F1 over pages from their `shingle_counts`, float, shape (n_pages, 3)."""
    pages = np.asarray(counts, dtype=np.float64).reshape(-1, 3)
    right, wrong, missed = (_weights(weights, len(pages)) @ pages).tolist()
    return _ratio(right, right + wrong), _ratio(right, right + missed), _ratio(2 * right, 2 * right + wrong + missed)


def f_beta(counts: npt.NDArray[np.float64], beta: float) -> npt.NDArray[np.float64]:
    """F of each row of counts (right, surplus, missing; shape (n, 3)); recall weighs beta times as much."""
    right, surplus, missing = counts.T
    found = (1 + beta**2) * right
    scores: npt.NDArray[np.float64] = found / np.maximum(found + surplus + beta**2 * missing, 1e-9)
    return scores


def shingle_f1(golds: Sequence[str], founds: Sequence[str]) -> float:
    """F1 of 4-word shingles over pages, as in scrapinghub's article extraction benchmark.

    The shingles of a page are a multiset; its true positives, false positives and false negatives are divided by
    their sum, then summed over pages, so that each page weighs the same.
    """
    return shingle_prf([shingle_counts(gold, found) for gold, found in zip(golds, founds, strict=True)])[2]


# --- helpers --------------------------------------------------------------------------------------------------------


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _weights(weights: npt.ArrayLike | None, n: int) -> FloatArray:
    return np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)


def _n_documents(doc_ids: IntArray) -> int:
    return int(doc_ids.max()) + 1 if len(doc_ids) else 0


def _rank_within(ids: IntArray) -> IntArray:
    """For each element how many equal ones stand before it; int64, shape of ids."""
    order = np.argsort(ids, kind="stable")
    in_order = ids[order]
    is_first = np.append(True, np.diff(in_order) != 0)[: len(ids)]
    starts = np.maximum.accumulate(np.where(is_first, np.arange(len(ids)), 0))
    ranks = np.empty(len(ids), dtype=np.int64)
    ranks[order] = np.arange(len(ids)) - starts
    return ranks
