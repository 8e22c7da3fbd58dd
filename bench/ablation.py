"""What each source of data and each group of features brings: models fitted without it, paired with those with all.

    python bench/ablation.py --corpora ../shared [--plan small|medium|full] [--folds N] [--only NAME ...]

Cross-validated by site on the scraped documents of the train split. Stage one is fitted once, and again only where it
would have seen what is left out; the made documents are the same for all but those whose sources are left out. A
feature is switched off by setting its standardised column to zero, in training and in judging. The last row is of
everything with another seed: differences as large as that one say nothing. Prints its table and, with all variants
and the plan medium or full, replaces its section of bench/RESULTS.md. Intervals are 95 %, by drawing sites.
"""

from __future__ import annotations

import os

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[_name] = "1"

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import _report
from bench._score import Interval
from bench._training import OURS, PLANS, BenchPlan, CrossValidation, shipped_vectors, training_files
from bench.label_errors import read_own_ids
from cleaner.features.context import PLACE_NAMES, STORY_NAMES
from cleaner.features.meaning import MEANING_NAMES
from cleaner.features.shape import SHAPE_NAMES
from cleaner.learn.corpus import LabelledDocument, group_documents
from cleaner.learn.evaluate import average_precision, bootstrap_interval, drop_prf, threshold_at_loss
from cleaner.learn.fit import GramModels
from cleaner.learn.net_task import FittedNets, NetTask, fit_task
from cleaner.learn.plan import TrainingPlan
from cleaner.learn.train import LEFT
from cleaner.learn.workflow import TrainingData, read_training_data
from cleaner.model.artefact import DEFAULT_DROPPED
from cleaner.model.line_model import LINE_NAMES, STAGE_ONE_NAMES
from cleaner.model.nets import exponentials

FloatArray = npt.NDArray[np.float64]

INSERTED, CROPPED, WHOLE = 0, 1, 2
"""Kinds of made documents, as the trainer numbers them."""

MAX_LOSS = 0.01
_N_RESAMPLES = 300


@dataclass(frozen=True)
class Variant:
    """What a model does without.

    columns: of LINE_NAMES. without_kind: of made documents. without_ours: documents that texts.tsv labels.
    without: told by what is known of them, such as pages that a page model labelled. without_page_lines: in stage one.
    is_alone: each line by itself, as if it were a document. without_looks: lines in doubt are not looked at again.
    without_trees: they are, by windows alone.
    """

    name: str
    columns: tuple[str, ...] = ()
    without_kind: int | None = None
    without_ours: bool = False
    without: Callable[[LabelledDocument], bool] | None = None
    without_page_lines: bool = False
    is_alone: bool = False
    without_looks: bool = False
    without_trees: bool = False
    seed: int = 0

    def change_plan(self, plan: TrainingPlan) -> TrainingPlan:
        """The plan of its nets."""
        looks = () if self.without_looks else plan.looks
        if self.without_trees:
            looks = tuple(replace(look, trees=None) for look in looks)
        return replace(plan, looks=looks, seed=plan.seed + self.seed)


EVERYTHING = Variant("everything")
_TITLE_NAMES = ("like_title", "title_in_line", "title_known", "about_title")
VARIANTS = (
    EVERYTHING,
    Variant("articles with debris set in", without_kind=INSERTED),
    Variant("pages cut down", without_kind=CROPPED),
    Variant("whole pages", without_kind=WHOLE),
    Variant("what extractors left", without_kind=LEFT),
    Variant("texts.tsv", without_ours=True),
    Variant("pages labelled by the page model", without=attrgetter("is_judged")),
    Variant("synthetic documents", without=attrgetter("is_synthetic")),
    Variant("leftovers.tsv", without=attrgetter("is_chosen")),
    Variant("page lines in stage one", without_page_lines=True),
    Variant("stage one", STAGE_ONE_NAMES),
    Variant("shape", SHAPE_NAMES),
    Variant("place", PLACE_NAMES),
    Variant("story", STORY_NAMES),
    Variant("meaning", MEANING_NAMES),
    Variant("title", _TITLE_NAMES),
    Variant("recurrence", is_alone=True),
    Variant("looks at lines in doubt", without_looks=True),
    Variant("trees", without_trees=True),
    Variant("nothing, another seed", seed=1),
)


class Ablation(CrossValidation):
    """A cross-validation that fits each fold's net again for every variant.

    ours: numbers of the documents that texts.tsv labels. n_folds: how many folds are measured. After run(), scores has
    for each variant the probability of debris of the lines of `measured`, one after the other.
    """

    def __init__(self, variants: Sequence[Variant], ours: Sequence[int], n_folds: int, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.variants = variants
        self.ours = np.array(sorted(ours), dtype=np.int64)
        self.n_folds = n_folds
        self.measured: list[int] = []
        self.scores: dict[str, list[FloatArray]] = {variant.name: [] for variant in variants}
        self._stage_ones: list[Sequence[GramModels]] = []

    def _make_task(self, stage_one: Sequence[GramModels], leave_out: int | None) -> NetTask:
        if leave_out is None or leave_out >= self.n_folds:
            return self._last_task
        self._stage_ones.append(stage_one)
        return super()._make_task(stage_one, leave_out)

    def _fit_nets(self, tasks: Sequence[NetTask]) -> list[FittedNets]:
        fitted = []
        for fold in range(self.n_folds):
            chosen = [index for index in self.labelled_of_fold(fold) if self.labelled[index].kind == "scraped"]
            self.measured += chosen
            for variant in self.variants:
                task, grams = self._do_without(variant, fold, tasks[fold])
                nets = fit_task(task, variant.change_plan(self.plan))
                weights = exponentials(
                    self.score_together(chosen, grams, self._model_of(task, nets), is_alone=variant.is_alone)
                )
                scores = weights[:, DEFAULT_DROPPED].sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
                self.scores[variant.name].append(scores)
                self._note(f"fold {fold + 1}, {variant.name}")
            fitted.append(nets)
        # The other folds are not looked at.
        return [*fitted, *fitted[-1:] * (len(tasks) - len(fitted))]

    def _do_without(self, variant: Variant, fold: int, task: NetTask) -> tuple[NetTask, GramModels]:
        """What a variant's net is fitted to without a fold, and the stage one that scores the fold."""
        stage_one = self._stage_ones[fold]
        left_out = self._sources_without(variant)
        if len(left_out) or variant.without_page_lines or variant.seed:
            plan, folds, line_folds = self.plan, self.folds, self.line_folds
            share = 0.0 if variant.without_page_lines else plan.page_line_share
            self.plan = replace(plan, seed=plan.seed + variant.seed, page_line_share=share)
            if len(left_out):
                # What is in the fold that is left out teaches nothing.
                self.folds = folds.copy()
                self.folds[left_out] = fold
                self.line_folds = np.repeat(self.folds, np.diff(self.offsets))
            if not variant.seed:
                stage_one = [self._fit_grams({fold, other}) for other in range(plan.n_folds)]
            task = self._with_trust(super()._make_task(stage_one, fold))
            self.plan, self.folds, self.line_folds = plan, folds, line_folds
        return take_out(variant, task), stage_one[fold]

    def _sources_without(self, variant: Variant) -> npt.NDArray[np.int64]:
        """The numbers of the documents that a variant does without."""
        if variant.without_ours:
            return self.ours
        if variant.without is not None:
            return np.flatnonzero([variant.without(source) for source in self.sources])
        return np.zeros(0, dtype=np.int64)


def take_out(variant: Variant, task: NetTask) -> NetTask:
    """Documents as a net sees them, less what a variant does without."""
    if variant.without_kind is not None:
        task = task.choose(np.flatnonzero(task.kinds != variant.without_kind))
    if variant.columns:
        columns = [LINE_NAMES.index(name) for name in variant.columns]
        inputs, factors = task.inputs.copy(), task.factors.copy()
        inputs[:, columns], factors[columns] = 0, 0
        task = replace(task, inputs=inputs, factors=factors)
    if variant.is_alone:
        kinds = np.repeat(task.kinds, np.diff(task.page_starts))
        task = replace(task, page_starts=np.arange(len(task.labels) + 1), kinds=kinds)
    return task


# --- figures ---


@dataclass(frozen=True)
class Measured:
    """The lines that were judged. groups: of each document, what it is drawn with."""

    keep: npt.NDArray[np.bool_]
    doc_ids: npt.NDArray[np.int64]
    groups: list[int]

    def figures(self, scores: FloatArray, weights: FloatArray) -> tuple[float, float]:
        """Average precision, and F1 at 1 % of article lines lost."""
        of_lines = weights[self.doc_ids]
        threshold = threshold_at_loss(scores, self.keep, self.doc_ids, MAX_LOSS, doc_weights=weights)
        return average_precision(scores, ~self.keep, of_lines), drop_prf(~self.keep, scores >= threshold, of_lines)[2]


def measure(
    data: TrainingData, plan: BenchPlan, variants: Sequence[Variant], n_folds: int
) -> tuple[Measured, dict[str, FloatArray]]:
    """What was judged, and the scores of each variant."""
    own = frozenset(read_own_ids(OURS))
    ours = [number for number, document in enumerate(data.labelled) if document.id in own]
    chosen = plan.choose_data(data)
    models = Ablation(
        variants,
        ours,
        n_folds,
        data.labelled,
        chosen.pages,
        plan.plan,
        partial(print, flush=True),
        shipped_vectors(),
        chosen.leftovers,
    )
    models.run()
    documents: list[LabelledDocument] = [data.labelled[index] for index in models.measured]
    groups = group_documents(documents).tolist()
    keep = np.concatenate([~document.drops for document in documents])
    doc_ids = np.repeat(np.arange(len(documents)), [len(document.lines) for document in documents])
    return Measured(keep, doc_ids, groups), {name: np.concatenate(parts) for name, parts in models.scores.items()}


def render(measured: Measured, scores: dict[str, FloatArray], plan: BenchPlan, n_folds: int) -> str:
    """The section with its table."""
    base = scores[EVERYTHING.name]
    others = [name for name in scores if name != EVERYTHING.name]

    def differences(weights: FloatArray) -> FloatArray:
        with_all = np.array(measured.figures(base, weights))
        return np.array([np.array(measured.figures(scores[name], weights)) - with_all for name in others])

    every = np.ones(len(measured.groups))
    values = differences(every)
    lows, highs = bootstrap_interval(measured.groups, differences, _N_RESAMPLES)
    rows = [[EVERYTHING.name, *_cells(measured.figures(base, every)), "", ""]]
    for name, value, low, high in zip(others, values, lows, highs, strict=True):
        gaps = [_report.gap(Interval(*map(float, ends))) for ends in zip(value, low, high, strict=True)]
        figures = _cells(measured.figures(scores[name], every))
        rows.append([f"without {name}", figures[0], figures[1], *gaps])
    return "\n\n".join(
        [
            f"## What the data and the features bring\n\nBy `bench/ablation.py`, {plan}; {n_folds} of them measured. "
            f"{_report.environment()}.",
            f"{len(measured.groups):,} scraped documents of {len(set(measured.groups)):,} sites, "
            f"{len(measured.keep):,} lines, judged out of fold by models that did without one thing each. In brackets "
            f"95 % intervals of the difference to everything, by bootstrap over sites ({_N_RESAMPLES} draws); bold "
            "where they leave out 0. One net varies by chance: the last row is that.",
            _report.table(["", "AP", "F1 at 1 % lost", "AP, change", "F1, change"], rows),
        ]
    )


def _cells(figures: Sequence[float]) -> list[str]:
    return [_report.share(value) for value in figures]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder that holds corpora/ and labels/")
    parser.add_argument("--plan", choices=PLANS, default="medium", help="how models are fitted")
    parser.add_argument("--folds", type=int, default=2, help="how many folds are measured")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these variants only; nothing is written")
    chosen = parser.parse_args(arguments)
    plan = PLANS[chosen.plan]
    unknown = sorted(set(chosen.only or ()) - {variant.name for variant in VARIANTS})
    if unknown:
        parser.error(f"--only {', '.join(unknown)}: the variants are {', '.join(v.name for v in VARIANTS)}")
    variants = [v for v in VARIANTS if chosen.only is None or v.name in chosen.only or v is EVERYTHING]
    begun = time.perf_counter()
    n_folds = min(chosen.folds, plan.plan.n_folds)
    data = read_training_data(training_files(chosen.corpora, "train"), partial(print, flush=True))
    section = render(*measure(data, plan, variants, n_folds), plan, n_folds)
    print(f"\n{section}\n\n({time.perf_counter() - begun:.0f} s)")
    if chosen.only is None and plan.is_telling:
        _report.write_section("ablation", section)


if __name__ == "__main__":
    main()
