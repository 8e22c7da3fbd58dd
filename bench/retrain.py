"""What 200 new lines teach a model: groups of sites held out of a base, taught a part of their documents.

    python bench/retrain.py --corpora ../shared [--draws N] [--lines N] [--quick]

The base is fitted to the train split without any document or page of the groups, in three folds; it stays in
bench/.cache, as fitting it takes some minutes. Each draw teaches it documents of one group up to so many lines and
measures the group's others, and the dev split of the labels, whose sites neither has seen. Prints its table and, unless
--quick, replaces its section of bench/RESULTS.md. Wrong lines are those wrongly kept or dropped in the mode
`balanced`; intervals are 95 %, by drawing documents (of the groups) and sites (of the old documents).
"""

# ruff: noqa: E402

from __future__ import annotations

import os

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[_name] = "1"

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import _report
from bench._system import CACHE, keep_out_of_git
from bench._training import training_files
from cleaner.learn.adapt import AdaptPlan
from cleaner.learn.compare import Decisions
from cleaner.learn.corpus import LabelledDocument, group_documents, site_of
from cleaner.learn.evaluate import bootstrap_interval, drop_prf, threshold_at_loss
from cleaner.learn.new_labels import NewDocument
from cleaner.learn.package import write_model
from cleaner.learn.plan import TrainingPlan
from cleaner.learn.replay import read_replay
from cleaner.learn.retrain import Lesson, lines_of
from cleaner.learn.train import fit
from cleaner.learn.workflow import TrainingData, read_training_data
from cleaner.model.artefact import DEFAULT_DROPPED, DEFAULT_MODEL, Model, choose_thresholds, decide, load_model
from cleaner.model.line_model import LineModel
from cleaner.model.nets import IS_KEPT

PARTISAN = (
    "addictinginfo.com",
    "awarenessact.com",
    "eaglerising.com",
    "occupydemocrats.com",
    "oppositionreport.com",
    "rightwingnews.com",
    "thelastlineofdefense.org",
    "uspoln.com",
    "washingtonexaminer.com",
)
GROUPS: dict[str, Callable[[LabelledDocument], bool]] = {
    "beforeitsnews.com": lambda document: site_of(document.site) == "beforeitsnews.com",
    "cnn.com": lambda document: (site_of(document.site) or "").endswith("cnn.com"),
    "nine partisan sites": lambda document: site_of(document.site) in PARTISAN,
    "extracted, 5 languages (daniel)": lambda document: document.kind == "residue" and document.source == "daniel",
    "extracted, 20 languages": lambda document: (
        document.kind == "residue" and document.source in ("fundus-tests", "magichtml")
    ),
}


@dataclass(frozen=True)
class Setting:
    """What is measured on. groups: documents of each of GROUPS. old: those of the dev split."""

    base: Model
    groups: dict[str, list[LabelledDocument]]
    old: list[LabelledDocument]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder that holds corpora/ and labels/")
    parser.add_argument("--draws", type=int, default=5, help="how often documents to teach are drawn")
    parser.add_argument("--lines", type=int, default=200, help="lines to teach")
    parser.add_argument("--quick", action="store_true", help="one draw; nothing is written")
    chosen = parser.parse_args(arguments)
    setting = prepare(chosen.corpora)
    section = measure(setting, 1 if chosen.quick else chosen.draws, chosen.lines)
    print(f"\n{section}", flush=True)
    if not chosen.quick:
        _report.write_section("retrain", section)


def prepare(corpora: Path) -> Setting:
    """The base, fitted where it is not in the cache, with the groups that it has not seen."""
    data = read_training_data(training_files(corpora, "train"), print)
    groups = group_documents([*data.labelled, *data.pages, *data.leftovers]).tolist()
    group_of = {
        group: name
        for document, group in zip(data.labelled, groups, strict=False)
        for name, is_in in GROUPS.items()
        if is_in(document)
    }
    held_out: dict[str, list[LabelledDocument]] = {name: [] for name in GROUPS}
    for document, group in zip(data.labelled, groups, strict=False):
        if group in group_of and document.is_measured:
            held_out[group_of[group]].append(document)
    waiting = iter(groups)
    labelled, pages, leftovers = (
        [document for document, group in zip(documents, waiting, strict=False) if group not in group_of]
        for documents in (data.labelled, data.pages, data.leftovers)
    )
    left = TrainingData(labelled, pages, data.files, leftovers)
    old = read_training_data(training_files(corpora, "dev", with_pages=False), print).labelled
    return Setting(_find_base(left), held_out, old)


def _find_base(data: TrainingData) -> Model:
    folder = CACHE / f"retrain-base-{load_model(DEFAULT_MODEL).manifest['sha256']['weights.npz'][:8]}"
    if not folder.exists():
        keep_out_of_git(CACHE)
        # Fewer folds: half of the shipped model's time.
        plan = TrainingPlan(n_folds=3, n_scored_pages=200, n_processes=2)
        vectors = load_model(DEFAULT_MODEL).line_model.tables.vectors
        fitted = fit(data.labelled, data.pages, plan, partial(print, flush=True), vectors, data.leftovers)
        write_model(fitted, folder, name="base", version="1", data_files=data.files, examples=[], plan=plan)
    return load_model(folder)


def measure(setting: Setting, n_draws: int, n_lines: int) -> str:
    """The section with its table."""
    rows = []
    old = _Judged(setting.old)
    before = old.decide(setting.base, setting.base.line_model)
    changes, seconds = [], []
    for name, documents in setting.groups.items():
        parts = []
        for draw in range(n_draws):
            taught, others = draw_documents(documents, n_lines, draw)
            begun = time.perf_counter()
            model = teach(setting.base, taught)
            seconds.append(time.perf_counter() - begun)
            judged = _Judged(others)
            parts.append(
                (judged, judged.decide(setting.base, setting.base.line_model), judged.decide(setting.base, model))
            )
            changes.append(old.decide(setting.base, model))
        rows.append([name, str(len(documents)), *_group_row(parts)])
        print(rows[-1], flush=True)
    head = ["held out of the base", "documents", "wrong lines", "of them lost", "change", "lines in all"]
    return "\n\n".join(
        [
            "## Retraining",
            f"A base without five groups of sites, taught {n_lines} lines of one of them, judges the group's other "
            f"documents; means of {n_draws} draws. Teaching took {np.median(seconds):.0f} s, one thread. The strength "
            "of the penalties was chosen on these groups too.",
            _report.table(head, rows),
            _old_sentence(old, before, changes),
        ]
    )


def draw_documents(
    documents: Sequence[LabelledDocument], n_lines: int, seed: int
) -> tuple[list[LabelledDocument], list[LabelledDocument]]:
    """Some documents with so many lines together, and the others."""
    order = np.random.default_rng([seed, 3]).permutation(len(documents)).tolist()
    sizes = np.cumsum([len(documents[index].lines) for index in order])
    n_taught = int(np.searchsorted(sizes, n_lines)) + 1
    return [documents[index] for index in order[:n_taught]], [documents[index] for index in order[n_taught:]]


def teach(base: Model, documents: Sequence[LabelledDocument]) -> LineModel:
    """The base moved towards some documents, as `cleaner train --base` does it."""
    new = [NewDocument(document, Path("new"), row, in_context=True) for row, document in enumerate(documents)]
    return Lesson(base, read_replay(base), new, AdaptPlan()).fit()


class _Judged:
    """Documents with the decisions of models on them."""

    def __init__(self, documents: Sequence[LabelledDocument]) -> None:
        self.documents = documents
        self.lines = lines_of(documents)
        self.labels = np.concatenate([document.labels for document in documents])
        self.doc_ids = np.repeat(np.arange(len(documents)), np.diff(self.lines.page_starts))

    def decide(self, base: Model, model: LineModel) -> tuple[Decisions, npt.NDArray[np.float64]]:
        """Decisions in the mode balanced, and scores."""
        weights = model.exponentials(self.lines)
        thresholds = choose_thresholds(weights, self.lines.page_starts, base.thresholds("balanced"))
        verdicts = decide(weights, DEFAULT_DROPPED, thresholds)
        return Decisions(verdicts.kept, verdicts.labels), verdicts.scores


def _group_row(parts: Sequence[tuple[_Judged, Any, Any]]) -> list[str]:
    labels = np.concatenate([judged.labels for judged, _, _ in parts])
    groups = [document.id + document.source for judged, _, _ in parts for document in judged.documents]
    sizes = np.concatenate([np.diff(judged.lines.page_starts) for judged, _, _ in parts])
    before, after = (
        Decisions(
            np.concatenate([part[which][0].kept for part in parts]),
            np.concatenate([part[which][0].predicted for part in parts]),
        )
        for which in (1, 2)
    )
    keep = IS_KEPT[labels]
    wrong = [
        np.bincount(np.repeat(np.arange(len(groups)), sizes), d.kept != keep, len(groups)) for d in (before, after)
    ]

    def change(weights: npt.NDArray[np.float64]) -> float:
        return float(weights @ wrong[1] / max(weights @ wrong[0], 1)) - 1

    low, high = bootstrap_interval(groups, change)
    n = len(parts)
    lost = [(keep & ~decided.kept).sum() / n for decided in (before, after)]
    return [
        f"{wrong[0].sum() / n:.0f} → {wrong[1].sum() / n:.0f}",
        f"{lost[0]:.0f} → {lost[1]:.0f}",
        f"{100 * change(np.ones(len(groups))):+.0f} % [{100 * low:+.0f}, {100 * high:+.0f}]",
        f"{len(labels) / n:.0f}",
    ]


def _old_sentence(old: _Judged, before: Any, changes: Sequence[Any]) -> str:
    sites = group_documents(old.documents).tolist()
    keep = IS_KEPT[old.labels]

    def f1_at_loss(scores: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> float:
        threshold = threshold_at_loss(scores, keep, old.doc_ids, 0.01, doc_weights=weights)
        return drop_prf(~keep, scores >= threshold, weights[old.doc_ids])[2]

    def f1_decided(decisions: Decisions, weights: npt.NDArray[np.float64]) -> float:
        return drop_prf(~keep, ~decisions.kept, weights[old.doc_ids])[2]

    def differences(weights: npt.NDArray[np.float64]) -> list[float]:
        at_loss = [f1_at_loss(scores, weights) for _, scores in changes]
        decided = [f1_decided(decisions, weights) for decisions, _ in changes]
        return [
            float(np.mean(at_loss)) - f1_at_loss(before[1], weights),
            float(np.mean(decided)) - f1_decided(before[0], weights),
        ]

    values = differences(np.ones(len(old.documents)))
    lows, highs = bootstrap_interval(sites, differences, 200)
    lost = [100 * float((keep & ~decisions.kept).sum() / keep.sum()) for decisions, _ in (before, *changes)]
    return (
        f"Old documents (dev, {len(old.documents)}): F1 at 1 % of article lines lost {100 * values[0]:+.1f} points "
        f"[{100 * lows[0]:+.1f}, {100 * highs[0]:+.1f}], as decided {100 * values[1]:+.1f} "
        f"[{100 * lows[1]:+.1f}, {100 * highs[1]:+.1f}]; article lines lost {lost[0]:.2f} → {np.mean(lost[1:]):.2f} %."
    )


if __name__ == "__main__":
    main()
