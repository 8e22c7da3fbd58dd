"""The visible lines of a parsed page, in the order of the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from turbohtml import Document, Element, Node, Text

# Elements that stand in the row of text around them. All others begin a line and end one, unknown ones too: a
# custom element is a component of the page more often than a word.
# fmt: off
INLINE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "mark", "nobr", "q", "rb", "rp", "rt", "rtc", "ruby", "s", "samp", "slot", "small", "span", "strike",
    "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "img", "picture",
})
# Elements whose text is not shown as part of the page, or is data for a program.
_HIDDEN = frozenset({
    "head", "script", "style", "template", "title", "noscript", "noframes", "iframe", "object", "embed", "svg", "math",
    "canvas", "audio", "video", "map", "textarea", "input", "select", "option", "datalist",
})
# fmt: on


@dataclass(frozen=True)
class VisibleLines:
    """texts: lines with white space collapsed, none empty.

    depth, n_elements, max_attributes (of one element): how large the tree is.
    """

    texts: list[str]
    depth: int
    n_elements: int
    max_attributes: int


def read_visible_lines(document: Document) -> VisibleLines:
    """The lines of a page: one for each block, or part of a block between <br> (rows of <pre> likewise).

    What stands in head, scripts, forms and drawings is no line. Walks with a stack of its own: pages nest deeper than
    Python's. A page says by attributes or style sheets what it hides; neither is looked at.
    """
    texts: list[str] = []
    row: list[str] = []
    depth = n_elements = max_attributes = 0

    def close_row() -> None:
        text = " ".join("".join(row).split())
        if text:
            texts.append(text)
        row.clear()

    stack: list[tuple[Iterator[Node], bool, bool]] = [(iter(document.children), False, False)]
    while stack:
        nodes, ends_row, preformatted = stack[-1]
        node = next(nodes, None)
        if node is None:
            stack.pop()
            if ends_row:
                close_row()
        elif isinstance(node, Text):
            if preformatted and "\n" in node.data:
                for number, part in enumerate(node.data.split("\n")):
                    if number:
                        close_row()
                    row.append(part)
            else:
                row.append(node.data)
        elif isinstance(node, Element):
            n_elements += 1
            max_attributes = max(max_attributes, len(node.attrs))
            tag = node.tag
            if tag in _HIDDEN:
                continue
            is_block = tag not in INLINE
            if is_block:
                close_row()
            if len(node):
                stack.append((iter(node.children), is_block, preformatted or tag == "pre"))
                depth = max(depth, len(stack))
    close_row()
    return VisibleLines(texts, depth, n_elements, max_attributes)
