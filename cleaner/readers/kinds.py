"""What an input is, told from its name and its first bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, get_args

from cleaner.errors import InputError, UsageError

SourceKind = Literal["text", "html", "jsonl", "csv", "parquet", "warc", "wet", "tar", "zip"]

KINDS: tuple[SourceKind, ...] = get_args(SourceKind)
# What holds one document a file.
SINGLE_KINDS: tuple[SourceKind, ...] = ("text", "html")
# What holds a folder of them.
PACK_KINDS: tuple[SourceKind, ...] = ("tar", "zip")
HEAD_BYTES = 64 * 1024

_SUFFIX_KINDS: dict[str, SourceKind] = {
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".shtml": "html",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jl": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".warc": "warc",
    ".wet": "wet",
    ".tar": "tar",
    ".tgz": "tar",
    ".txz": "tar",
    ".tzst": "tar",
    ".zip": "zip",
}
# What nothing but the name tells: any bytes could be meant.
_NAMED_KINDS = ("jsonl", "csv", "parquet", "tar", "zip")
TSV_SUFFIXES = (".tsv", ".tab")
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
_COLUMN = re.compile(rb"[\w. -]{1,80}")
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def require_column(names: Sequence[str], needed: Sequence[str], holder: str) -> None:
    """Raises InputError where a table has none of the columns that hold documents. holder: what has the names."""
    if not set(needed) & set(names):
        raise InputError(
            f"{holder} has neither a column {' nor '.join(map(repr, needed))}, but {', '.join(map(repr, names[:50]))}; "
            "name the column with --text-column or --html-column"
        )


def parse_kind(name: str) -> SourceKind:
    """The kind that a user names; raises UsageError for one that is not read."""
    for kind in KINDS:
        if name == kind:
            return kind
    raise UsageError(f"kind {name!r} is none that is read; the kinds are {', '.join(KINDS)}")


def suffix_of(name: str) -> str:
    """The ending that tells the kind, in lower case: ``.html`` for ``a.HTML.gz``."""
    stem = _COMPRESSED_SUFFIX.sub("", name.replace("\\", "/").rpartition("/")[2])
    _, dot, ending = stem.rpartition(".")
    return f".{ending.lower()}" if dot else ""


def tell_kind(name: str, head: bytes) -> SourceKind:
    """The kind of an input from its name and its first 64 KB, decompressed.

    The ending decides where it names records or an archive of files; between text and page the content has the last
    word, since scrapers save pages as ``.txt`` and texts as ``.html``. Raises UsageError for JSON that is no JSON
    Lines.
    """
    suffix = suffix_of(name)
    named = _SUFFIX_KINDS.get(suffix)
    if named in _NAMED_KINDS:
        return named
    told = _told_by_magic(head, suffix) or (named if named in ("warc", "wet") else None)
    if told:
        return told
    content = _plain_ascii(head)
    if named == "html":
        return "html" if _MARKUP.search(content) else "text"
    if suffix == ".json" and not looks_like_records(content):
        raise UsageError(f"{name}: {_NOT_LINES}")
    if _PAGE_START.match(content):
        return "html"
    if looks_like_records(content):
        return "jsonl"
    if not suffix and _looks_like_table(content):
        return "csv"
    if not suffix and _ARRAY_START.match(content) and content.rstrip().endswith((b"}]", b'"]', b"]]")):
        raise UsageError(f"{name}: {_NOT_LINES}")
    return "text"


_NOT_LINES = "JSON, but not JSON Lines, which is one object a line (jq -c '.[]' turns an array into it)"


def tell_page(head: bytes, is_html: bool) -> Literal["text", "html"]:
    """Whether a document that was called a page, or a text, is one; the content has the last word."""
    content = _plain_ascii(head)
    is_page = bool(_MARKUP.search(content)) if is_html else bool(_PAGE_START.match(content))
    return "html" if is_page else "text"


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


def _told_by_magic(head: bytes, suffix: str) -> SourceKind | None:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"WARC/"):
        is_wet = b"WARC-Type: conversion" in head and b"WARC-Type: response" not in head
        return "wet" if is_wet else "warc"
    if head[257:262] == b"ustar":
        return "tar"
    # Office files and books are zips too, and say so by their names.
    return "zip" if head.startswith(b"PK\x03\x04") and not suffix else None


def _looks_like_table(content: bytes) -> bool:
    """Whether the first line is the head of a CSV: names, and one of them that of the column we look for."""
    line = content.lstrip().partition(b"\n")[0]
    names = [name.strip(b" \r\"'") for name in re.split(rb"[,;\t|]", line)]
    return len(names) > 1 and bool({b"text", b"html"} & set(names)) and all(map(_COLUMN.fullmatch, names))


def _plain_ascii(head: bytes) -> bytes:
    """The head without byte order mark and, in UTF-16, without the zero bytes between its ASCII letters."""
    for bom in _BOMS:
        if head.startswith(bom):
            head = head[len(bom) :]
            break
    return head.replace(b"\0", b"")
