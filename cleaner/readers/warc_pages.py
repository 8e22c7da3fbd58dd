"""Records of web archives -> pages: what an answer is, and whether there is anything to clean in it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cleaner.errors import DocumentError, MissingExtraError
from cleaner.readers.http import unpack_body
from cleaner.readers.kinds import HEAD_BYTES, tell_page
from cleaner.readers.warc import MAX_HEADER_BYTES, RawRecord, WarcKind
from cleaner.types import Kind, Page, Rejected, Skipped

if TYPE_CHECKING:
    from fastwarc.warc import HeaderMap, WarcRecord

_PAGES = frozenset({"text/html", "application/xhtml+xml", "application/xhtml", "application/vnd.wap.xhtml+xml"})
_TEXTS = frozenset({"text/plain"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What the crawler found by looking at the bytes outweighs a server that calls a picture a page.
_NO_TEXT = re.compile(r"(?:image|audio|video|font)/|application/(?:pdf|zip|gzip|x-gzip|msword|octet-stream)")
_RECORD_ID = re.compile(rb"^warc-record-id[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_DIGESTS = frozenset({"md5", "sha1", "sha256", "sha384", "sha512"})
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w.:+-]+)""", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """Where a record stands: path and name of its archive, as in `Source`."""

    path: str
    name: str


@dataclass(frozen=True)
class _Found:
    body: bytes
    kind: Kind
    headers: HeaderMap
    encoding: str | None = None


def require_fastwarc() -> None:
    """Raises MissingExtraError where web archives cannot be read."""
    try:
        import fastwarc  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("fastwarc", "warc") from error


def page_from_warc(record: RawRecord, kind: WarcKind, place: Place, max_bytes: int) -> Page | Rejected | Skipped:
    """The page that a record holds; Skipped where it holds none, Rejected where it cannot be read."""
    if record.skip is not None:
        return Skipped(record.skip, place.path, record.position)
    found = _RECORD_ID.search(record.content)
    record_id = found[1].decode("utf-8", "replace") if found else f"{place.name}#{record.position}"
    try:
        if record.problem is not None and record.problem[0] != "too_large":
            raise DocumentError(*record.problem)
        read = _text_page if kind == "wet" else _html_page
        found_page = read(record, max_bytes)
    except DocumentError as error:
        return Rejected(record_id, error.reason, str(error), place.path, record.position)
    if isinstance(found_page, str):
        return Skipped(found_page, place.path, record.position)
    url, date = (found_page.headers.get(name) for name in ("WARC-Target-URI", "WARC-Date"))
    return Page(
        found_page.body,
        found_page.kind,
        id=record_id,
        url=url,
        encoding=found_page.encoding,
        source=place.path,
        position=record.position,
        extra={"warc_date": date},
    )


def _text_page(record: RawRecord, max_bytes: int) -> _Found | str:
    if record.problem is not None:
        raise DocumentError(*record.problem)
    headers = _parse(record).headers
    body = record.content[record.n_header :]
    _check_digests(headers, body, [body])
    return _Found(body, "text", headers)


def _html_page(record: RawRecord, max_bytes: int) -> _Found | str:
    """The page in an answer, or why there is none."""
    parsed = _parse(record)
    block = record.content[record.n_header :]
    if not parsed.is_http and not block.startswith(b"HTTP/"):
        return "not_http"
    body = _parse_http(parsed, block)
    http = parsed.http_headers
    skip = _skip_by_status(http.status_code or 0)
    mime = _mime(http, parsed.headers, body)
    if skip or mime is None:
        return skip or "not_html"
    if record.problem is not None:
        raise DocumentError(*record.problem)
    transfer, encoding = _joined(http, "Transfer-Encoding"), _joined(http, "Content-Encoding")
    is_cut = "WARC-Truncated" in parsed.headers
    _check_digests(parsed.headers, block, _bodies(body, transfer, max_bytes))
    unpacked = unpack_body(body, transfer, encoding, max_bytes, is_cut=is_cut)
    charset = _CHARSET.search(http.get("Content-Type") or "")
    kind = tell_page(unpacked[:HEAD_BYTES], mime in _PAGES)
    return _Found(unpacked, kind, parsed.headers, charset[1] if charset else None)


def _parse(record: RawRecord) -> WarcRecord:
    """The record as far as its heads go; what is behind them is not handed over, which would copy it twice."""
    from fastwarc.warc import WarcRecord

    try:
        # Quirks: header lines may end in a newline alone.
        content = record.content[: record.n_header + MAX_HEADER_BYTES]
        return WarcRecord.from_reader(io.BytesIO(content), quirks_mode=True)
    except (OSError, ValueError) as error:
        raise DocumentError("invalid_warc", f"its header cannot be read: {error}") from error


def _parse_http(parsed: WarcRecord, block: bytes) -> bytes:
    """The body of the answer; afterwards ``parsed`` knows its head."""
    end = _HEAD_END.search(block, 0, MAX_HEADER_BYTES)
    try:
        parsed.is_http = True
        parsed.parse_http(quirks_mode=True)
    except (OSError, ValueError) as error:
        raise DocumentError("invalid_http", f"the head of the answer cannot be read: {error}") from error
    if parsed.http_headers.status_code is None:
        raise DocumentError("invalid_http", "the answer does not begin with a status")
    return block[end.end() :] if end else b""


def _bodies(body: bytes, transfer: str, max_bytes: int) -> Iterator[bytes]:
    """What a digest of the body may have been taken over."""
    yield body
    with suppress(DocumentError):
        yield unpack_body(body, transfer, "", max_bytes)


def _joined(headers: HeaderMap, name: str) -> str:
    return ",".join(headers.get_multiple(name))


def _skip_by_status(status: int) -> str | None:
    if status in _REDIRECTS:
        return "redirect"
    return None if 200 <= status < 300 else "status"


def _mime(http: HeaderMap, headers: HeaderMap, body: bytes) -> str | None:
    """The type of a page or of a text; None for what is neither."""
    declared = (http.get("Content-Type") or "").partition(";")[0].strip().lower()
    identified = (headers.get("WARC-Identified-Payload-Type") or "").partition(";")[0].strip().lower()
    if _NO_TEXT.match(identified):
        return None
    for mime in (declared, identified):
        if mime:
            return mime if mime in _PAGES or mime in _TEXTS else None
    return "text/html" if tell_page(body[:HEAD_BYTES], is_html=False) == "html" else None


def _check_digests(headers: HeaderMap, block: bytes, bodies: Iterable[bytes]) -> None:
    """Raises DocumentError (``bad_digest``) where the content is not what its digest says.

    The digest of the whole block has one meaning. That of the body is taken by some crawlers over the chunks, by others
    without them, and of the whole body where the record holds its beginning: it counts where there is no other.
    """
    digest = headers.get("WARC-Block-Digest")
    if digest:
        if _fits(digest, block) is False:
            raise DocumentError("bad_digest", f"WARC-Block-Digest is {digest}, which is not that of the content")
        return
    digest = headers.get("WARC-Payload-Digest")
    if digest and "WARC-Truncated" not in headers and all(_fits(digest, body) is False for body in bodies):
        raise DocumentError("bad_digest", f"WARC-Payload-Digest is {digest}, which is not that of the content")


def _fits(digest: str, content: bytes) -> bool | None:
    """Whether the content has that digest; None where it is of a kind that is not known here."""
    name, _, value = digest.strip().partition(":")
    name = name.strip().lower().replace("-", "")
    if name not in _DIGESTS:
        return None
    expected = _digest_bytes(value.strip(), hashlib.new(name, usedforsecurity=False).digest_size)
    return None if expected is None else hashlib.new(name, content, usedforsecurity=False).digest() == expected


def _digest_bytes(value: str, n_bytes: int) -> bytes | None:
    """The bytes that a digest spells in hexadecimal or base 32."""
    try:
        if len(value) == 2 * n_bytes:
            return bytes.fromhex(value)
        decoded = base64.b32decode(value + "=" * (-len(value) % 8), casefold=True)
    except (ValueError, binascii.Error):
        return None
    return decoded if len(decoded) == n_bytes else None
