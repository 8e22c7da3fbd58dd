"""What makes scores the same to the last bit everywhere: no sum in a net is ever rounded."""

from __future__ import annotations

import numpy as np

from cleaner.model.document_net import DocumentNet
from cleaner.model.nets import EXACT_FLOAT, MAX_ACTIVATION, MAX_STEPS
from cleaner.model.recurrence import STATE_STEPS


def finest_step(*parts: np.ndarray) -> float:
    """The largest power of two that all values are whole multiples of."""
    step = 2.0**-40
    while all((values / (2 * step) == np.rint(values / (2 * step))).all() for values in parts):
        step *= 2
    return step


def assert_sums_are_exact(net: DocumentNet) -> None:
    """Whatever the inputs, no sum leaves the range in which float32 holds all whole multiples of its step."""
    layers = [(net.last.weights, np.array(MAX_ACTIVATION), net.last.biases)]
    for body in net.bodies:
        recurrence, n_states = body.recurrence, 2 * body.recurrence.n_units
        joined = np.repeat([MAX_ACTIVATION, STATE_STEPS], [len(body.second.weights) - n_states, n_states])
        layers += [
            (body.first.weights, np.array(MAX_STEPS), body.first.biases),
            (recurrence.inputs, np.array(MAX_ACTIVATION), recurrence.biases),
            (recurrence.states, np.array(STATE_STEPS), np.zeros(1)),
            (body.second.weights, joined[:, None], body.second.biases),
        ]
    lasts = [*(look.last for look in net.looks), *([net.change] if net.change else [])]
    layers += [(last.weights, np.array(MAX_ACTIVATION), last.biases) for last in lasts]
    for window in (window for look in net.looks for window in look.windows):
        layers += [
            (window.first.weights, np.array(MAX_STEPS), window.first.biases),
            (window.second.weights, np.array(MAX_ACTIVATION), window.second.biases),
        ]
    for weights, bounds, biases in layers:
        sums = (np.abs(weights.astype(np.float64)) * bounds).sum(axis=-2, keepdims=True) + np.abs(biases)
        assert sums.max() < EXACT_FLOAT * finest_step(weights, biases)
