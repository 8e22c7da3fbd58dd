"""A fitted line model moved a little, towards newly labelled lines, without the data that it was fitted to.

Stage one moves under a penalty towards its weights; grams that the old data used much move less, by the sum of their
squares there (elastic weight consolidation: Kirkpatrick et al., "Overcoming catastrophic forgetting in neural
networks", PNAS 2017). To the logits of the net a layer is added over what it says in order: towards the new labels, and
on the replay sample towards the probabilities that the old net gave (Li and Hoiem, "Learning without Forgetting",
2016). Both are convex, so the same lines give the same model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cleaner.features.shape import FloatArray
from cleaner.learn.fit import IntArray, scale_layer
from cleaner.learn.new_labels import UNLABELLED
from cleaner.learn.replay import Replay
from cleaner.model.artefact import DEFAULT_DROPPED
from cleaner.model.document_net import DocumentNet
from cleaner.model.line_model import N_STAGE_ONE, GramWeights, LineModel
from cleaner.model.nets import MAX_ACTIVATION, N_LABELS
from cleaner.types import Lines

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AdaptPlan:
    """How far a model moves; chosen on groups of sites held out of training and on what it cost on data/.

    gram_penalty, gram_memory: on the square of a change to stage one, for each bucket and for its use by the old data;
    without the second .8 points of F1 at 1 % lost were gone. net_penalty: on that of what is added to the logits.
    replay_weight: of all old lines together, in units of all new ones; at 5 .7 points were gone, at 10 .1, and at 20
    new debris of other languages was learned half as well.
    """

    gram_penalty: float = 0.02
    gram_memory: float = 0.003
    net_penalty: float = 1.0
    replay_weight: float = 10.0


@dataclass(frozen=True)
class NewLines:
    """New documents as lines, with their grams. labels: int64, shape (n_lines,), UNLABELLED where there is none.

    folds: int64, shape (n_documents,); documents of one site are in one. in_context: bool, shape (n_documents,), False
    for lines that came alone, which teach stage one only.
    """

    lines: Lines
    labels: IntArray
    folds: IntArray
    in_context: npt.NDArray[np.bool_]
    matrix: csr_matrix

    @property
    def line_folds(self) -> IntArray:
        return np.repeat(self.folds, np.diff(self.lines.page_starts))


class Adapter:
    """Fits models to new lines, all of them or all but those of a fold; what both need is computed once."""

    def __init__(
        self, base: LineModel, replay: Replay, new: NewLines, plan: AdaptPlan, *, move_net: bool = True
    ) -> None:
        self.base, self.replay, self.new, self.plan, self.move_net = base, replay, new, plan, move_net
        # What the net says in order; float32, shape (n_lines, n_units).
        self._old_hidden, self._old_logits = base.net.look(replay.inputs.astype(np.float32), replay.page_starts)
        self._shifts: dict[frozenset[int], Float64Array] = {}
        # All that follows is over the buckets that the new lines use; no other weight moves.
        self._used = np.unique(new.matrix.indices)
        self._matrix = new.matrix[:, self._used].astype(np.float64)
        weights = base.grams.weights[self._used].astype(np.float64) * base.grams.scales
        self._logits = self._matrix @ weights + base.grams.biases
        self._penalties = plan.gram_penalty + plan.gram_memory * replay.gram_energy()[self._used]

    def fit(self, leave_out: int | None = None) -> LineModel:
        """The model moved towards the new lines but those of one fold."""
        without = frozenset() if leave_out is None else frozenset({leave_out})
        grams = _shift_grams(self.base.grams, self._used, self._shift(without))
        return replace(self.base, grams=grams, net=self._fit_net(without) if self.move_net else self.base.net)

    def _fit_net(self, without: frozenset[int]) -> DocumentNet:
        new, base = self.new, self.base
        # What the net is fitted to was scored by a stage one that had not seen it, as it will be at run time.
        stage_one = np.zeros((new.lines.n_lines, N_STAGE_ONE), dtype=np.float32)
        for fold in sorted(set(new.folds.tolist()) - without):
            here = new.line_folds == fold
            stage_one[here] = self._shifted(self._shift(without | {fold}), here)
        learn = np.repeat(new.in_context & ~np.isin(new.folds, list(without)), np.diff(new.lines.page_starts))
        learn &= new.labels != UNLABELLED
        hidden, logits = base.net.look(base.line_inputs(new.lines, None, stage_one), new.lines.page_starts)
        change = self._fit_change(hidden[learn], logits[learn], new.labels[learn])
        return change_logits(base.net, change)

    def _shifted(self, shift: Float64Array, rows: npt.NDArray[np.bool_]) -> FloatArray:
        return np.clip(self._logits[rows] + self._matrix[rows] @ shift, -8, 8).astype(np.float32)

    def _shift(self, without: frozenset[int]) -> Float64Array:
        """What is added to stage one's weights, fitted without some folds; float64, shape (n_used, 14)."""
        if without not in self._shifts:
            learn = ~np.isin(self.new.line_folds, list(without)) & (self.new.labels != UNLABELLED)
            labels = self.new.labels[learn]
            self._shifts[without] = fit_shift(self._matrix[learn], self._logits[learn], labels, self._penalties)
        return self._shifts[without]

    def _fit_change(self, hidden: FloatArray, logits: FloatArray, labels: IntArray) -> Float64Array:
        """What is added to the logits, a row for each hidden unit and one for the bias."""
        plan = self.plan
        targets = np.concatenate([np.eye(N_LABELS)[labels], _softmax(self._old_logits)])
        # The old lines together weigh as much as so many new ones, however few those are.
        old_weight = plan.replay_weight * len(labels) / len(self._old_hidden)
        weights = np.concatenate([np.ones(len(labels)), np.full(len(self._old_hidden), old_weight)])
        inputs = np.concatenate([hidden, self._old_hidden]).astype(np.float64) / MAX_ACTIVATION
        inputs = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
        offsets = np.concatenate([logits, self._old_logits]).astype(np.float64)

        def loss(change: Float64Array) -> tuple[float, Float64Array]:
            scores = offsets + inputs @ change
            top = scores.max(axis=1, keepdims=True)
            logs = scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
            value = -(weights[:, None] * targets * logs).sum() + plan.net_penalty / 2 * (change**2).sum()
            return value, inputs.T @ (weights[:, None] * (np.exp(logs) - targets)) + plan.net_penalty * change

        return _minimise(loss, (inputs.shape[1], N_LABELS))


def fit_shift(matrix: csr_matrix, logits: Float64Array, labels: IntArray, penalties: Float64Array) -> Float64Array:
    """What to add to linear weights so that they tell new lines, under a penalty on its square for each bucket.

    logits: of the lines under the old weights. One class against the rest, and debris against the article.
    """
    targets = np.concatenate([np.eye(N_LABELS)[labels], DEFAULT_DROPPED[labels][:, None]], axis=1)
    # In units of the penalty's root all directions cost the same, and the search takes few steps.
    units = 1 / np.sqrt(penalties)
    columns = matrix.multiply(units).tocsr()
    transposed = columns.T.tocsr()

    def loss(change: Float64Array) -> tuple[float, Float64Array]:
        scores = logits + columns @ change
        value = np.logaddexp(0, scores).sum() - (targets * scores).sum() + (change**2).sum() / 2
        return value, transposed @ (1 / (1 + np.exp(-scores)) - targets) + change

    return _minimise(loss, (matrix.shape[1], N_STAGE_ONE)) * units[:, None]


_STEPS = {"maxiter": 200, "ftol": 1e-6, "maxcor": 5}


def _minimise(loss: Callable[[Float64Array], tuple[float, Float64Array]], shape: tuple[int, int]) -> Float64Array:
    """Where a convex loss, given with its gradient, is smallest: to .2 % of the largest value, from zero."""
    from scipy.optimize import minimize

    def flat(values: Float64Array) -> tuple[float, Float64Array]:
        value, gradient = loss(values.reshape(shape))
        return value, gradient.ravel()

    found = minimize(flat, np.zeros(shape[0] * shape[1]), jac=True, method="L-BFGS-B", options=_STEPS)
    solution: Float64Array = found.x.reshape(shape)
    return solution


def _shift_grams(grams: GramWeights, used: npt.NDArray[np.int32], shift: Float64Array) -> GramWeights:
    """Stage one moved, in its old steps: a line without a moved gram scores as it did, to the last bit."""
    weights = grams.weights.copy()
    weights[used] = np.clip(np.rint(weights[used] + shift / grams.scales), -127, 127)
    return GramWeights(weights, grams.scales, grams.biases)


def change_logits(net: DocumentNet, change: Float64Array) -> DocumentNet:
    """The net with a change to its logits, linear in its hidden units, beside any that it had.

    change: a row for each hidden unit and one for the bias.
    """
    if not change.any():
        return net
    weights, biases = change[:-1] / MAX_ACTIVATION, change[-1]
    if net.change is not None:
        scales = net.change.scales.astype(np.float64)
        weights, biases = weights + net.change.weights * scales, biases + net.change.biases * scales
    bounds = np.full(len(weights), float(MAX_ACTIVATION))
    return replace(net, change=scale_layer(weights, biases, np.ones(len(bounds)), bounds).end())


def _softmax(logits: FloatArray) -> Float64Array:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: Float64Array = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
