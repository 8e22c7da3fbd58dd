"""What an input is, told from its name and its first bytes."""

from __future__ import annotations

import re
from typing import Literal

from cleaner.errors import UsageError

SourceKind = Literal["text", "html", "jsonl"]

KINDS: tuple[SourceKind, ...] = ("text", "html", "jsonl")
# What holds one document a file.
SINGLE_KINDS: tuple[SourceKind, ...] = ("text", "html")
HEAD_BYTES = 64 * 1024

_SUFFIX_KINDS = {
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".shtml": "html",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jl": "jsonl",
}
# Kinds that would be taken for text or for binary rubbish if their names did not give them away.
_UNREAD_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".warc": "warc",
    ".wet": "wet",
}
_COMPRESSED_SUFFIX = re.compile(r"\.(gz|zst|xz|bz2)$", re.IGNORECASE)

# A page is told by its first tag; comments and an XML declaration may stand before it.
_PAGE_START = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|(?:html|head|body|meta|title|link|script|style|"
    rb"article|section|main|header|nav|aside|div|p|h[1-6]|table|ul|ol|span|a|img|br)\b[^<]*>)",
    re.IGNORECASE | re.DOTALL,
)
_MARKUP = re.compile(rb"<[a-zA-Z/!]")
_OBJECT_START = re.compile(rb'\s*\{\s*["}]')
_OBJECT_LINE = re.compile(rb'\s*\{\s*(?:".*)?\}\s*')
_ARRAY_START = re.compile(rb'\s*\[\s*[\{"\[]')
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def parse_kind(name: str) -> SourceKind:
    """The kind that a user names; raises UsageError for one that is not read."""
    for kind in KINDS:
        if name == kind:
            return kind
    raise UsageError(f"kind {name!r} is not read by this version; the kinds are {', '.join(KINDS)}")


def suffix_of(name: str) -> str:
    """The ending that tells the kind, in lower case: ``.html`` for ``a.HTML.gz``."""
    stem = _COMPRESSED_SUFFIX.sub("", name.replace("\\", "/").rpartition("/")[2])
    _, dot, ending = stem.rpartition(".")
    return f".{ending.lower()}" if dot else ""


def tell_kind(name: str, head: bytes) -> SourceKind:
    """The kind of an input from its name and its first 64 KB, decompressed.

    The ending decides where it names records; between text and page the content has the last word, since scrapers
    save pages as ``.txt`` and texts as ``.html``. Raises UsageError for a kind that is known but not read.
    """
    suffix = suffix_of(name)
    unread = _UNREAD_SUFFIXES.get(suffix) or _unread_content(head)
    if unread:
        raise UsageError(f"{name}: kind {unread!r} is not read by this version; the kinds are {', '.join(KINDS)}")
    content = _plain_ascii(head)
    named = _SUFFIX_KINDS.get(suffix)
    if named == "jsonl":
        return "jsonl"
    if named == "html":
        return "html" if _MARKUP.search(content) else "text"
    if suffix == ".json" and not looks_like_records(content):
        raise UsageError(f"{name}: {_NOT_LINES}")
    if _PAGE_START.match(content):
        return "html"
    if looks_like_records(content):
        return "jsonl"
    if not suffix and _ARRAY_START.match(content) and content.rstrip().endswith((b"}]", b'"]', b"]]")):
        raise UsageError(f"{name}: {_NOT_LINES}")
    return "text"


_NOT_LINES = "JSON, but not JSON Lines, which is one object a line (jq -c '.[]' turns an array into it)"


def looks_like_records(head: bytes) -> bool:
    """Whether the head is JSON Lines: its first line is an object, or the start of one that is longer than it.

    Where only the first line is broken, it begins like an object, and most of the lines after it are objects.
    """
    content = head.lstrip()
    line, newline, rest = content.partition(b"\n")
    if not newline and len(content) >= HEAD_BYTES // 2:
        return bool(_OBJECT_START.match(line))
    if _OBJECT_LINE.fullmatch(line):
        return True
    # A lone brace opens an object over many lines, as JSON is printed for people.
    is_broken = line.startswith(b"{") and line.strip() != b"{"
    others = [other for other in rest.split(b"\n")[:100] if other.strip()] if is_broken else []
    return 2 * sum(bool(_OBJECT_LINE.fullmatch(other)) for other in others) > len(others)


def is_enough_to_tell(head: bytes) -> bool:
    """Whether more bytes cannot change what `tell_kind` says, so that a slow pipe need not be waited for."""
    content = _plain_ascii(head).lstrip()
    return len(head) >= HEAD_BYTES or (content.startswith(b"{") and b"\n" in content and looks_like_records(content))


def _unread_content(head: bytes) -> str | None:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"WARC/"):
        return "wet" if b"WARC-Type: conversion" in head else "warc"
    return None


def _plain_ascii(head: bytes) -> bytes:
    """The head without byte order mark and, in UTF-16, without the zero bytes between its ASCII letters."""
    for bom in _BOMS:
        if head.startswith(bom):
            head = head[len(bom) :]
            break
    return head.replace(b"\0", b"")
