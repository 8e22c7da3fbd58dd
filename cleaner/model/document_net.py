"""A net over the lines of documents, of parts that judge them in different ways.

Some parts read all lines in their order (`cleaner.model.recurrence`). The others are asked about lines in doubt only,
look by look: windows, which see a line beside its neighbours and the mean of its document, and boosted trees over the
same views (`cleaner.model.trees`). One of each kind is better than two of one: out of fold on scraped texts a net in
order has average precision .904, a window .911, both .920, with trees .925; with three windows for one .928. Asked
about every line they would change no figure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cleaner.features.shape import FloatArray
from cleaner.model.nets import EXACT_FLOAT, IS_KEPT, MAX_STEPS, Layer, exponentials, log_odds
from cleaner.model.recurrence import RecurrentBody, run_together
from cleaner.model.trees import BoostedTrees

IntArray = npt.NDArray[np.int64]

N_VIEWS = 4
"""A line by itself, the line before it, the line after it, and the mean line of its document."""


@dataclass(frozen=True)
class WindowBody:
    """A layer over the views of each line, and a layer over that.

    The weights of the first have N_VIEWS blocks of as many rows as there are inputs, in the order of `see_windows`.
    """

    first: Layer
    second: Layer

    def activations(self, seen: FloatArray) -> FloatArray:
        """float32 that hold integers in [0, 255], shape (n_lines, n_out). seen: as `see_windows` gives it."""
        return self.second.activations(self.first.activations(seen))


@dataclass(frozen=True)
class TreeShare:
    """Boosted trees that judge beside nets. share: of the log odds of debris, theirs; the rest is the nets'."""

    trees: BoostedTrees
    share: float

    def move(self, logits: FloatArray, seen: FloatArray) -> FloatArray:
        """The logits with those of debris moved to the shared log odds, written over them."""
        change = self.trees.judge(seen)
        change -= log_odds(exponentials(logits))
        change *= np.float32(self.share)
        logits[:, ~IS_KEPT] += change[:, None]
        return logits


@dataclass(frozen=True)
class Look:
    """What is asked about lines in doubt beside the rest of a net.

    low, high: between which leads of debris a line is in doubt. last: over the activations of all that was
    asked before and of these windows; it gives the mean of the logits of all.
    """

    low: float
    high: float
    windows: tuple[WindowBody, ...]
    last: Layer
    trees: TreeShare | None = None

    def is_in_doubt(self, logits: FloatArray) -> npt.NDArray[np.bool_]:
        """By how far the likeliest class of debris leads that of the article, in logits; bool, shape (n_lines,)."""
        leads = logits[:, ~IS_KEPT].max(axis=1) - logits[:, IS_KEPT].max(axis=1)
        return (leads > np.float32(self.low)) & (leads < np.float32(self.high))

    def judge(self, hidden: FloatArray, seen: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What the last layer takes in, and the logits, of lines by what was taken in before and their views."""
        hidden = np.concatenate([hidden, *(window.activations(seen) for window in self.windows)], axis=1)
        logits = self.last.logits(hidden)
        return hidden, logits if self.trees is None else self.trees.move(logits, seen)


@dataclass(frozen=True)
class DocumentNet:
    """Bodies, each fitted by itself, and a last layer over all, which gives a mean of their logits.

    bodies: of one size, which read lines in their order. looks: at lines in doubt, each at some of those that the one
    before looked at. temperature: what the logits are divided by after that. change: what is added to them in the end,
    over what the bodies say, if anything.
    """

    bodies: tuple[RecurrentBody, ...]
    last: Layer
    looks: tuple[Look, ...] = ()
    temperature: float = 1.0
    change: Layer | None = None

    def logits(self, inputs: FloatArray, page_starts: IntArray) -> FloatArray:
        """float32, shape (n_lines, 13). inputs: float32 that hold integers within ±MAX_STEPS, (n_lines, n_in)."""
        return self.look(inputs, page_starts)[1]

    def look(self, inputs: FloatArray, page_starts: IntArray) -> tuple[FloatArray, FloatArray]:
        """What the bodies say, float32 that hold integers in [0, 255], shape (n_lines, n_activations), and the
        logits."""
        sees_means = self.looks or any(body.sees_means(inputs.shape[1]) for body in self.bodies)
        means = mean_lines(inputs, page_starts) if sees_means else inputs[:0]
        hidden = self._read_in_order(inputs, means, page_starts)
        logits = self.last.logits(hidden)
        self._look_again(logits, hidden, inputs, means, page_starts)
        logits /= np.float32(self.temperature)
        if self.change is not None:
            logits += self.change.logits(hidden)
        return hidden, logits

    def _read_in_order(self, inputs: FloatArray, means: FloatArray, page_starts: IntArray) -> FloatArray:
        inner = [body.enter(inputs, means, page_starts) for body in self.bodies]
        states = run_together([body.recurrence for body in self.bodies], inner, page_starts)
        joined = (np.concatenate(both, axis=1) for both in zip(inner, states, strict=True))
        outer = [body.second.activations(both) for body, both in zip(self.bodies, joined, strict=True)]
        return np.concatenate(outer, axis=1)

    def _look_again(
        self, logits: FloatArray, hidden: FloatArray, inputs: FloatArray, means: FloatArray, page_starts: IntArray
    ) -> None:
        """Writes what the looks say over the logits of the lines that they look at."""
        lines = np.arange(len(inputs))
        seen = None
        for look in self.looks:
            chosen = np.flatnonzero(look.is_in_doubt(logits[lines]))
            lines, hidden = lines[chosen], hidden[chosen]
            seen = see_windows(inputs, page_starts, lines, means) if seen is None else seen[chosen]
            hidden, logits[lines] = look.judge(hidden, seen)


def see_windows(
    inputs: FloatArray, page_starts: IntArray, lines: IntArray | None = None, means: FloatArray | None = None
) -> FloatArray:
    """Each line's inputs, those of the line before, of the line after, and of its document's mean line.

    Beyond the ends of a document all is 0. lines: the numbers of those that are wanted; all of them where it is None.
    means: as `mean_lines` gives them, where they are known. float32, shape (len(lines), N_VIEWS * n_in).
    """
    if means is None:
        means = mean_lines(inputs, page_starts)
    if lines is None:
        lines = np.arange(len(inputs))
    documents = np.searchsorted(page_starts, lines, side="right") - 1
    last = max(len(inputs) - 1, 0)
    before, after = inputs[np.maximum(lines - 1, 0)], inputs[np.minimum(lines + 1, last)]
    before[lines == page_starts[documents]] = 0
    after[lines + 1 == page_starts[documents + 1]] = 0
    return np.concatenate([inputs[lines], before, after, means[documents]], axis=1)


def see_means(inputs: FloatArray, page_starts: IntArray) -> FloatArray:
    """Each line's inputs and those of its document's mean line; float32, shape (n_lines, 2 * n_in)."""
    return np.concatenate([inputs, np.repeat(mean_lines(inputs, page_starts), np.diff(page_starts), axis=0)], axis=1)


def mean_lines(inputs: FloatArray, page_starts: IntArray) -> FloatArray:
    """Of each document the mean inputs in whole steps, 0 where it has no lines; float32, shape (n_documents, n_in)."""
    sizes = np.diff(page_starts)
    means = np.zeros((len(sizes), inputs.shape[1]), dtype=np.float32)
    has_lines = sizes > 0
    if has_lines.any():
        # Doubles hold the sums of any document exactly; floats those of all but the longest, in a third of the time.
        kind = np.float32 if int(sizes.max()) * MAX_STEPS < EXACT_FLOAT else np.float64
        sums = np.add.reduceat(inputs, page_starts[:-1][has_lines], axis=0, dtype=kind)
        means[has_lines] = np.rint(sums / sizes[has_lines, None].astype(np.float64))
    return means
