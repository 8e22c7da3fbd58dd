"""Where the articles and the rejections of a run go."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from cleaner.batch.work import Done
from cleaner.errors import OutputError, UsageError
from cleaner.readers.sources import Found
from cleaner.types import Rejected
from cleaner.writers.files import COMPRESSED_ENDINGS, WholeFile
from cleaner.writers.jsonl import record_line

OutKind = Literal["jsonl", "text", "markdown"]
OUT_KINDS: tuple[OutKind, ...] = ("jsonl", "text", "markdown")
_ENDING_KINDS: dict[str, OutKind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jl": "jsonl",
    ".txt": "text",
    ".md": "markdown",
    ".markdown": "markdown",
}
# What holds one document only.
_TEXT_KINDS = ("text", "markdown")
# The second one is a file where standard output goes to a file.
_STDOUT_NAMES = ("-", "/dev/stdout")
_PART = re.compile(r"part-(\d{5,})\.jsonl")


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
    """

    place: Literal["stream", "file", "folder"]
    path: str | None
    as_texts: bool
    is_markdown: bool = False

    @property
    def errors_path(self) -> str | None:
        """Where rejections go if the user names no place; None for standard error."""
        if self.path is None or self.place == "stream":
            return None
        return os.path.join(self.path, "_errors.jsonl") if self.place == "folder" else f"{self.path}.errors.jsonl"


def parse_out_kind(name: str) -> OutKind:
    """The kind of output that a user names; raises UsageError for one that is not written."""
    for kind in OUT_KINDS:
        if name == kind:
            return kind
    raise UsageError(f"--to {name}: not written by this version; the kinds of output are {', '.join(OUT_KINDS)}")


def choose_target(out: str | None, to: OutKind | None, found: Found, annotate: bool = False) -> Target:
    """Where the articles go, in which form. Raises UsageError for what does not fit together."""
    if out == "":
        raise UsageError("-o names nothing; name a file, a folder, or - for standard output")
    if out is None or out in _STDOUT_NAMES or _is_special(out):
        path = None if out in (None, *_STDOUT_NAMES) else out
        # A plain text has no place for the classes of lines that --annotate asks for.
        as_texts = to in _TEXT_KINDS or (to is None and found.is_one_document and not annotate)
        return _checked(Target("stream", path, as_texts, to == "markdown"), found, annotate)
    if _is_folder(out):
        target = Target("folder", out, to != "jsonl", to == "markdown")
        return _checked(target, found, annotate, is_asked=to in _TEXT_KINDS)
    kind = _kind_of_ending(out)
    if to and to != kind:
        raise UsageError(f"-o {out} asks for {kind}, --to for {to}; leave one of them out")
    return _checked(Target("file", out, kind in _TEXT_KINDS, kind == "markdown"), found, annotate)


def _checked(target: Target, found: Found, annotate: bool, is_asked: bool = True) -> Target:
    if not target.as_texts or not is_asked:
        return target
    n_sources = len(found.sources)
    holders = [source.path for source in found.sources if source.kind == "jsonl"]
    if holders:
        raise UsageError(f"{holders[0]} holds many documents, which do not fit into one text; write .jsonl instead")
    if n_sources > 1 and target.place != "folder":
        raise UsageError(f"{n_sources} documents do not fit into one text; write .jsonl, or a folder with -o OUT/")
    if annotate and target.place != "folder":
        raise UsageError("--annotate needs records, a plain text cannot hold the classes; write .jsonl")
    return target


def _is_special(out: str) -> bool:
    return os.path.exists(out) and not os.path.isfile(out) and not os.path.isdir(out)


def _is_folder(out: str) -> bool:
    separators = tuple(filter(None, (os.sep, os.altsep)))
    return out.endswith(separators) or os.path.isdir(out) or not Path(out).suffix


def _kind_of_ending(out: str) -> OutKind:
    name = Path(out)
    if name.suffix.lower() in COMPRESSED_ENDINGS:
        name = name.with_suffix("")
    try:
        return _ENDING_KINDS[name.suffix.lower()]
    except KeyError:
        raise UsageError(
            f"-o {out}: no output is written with the ending {name.suffix or Path(out).suffix!r}; use .jsonl, .txt or "
            f".md (also {', '.join(COMPRESSED_ENDINGS)} behind it), or end it in / for a folder"
        ) from None


def open_output(target: Target, stdout: BinaryIO, n_parts: int) -> Output:
    """The open output; raises OutputError at once where it cannot be written, before anything is cleaned."""
    if target.place == "folder" and target.path is not None:
        return _Folder(Path(target.path), n_parts, ".md" if target.is_markdown else ".txt")
    if target.path is not None:
        return _File(Path(target.path), target.as_texts)
    return _Stream(stdout)


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

    def __init__(self, path: Path, holds_text: bool) -> None:
        self._file = WholeFile(path)
        self._is_due = not holds_text

    def write(self, done: Done) -> None:
        self._file.write(done.records)
        for text in done.texts:
            self._file.write(text.text or b"")
            self._is_due = True

    def finish(self) -> None:
        self.keep()
        if not self._is_due and self._file.path.is_file():
            # Of an earlier run, whose text would pass for that of this document.
            self._file.path.unlink()

    def keep(self) -> None:
        if self._is_due:
            self._file.finish()
        else:
            self._file.discard()

    def discard(self) -> None:
        self._file.discard()


class _Folder:
    """Texts at the place their inputs had, records in shards, one for each input; ``_SUCCESS`` comes last."""

    def __init__(self, path: Path, n_parts: int, ending: str) -> None:
        self._path = path
        self._ending = ending
        self._accounts: WholeFile | None = None
        self._shard: WholeFile | None = None
        self._shard_part: int | None = None
        self.n_open = 0
        self._finished: list[Path] = []
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / "_SUCCESS").unlink(missing_ok=True)
            names = sorted(entry.name for entry in path.iterdir())
        except OSError as error:
            raise OutputError(f"{path}: no folder can be written there: {error.strerror or error}") from error
        _refuse_leftovers(path, names, n_parts)

    def write(self, done: Done) -> None:
        for text in done.texts:
            if text.text is not None:
                file = WholeFile(self._make_parent(self._path / f"{text.name}{self._ending}"))
                file.write(text.text)
                file.finish()
            if self._accounts is None:
                self._accounts = WholeFile(self._path / "_removed.jsonl")
            self._accounts.write(text.account)
        if done.part is not None:
            self._open_shard(done.part).write(done.records)
        self.n_open += self._shard is not None

    def take_finished(self) -> list[Path]:
        finished, self._finished = self._finished, []
        return finished

    def _make_parent(self, path: Path) -> Path:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path.parent}: no folder can be made there: {error.strerror or error}") from error
        return path

    def _open_shard(self, part: int) -> WholeFile:
        if self._shard is None or self._shard_part != part:
            self._close(self._shard)
            self.n_open = 0
            self._shard, self._shard_part = WholeFile(self._path / f"part-{part:05d}.jsonl"), part
        return self._shard

    def finish(self) -> None:
        self.keep()
        if self._accounts is None:
            # Of an earlier run, as `_SUCCESS` was.
            (self._path / "_removed.jsonl").unlink(missing_ok=True)
        self._close(WholeFile(self._path / "_SUCCESS"))

    def keep(self) -> None:
        for file in (self._shard, self._accounts):
            self._close(file)

    def _close(self, file: WholeFile | None) -> None:
        if file is not None:
            file.finish()
            self._finished.append(file.path)

    def discard(self) -> None:
        for file in (self._shard, self._accounts):
            if file is not None:
                file.discard()


def _refuse_leftovers(path: Path, names: Sequence[str], n_parts: int) -> None:
    """Shards that an earlier run left and this one would not replace: whoever reads the folder would mix both."""
    for name in names:
        match = _PART.fullmatch(name)
        if match and int(match[1]) >= n_parts:
            raise OutputError(f"{path} holds {name} of another run; empty the folder or name another one")


class Errors:
    """The account of rejected documents, in a file or on standard error.

    The file is there only if something was rejected, or if the user named it; ``-`` names standard error.
    """

    def __init__(self, path: str | None, default_path: str | None, stderr: BinaryIO) -> None:
        self.place = None if path == "-" else path or default_path
        self._is_named = path is not None
        self._is_heard = True
        self._stderr = stderr
        self._file: WholeFile | None = None

    def open(self) -> None:
        """Makes sure that a file which the user named can be written."""
        if self._is_named and self.place:
            self._file = WholeFile(Path(self.place))

    def write(self, rejected: Iterable[Rejected]) -> None:
        for rejection in rejected:
            line = record_line(rejection.to_record())
            if self._file is None and self.place is not None:
                self._file = WholeFile(Path(self.place))
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
            Path(self.place).unlink(missing_ok=True)
