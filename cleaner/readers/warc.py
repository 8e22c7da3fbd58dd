"""Web archives (WARC, WET): a stream cut into blocks of records, damage told and left behind.

fastwarc reads the records (see `warc_pages`); where they begin and end is found here. Its own iterator ends at the
first damaged member, takes what follows an absurd Content-Length for content, and gives the first half of a record that
was cut short for the whole of it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from cleaner.readers.members import RECORD_START, Piece, unpacked_members
from cleaner.readers.streams import in_blocks, packing_of, peek

# Larger than blocks of JSON Lines, as a page is several times its text.
BLOCK_BYTES = 4 << 20
BLOCK_RECORDS = 256
MAX_HEADER_BYTES = 64 << 10
# Of a record that is too large to be held, as much as tells what it is.
_HEAD_BYTES = 256 << 10
# No crawler stores a terabyte as one record.
_MOST_BYTES = 1 << 40

_HEADER_END = re.compile(rb"\r?\n\r?\n")
_CONTENT_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_TYPE = re.compile(rb"^warc-type[ \t]*:[ \t]*([\w-]+)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
# A record within what should have been another one's content.
_INNER_START = re.compile(rb"(?<=\n)WARC/\d\.\d+\r?\n(?=[A-Za-z-]+[ \t]*:)")
_START_CONTEXT = 256
_TRAILER = b"\r\n\r\n"
_NOWHERE = 1 << 62

WarcKind = Literal["warc", "wet"]
_WANTED: dict[WarcKind, bytes] = {"warc": b"response", "wet": b"conversion"}
_TYPES = frozenset({b"warcinfo", b"request", b"metadata", b"resource", b"conversion", b"revisit", b"continuation"})


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record of an archive. position: its number, from 0, those that are skipped counted too.

    content: header and block as they are; of one that is too large the beginning; empty where it is skipped.
    n_header: how many of its bytes are the header.
    skip: why it is no document (see `cleaner.errors.SKIPS`). problem: reason and message of what is wrong with it.
    """

    position: int
    content: bytes
    n_header: int = 0
    skip: str | None = None
    problem: tuple[str, str] | None = None


@dataclass(frozen=True)
class WarcBlock:
    """Records of one archive in a row."""

    kind: WarcKind
    records: list[RawRecord]
    first_record: int

    @property
    def n_records(self) -> int:
        return len(self.records)


def cut_blocks(chunks: Iterable[bytes], kind: WarcKind, max_bytes: int, size_bytes: int = 0) -> Iterator[WarcBlock]:
    """Blocks of whole records, closed at `BLOCK_BYTES` or `BLOCK_RECORDS`; an archive without any gives an empty one.

    chunks: the archive as it is, packed or not. max_bytes: a record with more content is too large. size_bytes: size of
    the file, where it is known. What the chunks raise comes after the block of the records before it.
    """
    head, chunks = peek(chunks, lambda head: len(head) >= 8)
    framer = _Framer(unpacked_members(chunks), kind, max_bytes, _most_bytes(packing_of(head), size_bytes))
    for records, n_before in in_blocks(
        framer.records(), lambda record: len(record.content), BLOCK_BYTES, BLOCK_RECORDS
    ):
        yield WarcBlock(kind, records, n_before)


def _most_bytes(packing: str | None, size_bytes: int) -> int | None:
    """What a file of that size can hold at most: a longer record is nonsense. None where nothing is known."""
    if not size_bytes or packing not in (None, "gz"):
        return None
    # Deflate makes 258 bytes of two bits.
    return size_bytes * (1 if packing is None else 1032)


@dataclass(frozen=True, slots=True)
class _Damage:
    """A place in the buffer up to which a damaged member could be unpacked, and the place where the member began."""

    place: int
    message: str
    start: int

    @property
    def is_whole(self) -> bool:
        """Whether the member gave nothing at all."""
        return self.start == self.place


class _Framer:
    """Finds the records in the unpacked bytes of an archive.

    What was read and not yet given out waits in ``_buffer``. No record reaches beyond a place where a packed member
    begins with one (``_starts``), nor beyond damage (``_damages``); places count from the buffer's beginning.
    """

    def __init__(self, pieces: Iterator[Piece], kind: WarcKind, max_bytes: int, most_bytes: int | None) -> None:
        self._pieces = pieces
        self._wanted = _WANTED[kind]
        self._max_bytes = max_bytes
        self._most_bytes = most_bytes
        self._buffer = bytearray()
        self._starts: deque[int] = deque()
        self._damages: deque[_Damage] = deque()
        self._member_start = 0
        self._position = 0

    def records(self) -> Iterator[RawRecord]:
        while True:
            self._skip_blank()
            if self._damages and self._damages[0].place == 0:
                yield self._record(b"", problem=("invalid_warc", self._damages.popleft().message))
            elif self._buffer:
                yield self._next()
            else:
                return

    def _fill(self) -> bool:
        """Reads a piece on; False at the end."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        if piece.damage is not None:
            start = len(self._buffer) if piece.is_start else self._member_start
            self._damages.append(_Damage(len(self._buffer), piece.damage, start))
            return True
        if piece.is_start:
            self._member_start = len(self._buffer)
        if piece.is_start and piece.data.startswith(RECORD_START[: len(piece.data)]):
            self._starts.append(len(self._buffer))
        self._buffer += piece.data
        return True

    def _barrier(self) -> int:
        """The place that the record at the beginning cannot reach beyond."""
        start = next((place for place in self._starts if place), _NOWHERE)
        return min(start, self._damages[0].place if self._damages else _NOWHERE)

    def _reach(self, n_bytes: int) -> int:
        """Reads on until so many bytes are there; how many there are up to a barrier or the end."""
        while len(self._buffer) < n_bytes <= self._barrier() and self._fill():
            pass
        return min(len(self._buffer), self._barrier(), n_bytes)

    def _drop(self, n_bytes: int) -> None:
        del self._buffer[:n_bytes]
        self._member_start -= n_bytes
        self._starts = deque(place - n_bytes for place in self._starts if place >= n_bytes)
        self._damages = deque(
            _Damage(damage.place - n_bytes, damage.message, damage.start - n_bytes)
            for damage in self._damages
            if damage.place >= n_bytes
        )

    def _skip_blank(self) -> None:
        while self._reach(1):
            head = self._buffer[:_START_CONTEXT]
            n_blank = min(len(head) - len(head.lstrip(b"\r\n")), self._barrier())
            if not n_blank:
                return
            self._drop(n_blank)
            if self._starts and self._starts[0] == 0:
                return

    def _record(
        self, content: bytes, n_header: int = 0, skip: str | None = None, problem: tuple[str, str] | None = None
    ) -> RawRecord:
        self._position += 1
        return RawRecord(self._position - 1, content, n_header, skip, problem)

    def _next(self) -> RawRecord:
        """The record at the beginning of the buffer, which then begins behind it."""
        n_header = self._header_size()
        if isinstance(n_header, str):
            return self._broken(0, n_header)
        header = bytes(self._buffer[:n_header])
        if _INNER_START.search(header, 1):
            return self._broken(0, "its header breaks off, and another record begins in it")
        length, kind = _CONTENT_LENGTH.search(header), _TYPE.search(header)
        if length is None or kind is None:
            return self._broken(n_header, f"it has no {'WARC-Type' if length else 'readable Content-Length'}")
        n_content = int(length[1])
        if n_content > min(_MOST_BYTES, self._most_bytes or _MOST_BYTES):
            return self._broken(n_header, f"its Content-Length, {n_content:,}, is more than the file can hold")
        is_wanted = kind[1].lower() == self._wanted
        if n_content > (self._max_bytes + MAX_HEADER_BYTES if is_wanted else BLOCK_BYTES):
            return self._pass(n_header, n_header + n_content, None if is_wanted else _skip_reason(kind[1]))
        return self._whole(n_header, n_header + n_content, None if is_wanted else _skip_reason(kind[1]))

    def _header_size(self) -> int | str:
        """How long the header is with the blank line behind it, or what is wrong with it."""
        at = 0
        if self._reach(len(RECORD_START)) and not self._buffer.startswith(RECORD_START):
            return f"no record begins here, but {bytes(self._buffer[:20])!r}"
        for n_bytes in (4 << 10, MAX_HEADER_BYTES):
            n_there = self._reach(n_bytes)
            match = _HEADER_END.search(self._buffer, at, n_there)
            if match:
                return match.end()
            at = max(0, n_there - 4)
        return "its header has no end"

    def _whole(self, n_header: int, n_bytes: int, skip: str | None) -> RawRecord:
        """A record that can be held as a whole."""
        n_there = self._reach(n_bytes)
        if n_there < n_bytes:
            message = f"its Content-Length is {n_bytes - n_header:,}, but only {n_there - n_header:,} bytes are there"
            return self._broken(n_header, message)
        problem = self._problem_behind(n_bytes)
        if problem is not None:
            return self._broken(n_header, problem)
        content = b"" if skip else bytes(self._buffer[:n_bytes])
        self._drop(n_bytes)
        return self._record(content, n_header, skip)

    def _problem_behind(self, n_bytes: int) -> str | None:
        """What is wrong where the record should end: nothing but blank lines may stand between it and the next."""
        n_there = self._reach(n_bytes + len(_TRAILER) + len(RECORD_START))
        damage = self._damages[0] if self._damages else None
        if damage is not None and damage.place <= n_there and damage.start < n_bytes:
            return damage.message
        behind = bytes(self._buffer[n_bytes:n_there])
        if behind.startswith(_TRAILER):
            return None  # what comes then is not this record's fault
        behind = behind.lstrip(b"\r\n")
        return None if RECORD_START.startswith(behind[: len(RECORD_START)]) else "its Content-Length ends within it"

    def _pass(self, n_header: int, n_bytes: int, skip: str | None) -> RawRecord:
        """A record that is longer than what is held of one: its beginning, the rest is read over."""
        head = bytes(self._buffer[: self._reach(min(n_bytes, _HEAD_BYTES))])
        n_left = n_bytes
        while n_there := self._reach(min(n_left, BLOCK_BYTES)):
            self._drop(n_there)
            n_left -= n_there
            if not n_left:
                message = f"the record has {n_bytes - n_header:,} bytes of content, more than {self._max_bytes:,}"
                problem = None if skip else ("too_large", message)
                return self._record(b"" if skip else head, n_header, skip, problem)
            if self._starts and self._starts[0] == 0:
                break
        if self._damages and self._damages[0].place == 0:
            self._damages.popleft()
        message = f"its Content-Length is {n_bytes - n_header:,}, but only {n_bytes - n_left:,} bytes are there"
        return self._record(head[:n_header], n_header, problem=("invalid_warc", message))

    def _broken(self, n_header: int, message: str) -> RawRecord:
        """A record that cannot be read; goes on where the next one seems to begin."""
        header = bytes(self._buffer[:n_header])
        barrier = self._barrier()
        is_member = bool(self._starts and self._starts[0] == 0) and barrier in self._starts
        if is_member and barrier <= len(self._buffer):
            self._drop(barrier)
        else:
            message = self._search_start() or message
        return self._record(header, n_header, problem=("invalid_warc", message))

    def _search_start(self) -> str | None:
        """Goes to the next place that looks like a record; to damage at most, of which it tells."""
        at = 1
        while True:
            barrier = self._barrier()
            n_there = min(len(self._buffer), barrier)
            match = _INNER_START.search(self._buffer, at, n_there)
            if match:
                self._drop(match.start())
                return None
            if barrier <= len(self._buffer):
                self._drop(barrier)
                is_damage = self._damages and self._damages[0].place == 0 and not self._damages[0].is_whole
                return self._damages.popleft().message if is_damage else None
            # What could be the beginning of a match is kept, with the end of a line before it.
            self._drop(max(0, n_there - _START_CONTEXT))
            at = 1
            if not self._fill():
                self._drop(len(self._buffer))
                return None


def _skip_reason(kind: bytes) -> str:
    kind = kind.lower()
    # A page that an archive of texts brings along, and the reverse, are named by what they are.
    return kind.decode() if kind in _TYPES else "unknown"
