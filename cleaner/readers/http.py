"""What an answer over HTTP holds: its body with the transfer's chunks and compression undone."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator

from cleaner.errors import DocumentError, InputError
from cleaner.readers.streams import MAGIC, Unpacker

_CHUNK_HEAD = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_READ_BYTES = 1 << 20
_NO_ENCODINGS = ("", "identity", "none", "utf-8", "utf8", "binary", "8bit", "7bit")


def unpack_body(body: bytes, transfer: str, encoding: str, max_bytes: int, *, is_cut: bool = False) -> bytes:
    """The body as its author wrote it. transfer, encoding: the headers Transfer-Encoding and Content-Encoding.

    Many archives hold the body unpacked beside the header of the packed one: where the body is plainly text, the
    header is not believed. is_cut: the crawler stopped within the body, whose beginning is then good enough.
    Raises DocumentError: ``invalid_http`` for a body that cannot be unpacked, ``too_large`` for one that unpacks to
    more than ``max_bytes``.
    """
    try:
        if "chunked" in transfer.lower():
            body = b"".join(_chunks(body, is_cut))
        for name in reversed(encoding.lower().split(",")):
            body = _unpacked(body, name.strip(), max_bytes, is_cut)
    except DocumentError as error:
        if error.reason != "invalid_http" or not _is_plainly_text(body):
            raise
    return body


def _is_plainly_text(body: bytes) -> bool:
    head = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith(b"<") and not re.search(rb"[\x00-\x08\x0e-\x1a]", head)


def _chunks(body: bytes, is_cut: bool) -> Iterator[bytes]:
    at = 0
    while at < len(body):
        match = _CHUNK_HEAD.match(body, at)
        if match is None:
            raise DocumentError("invalid_http", f"no chunk begins at byte {at:,}, but {body[at : at + 12]!r}")
        n_bytes = int(match[1], 16)
        if not n_bytes:
            return
        chunk = body[match.end() : match.end() + n_bytes]
        if len(chunk) < n_bytes and not is_cut:
            raise DocumentError("invalid_http", f"a chunk of {n_bytes:,} bytes breaks off after {len(chunk):,}")
        yield chunk
        at = match.end() + n_bytes
        at += 2 if body.startswith(b"\r\n", at) else int(body.startswith(b"\n", at))


def _unpacked(body: bytes, encoding: str, max_bytes: int, is_cut: bool) -> bytes:
    if encoding in _NO_ENCODINGS or not body:
        return body
    unpack = {"gzip": _gunzip, "x-gzip": _gunzip, "deflate": _inflate, "br": _unbrotli, "zstd": _unzstd}.get(encoding)
    if unpack is None:
        raise DocumentError("invalid_http", f"Content-Encoding {encoding!r} is none that is known")
    parts: list[bytes] = []
    n_bytes = 0
    try:
        for part in unpack(body):
            parts.append(part)
            n_bytes += len(part)
            if n_bytes > max_bytes:
                raise DocumentError("too_large", f"the answer unpacks to more than {max_bytes:,} bytes")
    except (InputError, OSError, EOFError, zlib.error) as error:
        if not (is_cut and parts):
            raise DocumentError("invalid_http", f"the answer is not what {encoding} packs: {error}") from error
    return b"".join(parts)


def _gunzip(body: bytes) -> Iterator[bytes]:
    while body.startswith(MAGIC["gz"]):
        unpacker = Unpacker("gz")
        yield from unpacker.feed(body)
        if not unpacker.is_ended:
            raise EOFError("it ends early")
        body = unpacker.rest
        if not body.startswith(MAGIC["gz"]):
            return  # servers pad and add blank lines
    raise InputError(f"it begins {body[:4].hex(' ')}")


def _unzstd(body: bytes) -> Iterator[bytes]:
    unpacker = Unpacker("zst")
    yield from unpacker.feed(body)
    if not unpacker.is_ended:
        raise EOFError("it ends early")


def _inflate(body: bytes) -> Iterator[bytes]:
    # With the head of zlib, as it should be, or without, as some servers do.
    has_head = body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    unpacker = zlib.decompressobj(wbits=15 if has_head else -15)
    while not unpacker.eof:
        part = unpacker.decompress(body, _READ_BYTES)
        if not part and not unpacker.eof:
            raise EOFError("it ends early")
        yield part
        body = unpacker.unconsumed_tail


def _unbrotli(body: bytes) -> Iterator[bytes]:
    from fastwarc.stream_io import BrotliReader

    reader = BrotliReader(io.BytesIO(body))
    while part := reader.read(_READ_BYTES):
        yield part
