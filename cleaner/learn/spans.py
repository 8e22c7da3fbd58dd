"""Cases to learn from which debris is glued to a paragraph: made ones, and pieces of real lines that were read.

Made: debris of one site glued to the head or tail of paragraphs of another. Real: every piece that the lines of real
articles could lose. Nearly all of them belong to their paragraph; those that do not were read and stand in a table.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cleaner.errors import InputError
from cleaner.features.borders import MAX_HEAD_CHARS, MIN_REST_CHARS, Piece
from cleaner.features.hints import Hints
from cleaner.features.shape import FloatArray
from cleaner.labels import BODY, LABEL_INDEX
from cleaner.learn.corpus import UNKNOWN_DEBRIS, LabelledDocument, read_rows, site_of
from cleaner.learn.fit import IntArray
from cleaner.model.artefact import DEFAULT_DROPPED, Model, Verdicts
from cleaner.model.span_model import PlacedPiece, find_candidates, piece_inputs
from cleaner.types import Lines

UNSURE = -1
"""Label of a piece that nothing is learned from: a reader doubted it, or it is a part of the debris only."""

# A page of more lines is a list or a dump.
_MAX_DOCUMENT_LINES = 600
_MIN_PARAGRAPH_CHARS = MIN_REST_CHARS + 20
_MAX_GLUED = 3
_HEAD_SHARE = 0.4
_SEPARATORS, _SEPARATOR_SHARES = (" ", "", "  "), (0.84, 0.12, 0.04)


class Seam(NamedTuple):
    """Where debris was glued to a line: it ends (head) or begins (tail) between these offsets; and its class."""

    is_head: bool
    start: int
    end: int
    label: int

    def label_of(self, piece: Piece) -> int:
        """The class of a piece of the line: that of the debris, BODY where it holds a part of the paragraph."""
        if piece.is_head != self.is_head:
            return BODY
        place = piece.end if piece.is_head else piece.start
        if self.start <= place <= self.end:
            return self.label
        is_part = place < self.start if self.is_head else place > self.end
        return UNSURE if is_part else BODY


@dataclass(frozen=True)
class Cases:
    """Pieces of lines with what is known of them; arrays of n pieces.

    inputs: as `piece_inputs` gives them. labels: class, BODY for a piece of the paragraph, or UNSURE. read: whether a
    reader said so. documents: number of the document. lines: a number for each end of a line, equal for its pieces.
    is_head: at which end. n_ends: how many ends of lines had debris glued to them, pieces found or not.
    """

    inputs: FloatArray
    labels: IntArray
    read: npt.NDArray[np.bool_]
    documents: IntArray
    lines: IntArray
    is_head: npt.NDArray[np.bool_]
    n_ends: tuple[int, int] = (0, 0)


SpanLabels = dict[tuple[str, int], dict[tuple[int, int], tuple[str, int]]]
"""By document and line: pieces by start and end, each with its digest and class (or UNSURE)."""


def read_span_labels(path: Path) -> SpanLabels:
    """The labels of pieces in a table with a head line and columns ``id, line, start, end, digest, label``, by tabs.

    start, end: offsets in the stripped line, in code points; ``label``: a class, ``body`` for a piece that belongs to
    the paragraph, ``?`` where the reader doubted. Raises InputError.
    """
    labels: SpanLabels = defaultdict(dict)
    for number, row in enumerate(read_rows(path)):
        if number == 0 or not row.strip():
            continue
        try:
            name, line, start, end, digest, label = row.decode("utf-8").rstrip("\r\n").split("\t")
            found = UNSURE if label == "?" else LABEL_INDEX[label]
            labels[name, int(line)][int(start), int(end)] = digest, found
        except (ValueError, KeyError) as error:
            raise InputError(f"{path}, row {number}: {error}") from None
    return dict(labels)


def digest_piece(text: str) -> str:
    """Six hexadecimal digits that stand for a piece, so that a label never lands on another one."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]


def as_lines(documents: Sequence[LabelledDocument]) -> Lines:
    return Lines(
        [line for document in documents for line in document.lines],
        np.array([0, *accumulate(len(document.lines) for document in documents)], dtype=np.int64),
        [document.title or "" for document in documents],
    )


def judge_documents(model: Model, lines: Lines) -> Verdicts:
    return model.judge(lines, DEFAULT_DROPPED, "balanced", Hints())


def choose_articles(documents: Sequence[LabelledDocument]) -> list[LabelledDocument]:
    """Those of the documents whose lines are few enough to be an article's; where no language is told, English."""
    return [
        replace(document, lang=document.lang or "en")
        for document in documents
        if len(document.lines) <= _MAX_DOCUMENT_LINES
    ]


def real_cases(model: Model, documents: Sequence[LabelledDocument], read: SpanLabels) -> Cases:
    """All pieces of the kept paragraphs of documents, as labelled by reading; those unread count as paragraph."""
    lines = as_lines(documents)
    verdicts = judge_documents(model, lines)
    truth = np.concatenate([document.labels for document in documents])
    eligible = verdicts.kept & (verdicts.labels == BODY) & (truth == BODY)
    pieces = find_candidates(model.line_model, lines, eligible)
    labels = np.full(len(pieces), BODY, dtype=np.int64)
    is_read = np.zeros(len(pieces), dtype=np.bool_)
    for number, entry in enumerate(pieces):
        document = documents[entry.page]
        known = read.get((document.id, entry.line))
        if known:
            label = label_by_reading(entry.piece, document.lines[entry.line], known)
            if label is not None:
                labels[number], is_read[number] = label, True
    return _as_cases(model, lines, pieces, labels, is_read)


def label_by_reading(piece: Piece, line: str, known: Mapping[tuple[int, int], tuple[str, int]]) -> int | None:
    """What a reader said of a piece; a part of a piece that goes, or of a doubtful one, is UNSURE. None: not read."""
    said = known.get((piece.start, piece.end))
    if said is not None and said[0] == digest_piece(line[piece.start : piece.end]):
        return said[1]
    is_part = any(
        label != BODY and start <= piece.start and piece.end <= end for (start, end), (_, label) in known.items()
    )
    return UNSURE if is_part else None


def made_cases(
    model: Model, documents: Sequence[LabelledDocument], n_made: int, rng: np.random.Generator, read: SpanLabels
) -> Cases:
    """Pieces of lines that debris was glued to, in n_made documents; a line that the model drops has none."""
    made, seams = glue_debris(model, documents, n_made, rng, read)
    lines = as_lines(made)
    verdicts = judge_documents(model, lines)
    rows = np.array([int(lines.page_starts[page]) + line for page, line in seams], dtype=np.int64)
    eligible = np.zeros(lines.n_lines, dtype=np.bool_)
    eligible[rows] = (verdicts.kept & (verdicts.labels == BODY))[rows]
    pieces = find_candidates(model.line_model, lines, eligible)
    labels = np.array([seams[entry.page, entry.line].label_of(entry.piece) for entry in pieces], dtype=np.int64)
    heads = np.array([seam.is_head for seam in seams.values()], dtype=np.bool_)
    n_ends = int((eligible[rows] & heads).sum()), int((eligible[rows] & ~heads).sum())
    cases = _as_cases(model, lines, pieces, labels, np.zeros(len(pieces), dtype=np.bool_))
    return replace(cases, n_ends=n_ends)


def _as_cases(
    model: Model, lines: Lines, pieces: Sequence[PlacedPiece], labels: IntArray, read: npt.NDArray[np.bool_]
) -> Cases:
    is_head = np.array([entry.piece.is_head for entry in pieces], dtype=np.bool_)
    rows = np.array([int(lines.page_starts[entry.page]) + entry.line for entry in pieces], dtype=np.int64)
    return Cases(
        piece_inputs(model.line_model, lines, pieces),
        labels,
        read,
        np.array([entry.page for entry in pieces], dtype=np.int64),
        2 * rows + is_head,
        is_head,
    )


class _Debris(NamedTuple):
    text: str
    label: int
    document: int


def glue_debris(
    model: Model, documents: Sequence[LabelledDocument], n_made: int, rng: np.random.Generator, read: SpanLabels
) -> tuple[list[LabelledDocument], dict[tuple[int, int], Seam]]:
    """Documents with debris of other sites glued to one to three paragraphs each, and where, by document and line.

    read: labels of pieces; to a line that has debris of its own nothing is glued.
    """
    lines = as_lines(documents)
    verdicts = judge_documents(model, lines)
    stock = _collect_debris(documents, lines, verdicts)
    hosts = {}
    for number, document in enumerate(documents):
        first = int(lines.page_starts[number])
        places = [
            line
            for line, (text, label) in enumerate(zip(document.lines, document.labels.tolist(), strict=True))
            if label == BODY
            and len(text) >= _MIN_PARAGRAPH_CHARS
            and verdicts.kept[first + line]
            and all(said == BODY for _, said in read.get((document.id, line), {}).values())
        ]
        if len(places) >= _MAX_GLUED and document.lang in stock:
            hosts[number] = places
    made: list[LabelledDocument] = []
    seams: dict[tuple[int, int], Seam] = {}
    numbers = list(hosts)
    for _ in range(n_made if hosts else 0):
        number = numbers[int(rng.integers(len(numbers)))]
        document = documents[number]
        texts = list(document.lines)
        for line in rng.choice(hosts[number], size=int(rng.integers(1, _MAX_GLUED + 1)), replace=False).tolist():
            debris = _draw_debris(stock[document.lang], documents, number, rng)
            if debris is not None:
                texts[line], seams[len(made), line] = _glue(texts[line], debris, rng)
        made.append(replace(document, lines=tuple(texts)))
    return made, seams


def _collect_debris(
    documents: Sequence[LabelledDocument], lines: Lines, verdicts: Verdicts
) -> dict[str | None, tuple[list[_Debris], npt.NDArray[np.float64]]]:
    """Short debris by language, with the probability of being drawn, that evens out the classes by half.

    Debris of unknown class has the one that the model gives it, where it would drop it.
    """
    found: dict[str | None, list[_Debris]] = defaultdict(list)
    for number, document in enumerate(documents):
        first = int(lines.page_starts[number])
        labels = document.labels.tolist()
        for line, label in enumerate(labels):
            if label == UNKNOWN_DEBRIS and not verdicts.kept[first + line]:
                label = int(verdicts.labels[first + line])
            text = document.lines[line]
            if label < 0 or not DEFAULT_DROPPED[label] or not 2 <= len(text) <= MAX_HEAD_CHARS:
                continue
            found[document.lang].append(_Debris(text, label, number))
            following = document.lines[line + 1] if line + 1 < len(labels) else ""
            if following and labels[line + 1] == labels[line] and len(text) + len(following) < MAX_HEAD_CHARS:
                found[document.lang].append(_Debris(f"{text} {following}", label, number))
    stock = {}
    for lang, entries in found.items():
        counts = np.bincount([entry.label for entry in entries])
        shares = np.array([1 / np.sqrt(counts[entry.label]) for entry in entries])
        stock[lang] = entries, shares / shares.sum()
    return stock


def _draw_debris(
    stock: tuple[list[_Debris], npt.NDArray[np.float64]],
    documents: Sequence[LabelledDocument],
    host: int,
    rng: np.random.Generator,
) -> _Debris | None:
    entries, shares = stock
    debris = entries[int(rng.choice(len(entries), p=shares))]
    site = site_of(documents[host].site)
    is_own = debris.document == host or (site is not None and site == site_of(documents[debris.document].site))
    return None if is_own else debris


def _glue(line: str, debris: _Debris, rng: np.random.Generator) -> tuple[str, Seam]:
    is_head = bool(rng.random() < _HEAD_SHARE)
    separator = str(rng.choice(_SEPARATORS, p=_SEPARATOR_SHARES))
    first, second = (debris.text, line) if is_head else (line, debris.text)
    seam = Seam(is_head, len(first), len(first) + len(separator), debris.label)
    return f"{first}{separator}{second}", seam
