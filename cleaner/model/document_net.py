"""A net over the lines of documents: parts that read them in different ways, and a last layer over what all parts say.

Some parts read the lines in their order (`cleaner.model.recurrence`), others see a line beside its neighbours and the
mean of its document. One of each is better than two of the first kind (average precision .934 against .9255 out of fold
on scraped texts, one alone .922) and takes less time. More of the second kind are asked about lines in doubt only, one
in nine, for a ninth of the time: two more brought F1 at 1 % lost from .832 to .843 out of fold on scraped texts, not a
thousandth more when they were asked about every line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cleaner.features.shape import FloatArray
from cleaner.model.nets import EXACT_FLOAT, IS_KEPT, MAX_STEPS, Layer
from cleaner.model.recurrence import RecurrentBody, run_together

IntArray = npt.NDArray[np.int64]

N_VIEWS = 4
"""A line by itself, the line before it, the line after it, and the mean line of its document."""


# By how much the likeliest class of debris is ahead of the likeliest class of the article, in logits: a debris score
# between about .2 and .95. Between .05 and .97 there are half as many lines again, and no figure was another.
_IN_DOUBT = (np.float32(-1.5), np.float32(3.0))


@dataclass(frozen=True)
class WindowBody:
    """A layer over the views of each line, and a layer over that.

    The weights of the first have N_VIEWS blocks of as many rows as there are inputs, in the order of `see_windows`.
    """

    first: Layer
    second: Layer

    def activations(self, inputs: FloatArray, means: FloatArray, page_starts: IntArray) -> FloatArray:
        """float32 that hold integers in [0, 255], shape (n_lines, n_out). means: as `mean_lines` gives them.

        As `second` over `first` over `see_windows`, which would be four times as wide as the inputs.
        """
        own, before, after, mean = np.split(self.first.weights, N_VIEWS)
        sums, of_previous, of_next = np.split(inputs @ np.concatenate([own, before, after], axis=1), 3, axis=1)
        sums = np.ascontiguousarray(sums)
        of_previous[_lasts(page_starts)] = 0
        sums[1:] += of_previous[:-1]
        of_next[_firsts(page_starts)] = 0
        sums[:-1] += of_next[1:]
        sums += np.repeat(means @ mean, np.diff(page_starts), axis=0)
        return self.second.activations(self.first.rectify(sums))


@dataclass(frozen=True)
class SecondLook:
    """What is asked about lines in doubt beside the rest of a net.

    last: over the activations of the rest and what these windows say; it gives the mean of the logits of all.
    """

    windows: tuple[WindowBody, ...]
    last: Layer

    def logits(
        self, hidden: FloatArray, inputs: FloatArray, means: FloatArray, page_starts: IntArray, lines: IntArray
    ) -> FloatArray:
        """Of some lines, by their numbers; float32, shape (len(lines), 13). hidden: of all, as `last` takes them in."""
        seen = see_windows(inputs, page_starts, lines, means)
        every = [window.second.activations(window.first.activations(seen)) for window in self.windows]
        return self.last.logits(np.concatenate([hidden[lines], *every], axis=1))


@dataclass(frozen=True)
class DocumentNet:
    """Bodies, each fitted by itself, and a last layer over all, which gives a mean of their logits.

    bodies: of one size, which read lines in their order. windows: those that see a line amid its neighbours. second:
    what is asked about lines in doubt, if anything.
    """

    bodies: tuple[RecurrentBody, ...]
    windows: tuple[WindowBody, ...]
    last: Layer
    second: SecondLook | None = None

    def logits(self, inputs: FloatArray, page_starts: IntArray) -> FloatArray:
        """float32, shape (n_lines, 13). inputs: float32 that hold integers within ±MAX_STEPS, (n_lines, n_in)."""
        return self.look(inputs, page_starts)[1]

    def look(self, inputs: FloatArray, page_starts: IntArray) -> tuple[FloatArray, FloatArray]:
        """What the last layer takes in, float32 that hold integers in [0, 255], shape (n_lines, n_activations), and the
        logits."""
        sees_means = self.windows or self.second or any(body.sees_means(inputs.shape[1]) for body in self.bodies)
        means = mean_lines(inputs, page_starts) if sees_means else inputs[:0]
        hidden = self._last_inputs(inputs, means, page_starts)
        logits = self.last.logits(hidden)
        if self.second is not None:
            lines = _lines_in_doubt(logits)
            logits[lines] = self.second.logits(hidden, inputs, means, page_starts, lines)
        return hidden, logits

    def _last_inputs(self, inputs: FloatArray, means: FloatArray, page_starts: IntArray) -> FloatArray:
        inner = [body.enter(inputs, means, page_starts) for body in self.bodies]
        states = run_together([body.recurrence for body in self.bodies], inner, page_starts)
        joined = (np.concatenate(both, axis=1) for both in zip(inner, states, strict=True))
        outer = [body.second.activations(both) for body, both in zip(self.bodies, joined, strict=True)]
        every = [*outer, *(window.activations(inputs, means, page_starts) for window in self.windows)]
        return np.concatenate(every, axis=1)


def _lines_in_doubt(logits: FloatArray) -> IntArray:
    lead = logits[:, ~IS_KEPT].max(axis=1) - logits[:, IS_KEPT].max(axis=1)
    low, high = _IN_DOUBT
    return np.flatnonzero((lead > low) & (lead < high))


def see_windows(
    inputs: FloatArray, page_starts: IntArray, lines: IntArray | None = None, means: FloatArray | None = None
) -> FloatArray:
    """Each line's inputs, those of the line before, of the line after, and of its document's mean line.

    Beyond the ends of a document all is 0. lines: the numbers of those that are wanted; all of them where it is None.
    means: as `mean_lines` gives them, where they are known. float32, shape (n_lines, N_VIEWS * n_in).
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


def _firsts(page_starts: IntArray) -> IntArray:
    """The first line of each document that has any."""
    firsts: IntArray = page_starts[:-1][np.diff(page_starts) > 0]
    return firsts


def _lasts(page_starts: IntArray) -> IntArray:
    """The last line of each document that has any."""
    lasts: IntArray = page_starts[1:][np.diff(page_starts) > 0] - 1
    return lasts
