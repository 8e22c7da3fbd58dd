"""The net that sees each line amid its neighbours and its document's mean line."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from whole_numbers import assert_sums_are_exact

from cleaner.labels import BODY, KEPT, LABEL_INDEX, LABELS
from cleaner.learn.recurrent import NetPlan, draw_weights, quantise_nets
from cleaner.learn.window import WindowPlan, fit_window, quantise_window
from cleaner.model.artefact import pack_document_net, unpack_document_net
from cleaner.model.document_net import N_VIEWS, DocumentNet, WindowBody, mean_lines, see_means, see_windows
from cleaner.model.nets import MAX_STEPS, Layer

N_IN = 5
SMALL = WindowPlan((16, 8), ((5e-3, 30),), batch_lines=64)


def draw_inputs(n_lines: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(-MAX_STEPS, MAX_STEPS + 1, (n_lines, N_IN)).astype(np.float32)


def draw_body(seed: int = 1) -> WindowBody:
    rng = np.random.default_rng(seed)

    def layer(n_in: int, n_out: int) -> Layer:
        weights = rng.integers(-90, 91, (n_in, n_out)).astype(np.float32)
        return Layer(weights, rng.integers(-90, 91, n_out).astype(np.float32), np.full(n_out, 0.01, np.float32))

    return WindowBody(layer(N_VIEWS * N_IN, 8), layer(8, 6))


sizes_of_documents = st.lists(st.integers(0, 9), min_size=1, max_size=8)


@given(sizes_of_documents, st.integers(0, 99))
def test_a_window_is_what_the_layers_make_of_all_its_views(sizes: list[int], seed: int) -> None:
    starts = np.concatenate([[0], np.cumsum(sizes)])
    inputs, body = draw_inputs(sum(sizes), seed), draw_body(seed)
    plainly = body.second.activations(body.first.activations(see_windows(inputs, starts)))
    np.testing.assert_array_equal(body.activations(inputs, mean_lines(inputs, starts), starts), plainly)


@given(sizes_of_documents)
def test_lines_of_other_documents_are_not_seen(sizes: list[int]) -> None:
    starts = np.concatenate([[0], np.cumsum(sizes)])
    inputs, body = draw_inputs(sum(sizes)), draw_body()
    together = body.activations(inputs, mean_lines(inputs, starts), starts)
    for first, end in pairwise(starts.tolist()):
        own, own_starts = inputs[first:end], np.array([0, end - first])
        alone = body.activations(own, mean_lines(own, own_starts), own_starts)
        np.testing.assert_array_equal(together[first:end], alone)


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


def fit_both(inputs: np.ndarray, labels: np.ndarray, starts: np.ndarray, share: float) -> DocumentNet:
    weights = np.ones(len(labels), dtype=np.float32)
    in_order = draw_weights(N_IN, NetPlan(8, 8, 8), np.random.default_rng(0))
    window = fit_window(inputs, labels, weights, starts, SMALL, 0)
    return quantise_nets([in_order], inputs, starts, window=(quantise_window(window, inputs, starts), share))


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


def test_lines_in_doubt_and_no_others_are_looked_at_again(taught: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    inputs, labels, starts = taught
    weights = np.ones(len(labels), dtype=np.float32)
    in_order = draw_weights(N_IN, NetPlan(8, 8, 8), np.random.default_rng(0))
    parts = [
        quantise_window(fit_window(inputs, labels, weights, starts, SMALL, seed), inputs, starts) for seed in range(3)
    ]
    net = quantise_nets([in_order], inputs, starts, window=(parts[0], 0.3))
    careful = quantise_nets([in_order], inputs, starts, window=(parts[0], 0.3), second=(parts[1:], 0.4))
    base, logits = net.logits(inputs, starts), careful.logits(inputs, starts)
    kept = np.array([label in KEPT for label in LABELS])
    lead = base[:, ~kept].max(axis=1) - base[:, kept].max(axis=1)
    in_doubt = (lead > -1.5) & (lead < 3)
    assert 20 < in_doubt.sum() < 580
    np.testing.assert_array_equal(logits[~in_doubt], base[~in_doubt])
    alone = [quantise_nets([in_order], inputs, starts, window=(part, 1)).logits(inputs, starts) for part in parts[1:]]
    wanted = 0.6 * base + 0.4 * np.mean(alone, axis=0)
    np.testing.assert_allclose(logits[in_doubt], wanted[in_doubt], atol=2e-3)
    assert_sums_are_exact(careful)
    arrays = pack_document_net(careful)
    np.testing.assert_array_equal(unpack_document_net(arrays, N_IN).logits(inputs, starts), logits)
    for first, end in pairwise(starts.tolist()):
        own = careful.logits(inputs[first:end], np.array([0, end - first]))
        np.testing.assert_array_equal(own, logits[first:end])


def test_a_line_without_weight_teaches_nothing(taught: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    inputs, labels, starts = taught
    weights = (np.arange(len(labels)) % 3 > 0).astype(np.float32)
    wrong = np.where(weights > 0, labels, LABEL_INDEX["ad"])
    fitted = fit_window(inputs, wrong, weights, starts, SMALL, 0)
    assert set(fitted.classes_.tolist()) == {BODY, LABEL_INDEX["nav"]}
