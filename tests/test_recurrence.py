"""The net that reads a document's lines in order: what it may see, that it learns, and that its gradient is right."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from whole_numbers import assert_sums_are_exact

from cleaner.learn.recurrent import (
    NetPlan,
    draw_weights,
    fit_recurrent,
    loss_gradients,
    quantise_nets,
)
from cleaner.model.artefact import pack_document_net, unpack_document_net
from cleaner.model.document_net import DocumentNet
from cleaner.model.nets import MAX_STEPS, N_LABELS, STEP
from cleaner.model.recurrence import PIECE_LINES, WARM_LINES, cut_pieces, plan_steps

SMALL = NetPlan(n_inner=12, n_units=8, n_last=12, n_epochs=60, rate=5e-3, dropout=0.0, batch_lines=200)


def draw_inputs(n_lines: int, n_inputs: int = 6, seed: int = 0) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(0, STEP, (n_lines, n_inputs))
    return np.rint(steps).clip(-MAX_STEPS, MAX_STEPS).astype(np.float32)


def draw_net(n_inputs: int = 6) -> DocumentNet:
    weights = draw_weights(n_inputs, SMALL, np.random.default_rng(4))
    # Large weights at the states, so that far lines are felt.
    weights["states"] *= 3
    return quantise_nets([weights], draw_inputs(400), np.array([0, 400]))


def starts_of(*sizes: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


@pytest.mark.parametrize("sizes", [(3, 0, 5, 1), (PIECE_LINES + WARM_LINES,), (1000, 2, 260), ()])
def test_every_line_is_read_once_as_its_own_in_each_direction(sizes: tuple[int, ...]) -> None:
    plan = plan_steps(cut_pieces(starts_of(*sizes)))
    for rows, counted in zip(plan.rows, plan.counted, strict=True):
        assert sorted(rows[counted].tolist()) == list(range(sum(sizes)))
    assert plan.sizes == sorted(plan.sizes, reverse=True)


def test_a_document_scores_the_same_alone_and_beside_others() -> None:
    net, starts = draw_net(), starts_of(7, 1, 0, 300, 12, 4)
    inputs = draw_inputs(int(starts[-1]))
    together = net.logits(inputs, starts)
    alone = [net.logits(inputs[first:last], np.array([0, last - first])) for first, last in pairwise(starts)]
    np.testing.assert_array_equal(together, np.concatenate(alone))
    assert len(np.unique(together.round(3), axis=0)) > 300


def test_a_line_feels_lines_before_and_after_it_but_none_of_another_document() -> None:
    net, starts, inputs = draw_net(), starts_of(6, 6), draw_inputs(12)
    changed = inputs.copy()
    changed[3] = -inputs[3]
    felt = (net.logits(inputs, starts) != net.logits(changed, starts)).any(axis=1)
    assert felt[:6].all() and not felt[6:].any()


def test_a_piece_of_a_long_document_comes_into_the_state_of_the_whole() -> None:
    net = draw_net()
    inputs = draw_inputs(PIECE_LINES + WARM_LINES)
    longer = np.concatenate([inputs, draw_inputs(300, seed=9)])
    whole = net.logits(inputs, np.array([0, len(inputs)]))
    cut = net.logits(longer, np.array([0, len(longer)]))
    # Its first piece ends where the second document goes on; away from that edge both read the same.
    assert np.abs(whole[: PIECE_LINES - WARM_LINES] - cut[: PIECE_LINES - WARM_LINES]).max() < 0.05


def test_gradients_are_those_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    net = {name: values.astype(np.float64) for name, values in draw_weights(5, SMALL, rng).items()}
    starts, inputs = starts_of(4, 7, 1), rng.normal(size=(12, 5))
    targets, weights = rng.dirichlet(np.ones(N_LABELS), 12), rng.random(12)

    def loss_of(name: str, place: int, change: float) -> float:
        moved = {key: values.copy() for key, values in net.items()}
        moved[name].reshape(-1)[place] += change
        # The gradient at the last biases is the mean error: what the net says of each class less what it should.
        total = 0.0
        for line in range(12):
            one = np.zeros(12)
            one[line] = 1.0
            errors = loss_gradients(moved, inputs, targets, one, starts, 0.0, rng)["last_biases"]
            total -= weights[line] * (targets[line] @ np.log(errors + targets[line]))
        return total / weights.sum()

    gradients = loss_gradients(net, inputs, targets, weights, starts, 0.0, rng)
    for name, gradient in gradients.items():
        place = int(np.abs(gradient).argmax())
        slope = (loss_of(name, place, 1e-6) - loss_of(name, place, -1e-6)) / 2e-6
        assert gradient.reshape(-1)[place] == pytest.approx(slope, rel=1e-4), name


def test_what_stood_far_up_the_document_is_learnt_and_survives_the_way_into_whole_numbers() -> None:
    rng = np.random.default_rng(1)
    starts = starts_of(*[4] * 200)
    inputs = draw_inputs(800, 3)
    # The first line of a document tells the class of all its lines.
    labels = np.repeat((inputs[starts[:-1], 0] > 0).astype(np.int64), 4)
    net = fit_recurrent(inputs, labels, np.ones(800, np.float32), starts, SMALL, 0)
    logits = quantise_nets([net], inputs, starts).logits(inputs, starts)
    assert (logits.argmax(axis=1) == labels).mean() > 0.95
    shuffled = inputs[rng.permutation(800)]
    assert (quantise_nets([net], inputs, starts).logits(shuffled, starts).argmax(axis=1) == labels).mean() < 0.7


def test_the_mean_of_the_document_is_seen_by_a_net_that_is_to_see_it() -> None:
    starts, inputs = starts_of(*[4] * 200), draw_inputs(800, 3)
    # What the lines of a document come to together tells the class of each.
    labels = np.repeat((inputs.reshape(200, 4, -1)[:, :, 0].sum(axis=1) > 0).astype(np.int64), 4)
    plan = replace(SMALL, n_units=1, n_epochs=60, sees_mean=True)
    net = fit_recurrent(inputs, labels, np.ones(800, np.float32), starts, plan, 0)
    whole = quantise_nets([net], inputs, starts)
    assert len(whole.bodies[0].first.weights) == 2 * inputs.shape[1]
    assert (whole.logits(inputs, starts).argmax(axis=1) == labels).mean() > 0.95
    np.testing.assert_array_equal(
        unpack_document_net(pack_document_net(whole), inputs.shape[1]).logits(inputs, starts),
        whole.logits(inputs, starts),
    )
    assert_sums_are_exact(whole)


def test_nets_together_say_the_mean_of_their_logits() -> None:
    rng, starts, inputs = np.random.default_rng(2), starts_of(5, 0, 260, 3), draw_inputs(268)
    nets = [draw_weights(6, SMALL, rng) for _ in range(3)]
    single = [quantise_nets([net], inputs, starts) for net in nets]
    alone = [net.logits(inputs, starts) for net in single]
    together = quantise_nets(nets, inputs, starts)
    side_by_side = np.concatenate([net.look(inputs, starts)[0] for net in single], axis=1)
    np.testing.assert_array_equal(together.look(inputs, starts)[0], side_by_side)
    np.testing.assert_allclose(together.logits(inputs, starts), np.mean(alone, axis=0), atol=1e-4)
    np.testing.assert_allclose(
        quantise_nets(nets, inputs, starts, 2.0).logits(inputs, starts), np.mean(alone, axis=0) / 2, atol=1e-4
    )
