"""The visible lines of a parsed page, in the order of the page, with where in the tree each stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

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
HIDDEN = frozenset({
    "head", "script", "style", "template", "title", "noscript", "noframes", "iframe", "object", "embed", "svg", "math",
    "canvas", "audio", "video", "map", "textarea", "input", "select", "option", "datalist",
})
# fmt: on
# Attributes that tell what a container is for, beside class and id, which nearly all have.
_RARE = ("role", "itemprop", "data-testid", "data-component")
# Beyond this the path of a line holds no more than its outermost containers: pages nest 30 deep, hostile ones 50,000.
MAX_DEPTH = 256
_END_INLINE, _END_LINK, _END_STRONG = -1, -2, -3
# A page of one long list of spans would otherwise carry each of their classes to one line.
_MAX_INLINE = 8


@dataclass(frozen=True)
class WalkedPage:
    """The lines of a page, and the containers that hold them.

    texts: lines with white space collapsed, none empty. containers: for each line the number of its innermost block.
    link_chars, strong_chars: how many characters of each line (white space included) stand in links, in bold type.
    inline: for each line the classes of inline elements in it, "" for most.
    after_break: whether <br> (or a row of <pre>) and no block border stands before the line.
    parents, depths, first_lines, tags, attributes: for each container the number of its parent (always smaller; 0 for
    the first, the document), how deep it stands, the first of its lines, its tag, and its telling attributes joined by
    blanks. Only containers that hold lines are there, in the order in which they begin.
    nodes: for each line its text nodes, where asked for.
    """

    texts: list[str]
    containers: list[int]
    link_chars: list[int]
    strong_chars: list[int]
    inline: list[str]
    after_break: list[bool]
    parents: list[int]
    depths: list[int]
    first_lines: list[int]
    tags: list[str]
    attributes: list[str]
    nodes: list[list[Node]]


@dataclass(frozen=True)
class TreeSize:
    """How large the tree of a page is. max_attributes: of one element."""

    n_elements: int
    depth: int
    max_attributes: int


def measure_tree(document: Document) -> TreeSize:
    """The size of a parsed page, hidden parts included."""
    n_elements = depth = max_attributes = 0
    waiting: list[Iterator[Node]] = [iter(document)]
    while waiting:
        node = next(waiting[-1], None)
        if node is None:
            waiting.pop()
        elif isinstance(node, Element):
            n_elements += 1
            max_attributes = max(max_attributes, len(node.attrs))
            waiting.append(iter(node))
            depth = max(depth, len(waiting) - 1)
    return TreeSize(n_elements, depth, max_attributes)


def walk_page(document: Document, keep_nodes: bool = False) -> WalkedPage:
    """The lines of a page: one for each block, or part of a block between <br> (rows of <pre> likewise).

    What stands in head, scripts, forms and drawings is no line. Walks with a stack of its own: pages nest deeper than
    Python's. A page says by attributes or style sheets what it hides; neither is looked at.
    """
    # First the tree as it is, in as few steps a node as Python needs: half of a page's time is spent here.
    pieces: list[str] = []
    piece_nodes: list[Node] = []
    rows: list[int] = []  # rows that hold a text, with the first of their pieces and their block
    first_pieces: list[int] = []
    row_blocks: list[int] = []
    linked: list[int] = []  # pieces within links, within bold type
    strong: list[int] = []
    named: list[tuple[int, str]] = []  # classes of inline elements, and <time>, with their rows
    breaks: list[int] = []  # rows that <br> begins
    elements: list[Node] = [document]  # blocks, with their parents and tags
    parents: list[int] = [0]
    tags: list[str] = [""]

    row = link_depth = strong_depth = pre_depth = 0
    last_row = -1  # the last of the rows that hold a text
    block = 0
    nodes: Iterator[Node] = iter(document)
    # What is to be done when the open elements end: their siblings, and the block around or what inline element it was.
    waiting: list[Iterator[Node]] = []
    ends: list[int] = []
    while True:
        for node in nodes:
            kind = type(node)
            if kind is Text:
                data = node.data  # type: ignore[attr-defined]
                if pre_depth and "\n" in data:
                    for number, part in enumerate(data.split("\n")):
                        if number:
                            row += 1
                            breaks.append(row)
                        if last_row != row:
                            if not part or part.isspace():
                                if keep_nodes:
                                    # The form of the rows is told by how often a text stands among their nodes.
                                    pieces.append(part)
                                    piece_nodes.append(node)
                                continue
                            last_row = row
                            rows.append(row)
                            first_pieces.append(len(pieces))
                            row_blocks.append(block)
                        pieces.append(part)
                        piece_nodes.append(node)
                    continue
                if last_row != row:
                    if data.isspace():
                        continue
                    last_row = row
                    rows.append(row)
                    first_pieces.append(len(pieces))
                    row_blocks.append(block)
                if link_depth:
                    linked.append(len(pieces))
                if strong_depth:
                    strong.append(len(pieces))
                pieces.append(data)
                if keep_nodes:
                    piece_nodes.append(node)
            elif kind is Element:
                tag = node.tag  # type: ignore[attr-defined]
                if tag in INLINE:
                    if tag == "img":
                        continue
                    name = node.attr("class")  # type: ignore[attr-defined]
                    if name:
                        named.append((row, name))
                    if tag == "a":
                        link_depth += 1
                        ends.append(_END_LINK)
                    elif tag == "b" or tag == "strong":
                        strong_depth += 1
                        ends.append(_END_STRONG)
                    else:
                        if tag == "time":
                            named.append((row, tag))
                        ends.append(_END_INLINE)
                elif tag in HIDDEN:
                    continue
                elif tag == "br":
                    row += 1
                    breaks.append(row)
                    continue
                else:
                    row += 1
                    if tag == "pre":
                        pre_depth += 1
                    ends.append(block)
                    parents.append(block)
                    block = len(tags)
                    tags.append(tag)
                    elements.append(node)
                waiting.append(nodes)
                nodes = iter(node)
                break
        else:
            if not waiting:
                break
            nodes = waiting.pop()
            end = ends.pop()
            if end >= 0:
                row += 1
                if pre_depth and tags[block] == "pre":
                    pre_depth -= 1
                block = end
            elif end == _END_LINK:
                link_depth -= 1
            elif end == _END_STRONG:
                strong_depth -= 1

    texts: list[str] = []
    containers: list[int] = []
    numbers = [-1] * len(tags)
    numbers[0] = 0
    used, depths, first_lines = [0], [0], [0]
    borders = [*first_pieces, len(pieces)]
    for block, (start, end) in zip(row_blocks, pairwise(borders), strict=True):
        text = pieces[start] if end == start + 1 else "".join(pieces[start:end])
        number = numbers[block]
        if number < 0:
            path = []
            while number < 0:
                path.append(block)
                block = parents[block]
                number = numbers[block]
            for block in reversed(path):
                if depths[number] < MAX_DEPTH:
                    depths.append(depths[number] + 1)
                    number = len(used)
                    used.append(block)
                    first_lines.append(len(texts))
                numbers[block] = number
        texts.append(" ".join(text.split()))
        containers.append(number)
    return WalkedPage(
        texts,
        containers,
        _count_chars(linked, pieces, first_pieces) if linked else [0] * len(texts),
        _count_chars(strong, pieces, first_pieces) if strong else [0] * len(texts),
        _names_by_row(named, rows),
        list(map(set(breaks).__contains__, rows)),
        [numbers[parents[block]] for block in used],
        depths,
        first_lines,
        [tags[block] for block in used],
        ["", *_read_attributes([elements[block] for block in used[1:]])],
        [piece_nodes[start:end] for start, end in pairwise(borders)] if keep_nodes else [],
    )


def _names_by_row(named: list[tuple[int, str]], rows: list[int]) -> list[str]:
    """The names that stand in each row, joined by blanks, a bounded number of them."""
    names = [""] * len(rows)
    lines = {row: line for line, row in enumerate(rows)}
    counts: dict[int, int] = {}
    for row, name in named:
        line = lines.get(row)
        if line is not None:
            count = counts[line] = counts.get(line, 0) + 1
            if count == 1:
                names[line] = name
            elif count <= _MAX_INLINE:
                names[line] += " " + name
    return names


def _count_chars(marked: list[int], pieces: list[str], first_pieces: list[int]) -> list[int]:
    """For each line how many characters its marked pieces have; a line begins with its first piece."""
    counts = [0] * len(first_pieces)
    borders = iter(first_pieces)
    line, following = -1, next(borders, None)
    for piece in marked:
        while following is not None and following <= piece:
            line += 1
            following = next(borders, None)
        if line >= 0:
            counts[line] += len(pieces[piece])
    return counts


def _read_attributes(elements: list[Node]) -> list[str]:
    """The telling attributes of each container, joined by blanks."""
    found = []
    for element in elements:
        read = element.attr  # type: ignore[attr-defined]
        name, mark = read("class"), read("id")
        value = f"{name} {mark}" if name and mark else name or mark or ""
        if len(element.attrs) > bool(name) + bool(mark):  # type: ignore[attr-defined]
            for attribute in _RARE:
                if more := read(attribute):
                    value = f"{value} {more}"
        found.append(value)
    return found
