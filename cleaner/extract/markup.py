"""What a page says of the form of its lines: sub-heads, lists, quotations, tables, links, stress."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from turbohtml import Element, Node, Text

from cleaner.extract.html import INLINE, MAX_DEPTH, WalkedPage
from cleaner.extract.style import Style, find_base
from cleaner.extract.tables import Tables, read_number
from cleaner.markdown.blocks import BlockKind, Cell, Holder, LineMarkup
from cleaner.markdown.inline import mark_inline

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CELLS = frozenset({"td", "th"})
# Some readers of Markdown stop at a depth of 20, and a list counts twice.
_MAX_HOLDERS = 6
# A list with more in one of its items lays out the page: the entries of a live blog, the columns of a menu.
_MAX_ITEM_LINES = 5


def read_markup(walked: WalkedPage, url: str | None = None) -> list[LineMarkup]:
    """The form of each line of a page that was walked with ``keep_nodes``.

    url: of the page; addresses of links are resolved against it and the page's <base>, or stay as they are. Links
    within the page, to scripts and to data are plain text. Lists, quotations and tables that lay out the page are
    left out: those with sub-heads or many lines in an item or cell.
    """
    if not walked.texts:
        return []
    forms = _read_forms(walked)
    style = Style(find_base(walked.nodes[0][0], url))
    rows = _RawRows(walked, forms)
    markup: list[LineMarkup] = []
    block = -1
    for number, (text, container, nodes) in enumerate(zip(walked.texts, walked.containers, walked.nodes, strict=True)):
        form = forms[container]
        if not _continues_block(walked, number, form):
            block += 1
        if form.is_preformatted:
            markup.append(LineMarkup(rows.read(number), block, "preformatted", holders=form.holders))
            continue
        spans = style.read_spans(text, nodes)
        if form.level or form.is_head:
            # They stand out by themselves.
            spans = [span for span in spans if span.kind != "strong" or span.end - span.start < len(text)]
        kind: BlockKind = "cell" if form.cell else "heading" if form.level else "paragraph"
        markup.append(LineMarkup(mark_inline(text, spans), block, kind, form.level, form.holders, form.cell))
    return markup


def pick_markup(texts: Sequence[str], page_texts: Sequence[str], page_markup: Sequence[LineMarkup]) -> list[LineMarkup]:
    """The form of texts that were taken from a page in its order; of one that is no line of it, a paragraph.

    Of lines that say the same the next one counts, or where there is none the first.
    """
    numbers: dict[str, list[int]] = {}
    for number in range(len(page_texts) - 1, -1, -1):
        numbers.setdefault(page_texts[number], []).append(number)
    firsts = {text: known[-1] for text, known in numbers.items()}
    picked: list[LineMarkup] = []
    last = -1
    for position, text in enumerate(texts):
        known = numbers.get(text, [])
        while known and known[-1] <= last:
            known.pop()
        found = known[-1] if known else firsts.get(text)
        if found is None:
            picked.append(LineMarkup(mark_inline(text), -1 - position))
        else:
            last = found
            picked.append(page_markup[found])
    return picked


class _Form(NamedTuple):
    """What a container gives to the lines in it; see `LineMarkup`. is_head: whether it is the head of a table."""

    holders: tuple[Holder, ...] = ()
    level: int = 0
    cell: Cell | None = None
    is_head: bool = False
    is_preformatted: bool = False


def _read_forms(walked: WalkedPage) -> list[_Form]:
    """The form that each container of a page gives to its lines."""
    parents, tags = walked.parents, walked.tags
    elements = _find_elements(walked)
    tables = Tables(walked, elements)
    layout_lists = _find_layout_lists(walked)
    numbers: dict[int, dict[Node, int]] = {}
    forms: list[_Form] = []
    for container, (parent, tag) in enumerate(zip(parents, tags, strict=True)):
        form = forms[parent] if container else _Form()
        element = elements[container]
        if tag in _HEADINGS:
            form = form._replace(level=_HEADINGS[tag])
        elif tag == "pre":
            form = form._replace(is_preformatted=True)
        elif tag in _CELLS:
            form = form._replace(cell=tables.find_cell(container), is_head=tag == "th")
        elif len(form.holders) < _MAX_HOLDERS:
            if tag == "blockquote":
                form = form._replace(holders=(*form.holders, Holder(container)))
            elif tag == "li" and parent not in layout_lists and element is not None:
                if tags[parent] == "ol" and parent not in numbers:
                    numbers[parent] = _number_items(elements[parent])
                item = Holder(container, parent, numbers.get(parent, {}).get(element))
                form = form._replace(holders=(*form.holders, item))
        forms.append(form)
    return forms


def _find_elements(walked: WalkedPage) -> list[Element | None]:
    """The element of each container; None for the document, and where a line may stand deeper than its container."""
    elements: list[Element | None] = [None] * len(walked.tags)
    for container, nodes in zip(walked.containers, walked.nodes, strict=True):
        if walked.depths[container] >= MAX_DEPTH:
            continue
        node = nodes[0].parent
        while container > 0 and elements[container] is None:
            while isinstance(node, Element) and node.tag in INLINE:
                node = node.parent
            if not isinstance(node, Element):
                break
            elements[container] = node
            node, container = node.parent, walked.parents[container]
    return elements


def _number_items(ordered: Element | None) -> dict[Node, int]:
    """The number of each item of an ordered list."""
    numbers: dict[Node, int] = {}
    if ordered is None:
        return numbers
    number = read_number(ordered, "start", 1)
    for child in ordered:
        if isinstance(child, Element) and child.tag == "li":
            number = read_number(child, "value", number)
            numbers[child] = min(number, 999_999_999)
            number += 1
    return numbers


def _find_layout_lists(walked: WalkedPage) -> set[int]:
    """The lists of a page that lay it out: one of their items holds a sub-head or many lines of its own."""
    parents, tags = walked.parents, walked.tags
    n_lines = Counter(walked.containers)
    has_heading = [tag in _HEADINGS for tag in tags]
    lists: set[int] = set()
    for container in range(len(tags) - 1, 0, -1):
        parent = parents[container]
        if tags[container] != "li":
            n_lines[parent] += n_lines[container]
            has_heading[parent] |= has_heading[container]
        elif has_heading[container] or n_lines[container] > _MAX_ITEM_LINES:
            lists.add(parent)
    return lists


def _continues_block(walked: WalkedPage, number: int, form: _Form) -> bool:
    """Whether a line is one more row of the paragraph, sub-head or preformatted text of the line before it."""
    if number == 0 or not walked.after_break[number] or walked.containers[number] != walked.containers[number - 1]:
        return False
    if form.is_preformatted or form.level:
        return True
    # Two <br> are how many pages divide paragraphs.
    return _count_breaks(walked.nodes[number - 1][0], walked.nodes[number][0]) < 2


def _count_breaks(node: Node, end: Node) -> int:
    """How many <br> stand between two nodes, counted up to 2."""
    n_breaks = 0
    for following in node.following:
        if following == end:
            break
        if isinstance(following, Element) and following.tag == "br":
            n_breaks += 1
            if n_breaks == 2:
                break
    return n_breaks


class _RawRows:
    """The rows of preformatted text as they stand in the page, with their indents.

    A text gives a row for each part between its newlines, and stands as often among the nodes of the lines: among
    those of the line before where a row is blank.
    """

    def __init__(self, walked: WalkedPage, forms: Sequence[_Form]) -> None:
        self._walked = walked
        self._n_blank = 0
        n_parts = Counter[Node]()
        for container, nodes in zip(walked.containers, walked.nodes, strict=True):
            if forms[container].is_preformatted:
                n_parts.update(nodes)
        # What is still to be read of each text, its last part first; blank rows may be gone from its beginning.
        self._parts = {node: _split_rows(node)[-n:][::-1] for node, n in n_parts.items()}

    def read(self, number: int) -> str:
        """The row of a line, after a newline for each blank row before it; each line once, in order."""
        rows: list[list[str]] = [[]]
        for position, node in enumerate(self._walked.nodes[number]):
            begins_row, part = self._parts[node].pop()
            if begins_row and position:
                rows.append([])
            rows[-1].append(part)
        row, text = "".join(rows[0]).rstrip(), self._walked.texts[number]
        n_blank, self._n_blank = self._n_blank, len(rows) - 1
        return "\n" * n_blank + (row if row.split() == text.split() else text)


def _split_rows(node: Node) -> list[tuple[bool, str]]:
    """The parts of a text between its newlines, and whether a newline stands before each."""
    assert isinstance(node, Text)
    return [(number > 0, part) for number, part in enumerate(node.data.split("\n"))]
