"""Packed web archives as their members: each record of such an archive is packed on its own, so that damage to one
need not cost the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cleaner.errors import InputError
from cleaner.readers.streams import MAGIC, Unpacker, packing_of, peek

# What is kept of a member for the search behind damage: the next member may begin within what was taken for this one.
_KEPT_BYTES = 16 << 20
# As many bytes of a member as tell whether it is one; a block of zstandard unpacks only when it is complete. Files of
# the other packings are one member.
_PROBE_BYTES = {"gz": 512, "zst": 192 << 10}
_KEPT_HEAD_BYTES = 64 << 10
_DICTIONARY_MAGIC = b"\x5d\x2a\x4d\x18"
RECORD_START = b"WARC/"


@dataclass(frozen=True, slots=True)
class Piece:
    """Unpacked bytes. is_start: a member begins with them. damage: what is wrong with the member that ends here; with
    is_start not a byte of it could be unpacked."""

    data: bytes
    is_start: bool = False
    damage: str | None = None


def unpacked_members(chunks: Iterable[bytes]) -> Iterator[Piece]:
    """The unpacked bytes of an archive, with the places where its members begin and where one of them is damaged.

    Behind damage it goes on at the next member that begins with a record. What is not packed comes as it is.
    """
    head, chunks = peek(chunks, lambda head: len(head) >= _KEPT_HEAD_BYTES)
    packing = packing_of(head)
    if packing is not None:
        return _Members(chunks, packing).pieces()
    packing = None if head.startswith(RECORD_START) else _hidden_packing(head)
    if packing is not None:
        return _Members(chunks, packing).pieces_behind_damage()
    return (Piece(chunk) for chunk in chunks)


def _hidden_packing(head: bytes) -> str | None:
    """How the members are packed of an archive whose first one is damaged in its first bytes."""
    return next((packing for packing in _PROBE_BYTES if _Members([head], packing).has_record()), None)


class _Members:
    def __init__(self, chunks: Iterable[bytes], packing: str) -> None:
        self._chunks = iter(chunks)
        self._packing = packing
        self._dictionary: bytes | None = None
        self._raw = b""

    def pieces(self) -> Iterator[Piece]:
        self._dictionary = self._read_dictionary()
        while self._raw or self._fill():
            if self._raw.strip(b"\0"):
                yield from self._member()
            else:
                self._raw = b""  # padding behind a member

    def pieces_behind_damage(self) -> Iterator[Piece]:
        yield Piece(b"", True, f"no {self._packing} data begins here")
        self._go_to_next_start()
        yield from self.pieces()

    def has_record(self) -> bool:
        """Whether a record begins behind the first byte."""
        self._go_to_next_start()
        return bool(self._raw)

    def _fill(self) -> bool:
        """Reads on; whether there was anything left."""
        more = next(self._chunks, b"")
        self._raw += more
        return bool(more)

    def _read_dictionary(self) -> bytes | None:
        """What the records of a ``.warc.zst`` are packed with, where it stands before them."""
        while len(self._raw) < 8 and self._fill():
            pass
        if self._packing != "zst" or not self._raw.startswith(_DICTIONARY_MAGIC):
            return None
        n_bytes = int.from_bytes(self._raw[4:8], "little")
        while n_bytes <= _KEPT_BYTES and len(self._raw) < 8 + n_bytes and self._fill():
            pass
        dictionary, self._raw = self._raw[8 : 8 + n_bytes], self._raw[8 + n_bytes :]
        is_packed = dictionary.startswith(MAGIC["zst"])
        return b"".join(Unpacker("zst").feed(dictionary)) if is_packed else dictionary

    def _member(self) -> Iterator[Piece]:
        """The pieces of one member; what stands behind it is kept for the next one."""
        unpacker = Unpacker(self._packing, self._dictionary)
        kept = bytearray()
        is_start, damage = True, f"the {self._packing} data ends early; the file was cut short"
        while self._raw or self._fill():
            raw, self._raw = self._raw, b""
            if len(kept) < _KEPT_BYTES:
                kept += raw
            try:
                for data in unpacker.feed(raw):
                    yield Piece(data, is_start)
                    is_start = False
            except InputError as error:
                damage = str(error)
                break
            if unpacker.is_ended:
                self._raw = unpacker.rest
                return
        yield Piece(b"", is_start, damage)
        self._raw = bytes(kept)
        self._go_to_next_start()

    def _go_to_next_start(self) -> None:
        """Drops what stands before the next member that unpacks to the beginning of a record."""
        magic, n_probe = MAGIC[self._packing], _PROBE_BYTES.get(self._packing, 0)
        at = 1
        while n_probe:
            found = self._raw.find(magic, at)
            if found < 0 or len(self._raw) - found < n_probe:
                self._raw = self._raw[found if found >= 0 else max(at, len(self._raw) - len(magic) + 1) :]
                at = 0
                if self._fill():
                    continue
                if found < 0:
                    break
                found = 0
            if self._begins_record(self._raw[found : found + n_probe]):
                self._raw = self._raw[found:]
                return
            at = found + 1
        self._raw = b""
        for _ in self._chunks:
            pass

    def _begins_record(self, raw: bytes) -> bool:
        unpacker = Unpacker(self._packing, self._dictionary)
        unpacked = b""
        try:
            for data in unpacker.feed(raw):
                unpacked += data
        except InputError:
            pass
        return unpacked.startswith(RECORD_START)
