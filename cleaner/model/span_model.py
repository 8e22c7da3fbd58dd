"""Pieces of lines at run time: which debris is glued to a paragraph, and of which class it is.

A piece is judged in its document, as if it stood on a line of its own: what the line model makes of the piece and of
the rest of the line are the inputs of one more small net. Sums are over integers, as in the line model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cleaner.features.borders import BORDERS, Piece, find_pieces
from cleaner.features.chars import encode_lines
from cleaner.features.ngrams import gram_bag
from cleaner.features.shape import FloatArray
from cleaner.model.line_model import BLOCK_LINES, LINE_NAMES, LineModel
from cleaner.model.nets import MAX_STEPS, N_LABELS, STEP
from cleaner.types import Lines

# So many lines around are enough to know the story, and keep the work in proportion to the text.
_LINES_AROUND = 25
_LOGIT_STEPS = 8
# Of the pieces of a line those whose words are most like debris are looked at in their document, so many a side.
_MAX_PIECES = 5
_NAME_BORDERS = ("capital", "camel")
MIN_GRAM_LOGIT = -1.0

# Net of pieces to class: `BODY` for what belongs to the paragraph.
N_SPAN_INPUTS = 2 * (len(LINE_NAMES) + N_LABELS) + len(BORDERS) + 1


@dataclass(frozen=True)
class PlacedPiece:
    """A piece of a line of a page of `Lines`; line counts in the page."""

    page: int
    line: int
    piece: Piece


def find_candidates(model: LineModel, lines: Lines, eligible: npt.NDArray[np.bool_]) -> list[PlacedPiece]:
    """Pieces whose words alone do not rule out that they are debris, in order. eligible: bool, shape (n_lines,)."""
    found: list[PlacedPiece] = []
    starts = lines.page_starts
    for row in np.flatnonzero(eligible).tolist():
        pieces = list(find_pieces(lines.texts[row]))
        if pieces:
            page = lines.page_of(row)
            pieces = _without_names(pieces, lines, page, row)
            found += [PlacedPiece(page, row - int(starts[page]), piece) for piece in pieces]
    if not found:
        return []
    texts = [entry.piece.text(lines.texts[int(starts[entry.page]) + entry.line]) for entry in found]
    logits = model.grams.score(gram_bag(encode_lines(texts, model.tables.chars)))[:, -1]
    best: dict[tuple[int, int, bool], list[int]] = {}
    for number in np.argsort(-logits, kind="stable").tolist():
        entry = found[number]
        chosen = best.setdefault((entry.page, entry.line, entry.piece.is_head), [])
        if logits[number] >= MIN_GRAM_LOGIT and len(chosen) < _MAX_PIECES:
            chosen.append(number)
    return [found[number] for number in sorted(number for chosen in best.values() for number in chosen)]


def _without_names(pieces: Sequence[Piece], lines: Lines, page: int, row: int) -> list[Piece]:
    """The pieces but those that would part two words that stand side by side elsewhere in the document, as names do."""
    if all(piece.border not in _NAME_BORDERS for piece in pieces):
        return list(pieces)
    around = "\n".join(lines.texts[_around(lines, page, row)])
    line = lines.texts[row]
    return [piece for piece in pieces if piece.border not in _NAME_BORDERS or around.count(piece.seam_words(line)) < 2]


def _around(lines: Lines, page: int, row: int) -> slice:
    first, last = int(lines.page_starts[page]), int(lines.page_starts[page + 1])
    return slice(max(first, row - _LINES_AROUND), min(last, row + 1 + _LINES_AROUND))


def piece_inputs(model: LineModel, lines: Lines, pieces: Sequence[PlacedPiece]) -> FloatArray:
    """Inputs of the net for each piece; float32 that hold integers, shape (n_pieces, N_SPAN_INPUTS)."""
    parts = [_block_inputs(model, lines, block) for block in _blocks(lines, pieces)]
    return np.concatenate(parts) if parts else np.zeros((0, N_SPAN_INPUTS), dtype=np.float32)


def _blocks(lines: Lines, pieces: Sequence[PlacedPiece]) -> Iterator[Sequence[PlacedPiece]]:
    n_block = max(BLOCK_LINES // (2 * _LINES_AROUND), 1)
    for start in range(0, len(pieces), n_block):
        yield pieces[start : start + n_block]


def _block_inputs(model: LineModel, lines: Lines, pieces: Sequence[PlacedPiece]) -> FloatArray:
    texts: list[str] = []
    page_starts = [0]
    rows: list[int] = []  # of each piece and of its rest
    for entry in pieces:
        row = int(lines.page_starts[entry.page]) + entry.line
        around = _around(lines, entry.page, row)
        before, after = lines.texts[around.start : row], lines.texts[row + 1 : around.stop]
        line = lines.texts[row]
        both = [entry.piece.text(line), entry.piece.rest(line)]
        place = len(texts) + len(before)
        rows += [place, place + 1] if entry.piece.is_head else [place + 1, place]
        texts += [*before, *(both if entry.piece.is_head else both[::-1]), *after]
        page_starts.append(len(texts))
    split = Lines(texts, np.array(page_starts, dtype=np.int64), [lines.titles[entry.page] for entry in pieces])
    inputs = model.line_inputs(split, None)
    logits = model.net.logits(inputs, split.page_starts)[rows]
    judged = np.clip(np.rint(logits * np.float32(_LOGIT_STEPS)), -MAX_STEPS, MAX_STEPS)
    n_pieces = len(pieces)
    form = np.zeros((n_pieces, len(BORDERS) + 1), dtype=np.float32)
    for number, entry in enumerate(pieces):
        form[number, BORDERS.index(entry.piece.border)] = STEP
        form[number, -1] = STEP * entry.piece.is_head
    both_inputs = np.concatenate([inputs[rows], judged], axis=1).reshape(n_pieces, -1)
    return np.concatenate([both_inputs, form], axis=1)
