"""Fitting the net that reads a document's lines in order: back-propagation through time in numpy.

A library for nets would be a hundred times the size of everything else that training needs, to fit sixty thousand
weights in minutes. The gradient is checked against differences in the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cleaner.features.shape import FloatArray
from cleaner.learn.fit import IntArray, rows_of_pages, scale_layer
from cleaner.model.nets import MAX_ACTIVATION, MAX_STEPS, N_LABELS, STEP
from cleaner.model.recurrence import (
    STATE_STEPS,
    Recurrence,
    RecurrentNet,
    StepPlan,
    cut_pieces,
    plan_steps,
    state_bounds,
)

_DIRECTIONS = (0, 1)
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
    """

    n_inner: int = 64
    n_units: int = 48
    n_last: int = 32
    n_epochs: int = 12
    rate: float = 2e-3
    decay: float = 1e-4
    dropout: float = 0.25
    batch_lines: int = 3000


def fit_recurrent(
    inputs: FloatArray, labels: IntArray, weights: FloatArray, page_starts: IntArray, plan: NetPlan, seed: int
) -> Weights:
    """The weights of a net fitted to lines of known classes; by Adam with decay (Loshchilov and Hutter, 2019).

    inputs: float32 that hold integers within ±MAX_STEPS, shape (n_lines, n_in). labels, weights: shape (n_lines,).
    """
    rng = np.random.default_rng([seed, 17])
    net = draw_weights(inputs.shape[1], plan, rng)
    moments = {name: (np.zeros_like(value), np.zeros_like(value)) for name, value in net.items()}
    # Of few lines batches are smaller: a net needs some hundred steps to learn anything at all.
    batch_lines = min(plan.batch_lines, max(len(inputs) // _LEAST_BATCHES, _LEAST_BATCH_LINES))
    n_steps = plan.n_epochs * sum(1 for _ in _batches(page_starts, batch_lines, np.random.default_rng(seed)))
    step = 0
    for _ in range(plan.n_epochs):
        for pages in _batches(page_starts, batch_lines, rng):
            rows, starts = rows_of_pages(pages, page_starts)
            scaled = inputs[rows] / np.float32(STEP)
            gradients = loss_gradients(net, scaled, labels[rows], weights[rows], starts, plan.dropout, rng)
            rate = plan.rate * min(1.0, (step + 1) / _WARM_UP) * (0.5 + 0.5 * np.cos(np.pi * min(step / n_steps, 1.0)))
            step += 1
            _take_step(net, gradients, moments, step, rate, plan.decay)
    return net


def draw_weights(n_inputs: int, plan: NetPlan, rng: np.random.Generator) -> Weights:
    """Weights to begin with, even between plus and minus one over a root; gates a quarter of that around half open."""
    entering = {f"inputs{direction}": (plan.n_inner, 2 * plan.n_units) for direction in _DIRECTIONS}
    carried = {f"states{direction}": (plan.n_units, 2 * plan.n_units) for direction in _DIRECTIONS}
    shapes = {
        "first": (n_inputs, plan.n_inner),
        **entering,
        **carried,
        "second": (plan.n_inner + 2 * plan.n_units, plan.n_last),
        "last": (plan.n_last, N_LABELS),
    }
    net: Weights = {}
    for name, shape in shapes.items():
        is_gated = name in entering or name in carried
        bound = 1 / np.sqrt(plan.n_units if is_gated else shape[0])
        net[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
        if is_gated:
            net[name][:, : plan.n_units] *= np.float32(0.25)
        if name in carried:
            continue
        biases = net[f"{name}_biases"] = rng.uniform(-bound, bound, shape[1]).astype(np.float32)
        if is_gated:
            biases[: plan.n_units] = 0.5
    return net


def loss_gradients(
    net: Weights,
    inputs: FloatArray,
    labels: IntArray,
    weights: FloatArray,
    page_starts: IntArray,
    dropout: float,
    rng: np.random.Generator,
) -> Weights:
    """Gradients of the lines' mean cross-entropy, weighted; inputs: in units of one deviation."""
    plan = plan_steps(cut_pieces(page_starts))
    inner, inner_mask = _rectify(inputs @ net["first"] + net["first_biases"], dropout, rng)
    passes = [_Pass.run(net, direction, inner, plan) for direction in _DIRECTIONS]
    states = np.concatenate([each.states for each in passes], axis=1)
    state_mask = _draw_mask(states.shape, dropout, rng)
    joined = np.concatenate([inner, states * state_mask], axis=1)
    outer, outer_mask = _rectify(joined @ net["second"] + net["second_biases"], dropout, rng)
    errors: FloatArray = _softmax(outer @ net["last"] + net["last_biases"])
    errors[np.arange(len(labels)), labels] -= 1
    errors *= (weights / weights.sum())[:, None]

    gradients: Weights = {}

    def back(name: str, entering: FloatArray, errors: FloatArray) -> FloatArray:
        gradients[name], gradients[f"{name}_biases"] = entering.T @ errors, errors.sum(axis=0)
        returned: FloatArray = errors @ net[name].T
        return returned

    errors = back("last", outer, errors) * outer_mask
    errors = back("second", joined, errors)
    n_inner = inner.shape[1]
    inner_errors, state_errors = errors[:, :n_inner], errors[:, n_inner:] * state_mask
    for direction, one in enumerate(passes):
        n_units = one.states.shape[1]
        inner_errors = inner_errors + one.back(
            net, direction, inner, state_errors[:, direction * n_units : (direction + 1) * n_units], plan, gradients
        )
    back("first", inputs, inner_errors * inner_mask)
    return gradients


@dataclass(frozen=True)
class _Pass:
    """One direction's way through the lines.

    states: of each line, float32, shape (n_lines, n_units). before, sums: the state before each step and the sums of
    gates and new states, rows in the order of the plan.
    """

    states: FloatArray
    before: FloatArray
    sums: FloatArray

    @classmethod
    def run(cls, net: Weights, direction: int, inner: FloatArray, plan: StepPlan) -> _Pass:
        rows, counted = plan.rows[direction], plan.counted[direction]
        weights = net[f"states{direction}"]
        sums = inner[rows] @ net[f"inputs{direction}"] + net[f"inputs{direction}_biases"]
        n_units, bounds = len(weights), state_bounds(len(weights))
        before, after = (np.empty((len(rows), n_units), dtype=np.float32) for _ in range(2))
        state = np.zeros((plan.sizes[0] if plan.sizes else 0, n_units), dtype=np.float32)
        first = 0
        for size in plan.sizes:
            here = slice(first, first + size)
            before[here] = state[:size]
            sums[here] += before[here] @ weights
            both = np.clip(sums[here], bounds, 1)
            new = both[:, n_units:]
            state = after[here] = (before[here] - new) * both[:, :n_units] + new
            first += size
        states = np.empty((len(inner), n_units), dtype=np.float32)
        states[rows[counted]] = after[counted]
        return cls(states, before, sums)

    def back(
        self, net: Weights, direction: int, inner: FloatArray, errors: FloatArray, plan: StepPlan, gradients: Weights
    ) -> FloatArray:
        """Errors at the inner layer, given those at the states; the gradients of this direction are filled in."""
        rows, counted = plan.rows[direction], plan.counted[direction]
        n_units = self.before.shape[1]
        both = np.clip(self.sums, state_bounds(n_units), 1)
        update, new = both[:, :n_units], both[:, n_units:]
        slopes = np.concatenate([self.before - new, 1 - update], axis=1) * (both == self.sums)
        local = errors[rows] * counted[:, None]
        transposed = np.ascontiguousarray(net[f"states{direction}"].T)
        pulls = np.empty_like(self.sums)
        carried = np.zeros((0, n_units), dtype=np.float32)
        last = len(rows)
        for size in reversed(plan.sizes):
            here = slice(last - size, last)
            total = local[here]
            total[: len(carried)] += carried
            pull = pulls[here]
            np.multiply(total, slopes[here, :n_units], out=pull[:, :n_units])
            np.multiply(total, slopes[here, n_units:], out=pull[:, n_units:])
            carried = total * update[here] + pull @ transposed
            last -= size
        gradients[f"states{direction}"] = self.before.T @ pulls
        gradients[f"inputs{direction}"] = inner[rows].T @ pulls
        gradients[f"inputs{direction}_biases"] = pulls.sum(axis=0)
        entering = pulls @ net[f"inputs{direction}"].T
        returned = np.zeros_like(inner)
        if counted.all():
            returned[rows] = entering
        else:  # a line stands in several pieces where it is another's line to come into its state
            np.add.at(returned, rows, entering)
        return returned


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


def quantise_recurrent(
    net: Weights, inputs: FloatArray, page_starts: IntArray, temperature: float = 1.0
) -> RecurrentNet:
    """A fitted net in integers; inputs: some of the pages it was fitted on, to see how large activations get."""
    steps, units = np.full(inputs.shape[1], float(MAX_STEPS)), np.full(inputs.shape[1], 1 / STEP)
    first, units = scale_layer(net["first"], net["first_biases"], units, steps).close(inputs.astype(np.float64))
    activations = first.activations(inputs)
    recurrence = _quantise_recurrence(net, units)
    states = recurrence.run(activations, page_starts)
    bounds = np.repeat([float(MAX_ACTIVATION), float(STATE_STEPS)], [activations.shape[1], states.shape[1]])
    units = np.concatenate([units, np.full(states.shape[1], 1 / STATE_STEPS)])
    joined = np.concatenate([activations, states], axis=1).astype(np.float64)
    second, units = scale_layer(net["second"], net["second_biases"], units, bounds).close(joined)
    last = scale_layer(net["last"], net["last_biases"], units, np.full(len(units), float(MAX_ACTIVATION)))
    return RecurrentNet(first, recurrence, (second, last.end(temperature)))


def _quantise_recurrence(net: Weights, units: npt.NDArray[np.float64]) -> Recurrence:
    directions = []
    for direction in _DIRECTIONS:
        inputs, states = net[f"inputs{direction}"], net[f"states{direction}"]
        n_units, n_sums = states.shape
        nothing, state_steps = np.zeros(n_sums), np.full(n_units, float(STATE_STEPS))
        entering = scale_layer(inputs, nothing, units, np.full(len(units), float(MAX_ACTIVATION)))
        carried = scale_layer(states, nothing, 1 / state_steps, state_steps)
        scales = 1 / entering.resolution[None], 1 / carried.resolution[None]
        biases = net[f"inputs{direction}_biases"][None]
        directions.append((entering.weights, scales[0], carried.weights, scales[1], biases))
    return Recurrence(*(np.stack(part).astype(np.float32) for part in zip(*directions, strict=True)))
