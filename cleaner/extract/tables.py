"""The cells of tables that hold data, among the many tables that only lay out their page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from turbohtml import Element, Node

from cleaner.extract.html import WalkedPage
from cleaner.markdown.blocks import Cell

_CELLS = frozenset({"td", "th"})
# Inside a cell they are signs of a layout.
_SIGNS = frozenset("h1 h2 h3 h4 h5 h6 ul ol menu dir dl table blockquote pre article section form".split())
# A cell with more is a part of the page, and a table with more columns nothing for Markdown.
_MAX_LINES = 5
_MAX_CHARS = 500
_MAX_COLUMNS = 30
_WHOLE_NUMBER = re.compile(r"\s*\+?(\d{1,9})(?!\d)")


def read_number(element: Element, name: str, default: int) -> int:
    """A number of an attribute as HTML reads it; negative ones are none."""
    match = _WHOLE_NUMBER.match(element.attr(name) or "")
    return int(match[1]) if match else default


class Tables:
    """The cells of those tables of a page that hold data, and do not lay out the page."""

    def __init__(self, walked: WalkedPage, elements: Sequence[Element | None]) -> None:
        self._parents, self._tags, self._elements = walked.parents, walked.tags, elements
        self._tables = _find_tables(walked)  # the innermost table around each container, or 0
        self._layout = self._find_layout_tables(walked)
        self._columns: dict[Node, int] = {}
        self._spanned: dict[int, dict[int, int]] = {}  # by table and column: rows that a cell above reaches into
        for container, (tag, element) in enumerate(zip(self._tags, elements, strict=True)):
            if tag == "tr" and element is not None and self._tables[container] not in self._layout:
                self._place_cells(self._tables[container], element)

    def find_cell(self, container: int) -> Cell | None:
        """Where a <td> or <th> stands in its table; None in one that lays out the page."""
        table, row, element = self._tables[container], self._parents[container], self._elements[container]
        if not table or table in self._layout or element not in self._columns:
            return None
        return Cell(table, row, self._columns[element])

    def _find_layout_tables(self, walked: WalkedPage) -> set[int]:
        n_lines, n_chars = Counter(walked.containers), Counter[int]()
        for container, text in zip(walked.containers, walked.texts, strict=True):
            n_chars[container] += len(text)
        is_sign = [tag in _SIGNS for tag in self._tags]
        layout: set[int] = set()
        for container in range(len(self._tags) - 1, 0, -1):
            parent, tag, element = self._parents[container], self._tags[container], self._elements[container]
            if tag in _CELLS:
                if is_sign[container] or n_lines[container] > _MAX_LINES or n_chars[container] > _MAX_CHARS:
                    layout.add(self._tables[container])
                continue
            if tag == "table" and element is not None and element.attr("role") in ("presentation", "none"):
                layout.add(container)
            n_lines[parent] += n_lines[container]
            n_chars[parent] += n_chars[container]
            is_sign[parent] |= is_sign[container]
        return layout

    def _place_cells(self, table: int, row: Element) -> None:
        """Notes the column of each cell of a row; a table that is too wide is taken for layout."""
        spanned = self._spanned.setdefault(table, {})
        begun: dict[int, int] = {}
        column = 0
        for child in row:
            if not isinstance(child, Element) or child.tag not in _CELLS:
                continue
            while spanned.get(column):
                column += 1
            if column >= _MAX_COLUMNS:
                self._layout.add(table)
                return
            self._columns[child] = column
            width = min(max(read_number(child, "colspan", 1), 1), _MAX_COLUMNS)
            begun.update(dict.fromkeys(range(column, column + width), read_number(child, "rowspan", 1) - 1))
            column += width
        self._spanned[table] = {column: n_rows - 1 for column, n_rows in spanned.items() if n_rows > 1}
        self._spanned[table].update({column: n_rows for column, n_rows in begun.items() if n_rows > 0})


def _find_tables(walked: WalkedPage) -> list[int]:
    """For each container the innermost table that it is or stands in; 0, which is the document, without one."""
    tables = [0] * len(walked.tags)
    for container, (parent, tag) in enumerate(zip(walked.parents, walked.tags, strict=True)):
        if container:
            tables[container] = container if tag == "table" else tables[parent]
    return tables
