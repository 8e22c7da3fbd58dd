"""An article as a record of a WET archive: the text of a page, with the address it came from."""

from __future__ import annotations

import base64
import gzip
import hashlib
import uuid

from cleaner.types import Article
from cleaner.writers.text import article_text

# Records need a date. Where the input has none, none is made up from the clock: the same articles give the same bytes.
_NO_DATE = "1970-01-01T00:00:00Z"
_NAMESPACE = uuid.UUID("6f9d5c2e-1d0b-5c39-9a53-0e8f5b0f4a77")


def wet_record(article: Article, packing: str = "") -> bytes:
    """A ``conversion`` record; with ``.gz`` or ``.zst`` packed on its own, as readers of archives want it."""
    block = article_text(article).encode()
    digest = base64.b32encode(hashlib.sha1(block, usedforsecurity=False).digest()).decode()
    name = f"{article.id}\n{article.model}\n{article.options_hash}"
    headers = {
        "WARC-Type": "conversion",
        "WARC-Target-URI": article.url if isinstance(article.url, str) else None,
        "WARC-Date": article.extra.get("warc_date") or _NO_DATE,
        "WARC-Record-ID": f"<urn:uuid:{uuid.uuid5(_NAMESPACE, name)}>",
        "WARC-Refers-To": article.id if _is_record_id(article.id) else None,
        "WARC-Block-Digest": f"sha1:{digest}",
        "Content-Type": "text/plain",
        "Content-Length": str(len(block)),
    }
    lines = [f"{name}: {_one_line(value)}\r\n" for name, value in headers.items() if value]
    record = b"".join([b"WARC/1.0\r\n", "".join(lines).encode("utf-8", "replace"), b"\r\n", block, b"\r\n\r\n"])
    return pack(record, packing)


def pack(record: bytes, packing: str) -> bytes:
    """The record as a member of its own."""
    if packing == ".gz":
        return gzip.compress(record, 6, mtime=0)
    if packing == ".zst":
        import zstandard

        return zstandard.ZstdCompressor().compress(record)
    return record


def _is_record_id(value: object) -> bool:
    return isinstance(value, str) and value.startswith("<urn:")


def _one_line(value: str) -> str:
    return " ".join(str(value).split())
