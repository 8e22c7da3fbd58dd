"""What the page model learns from: pages with gold text, and lines of pages that were labelled by reading."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cleaner.assemble import normalise
from cleaner.errors import DocumentError
from cleaner.extract.html import WalkedPage, walk_page
from cleaner.extract.metadata import read_metadata
from cleaner.extract.page import parse_page
from cleaner.labels import BODY, TITLE
from cleaner.learn.corpus import MAX_PAGE_LINES, UNKNOWN_DEBRIS, BadRow
from cleaner.learn.line_labels import OF_NO_USE, ReadLabels
from cleaner.learn.pages import choose_gold_lines, holds_none, read_page_records
from cleaner.types import Metadata

UNREAD = -2
"""Label of a line of which nothing is known."""

_DEBATABLE_WEIGHT, _SURE_WEIGHT = 0.3, 1.5
_LIKE_TITLE = 0.5
_MIN_TITLE_CHARS, _MAX_TITLE_CHARS = 8, 400


@dataclass(frozen=True)
class LabelledPage:
    """A page with what is known of its lines.

    labels: int64, shape (n_lines,): index into LABELS, UNKNOWN_DEBRIS or UNREAD. The page's headline and its copies are
    TITLE; a standfirst counts as BODY here, as it belongs into the text. weights: float32, shape (n_lines,), how far
    each label is trusted. is_whole: whether all lines have a label. body: the gold text, where there is one.
    """

    id: str
    walked: WalkedPage
    metadata: Metadata
    labels: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    site: str
    lang: str | None
    source: str
    body: str | None = None

    @property
    def is_whole(self) -> bool:
        return self.body is not None


def read_labelled_pages(
    path: Path, split: str, suspects: Collection[str], read: ReadLabels
) -> tuple[list[LabelledPage], list[BadRow]]:
    """The pages of a JSON Lines file of which anything is known, and those that were left out, with the reason."""
    pages: list[LabelledPage] = []
    skipped: list[BadRow] = []
    for row, record in _records(path):
        if isinstance(record, str):
            skipped.append(BadRow(str(path), row, record))
            continue
        if record.get("split", "train") != split:
            continue
        page = label_page(record, suspects, read)
        if isinstance(page, str):
            skipped.append(BadRow(str(path), row, page))
        else:
            pages.append(page)
    return pages, skipped


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for row, record in read_page_records(path):
        has_html = isinstance(record, str) or (isinstance(record.get("html"), str) and record["html"])
        yield row, record if has_html else "no html"


def label_page(record: Mapping[str, Any], suspects: Collection[str], read: ReadLabels) -> LabelledPage | str:
    """The page with its labels, or why it is of no use."""
    page_id = str(record.get("id", ""))
    if page_id in read.verdicts:
        return OF_NO_USE
    try:
        document = parse_page(record["html"])
    except DocumentError as error:
        return str(error)
    walked, metadata = walk_page(document), read_metadata(document)
    n_lines = len(walked.texts)
    if not n_lines:
        return "no text"
    labels = np.full(n_lines, UNREAD, dtype=np.int64)
    weights = np.ones(n_lines, dtype=np.float32)
    # Of a page with doubtful gold only those lines count that somebody has read.
    body = None if record.get("gold_suspect") or page_id in suspects else record.get("body")
    titles = _Titles(metadata, record)
    misfit = ""
    if holds_none(record):
        # Its headline may be that of the article which stands behind the wall, so it teaches neither side.
        labels[:] = [UNREAD if titles.are_said_by(text) else UNKNOWN_DEBRIS for text in walked.texts]
    elif body:
        _label_by_gold(labels, walked.texts, str(body), titles)
        if (labels == UNREAD).all():
            body, misfit = None, "its lines do not make up its gold"
    else:
        _label_by_segments(labels, walked.texts, record)
    for entry in read.of_page(page_id, walked.texts):
        labels[entry.line] = entry.class_in_page(titles.are_said_by(walked.texts[entry.line]))
        weights[entry.line] = _SURE_WEIGHT if entry.is_sure else _DEBATABLE_WEIGHT
    if (labels == UNREAD).all():
        return misfit or "nothing is known of its lines"
    return LabelledPage(
        page_id,
        walked,
        metadata,
        labels,
        weights,
        str(record.get("domain") or record.get("host") or page_id),
        record.get("lang"),
        str(record.get("source", "")),
        str(body) if body else None,
    )


def _label_by_gold(labels: npt.NDArray[np.int64], texts: Sequence[str], body: str, titles: _Titles) -> None:
    """BODY where the gold has the line, TITLE for headlines that it has not; all UNREAD where they do not fit."""
    shown = texts[: 2 * MAX_PAGE_LINES]
    keep = choose_gold_lines(shown, body)
    if keep is None:
        return
    for line, text in enumerate(shown):
        labels[line] = BODY if keep[line] else TITLE if titles.are_said_by(text) else UNKNOWN_DEBRIS


def _label_by_segments(labels: npt.NDArray[np.int64], texts: Sequence[str], record: Mapping[str, Any]) -> None:
    """Labels for lines that hold a segment which the text must have, or must not have."""
    for name, label in (("with_segments", BODY), ("without_segments", UNKNOWN_DEBRIS)):
        for segment in record.get(name) or ():
            wanted = " ".join(str(segment).split())
            if not wanted:
                continue
            lines = [line for line, text in enumerate(texts) if wanted in text]
            if label == BODY:
                # A sentence that stands twice is the article's own where it stands in the longer line.
                lines = sorted(lines, key=lambda line: -len(texts[line]))[:1]
            labels[lines] = label


class _Titles:
    """The headlines of a page, for comparison with lines."""

    def __init__(self, metadata: Metadata, record: Mapping[str, Any]) -> None:
        declared = [*metadata.titles, metadata.head_title, record.get("title"), *(record.get("headlines") or ())]
        self._titles = [set(normalise(title).split()) for title in declared if title]

    def are_said_by(self, text: str) -> bool:
        """Whether a line is one of the headlines, or nearly so."""
        # A shorter line with the words of a title is the name of a site or of a section.
        words = set(normalise(text).split()) if _MIN_TITLE_CHARS <= len(text) < _MAX_TITLE_CHARS else set()
        return bool(words) and any(
            len(words & title) > _LIKE_TITLE * len(words | title) for title in self._titles if title
        )
