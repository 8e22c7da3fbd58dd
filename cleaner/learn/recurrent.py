"""Fitting the net that reads a document's lines in order: back-propagation through time in numpy.

A library for nets would be a hundred times the size of everything else that training needs, to fit sixty thousand
weights in minutes. The gradient is checked against differences in the tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cleaner.features.shape import FloatArray
from cleaner.learn.fit import IntArray, rows_of_pages, scale_layer
from cleaner.learn.window import WindowParts
from cleaner.model.document_net import DocumentNet, Look, TreeShare, see_means
from cleaner.model.nets import EXACT_FLOAT, MAX_ACTIVATION, MAX_STEPS, N_LABELS, STEP, Layer
from cleaner.model.recurrence import (
    STATE_STEPS,
    Recurrence,
    RecurrentBody,
    StepPlan,
    cut_pieces,
    plan_steps,
)

_N_KINDS, _GATES, _NEW = 2, 0, 1
_N_DIRECTIONS = 2
_ADAM = (0.9, 0.999, 1e-8)
_WARM_UP = 50  # steps
_LEAST_BATCHES, _LEAST_BATCH_LINES = 50, 128
_MAX_NORM = 1.0  # of a gradient

Weights = dict[str, FloatArray]


@dataclass(frozen=True)
class NetPlan:
    """The size of a net and how it is fitted.

    n_inner: units of the first layer. n_units: of the recurrence, in each direction. n_last: of the layer before the
    classes. rate: the highest learning rate. decay: share of a weight that goes at each step, times the rate.
    sees_mean: whether the first layer sees the mean line of the document beside the line; average precision of a net
    alone went from .882 to .904 out of fold on scraped texts.
    """

    n_inner: int = 64
    n_units: int = 48
    n_last: int = 32
    n_epochs: int = 9
    rate: float = 2e-3
    decay: float = 1e-4
    dropout: float = 0.3
    batch_lines: int = 3000
    sees_mean: bool = False


def fit_recurrent(
    inputs: FloatArray, labels: IntArray, weights: FloatArray, page_starts: IntArray, plan: NetPlan, seed: int
) -> Weights:
    """The weights of a net fitted to the classes of lines; by Adam with decay (Loshchilov and Hutter, 2019).

    inputs: float32 that hold integers within ±MAX_STEPS, shape (n_lines, n_in). labels, weights: shape
    (n_lines,).
    """
    if plan.sees_mean:
        inputs = see_means(inputs, page_starts)
    rng = np.random.default_rng([seed, 17])
    net = draw_weights(inputs.shape[1], plan, rng)
    moments = {name: (np.zeros_like(value), np.zeros_like(value)) for name, value in net.items()}
    # Of few lines batches are smaller: a net needs some hundred steps to learn anything at all.
    batch_lines = min(plan.batch_lines, max(len(inputs) // _LEAST_BATCHES, _LEAST_BATCH_LINES))
    n_steps = plan.n_epochs * sum(1 for _ in _batches(page_starts, batch_lines, np.random.default_rng(seed)))
    classes = np.eye(N_LABELS, dtype=np.float32)
    step = 0
    for _ in range(plan.n_epochs):
        for pages in _batches(page_starts, batch_lines, rng):
            rows, starts = rows_of_pages(pages, page_starts)
            scaled = inputs[rows] / np.float32(STEP)
            gradients = loss_gradients(net, scaled, classes[labels[rows]], weights[rows], starts, plan.dropout, rng)
            rate = plan.rate * min(1.0, (step + 1) / _WARM_UP) * (0.5 + 0.5 * np.cos(np.pi * min(step / n_steps, 1.0)))
            step += 1
            _take_step(net, gradients, moments, step, rate, plan.decay)
    return net


def draw_weights(n_inputs: int, plan: NetPlan, rng: np.random.Generator) -> Weights:
    """Weights to begin with, even between plus and minus one over a root; gates a quarter of that around half open."""
    recurrent = (_N_KINDS, _N_DIRECTIONS)
    net: Weights = {}
    for name, shape in (
        ("first", (n_inputs, plan.n_inner)),
        ("inputs", (*recurrent, plan.n_inner, plan.n_units)),
        ("states", (*recurrent, plan.n_units, plan.n_units)),
        ("second", (plan.n_inner + _N_DIRECTIONS * plan.n_units, plan.n_last)),
        ("last", (plan.n_last, N_LABELS)),
    ):
        is_gated = len(shape) > len(recurrent)
        bound = 1 / np.sqrt(plan.n_units if is_gated else shape[0])
        net[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
        if is_gated:
            net[name][_GATES] *= np.float32(0.25)
        if name == "states":
            continue
        biases = net[f"{name}_biases"] = rng.uniform(-bound, bound, (*shape[:-2], shape[-1])).astype(np.float32)
        if is_gated:
            biases[_GATES] = 0.5
    return net


def loss_gradients(
    net: Weights,
    inputs: FloatArray,
    targets: FloatArray,
    weights: FloatArray,
    page_starts: IntArray,
    dropout: float,
    rng: np.random.Generator,
) -> Weights:
    """Gradients of the lines' mean cross-entropy, weighted; inputs: in units of one deviation."""
    inner, inner_mask = _rectify(inputs @ net["first"] + net["first_biases"], dropout, rng)
    way = _Way.go(net, inner, plan_steps(cut_pieces(page_starts)))
    state_mask = _draw_mask(way.states.shape, dropout, rng)
    joined = np.concatenate([inner, way.states * state_mask], axis=1)
    outer, outer_mask = _rectify(joined @ net["second"] + net["second_biases"], dropout, rng)
    errors: FloatArray = _softmax(outer @ net["last"] + net["last_biases"])
    errors -= targets
    errors *= (weights / weights.sum())[:, None]

    gradients: Weights = {}

    def back(name: str, entering: FloatArray, errors: FloatArray) -> FloatArray:
        gradients[name], gradients[f"{name}_biases"] = entering.T @ errors, errors.sum(axis=0)
        returned: FloatArray = errors @ net[name].T
        return returned

    errors = back("last", outer, errors) * outer_mask
    errors = back("second", joined, errors)
    n_inner = inner.shape[1]
    inner_errors = errors[:, :n_inner] + way.back(net, inner, errors[:, n_inner:] * state_mask, gradients)
    back("first", inputs, inner_errors * inner_mask)
    return gradients


@dataclass(frozen=True)
class _Way:
    """The way of the recurrence through the lines, in both directions at once.

    states: of each line, float32, shape (n_lines, 2 * n_units). before: the state before each step, shape (2, n_rows,
    n_units), rows in the order of the plan. sums: of gates and of new states, shape (2, 2, n_rows, n_units).
    """

    plan: StepPlan
    states: FloatArray
    before: FloatArray
    sums: FloatArray

    @classmethod
    def go(cls, net: Weights, inner: FloatArray, plan: StepPlan) -> _Way:
        weights = net["states"]
        sums = inner[np.stack(plan.rows)] @ net["inputs"]
        sums += net["inputs_biases"][:, :, None]
        n_rows, n_units = sums.shape[2:]
        before, after = (np.empty((_N_DIRECTIONS, n_rows, n_units), dtype=inner.dtype) for _ in range(2))
        state = np.zeros((_N_DIRECTIONS, plan.sizes[0] if plan.sizes else 0, n_units), dtype=inner.dtype)
        first = 0
        for size in plan.sizes:
            here = slice(first, first + size)
            state = state[:, :size]
            before[:, here] = state
            both = state @ weights
            both += sums[:, :, here]
            sums[:, :, here] = both
            gates, new = _between_bounds(both)
            state = np.subtract(state, new, out=after[:, here])
            state *= gates
            state += new
            first += size
        states = np.empty((len(inner), _N_DIRECTIONS, n_units), dtype=inner.dtype)
        for direction, (rows, counted) in enumerate(zip(plan.rows, plan.counted, strict=True)):
            states[rows[counted], direction] = after[direction, counted]
        return cls(plan, states.reshape(len(inner), _N_DIRECTIONS * n_units), before, sums)

    def back(self, net: Weights, inner: FloatArray, errors: FloatArray, gradients: Weights) -> FloatArray:
        """Errors at the inner layer, given those at the states; the gradients of the recurrence are filled in."""
        n_units = self.before.shape[2]
        rows, counted = np.stack(self.plan.rows), np.stack(self.plan.counted)
        both = _between_bounds(self.sums.copy())
        gates, new = both
        slopes = np.stack([self.before - new, 1 - gates])
        slopes *= both == self.sums
        by_direction = errors.reshape(len(inner), _N_DIRECTIONS, n_units)
        local = by_direction[rows, np.arange(_N_DIRECTIONS)[:, None]] * counted[:, :, None]
        transposed = np.ascontiguousarray(net["states"].swapaxes(-1, -2))
        pulls = np.empty_like(self.sums)
        carried = np.zeros((_N_DIRECTIONS, 0, n_units), dtype=inner.dtype)
        last = rows.shape[1]
        for size in reversed(self.plan.sizes):
            here = slice(last - size, last)
            total = local[:, here]
            total[:, : carried.shape[1]] += carried
            pull = np.multiply(total, slopes[:, :, here], out=pulls[:, :, here])
            of_gates, of_new = pull @ transposed
            carried = total * gates[:, here]
            carried += of_gates
            carried += of_new
            last -= size
        gradients["states"] = self.before.swapaxes(-1, -2) @ pulls
        gradients["inputs"] = inner[rows].swapaxes(-1, -2) @ pulls
        gradients["inputs_biases"] = pulls.sum(axis=2)
        entering = (pulls @ net["inputs"].swapaxes(-1, -2)).sum(axis=0)
        returned = np.zeros_like(inner)
        for direction in range(_N_DIRECTIONS):
            if counted[direction].all():
                returned[rows[direction]] += entering[direction]
            else:  # a line stands in several pieces where it is another's line to come into its state
                np.add.at(returned, rows[direction], entering[direction])
        return returned


def _between_bounds(sums: FloatArray) -> FloatArray:
    """Gates between 0 and 1, new states between -1 and 1, written over their sums."""
    one = sums.dtype.type(1)
    np.maximum(sums[_GATES], 0, out=sums[_GATES])
    np.maximum(sums[_NEW], -one, out=sums[_NEW])
    return np.minimum(sums, one, out=sums)


def _rectify(sums: FloatArray, dropout: float, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Rectified sums, some dropped, and what an error is multiplied by on its way back."""
    mask = _draw_mask(sums.shape, dropout, rng) * (sums > 0)
    return sums * mask, mask


def _draw_mask(shape: tuple[int, ...], dropout: float, rng: np.random.Generator) -> FloatArray:
    if not dropout:
        return np.ones(shape, np.float32)
    return (rng.random(shape, dtype=np.float32) >= dropout) * np.float32(1 / (1 - dropout))


def _softmax(logits: FloatArray) -> FloatArray:
    shares: FloatArray = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def _take_step(
    net: Weights,
    gradients: Weights,
    moments: dict[str, tuple[FloatArray, FloatArray]],
    step: int,
    rate: float,
    decay: float,
) -> None:
    first, second, epsilon = _ADAM
    norm = np.sqrt(sum(float((gradient * gradient).sum()) for gradient in gradients.values()))
    shrink = np.float32(min(1.0, _MAX_NORM / (norm + 1e-6)))
    for name, weights in net.items():
        gradient = gradients[name] * shrink
        mean, square = moments[name]
        mean += np.float32(1 - first) * (gradient - mean)
        square += np.float32(1 - second) * (gradient * gradient - square)
        weights *= np.float32(1 - rate * decay)
        deviation = np.sqrt(square / np.float32(1 - second**step)) + np.float32(epsilon)
        weights -= np.float32(rate / (1 - first**step)) * mean / deviation


def _batches(page_starts: IntArray, n_lines: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Pages of about equal length together, as many as have so many lines; the batches in random order."""
    sizes = np.diff(page_starts)
    order = np.argsort(sizes + rng.random(len(sizes)) * np.maximum(3, 0.15 * sizes), kind="stable")
    batch = np.cumsum(sizes[order]) // n_lines
    groups = np.split(order, np.flatnonzero(np.diff(batch)) + 1)
    for number in rng.permutation(len(groups)).tolist():
        yield groups[number]


@dataclass(frozen=True)
class LookParts:
    """What a look at lines in doubt is made of.

    low, high: as `Look`'s. windows: they have a share of the logits beside all that was asked before. trees: judge
    beside all of it.
    """

    low: float
    high: float
    windows: Sequence[WindowParts]
    share: float
    trees: TreeShare | None = None


def quantise_nets(
    nets: Sequence[Weights],
    inputs: FloatArray,
    page_starts: IntArray,
    temperature: float = 1.0,
    looks: Sequence[LookParts] = (),
) -> DocumentNet:
    """Fitted nets as one in integers; inputs: some of the pages they were fitted on, to see how large activations get.

    Its logits are the mean of theirs; where a line is in doubt, what the looks say has a share. In the end they are
    divided by the temperature.
    """
    bodies, units = zip(*(_quantise_body(net, inputs, page_starts) for net in nets), strict=True)
    last = _LastLayer(
        np.concatenate([net["last"] for net in nets]) / len(nets),
        np.mean([net["last_biases"] for net in nets], axis=0),
        np.concatenate(units),
    )
    first, closed = last.close(), []
    for look in looks:
        last = last.beside(look.windows, look.share)
        windows = tuple(window.body for window in look.windows)
        closed.append(Look(look.low, look.high, windows, last.close(), look.trees))
    return DocumentNet(bodies, first, tuple(closed), temperature)


@dataclass(frozen=True)
class _LastLayer:
    """A last layer as fitted; units: of each of its inputs, what a step stands for."""

    weights: npt.NDArray[np.float64]
    biases: npt.NDArray[np.float64]
    units: npt.NDArray[np.float64]

    def beside(self, windows: Sequence[WindowParts], share: float) -> _LastLayer:
        """The layer over these windows too; of the logits they have a share."""
        if not windows:
            return self
        return _LastLayer(
            np.concatenate(
                [self.weights * (1 - share), *(window.weights * (share / len(windows)) for window in windows)]
            ),
            self.biases * (1 - share) + np.mean([window.biases for window in windows], axis=0) * share,
            np.concatenate([self.units, *(window.units for window in windows)]),
        )

    def close(self) -> Layer:
        bounds = np.full(len(self.units), float(MAX_ACTIVATION))
        return scale_layer(self.weights, self.biases, self.units, bounds).end()


def _quantise_body(
    net: Weights, inputs: FloatArray, page_starts: IntArray
) -> tuple[RecurrentBody, npt.NDArray[np.float64]]:
    """All of a net but its last layer, and what a step of each of its activations stands for."""
    if len(net["first"]) > inputs.shape[1]:
        inputs = see_means(inputs, page_starts)
    steps, units = np.full(inputs.shape[1], float(MAX_STEPS)), np.full(inputs.shape[1], 1 / STEP)
    first, units = scale_layer(net["first"], net["first_biases"], units, steps).close(inputs.astype(np.float64))
    activations = first.activations(inputs)
    recurrence = _quantise_recurrence(net, units)
    states = recurrence.run(activations, page_starts)
    bounds = np.repeat([float(MAX_ACTIVATION), float(STATE_STEPS)], [activations.shape[1], states.shape[1]])
    units = np.concatenate([units, np.full(states.shape[1], 1 / STATE_STEPS)])
    joined = np.concatenate([activations, states], axis=1).astype(np.float64)
    second, units = scale_layer(net["second"], net["second_biases"], units, bounds).close(joined)
    return RecurrentBody(first, recurrence, second), units


def _quantise_recurrence(net: Weights, units: npt.NDArray[np.float64]) -> Recurrence:
    """units: what one step of each activation stands for."""
    inputs, biases = _in_whole_steps(
        (net["inputs"] * units[:, None], float(MAX_ACTIVATION)),
        (net["inputs_biases"][:, :, None].astype(np.float64), 1),
    )
    (states,) = _in_whole_steps((net["states"].astype(np.float64) / STATE_STEPS, float(STATE_STEPS)))
    return Recurrence(inputs, states, biases)


def _in_whole_steps(*parts: tuple[npt.NDArray[np.float64], float]) -> list[FloatArray]:
    """Weights in whole multiples of the finest power of two at which no sum over their inputs is rounded.

    parts: what is added up together, each with the bound of what it is multiplied by; inputs along the last axis but
    one.
    """
    most = float(np.max(sum(bound * np.abs(values).sum(axis=-2) for values, bound in parts)))
    step = 2.0 ** np.ceil(np.log2(max(most, 1e-9) / (0.98 * EXACT_FLOAT)))
    return [(np.rint(values / step) * step).astype(np.float32) for values, _ in parts]
