"""JSON Lines: a stream cut into blocks of whole lines, and a line parsed into a record."""

from __future__ import annotations

import codecs
import json
import math
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from cleaner.errors import DocumentError

# A block is what is cleaned and written at once: small enough for a pipe and for memory, large enough that
# its fixed costs vanish.
# Of short records: with 4,096 a worker held 145 MB at its peak, with 1,024 it is 100 MB, at the same speed.
BLOCK_LINES = 1024
# Of a pipe, whose blocks are closed by the clock too.
PIPE_BLOCK_LINES = 4096
BLOCK_BYTES = 1 << 20
BLOCK_WAIT_S = 0.2
# No record is longer than that on purpose; a stream without line ends must not fill the memory.
MAX_LINE_BYTES = 1 << 29

_SURROGATE = re.compile("[\ud800-\udfff]")
_BOM_TEXT = codecs.BOM_UTF8.decode()


@dataclass(frozen=True)
class Block:
    """Lines of one source. first_record: number of its first record, blank lines not counted; first_line likewise,
    counting all lines from 1, as editors do. A line that passed `MAX_LINE_BYTES` is None."""

    lines: list[bytes | None]
    first_record: int
    first_line: int

    @property
    def n_records(self) -> int:
        return sum(1 for line in self.lines if line is None or not is_blank(line))

    def records(self) -> Iterator[tuple[int, int, bytes | None]]:
        """Number of the record, number of the line, and the line, for each line that is not blank."""
        record = self.first_record
        for number, line in enumerate(self.lines, self.first_line):
            if line is None or not is_blank(line):
                yield record, number, line
                record += 1


@dataclass(frozen=True)
class Record:
    """One parsed line.

    is_exact: whether it holds what only the standard library's JSON writes again (NaN, infinities).
    n_surrogates: lone surrogates that became U+FFFD.
    """

    fields: dict[str, Any]
    is_exact: bool = False
    n_surrogates: int = 0


def is_blank(line: bytes) -> bool:
    return not line or line.isspace()


def cut_blocks(chunks: Iterable[bytes]) -> Iterator[Block]:
    """Blocks of whole lines, closed at `BLOCK_LINES` lines or at `BLOCK_BYTES`.

    An input without any line gives one empty block. What the chunks raise comes after the block of the lines before it.
    """
    return (block for block in cut_slow_blocks(chunks) if block is not None)


def cut_slow_blocks(chunks: Iterable[bytes | None], wait_s: float | None = None) -> Iterator[Block | None]:
    """The blocks of `cut_blocks`; with ``wait_s`` those of a pipe, closed so long after their first line or at
    `PIPE_BLOCK_LINES`.

    None among the chunks means that nothing came for a moment (see `streams.read_ahead`); where no block is due then,
    it is handed on, so that whoever takes the blocks can see to something else.
    """
    cutter = _Cutter(BLOCK_LINES if wait_s is None else PIPE_BLOCK_LINES)
    opened_s = 0.0
    n_blocks = 0
    failure: Exception | None = None
    source = iter(chunks)
    while True:
        try:
            chunk = next(source, b"")
        except Exception as error:
            chunk, failure = b"", error
        if chunk == b"":
            break
        if chunk is not None:
            if not cutter.lines:
                opened_s = time.monotonic()
            cutter.add(chunk)
        is_late = wait_s is not None and cutter.lines and time.monotonic() - opened_s >= wait_s
        if is_late or cutter.is_full:
            for block in cutter.blocks():
                n_blocks += 1
                yield block
        elif chunk is None:
            yield None
    if failure is None:
        cutter.end()
    for block in cutter.blocks():
        n_blocks += 1
        yield block
    if failure is not None:
        raise failure
    if not n_blocks:
        yield Block([], 0, 1)


class _Cutter:
    """Collects chunks and gives out the whole lines among them."""

    def __init__(self, n_lines: int) -> None:
        self.lines: list[bytes | None] = []
        self._n_lines = n_lines
        self._n_bytes = 0
        self._pending: list[bytes] = []
        self._n_pending = 0
        self._next_record = 0
        self._next_line = 1

    @property
    def is_full(self) -> bool:
        return self._n_bytes >= BLOCK_BYTES or len(self.lines) >= self._n_lines

    def add(self, chunk: bytes) -> None:
        cut = chunk.rfind(b"\n") + 1
        if cut:
            first, *others = chunk[: cut - 1].split(b"\n")
            self.lines.append(self._finish_line(first))
            self.lines += others
            self._n_bytes += cut
            chunk = chunk[cut:]
        if chunk:
            self._n_pending += len(chunk)
            if self._n_pending <= MAX_LINE_BYTES:
                self._pending.append(chunk)
            else:
                self._pending.clear()

    def _finish_line(self, last: bytes) -> bytes | None:
        is_too_long = self._n_pending + len(last) > MAX_LINE_BYTES
        line = None if is_too_long else b"".join([*self._pending, last])
        self._pending.clear()
        self._n_pending = 0
        return line

    def end(self) -> None:
        if self._n_pending:
            self.lines.append(self._finish_line(b""))

    def blocks(self) -> Iterator[Block]:
        lines, self.lines, self._n_bytes = self.lines, [], 0
        for start in range(0, len(lines), self._n_lines):
            part = lines[start : start + self._n_lines]
            block = Block(part, self._next_record, self._next_line)
            self._next_line += len(part)
            self._next_record += block.n_records
            yield block


def parse_record(line: bytes, bytes_fields: tuple[str, ...] = ("text", "html")) -> Record:
    """The record of one line, values and types as they were: integers of any length, NaN, infinities.

    In a line that is not UTF-8 the ``bytes_fields`` come back as bytes, to be decoded like any document; other
    strings are read as cp1252. Raises DocumentError (``invalid_json``) for what is not one JSON object.
    """
    try:
        fields = orjson.loads(line)
        # orjson reads integers of more than 64 bits as floats, and refuses NaN and lone surrogates.
        if type(fields) is dict and not any(map(_may_be_rounded, fields.values())):
            return Record(fields)
    except orjson.JSONDecodeError:
        pass
    except RecursionError:
        raise DocumentError("invalid_json", "the record is nested too deeply") from None
    return _parse_slowly(line, bytes_fields)


def _may_be_rounded(value: Any) -> bool:
    kind = type(value)
    if kind is float:
        return bool(abs(value) >= 2.0**63)
    if kind is list:
        return any(map(_may_be_rounded, value))
    if kind is dict:
        return any(map(_may_be_rounded, value.values()))
    return False


def _parse_slowly(line: bytes, bytes_fields: tuple[str, ...]) -> Record:
    is_utf8 = True
    try:
        text = line.decode()
    except UnicodeDecodeError:
        is_utf8, text = False, line.decode("utf-8", "surrogateescape")
    try:
        fields = json.loads(text.removeprefix(_BOM_TEXT))
        if not isinstance(fields, dict):
            raise DocumentError("invalid_json", f"a record is a JSON object, this line holds {_json_name(fields)}")
        return mend_record(fields, () if is_utf8 else bytes_fields, is_utf8)
    except json.JSONDecodeError as error:
        raise DocumentError("invalid_json", f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise DocumentError("invalid_json", "the record is nested too deeply") from None
    except ValueError as error:
        # Python reads integers of up to 4,300 digits.
        raise DocumentError("invalid_json", f"not readable as JSON: {str(error).partition(';')[0]}") from None


def mend_record(fields: dict[str, Any], bytes_fields: tuple[str, ...], is_utf8: bool = False) -> Record:
    """The record with what cannot be written as UTF-8 mended.

    Unless is_utf8, surrogates stand for bytes that are no UTF-8: the ``bytes_fields`` that have some come back as
    bytes, to be decoded like any document; other strings are read as cp1252.
    """
    mender = _Mender(is_utf8)
    bodies = {
        name: value.encode("utf-8", "surrogateescape")
        for name in bytes_fields
        if isinstance(value := fields.get(name), str) and _has_raw_bytes(value) and _holds_raw_bytes_only(value)
    }
    return Record({**mender.mend(fields), **bodies}, mender.n_not_finite > 0, mender.n_surrogates)


def _has_raw_bytes(value: str) -> bool:
    return not value.isascii() and bool(_SURROGATE.search(value))


def _json_name(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")


_JSON_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def _holds_raw_bytes_only(value: str) -> bool:
    """Whether the string's surrogates all stand for bytes that were not UTF-8."""
    return not _JSON_SURROGATE.search(value)


@dataclass
class _Mender:
    """Copies parsed values with what cannot be written as UTF-8 mended, and counts what it met."""

    is_utf8: bool
    n_surrogates: int = field(default=0)
    n_not_finite: int = field(default=0)

    def mend(self, value: Any) -> Any:
        kind = type(value)
        if kind is str:
            return value if value.isascii() or not _SURROGATE.search(value) else self._mend_text(value)
        if kind is dict:
            return {self.mend(name): self.mend(item) for name, item in value.items()}
        if kind is list:
            return [self.mend(item) for item in value]
        if kind is float and not math.isfinite(value):
            self.n_not_finite += 1
        return value

    def _mend_text(self, text: str) -> str:
        if not self.is_utf8:
            # Bytes that were no UTF-8; the few that cp1252 leaves open stay unknown.
            text = re.sub(
                "[\udc80-\udcff]+",
                lambda match: match[0].encode("utf-8", "surrogateescape").decode("cp1252", "replace"),
                text,
            )
        text, n_replaced = _SURROGATE.subn("\ufffd", text)
        self.n_surrogates += n_replaced
        return text
