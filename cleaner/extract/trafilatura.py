"""The lines of a page in HTML, as trafilatura in its recall mode chooses them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from itertools import accumulate
from typing import TYPE_CHECKING

from cleaner.errors import DocumentError
from cleaner.extract.metadata import read_metadata
from cleaner.extract.text import split_text
from cleaner.extract.visible import INLINE, VisibleLines, read_visible_lines
from cleaner.types import Metadata, PageLines

if TYPE_CHECKING:
    from lxml.etree import _Element

_TAG = re.compile(r"<[a-zA-Z!/?]")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,31});")

# Beyond these trafilatura takes minutes (39 s for 100,000 attributes, 7 s for 1,000,000 elements) or its parser drops
# the rest of the page without a word (from depth 256, and from a text of 10,000,000 characters).
_MAX_ELEMENTS = 100_000
_MAX_ATTRIBUTES = 2_000
_MAX_DEPTH = 200
_MAX_CHARS = 10_000_000
# Pages with less text than trafilatura wants for an article (it goes on guessing below 250 characters, and drops
# lines that repeat): there is nothing to choose, and nothing to lose.
_MIN_CHARS = 250
# The headline and what stands below it, if the first paragraph follows soon. trafilatura drops most of that; with it
# the share of the gold's text that is found rises from .975 to .983 (159 pages), and the model sees to the debris.
_MAX_LINES_OF_HEAD = 15
# trafilatura's own elements (after TEI) that stand within a line, beside those of HTML.
_INLINE = INLINE | {"hi", "ref", "graphic"}
# Looking up a line costs a scan of the page's text, so a page with more odd lines than this keeps the rest as is.
_MAX_LOOKUPS = 2_000


def extract_lines(html: str, url: str | None = None) -> PageLines:
    """The lines of a page: trafilatura says which text, the page itself where a line ends and what its headline is.

    Where trafilatura gives nothing, or the page is too large or too small for it, all visible lines are handed over.
    A text without a single tag is split like a text. Offsets count in the lines joined by blank rows. Raises
    DocumentError (``extract_failed``) where the page cannot be parsed.
    """
    if _TAG.search(html) is None:
        # Somebody's plain text in a column named html. Entities are the one trace of HTML that it may hold.
        return split_text(_ENTITY.sub(lambda match: unescape(match[0]), html))
    visible, metadata = _read_page(html)
    texts = _ask_trafilatura(html, url) if _is_in_bounds(html, visible) else []
    texts = _with_headline(_split_like_page(texts, visible.texts), visible.texts, metadata.titles)
    extractor = "trafilatura" if texts else "page"
    return replace(_page_lines(texts or visible.texts), metadata=metadata, extractor=extractor)


def _read_page(html: str) -> tuple[VisibleLines, Metadata]:
    import turbohtml

    try:
        document = turbohtml.parse(html, positions=False)
        return read_visible_lines(document), read_metadata(document)
    except (turbohtml.HTMLParseError, ValueError, MemoryError) as error:
        raise DocumentError("extract_failed", f"the page cannot be parsed: {error}") from error


def _is_in_bounds(html: str, visible: VisibleLines) -> bool:
    """Whether a page is one that trafilatura reads well."""
    return (
        len(html) <= _MAX_CHARS
        and sum(map(len, visible.texts)) >= _MIN_CHARS
        and visible.n_elements <= _MAX_ELEMENTS
        and visible.max_attributes <= _MAX_ATTRIBUTES
        and visible.depth <= _MAX_DEPTH
    )


def _page_lines(texts: list[str]) -> PageLines:
    starts = [0, *accumulate(len(text) + 2 for text in texts[:-1])] if texts else []
    ends = [start + len(text) for start, text in zip(starts, texts, strict=True)]
    return PageLines(texts, starts, ends, [True] * len(texts))


def _ask_trafilatura(html: str, url: str | None) -> list[str]:
    """The blocks of the page that trafilatura keeps; none where it gives up."""
    from trafilatura import bare_extraction
    from trafilatura.settings import Document

    try:
        document = bare_extraction(
            html,
            url=url,
            favor_recall=True,
            include_comments=False,
            include_tables=True,
            include_formatting=False,
            deduplicate=False,  # it would remember lines from page to page
            output_format="txt",
        )
    except Exception:  # whatever a broken page sets off in lxml, justext or readability: the visible lines remain
        return []
    return list(_blocks(document.body)) if isinstance(document, Document) else []


def _blocks(body: _Element) -> Iterator[str]:
    """The text of each block of trafilatura's tree, white space collapsed, a line for each part between <lb>."""
    from lxml.etree import iterwalk

    row: list[str] = []
    for event, element in iterwalk(body, events=("start", "end")):
        is_block = element.tag not in _INLINE
        if is_block and (text := " ".join("".join(row).split())):
            yield text
        if is_block:
            row.clear()
        part = element.text if event == "start" else element.tail
        if part and not (event == "end" and element is body):
            row.append(part)


def _split_like_page(texts: list[str], visible: list[str]) -> list[str]:
    """The texts, cut where the page itself begins a new line.

    For short pages and some layouts trafilatura joins all blocks of an article to one paragraph. Such a text is
    found again in the page's text, white space aside, and cut at the borders of the lines there.
    """
    known = set(visible)
    compact_lines = ["".join(text.split()) for text in visible]
    compact_page = "".join(compact_lines)
    borders = list(accumulate(map(len, compact_lines)))
    lines: list[str] = []
    position = n_lookups = 0
    for text in texts:
        if text in known or n_lookups >= _MAX_LOOKUPS:
            lines.append(text)
            continue
        n_lookups += 1
        compact = "".join(text.split())
        start = compact_page.find(compact, position)
        start = start if start >= 0 else compact_page.find(compact)
        if start < 0:
            lines.append(text)
            continue
        position = start + len(compact)
        first = bisect_right(borders, start)
        last = bisect_right(borders, position - 1)
        lines.extend(_cut(text, [border - start for border in borders[first:last]]))
    return lines


def _with_headline(texts: list[str], visible: list[str], titles: tuple[str, ...]) -> list[str]:
    """The texts with the page's headline in front and what the page shows between it and the first of them."""
    known, declared = set(texts), set(titles)
    if not declared or not known or not known.isdisjoint(declared):
        return texts
    headline = None
    for number, text in enumerate(visible):
        if text in declared:
            headline = number
        elif text in known and headline is not None:
            between = visible[headline:number] if number - headline <= _MAX_LINES_OF_HEAD else [visible[headline]]
            return [*between, *texts]
    return texts


def _cut(text: str, lengths: list[int]) -> list[str]:
    """The text in pieces that end after so many characters other than white space."""
    pieces, begin, count, cuts = [], 0, 0, iter(lengths)
    cut = next(cuts, None)
    for index, character in enumerate(text):
        if cut is None:
            break
        count += not character.isspace()
        if count == cut:
            pieces.append(text[begin : index + 1].strip())
            begin, cut = index + 1, next(cuts, None)
    pieces.append(text[begin:].strip())
    return [piece for piece in pieces if piece]
