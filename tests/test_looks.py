"""What is asked about lines in doubt: which lines these are, what becomes of the answers, and how a model keeps it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from whole_numbers import assert_sums_are_exact

from cleaner.errors import ModelError
from cleaner.labels import BODY, KEPT, LABEL_INDEX, LABELS
from cleaner.learn.recurrent import LookParts, NetPlan, draw_weights, quantise_nets
from cleaner.learn.trees import TreePlan, fit_trees
from cleaner.learn.window import WindowParts, WindowPlan, fit_window, quantise_window
from cleaner.model.artefact import (
    DEFAULT_MODEL,
    WEIGHTS,
    find_model,
    pack_document_net,
    unpack_document_net,
    unpack_weights,
)
from cleaner.model.document_net import DocumentNet, TreeShare, see_windows
from cleaner.model.nets import MAX_STEPS
from cleaner.model.trees import BoostedTrees

KEEPS = np.array([label in KEPT for label in LABELS])
N_IN, STARTS = 5, np.arange(0, 601, 10)
FIRST, SECOND = (-0.1, 0.2), (-1.5, 1.0)
EVERYWHERE = (-1e9, 1e9)


@dataclass(frozen=True)
class Taught:
    """A net in order that learned nothing, three windows and trees that did. inputs: of 600 lines."""

    inputs: npt.NDArray[np.float32]
    windows: list[WindowParts]
    trees: BoostedTrees

    def net(self, *looks: LookParts, temperature: float = 1.0) -> DocumentNet:
        in_order = draw_weights(N_IN, NetPlan(8, 8, 8), np.random.default_rng(0))
        return quantise_nets([in_order], self.inputs, STARTS, temperature, looks)

    def looks(self) -> list[LookParts]:
        trees = TreeShare(self.trees, 0.25)
        return [LookParts(*FIRST, self.windows[:1], 0.3), LookParts(*SECOND, self.windows[1:], 0.4, trees)]

    def logits(self, *looks: LookParts, temperature: float = 1.0) -> npt.NDArray[np.float32]:
        return self.net(*looks, temperature=temperature).logits(self.inputs, STARTS)

    def alone(self, window: WindowParts) -> npt.NDArray[np.float32]:
        return self.logits(LookParts(*EVERYWHERE, [window], 1.0))


@pytest.fixture(scope="module")
def taught() -> Taught:
    """Lines are article where the line before says so: 60 documents of ten lines."""
    inputs = np.random.default_rng(3).integers(-MAX_STEPS, MAX_STEPS + 1, (600, N_IN)).astype(np.float32)
    before = np.concatenate([[0], inputs[:-1, 0]]) * (np.arange(600) % 10 > 0)
    labels, weights = np.where(before > 0, BODY, LABEL_INDEX["nav"]), np.ones(600, dtype=np.float32)
    plan = WindowPlan((16, 8), ((5e-3, 30),), batch_lines=64)
    windows = [
        quantise_window(fit_window(inputs, labels, weights, STARTS, plan, seed), inputs, STARTS) for seed in range(3)
    ]
    trees = fit_trees(inputs, labels, weights, STARTS, TreePlan(n_trees=20, depth=4, least_lines=5), 0)
    return Taught(inputs, windows, trees)


def in_doubt(logits: npt.NDArray[np.float32], bounds: tuple[float, float]) -> npt.NDArray[np.bool_]:
    lead = logits[:, ~KEEPS].max(axis=1) - logits[:, KEEPS].max(axis=1)
    return np.asarray((lead > bounds[0]) & (lead < bounds[1]))


def odds_of_debris(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    values = logits.astype(np.float64)
    return np.asarray(np.logaddexp.reduce(values[:, ~KEEPS], axis=1) - np.logaddexp.reduce(values[:, KEEPS], axis=1))


def test_each_look_is_at_some_of_the_lines_that_the_one_before_looked_at(taught: Taught) -> None:
    first, second = taught.looks()
    base, once, twice = taught.logits(), taught.logits(first), taught.logits(first, second)
    in_first = in_doubt(base, FIRST)
    assert 20 < in_first.sum() < 580
    np.testing.assert_array_equal((once != base).any(axis=1), in_first)
    in_second = in_first & in_doubt(once, SECOND)
    assert 5 < in_second.sum() < in_first.sum()
    np.testing.assert_array_equal((twice != once).any(axis=1), in_second)


def test_windows_have_their_share_of_the_logits_beside_all_before(taught: Taught) -> None:
    first, second = (replace(look, low=-1e9, high=1e9, trees=None) for look in taught.looks())
    wanted = 0.7 * taught.logits() + 0.3 * taught.alone(taught.windows[0])
    np.testing.assert_allclose(taught.logits(first), wanted, atol=2e-3)
    wanted = 0.6 * wanted + 0.4 * np.mean([taught.alone(window) for window in taught.windows[1:]], axis=0)
    np.testing.assert_allclose(taught.logits(first, second), wanted, atol=2e-3)


def test_trees_have_their_share_of_the_log_odds_and_no_word_on_classes(taught: Taught) -> None:
    first, second = (replace(look, low=-1e9, high=1e9) for look in taught.looks())
    without, with_trees = taught.logits(first, replace(second, trees=None)), taught.logits(first, second)
    odds = 0.75 * odds_of_debris(without) + 0.25 * taught.trees.judge(see_windows(taught.inputs, STARTS))
    # Logits are counted in 64ths before they are added up.
    np.testing.assert_allclose(odds_of_debris(with_trees), odds, atol=0.015)
    for side in (KEEPS, ~KEEPS):
        leads = [values[:, side] - values[:, side][:, :1] for values in (with_trees, without)]
        np.testing.assert_allclose(*leads, atol=1e-4)


def test_trees_are_asked_alone_where_a_look_has_no_windows(taught: Taught) -> None:
    logits = taught.logits(LookParts(*EVERYWHERE, [], 0.4, TreeShare(taught.trees, 1.0)))
    np.testing.assert_allclose(
        odds_of_debris(logits), taught.trees.judge(see_windows(taught.inputs, STARTS)), atol=0.015
    )


def test_a_temperature_changes_no_line_that_is_looked_at_and_divides_what_comes_of_it(taught: Taught) -> None:
    warm, cooled = (taught.logits(*taught.looks(), temperature=degrees) for degrees in (1.0, 1.7))
    np.testing.assert_array_equal(cooled, warm / np.float32(1.7))


def test_a_document_is_judged_alike_by_itself(taught: Taught) -> None:
    net, together = taught.net(*taught.looks()), taught.logits(*taught.looks())
    for first, end in pairwise(STARTS.tolist()):
        own = net.logits(taught.inputs[first:end], np.array([0, 0, end - first]))
        np.testing.assert_array_equal(own, together[first:end])
    assert net.logits(taught.inputs[:0], np.array([0, 0])).shape == (0, 13)


def test_no_sum_is_rounded_and_a_model_keeps_every_bit(taught: Taught) -> None:
    net = taught.net(*taught.looks(), temperature=1.3)
    assert_sums_are_exact(net)
    again = unpack_document_net(pack_document_net(net), N_IN)
    np.testing.assert_array_equal(again.logits(taught.inputs, STARTS), net.logits(taught.inputs, STARTS))


Arrays = dict[str, npt.NDArray[np.generic]]
BROKEN: dict[str, Callable[[Arrays], object]] = {
    "a column that no view has": lambda arrays: arrays["look1_trees_features"].fill(364),
    "a column below the first": lambda arrays: arrays["look1_trees_features"].fill(-1),
    "nodes that fill no tree": lambda arrays: arrays.update(
        {name: arrays[name][:, :-1] for name in arrays if name.startswith("look1_trees_") and arrays[name].ndim == 2}
    ),
    "broken numbers": lambda arrays: arrays.update(
        look1_trees_features=arrays["look1_trees_features"].astype(np.float64)
    ),
    "bounds that are none": lambda arrays: arrays.update(look0_bounds=np.array([np.nan, 1.0])),
    "one bound": lambda arrays: arrays.update(look0_bounds=np.array(1.0)),
    "no bounds": lambda arrays: arrays.pop("look0_bounds"),
    "a temperature in words": lambda arrays: arrays.update(temperature=np.array(["warm"])),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_model_with_looks_that_make_no_sense_is_refused(broken: str) -> None:
    with np.load(find_model(DEFAULT_MODEL) / WEIGHTS) as stored:
        arrays: Arrays = dict(stored)
    BROKEN[broken](arrays)
    data = io.BytesIO()
    np.savez(data, **arrays)
    with pytest.raises(ModelError, match="not the weights of a cleaner model"):
        unpack_weights(data.getvalue(), Path("mine"))
