"""The lines of an article, with what their page says of their form -> Markdown (CommonMark, tables as in GitHub's)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from cleaner.markdown.inline import mark_inline

BlockKind = Literal["paragraph", "heading", "cell", "preformatted"]

# What begins a block where a row begins: sub-heads, quotations, items, tasks, fences, rules and underlines, the row of
# dashes below the head of a table. A number needs the backslash behind it.
_BLOCK_START = re.compile(
    r"#{1,6}(?=[ \t]|$)|>|[-+*](?=[ \t]|$)|\[(?=[ xX]\][ \t])|~~~|([-=*])(?=(?:[ \t]*\1)*[ \t]*$)"
    r"|[|:-](?=[|:\- \t]*$)|[0-9]{1,9}(?=[.)](?:[ \t]|$))"
)
# Hashes at the end of a sub-head are decoration.
_CLOSING_HASHES = re.compile(r"(?:(?<=[ \t])|^)(?=#+$)")
_BACKTICKS = re.compile(r"`{3,}")


@dataclass(frozen=True, slots=True)
class Holder:
    """What holds lines of an article: a quotation, or an item of a list.

    id: tells one holder from all others of the page. list_id: the list of an item, None for a quotation.
    number: of an item in an ordered list, 0 to 999,999,999; None for a bullet.
    """

    id: int
    list_id: int | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a line stands in a table: numbers that tell tables and rows apart; columns count from 0."""

    table: int
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class LineMarkup:
    """A line of an article with its form.

    text: inline Markdown (`mark_inline`); of preformatted text the row as it is, after the blank rows before it.
    block: neighbours with the same number are rows of one paragraph, sub-head or preformatted text.
    level: of a sub-head, 1 to 6. holders: outermost first. is_wrapped: the row before it ended where the page was
    full, and not where its writer broke it.
    """

    text: str
    block: int
    kind: BlockKind = "paragraph"
    level: int = 0
    holders: tuple[Holder, ...] = ()
    cell: Cell | None = None
    is_wrapped: bool = False


def render_markdown(lines: Sequence[LineMarkup]) -> str:
    """The body of an article in Markdown, without a newline at its end; "" without lines.

    A holder of all the lines is the layout of the page and left out. Level 1 is for the article's headline: where a
    sub-head has it, all of them go down by one.
    """
    shift = int(any(line.kind == "heading" and line.level == 1 for line in lines))
    n_shared = _count_shared(lines)
    writer = _Writer()
    for block in _blocks(lines):
        writer.write(_rows(block, shift), block[0].holders[n_shared:], block[0].kind)
    return "\n".join(writer.rows)


def render_headline(text: str) -> str:
    """A text as the headline of an article, in one row."""
    return _heading(mark_inline(" ".join(text.split())), 1)


def _count_shared(lines: Sequence[LineMarkup]) -> int:
    """How many of the outermost holders hold all lines."""
    shared = lines[0].holders if lines else ()
    for line in lines:
        if not shared:
            break
        shared = shared[: _count_common(shared, line.holders)]
    return len(shared)


def _count_common(left: Sequence[Holder], right: Sequence[Holder]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0].id == pair[1].id, zip(left, right, strict=False)))


def _blocks(lines: Iterable[LineMarkup]) -> Iterator[list[LineMarkup]]:
    """The lines by blocks of Markdown: rows of a paragraph, cells of a table."""
    block: list[LineMarkup] = []
    for line in lines:
        if block and not _are_one_block(block[-1], line):
            yield from _without_column(block)
            block = []
        block.append(line)
    if block:
        yield from _without_column(block)


def _are_one_block(line: LineMarkup, following: LineMarkup) -> bool:
    if line.cell and following.cell:
        return line.cell.table == following.cell.table
    return line.cell is following.cell and line.block == following.block


def _without_column(block: list[LineMarkup]) -> Iterator[list[LineMarkup]]:
    """The block; a paragraph for each line where it is what is left of a table and has a single column."""
    if len({line.cell.column for line in block if line.cell}) == 1:
        yield from ([LineMarkup(line.text, line.block, holders=line.holders)] for line in block)
    else:
        yield block


def _rows(block: Sequence[LineMarkup], shift: int) -> list[str]:
    """The rows of a block, without what its holders put before them."""
    first = block[0]
    if first.kind == "cell":
        return _table(block)
    if first.kind == "heading":
        return [_heading(" ".join(line.text for line in block), min(first.level + shift, 6))]
    if first.kind == "preformatted":
        content = "\n".join(line.text for line in block).lstrip("\n")
        fence = max(["```", *(f"{run}`" for run in _BACKTICKS.findall(content))], key=len)
        return [fence, *content.split("\n"), fence]
    rows = [_escape_start(line.text) for line in block]
    # The other way to break a line, two blanks at its end, is lost in many editors.
    ends = ["" if following.is_wrapped else "\\" for following in block[1:]]
    return [row + end for row, end in zip(rows, [*ends, ""], strict=True)]


def _heading(text: str, level: int) -> str:
    return f"{'#' * level} " + _CLOSING_HASHES.sub(r"\\", text)


def _escape_start(text: str) -> str:
    match = _BLOCK_START.match(text)
    if match is None:
        return text
    offset = match.end() if match[0].isdigit() else 0
    return f"{text[:offset]}\\{text[offset:]}"


def _table(block: Sequence[LineMarkup]) -> list[str]:
    """A row for each row of the table, and the one below its head; columns that hold nothing are left out."""
    rows: dict[int, dict[int, str]] = {}
    for line in block:
        assert line.cell is not None
        row = rows.setdefault(line.cell.row, {})
        known = row.get(line.cell.column)
        text = line.text.replace("|", "\\|")
        row[line.cell.column] = f"{known} {text}" if known else text
    columns = sorted({column for row in rows.values() for column in row})
    head, *others = [f"| {' | '.join(row.get(column, '') for column in columns)} |" for row in rows.values()]
    return [head, f"|{' --- |' * len(columns)}", *others]


class _Writer:
    """Puts blocks into rows, with the marks of what holds them in front."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        # Of the last block: its holders, what each puts before further rows, its kind.
        self._holders: tuple[Holder, ...] = ()
        self._indents: list[str] = []
        self._kind: BlockKind = "paragraph"
        # Ordered lists right behind another one: with the same marks they would go on with its numbers.
        self._second_lists: set[int] = set()

    def write(self, rows: Sequence[str], holders: tuple[Holder, ...], kind: BlockKind) -> None:
        n_open = _count_common(self._holders, holders)
        if self.rows and not self._joins(holders, n_open):
            self.rows.append("".join(self._indents[:n_open]).rstrip())
        self._note_second_list(holders, n_open)
        marks = [self._mark(holder) for holder in holders[n_open:]]
        kept = "".join(self._indents[:n_open])
        indents = [mark if mark == "> " else " " * len(mark) for mark in marks]
        indent = kept + "".join(indents)
        self.rows.append(f"{kept}{''.join(marks)}{rows[0]}")
        self.rows += [indent + row if row else indent.rstrip() for row in rows[1:]]
        self._holders, self._indents, self._kind = holders, [*self._indents[:n_open], *indents], kind

    def _joins(self, holders: Sequence[Holder], n_open: int) -> bool:
        """Whether no blank row stands before a block: it begins the next item, or a list right below its item."""
        if n_open == len(holders):
            return False
        opened = holders[n_open]
        if opened.list_id is None:
            return False
        if n_open < len(self._holders):
            return self._holders[n_open].list_id == opened.list_id
        is_in_item = n_open > 0 and holders[n_open - 1].list_id is not None
        # A list with another first number than 1 would be read as part of the paragraph before it.
        return is_in_item and self._kind == "paragraph" and opened.number in (None, 1)

    def _note_second_list(self, holders: Sequence[Holder], n_open: int) -> None:
        if n_open >= min(len(holders), len(self._holders)):
            return
        before, after = self._holders[n_open], holders[n_open]
        is_second = None not in (before.number, after.number) and before.list_id != after.list_id
        if is_second and after.list_id is not None and before.list_id not in self._second_lists:
            self._second_lists.add(after.list_id)

    def _mark(self, holder: Holder) -> str:
        if holder.list_id is None:
            return "> "
        if holder.number is None:
            return "- "
        return f"{holder.number}{')' if holder.list_id in self._second_lists else '.'} "
