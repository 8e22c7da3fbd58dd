"""The net that sees each line amid its neighbours and its document's mean line."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from whole_numbers import assert_sums_are_exact

from cleaner.labels import BODY, LABEL_INDEX
from cleaner.learn.recurrent import LookParts, NetPlan, Weights, draw_weights, quantise_nets
from cleaner.learn.window import WindowPlan, fit_window, quantise_window
from cleaner.model.document_net import DocumentNet, see_means, see_windows
from cleaner.model.nets import MAX_STEPS

N_IN = 5
SMALL = WindowPlan((16, 8), ((5e-3, 30),), batch_lines=64)


def draw_inputs(n_lines: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(-MAX_STEPS, MAX_STEPS + 1, (n_lines, N_IN)).astype(np.float32)


sizes_of_documents = st.lists(st.integers(0, 9), min_size=1, max_size=8)


@given(sizes_of_documents)
def test_lines_of_other_documents_are_not_seen(sizes: list[int]) -> None:
    starts = np.concatenate([[0], np.cumsum(sizes)])
    inputs = draw_inputs(sum(sizes))
    together = see_windows(inputs, starts)
    for first, end in pairwise(starts.tolist()):
        np.testing.assert_array_equal(together[first:end], see_windows(inputs[first:end], np.array([0, end - first])))


def test_views_are_the_line_its_neighbours_and_the_mean_in_whole_steps() -> None:
    inputs = np.array([[2.0], [4.0], [9.0], [-7.0]], dtype=np.float32)
    assert see_windows(inputs, np.array([0, 3, 3, 4])).tolist() == [
        [2, 0, 4, 5], [4, 2, 9, 5], [9, 4, 0, 5], [-7, 0, 0, -7],
    ]  # fmt: skip


@given(sizes_of_documents, st.integers(0, 99))
def test_views_of_some_lines_are_rows_of_the_views_of_all(sizes: list[int], seed: int) -> None:
    starts = np.concatenate([[0], np.cumsum(sizes)])
    inputs = draw_inputs(sum(sizes), seed)
    lines = np.flatnonzero(np.random.default_rng(seed).random(len(inputs)) < 0.4)
    every = see_windows(inputs, starts)
    np.testing.assert_array_equal(see_windows(inputs, starts, lines), every[lines])
    np.testing.assert_array_equal(see_means(inputs, starts), every[:, [*range(N_IN), *range(3 * N_IN, 4 * N_IN)]])


EVERYWHERE = (-1e9, 1e9)


def fit_both(inputs: np.ndarray, labels: np.ndarray, starts: np.ndarray, share: float) -> DocumentNet:
    weights = np.ones(len(labels), dtype=np.float32)
    window = quantise_window(fit_window(inputs, labels, weights, starts, SMALL, 0), inputs, starts)
    return quantise_nets([draw_in_order()], inputs, starts, looks=[LookParts(*EVERYWHERE, [window], share)])


def draw_in_order() -> Weights:
    return draw_weights(N_IN, NetPlan(8, 8, 8), np.random.default_rng(0))


@pytest.fixture(scope="module")
def taught() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lines that are article where the line before says so: 60 documents of ten lines."""
    inputs, starts = draw_inputs(600, 3), np.arange(0, 601, 10)
    before = np.concatenate([[0], inputs[:-1, 0]]) * (np.arange(600) % 10 > 0)
    return inputs, np.where(before > 0, BODY, LABEL_INDEX["nav"]), starts


def test_a_fitted_window_learns_from_the_line_before(taught: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    inputs, labels, starts = taught
    net = fit_both(inputs, labels, starts, share=1.0)
    assert (net.logits(inputs, starts).argmax(axis=1) == labels).mean() > 0.95
    assert_sums_are_exact(net)


def test_the_logits_of_both_kinds_are_mixed_by_their_share(taught: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    inputs, labels, starts = taught
    first, second, mixed = (fit_both(inputs, labels, starts, share).logits(inputs, starts) for share in (0, 1, 0.3))
    np.testing.assert_allclose(mixed, 0.7 * first + 0.3 * second, atol=2e-3)


def test_a_line_without_weight_teaches_nothing(taught: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    inputs, labels, starts = taught
    weights = (np.arange(len(labels)) % 3 > 0).astype(np.float32)
    wrong = np.where(weights > 0, labels, LABEL_INDEX["ad"])
    fitted = fit_window(inputs, wrong, weights, starts, SMALL, 0)
    assert set(fitted.classes_.tolist()) == {BODY, LABEL_INDEX["nav"]}
