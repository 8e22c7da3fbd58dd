"""Which files the user means, what each is, and under which name its documents are known."""

from __future__ import annotations

import glob
import os
import posixpath
import re
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from cleaner.errors import CleanerError, InputError, UsageError
from cleaner.readers.kinds import HEAD_BYTES, SourceKind, is_enough_to_tell, tell_kind
from cleaner.readers.run_files import is_run_file
from cleaner.readers.streams import CHUNK_BYTES, PIPE_CHUNK_BYTES, decompressed, packing_of, peek, read_chunks
from cleaner.remote import find_urls, is_url, open_url, size_of

STDIN = "-"
_SPOOL_BYTES = 64 << 20
_READ_REASONS = (OSError, InputError)


@dataclass(frozen=True, slots=True)
class Source:
    """One input file or pipe.

    path: where it is, as the user would find it; ``-`` for standard input.
    name: the path relative to the input folder, with ``/``, that ids and mirrored files are made of.
    kind: what it is; None where that cannot be told, with the ``problem`` why.
    stream: the chunks of a pipe, which cannot be opened again; None for a file.
    """

    path: str
    name: str
    kind: SourceKind | None
    problem: str | None = None
    size_bytes: int = 0
    stream: Iterator[bytes] | None = None

    def chunks(self, on_read: Callable[[int], None] | None = None) -> Iterator[bytes]:
        """The decompressed bytes; ``on_read`` hears how many bytes were taken from a file. Raises InputError."""
        return decompressed(self.raw_chunks(on_read))

    def raw_chunks(
        self, on_read: Callable[[int], None] | None = None, size_bytes: int = CHUNK_BYTES
    ) -> Iterator[bytes]:
        """The bytes as they are. Raises InputError."""
        try:
            if self.stream is not None:
                for chunk in self.stream:
                    if on_read:
                        on_read(len(chunk))
                    yield chunk
            else:
                with open_file(self.path) as file:
                    yield from read_chunks(file, size_bytes, on_read)
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror or error}") from error

    def open(self) -> BinaryIO:
        """The decompressed bytes as a file in which one can go back, for kinds that are read so. Raises InputError."""
        try:
            if self.stream is None:
                file = open_file(self.path)
                if packing_of(file.read(8)) is None:
                    file.seek(0)
                    return file
                file.close()
            # In memory while it is small, then in a file without a name.
            spool: Any = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - whoever reads it closes it
            for chunk in self.chunks():
                spool.write(chunk)
            spool.seek(0)
            opened: BinaryIO = spool
            return opened
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror or error}") from error


def open_file(path: str) -> BinaryIO:
    """A file or a URL, open for reading; raises OSError."""
    return open_url(path) if is_url(path) else open(path, "rb")


@dataclass(frozen=True)
class Found:
    """The sources that the arguments name, in order.

    is_one_document: one text or page that was named itself. n_run_files: how many files were passed over in which an
    earlier run says what it did.
    """

    sources: list[Source]
    is_one_document: bool
    n_run_files: int = 0


@dataclass(frozen=True, slots=True)
class _Path:
    path: str
    folder: str  # what the name is relative to
    is_named: bool  # by the user, rather than met in a folder


def find_sources(
    arguments: Sequence[str], kind: SourceKind | None = None, skip: Iterable[str] = (), stdin: BinaryIO | None = None
) -> Found:
    """The sources that files, folders, globs and ``-`` stand for, each file once, in the order of the arguments.

    A folder stands for all files in it and below, sorted by path; names that begin with a dot, links to folders and
    the paths in ``skip`` (the output) do not count. A file is taken whatever its ending, unless it is the account of an
    earlier run, however one comes to it: so the output of a run can be the input of another.
    Raises InputError for an argument that leads to no file, UsageError for a kind that is not read.
    """
    if not arguments:
        raise UsageError("no input given; name files, folders or globs, or - for standard input")
    if arguments.count(STDIN) > 1:
        raise UsageError("standard input (-) can be read only once")
    skipped = {os.path.abspath(path) for path in skip}
    paths: dict[str, _Path] = {}
    run_files: set[str] = set()
    for argument in arguments:
        n_files = 0
        for path in _remote_paths(argument) if is_url(argument) else _local_paths(argument, skipped):
            n_files += 1
            if is_run_file(path.path):
                run_files.add(_key(path.path))
            else:
                paths.setdefault(_key(path.path), path)
        if not n_files:
            raise InputError(f"{argument}: there is no file in it")
    if not paths:
        raise InputError(f"{arguments[0]}: there is nothing but what a run says of itself, which is no input")
    names = _names(list(paths.values()))
    sources = [
        _open_source(path.path, name, kind, is_named=path.is_named, stdin=stdin)
        for path, name in zip(paths.values(), names, strict=True)
    ]
    any_folder = any(not path.is_named for path in paths.values())
    is_one = len(sources) == 1 and not any_folder and sources[0].kind in ("text", "html")
    return Found(sources, is_one, len(run_files))


def _key(path: str) -> str:
    """The same for each way to name a file."""
    return path if path == STDIN or is_url(path) else os.path.abspath(path)


def _remote_paths(url: str) -> Iterator[_Path]:
    """The files that a URL stands for."""
    urls, folder = find_urls(url)
    if not urls:
        raise InputError(f"{url}: {'no file matches' if glob.has_magic(url) else 'no such file or folder'}")
    for found in urls:
        if folder is None:
            yield _Path(found, posixpath.dirname(found), True)
            continue
        parts = found.removeprefix(folder).strip("/").split("/")
        if not any(part.startswith(".") for part in parts):
            yield _Path(found, folder, False)


def _local_paths(argument: str, skipped: set[str]) -> Iterator[_Path]:
    """The files that a path or glob stands for."""
    for match in _matches(argument):
        if match != STDIN and os.path.isdir(match):
            yield from _walk(match, skipped)
        else:
            yield _Path(match, os.path.dirname(match), True)


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
    """The files in a folder and below, and in their stead the folders that cannot be looked into."""
    closed: list[str] = []
    for parent, folders, files in os.walk(folder, onerror=lambda error: closed.append(error.filename)):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and os.path.abspath(os.path.join(parent, name)) not in skipped
        )
        for name in sorted(files):
            path = os.path.join(parent, name)
            if name.startswith(".") or os.path.abspath(path) in skipped:
                continue
            yield _Path(path, folder, False)
    yield from (_Path(path, folder, False) for path in closed)


def _names(paths: Sequence[_Path]) -> list[str]:
    """A name for each path that no other has: relative to its input folder, or, where two would then be the same,
    to the folder that all of them share."""
    names = [_name(path) for path in paths]
    if len(set(names)) == len(names):
        return names
    if any(is_url(path.path) for path in paths):
        return [_clean_name(re.sub(r"^[\w+.:-]+://", "", path.path).lstrip("/")) for path in paths]
    absolute = [path.path if path.path == STDIN else os.path.abspath(path.path) for path in paths]
    try:
        shared = os.path.commonpath([os.path.dirname(path) for path in absolute if path != STDIN])
    except ValueError:  # paths on several drives share nothing
        return [_clean_name(path.replace(":", "").lstrip("\\/")) for path in absolute]
    return [path if path == STDIN else _clean_name(os.path.relpath(path, shared)) for path in absolute]


def _name(path: _Path) -> str:
    if is_url(path.path):
        return _clean_name(path.path.removeprefix(path.folder).lstrip("/"))
    return _clean_name(os.path.relpath(path.path, path.folder or "."))


def _clean_name(name: str) -> str:
    name = name.replace(os.sep, "/")
    # A file name that is not UTF-8 comes as surrogates, which JSON cannot carry. Its bytes are spelled out, as U+FFFD
    # would make one name of two.
    return name if name.isascii() else name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _open_source(path: str, name: str, kind: SourceKind | None, *, is_named: bool, stdin: BinaryIO | None) -> Source:
    """The source with its kind told. Where the user named the file, a kind that is not read is wrong usage; in a
    folder it is an account of that file."""
    try:
        status = None if path == STDIN or is_url(path) else os.stat(path)
        if not is_url(path) and (status is None or not stat.S_ISREG(status.st_mode)):
            if status is not None and stat.S_ISDIR(status.st_mode):
                return Source(path, name, None, problem=f"{path}: the folder cannot be looked into")
            if not is_named:
                return Source(path, name, None, problem=f"{path}: not a regular file; name it to have it read")
            return _open_stream(path, name, kind, stdin)
        source = Source(path, name, kind, size_bytes=status.st_size if status else size_of(path))
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
    chunks = read_chunks(file, PIPE_CHUNK_BYTES)
    if kind is None:
        taken: list[bytes | Exception] = []
        head, _ = peek(decompressed(_noted(chunks, taken)), is_enough_to_tell)
        kind = tell_kind(name, head[:HEAD_BYTES])
        chunks = _read_again(taken, chunks)
    return Source(path, name, kind, stream=chunks)


def _noted(chunks: Iterator[bytes], taken: list[bytes | Exception]) -> Iterator[bytes]:
    """The chunks, and ``taken`` holds what came of reading them."""
    try:
        for chunk in chunks:
            taken.append(chunk)
            yield chunk
    except OSError as error:
        taken.append(error)
        raise


def _read_again(taken: list[bytes | Exception], rest: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in taken:
        if isinstance(chunk, Exception):
            raise chunk
        yield chunk
    taken.clear()
    yield from rest


def _reason(path: str, error: Exception) -> str:
    if isinstance(error, CleanerError):
        message = str(error)
        return message if message.startswith(path) else f"{path}: {message}"
    return f"{path}: {getattr(error, 'strerror', None) or error}"
