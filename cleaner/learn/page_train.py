"""From labelled pages to a page model."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cleaner.errors import UsageError
from cleaner.features.chars import CharTables
from cleaner.features.pages import PageBatch, PageFeatures, page_features
from cleaner.features.paths import N_PATH_BUCKETS
from cleaner.features.shape import FloatArray
from cleaner.labels import BODY
from cleaner.learn.corpus import UNKNOWN_DEBRIS, assign_folds
from cleaner.learn.fit import (
    IntArray,
    bag_matrix,
    fit_grams,
    gram_logits,
    quantise_grams,
    rows_of_pages,
)
from cleaner.learn.page_corpus import UNREAD, LabelledPage
from cleaner.learn.page_nets import OTHER, PageNets, fit_page_nets
from cleaner.learn.plan import PageTrainingPlan
from cleaner.learn.recurrent import NetPlan
from cleaner.learn.train import fit_temperature
from cleaner.model.artefact import DEFAULT_DROPPED, Model
from cleaner.model.line_model import N_STAGE_ONE
from cleaner.model.nets import N_LABELS, STEP, Layer, Net, standardise, sum_logits
from cleaner.model.page_model import (
    GRAM_BITS,
    ROLES,
    PageModel,
    PathWeights,
    fewer_buckets,
    join_inputs,
    join_odds,
    mean_of,
)
from cleaner.types import Lines

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Log = Callable[[str], None]

_PLAIN = 0.9  # probability from which the model takes its own word


@dataclass(frozen=True)
class FittedPages:
    """A page model, and its out-of-fold judgement of every page's lines (`cleaner.model.page_model.join_odds`).

    odds: int64, shape (n_lines, 13) for each page, by nets that saw no page of its site.
    """

    model: PageModel
    pages: Sequence[LabelledPage]
    odds: Sequence[IntArray]
    temperature: float


def fit_pages(
    pages: Sequence[LabelledPage], teacher: Model, plan: PageTrainingPlan | None = None, log: Log = lambda _: None
) -> FittedPages:
    """A page model fitted to labelled pages. The same input gives the same bits.

    teacher: the model of plain text; it names the class of debris that gold text only shows to be debris.
    Raises UsageError where there are too few sites or no line of either side.
    """
    plan = plan or PageTrainingPlan()
    known = Counter(label for page in pages for label in page.labels.tolist())
    n_sites = len({page.site for page in pages})
    if n_sites < plan.n_folds or not known[BODY] or not set(known) - {BODY, UNREAD}:
        raise UsageError(
            f"{len(pages)} pages of {n_sites} sites, {known[BODY]} lines of article text: a page model needs pages of "
            f"at least {plan.n_folds} sites, with lines of the article and others"
        )
    from threadpoolctl import threadpool_limits

    # One thread: the order in which threads add up would change the last bits of the weights.
    with threadpool_limits(limits=1):
        return _PageTrainer(pages, teacher, plan, log).run()


@dataclass
class _PageTrainer:
    pages: Sequence[LabelledPage]
    teacher: Model
    plan: PageTrainingPlan
    log: Log
    started: float = field(default_factory=time.monotonic)

    def run(self) -> FittedPages:
        plan = self.plan
        tables = self.teacher.line_model.tables.chars
        self.starts = np.array([0, *accumulate(len(page.labels) for page in self.pages)])
        sites = np.unique([page.site for page in self.pages], return_inverse=True)[1].astype(np.int64)
        self.folds = assign_folds(sites, plan.n_folds, [min(len(page.labels), 60) for page in self.pages])
        self.line_folds = np.repeat(self.folds, np.diff(self.starts))
        self.labels = self._name_debris(np.concatenate([page.labels for page in self.pages]))
        self.is_known = self.labels != UNREAD
        self.masses = self._weigh_lines(sites)
        self.trust = np.concatenate([page.weights for page in self.pages]) * self.is_known
        self.weights = self.masses * self.trust
        self._note(f"{len(self.pages)} pages of {len(set(sites.tolist()))} sites, {int(self.is_known.sum())} lines")
        self.features = [_page_features(page, tables) for page in self.pages]
        self._note("features made")

        paths = _path_matrix(self.features)
        path_models = [self._fit_paths(paths, fold) for fold in range(plan.n_folds)]
        path_weights = _quantise_paths(self._fit_paths(paths, None))
        self._note("stage over tags fitted")
        grams = _gram_matrix(self.features)
        gram_models = [self._fit_grams(grams, fold) for fold in range(plan.n_folds)]
        gram_weights = quantise_grams(self._fit_grams(grams, None))
        words = np.zeros((len(self.labels), N_STAGE_ONE), dtype=np.float32)
        for fold, model in enumerate(gram_models):
            here = self.line_folds == fold
            words[here] = gram_logits(model, grams[here])
        del grams, paths
        self._note("stage over wording fitted")

        raw = np.concatenate(
            [
                join_inputs(
                    features,
                    _quantise_paths(path_models[fold]).steps(features.looks, features.inline, features.trees),
                    words[start:end],
                )
                for features, fold, start, end in zip(
                    self.features, self.folds.tolist(), self.starts[:-1], self.starts[1:], strict=True
                )
            ]
        )
        sample = raw[self.is_known, :-1]
        centers = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        factors = (STEP / np.maximum(sample.std(axis=0, dtype=np.float64), 1e-3)).astype(np.float32)
        del sample
        standardise(raw[:, :-1], centers, factors)
        self._note("inputs of the nets made")

        folds = list(range(plan.n_folds))
        self._trust_itself(self._score(raw, self._fit_all_nets(raw, folds, None)))
        *without, nets = self._fit_all_nets(raw, [*folds, None], plan.order)
        text_logits, class_logits = self._score(raw, without)
        known = self.is_known
        temperature = fit_temperature(text_logits[known], np.where(self.labels[known] == BODY, BODY, OTHER))
        self._note("nets fitted")
        assert nets.order_net is not None
        model = PageModel(
            tables,
            path_weights,
            gram_weights,
            centers,
            factors,
            tuple(Net((*net.layers[:-1], _cool(net.layers[-1], temperature))) for net in nets.text_nets),
            replace(nets.order_net, last=_cool(nets.order_net.last, temperature)),
            nets.class_nets,
        )
        odds = join_odds(text_logits / np.float32(temperature), class_logits)
        borders = zip(self.starts.tolist(), self.starts[1:].tolist(), strict=False)
        return FittedPages(model, self.pages, [odds[start:end] for start, end in borders], temperature)

    def _score(self, inputs: FloatArray, nets: Sequence[PageNets]) -> tuple[FloatArray, FloatArray]:
        """Logits of each line by the nets that did not see its fold; float32, shape (n_lines, 13) each."""
        logits = np.zeros((2, len(inputs), N_LABELS), dtype=np.float32)
        for fold, fitted in enumerate(nets):
            rows, starts = rows_of_pages(np.flatnonzero(self.folds == fold), self.starts)
            chosen = inputs[rows]
            logits[1, rows] = sum_logits(fitted.class_nets, chosen)
            alone = sum_logits(fitted.text_nets, chosen)
            logits[0, rows] = mean_of(alone, fitted.order_net.logits(chosen, starts)) if fitted.order_net else alone
        return logits[0], logits[1]

    def _trust_itself(self, logits: tuple[FloatArray, FloatArray]) -> None:
        """Lines that nobody read, on pages where somebody read the doubtful ones, get the class that is plain.

        Nothing is learned from the lines alone, but the read ones among them are learned in their places.
        """
        odds = join_odds(*logits)
        text = odds[:, BODY] / odds.sum(axis=1)
        was_read = np.concatenate(
            [np.full(len(page.labels), bool((page.weights != 1).any()) and not page.is_whole) for page in self.pages]
        )
        sure = was_read & ~self.is_known & ((text > _PLAIN) | (text < 1 - _PLAIN))
        self.labels = np.where(sure, odds.argmax(axis=1), self.labels)
        self.is_known = self.is_known | sure
        self.weights = self.masses * np.where(sure, np.float32(0.5), self.trust)
        self._note(f"{int(sure.sum())} lines labelled by itself")

    def _note(self, message: str) -> None:
        self.log(f"{time.monotonic() - self.started:6.0f} s  {message}")

    def _name_debris(self, labels: IntArray) -> IntArray:
        """Debris of unknown class gets the class that the teacher finds likeliest."""
        named = labels.copy()
        for page, start in zip(self.pages, self.starts.tolist(), strict=False):
            unknown = np.flatnonzero(page.labels == UNKNOWN_DEBRIS)
            if len(unknown):
                texts = page.walked.texts
                title = next(iter(page.metadata.titles), page.metadata.head_title or "")
                lines = Lines(texts, np.array([0, len(texts)]), [title])
                odds = self.teacher.line_model.exponentials(lines)
                named[start + unknown] = np.where(DEFAULT_DROPPED, odds[unknown], -1).argmax(axis=1)
        return named

    def _weigh_lines(self, sites: IntArray) -> FloatArray:
        """By mass, as what counts is the share of the text that is right; a page's article weighs the same on all."""
        counts = np.bincount(sites)
        weights = []
        for page, site in zip(self.pages, sites.tolist(), strict=True):
            mass = np.array([min(len(text), 400) for text in page.walked.texts], dtype=np.float64) + 20
            known = page.labels != UNREAD
            article = float(mass[page.labels == BODY].sum()) or float(mass[known].sum())
            share = min(1.0, self.plan.max_site_pages / counts[site])
            weights.append(np.minimum(30 * mass / max(article, 300.0), 6.0) * share)
        joined = np.concatenate(weights).astype(np.float32)
        return joined / np.float32(joined[self.is_known].mean())

    def _learn(self, without: int | None) -> npt.NDArray[np.bool_]:
        return self.is_known & (self.line_folds != without) if without is not None else self.is_known

    def _fit_paths(self, matrix: csr_matrix, without: int | None) -> Any:
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        learn = self._learn(without)
        model = LogisticRegression(C=1 / self.plan.path_penalty, max_iter=80, tol=1e-3)
        with warnings.catch_warnings():
            # The last digits change no decision; what follows sees the scores as they are.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(matrix[learn], self.labels[learn] == BODY, sample_weight=self.weights[learn])

    def _fit_grams(self, matrix: csr_matrix, without: int | None) -> Any:
        learn = self._learn(without)
        # Menus are three quarters of all lines and repeat themselves: one in three of the far ones is enough.
        rng = np.random.default_rng([self.plan.seed, 3, 99 if without is None else without])
        learn &= (self.weights > 0.5) | (rng.random(len(learn)) < 0.35)
        ones = np.ones(int(learn.sum()), dtype=np.float32)
        return fit_grams(matrix[learn], self.labels[learn], ones, self.plan.gram_epochs, self.plan.seed)

    def _fit_all_nets(self, inputs: FloatArray, without: Sequence[int | None], order: NetPlan | None) -> list[PageNets]:
        """The nets fitted without each of the folds; None: on all pages."""
        from joblib import Parallel, delayed

        jobs = []
        for fold in without:
            pages = np.flatnonzero(self.folds != fold) if fold is not None else np.arange(len(self.folds))
            jobs.append(
                delayed(fit_page_nets)(inputs, self.labels, self.weights, self.starts, pages, self.plan, order, fold)
            )
        nets: list[PageNets] = Parallel(n_jobs=self.plan.n_processes)(jobs)
        self._note(f"nets fitted {len(nets)} times")
        return nets


def _page_features(page: LabelledPage, tables: CharTables) -> PageFeatures:
    return page_features(PageBatch([page.walked], [page.metadata]), tables)


def _path_matrix(pages: Sequence[PageFeatures]) -> csr_matrix:
    """Words of tags by role, as `PathWeights.steps` adds them up; float32, shape (n_lines, 4 × 2^16)."""
    from scipy.sparse import csr_matrix, hstack, vstack

    def rows(buckets: IntArray, starts: IntArray) -> csr_matrix:
        shape = (len(starts) - 1, N_PATH_BUCKETS)
        return csr_matrix((np.ones(len(buckets), dtype=np.float32), buckets, starts), shape=shape)

    parts = []
    for features in pages:
        trees = features.trees
        by_container = rows(features.looks.buckets, features.looks.starts)[trees.looks]
        paths: list[list[int]] = []
        for container, parent in enumerate(trees.parents.tolist()):
            paths.append([*(paths[parent] if container else []), container])
        own = trees.containers
        on_path = [paths[container] for container in own.tolist()]
        sizes = [0, *accumulate(map(len, on_path))]
        columns = np.array([container for path in on_path for container in path], dtype=np.int64)
        walk = csr_matrix((np.ones(len(columns), dtype=np.float32), columns, sizes), shape=(len(own), len(paths)))
        parts.append(
            hstack(
                [
                    by_container[own],
                    by_container[trees.parents[own]],
                    walk @ by_container,
                    rows(features.inline.buckets, features.inline.starts)[trees.inline],
                ],
                format="csr",
            )
        )
    return vstack(parts).tocsr()


def _quantise_paths(model: Any) -> PathWeights:
    """The stage over tags in bytes, each role scaled by its own largest weight."""
    weights = model.coef_[0].reshape(len(ROLES), N_PATH_BUCKETS)
    scales = np.maximum(np.abs(weights).max(axis=1), 1e-9) / 127
    integers = np.rint(weights / scales[:, None]).astype(np.int8)
    return PathWeights(np.ascontiguousarray(integers.T), scales.astype(np.float32), np.float32(model.intercept_[0]))


def _gram_matrix(pages: Sequence[PageFeatures]) -> csr_matrix:
    """4-grams of the lines' heads; shape (n_lines, 2^16)."""
    from scipy.sparse import vstack

    return vstack([bag_matrix(fewer_buckets(features.grams), 1 << GRAM_BITS) for features in pages]).tocsr()


def _cool(layer: Layer, temperature: float) -> Layer:
    return replace(layer, scales=layer.scales / np.float32(temperature))
