"""Web archives for tests: records made one by one, so that each can be broken in its own way."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Callable, Iterable, Iterator

import zstandard

PAGE = b"<html><body><p>The bridge reopened on Monday.</p></body></html>"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda record: gzip.compress(record, mtime=0),
    ".zst": zstandard.ZstdCompressor().compress,
}


def record_id(number: int) -> str:
    return f"<urn:uuid:00000000-0000-0000-0000-{number:012}>"


def record(
    number: int,
    block: bytes,
    kind: str = "response",
    content_type: str = "application/http; msgtype=response",
    length: object = None,
    **headers: str,
) -> bytes:
    """One record; ``length`` is what its Content-Length says, further headers are named with ``_`` for ``-``."""
    lines = {
        "WARC-Type": kind,
        "WARC-Record-ID": record_id(number),
        "WARC-Target-URI": f"https://herald.example/{number}",
        "WARC-Date": "2024-05-06T07:08:09Z",
        "Content-Type": content_type,
        "Content-Length": str(len(block) if length is None else length),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"WARC/1.0\r\n{head}\r\n".encode() + block + b"\r\n\r\n"


def answer(
    body: bytes = PAGE, status: str = "200 OK", content_type: str | None = "text/html; charset=utf-8", **headers: str
) -> bytes:
    """An answer over HTTP."""
    lines = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def page(number: int, **settings: str) -> bytes:
    """A record of a page that says its number."""
    return record(number, answer(f"<p>This is page {number} of the archive.</p>".encode()), **settings)


def sha1(content: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(content).digest()).decode()


def archive(records: Iterable[bytes], packing: str = ".gz") -> bytes:
    """Records packed one by one, as crawlers do it."""
    return b"".join(map(PACKERS[packing], records))


def in_pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))
