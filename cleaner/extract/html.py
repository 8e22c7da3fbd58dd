"""The visible lines of a parsed page, in the order of the page, with where in the tree each stands."""

from __future__ import annotations

from collections import defaultdict
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
HIDDEN = frozenset({
    "head", "script", "style", "template", "title", "noscript", "noframes", "iframe", "object", "embed", "svg", "math",
    "canvas", "audio", "video", "map", "textarea", "input", "select", "option", "datalist",
})
# fmt: on
# Attributes that tell what a container is for, beside class and id, which most have.
_RARE = ("role", "itemprop", "data-testid", "data-component")
_ANY_RARE = ",".join(f"[{name}]" for name in _RARE)
# Beyond this the path of a line holds no more than its outermost containers: pages nest 30 deep, hostile ones 50,000.
MAX_DEPTH = 256
_PRE, _BLOCK, _LINK, _STRONG, _INLINE, _HIDDEN, _BREAK = 1, 0, -1, -2, -3, -4, -5


class _Kinds(dict[str, int]):
    """What is to be done with the elements of each tag; those that are not listed are blocks."""

    def __missing__(self, tag: str) -> int:
        return _BLOCK


_BLOCKS = (
    "html body div p ul ol li dl dt dd section article header footer main nav aside h1 h2 h3 h4 h5 h6 table tbody tr "
    "th td form figure figcaption blockquote button label hr link meta source"
).split()
_KINDS = _Kinds(
    {
        **dict.fromkeys(_BLOCKS, _BLOCK),  # the commonest: a listed tag is found four times as fast
        **dict.fromkeys(INLINE, _INLINE),
        **dict.fromkeys((*HIDDEN, "img"), _HIDDEN),
        "a": _LINK,
        "b": _STRONG,
        "strong": _STRONG,
        "br": _BREAK,
        "pre": _PRE,
    }
)
# A page of one long list of spans would otherwise carry each of their classes to one line.
_MAX_INLINE = 8


@dataclass(frozen=True)
class WalkedPage:
    """The lines of a page, and the containers that hold them.

    texts: lines with white space collapsed, none empty. containers: for each line the number of its innermost block.
    link_chars, strong_chars: how many characters of each line (white space included) stand in links, in bold type.
    inline: for each line the classes of inline elements in it, "" for most.
    after_break: whether <br> (or a row of <pre>) and no block border stands before the line.
    parents, depths, first_lines, tags, looks: for each container the number of its parent (always smaller; 0 for the
    first, the document), how deep it stands, the first of its lines, its tag, and its tag and telling attributes joined
    by blanks. Only containers that hold lines are there, in the order in which they begin.
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
    looks: list[str]
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
    # First the tree as it is, in as few steps a node as Python needs: a third of a page's time is spent here. mypyc and
    # Cython bring the walk to two thirds, but a page, its metadata and verdict compiled too, only to nine tenths: too
    # little for a wheel a platform.
    lines: list[list[str]] = []  # the pieces of each line, and their nodes
    line_nodes: list[list[Node]] = []
    rows: list[int] = []  # rows that hold a text: their numbers and blocks, and how much of them is linked, is bold
    row_blocks: list[int] = []
    link_chars: list[int] = []
    strong_chars: list[int] = []
    names: defaultdict[int, list[str]] = defaultdict(list)  # by row, the classes of inline elements, and <time>
    breaks: set[int] = set()  # rows that <br> begins
    elements: list[Node] = [document]  # blocks, with their parents and tags
    parents: list[int] = [0]
    tags: list[str] = [""]

    row = link_depth = strong_depth = pre_depth = 0
    last_row = -1  # the last of the rows that hold a text, and its pieces
    pieces: list[str] = []
    block = 0
    kinds = _KINDS
    nodes: Iterator[Node] = iter(document)
    # What is to be done when the open elements end: their siblings, and the block around or what inline element it was.
    waiting: list[tuple[Iterator[Node], int]] = []
    while True:
        for node in nodes:
            node_type = type(node)
            if node_type is Text:
                data = node.data  # type: ignore[attr-defined]
                if pre_depth and "\n" in data:
                    for number, part in enumerate(data.split("\n")):
                        if number:
                            row += 1
                            breaks.add(row)
                        if last_row == row:
                            pieces.append(part)
                        elif part and not part.isspace():
                            last_row = row
                            pieces = [part]
                            lines.append(pieces)
                            if keep_nodes:
                                line_nodes.append([])
                            rows.append(row)
                            row_blocks.append(block)
                            link_chars.append(0)
                            strong_chars.append(0)
                        # The form of the rows is told by how often a text stands among their nodes.
                        if keep_nodes and line_nodes:
                            line_nodes[-1].append(node)
                    continue
                if last_row == row:
                    pieces.append(data)
                    if link_depth:
                        link_chars[-1] += len(data)
                    if strong_depth:
                        strong_chars[-1] += len(data)
                elif data.isspace():
                    continue
                else:
                    last_row = row
                    pieces = [data]
                    lines.append(pieces)
                    rows.append(row)
                    row_blocks.append(block)
                    link_chars.append(len(data) if link_depth else 0)
                    strong_chars.append(len(data) if strong_depth else 0)
                    if keep_nodes:
                        line_nodes.append([])
                if keep_nodes:
                    line_nodes[-1].append(node)
            elif node_type is Element:
                tag = node.tag  # type: ignore[attr-defined]
                kind = kinds[tag]
                if kind >= 0:
                    row += 1
                    pre_depth += kind
                    waiting.append((nodes, block))
                    parents.append(block)
                    block = len(tags)
                    tags.append(tag)
                    elements.append(node)
                elif kind == _HIDDEN:
                    continue
                elif kind == _BREAK:
                    row += 1
                    breaks.add(row)
                    continue
                else:
                    name = node.attr("class")  # type: ignore[attr-defined]
                    if name:
                        names[row].append(name)
                    if kind == _LINK:
                        link_depth += 1
                    elif kind == _STRONG:
                        strong_depth += 1
                    elif tag == "time":
                        names[row].append(tag)
                    waiting.append((nodes, kind))
                nodes = iter(node)
                break
        else:
            if not waiting:
                break
            nodes, end = waiting.pop()
            if end >= 0:
                row += 1
                if pre_depth and tags[block] == "pre":
                    pre_depth -= 1
                block = end
            elif end == _LINK:
                link_depth -= 1
            elif end == _STRONG:
                strong_depth -= 1
    containers, used, depths, first_lines = _find_containers(row_blocks, parents)
    numbers = dict(zip(used, range(len(used)), strict=True))
    used_tags = [tags[block] for block in used]
    return WalkedPage(
        [" ".join((line[0] if len(line) == 1 else "".join(line)).split()) for line in lines],
        containers,
        link_chars,
        strong_chars,
        [" ".join(names[row][:_MAX_INLINE]) if row in names else "" for row in rows],
        list(map(breaks.__contains__, rows)),
        [numbers[parents[block]] for block in used],
        depths,
        first_lines,
        used_tags,
        ["", *_read_looks([elements[block] for block in used[1:]], used_tags[1:])],
        line_nodes,
    )


def _find_containers(row_blocks: list[int], parents: list[int]) -> tuple[list[int], list[int], list[int], list[int]]:
    """For each line its container; for each container its block, its depth and the first of its lines."""
    numbers = [-1] * len(parents)
    numbers[0] = 0
    containers: list[int] = []
    used, depths, first_lines = [0], [0], [0]
    for line, block in enumerate(row_blocks):
        number = numbers[block]
        if number < 0:
            path = []
            while number < 0:
                path.append(block)
                block = parents[block]
                number = numbers[block]
            depth = depths[number]
            for block in reversed(path):
                if depth < MAX_DEPTH:
                    depth += 1
                    number = len(used)
                    used.append(block)
                    depths.append(depth)
                    first_lines.append(line)
                numbers[block] = number
        containers.append(number)
    return containers, used, depths, first_lines


def _read_looks(elements: list[Node], tags: list[str]) -> list[str]:
    """The tag and the telling attributes of each container, joined by blanks."""
    looks = []
    for element, tag in zip(elements, tags, strict=True):
        look = tag
        # A third of them have none, half of them one. To ask for one takes 100 ns, twice as long as for their number.
        n_attributes = len(element.attrs)  # type: ignore[attr-defined]
        if n_attributes:
            read = element.attr  # type: ignore[attr-defined]
            if value := read("class"):
                look = f"{tag} {value}"
                n_attributes -= 1
            if n_attributes and (value := read("id")):
                look = f"{look} {value}"
                n_attributes -= 1
            if n_attributes and element.matches(_ANY_RARE) and (value := " ".join(filter(None, map(read, _RARE)))):
                # Two blanks where it has nothing else: an element of that role is not one of that class.
                look = f"{look} {value}" if look is not tag else f"{tag}  {value}"
        looks.append(look)
    return looks
