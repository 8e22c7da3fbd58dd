"""The lines of a page in HTML, as trafilatura in its recall mode chooses them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from cleaner.extract.html import INLINE, WalkedPage, measure_tree, walk_page
from cleaner.extract.page import is_plain, page_lines, page_metadata, parse_page, plain_lines
from cleaner.types import Metadata, PageLines

if TYPE_CHECKING:
    from lxml.etree import _Element
    from turbohtml import Document

# Beyond these trafilatura takes minutes (39 s for 100,000 attributes, 11 s for 90,000 nested lists) or its parser drops
# the rest of the page without a word (from depth 256, and from a text of 10,000,000 characters). The largest of 2,439
# real pages has 12,646 elements, 77 attributes on one of them, and a depth of 139.
_MAX_ELEMENTS = 30_000
_MAX_ATTRIBUTES = 2_000
_MAX_DEPTH = 200
_MAX_CHARS = 10_000_000
# Pages with less text than trafilatura wants for an article (it goes on guessing below 250 characters, and drops
# lines that repeat): there is nothing to choose, and nothing to lose.
_MIN_CHARS = 250
# Shorter parts of a title are names of sites and sections. On 18 of 310 pages only such a part names the headline, and
# the longest was the right one on each.
_MIN_HEADLINE_CHARS = 8
# trafilatura's own elements (after TEI) that stand within a line, beside those of HTML.
_INLINE = INLINE | {"hi", "ref", "graphic"}
# Looking up a line costs a scan or two of the page's text: after so many characters (.3 s) the rest stays as it is.
_MAX_SCANNED = 1_000_000_000


def extract_lines(html: str, url: object = None, full_metadata: bool = False, markdown: bool = False) -> PageLines:
    """The lines of a page: trafilatura says which text, the page itself where a line ends and what its headline is.

    Where trafilatura gives nothing, or the page is too large or too small for it, all visible lines are handed over.
    A text without a single tag is split like a text. Offsets count in the lines joined by blank rows. Raises
    DocumentError (``extract_failed``) where the page cannot be parsed.
    """
    if is_plain(html):
        return plain_lines(html)
    document = parse_page(html)
    walked = walk_page(document, keep_nodes=markdown)
    metadata = page_metadata(document, html, url, walked.texts, full_metadata)
    texts = _ask_trafilatura(html, url) if _is_in_bounds(html, document, walked) else []
    texts = _with_headline(_split_like_page(texts, walked.texts), walked.texts, metadata)
    extractor = "trafilatura" if texts else "page"
    lines = replace(page_lines(texts or walked.texts), metadata=metadata, extractor=extractor)
    if markdown:
        from cleaner.extract.markup import pick_markup, read_markup

        page = read_markup(walked, url if isinstance(url, str) else None)
        return replace(lines, markup=pick_markup(lines.texts, walked.texts, page))
    return lines


def find_witnesses(html: str, lines: PageLines, url: object = None) -> frozenset[str]:
    """The lines of a page that trafilatura keeps, white space removed; none where it gives up."""
    assert lines.walked is not None
    document = parse_page(html)
    texts = _ask_trafilatura(html, url) if _is_in_bounds(html, document, lines.walked) else []
    return frozenset("".join(text.split()) for text in _split_like_page(texts, lines.texts))


def _is_in_bounds(html: str, document: Document, walked: WalkedPage) -> bool:
    """Whether a page is one that trafilatura reads well."""
    if len(html) > _MAX_CHARS or sum(map(len, walked.texts)) < _MIN_CHARS:
        return False
    size = measure_tree(document)
    return size.n_elements <= _MAX_ELEMENTS and size.depth <= _MAX_DEPTH and size.max_attributes <= _MAX_ATTRIBUTES


def _ask_trafilatura(html: str, url: object) -> list[str]:
    """The blocks of the page that trafilatura keeps; none where it gives up."""
    from trafilatura import bare_extraction
    from trafilatura.settings import Document

    try:
        document = bare_extraction(
            html,
            url=url if isinstance(url, str) else None,
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


def _split_like_page(texts: list[str], visible: Sequence[str]) -> list[str]:
    """The texts, cut where the page itself begins a new line.

    For short pages and some layouts trafilatura joins all blocks of an article to one paragraph. Such a text is
    found again in the page's text, white space aside, and cut at the borders of the lines there.
    """
    known = set(visible)
    compact_lines = ["".join(text.split()) for text in visible]
    compact_page = "".join(compact_lines)
    borders = list(accumulate(map(len, compact_lines)))
    lines: list[str] = []
    position = n_scanned = 0
    for text in texts:
        if text in known or n_scanned >= _MAX_SCANNED:
            lines.append(text)
            continue
        n_scanned += 2 * len(compact_page)
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


def _with_headline(texts: list[str], visible: list[str], metadata: Metadata) -> list[str]:
    """The texts with the page's headline in front, and the line below it where that is not the first of them.

    trafilatura drops most headlines and standfirsts. What else stands there is bylines and captions: with up to 15
    lines F1 after the model was .957 rather than .960 (465 pages, 95 % interval of the difference .002 to .004).
    """
    known = set(texts)
    headlines = _find_headlines(visible, metadata) if known.isdisjoint(metadata.titles) else set()
    if not known.isdisjoint(headlines):
        return texts
    headline = None
    for number, text in enumerate(visible):
        if text in headlines:
            headline = number
        elif text in known and headline is not None:
            return [*visible[headline : min(number, headline + 2)], *texts]
    return texts


def _find_headlines(visible: list[str], metadata: Metadata) -> set[str]:
    """The lines that say a declared title; where none does, the longest that is one without the name of the site."""
    declared = set(visible).intersection(metadata.titles)
    if declared:
        return declared
    titles = [*metadata.titles, metadata.head_title or ""]
    parts = {
        text
        for text in visible
        if len(text) >= _MIN_HEADLINE_CHARS and any(title.startswith(text) or title.endswith(text) for title in titles)
    }
    return {max(parts, key=lambda text: (len(text), text))} if parts else set()


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
