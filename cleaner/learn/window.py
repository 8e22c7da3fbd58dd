"""Fitting the nets that see each line amid its neighbours and its document's mean line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cleaner.features.shape import FloatArray
from cleaner.learn.fit import IntArray, fit_net, quantise_hidden, spread_classes
from cleaner.model.document_net import WindowBody, see_windows

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class WindowPlan:
    """How the net is fitted.

    hidden: units of its two layers; (64, 32) had .005 less average precision out of fold on scraped texts,
    (192, 64) no more. phases: learning rates with the number of epochs at each.
    """

    hidden: tuple[int, int] = (128, 48)
    phases: tuple[tuple[float, int], ...] = ((2e-3, 7), (7e-4, 4), (2e-4, 2))
    penalty: float = 1.0
    batch_lines: int = 1024


@dataclass(frozen=True)
class WindowParts:
    """A fitted net in integers but for its last layer.

    units: float64, shape (n_last,), what a step of each of its activations stands for. weights, biases: of its last
    layer, float64, shapes (n_last, 13) and (13,).
    """

    body: WindowBody
    units: Float64Array
    weights: Float64Array
    biases: Float64Array


def fit_window(
    inputs: FloatArray, labels: IntArray, weights: FloatArray, page_starts: IntArray, plan: WindowPlan, seed: int
) -> Any:
    """A multi-layer perceptron over the views of lines (`see_windows`); arguments as of `fit_recurrent`."""
    is_learned = weights > 0
    seen = see_windows(inputs, page_starts)[is_learned]
    chosen = weights[is_learned]
    return fit_net(
        seen,
        labels[is_learned],
        chosen / chosen.mean(),
        plan.hidden,
        plan.phases,
        plan.penalty,
        seed,
        plan.batch_lines,
    )


def quantise_window(model: Any, inputs: FloatArray, page_starts: IntArray) -> WindowParts:
    """The fitted net; inputs: some of the documents it was fitted on, to see how large activations get."""
    (first, second), units = quantise_hidden(model, see_windows(inputs, page_starts))
    weights, biases = spread_classes(model)
    return WindowParts(WindowBody(first, second), units, weights, biases)
