"""Fitting boosted trees to debris of any kind, and what the run time keeps of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cleaner.features.shape import FloatArray
from cleaner.learn.fit import IntArray
from cleaner.model.artefact import DEFAULT_DROPPED
from cleaner.model.document_net import see_windows
from cleaner.model.nets import MAX_STEPS
from cleaner.model.trees import BoostedTrees


@dataclass(frozen=True)
class TreePlan:
    """How trees are fitted.

    n_lines: about so many lines are drawn to learn from. rate: what each tree counts for. n_leaves, depth: of a tree at
    most. least_lines: of a leaf. penalty: on squared leaves. feature_share: of the columns each split chooses from.
    """

    n_lines: int = 250_000
    n_trees: int = 400
    rate: float = 0.1
    n_leaves: int = 31
    depth: int = 5
    least_lines: int = 40
    penalty: float = 5.0
    feature_share: float = 0.3


def fit_trees(
    inputs: FloatArray, labels: IntArray, weights: FloatArray, page_starts: IntArray, plan: TreePlan, seed: int
) -> BoostedTrees:
    """Trees over the views of lines (`see_windows`) that tell debris from the article; arguments as of `fit_recurrent`.

    By histograms of the values (Ke et al., "LightGBM", NeurIPS 2017), as scikit-learn has it. Raises ValueError where
    the lines that weigh anything are of one side only.
    """
    return quantise_trees(fit_booster(inputs, labels, weights, page_starts, plan, seed), plan.depth)


def fit_booster(
    inputs: FloatArray, labels: IntArray, weights: FloatArray, page_starts: IntArray, plan: TreePlan, seed: int
) -> Any:
    """The trees as scikit-learn fits them."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    sides = np.unique(DEFAULT_DROPPED[labels[weights > 0]])
    if len(sides) < 2:
        raise ValueError("all lines are of one side; there is nothing to tell apart")
    # A line is drawn the more likely the more it weighs, up to a mean one; what it weighs beyond that is its weight.
    relative = weights / weights.mean()
    chances = np.minimum(relative, 1)
    chances *= min(plan.n_lines / chances.sum(), 1)
    drawn = np.flatnonzero(np.random.default_rng([seed, 31]).random(len(chances)) < chances)
    model = HistGradientBoostingClassifier(
        max_iter=plan.n_trees,
        learning_rate=plan.rate,
        max_leaf_nodes=plan.n_leaves,
        max_depth=plan.depth,
        min_samples_leaf=plan.least_lines,
        l2_regularization=plan.penalty,
        max_features=plan.feature_share,
        early_stopping=False,
        random_state=seed,
    )
    seen = see_windows(inputs, page_starts, drawn).astype(np.int8)
    return model.fit(seen, DEFAULT_DROPPED[labels[drawn]], sample_weight=np.maximum(relative[drawn], 1))


_STEPS = 1 << 16  # of a leaf in one logit


def quantise_trees(model: Any, depth: int) -> BoostedTrees:
    """Fitted trees in integers, each with all its leaves at one depth."""
    # scikit-learn shows its trees nowhere else; tests hold these to what its own say.
    trees = [_fill_tree(tree.nodes, depth) for (tree,) in model._predictors]
    features, thresholds, leaves = (np.stack(parts) for parts in zip(*trees, strict=True))
    baseline = float(model._baseline_prediction.item())
    leaves[0] += baseline
    return BoostedTrees(
        features.astype(np.int64), thresholds.astype(np.int8), np.rint(leaves * _STEPS).astype(np.int32), 1 / _STEPS
    )


def _fill_tree(
    nodes: npt.NDArray[Any], depth: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Column and threshold of each node and the leaves of a full tree; below a leaf all is that leaf."""
    n_nodes = (1 << depth) - 1
    features, thresholds = np.zeros(n_nodes, dtype=np.int64), np.full(n_nodes, MAX_STEPS, dtype=np.int64)
    leaves = np.zeros(n_nodes + 1)

    def fill(node: int, place: int, level: int) -> None:
        entry = nodes[node]
        if entry["is_leaf"]:
            first = ((place + 1) << (depth - level)) - n_nodes - 1
            leaves[first : first + (1 << (depth - level))] = entry["value"]
            return
        features[place] = entry["feature_idx"]
        # Values are whole, and so is what they may be at most.
        thresholds[place] = np.clip(np.floor(entry["num_threshold"]), -MAX_STEPS - 1, MAX_STEPS)
        fill(int(entry["left"]), 2 * place + 1, level + 1)
        fill(int(entry["right"]), 2 * place + 2, level + 1)

    fill(0, 0, 0)
    return features, thresholds, leaves
