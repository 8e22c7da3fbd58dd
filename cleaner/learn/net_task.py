"""Fitting stage two of the line model: the documents as a net sees them, and the nets fitted to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from cleaner.features.shape import FloatArray
from cleaner.learn.fit import IntArray, rows_of_pages, sample_pages
from cleaner.learn.plan import LookPlan, TrainingPlan
from cleaner.learn.recurrent import LookParts, Weights, fit_recurrent, quantise_nets
from cleaner.learn.trees import fit_trees
from cleaner.learn.window import fit_window, quantise_window
from cleaner.model.artefact import DEFAULT_DROPPED
from cleaner.model.document_net import DocumentNet, TreeShare
from cleaner.model.nets import N_LABELS


@dataclass(frozen=True)
class FittedNets:
    """Nets fitted to the same documents, which judge together.

    in_order: those that read lines in their order. looks: what is asked about lines in doubt.
    """

    in_order: list[Weights]
    looks: list[FittedLook]


@dataclass(frozen=True)
class FittedLook:
    """What is asked about lines in doubt, as fitted by a plan: windows, and trees if the plan wants them."""

    plan: LookPlan
    windows: list[Any]
    trees: TreeShare | None


@dataclass(frozen=True)
class NetTask:
    """Made documents as a net sees them.

    inputs: int8, shape (n_lines, len(LINE_NAMES)). labels: int64, shape (n_lines,). page_starts: int64, shape
    (n_documents + 1,). kinds: int64, shape (n_documents,), how each was made. centers, factors: of the inputs. trust:
    float32, shape (n_lines,), how far each label is to be believed. leftovers: int64, the sources of the last so many
    documents, which extractors left.
    """

    inputs: npt.NDArray[np.int8]
    labels: IntArray
    page_starts: IntArray
    kinds: npt.NDArray[np.int64]
    centers: FloatArray
    factors: FloatArray
    trust: FloatArray
    leftovers: IntArray

    def choose(self, pages: IntArray) -> NetTask:
        """Some of the documents, by their numbers, without a word on leftovers."""
        rows, starts = rows_of_pages(pages, self.page_starts)
        return replace(
            self,
            inputs=self.inputs[rows],
            labels=self.labels[rows],
            page_starts=starts,
            kinds=self.kinds[pages],
            trust=self.trust[rows],
            leftovers=self.leftovers[:0],
        )

    def quantise(self, nets: FittedNets, temperature: float = 1.0) -> DocumentNet:
        """Nets fitted to the documents as one in integers, scaled by a sample of the documents."""
        rows, starts = sample_pages(self.page_starts)
        inputs = self.inputs[rows].astype(np.float32)

        def cut(look: FittedLook) -> LookParts:
            plan = look.plan
            windows = [quantise_window(window, inputs, starts) for window in look.windows]
            return LookParts(plan.low, plan.high, windows, plan.share, look.trees)

        return quantise_nets(nets.in_order, inputs, starts, temperature, [cut(look) for look in nets.looks])


def fit_task(task: NetTask, plan: TrainingPlan) -> FittedNets:
    """The plan's nets, fitted to the labels.

    One net that learned of two what they say of each line (distillation) found less than the two together: F1 at 1 %
    lost .824 and .844 out of fold on scraped texts, average precision .913 and .918.
    """
    # Threads are limited of those libraries alone that are loaded before.
    import sklearn.ensemble  # noqa: F401
    from threadpoolctl import threadpool_limits

    inputs, starts = task.inputs.astype(np.float32), task.page_starts
    weights = np.asarray(plan.kind_weights, dtype=np.float32)[np.repeat(task.kinds, np.diff(starts))] * task.trust
    weights *= _class_weights(task.labels)[task.labels]
    # One thread: the order in which threads add up would change the last bits of the weights.
    with threadpool_limits(limits=plan.n_threads):
        in_order = [
            fit_recurrent(inputs, task.labels, weights, starts, plan.net, plan.seed + 1 + number)
            for number in range(plan.n_nets)
        ]
        looks = []
        seeds = count(plan.seed)
        for look in plan.looks:
            windows = [
                fit_window(inputs, task.labels, weights, starts, plan.window, next(seeds))
                for _ in range(look.n_windows)
            ]
            trees = None
            if look.trees is not None:
                boosted = fit_trees(inputs, task.labels, weights, starts, look.trees, plan.seed)
                trees = TreeShare(boosted, look.tree_share)
            looks.append(FittedLook(look, windows, trees))
    return FittedNets(in_order, looks)


# A class of debris with less than this share of the lines counts for more, by the root; without, biographies and ads
# were never told from other debris (macro-F1 of the classes .57 against .66 out of fold, debris itself as well found).
_FULL_SHARE, _MOST_WEIGHT = 0.03, 4.0


def _class_weights(labels: IntArray) -> FloatArray:
    """What a line of each class counts for; float32, shape (13,)."""
    shares = np.bincount(labels, minlength=N_LABELS) / max(len(labels), 1)
    weights = np.clip(np.sqrt(_FULL_SHARE / np.maximum(shares, 1e-9)), 1.0, _MOST_WEIGHT)
    return np.where(DEFAULT_DROPPED, weights, 1.0).astype(np.float32)
