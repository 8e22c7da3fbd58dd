"""The line model at run time: two stages, numpy alone, all sums over integers.

Stage one adds up a weight for each hashed 4-gram of a line. Stage two is a small net over the stage-one scores and
dense features of the line and its neighbours. Every sum is over integers that float32 or uint64 hold exactly, so its
order does not matter: a line gets the same score to the last bit in any batch, on any processor, with any BLAS.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cleaner.features.lines import DENSE_NAMES, FeatureTables, line_features
from cleaner.features.ngrams import Bag
from cleaner.features.shape import FloatArray
from cleaner.features.sums import sum_rows
from cleaner.labels import LABELS
from cleaner.types import Lines

N_LABELS = len(LABELS)

# A standardised feature is cut at 4 deviations and counted in steps of 1/31, which keeps it within seven bits.
STEP = 31
MAX_STEPS = 4 * STEP
MAX_ACTIVATION = 255
EXACT_FLOAT = 1 << 24  # float32 holds every integer up to here

# Beside the classes one output for debris of any kind: "Comment Print" is a little like interface, comment and nav
# each, and plainly like debris.
STAGE_ONE_NAMES = (*(f"words_like_{label}" for label in LABELS), "words_like_debris")
N_STAGE_ONE = len(STAGE_ONE_NAMES)
LINE_NAMES: tuple[str, ...] = (*STAGE_ONE_NAMES, *DENSE_NAMES, "hint")
CONTEXT_NAMES: tuple[str, ...] = (
    *STAGE_ONE_NAMES,
    "length",
    "words",
    "share_upper",
    "share_digit",
    "ends_stop",
    "ends_colon",
    "capitalised_words",
    "starts_lower",
    "stops_inside",
    "prose",
    "story_words",
    "story_words_in_prose",
    "like_title",
    "about_rest",
    "about_prose",
    "same_line",
    "same_opening",
    "hint",
)
CONTEXT_OFFSETS: tuple[int, ...] = (-2, -1, 1, 2)
_CONTEXT_COLUMNS = [LINE_NAMES.index(name) for name in CONTEXT_NAMES]
_N_LINE, _N_CONTEXT = len(LINE_NAMES), len(CONTEXT_NAMES)
N_INPUTS = _N_LINE + len(CONTEXT_OFFSETS) * (_N_CONTEXT + 1) + N_STAGE_ONE

# Whole pages are scored together up to about this many lines: more no longer fit the processor's second cache.
BLOCK_LINES = 2000

_CLIP_LOGIT = np.float32(8)
# Packing the weights takes .01 s, which the command line would spend on a single article for nothing.
_FEW_GRAMS = 50_000
_LOGIT_STEPS = 64  # logits are counted in 64ths before the exponential is looked up
_MAX_LOGIT_STEPS = 30 * _LOGIT_STEPS


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
class Layer:
    """One layer of a net in integers.

    weights: float32 that hold integers, shape (n_in, n_out). biases: float32, likewise, shape (n_out,). scales:
    float32, shape (n_out,): what a sum is multiplied by to give the next layer's activation, or the logit.
    Columns are scaled so that no sum of inputs within their bounds can pass 2^24.
    """

    weights: FloatArray
    biases: FloatArray
    scales: FloatArray

    def activations(self, inputs: FloatArray) -> FloatArray:
        """Rectified sums in whole steps up to MAX_ACTIVATION; float32, shape (n_lines, n_out)."""
        sums = inputs @ self.weights
        sums += self.biases
        sums *= self.scales
        np.clip(sums, 0, MAX_ACTIVATION, out=sums)
        return np.rint(sums, out=sums)


@dataclass(frozen=True)
class Net:
    """Layers with rectified, whole-numbered activations in between."""

    layers: tuple[Layer, ...]

    def logits(self, inputs: FloatArray) -> FloatArray:
        """float32, shape (n_lines, 13). inputs: float32 that hold integers within ±MAX_STEPS."""
        return self.rest(self.layers[0].activations(inputs))

    def rest(self, activations: FloatArray) -> FloatArray:
        """The same from the activations of the first layer on."""
        for layer in self.layers[1:-1]:
            activations = layer.activations(activations)
        last = self.layers[-1]
        sums = activations @ last.weights
        sums += last.biases
        sums *= last.scales
        return sums


@dataclass(frozen=True)
class LineModel:
    """Lines to probabilities of their classes. nets: averaged. centers, factors: float32, shape (n_features,)."""

    tables: FeatureTables
    grams: GramWeights
    centers: FloatArray
    factors: FloatArray
    nets: tuple[Net, ...]

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
        inputs = add_context(self.line_inputs(lines, evidence), lines.page_starts)
        return exponentials(sum_logits(self.nets, inputs))

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


def standardise(raw: FloatArray, centers: FloatArray, factors: FloatArray) -> FloatArray:
    """(raw - center) × factor in whole steps within ±MAX_STEPS; float32 that hold integers, written over raw."""
    steps = np.subtract(raw, centers, out=raw)
    steps *= factors
    np.clip(steps, -MAX_STEPS, MAX_STEPS, out=steps)
    return np.rint(steps, out=steps)


def add_context(inputs: FloatArray, page_starts: npt.NDArray[np.int64]) -> FloatArray:
    """The features of each line beside some of its neighbours' and its page's mean stage-one scores.

    float32 that hold integers, shape (n_lines, N_INPUTS). Beyond the page's edge neighbours are 0 and a flag says so.
    """
    n_lines = len(inputs)
    wide = np.zeros((n_lines, N_INPUTS), dtype=np.float32)
    wide[:, :_N_LINE] = inputs
    shared = inputs[:, _CONTEXT_COLUMNS]
    sizes = np.diff(page_starts)
    first, last = np.repeat(page_starts[:-1], sizes), np.repeat(page_starts[1:], sizes) - 1
    rows = np.arange(n_lines)
    column = _N_LINE
    for offset in CONTEXT_OFFSETS:
        target = wide[:, column : column + _N_CONTEXT]
        if offset < 0:
            target[-offset:] = shared[:offset]
        else:
            target[:-offset] = shared[offset:]
        outside = (rows + offset < first) | (rows + offset > last)
        target[outside] = 0
        wide[:, column + _N_CONTEXT] = outside * np.float32(STEP)
        column += _N_CONTEXT + 1
    sums = np.zeros((n_lines + 1, N_STAGE_ONE))
    np.cumsum(inputs[:, :N_STAGE_ONE], axis=0, dtype=np.float64, out=sums[1:])
    means = np.rint((sums[page_starts[1:]] - sums[page_starts[:-1]]) / np.maximum(sizes, 1)[:, None])
    wide[:, column:] = np.repeat(means, sizes, axis=0)
    return wide


def sum_logits(nets: tuple[Net, ...], inputs: FloatArray) -> FloatArray:
    """Mean logits of the nets; float32, shape (n_lines, 13)."""
    return sum_logits_by_kind((nets,), inputs)[0]


def sum_logits_by_kind(kinds: tuple[tuple[Net, ...], ...], inputs: FloatArray) -> tuple[FloatArray, ...]:
    """For each kind of nets the mean logits of its nets; float32, shape (n_lines, 13) each."""
    # One product for the first layers of all nets: nearly all the work is there, and it is faster in one piece. Laying
    # them side by side takes a thousandth of the time that a block does.
    activations = _side_by_side([net.layers[0] for nets in kinds for net in nets]).activations(inputs)
    means = []
    first = 0
    for nets in kinds:
        total = np.zeros((len(inputs), N_LABELS), dtype=np.float32)
        for net in nets:
            width = len(net.layers[0].biases)
            total += net.rest(activations[:, first : first + width])
            first += width
        means.append(total / np.float32(len(nets)))
    return tuple(means)


def _side_by_side(layers: Sequence[Layer]) -> Layer:
    return Layer(
        np.concatenate([layer.weights for layer in layers], axis=1),
        np.concatenate([layer.biases for layer in layers]),
        np.concatenate([layer.scales for layer in layers]),
    )


def exponentials(logits: FloatArray) -> npt.NDArray[np.int64]:
    """exp(logit - largest logit of the line) in 2^-40ths, by table; int64, same shape."""
    steps = np.rint(logits * np.float32(_LOGIT_STEPS)).astype(np.int64)
    below = steps.max(axis=1, keepdims=True, initial=-(10**9)) - steps if len(steps) else steps
    return _EXPONENTIALS.take(np.minimum(below, _MAX_LOGIT_STEPS))


_EXPONENTIALS = np.rint(np.exp(-np.arange(_MAX_LOGIT_STEPS + 1) / _LOGIT_STEPS) * 2.0**40).astype(np.int64)


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
