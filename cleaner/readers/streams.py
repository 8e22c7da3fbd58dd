"""Files and pipes as chunks of bytes: decompressed, and read ahead in a thread where they can stall."""

from __future__ import annotations

import bz2
import codecs
import lzma
import queue
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO, TypeVar

from cleaner.errors import DocumentError, InputError

_Item = TypeVar("_Item")

CHUNK_BYTES = 1 << 20
# A pipe gives what it has; small reads pass it on at once.
PIPE_CHUNK_BYTES = 1 << 16
# One piece of packed data can unfold to a thousand times its size; as much is given out at a time.
_UNPACKED_BYTES = 1 << 20
# Zstandard cannot be stopped half-way through a piece, and each four bytes of one can stand for 128 KB.
_ZSTD_PIECE_BYTES = 1 << 12
# How often a waiting reader looks up, so that a batch can close in time; also how fast Windows sees an interrupt.
TICK_S = 0.05
_QUEUED_CHUNKS = 16

MAGIC = {"gz": b"\x1f\x8b", "zst": b"\x28\xb5\x2f\xfd", "xz": b"\xfd7zXZ\x00", "bz2": b"BZh"}
# A frame of zstandard that holds no data: a dictionary before a web archive, or what packers on many cores note down.
_ZSTD_NOTE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)
_LONGEST_MAGIC = max(map(len, MAGIC.values()))


def read_chunks(
    file: BinaryIO, size_bytes: int = CHUNK_BYTES, on_read: Callable[[int], None] | None = None
) -> Iterator[bytes]:
    """The file's bytes as they are on disk, in chunks; ``on_read`` hears the size of each."""
    # Past the buffer of a pipe: a thread that is blocked inside it when the process ends would abort it.
    raw = getattr(file, "raw", file)
    while chunk := raw.read(size_bytes):
        if on_read:
            on_read(len(chunk))
        yield chunk


def decompressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, unpacked where their first bytes are those of gzip, zstd, xz or bzip2.

    Several members in a row, as compressors for many cores write them, are one stream. Raises InputError for
    damaged data and for data that ends early.
    """
    head, chunks = peek(chunks, lambda head: len(head) >= _LONGEST_MAGIC)
    packing = packing_of(head)
    return iter(chunks) if packing is None else _unpacked(chunks, packing)


def join_chunks(chunks: Iterable[bytes], max_bytes: int) -> bytes:
    """All of the chunks. Raises DocumentError (``too_large``) as soon as they are more than so many bytes."""
    parts: list[bytes] = []
    n_bytes = 0
    for chunk in chunks:
        parts.append(chunk)
        n_bytes += len(chunk)
        if n_bytes > max_bytes:
            raise DocumentError("too_large", f"more than {max_bytes:,} bytes")
    return b"".join(parts)


def in_blocks(
    items: Iterable[_Item], size_of: Callable[[_Item], int], max_bytes: int, max_items: int
) -> Iterator[tuple[list[_Item], int]]:
    """The items in rows that are closed before they pass a limit, each with the number of its first item.

    No items give one empty row. Where the items break off (InputError), what was read before comes first.
    """
    row: list[_Item] = []
    n_bytes = n_before = 0
    try:
        for item in items:
            size = size_of(item)
            if row and (n_bytes + size > max_bytes or len(row) == max_items):
                yield row, n_before
                n_before, row, n_bytes = n_before + len(row), [], 0
            row.append(item)
            n_bytes += size
    except InputError:
        if row:
            yield row, n_before
        raise
    if row or not n_before:
        yield row, n_before


def packing_of(head: bytes) -> str | None:
    """``gz``, ``zst``, ``xz`` or ``bz2``, told from the first bytes; None for what is not packed."""
    for name, magic in MAGIC.items():
        # "BZh" alone could begin a text; a real header goes on with the block size and a block's magic.
        if head.startswith(magic) and (name != "bz2" or head[3:4].isdigit()):
            return name
    return "zst" if _ZSTD_NOTE.match(head) else None


class GarbageError(InputError):
    """Behind packed data that is whole stands something else."""


def _unpacked(chunks: Iterable[bytes], packing: str) -> Iterator[bytes]:
    unpacker, is_first = Unpacker(packing), True
    for chunk in chunks:
        while chunk:
            if not is_first and not unpacker.is_started and _is_garbage(chunk, packing):
                raise GarbageError(f"behind the {packing} data stands something else: {chunk[:20]!r}")
            yield from unpacker.feed(chunk)
            if not unpacker.is_ended:
                break
            chunk, unpacker, is_first = unpacker.rest, Unpacker(packing), False
    if unpacker.is_started:
        raise InputError(f"the {packing} data ends early; the file was cut short")


def _is_garbage(packed: bytes, packing: str) -> bool:
    """Whether what stands behind a member is neither another one nor padding."""
    if not packed.strip(b"\0") or MAGIC[packing].startswith(packed[: len(MAGIC[packing])]):
        return False
    return packing != "zst" or (len(packed) >= 4 and not _ZSTD_NOTE.match(packed))


def until_garbage(chunks: Iterable[bytes], told: list[str]) -> Iterator[bytes]:
    """The chunks, which end where garbage begins; ``told`` holds what is to be said of that."""
    try:
        yield from chunks
    except GarbageError as error:
        told.append(str(error))


class Unpacker:
    """Unpacks one member (a frame, a stream) of packed data.

    is_started: whether more than padding was fed. is_ended: whether the member is complete; then ``rest`` is what was
    fed beyond it.
    """

    def __init__(self, packing: str, dictionary: bytes | None = None) -> None:
        self._packing = packing
        self._unpacker = _new_decompressor(packing, dictionary)
        self.is_started = False
        self.is_ended = False
        self.rest = b""

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """What the bytes unpack to, in pieces of limited size. Raises InputError for damage."""
        # Tape archives pad with zeros behind the last member.
        if not self.is_started and not packed.strip(b"\0"):
            return
        self.is_started = True
        try:
            yield from self._zstd_pieces(packed) if self._packing == "zst" else self._limited_pieces(packed)
        except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
            raise InputError(f"damaged {self._packing} data: {error}") from error
        except Exception as error:
            # zstandard's own error has no base but Exception.
            if type(error).__name__ != "ZstdError":
                raise
            raise InputError(f"damaged {self._packing} data: {error}") from error

    def _limited_pieces(self, packed: bytes) -> Iterator[bytes]:
        while True:
            out = self._unpacker.decompress(packed, _UNPACKED_BYTES)
            packed = getattr(self._unpacker, "unconsumed_tail", b"")
            if out:
                yield out
            if self._unpacker.eof:
                self.is_ended, self.rest = True, self._unpacker.unused_data
                return
            # zlib hands back what it has not read, the others keep it and have no more only when they give less.
            if len(out) < _UNPACKED_BYTES and not packed:
                return

    def _zstd_pieces(self, packed: bytes) -> Iterator[bytes]:
        for start in range(0, len(packed), _ZSTD_PIECE_BYTES):
            out = self._unpacker.decompress(packed[start : start + _ZSTD_PIECE_BYTES])
            if out:
                yield out
            if self._unpacker.eof:
                self.is_ended = True
                self.rest = self._unpacker.unused_data + packed[start + _ZSTD_PIECE_BYTES :]
                return


def _new_decompressor(packing: str, dictionary: bytes | None = None) -> Any:
    if packing == "gz":
        return zlib.decompressobj(wbits=31)
    if packing == "xz":
        return lzma.LZMADecompressor()
    if packing == "bz2":
        return bz2.BZ2Decompressor()
    import zstandard

    # Corpora are often packed with --long, whose windows pass the default limit.
    dict_data = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
    return zstandard.ZstdDecompressor(dict_data=dict_data, max_window_size=1 << 31).decompressobj()


def as_utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks of a stream of records in UTF-8, where a byte order mark says that they are UTF-16."""
    head, chunks = peek(chunks, lambda head: len(head) >= 2)
    if not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return iter(chunks)
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    # The replacing decoder leaves no surrogates that could not be encoded.
    texts = chain((decoder.decode(chunk) for chunk in chunks), (decoder.decode(b"", True) for _ in range(1)))
    return (text.encode() for text in texts)


def peek(chunks: Iterable[bytes], is_enough: Callable[[bytes], bool]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, as many as are enough or as there are, and all chunks with those bytes still in front.

    Where the chunks end in an error, it is raised to who reads them that far, not to who only looks.
    """
    rest = iter(chunks)
    head = bytearray()
    try:
        for chunk in rest:
            head += chunk
            if is_enough(bytes(head)):
                break
    except Exception as error:
        rest = _raising(error)
    return bytes(head), chain([bytes(head)] if head else [], rest)


def _raising(error: Exception) -> Iterator[bytes]:
    yield from ()
    raise error


def read_ahead(chunks: Iterable[bytes]) -> Iterator[bytes | None]:
    """The chunks, read in a thread, and None whenever none came for `TICK_S`.

    A thread, because nothing else waits for a pipe with a time limit on every platform. It holds a few chunks at
    most, then waits for them to be taken. What it raises is raised here.
    """
    chunks_read: queue.Queue[bytes | Exception | None] = queue.Queue(_QUEUED_CHUNKS)

    def read() -> None:
        try:
            for chunk in chunks:
                chunks_read.put(chunk)
        except Exception as error:
            chunks_read.put(error)
        else:
            chunks_read.put(None)

    threading.Thread(target=read, name="read-ahead", daemon=True).start()
    while True:
        try:
            chunk = chunks_read.get(timeout=TICK_S)
        except queue.Empty:
            yield None
            continue
        if chunk is None:
            return
        if isinstance(chunk, Exception):
            raise chunk
        yield chunk
