"""Files and pipes as chunks of bytes: decompressed, and read ahead in a thread where they can stall."""

from __future__ import annotations

import bz2
import codecs
import lzma
import queue
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO, Protocol

from cleaner.errors import InputError

CHUNK_BYTES = 1 << 20
# A pipe gives what it has; small reads pass it on at once.
PIPE_CHUNK_BYTES = 1 << 16
# Of compressed data less is taken at a time: one piece can unfold to a thousand times its size.
_COMPRESSED_CHUNK_BYTES = 1 << 14
# How often a waiting reader looks up, so that a batch can close in time; also how fast Windows sees an interrupt.
TICK_S = 0.05
_QUEUED_CHUNKS = 16

_MAGIC = {b"\x1f\x8b": "gz", b"\x28\xb5\x2f\xfd": "zst", b"\xfd7zXZ\x00": "xz", b"BZh": "bz2"}
_LONGEST_MAGIC = max(map(len, _MAGIC))


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


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
    for magic, name in _MAGIC.items():
        # "BZh" alone could begin a text; a real header goes on with the block size and a block's magic.
        if head.startswith(magic) and (name != "bz2" or head[3:4].isdigit()):
            return _unpacked(chunks, name)
    return iter(chunks)


def _unpacked(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    unpacker = _new_decompressor(name)
    started = False
    try:
        for chunk in chunks:
            for start in range(0, len(chunk), _COMPRESSED_CHUNK_BYTES):
                piece = chunk[start : start + _COMPRESSED_CHUNK_BYTES]
                while piece:
                    if not started and not piece.strip(b"\0"):
                        break  # tape archives pad with zeros behind the last member
                    started = True
                    out = unpacker.decompress(piece)
                    if out:
                        yield out
                    if not unpacker.eof:
                        break
                    piece, unpacker, started = unpacker.unused_data, _new_decompressor(name), False
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        raise InputError(f"damaged {name} data: {error}") from error
    except Exception as error:
        # zstandard's own error has no base but Exception.
        if type(error).__name__ != "ZstdError":
            raise
        raise InputError(f"damaged {name} data: {error}") from error
    if started:
        raise InputError(f"the {name} data ends early; the file was cut short")


def _new_decompressor(name: str) -> _Decompressor:
    made: Any
    if name == "gz":
        made = zlib.decompressobj(wbits=31)
    elif name == "xz":
        made = lzma.LZMADecompressor()
    elif name == "bz2":
        made = bz2.BZ2Decompressor()
    else:
        import zstandard

        # Corpora are often packed with --long, whose windows pass the default limit.
        made = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
    decompressor: _Decompressor = made
    return decompressor


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
