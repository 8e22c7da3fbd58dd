"""From labelled documents and pages with gold text to a model folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from cleaner.errors import UsageError
from cleaner.features.chars import build_char_tables
from cleaner.features.lines import FeatureTables, line_features
from cleaner.features.meaning import WordVectors
from cleaner.features.shape import FloatArray
from cleaner.labels import BODY, TITLE
from cleaner.learn.augment import (
    DebrisStock,
    MadeDocument,
    as_made,
    crop_page,
    find_lists,
    insert_debris,
)
from cleaner.learn.corpus import UNKNOWN_DEBRIS, LabelledDocument, assign_folds, group_documents, group_keys
from cleaner.learn.fit import (
    GramModels,
    IntArray,
    fit_grams,
    gram_logits,
    gram_matrix,
    measure_rarity,
    quantise_grams,
)
from cleaner.learn.net_task import FittedNets, NetTask, fit_task
from cleaner.learn.plan import TrainingPlan
from cleaner.learn.replay import LABELLED_KIND, Replay, sample_replay
from cleaner.model.artefact import DEFAULT_DROPPED
from cleaner.model.line_model import BLOCK_LINES, N_STAGE_ONE, GramWeights, LineModel, split_blocks
from cleaner.model.nets import MAX_STEPS, N_LABELS, STEP, exponentials, standardise
from cleaner.types import Lines


@dataclass(frozen=True)
class Fitted:
    """A model with its out-of-fold judgement of the labelled documents that are measured (`is_measured`).

    weights: for each of these documents the class weights (`LineModel.exponentials`) given by a model that saw
    neither it nor anything of its site. pages, page_weights: likewise of a sample of the pages with gold text.
    replay: what retraining needs of the data.
    """

    model: LineModel
    documents: list[LabelledDocument]
    weights: list[npt.NDArray[np.int64]]
    pages: list[LabelledDocument]
    page_weights: list[npt.NDArray[np.int64]]
    groups: IntArray
    temperature: float
    replay: Replay


Log = Callable[[str], None]


def fit(
    labelled: Sequence[LabelledDocument],
    pages: Sequence[LabelledDocument],
    plan: TrainingPlan | None = None,
    log: Log = lambda _: None,
    vectors: WordVectors | None = None,
    leftovers: Sequence[LabelledDocument] = (),
) -> Fitted:
    """A model fitted to labelled documents and pages, and its out-of-fold scores. The same input gives the same bits.

    vectors: of words, fitted before (`cleaner.learn.vectors`); without them the model sees nothing of their meaning.
    leftovers: what extractors left of the pages; stage two alone learns from them, as their lines are the pages'.
    No figure or threshold is measured on documents that are synthetic or chosen by a model's doubts. Of synthetic ones
    no debris is set into others.
    Raises UsageError where there are too few documents or classes to learn from.
    """
    plan = plan or TrainingPlan()
    _check_enough(labelled, plan)
    from threadpoolctl import threadpool_limits

    # One thread: the order in which threads add up would change the last bits of the weights.
    with threadpool_limits(limits=plan.n_threads):
        return _Trainer(labelled, pages, plan, log, vectors or WordVectors.none(), leftovers).run()


def _check_enough(labelled: Sequence[LabelledDocument], plan: TrainingPlan) -> None:
    measured = [document for document in labelled if document.is_measured]
    n_groups = len(set(group_documents(measured).tolist()))
    if n_groups < plan.n_folds:
        raise UsageError(
            f"{len(measured)} labelled documents of {n_groups} sites; cross-validation by site needs at least "
            f"{plan.n_folds}"
        )
    classes = {label for document in labelled for label in document.labels.tolist()}
    if BODY not in classes or not classes - {TITLE, BODY}:
        raise UsageError("the labelled documents need lines of class body and of at least one class that is dropped")


@dataclass
class _Trainer:
    labelled: Sequence[LabelledDocument]
    pages: Sequence[LabelledDocument]
    plan: TrainingPlan
    log: Log
    vectors: WordVectors
    leftovers: Sequence[LabelledDocument] = ()
    trust: dict[int, FloatArray] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def run(self) -> Fitted:
        plan = self.plan
        self.sources = [*self.labelled, *self.pages, *self.leftovers]
        self.n_own = len(self.labelled) + len(self.pages)
        self.offsets = np.array([0, *accumulate(len(document.lines) for document in self.sources)])
        groups, self.folds = self._assign_folds()
        self.line_folds = np.repeat(self.folds, np.diff(self.offsets))
        self.is_labelled = np.arange(self.offsets[-1]) < self.offsets[len(self.labelled)]
        is_synthetic = [document.is_synthetic for document in self.sources]
        self.is_read = self.is_labelled & ~np.repeat(is_synthetic, np.diff(self.offsets))
        chars = build_char_tables()
        texts = [line for document in self.sources for line in document.lines]
        self.matrix = gram_matrix(texts, chars)
        self.labels = np.concatenate([document.labels for document in self.sources])
        self._note(
            f"{len(self.labelled)} labelled documents, {len(self.pages)} pages, {len(self.leftovers)} leftovers of "
            f"them, {len(texts)} lines"
        )
        self._guess_unknown_classes()
        articles = [text for document in self.sources[:4000] for text in document.lines]
        self.tables = FeatureTables(chars, measure_rarity(articles, chars), self.vectors)

        # Stage one without fold j, and without folds j and k, so that what stage two learns from and is measured on
        # was never scored by a model that saw it.
        self.single = [self._fit_grams({fold}) for fold in range(plan.n_folds)]
        self._note("stage one fitted without each fold")
        pairs: dict[frozenset[int], GramModels] = {}
        tasks = []
        for fold in range(plan.n_folds):
            for other in range(plan.n_folds):
                if other != fold and frozenset((fold, other)) not in pairs:
                    pairs[frozenset((fold, other))] = self._fit_grams({fold, other})
            stage_one = [
                self.single[fold] if other == fold else pairs[frozenset((fold, other))] for other in range(plan.n_folds)
            ]
            tasks.append(self._make_task(stage_one, leave_out=fold))
        tasks.append(self._make_task(self.single, leave_out=None))
        self._note("stage one fitted without each two folds, documents made")
        if self.leftovers:
            self._doubt_leftovers(tasks[:-1])
            tasks = [self._with_trust(task) for task in tasks]
        nets = self._fit_nets(tasks)

        scored_pages, logits = self._score_left_out(tasks, nets)
        temperature = fit_temperature(
            np.concatenate([logits[index] for index in self.measured_documents]),
            np.concatenate([self.labelled[index].labels for index in self.measured_documents]),
        )
        weights = {index: exponentials(values / np.float32(temperature)) for index, values in logits.items()}
        task = tasks[-1]
        own_lines = self.matrix[: self.offsets[self.n_own]]
        replay = sample_replay(task.inputs, task.labels, task.page_starts, task.kinds, own_lines, plan.seed)
        grams = quantise_grams(self._fit_grams(set()))
        self._note("fitted on all of it")
        return Fitted(
            LineModel(self.tables, grams, task.centers, task.factors, task.quantise(nets[-1], temperature)),
            [self.labelled[index] for index in self.measured_documents],
            [weights[index] for index in self.measured_documents],
            [self.sources[index] for index in scored_pages],
            [weights[index] for index in scored_pages],
            groups[self.measured_documents],
            temperature,
            replay,
        )

    @cached_property
    def measured_documents(self) -> list[int]:
        """Numbers of the labelled documents that figures, temperature and thresholds are taken on."""
        return [number for number, document in enumerate(self.labelled) if document.is_measured]

    def _assign_folds(self) -> tuple[IntArray, IntArray]:
        """The group and the fold of each document.

        What is measured stays in its fold whatever is made up or chosen beside it: synthetic documents are spread by
        themselves, chosen ones go to their page and site, and those of further sites are spread by themselves too.
        """
        synthetic = np.array([document.is_synthetic for document in self.sources])
        chosen = np.array([document.is_chosen for document in self.sources])
        # A page of hundreds of lines should not make its fold short of labelled documents, nor what was left of it.
        sizes = np.array([min(len(document.lines), 60) for document in self.sources])
        sizes[self.n_own :] = 0
        groups, folds = np.empty((2, len(self.sources)), dtype=np.int64)

        def spread(some: IntArray) -> None:
            groups[some] = some[group_documents([self.sources[index] for index in some.tolist()])]
            folds[some] = assign_folds(groups[some], self.plan.n_folds, sizes[some].tolist())

        spread(np.flatnonzero(synthetic))
        others = np.flatnonzero(~synthetic & ~chosen)
        spread(others)
        homes = {key: index for index in others.tolist() for key in group_keys(self.sources[index])}
        homeless = []
        for index in np.flatnonzero(chosen).tolist():
            home = next((homes[key] for key in group_keys(self.sources[index]) if key in homes), None)
            if home is None:
                homeless.append(index)
            else:
                groups[index], folds[index] = groups[home], folds[home]
        spread(np.array(homeless, dtype=np.int64))
        return groups, folds

    def _doubt_leftovers(self, tasks: Sequence[NetTask]) -> None:
        """Takes the trust from those lines of leftovers of which nets that saw nothing of their site are sure that they
        are on the other side than the gold has them.

        Gold texts miss lines and hold others: learned as they are, leftovers taught little. That a page holds no
        article is known, whatever it looks like. The nets that doubt one fold have seen the others, so which lines a
        net does without hangs a little on the fold that it is measured on; it learns no label from there.
        """
        plan = replace(self.plan, n_nets=1, looks=())
        own = [task.choose(np.flatnonzero(task.kinds != LEFT)) for task in tasks]
        for fold, nets in enumerate(self._fit_each(own, plan)):
            chosen = [index for index in range(self.n_own, len(self.sources)) if self.folds[index] == fold]
            parts = self._score_documents(chosen, self.single[fold], self._model_of(tasks[fold], nets))
            for index, logits in zip(chosen, parts, strict=True):
                weights = exponentials(logits)
                debris = weights[:, DEFAULT_DROPPED].sum(axis=1) / weights.sum(axis=1)
                is_debris = DEFAULT_DROPPED[self.labels[self.offsets[index] : self.offsets[index + 1]]]
                believed = np.where(is_debris, debris > 1 - _SURE, debris < _SURE) | is_debris.all()
                self.trust[index] = believed.astype(np.float32)
        n_doubted = sum(int((values == 0).sum()) for values in self.trust.values())
        self._note(f"{n_doubted} of {sum(map(len, self.trust.values()))} lines of leftovers doubted")

    def _with_trust(self, task: NetTask) -> NetTask:
        """The task with what is known of its leftovers, which are the last of its documents."""
        known = [self.trust[index] for index in task.leftovers.tolist()]
        n_before = len(task.labels) - sum(map(len, known))
        return replace(task, trust=np.concatenate([np.ones(n_before, np.float32), *known]))

    def _fit_nets(self, tasks: Sequence[NetTask]) -> list[FittedNets]:
        """The nets of each task."""
        return self._fit_each(tasks, self.plan)

    def _fit_each(self, tasks: Sequence[NetTask], plan: TrainingPlan) -> list[FittedNets]:
        from joblib import Parallel, delayed

        fitted: list[FittedNets] = []
        jobs = (delayed(fit_task)(task, plan) for task in tasks)
        for nets in Parallel(n_jobs=self.plan.n_processes, return_as="generator")(jobs):
            fitted.append(nets)
            self._note(f"stage two fitted, {len(fitted)} of {len(tasks)}")
        return fitted

    def _score_left_out(
        self, tasks: Sequence[NetTask], nets: Sequence[FittedNets]
    ) -> tuple[list[int], dict[int, FloatArray]]:
        """The sample of pages; logits of these and all labelled documents, by nets that saw nothing of their fold."""
        plan = self.plan
        # A page without an article has no text that a threshold could bring out better or worse, and what a model has
        # labelled is measured against nothing.
        all_pages = [
            index
            for index in range(len(self.labelled), self.n_own)
            if (self.sources[index].labels == BODY).any() and self.sources[index].is_measured
        ]
        n_pages = min(plan.n_scored_pages, len(all_pages))
        rng = np.random.default_rng([plan.seed, 11])
        pages = sorted(rng.choice(all_pages, size=n_pages, replace=False).tolist())
        logits: dict[int, FloatArray] = {}
        for fold in range(plan.n_folds):
            model = self._model_of(tasks[fold], nets[fold])
            chosen = [index for index in (*self.measured_documents, *pages) if self.folds[index] == fold]
            logits |= zip(chosen, self._score_documents(chosen, self.single[fold], model), strict=True)
        return pages, logits

    def _model_of(self, task: NetTask, nets: FittedNets) -> LineModel:
        """Nets with the features that they were fitted to, and no stage one of their own."""
        return LineModel(self.tables, _NO_GRAMS, task.centers, task.factors, task.quantise(nets))

    def _note(self, message: str) -> None:
        self.log(f"{time.monotonic() - self.started:6.0f} s  {message}")

    def _guess_unknown_classes(self) -> None:
        """Debris of pages gets the class that a model of the labelled lines of other sites finds likeliest."""
        unknown = self.labels == UNKNOWN_DEBRIS
        guessed = self.labels.copy()
        for fold in range(self.plan.n_folds):
            here = unknown & (self.line_folds == fold)
            if not here.any():
                continue
            learn = self.is_labelled & (self.line_folds != fold)
            weights = np.ones(int(learn.sum()), dtype=np.float32)
            model = fit_grams(self.matrix[learn], self.labels[learn], weights, 6, self.plan.seed)
            logits = gram_logits(model, self.matrix[here])
            guessed[here] = np.where(DEFAULT_DROPPED, logits[:, :N_LABELS], -99).argmax(axis=1)
        self.labels = guessed

    def _fit_grams(self, without: set[int]) -> GramModels:
        """Stage one fitted on all labelled lines and a share of the pages' lines, but those of some folds."""
        rng = np.random.default_rng([self.plan.seed, *sorted(without)])
        learn = self.is_labelled | (rng.random(len(self.labels)) < self.plan.page_line_share)
        learn &= ~np.isin(self.line_folds, list(without))
        learn[self.offsets[self.n_own] :] = False
        weights = np.where(self.is_read[learn], 1.0, self.plan.page_line_weight).astype(np.float32)
        return fit_grams(self.matrix[learn], self.labels[learn], weights, self.plan.gram_epochs, self.plan.seed)

    def _make_task(self, stage_one: Sequence[GramModels], leave_out: int | None) -> NetTask:
        """What stage two is fitted to: made documents of all folds but one; stage_one[f] scores the lines of fold f."""
        plan = self.plan
        rng = np.random.default_rng([plan.seed, 7, 99 if leave_out is None else leave_out])
        made, kinds = self._make_documents(rng, leave_out)
        left = [document.lines[0].document for document, kind in zip(made, kinds.tolist(), strict=True) if kind == LEFT]
        lines = _as_lines(made)
        logits, labels = self._logits_and_labels(made, stage_one)
        raw = _raw_inputs(self.tables, lines, logits)
        centers, factors = _scaling(raw)
        evidence, labels = _simulate_hints(rng, lines, labels, plan.hint_share)
        inputs = standardise(raw, centers, factors)
        inputs[:, -1] = evidence * np.float32(MAX_STEPS)
        ones, leftovers = np.ones(len(labels), dtype=np.float32), np.array(left, dtype=np.int64)
        return NetTask(inputs.astype(np.int8), labels, lines.page_starts, kinds, centers, factors, ones, leftovers)

    def _make_documents(
        self, rng: np.random.Generator, leave_out: int | None
    ) -> tuple[list[MadeDocument], npt.NDArray[np.int64]]:
        """Documents to learn from: articles with debris set in, pages cut down, whole pages, labelled documents,
        synthetic ones, and what extractors left, which come last."""
        plan = self.plan
        learned = [index for index in range(self.n_own) if self.folds[index] != leave_out]
        synthetic = [index for index in learned if self.sources[index].is_synthetic]
        known = [index for index in learned if not self.sources[index].is_synthetic]
        labelled = [index for index in known if index < len(self.labelled)]
        pages = [index for index in known if index >= len(self.labelled)]
        headlines = [
            (self.sources[i].lang, str(self.sources[i].title)) for i in pages if len(self.sources[i].title or "") > 15
        ]
        lists = find_lists(self.sources, known)
        stock = DebrisStock(self.sources, labelled, headlines, lists)
        # Labelled debris is nearly all English; other languages take the debris of their own pages too.
        page_stock = DebrisStock(self.sources, [i for i in pages if self.sources[i].lang != "en"], headlines, lists)
        articles = [i for i in known if int((self.sources[i].labels == BODY).sum()) >= 4]
        english = [i for i in articles if self.sources[i].lang in ("en", None)]
        others = [i for i in articles if self.sources[i].lang not in ("en", None)]
        made: list[tuple[MadeDocument, int]] = []
        for _ in range(plan.n_inserted if articles else 0):
            in_english = bool(english) and (not others or rng.random() < 0.65)
            index = int(rng.choice(english if in_english else others))
            use_labelled = in_english or rng.random() < 0.4
            made.append((insert_debris(self.sources[index], index, stock if use_labelled else page_stock, rng), 0))
        for index in rng.choice(pages, size=plan.n_cropped).tolist() if pages else ():
            cropped = crop_page(self.sources[index], index, rng)
            if cropped and len(cropped.lines) < 300:
                made.append((cropped, 1))
        for index in rng.choice(pages, size=plan.n_whole).tolist() if pages else ():
            made.append((as_made(self.sources[index], index, rng.random() < 0.5), 2))
        for index in labelled:
            kind = CHOSEN if self.sources[index].is_chosen else LABELLED_KIND
            made.append((as_made(self.sources[index], index, True), kind))
            if self.sources[index].title and rng.random() < 0.5:
                made.append((as_made(self.sources[index], index, False), kind))
        made += [(as_made(self.sources[index], index, bool(rng.random() < 0.5)), SYNTHETIC) for index in synthetic]
        left = [index for index in range(self.n_own, len(self.sources)) if self.folds[index] != leave_out]
        left = sorted(rng.permutation(left)[: plan.n_left].tolist())
        made += [(as_made(self.sources[index], index, bool(rng.random() < 0.5)), LEFT) for index in left]
        made = [(document, kind) for document, kind in made if document.lines]
        return [document for document, _ in made], np.array([kind for _, kind in made], dtype=np.int64)

    def _logits_and_labels(
        self, made: Sequence[MadeDocument], stage_one: Sequence[GramModels]
    ) -> tuple[FloatArray, IntArray]:
        """Stage-one logits of every line, by the model that did not see its source, and its class."""
        rows: list[int] = []
        new: list[tuple[int, str, int]] = []
        labels = np.empty(sum(len(document.lines) for document in made), dtype=np.int64)
        for document in made:
            home = next((line.document for line in document.lines if line.document >= 0), 0)
            for line in document.lines:
                number = len(rows)
                if line.document >= 0:
                    row = int(self.offsets[line.document]) + line.line
                    rows.append(row)
                    labels[number] = self.labels[row] if line.label == UNKNOWN_DEBRIS else line.label
                else:
                    rows.append(-1)
                    new.append((number, line.text, int(self.folds[home])))
                    labels[number] = line.label
        row_array = np.array(rows, dtype=np.int64)
        logits = np.zeros((len(rows), N_STAGE_ONE), dtype=np.float32)
        for fold, model in enumerate(stage_one):
            here = np.flatnonzero((row_array >= 0) & (self.line_folds[np.maximum(row_array, 0)] == fold))
            if here.size:
                unique, inverse = np.unique(row_array[here], return_inverse=True)
                logits[here] = gram_logits(model, self.matrix[unique])[inverse]
            texts = [(number, text) for number, text, home_fold in new if home_fold == fold]
            if texts:
                matrix = gram_matrix([text for _, text in texts], self.tables.chars)
                logits[[number for number, _ in texts]] = gram_logits(model, matrix)
        return logits, labels

    def _score_documents(self, chosen: Sequence[int], stage_one: GramModels, model: LineModel) -> Iterator[FloatArray]:
        """Logits of the lines of each document, all as at run time but for the fold's own stage one."""
        n_lines = sum(len(self.sources[index].lines) for index in chosen)
        parts = np.array_split(np.array(chosen, dtype=np.int64), n_lines // _LINES_AT_ONCE + 1)
        for some in filter(None, (part.tolist() for part in parts)):
            lines = _as_lines([as_made(self.sources[index], index) for index in some])
            rows = [row for index in some for row in range(self.offsets[index], self.offsets[index + 1])]
            inputs = model.line_inputs(lines, None, gram_logits(stage_one, self.matrix[rows]))
            yield from np.split(model.net.logits(inputs, lines.page_starts), lines.page_starts[1:-1])


LEFT, SYNTHETIC, CHOSEN = 4, 5, 6
"""Of the kinds of documents that a net is fitted to, what extractors left, what was made up, and what a model's doubts
chose for reading."""

# What a net gives this probability is as good as certain: of 4,000 leftovers learned without the lines of which it is
# certain otherwise, F1 at 1 % lost over all labelled documents was .888, with them .879, without any leftovers .875.
_SURE = 0.9
_LINES_AT_ONCE = 30_000

_NO_GRAMS = GramWeights(np.zeros((0, N_STAGE_ONE), np.int8), np.zeros(0, np.float32), np.zeros(0, np.float32))


def _as_lines(made: Sequence[MadeDocument]) -> Lines:
    texts = [line.text for document in made for line in document.lines]
    return Lines(
        texts,
        np.array([0, *accumulate(len(document.lines) for document in made)]),
        [document.title for document in made],
    )


def _raw_inputs(tables: FeatureTables, lines: Lines, logits: FloatArray) -> FloatArray:
    """Inputs before they are standardised, in the order of LINE_NAMES; float32, a row a line."""
    dense = np.concatenate([line_features(block, tables).dense for _, block in split_blocks(lines, BLOCK_LINES)])
    return np.concatenate([logits, dense, np.zeros((lines.n_lines, 1), np.float32)], axis=1)


def _scaling(raw: FloatArray) -> tuple[FloatArray, FloatArray]:
    deviations = np.maximum(raw.std(axis=0, dtype=np.float64), 1e-3)
    return raw.mean(axis=0, dtype=np.float64).astype(np.float32), (STEP / deviations).astype(np.float32)


_OVERRIDE_SHARE = 0.3


def _simulate_hints(
    rng: np.random.Generator, lines: Lines, labels: IntArray, share: float
) -> tuple[npt.NDArray[np.int8], IntArray]:
    """The word of users on some lines of some documents, and the labels they then have."""
    evidence = np.zeros(lines.n_lines, dtype=np.int8)
    labels = labels.copy()
    starts = lines.page_starts
    for page in np.flatnonzero(rng.random(lines.n_pages) < share).tolist():
        first, last = int(starts[page]), int(starts[page + 1])
        for line in rng.integers(first, last, size=min(3, 1 + (last - first) // 8)).tolist():
            simulate_hint(rng, line, labels, evidence)
    return evidence, labels


def simulate_hint(rng: np.random.Generator, line: int, labels: IntArray, evidence: npt.NDArray[np.int8]) -> None:
    """Write a user's word on one line into the evidence, and into its label where the word overrules it.

    A hint says what the line is, and in three of ten cases overrules the label: that is what makes the model take
    a user's word over the look of a line, and weigh it before it judges the neighbours.
    """
    drop = bool(DEFAULT_DROPPED[labels[line]])
    if rng.random() < _OVERRIDE_SHARE:
        drop = not drop
        labels[line] = int(rng.choice(np.flatnonzero(DEFAULT_DROPPED))) if drop else BODY
    evidence[line] = 1 if drop else -1


def fit_temperature(logits: FloatArray, labels: IntArray) -> float:
    """The divisor of the logits under which out-of-fold probabilities fit best (Guo et al., "On Calibration", 2017)."""
    best, best_loss = 1.0, float("inf")
    rows = np.arange(len(labels))
    for temperature in np.arange(0.6, 3.01, 0.05):
        scaled = logits.astype(np.float64) / temperature
        scaled -= scaled.max(axis=1, keepdims=True)
        loss = float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[rows, labels]))
        if loss < best_loss:
            best, best_loss = float(temperature), loss
    return best
