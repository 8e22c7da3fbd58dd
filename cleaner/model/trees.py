"""Boosted trees over the views of lines, in whole numbers; numpy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cleaner.features.shape import FloatArray

# What a piece of so many lines needs at once stays in the processor's second cache, with some hundred trees.
_PIECE_LINES = 128


@dataclass(frozen=True)
class BoostedTrees:
    """Trees whose leaves add up to the log odds that a line is debris.

    Each is a full binary tree: below node i stand 2 i + 1, where a line goes whose value is at most the threshold, and
    2 i + 2. features: int64, shape (n_trees, 2^depth - 1), column of the value. thresholds: int8, likewise. leaves:
    int32, shape (n_trees, 2^depth), in whole steps. step: what one of these stands for, in logits.
    """

    features: npt.NDArray[np.int64]
    thresholds: npt.NDArray[np.int8]
    leaves: npt.NDArray[np.int32]
    step: float

    def check(self, n_columns: int) -> None:
        """Raises ValueError where these are no trees over so many columns."""
        n_trees, n_nodes = self.features.shape if self.features.ndim == 2 else (0, 0)
        parts = (self.features, self.thresholds, self.leaves)
        shapes = [(n_trees, n_nodes), (n_trees, n_nodes), (n_trees, n_nodes + 1)]
        is_whole = n_trees and not n_nodes & (n_nodes + 1) and [part.shape for part in parts] == shapes
        if not is_whole or [part.dtype.name for part in parts] != ["int64", "int8", "int32"]:
            raise ValueError("its trees are not full ones in whole numbers")
        if self.features.min(initial=0) < 0 or self.features.max(initial=0) >= n_columns:
            raise ValueError(f"its trees look at more than {n_columns} columns")

    def judge(self, seen: FloatArray) -> FloatArray:
        """Log odds of debris; float32, shape (n_lines,). seen: float32 that hold integers, as `see_windows` gives."""
        pieces = [self._judge_piece(seen[first : first + _PIECE_LINES]) for first in range(0, len(seen), _PIECE_LINES)]
        return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)

    def _judge_piece(self, seen: FloatArray) -> FloatArray:
        n_trees, n_nodes = self.features.shape
        values = np.ascontiguousarray(seen).ravel()
        rows = (np.arange(len(seen)) * seen.shape[1])[:, None]
        first = np.arange(n_trees) * n_nodes
        nodes = np.zeros((len(seen), n_trees), dtype=np.int64)
        for _ in range((n_nodes + 1).bit_length() - 1):
            places = nodes + first
            goes_right = values.take(rows + self.features.take(places)) > self.thresholds.take(places)
            nodes *= 2
            nodes += 1
            nodes += goes_right
        leaves = self.leaves.take(nodes + (np.arange(n_trees) * (n_nodes + 1) - n_nodes))
        return leaves.sum(axis=1, dtype=np.int64).astype(np.float32) * np.float32(self.step)
