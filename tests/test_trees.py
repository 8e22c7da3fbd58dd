"""Boosted trees over the views of lines."""

from __future__ import annotations

import numpy as np
import pytest

from cleaner.labels import BODY, LABEL_INDEX
from cleaner.learn.trees import TreePlan, fit_booster, fit_trees, quantise_trees
from cleaner.model.document_net import see_windows
from cleaner.model.nets import MAX_STEPS, exponentials, log_odds

N_IN = 4
STARTS = np.arange(0, 3001, 10)
PLAN = TreePlan(n_trees=30, depth=5, least_lines=10)


@pytest.fixture(scope="module")
def taught() -> tuple[np.ndarray, np.ndarray]:
    """Lines that are debris where their own value is high or that of the line after is very low."""
    rng = np.random.default_rng(0)
    inputs = rng.integers(-MAX_STEPS, MAX_STEPS + 1, (3000, N_IN)).astype(np.float32)
    after = np.where(np.arange(3000) % 10 < 9, np.roll(inputs[:, 1], -1), 0)
    return inputs, np.where((inputs[:, 0] > 40) | (after < -80), LABEL_INDEX["nav"], BODY)


def test_whole_numbers_say_what_the_fitted_trees_say(taught: tuple[np.ndarray, np.ndarray]) -> None:
    inputs, labels = taught
    model = fit_booster(inputs, labels, np.ones(len(labels), np.float32), STARTS, PLAN, 0)
    seen = see_windows(np.random.default_rng(1).permuted(inputs, axis=0), STARTS)
    found = quantise_trees(model, PLAN.depth).judge(seen)
    np.testing.assert_allclose(found, model.decision_function(seen.astype(np.int8)), atol=PLAN.n_trees * 2.0**-17)
    assert found.dtype == np.float32 and len(np.unique(found)) > 50


def test_trees_learn_from_neighbours(taught: tuple[np.ndarray, np.ndarray]) -> None:
    inputs, labels = taught
    trees = fit_trees(inputs, labels, np.ones(len(labels), np.float32), STARTS, PLAN, 0)
    assert ((trees.judge(see_windows(inputs, STARTS)) > 0) == (labels != BODY)).mean() > 0.98


def test_lines_count_by_their_weight_and_not_at_all_without(taught: tuple[np.ndarray, np.ndarray]) -> None:
    inputs, labels = taught
    weights = np.where(np.arange(len(labels)) % 2, 3, 0).astype(np.float32)
    wrong = np.where(weights > 0, labels, BODY)
    right, blind = (fit_trees(inputs, given, weights, STARTS, PLAN, 0) for given in (labels, wrong))
    np.testing.assert_array_equal(right.leaves, blind.leaves)
    # Where half of the lines say the contrary, those win that weigh more.
    contrary = np.where(weights > 0, labels, np.where(labels == BODY, LABEL_INDEX["nav"], BODY))
    heavy = fit_trees(inputs, contrary, np.where(weights > 0, 5, 0.5).astype(np.float32), STARTS, PLAN, 0)
    assert ((heavy.judge(see_windows(inputs, STARTS)) > 0) == (labels != BODY)).mean() > 0.9


def test_few_lines_are_drawn_where_there_are_many(taught: tuple[np.ndarray, np.ndarray]) -> None:
    inputs, labels = taught
    weights = np.ones(len(labels), np.float32)
    plans = [TreePlan(n_lines=n, n_trees=1, depth=3, least_lines=1) for n in (300, 10_000)]
    few, every = (fit_booster(inputs, labels, weights, STARTS, plan, 0)._predictors[0][0].nodes for plan in plans)
    assert 200 < few["count"][0] < 400 and every["count"][0] == 3000


def test_a_line_is_judged_alike_wherever_it_stands(taught: tuple[np.ndarray, np.ndarray]) -> None:
    inputs, labels = taught
    trees = fit_trees(inputs, labels, np.ones(len(labels), np.float32), STARTS, PLAN, 0)
    seen = see_windows(inputs, STARTS)
    every = trees.judge(seen)
    order = np.random.default_rng(2).permutation(len(seen))[:777]
    np.testing.assert_array_equal(trees.judge(seen[order]), every[order])
    assert trees.judge(seen[:0]).shape == (0,)


def test_log_odds_by_table_are_the_log_odds() -> None:
    logits = np.random.default_rng(3).normal(0, 6, (2000, 13)).astype(np.float32)
    weights = exponentials(logits)
    debris = weights[:, 2:].sum(axis=1) + 1.0
    plainly = np.log(debris) - np.log(weights[:, :2].sum(axis=1) + 1.0)
    np.testing.assert_allclose(log_odds(weights), plainly, atol=6e-4)
