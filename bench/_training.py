"""What the benchmarks that fit models of their own share: data, plans, and cross-validation by site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench._data import OWN_PAGES
from cleaner.features.meaning import WordVectors
from cleaner.learn.augment import as_made
from cleaner.learn.corpus import LabelledDocument
from cleaner.learn.fit import GramModels, gram_logits, gram_matrix
from cleaner.learn.leftovers import EXTRACTORS
from cleaner.learn.net_task import FittedNets, NetTask
from cleaner.learn.plan import QUICK_LOOKS, TrainingPlan, plan_looks
from cleaner.learn.recurrent import NetPlan
from cleaner.learn.train import Fitted, Log, _as_lines, _Trainer
from cleaner.learn.trees import TreePlan
from cleaner.learn.vectors import read_vectors
from cleaner.learn.window import WindowPlan
from cleaner.learn.workflow import TrainingData, TrainingFiles
from cleaner.model.artefact import DEFAULT_MODEL, DEFAULT_PAGE_MODEL, WEIGHTS, find_model
from cleaner.model.line_model import LineModel
from cleaner.model.nets import exponentials

ROOT = Path(__file__).resolve().parent.parent
LABELS = ROOT / "data" / "labels"
OURS = LABELS / "texts.tsv"
LEFT_LABELS = LABELS / "leftovers.tsv"
SYNTHETIC = ROOT / "data" / "synthetic.jsonl"
PAGE_SOURCES = "aed crf cleanportal daniel ftr fundus-tests irdata magichtml turing wcxb xmu zhhand".split()
JUDGED_SOURCES = ["trafilatura-eval", "unlabelled"]
"""Without gold texts; a page model labels their pages."""

Weights = npt.NDArray[np.int64]


def training_files(
    corpora: Path, split: str, with_pages: bool = True, left_by: Sequence[str] = tuple(EXTRACTORS)
) -> TrainingFiles:
    """The files that the shipped model is fitted to, of one split."""
    folder = corpora / "corpora"
    with_gold, judged = (
        [folder / f"pages-{source}.jsonl.zst" for source in sources] for sources in (PAGE_SOURCES, JUDGED_SOURCES)
    )
    return TrainingFiles(
        [corpora / "labels"],
        [*with_gold, OWN_PAGES, *judged] if with_pages else [],
        split,
        folder / "scraped-text-unlabelled.jsonl.zst",
        OURS,
        [folder / "gold_checked.tsv", LABELS / "suspects.tsv"],
        LABELS / "pages.tsv",
        left_by=left_by,
        page_model=DEFAULT_PAGE_MODEL,
        synthetic=[SYNTHETIC],
        left_labels=LEFT_LABELS if with_pages else None,
    )


@dataclass(frozen=True)
class BenchPlan:
    """How a benchmark fits its models. n_pages: how many pages with gold text are taken; all where there are fewer."""

    name: str
    plan: TrainingPlan
    n_pages: int

    def __str__(self) -> str:
        plan, net = self.plan, self.plan.net
        return (
            f"plan `{self.name}`: {plan.n_folds} folds, a net in order of {net.n_epochs} epochs, "
            f"{plan.n_inserted:,} + {plan.n_cropped:,} + {plan.n_whole:,} made documents, {plan.n_left:,} leftovers, "
            f"at most {self.n_pages:,} pages"
        )

    @property
    def is_telling(self) -> bool:
        """Whether its figures are worth a place among the results."""
        return self.name in ("full", "medium")

    def choose_data(self, data: TrainingData) -> TrainingData:
        """As many pages as the plan takes, drawn from all, with what extractors left of them."""
        if len(data.pages) <= self.n_pages:
            return data
        drawn = np.random.default_rng([self.plan.seed, 23]).choice(len(data.pages), size=self.n_pages, replace=False)
        pages = [data.pages[index] for index in sorted(drawn.tolist())]
        known = {page.id for page in pages}
        return replace(data, pages=pages, leftovers=[left for left in data.leftovers if left.page_id in known])


FEW_LOOKS = plan_looks(1, TreePlan(n_lines=60_000, n_trees=100))

# A cross-validation by `small` costs a minute and a half of one core, by `full` more than ten. Models by `small` are
# weak: they found 12 % of made pointers to other stories, of which the shipped model finds 74 %.
PLANS = {
    entry.name: entry
    for entry in (
        BenchPlan("full", TrainingPlan(), 10_000),
        BenchPlan(
            "medium",
            TrainingPlan(
                n_folds=3,
                n_inserted=5000,
                n_cropped=1500,
                n_whole=200,
                n_left=1500,
                gram_epochs=4,
                looks=FEW_LOOKS,
                n_scored_pages=100,
            ),
            2000,
        ),
        BenchPlan(
            "small",
            TrainingPlan(
                n_folds=3,
                n_inserted=2000,
                n_cropped=400,
                n_whole=60,
                n_left=400,
                gram_epochs=3,
                net=NetPlan(n_epochs=6, sees_mean=True),
                looks=FEW_LOOKS,
                n_scored_pages=60,
            ),
            400,
        ),
        BenchPlan(
            "tiny",
            TrainingPlan(
                n_folds=3,
                n_inserted=200,
                n_cropped=20,
                n_whole=5,
                n_left=10,
                gram_epochs=2,
                net=NetPlan(n_inner=16, n_units=8, n_last=8, n_epochs=6, rate=4e-3, dropout=0.1),
                window=WindowPlan((16, 8), ((3e-3, 4),)),
                looks=QUICK_LOOKS,
                n_scored_pages=10,
            ),
            40,
        ),
    )
}


def shipped_vectors() -> WordVectors:
    """Vectors of words as the shipped model has them, whatever version of features it is for."""
    return read_vectors(find_model(DEFAULT_MODEL) / WEIGHTS)


class CrossValidation(_Trainer):
    """`fit` but for the model of all documents at its end: only out-of-fold scores are wanted.

    run() gives a `Fitted` whose model is of no use. whole: other versions of some labelled documents, by their number;
    each is judged by the models that did not see the labelled one. After run(), whole_weights has their class weights,
    and judge() scores documents of sites that none of the models saw.
    """

    def __init__(
        self,
        labelled: Sequence[LabelledDocument],
        pages: Sequence[LabelledDocument],
        plan: TrainingPlan,
        log: Log = lambda _: None,
        vectors: WordVectors | None = None,
        leftovers: Sequence[LabelledDocument] = (),
        whole: Mapping[int, LabelledDocument] | None = None,
    ) -> None:
        super().__init__(labelled, pages, plan, log, vectors or WordVectors.none(), leftovers)
        self.whole = whole or {}
        self._whole_logits: dict[int, npt.NDArray[np.float32]] = {}
        self._judges: dict[int, tuple[GramModels, LineModel]] = {}
        self._temperature = 1.0

    @property
    def whole_weights(self) -> dict[int, Weights]:
        return {number: self._to_weights(logits) for number, logits in self._whole_logits.items()}

    def run(self) -> Fitted:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=self.plan.n_threads):
            fitted = super().run()
        self._temperature = fitted.temperature
        return fitted

    def judge(self, document: LabelledDocument) -> list[Weights]:
        """The class weights that each fold's models give the lines of a document from elsewhere."""
        return [self._to_weights(self._score_lines(document, *judge)) for judge in self._judges.values()]

    def _to_weights(self, logits: npt.NDArray[np.float32]) -> Weights:
        return exponentials(logits / np.float32(self._temperature))

    def _fit_grams(self, without: set[int]) -> GramModels:
        return super()._fit_grams(without) if without else self.single[0]

    def _make_task(self, stage_one: Sequence[GramModels], leave_out: int | None) -> NetTask:
        if leave_out is not None:
            self._last_task = super()._make_task(stage_one, leave_out)
        return self._last_task

    def _fit_nets(self, tasks: Sequence[NetTask]) -> list[FittedNets]:
        nets = super()._fit_nets(tasks[:-1])
        return [*nets, nets[-1]]

    def _score_documents(
        self, chosen: Sequence[int], stage_one: GramModels, model: LineModel
    ) -> Iterator[npt.NDArray[np.float32]]:
        for index in chosen:
            self._judges[int(self.folds[index])] = stage_one, model
            if index in self.whole:
                self._whole_logits[index] = self._score_lines(self.whole[index], stage_one, model)
        return super()._score_documents(chosen, stage_one, model)

    def labelled_of_fold(self, fold: int) -> list[int]:
        """Numbers of the labelled documents in a fold that are measured on."""
        return [number for number in self.measured_documents if self.folds[number] == fold]

    def score_together(
        self, chosen: Sequence[int], stage_one: GramModels, model: LineModel, *, is_alone: bool = False
    ) -> npt.NDArray[np.float32]:
        """Logits of the lines of some labelled documents. is_alone: each line as if it were a document."""
        lines = _as_lines([as_made(self.sources[index], index) for index in chosen])
        rows = np.concatenate([np.arange(self.offsets[index], self.offsets[index + 1]) for index in chosen])
        inputs = model.line_inputs(lines, None, gram_logits(stage_one, self.matrix[rows]))
        return model.net.logits(inputs, np.arange(lines.n_lines + 1) if is_alone else lines.page_starts)

    def pages_as_guessed(self) -> list[LabelledDocument]:
        """The pages, after run(), with the class of their debris as it was guessed from the labelled documents."""
        places = pairwise(self.offsets[len(self.labelled) : self.n_own + 1].tolist())
        return [
            replace(page, labels=self.labels[start:end]) for page, (start, end) in zip(self.pages, places, strict=True)
        ]

    def _score_lines(
        self, document: LabelledDocument, stage_one: GramModels, model: LineModel
    ) -> npt.NDArray[np.float32]:
        lines = _as_lines([as_made(document, 0)])
        logits = gram_logits(stage_one, gram_matrix(document.lines, self.tables.chars))
        return model.net.logits(model.line_inputs(lines, None, logits), lines.page_starts)
