"""The line model at run time: two stages, numpy alone, all sums over integers.

Stage one adds up a weight for each hashed 4-gram of a line. Stage two is a small net that reads the lines of a
document in order, each by its stage-one scores and dense features. Every sum is over integers that float32 or uint64
hold exactly: a line gets the same score to the last bit in any batch, on any processor, with any BLAS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cleaner.features.lines import DENSE_NAMES, FeatureTables, line_features
from cleaner.features.ngrams import Bag
from cleaner.features.shape import FloatArray
from cleaner.features.sums import sum_rows
from cleaner.labels import LABELS
from cleaner.model.document_net import DocumentNet
from cleaner.model.nets import MAX_STEPS, N_LABELS, exponentials, standardise
from cleaner.types import Lines

# Beside the classes one output for debris of any kind: "Comment Print" is a little like interface, comment and nav
# each, and plainly like debris.
STAGE_ONE_NAMES = (*(f"words_like_{label}" for label in LABELS), "words_like_debris")
N_STAGE_ONE = len(STAGE_ONE_NAMES)
LINE_NAMES: tuple[str, ...] = (*STAGE_ONE_NAMES, *DENSE_NAMES, "hint")

# Whole pages are scored together up to about this many lines: more no longer fit the processor's second cache.
BLOCK_LINES = 2000

_CLIP_LOGIT = np.float32(8)
# Packing the weights takes .01 s, which the command line would spend on a single article for nothing.
_FEW_GRAMS = 50_000


@dataclass(frozen=True)
class GramWeights:
    """Stage one. weights: int8, shape (n_buckets, 14). scales, biases: float32, shape (14,)."""

    weights: npt.NDArray[np.int8]
    scales: FloatArray
    biases: FloatArray

    @cached_property
    def _rows(self) -> npt.NDArray[np.void]:
        """The weights of a bucket raised by 128, sixteen bits each and four classes to an integer, as rows of 32 bytes.

        A line's fourteen sums are then four, and each gram touches one line of the processor's cache instead of four.
        255 grams of a line at most times 255 stay within sixteen bits.
        """
        raised = np.zeros((len(self.weights), 16), dtype="<u2")
        raised[:, :N_STAGE_ONE] = self.weights.astype(np.int16) + 128
        return raised.view("V32")[:, 0]

    def score(self, bag: Bag) -> FloatArray:
        """Logits of each line for each class and for debris, cut at ±8; float32, shape (n_lines, 14)."""
        n_lines = len(bag.starts) - 1
        if not n_lines:
            return np.zeros((0, N_STAGE_ONE), dtype=np.float32)
        counts = bag.counts
        if len(bag.buckets) < _FEW_GRAMS and "_rows" not in self.__dict__:
            sums = np.add.reduceat(self.weights.take(bag.buckets, axis=0), bag.starts[:-1], axis=0, dtype=np.int64)
        else:
            fields = (
                sum_rows(self._rows, bag.buckets, bag.starts[:-1])
                .astype("<u8", copy=False)
                .view("<u2")[:, :N_STAGE_ONE]
                .astype(np.int64)
            )
            sums = fields - 128 * counts[:, None]
        totals = sums.astype(np.float32)
        logits = totals * self.scales / np.sqrt(counts.astype(np.float32))[:, None] + self.biases
        return np.clip(logits, -_CLIP_LOGIT, _CLIP_LOGIT)


@dataclass(frozen=True)
class LineModel:
    """Lines to probabilities of their classes. centers, factors: float32, shape (n_features,)."""

    tables: FeatureTables
    grams: GramWeights
    centers: FloatArray
    factors: FloatArray
    net: DocumentNet

    def exponentials(self, lines: Lines, evidence: npt.NDArray[np.int8] | None = None) -> npt.NDArray[np.int64]:
        """For each line and class a whole number in proportion to its probability; int64, shape (n_lines, 13).

        evidence: int8, shape (n_lines,), the user's word on each line (`cleaner.features.hints`).
        """
        parts = [
            self._score_block(block, None if evidence is None else evidence[start : start + block.n_lines])
            for start, block in split_blocks(lines, BLOCK_LINES)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, N_LABELS), dtype=np.int64)

    def _score_block(self, lines: Lines, evidence: npt.NDArray[np.int8] | None) -> npt.NDArray[np.int64]:
        return exponentials(self.net.logits(self.line_inputs(lines, evidence), lines.page_starts))

    def line_inputs(
        self, lines: Lines, evidence: npt.NDArray[np.int8] | None, stage_one: FloatArray | None = None
    ) -> FloatArray:
        """Standardised features of each line alone; float32 that hold integers, shape (n_lines, len(LINE_NAMES)).

        stage_one: logits to use instead of the model's own (out-of-fold ones while training).
        """
        features = line_features(lines, self.tables)
        logits = self.grams.score(features.grams) if stage_one is None else stage_one
        hints = np.zeros((lines.n_lines, 1), dtype=np.float32)
        inputs = standardise(np.concatenate([logits, *features.parts, hints], axis=1), self.centers, self.factors)
        if evidence is not None:
            inputs[:, -1] = evidence * np.float32(MAX_STEPS)
        return inputs


def split_blocks(lines: Lines, n_block_lines: int) -> Iterator[tuple[int, Lines]]:
    """Runs of whole pages of about so many lines, each with the number of its first line; empty pages go along."""
    starts = lines.page_starts
    page = 0
    while page < lines.n_pages:
        end = int(np.searchsorted(starts, starts[page] + n_block_lines, side="right")) - 1
        end = min(max(end, page + 1), lines.n_pages)
        first, last = int(starts[page]), int(starts[end])
        if last > first:
            yield (
                first,
                Lines(
                    lines.texts[first:last],
                    starts[page : end + 1] - first,
                    lines.titles[page:end],
                ),
            )
        page = end
