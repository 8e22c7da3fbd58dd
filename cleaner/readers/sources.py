"""Which files the user means, what each is, and under which name its documents are known."""

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from cleaner.errors import CleanerError, InputError, UsageError
from cleaner.readers.kinds import HEAD_BYTES, SourceKind, is_enough_to_tell, tell_kind
from cleaner.readers.streams import PIPE_CHUNK_BYTES, decompressed, peek, read_chunks

STDIN = "-"
# What an earlier run of ours left beside its articles; an output folder can so be an input.
SIDE_FILES = frozenset({"_SUCCESS", "_removed.jsonl", "_errors.jsonl"})
_READ_REASONS = (OSError, InputError)


@dataclass(frozen=True, slots=True)
class Source:
    """One input file or pipe.

    path: where it is, as the user would find it; ``-`` for standard input.
    name: the path relative to the input folder, with ``/``, that ids and mirrored files are made of.
    kind: what it is; None where that cannot be told, with the ``problem`` why.
    stream: the decompressed chunks of a pipe, which cannot be opened again; None for a file.
    """

    path: str
    name: str
    kind: SourceKind | None
    problem: str | None = None
    size_bytes: int = 0
    stream: Iterator[bytes] | None = None

    def chunks(self, on_read: Callable[[int], None] | None = None) -> Iterator[bytes]:
        """The decompressed bytes; ``on_read`` hears how many bytes were taken from a file. Raises InputError."""
        try:
            if self.stream is not None:
                yield from self.stream
            else:
                with open(self.path, "rb") as file:
                    yield from decompressed(read_chunks(file, on_read=on_read))
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror or error}") from error


@dataclass(frozen=True)
class Found:
    """The sources that the arguments name, in order. is_one_document: one text or page that was named itself."""

    sources: list[Source]
    is_one_document: bool


@dataclass(frozen=True, slots=True)
class _Path:
    path: str
    folder: str  # what the name is relative to
    is_named: bool  # by the user, rather than met in a folder


def find_sources(
    arguments: Sequence[str], kind: SourceKind | None = None, skip: Iterable[str] = (), stdin: BinaryIO | None = None
) -> Found:
    """The sources that files, folders, globs and ``-`` stand for, each file once, in the order of the arguments.

    A folder stands for all files in it and below, sorted by path; names that begin with a dot, links to folders,
    our own side files and the paths in ``skip`` (the output) do not count. A file is taken whatever its ending.
    Raises InputError for an argument that leads to no file, UsageError for a kind that is not read.
    """
    if not arguments:
        raise UsageError("no input given; name files, folders or globs, or - for standard input")
    if arguments.count(STDIN) > 1:
        raise UsageError("standard input (-) can be read only once")
    skipped = {os.path.abspath(path) for path in skip}
    paths: dict[str, _Path] = {}
    any_folder = False
    for argument in arguments:
        n_files = 0
        for match in _matches(argument):
            is_folder = match != STDIN and os.path.isdir(match)
            any_folder |= is_folder
            for path in _walk(match, skipped) if is_folder else [_Path(match, os.path.dirname(match), True)]:
                paths.setdefault(path.path if path.path == STDIN else os.path.abspath(path.path), path)
                n_files += 1
        if not n_files:
            raise InputError(f"{argument}: there is no file in it")
    names = _names(list(paths.values()))
    sources = [
        _open_source(path.path, name, kind, is_named=path.is_named, stdin=stdin)
        for path, name in zip(paths.values(), names, strict=True)
    ]
    is_one = len(sources) == 1 and not any_folder and sources[0].kind in ("text", "html")
    return Found(sources, is_one)


def _matches(argument: str) -> list[str]:
    """The paths that an argument stands for; a glob is expanded here where the shell did not."""
    if argument == STDIN or os.path.lexists(argument):
        return [argument]
    if glob.has_magic(argument):
        matches = sorted(glob.glob(argument, recursive=True))
        if matches:
            return matches
        raise InputError(f"{argument}: no file matches")
    raise InputError(f"{argument}: no such file or folder")


def _walk(folder: str, skipped: set[str]) -> Iterator[_Path]:
    def fail(error: OSError) -> None:
        raise InputError(f"{error.filename}: {error.strerror}") from error

    for parent, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and os.path.abspath(os.path.join(parent, name)) not in skipped
        )
        for name in sorted(files):
            path = os.path.join(parent, name)
            if name.startswith(".") or name in SIDE_FILES or os.path.abspath(path) in skipped:
                continue
            yield _Path(path, folder, False)


def _names(paths: Sequence[_Path]) -> list[str]:
    """A name for each path that no other has: relative to its input folder, or, where two would then be the same,
    to the folder that all of them share."""
    names = [_clean_name(os.path.relpath(path.path, path.folder or ".")) for path in paths]
    if len(set(names)) == len(names):
        return names
    absolute = [path.path if path.path == STDIN else os.path.abspath(path.path) for path in paths]
    try:
        shared = os.path.commonpath([os.path.dirname(path) for path in absolute if path != STDIN])
    except ValueError:  # paths on several drives share nothing
        return [_clean_name(path.replace(":", "").lstrip("\\/")) for path in absolute]
    return [path if path == STDIN else _clean_name(os.path.relpath(path, shared)) for path in absolute]


def _clean_name(name: str) -> str:
    name = name.replace(os.sep, "/")
    # A file name that is not UTF-8 comes as surrogates, which JSON cannot carry. Its bytes are spelled out, as U+FFFD
    # would make one name of two.
    return name if name.isascii() else name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _open_source(path: str, name: str, kind: SourceKind | None, *, is_named: bool, stdin: BinaryIO | None) -> Source:
    """The source with its kind told. Where the user named the file, a kind that is not read is wrong usage; in a
    folder it is an account of that file."""
    try:
        status = None if path == STDIN else os.stat(path)
        if status is None or not stat.S_ISREG(status.st_mode):
            if not is_named:
                return Source(path, name, None, problem=f"{path}: not a regular file; name it to have it read")
            return _open_stream(path, name, kind, stdin)
        source = Source(path, name, kind, size_bytes=status.st_size)
        if kind is None:
            head, _ = peek(source.chunks(), lambda head: len(head) >= HEAD_BYTES)
            source = replace(source, kind=tell_kind(name, head[:HEAD_BYTES]))
        return source
    except UsageError as error:
        if is_named:
            raise
        return Source(path, name, None, problem=str(error))
    except _READ_REASONS as error:
        return Source(path, name, None, problem=_reason(path, error))


def _open_stream(path: str, name: str, kind: SourceKind | None, stdin: BinaryIO | None) -> Source:
    file = (stdin or sys.stdin.buffer) if path == STDIN else open(path, "rb")  # noqa: SIM115 - read later
    chunks = decompressed(read_chunks(file, PIPE_CHUNK_BYTES))
    if kind is None:
        head, chunks = peek(chunks, is_enough_to_tell)
        kind = tell_kind(name, head[:HEAD_BYTES])
    return Source(path, name, kind, stream=chunks)


def _reason(path: str, error: Exception) -> str:
    if isinstance(error, CleanerError):
        message = str(error)
        return message if message.startswith(path) else f"{path}: {message}"
    return f"{path}: {getattr(error, 'strerror', None) or error}"
