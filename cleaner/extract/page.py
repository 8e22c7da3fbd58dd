"""A page in HTML -> all its visible lines with their places, for the page model."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from itertools import accumulate
from typing import TYPE_CHECKING

from cleaner.errors import DocumentError
from cleaner.extract.html import walk_page
from cleaner.extract.language import tell_language
from cleaner.extract.metadata import read_metadata
from cleaner.extract.text import split_text
from cleaner.types import Metadata, PageLines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turbohtml import Document

_TAG = re.compile(r"<[a-zA-Z!/?]")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,31});")

MAX_LINES = 100_000
"""A page with more is a dump of data, and its features would take gigabytes. The longest of 5,400 has 12,000."""


def read_page(html: str, url: object = None, *, full_metadata: bool = False, markdown: bool = False) -> PageLines:
    """The visible lines of a page with their places in it (``walked``). A text without a single tag is split like a
    text.

    full_metadata: ask trafilatura for what the page does not declare. markdown: also say what each line is in its page
    (``markup``). Offsets count in the lines joined by blank rows. Raises DocumentError: ``extract_failed`` where the
    page cannot be parsed, ``too_large`` where it has more than MAX_LINES lines.
    """
    if is_plain(html):
        return plain_lines(html)
    document = parse_page(html)
    walked = walk_page(document, keep_nodes=markdown)
    if len(walked.texts) > MAX_LINES:
        raise DocumentError("too_large", f"{len(walked.texts):,} lines; a page may have {MAX_LINES:,}")
    metadata = page_metadata(document, html, url, walked.texts, full_metadata)
    lines = replace(page_lines(walked.texts), metadata=metadata, extractor="lines", walked=walked)
    if markdown:
        from cleaner.extract.markup import read_markup

        return replace(lines, markup=read_markup(walked, url if isinstance(url, str) else None))
    return lines


def is_plain(html: str) -> bool:
    """Whether somebody's plain text stands where a page was announced."""
    return _TAG.search(html) is None


def plain_lines(text: str) -> PageLines:
    """The lines of a text that was announced as a page; entities are the one trace of HTML that it may hold."""
    lines = split_text(_ENTITY.sub(lambda match: unescape(match[0]), text))
    return replace(page_lines(lines.texts), gaps=lines.gaps)


def parse_page(html: str) -> Document:
    """The tree of a page. Raises DocumentError (``extract_failed``)."""
    import turbohtml

    try:
        return turbohtml.parse(html, positions=False)
    except (turbohtml.HTMLParseError, ValueError, MemoryError) as error:
        raise DocumentError("extract_failed", f"the page cannot be parsed: {error}") from error


def page_metadata(document: Document, html: str, url: object, texts: Sequence[str], full: bool) -> Metadata:
    """What is known of a page beside its lines; its language is told from the lines where it declares none."""
    if full:
        from cleaner.extract.metadata_full import read_full_metadata

        metadata = read_full_metadata(document, html, url)
    else:
        metadata = read_metadata(document, url)
    return replace(metadata, lang=tell_language(metadata.lang, texts))


def page_lines(texts: Sequence[str]) -> PageLines:
    """Lines as if they stood in one text with blank rows between them."""
    following = list(accumulate([len(text) + 2 for text in texts]))
    return PageLines(texts, [0, *following][: len(texts)], [start - 2 for start in following], [True] * len(texts))
