"""What reads the lines of a document in their order, once forwards and once backwards; numpy alone.

Light gated recurrent units (Ravanelli et al., "Light Gated Recurrent Units for Speech Recognition", 2018): the state of
a unit moves towards a new value as far as its gate is open. Both are straight lines between their bounds, no curves:
as good as with curves (cross-validation by site) and twice as fast. Whatever is added up is a whole number that
float32 holds exactly and all else is done value by value, so a line gets the same score to the last bit whatever
documents stand beside its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from cleaner.features.shape import FloatArray
from cleaner.model.nets import Layer

# A state between -1 and 1 is counted in so many steps, as far as it enters a sum.
STATE_STEPS = 511
# Longer documents are read in pieces, each with some lines before and after to come into its state: the time a step
# takes is shared by the pieces, and that of a page of a thousand lines would have nobody to share it with.
PIECE_LINES, WARM_LINES = 192, 32
_GROUP_LINES = 4096


@dataclass(frozen=True)
class Recurrence:
    """Two rows of gated units, one for each direction.

    First axis of every array: gates, new states; second axis: forwards, backwards. All hold whole multiples of a power
    of two, so small that no sum of theirs is rounded.

    inputs: float32, shape (2, 2, n_in, n_units), weights of a line's activations. states: float32, shape
    (2, 2, n_units, n_units), of the states before. biases: float32, shape (2, 2, 1, n_units).
    """

    inputs: FloatArray
    states: FloatArray
    biases: FloatArray

    @property
    def n_units(self) -> int:
        """Units of one direction."""
        return int(self.states.shape[-1])

    def run(self, activations: FloatArray, page_starts: npt.NDArray[np.int64]) -> FloatArray:
        """The states at each line: those come from the lines before it, then those come from the lines after it.

        activations: float32 that hold integers in [0, 255], shape (n_lines, n_in). float32 that hold integers within
        ±STATE_STEPS, shape (n_lines, 2 * n_units).
        """
        return run_together([self], [activations], page_starts)[0]


def run_together(
    recurrences: Sequence[Recurrence], activations: Sequence[FloatArray], page_starts: npt.NDArray[np.int64]
) -> list[FloatArray]:
    """The states of each of some recurrences with equally many units, as `Recurrence.run` gives them.

    Long pages leave a step little to do, which takes the same time for all of them as for one.
    """
    n_lines, n_units = len(activations[0]), recurrences[0].n_units
    weights = np.concatenate([recurrence.states for recurrence in recurrences], axis=1)
    states = [np.zeros((n_lines, 2, n_units), dtype=np.float32) for _ in recurrences]
    for pieces in _group_pieces(cut_pieces(page_starts)):
        plan = plan_steps(pieces)
        rows = np.stack(plan.rows)
        pulls = np.empty((2, 2 * len(recurrences), len(plan.rows[0]), n_units), dtype=np.float32)
        for number, recurrence in enumerate(recurrences):
            own = pulls[:, 2 * number : 2 * number + 2]
            np.matmul(activations[number][rows], recurrence.inputs, out=own)
            own += recurrence.biases
        steps = _take_steps(pulls, weights, plan.sizes)
        for number, of_one in enumerate(states):
            for direction, counted in enumerate(plan.counted):
                of_one[plan.rows[direction][counted], direction] = steps[2 * number + direction, counted]
    return [of_one.reshape(n_lines, 2 * n_units) for of_one in states]


def _take_steps(pulls: FloatArray, weights: FloatArray, sizes: list[int]) -> FloatArray:
    """The states after each step, in whole steps of STATE_STEPS; shape (n_directions, n_rows, n_units).

    pulls: shape (2, n_directions, n_rows, n_units). weights: of the states before, (2, n_directions, n_units, n_units).
    """
    none, one, minus_one, scale = (np.float32(value) for value in (0, 1, -1, STATE_STEPS))
    steps = np.empty(pulls.shape[1:], dtype=np.float32)
    state = before = np.zeros((len(steps), sizes[0] if sizes else 0, weights.shape[-1]), dtype=np.float32)
    first = 0
    for size in sizes:
        here = slice(first, first + size)
        gates, new = both = before[:, :size] @ weights
        both += pulls[:, :, here]
        np.maximum(gates, none, out=gates)
        np.minimum(gates, one, out=gates)
        np.maximum(new, minus_one, out=new)
        np.minimum(new, one, out=new)
        state = state[:, :size] - new
        state *= gates
        state += new
        before = np.multiply(state, scale, out=steps[:, here])
        np.rint(before, out=before)
        first += size
    return steps


@dataclass(frozen=True)
class StepPlan:
    """In which order lines are read: at each step the next line of every piece that is not at its end.

    sizes: how many pieces each step reads, falling. rows: for each direction the lines in the order in which they
    are read, int64. counted: for each direction whether a line is the piece's own, not one to come into its state.
    """

    sizes: list[int]
    rows: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    counted: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]


def plan_steps(pieces: npt.NDArray[np.int64]) -> StepPlan:
    """The order in which the lines of pieces (`cut_pieces`) are read together, longest pieces first."""
    starts, ends, own_starts, own_ends = pieces[np.argsort(pieces[:, 0] - pieces[:, 1], kind="stable")].T
    lengths = ends - starts
    n_steps = int(lengths[0]) if len(lengths) else 0
    # Lengths fall, so those longer than a step are the first so many.
    sizes = np.searchsorted(-lengths, -np.arange(n_steps), side="left")
    step = np.repeat(np.arange(n_steps), sizes)
    piece = np.arange(len(step)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    rows = (starts[piece] + step, ends[piece] - 1 - step)
    forwards, backwards = ((row >= own_starts[piece]) & (row < own_ends[piece]) for row in rows)
    return StepPlan(sizes.tolist(), rows, (forwards, backwards))


def cut_pieces(page_starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The pieces that pages are read in: first line and end, and the same of its own lines; int64, (n_pieces, 4)."""
    return np.array(list(_pieces(page_starts)), dtype=np.int64).reshape(-1, 4)


def _group_pieces(pieces: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Pieces that are read together, of so many lines that memory does not grow with the length of a document."""
    groups = np.cumsum(pieces[:, 1] - pieces[:, 0]) // _GROUP_LINES
    return np.split(pieces, np.flatnonzero(np.diff(groups)) + 1) if len(pieces) else []


def _pieces(page_starts: npt.NDArray[np.int64]) -> Iterator[tuple[int, int, int, int]]:
    for start, end in pairwise(page_starts.tolist()):
        if start < end <= start + PIECE_LINES + WARM_LINES:
            yield start, end, start, end
            continue
        for own in range(start, end, PIECE_LINES):
            own_end = min(own + PIECE_LINES, end)
            yield max(own - WARM_LINES, start), min(own_end + WARM_LINES, end), own, own_end


@dataclass(frozen=True)
class RecurrentBody:
    """A layer over the inputs of each line, the recurrence over that, and a layer over both.

    The weights of the first may have as many rows more, for the mean line of the document.
    """

    first: Layer
    recurrence: Recurrence
    second: Layer

    def sees_means(self, n_inputs: int) -> bool:
        """Whether the first layer takes in more than the inputs of a line."""
        return len(self.first.weights) > n_inputs

    def enter(self, inputs: FloatArray, means: FloatArray, page_starts: npt.NDArray[np.int64]) -> FloatArray:
        """Activations of the first layer; means: of each document the mean inputs, shape (n_documents, n_in)."""
        own, mean = np.split(self.first.weights, [inputs.shape[1]])
        sums = inputs @ own
        if self.sees_means(inputs.shape[1]):
            sums += np.repeat(means @ mean, np.diff(page_starts), axis=0)
        return self.first.rectify(sums)
