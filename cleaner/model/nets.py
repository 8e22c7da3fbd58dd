"""Nets in whole numbers: layers, nets of layers, and what turns features into inputs and logits into class weights.

Every sum is over integers that float32 holds exactly, so its order does not matter: a line gets the same score to the
last bit in any batch, on any processor, with any BLAS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cleaner.features.shape import FloatArray
from cleaner.labels import KEPT, LABELS

N_LABELS = len(LABELS)

IS_KEPT = np.array([label in KEPT for label in LABELS])
"""Of each class whether its lines are kept unless a user says otherwise; bool, shape (13,)."""

# A standardised feature is cut at 4 deviations and counted in steps of 1/31, which keeps it within seven bits.
STEP = 31
MAX_STEPS = 4 * STEP
MAX_ACTIVATION = 255
EXACT_FLOAT = 1 << 24  # float32 holds every integer up to here

_LOGIT_STEPS = 64  # logits are counted in 64ths before the exponential is looked up
_MAX_LOGIT_STEPS = 30 * _LOGIT_STEPS


@dataclass(frozen=True)
class Layer:
    """One layer of a net in integers.

    weights: float32 that hold integers, shape (n_in, n_out). biases: float32, likewise, shape (n_out,). scales:
    float32, shape (n_out,): what a sum is multiplied by to give the next layer's activation, or the logit.
    Columns are scaled so that no sum of inputs within their bounds can pass 2^24.
    """

    weights: FloatArray
    biases: FloatArray
    scales: FloatArray

    def activations(self, inputs: FloatArray) -> FloatArray:
        """Rectified sums in whole steps up to MAX_ACTIVATION; float32, shape (n_lines, n_out)."""
        return self.rectify(inputs @ self.weights)

    def rectify(self, sums: FloatArray) -> FloatArray:
        """What `activations` makes of the products of inputs and weights, written over them."""
        sums += self.biases
        sums *= self.scales
        np.clip(sums, 0, MAX_ACTIVATION, out=sums)
        return np.rint(sums, out=sums)

    def logits(self, inputs: FloatArray) -> FloatArray:
        """Sums times their scales, for a last layer; float32, shape (n_lines, n_out)."""
        sums = inputs @ self.weights
        sums += self.biases
        sums *= self.scales
        return sums


@dataclass(frozen=True)
class Net:
    """Layers with rectified, whole-numbered activations in between."""

    layers: tuple[Layer, ...]

    def logits(self, inputs: FloatArray) -> FloatArray:
        """float32, shape (n_lines, 13). inputs: float32 that hold integers within ±MAX_STEPS."""
        return self.rest(self.layers[0].activations(inputs))

    def rest(self, activations: FloatArray) -> FloatArray:
        """The same from the activations of the first layer on."""
        for layer in self.layers[1:-1]:
            activations = layer.activations(activations)
        return self.layers[-1].logits(activations)


def standardise(raw: FloatArray, centers: FloatArray, factors: FloatArray) -> FloatArray:
    """(raw - center) × factor in whole steps within ±MAX_STEPS; float32 that hold integers, written over raw."""
    steps = np.subtract(raw, centers, out=raw)
    steps *= factors
    np.clip(steps, -MAX_STEPS, MAX_STEPS, out=steps)
    return np.rint(steps, out=steps)


def sum_logits(nets: tuple[Net, ...], inputs: FloatArray) -> FloatArray:
    """Mean logits of the nets; float32, shape (n_lines, 13)."""
    return sum_logits_by_kind((nets,), inputs)[0]


def sum_logits_by_kind(kinds: tuple[tuple[Net, ...], ...], inputs: FloatArray) -> tuple[FloatArray, ...]:
    """For each kind of nets the mean logits of its nets; float32, shape (n_lines, 13) each."""
    # One product for the first layers of all nets: nearly all the work is there, and it is faster in one piece. Laying
    # them side by side takes a thousandth of the time that a block does.
    activations = _side_by_side([net.layers[0] for nets in kinds for net in nets]).activations(inputs)
    means = []
    first = 0
    for nets in kinds:
        total = np.zeros((len(inputs), N_LABELS), dtype=np.float32)
        for net in nets:
            width = len(net.layers[0].biases)
            total += net.rest(activations[:, first : first + width])
            first += width
        means.append(total / np.float32(len(nets)))
    return tuple(means)


def _side_by_side(layers: Sequence[Layer]) -> Layer:
    return Layer(
        np.concatenate([layer.weights for layer in layers], axis=1),
        np.concatenate([layer.biases for layer in layers]),
        np.concatenate([layer.scales for layer in layers]),
    )


def exponentials(logits: FloatArray) -> npt.NDArray[np.int64]:
    """exp(logit - largest logit of the line) in 2^-40ths, by table; int64, same shape."""
    steps = np.rint(logits * np.float32(_LOGIT_STEPS)).astype(np.int64)
    below = steps.max(axis=1, keepdims=True, initial=-(10**9)) - steps if len(steps) else steps
    return _EXPONENTIALS.take(np.minimum(below, _MAX_LOGIT_STEPS))


_EXPONENTIALS = np.rint(np.exp(-np.arange(_MAX_LOGIT_STEPS + 1) / _LOGIT_STEPS) * 2.0**40).astype(np.int64)


def log_odds(weights: npt.NDArray[np.int64]) -> FloatArray:
    """Of weights of classes (`exponentials`) how likely debris is beside the article, in logits; float32, (n_lines,).

    By table, to about a two-thousandth: a logarithm that the processor works out is not the same on every one.
    """
    logs = [_log(weights[:, side].sum(axis=1) + 1) for side in (~IS_KEPT, IS_KEPT)]
    odds: FloatArray = (logs[0] - logs[1]).astype(np.float32) / np.float32(_LOG_STEPS)
    return odds


_LOG_STEPS = 1 << 20
_MANTISSAS = 1 << 11


def _log(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Natural logarithms in steps of 1 / _LOG_STEPS."""
    mantissas, exponents = np.frexp(values.astype(np.float64))
    index = (mantissas * (2 * _MANTISSAS)).astype(np.int64) - _MANTISSAS
    return _LOGS.take(index) + exponents * _LOG_OF_TWO


_LOGS = np.rint(np.log((np.arange(_MANTISSAS) + _MANTISSAS + 0.5) / (2 * _MANTISSAS)) * _LOG_STEPS).astype(np.int64)
_LOG_OF_TWO = int(np.rint(np.log(2) * _LOG_STEPS))
