"""Which training labels are likely wrong, by confident learning over out-of-fold probabilities.

    python bench/label_errors.py --corpora ../shared --out errors.tsv [--plan small|medium|full]

A line is suspect when models that saw nothing of its site give another class more than that class has on average
among its own lines (Northcutt, Jiang and Chuang, "Confident Learning", 2021). Prints how many there are of each pair
of classes, and writes a table (tabs) of them without their text, the surest first: id, line, label, likely, p_label,
p_likely, and the file in which the label stands. The table belongs outside of the repository.
"""

from __future__ import annotations

import os

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[_name] = "1"

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import _report
from bench._training import OURS, PLANS, ROOT, CrossValidation, shipped_vectors, training_files
from cleaner.labels import LABELS
from cleaner.learn.corpus import LabelledDocument, read_rows
from cleaner.learn.train import Fitted
from cleaner.learn.workflow import read_training_data
from cleaner.model.nets import IS_KEPT

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_HEAD = ("id", "line", "label", "likely", "p_label", "p_likely", "file")
_SHOWN_PAIRS = 25


@dataclass(frozen=True)
class ConfidentJoint:
    """Lines by the class they are labelled with and the class they confidently seem to have.

    likely: int64, shape (n_lines,), -1 where no class is likely enough. counts: int64, shape (13, 13), first axis the
    label. estimated: float64, the same scaled so that each label has as many lines as it really has.
    """

    likely: IntArray
    counts: IntArray
    estimated: FloatArray

    @classmethod
    def of(cls, probabilities: FloatArray, labels: IntArray) -> ConfidentJoint:
        """probabilities: float64, shape (n_lines, n_classes), by models that have not seen the line."""
        n_classes = probabilities.shape[1]
        rows = np.arange(len(labels))
        sizes = np.bincount(labels, minlength=n_classes)
        own = np.bincount(labels, weights=probabilities[rows, labels], minlength=n_classes)
        # No line can seem to be of a class that has none to compare it with.
        limits = np.where(sizes > 0, own / np.maximum(sizes, 1), np.inf)
        passes = probabilities >= limits
        likely = np.where(passes.any(axis=1), np.where(passes, probabilities, -1.0).argmax(axis=1), -1)
        known = likely >= 0
        counts = np.zeros((n_classes, n_classes), dtype=np.int64)
        np.add.at(counts, (labels[known], likely[known]), 1)
        estimated = counts * (sizes / np.maximum(counts.sum(axis=1), 1))[:, None]
        return cls(likely, counts, estimated)

    def suspects(self, probabilities: FloatArray, labels: IntArray) -> IntArray:
        """Rows whose likely class is not their label, those first that are surest by the difference of both."""
        rows = np.flatnonzero((self.likely >= 0) & (self.likely != labels))
        margins = probabilities[rows, self.likely[rows]] - probabilities[rows, labels[rows]]
        return rows[np.argsort(-margins, kind="stable")]


def class_probabilities(fitted: Fitted) -> FloatArray:
    """Out-of-fold probabilities of every labelled line; float64, shape (n_lines, 13)."""
    weights = np.concatenate(fitted.weights).astype(np.float64)
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)


def list_suspects(
    documents: Sequence[LabelledDocument], probabilities: FloatArray, ours: Iterable[str]
) -> tuple[ConfidentJoint, list[tuple[str, ...]]]:
    """The joint counts, and a row of the table for each suspect line. ours: ids of documents that texts.tsv labels."""
    labels = np.concatenate([document.labels for document in documents])
    joint = ConfidentJoint.of(probabilities, labels)
    places = [(document.id, line) for document in documents for line in range(len(document.lines))]
    own = frozenset(ours)
    rows = []
    for row in joint.suspects(probabilities, labels).tolist():
        name, line = places[row]
        label, likely = int(labels[row]), int(joint.likely[row])
        shares = (f"{probabilities[row, which]:.4f}" for which in (label, likely))
        file = OURS.name if name in own else "lines.jsonl"
        rows.append((name, str(line), LABELS[label], LABELS[likely], *shares, file))
    return joint, rows


def keep_or_drop(probabilities: FloatArray, labels: IntArray) -> ConfidentJoint:
    """The joint counts of the two sides alone: 0 kept, 1 dropped.

    Of thirteen classes the rare ones have low averages, and many lines pass those; two sides are told apart well.
    """
    kept = probabilities[:, IS_KEPT].sum(axis=1)
    return ConfidentJoint.of(np.stack([kept, 1 - kept], axis=1), (~IS_KEPT[labels]).astype(np.int64))


def render(joint: ConfidentJoint, sides: ConfidentJoint, rows: Sequence[tuple[str, ...]]) -> str:
    """What is printed: totals, and the pairs of classes with most suspects. sides: of `keep_or_drop`."""
    n_lines = len(joint.likely)
    n_ours = sum(row[-1] == OURS.name for row in rows)
    estimated = float(joint.estimated[~np.eye(len(LABELS), dtype=bool)].sum())
    pairs = np.argwhere((joint.counts > 0) & ~np.eye(len(LABELS), dtype=bool))
    pairs = pairs[np.argsort(-joint.counts[pairs[:, 0], pairs[:, 1]], kind="stable")][:_SHOWN_PAIRS]
    table = _report.table(
        ["labelled", "likely", "suspect lines", "estimated errors"],
        [
            [LABELS[label], LABELS[likely], f"{joint.counts[label, likely]:,}", f"{joint.estimated[label, likely]:.0f}"]
            for label, likely in pairs.tolist()
        ],
    )
    return (
        f"{len(rows):,} of {n_lines:,} lines are suspect ({n_ours:,} labelled in {OURS.name}); estimated errors "
        f"{estimated:,.0f} ({estimated / max(n_lines, 1):.1%}).\nAs keep or drop alone: {sides.counts[0, 1]:,} kept "
        f"lines seem debris (estimated {sides.estimated[0, 1]:,.0f}), {sides.counts[1, 0]:,} of debris seem to belong "
        f"to the article (estimated {sides.estimated[1, 0]:,.0f}).\n\n{table}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder that holds corpora/ and labels/")
    parser.add_argument("--out", type=Path, required=True, help="table of suspect lines, outside of the repository")
    parser.add_argument("--plan", choices=PLANS, default="medium", help="how models are fitted")
    chosen = parser.parse_args(arguments)
    if chosen.out.resolve().is_relative_to(ROOT):
        parser.error(f"--out {chosen.out}: lies in the repository; labels of others' texts do not belong there")
    plan, note = PLANS[chosen.plan], partial(print, flush=True)
    data = plan.choose_data(read_training_data(training_files(chosen.corpora, "train"), note))
    models = CrossValidation(data.labelled, data.pages, plan.plan, note, shipped_vectors(), data.leftovers)
    fitted = models.run()
    probabilities = class_probabilities(fitted)
    joint, rows = list_suspects(fitted.documents, probabilities, read_own_ids(OURS))
    sides = keep_or_drop(probabilities, np.concatenate([document.labels for document in fitted.documents]))
    chosen.out.write_text("\n".join("\t".join(row) for row in (_HEAD, *rows)) + "\n", encoding="utf-8")
    print(f"\nBy {plan}.\n{render(joint, sides, rows)}\n\nWritten to {chosen.out}.")


def read_own_ids(path: Path) -> list[str]:
    """Ids of the documents whose labels a table of our own holds."""
    return [row.decode().split("\t")[0] for number, row in enumerate(read_rows(path)) if number]


if __name__ == "__main__":
    main()
