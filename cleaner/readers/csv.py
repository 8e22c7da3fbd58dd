"""CSV and TSV: a stream cut into blocks of rows, ragged rows told apart.

Parsed by the standard library: pyarrow reads faster, but guesses types (``007`` becomes 7), ends at the first row that
is longer than its block, and of a ragged row tells neither the line nor what is in it. Cleaning takes fifty times as
long as parsing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cleaner.errors import InputError
from cleaner.readers.kinds import require_column

BLOCK_ROWS = 4096
BLOCK_BYTES = 1 << 20
# How often a quotation mark that is never closed is taken back before the rest of the file is given up.
_MAX_RETRIES = 100
# The standard library refuses fields of 128 KB. Its limit is a C long, and the same for all of a process.
_FIELD_LIMIT = (1 << 31) - 1

_DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


@dataclass(frozen=True, slots=True)
class Row:
    """line: number of its first line, from 1. cells: as many as the head has, bytes that are no UTF-8 as surrogate
    escapes. problem: reason and message of what is wrong with it."""

    line: int
    cells: list[str]
    problem: tuple[str, str] | None = None


@dataclass(frozen=True)
class CsvBlock:
    """Rows below one head. first_record: number of the first of them, from 0."""

    names: list[str]
    rows: list[Row]
    first_record: int

    @property
    def n_records(self) -> int:
        return len(self.rows)


def cut_blocks(chunks: Iterable[bytes], needed: tuple[str, ...], max_bytes: int, *, is_tsv: bool) -> Iterator[CsvBlock]:
    """Blocks of rows, closed at `BLOCK_ROWS` or `BLOCK_BYTES`; a file without rows gives an empty one.

    chunks: in UTF-8 or another encoding that has ASCII in it. needed: names of columns of which there must be one.
    Raises InputError for a head without any of them or with a name twice; what the chunks raise comes after the rows
    before it.
    """
    csv.field_size_limit(_FIELD_LIMIT)
    reader = _Reader(chunks, max_bytes)
    names = reader.read_head(is_tsv)
    if names:
        _check_head(names, needed)
    rows: list[Row] = []
    n_bytes = n_before = 0
    try:
        for row, n_row_bytes in reader.rows(len(names)):
            rows.append(row)
            n_bytes += n_row_bytes
            if n_bytes >= BLOCK_BYTES or len(rows) == BLOCK_ROWS:
                yield CsvBlock(names, rows, n_before)
                n_before, rows, n_bytes = n_before + len(rows), [], 0
    except InputError:
        if rows:
            yield CsvBlock(names, rows, n_before)
        raise
    if rows or not n_before:
        yield CsvBlock(names, rows, n_before)


def _check_head(names: list[str], needed: tuple[str, ...]) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise InputError(f"the head has more than one column named {', '.join(map(repr, doubled))}")
    require_column(names, needed, "the head")


def sniff_delimiter(head: str) -> str:
    """The character that parts the cells of the first line."""
    bare = _QUOTED.sub("", head)
    best = max(_DELIMITERS, key=bare.count)
    return best if bare.count(best) else ","


class _Reader:
    """Reads rows, and lines again where a quotation mark was never closed."""

    def __init__(self, chunks: Iterable[bytes], max_bytes: int) -> None:
        self._lines = _lines(chunks, max_bytes)
        self._max_bytes = max_bytes
        self._waiting: list[str | None] = []  # lines to be read again, the last first
        self._taken: list[str] = []  # lines of the row that is being read
        self._n_taken_bytes = 0
        self._is_open = False  # whether the row ended within quotation marks
        self._is_long = False  # whether it is more than can be
        self._n_lines = 0
        self._delimiter = ","

    def read_head(self, is_tsv: bool) -> list[str]:
        """The names of the columns; none in an empty file."""
        for line in self._lines:
            if line is None:
                raise InputError(f"the head has more than {self._max_bytes:,} bytes")
            line = line.removeprefix("\ufeff") if not self._n_lines else line
            if line.strip():
                self._delimiter = "\t" if is_tsv else sniff_delimiter(line)
                self._waiting.append(line)
                break
            self._n_lines += 1
        else:
            return []
        try:
            return [name.strip() for name in next(self._parse())]
        except csv.Error as error:
            raise InputError(f"the head cannot be read: {error}") from error
        finally:
            self._forget()

    def rows(self, n_cells: int) -> Iterator[tuple[Row, int]]:
        """Each row that is not blank, and its size in characters."""
        n_retries = 0
        parse = self._parse()
        while True:
            first_line = self._n_lines + 1
            problem = None
            cells: list[str] = []
            try:
                cells = next(parse)
            except StopIteration:
                if not self._is_long:
                    return
            except csv.Error as error:
                problem = ("invalid_csv", f"line {first_line}: {error}")
            problem = self._row_problem(first_line) or problem
            if problem is None and cells and len(cells) != n_cells:
                problem = ("invalid_csv", _ragged_message(first_line, self._n_lines, len(cells), n_cells))
            elif problem is not None and len(self._taken) > 1 and n_retries < _MAX_RETRIES:
                n_retries += 1
                self._take_back()
            if problem is not None:
                parse = self._parse()
                yield Row(first_line, [], problem), 0
            elif cells:
                yield Row(first_line, cells), self._n_taken_bytes
            self._forget()

    def _parse(self) -> Iterator[list[str]]:
        # Strict: otherwise a mark that stands open takes the next ones for closing and opening, and swallows rows.
        return csv.reader(self._next_lines(), delimiter=self._delimiter, strict=True)

    def _next_lines(self) -> Iterator[str]:
        while True:
            if self._n_taken_bytes > self._max_bytes:
                self._is_long = True
                return
            line = self._waiting.pop() if self._waiting else next(self._lines, "")
            if line is None and self._taken:
                self._waiting.append(None)
            if not line:
                # Where a row was begun, a quotation mark stands open.
                self._is_open = bool(self._taken)
                self._is_long = line is None and not self._taken
                self._n_lines += self._is_long
                return
            self._taken.append(line)
            self._n_taken_bytes += len(line)
            self._n_lines += 1
            yield line

    def _row_problem(self, first_line: int) -> tuple[str, str] | None:
        """What is wrong with the row that was read; that it is ragged aside."""
        if self._is_long:
            return "too_large", f"the row from line {first_line} on has more than {self._max_bytes:,} characters"
        if self._is_open:
            return "invalid_csv", f"line {first_line}: a quotation mark is never closed"
        return None

    def _take_back(self) -> None:
        """Only the first line of the row counts as read."""
        others = self._taken[1:]
        self._waiting += reversed(others)
        self._n_lines -= len(others)

    def _forget(self) -> None:
        self._taken.clear()
        self._n_taken_bytes = 0
        self._is_open = self._is_long = False


def _ragged_message(first_line: int, last_line: int, n_cells: int, n_wanted: int) -> str:
    place = f"line {first_line}" if first_line == last_line else f"lines {first_line} to {last_line}"
    return f"{place}: {n_cells:,} cell{'' if n_cells == 1 else 's'}, the head has {n_wanted:,}"


def _lines(chunks: Iterable[bytes], max_bytes: int) -> Iterator[str | None]:
    """Lines with their ends; None for one that is longer than can be."""
    pending: list[bytes] = []
    n_pending = 0
    for chunk in chunks:
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            n_pending += len(line)
            is_long = n_pending > max_bytes
            yield None if is_long else (b"".join([*pending, line]) + b"\n").decode("utf-8", "surrogateescape")
            pending.clear()
            n_pending = 0
        n_pending += len(rest)
        if n_pending <= max_bytes:
            pending.append(rest)
        else:
            pending.clear()
    if n_pending:
        yield None if n_pending > max_bytes else b"".join(pending).decode("utf-8", "surrogateescape")
