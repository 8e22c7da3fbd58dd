"""Where the articles and the rejections of a run go."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, get_args

from cleaner.batch.render import Form, RecordKind
from cleaner.batch.work import Done, Job
from cleaner.errors import OutputError, UsageError
from cleaner.readers.kinds import PACK_KINDS, SINGLE_KINDS
from cleaner.readers.sources import Found, Source
from cleaner.remote import is_url
from cleaner.types import Rejected
from cleaner.writers.files import (
    COMPRESSED_ENDINGS,
    LocalFiles,
    OpenFile,
    RemoteFile,
    RemoteFiles,
    WholeFile,
    remove_file,
    whole_file,
)
from cleaner.writers.jsonl import record_line

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
_PART = re.compile(r"part-(\d{5,})\.(?:jsonl|parquet|warc\.wet)(?:\.\w+)?")


class PipeClosedError(Exception):
    """Whoever read our output has had enough."""


class Output(Protocol):
    """Takes what the tasks brought, in order."""

    @property
    def n_open(self) -> int:
        """How many of the last writes stand, with others before them or not, in a file that is not at its place yet."""

    def take_finished(self) -> list[Path]:
        """Files of records that came to their place since the last call."""

    def write(self, done: Done) -> None: ...
    def finish(self) -> None:
        """Makes everything visible: the run is complete."""

    def keep(self) -> None:
        """Makes visible what was written: the run was interrupted."""

    def discard(self) -> None:
        """Leaves no unfinished file behind."""


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
        is_shard = target.place == "folder" and folder in written and bool(_PART.fullmatch(name))
        if path in texts or path in written or is_shard:
            raise UsageError(f"{source.path} is both input and output; write to another file or folder")


def choose_form(target: Target, sources: Sequence[Source], job: Job) -> Form:
    """What the records of a run become. Raises UsageError for inputs that do not fit into one table."""
    if target.records != "parquet":
        return Form(target.records, target.packing)
    from cleaner.batch.tables import choose_layout

    return Form("parquet", layout=choose_layout(sources, job.options, job.reading))


def open_output(target: Target, stdout: BinaryIO, n_parts: int, form: Form, n_shards: int = 0) -> Output:
    """The open output; raises OutputError at once where it cannot be written, before anything is cleaned.

    n_parts: how many inputs have a shard of their own. form: what records become. n_shards: of a run that goes on, how
    many shards stand at their place.
    """
    if target.place == "folder" and target.path is not None:
        files = RemoteFiles(target.path) if is_url(target.path) else LocalFiles(Path(target.path))
        return _Folder(target, files, n_parts, form, n_shards)
    if target.path is not None:
        return _File(target, form)
    return _Stream(stdout)


def _open_records(file: WholeFile | RemoteFile, form: Form) -> OpenFile:
    """A file that takes what tasks bring in that form."""
    if form.kind != "parquet":
        return file
    from cleaner.writers.parquet import ParquetRows

    assert form.layout is not None
    return ParquetRows(file, form.layout.schema)


class _Unrecorded:
    """An output that cannot be continued."""

    n_open = 0

    def take_finished(self) -> list[Path]:
        return []


class _Stream(_Unrecorded):
    """Standard output, in bytes: UTF-8 and bare newlines whatever the console is set to."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, done: Done) -> None:
        try:
            self._stream.write(done.records)
            for text in done.texts:
                self._stream.write(text.text or b"")
            self._stream.flush()
        except OSError as error:
            if _is_closed_pipe(error):
                raise PipeClosedError from error
            raise OutputError(f"standard output cannot be written: {error.strerror or error}") from error

    def finish(self) -> None:
        pass

    def keep(self) -> None:
        pass

    def discard(self) -> None:
        pass


def _is_closed_pipe(error: OSError) -> bool:
    # Windows says EINVAL of one.
    return error.errno == errno.EPIPE or (os.name == "nt" and error.errno == errno.EINVAL)


class _File(_Unrecorded):
    """One file of records, or of the text of one document; where that was rejected, there is no file."""

    def __init__(self, target: Target, form: Form) -> None:
        assert target.path is not None
        self._path = target.path
        # Records of an archive come packed one by one.
        self._file = _open_records(whole_file(target.path, is_packed=form.kind == "wet"), form)
        self._is_due = not target.as_texts

    def write(self, done: Done) -> None:
        self._file.write(done.records)
        for text in done.texts:
            self._file.write(text.text or b"")
            self._is_due = True

    def finish(self) -> None:
        self.keep()
        if not self._is_due and os.path.isfile(self._path):
            # Of an earlier run, whose text would pass for that of this document.
            os.unlink(self._path)

    def keep(self) -> None:
        if self._is_due:
            self._file.finish()
        else:
            self._file.discard()

    def discard(self) -> None:
        self._file.discard()


class _Folder:
    """Texts at the place their inputs had, records in shards, one for each input or of a set size; ``_SUCCESS`` comes
    last."""

    def __init__(
        self, target: Target, files: LocalFiles | RemoteFiles, n_parts: int, form: Form, n_shards: int
    ) -> None:
        self._target = target
        self._files = files
        self._form = form
        self._accounts: OpenFile | None = None
        self._shard: OpenFile | None = None
        self._shard_part: int | None = None
        self._n_shard_bytes = 0
        self._next_shard = n_shards
        self.n_open = 0
        self._finished: list[Path] = []
        names = files.prepare()
        # A shard that an interrupt made visible before its time is written once more.
        _refuse_leftovers(files.shown, names, n_parts if target.shard_bytes is None else n_shards + 1)

    def write(self, done: Done) -> None:
        for text in done.texts:
            if text.text is not None:
                file = self._files.open(f"{text.name}{self._target.text_ending}", is_packed=True)
                file.write(text.text)
                file.finish()
            if self._accounts is None:
                self._accounts = self._files.open("_removed.jsonl")
            self._accounts.write(text.account)
        if done.part is not None:
            self._open_shard(done.part).write(done.records)
            self._n_shard_bytes += len(done.records)
        self.n_open += self._shard is not None

    def take_finished(self) -> list[Path]:
        finished, self._finished = self._finished, []
        return finished

    def _open_shard(self, part: int) -> OpenFile:
        size = self._target.shard_bytes
        is_full = self._shard_part != part if size is None else self._n_shard_bytes >= size
        if self._shard is None or is_full:
            self._close(self._shard)
            self.n_open = self._n_shard_bytes = 0
            number = part if size is None else self._next_shard
            self._next_shard += 1
            name = f"part-{number:05d}{self._target.shard_ending}"
            self._shard = _open_records(self._files.open(name, is_packed=self._form.kind != "jsonl"), self._form)
            self._shard_part = part
        return self._shard

    def finish(self) -> None:
        self.keep()
        if self._accounts is None:
            # Of an earlier run, as `_SUCCESS` was.
            self._files.remove("_removed.jsonl")
        self._close(self._files.open("_SUCCESS"))

    def keep(self) -> None:
        for file in (self._shard, self._accounts):
            self._close(file)

    def _close(self, file: OpenFile | None) -> None:
        if file is not None:
            file.finish()
            if isinstance(file.path, Path):
                self._finished.append(file.path)

    def discard(self) -> None:
        for file in (self._shard, self._accounts):
            if file is not None:
                file.discard()


def _refuse_leftovers(shown: str, names: Sequence[str], n_parts: int) -> None:
    """Shards that an earlier run left and this one would not replace: whoever reads the folder would mix both."""
    for name in names:
        match = _PART.fullmatch(name)
        if match and int(match[1]) >= n_parts:
            raise OutputError(f"{shown} holds {name} of another run; empty the folder or name another one")


class Errors:
    """The account of rejected documents, in a file or on standard error.

    The file is there only if something was rejected, or if the user named it; ``-`` names standard error.
    """

    def __init__(self, path: str | None, default_path: str | None, stderr: BinaryIO) -> None:
        self.place = None if path == "-" else path or default_path
        self._is_named = path is not None
        self._is_heard = True
        self._stderr = stderr
        self._file: OpenFile | None = None

    def open(self) -> None:
        """Makes sure that a file which the user named can be written."""
        if self._is_named and self.place:
            self._file = whole_file(self.place)

    def write(self, rejected: Iterable[Rejected]) -> None:
        for rejection in rejected:
            line = record_line(rejection.to_record())
            if self._file is None and self.place is not None:
                self._file = whole_file(self.place)
            if self._file is not None:
                self._file.write(line)
            else:
                self._tell(line)

    def _tell(self, line: bytes) -> None:
        # A reader who has left (2>&1 | head) wants to hear no more; the articles and the exit code are for others.
        if self._is_heard:
            try:
                self._stderr.write(line)
                self._stderr.flush()
            except OSError as error:
                if not _is_closed_pipe(error):
                    raise OutputError(f"standard error cannot be written: {error.strerror or error}") from error
                self._is_heard = False

    def finish(self) -> None:
        if self._file is not None:
            self._file.finish()
        elif self.place is not None and not self._is_named:
            # Of an earlier run with the same output.
            remove_file(self.place)
