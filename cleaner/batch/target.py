"""What ``-o`` and ``--to`` ask for: where the articles of a run go, in which form, and over what they must not go."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from cleaner.batch.render import Form, RecordKind
from cleaner.batch.work import Job
from cleaner.errors import OutputError, UsageError
from cleaner.readers.kinds import PACK_KINDS, SINGLE_KINDS
from cleaner.readers.sources import Found, Source
from cleaner.remote import is_url
from cleaner.writers.files import COMPRESSED_ENDINGS

OutKind = Literal["jsonl", "parquet", "wet", "text", "markdown"]
OUT_KINDS: tuple[OutKind, ...] = get_args(OutKind)
_ENDING_KINDS: dict[str, OutKind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jl": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".wet": "wet",
    ".txt": "text",
    ".md": "markdown",
    ".markdown": "markdown",
}
# What holds one document only.
_TEXT_KINDS = ("text", "markdown")
# The second one is a file where standard output goes to a file.
_STDOUT_NAMES = ("-", "/dev/stdout")
_SHARD_ENDINGS: dict[RecordKind, str] = {"jsonl": ".jsonl", "parquet": ".parquet", "wet": ".warc.wet"}
SHARD_NAME = re.compile(r"part-(\d{5,})\.(?:jsonl|parquet|warc\.wet)(?:\.\w+)?")


@dataclass(frozen=True)
class Target:
    """What ``-o`` and ``--to`` ask for. place: standard output (or a device), a file or a folder.

    as_texts: single documents come out as texts, not as records; with is_markdown in Markdown.
    records: what all others come out as. packing: how these are packed, such as ``.gz``.
    shard_bytes: size from which on a folder gets another shard; None for a shard each input.
    """

    place: Literal["stream", "file", "folder"]
    path: str | None
    as_texts: bool
    is_markdown: bool = False
    records: RecordKind = "jsonl"
    packing: str = ""
    shard_bytes: int | None = None

    @property
    def text_ending(self) -> str:
        """What the name of an input gets behind it; nothing where its text has no file of its own."""
        if self.place != "folder" or not self.as_texts:
            return ""
        return ".md" if self.is_markdown else ".txt"

    @property
    def shard_ending(self) -> str:
        return _SHARD_ENDINGS[self.records] + self.packing

    def shown_form(self) -> str:
        """What comes out, in a word, for the account of the run."""
        return self.text_ending or self.shard_ending.removeprefix(".")

    @property
    def errors_path(self) -> str | None:
        """Where rejections go if the user names no place; None for standard error."""
        if self.path is None or self.place == "stream":
            return None
        return (
            f"{self.path.rstrip('/')}/_errors.jsonl"
            if is_url(self.path) and self.place == "folder"
            else os.path.join(self.path, "_errors.jsonl")
            if self.place == "folder"
            else f"{self.path}.errors.jsonl"
        )


def parse_out_kind(name: str) -> tuple[OutKind, str]:
    """The kind of output that a user names, and how it is packed (``jsonl.zst``); raises UsageError for one that is
    not written."""
    base, dot, ending = name.partition(".")
    packing = dot + ending
    for kind in OUT_KINDS:
        if base == kind and packing in _packings(kind):
            return kind, packing
    raise UsageError(
        f"--to {name}: not written; the kinds of output are {', '.join(OUT_KINDS)} (also jsonl.zst, wet.gz)"
    )


def choose_target(
    out: str | None,
    to: str | None,
    found: Found,
    annotate: bool = False,
    shard_bytes: int | None = None,
) -> Target:
    """Where the articles go, in which form. Raises UsageError for what does not fit together."""
    if out == "":
        raise UsageError("-o names nothing; name a file, a folder, or - for standard output")
    asked, packing = parse_out_kind(to) if to else (None, "")
    target = _target(out, to, asked, packing, found, annotate)
    if shard_bytes is not None and target.place != "folder":
        raise UsageError("--shard-size is for an output folder; name one with -o OUT/")
    return replace(target, shard_bytes=shard_bytes)


def _target(
    out: str | None, to: str | None, asked: OutKind | None, packing: str, found: Found, annotate: bool
) -> Target:
    records: RecordKind = asked if asked == "parquet" or asked == "wet" else "jsonl"
    is_markdown = asked == "markdown"
    if out is None or out in _STDOUT_NAMES or _is_special(out):
        path = None if out in (None, *_STDOUT_NAMES) else out
        if records == "parquet":
            raise UsageError("Parquet is no stream; write it to a file or a folder with -o")
        if packing:
            raise UsageError(f"--to {to}: what is packed goes to a file or a folder; name one with -o")
        # A plain text has no place for the classes of lines that --annotate asks for.
        as_texts = asked in _TEXT_KINDS or (asked is None and found.is_one_document and not annotate)
        return _checked(Target("stream", path, as_texts, is_markdown, records), found, annotate)
    if _is_folder(out):
        if os.path.isfile(out.rstrip("/\\")):
            raise OutputError(f"-o {out}: a file of that name is there; a folder needs another one")
        as_texts = asked in (None, *_TEXT_KINDS)
        target = Target("folder", out, as_texts, is_markdown, records, packing)
        return _checked(target, found, annotate, is_asked=asked in _TEXT_KINDS)
    kind, packing_of_name = _kind_of_ending(out)
    if asked and (asked != kind or (packing and packing != packing_of_name)):
        raise UsageError(f"-o {out} asks for {kind}{packing_of_name}, --to for {to}; leave one of them out")
    records = kind if kind == "parquet" or kind == "wet" else "jsonl"
    target = Target("file", out, kind in _TEXT_KINDS, kind == "markdown", records, packing_of_name)
    return _checked(target, found, annotate)


def _checked(target: Target, found: Found, annotate: bool, is_asked: bool = True) -> Target:
    if not target.as_texts or not is_asked:
        return target
    n_sources = len(found.sources)
    holders = [source.path for source in found.sources if _holds_many(source, target)]
    if holders:
        raise UsageError(f"{holders[0]} holds many documents, which do not fit into one text; write .jsonl instead")
    if n_sources > 1 and target.place != "folder":
        raise UsageError(f"{n_sources} documents do not fit into one text; write .jsonl, or a folder with -o OUT/")
    if annotate and target.place != "folder":
        raise UsageError("--annotate needs records, a plain text cannot hold the classes; write .jsonl")
    return target


def _holds_many(source: Source, target: Target) -> bool:
    """Whether a source holds more than the texts of a target can take: in a folder an archive of files is a folder."""
    kinds = (*SINGLE_KINDS, *PACK_KINDS) if target.place == "folder" else SINGLE_KINDS
    return source.kind is not None and source.kind not in kinds


def _is_special(out: str) -> bool:
    return os.path.exists(out) and not os.path.isfile(out) and not os.path.isdir(out)


def _is_folder(out: str) -> bool:
    separators = tuple(filter(None, (os.sep, os.altsep)))
    if is_url(out):
        return out.endswith("/") or not Path(out).suffix
    return out.endswith(separators) or os.path.isdir(out) or not Path(out).suffix


def _kind_of_ending(out: str) -> tuple[OutKind, str]:
    """What is written into a file of that name, and how it is packed."""
    name, packing = Path(out), ""
    if name.suffix.lower() in COMPRESSED_ENDINGS:
        name, packing = name.with_suffix(""), name.suffix.lower()
    kind = _ENDING_KINDS.get(name.suffix.lower())
    if kind is None:
        raise UsageError(
            f"-o {out}: no output is written with the ending {name.suffix or Path(out).suffix!r}; use .jsonl, "
            f".parquet, .wet, .txt or .md (also {', '.join(COMPRESSED_ENDINGS)} behind it), or end it in / for a folder"
        )
    if packing not in (*_packings(kind), *(COMPRESSED_ENDINGS if kind in _TEXT_KINDS else ())):
        raise UsageError(f"-o {out}: {kind} is not packed so; use {', '.join(filter(None, _packings(kind))) or 'none'}")
    return kind, packing


def _packings(kind: OutKind) -> tuple[str, ...]:
    """How shards of a kind can be packed. Parquet is packed within, records of an archive one by one."""
    return {"jsonl": ("", *COMPRESSED_ENDINGS), "wet": ("", ".gz", ".zst")}.get(kind, ("",))


def refuse_overwriting(target: Target, sources: Sequence[Source], errors: str | None) -> None:
    """Raises UsageError where an output is an input too, or articles and rejections would go to one file."""
    written = [os.path.abspath(path) for path in (errors, target.path) if path not in (None, "-")]
    if target.place == "file" and len(set(written)) < len(written):
        raise UsageError(f"-o and --errors both name {errors}; the articles need a file of their own")
    texts = {
        os.path.abspath(os.path.join(target.path or "", f"{source.name}{target.text_ending}"))
        for source in sources
        if target.text_ending and source.kind in SINGLE_KINDS
    }
    for source in sources:
        path = os.path.abspath(source.path)
        folder, name = os.path.split(path)
        is_shard = target.place == "folder" and folder in written and bool(SHARD_NAME.fullmatch(name))
        if path in texts or path in written or is_shard:
            raise UsageError(f"{source.path} is both input and output; write to another file or folder")


def find_folder_names(target: Target, sources: Sequence[Source]) -> frozenset[str]:
    """Names of single documents whose text would stand where others need a folder: ``x``, whose text is ``x.txt``,
    beside ``x.txt/story``."""
    if not target.text_ending:
        return frozenset()
    lowest = {source.name if source.kind in PACK_KINDS else posixpath.dirname(source.name) for source in sources}
    folders = lowest.union(*(map(str, PurePosixPath(folder).parents) for folder in lowest))
    names = (source.name for source in sources if source.kind in SINGLE_KINDS)
    return frozenset(name for name in names if f"{name}{target.text_ending}" in folders)


def choose_form(target: Target, sources: Sequence[Source], job: Job) -> Form:
    """What the records of a run become. Raises UsageError for inputs that do not fit into one table."""
    if target.records != "parquet":
        return Form(target.records, target.packing)
    from cleaner.batch.tables import choose_layout

    return Form("parquet", layout=choose_layout(sources, job.options, job.reading))
