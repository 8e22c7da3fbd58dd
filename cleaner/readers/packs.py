"""Folders in one file (tar, zip): their texts and pages, read one by one and never unpacked to disk."""

from __future__ import annotations

import io
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Self

from cleaner.errors import DocumentError, InputError, UsageError
from cleaner.readers.kinds import HEAD_BYTES, SINGLE_KINDS, SourceKind, tell_kind
from cleaner.readers.run_files import is_run_file
from cleaner.readers.streams import decompressed, in_blocks, join_chunks

BLOCK_BYTES = 4 << 20
BLOCK_MEMBERS = 64
_READ_BYTES = 1 << 20
# A password, a packing that is not known, a wrong checksum, and what zipfile itself does not catch in damaged heads.
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError),
    *(zlib.error, lzma.LZMAError, ValueError, struct.error, IndexError),
)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a pack. name: its path in there. problem: reason and message of why it cannot be read. skip: why it
    is no document."""

    name: str
    kind: SourceKind
    body: bytes
    problem: tuple[str, str] | None = None
    skip: str | None = None


@dataclass(frozen=True)
class PackBlock:
    """Members of one pack in a row. first_record: number of the first, from 0, folders and the like not counted."""

    members: list[Member]
    first_record: int

    @property
    def n_records(self) -> int:
        return len(self.members)


def cut_tar(chunks: Iterable[bytes], kind: SourceKind | None, max_bytes: int) -> Iterator[PackBlock]:
    """Blocks of the members of a tar archive, read as a stream. Raises InputError where it breaks off."""
    return _cut_blocks(_tar_members(chunks, kind, max_bytes))


def cut_zip(file: BinaryIO, kind: SourceKind | None, max_bytes: int) -> Iterator[PackBlock]:
    """Blocks of the members of a zip archive. Raises InputError for one without a readable directory."""
    return _cut_blocks(_zip_members(file, kind, max_bytes))


def _cut_blocks(members: Iterator[Member]) -> Iterator[PackBlock]:
    names: set[str] = set()
    renamed = (_renamed(member, names) for member in members)
    for block, n_before in in_blocks(renamed, lambda member: len(member.body), BLOCK_BYTES, BLOCK_MEMBERS):
        yield PackBlock(block, n_before)


def _renamed(member: Member, names: set[str]) -> Member:
    """The member under a name that none before it had: archives that were added to hold a file twice."""
    name, number = member.name, 1
    while name in names:
        number += 1
        name = f"{member.name}~{number}"
    names.add(name)
    return member if name == member.name else replace(member, name=name)


def _tar_members(chunks: Iterable[bytes], kind: SourceKind | None, max_bytes: int) -> Iterator[Member]:
    try:
        with tarfile.open(fileobj=_ChunkFile(chunks), mode="r|", bufsize=_READ_BYTES, tarinfo=_TarInfo) as tar:
            for info in tar:
                tar.members = []  # type: ignore[attr-defined]  # a stream keeps them all otherwise
                if info.isdir() or _is_hidden(info.name):
                    continue
                if not info.isreg():
                    yield Member(_clean(info.name), "text", b"", ("unreadable", "a link or a device, and no file"))
                    continue
                file = tar.extractfile(info)
                assert file is not None
                yield _member(info.name, file, kind, max_bytes)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"damaged tar archive: {error}") from error


def _zip_members(file: BinaryIO, kind: SourceKind | None, max_bytes: int) -> Iterator[Member]:
    try:
        pack = zipfile.ZipFile(file)
    except _ZIP_ERRORS as error:
        raise InputError(f"damaged zip archive: {error}") from error
    with pack:
        for info in pack.infolist():
            if info.is_dir() or _is_hidden(info.filename):
                continue
            try:
                with pack.open(info) as member:
                    yield _member(info.filename, member, kind, max_bytes)
            except _ZIP_ERRORS as error:
                yield Member(_clean(info.filename), "text", b"", ("unreadable", str(error)))


def _member(name: str, file: object, kind: SourceKind | None, max_bytes: int) -> Member:
    read: Callable[[int], bytes] = file.read  # type: ignore[attr-defined]
    shown = _clean(name)
    if is_run_file(name):
        return Member(shown, "text", b"", skip="run_file")
    if _leads_out(name):
        return Member(shown, "text", b"", ("unreadable", "its path leads out of the archive"))
    try:
        body = join_chunks(decompressed(iter(lambda: read(_READ_BYTES), b"")), max_bytes)
        told = kind or tell_kind(name, body[:HEAD_BYTES])
        if told not in SINGLE_KINDS:
            raise InputError(f"kind {told!r} is not read inside an archive; unpack it")
    except (InputError, UsageError) as error:
        return Member(shown, "text", b"", ("unreadable", str(error)))
    except DocumentError as error:
        return Member(shown, "text", b"", (error.reason, str(error)))
    return Member(shown, told, body)


def _is_hidden(name: str) -> bool:
    """As in folders; the Mac puts a shadow of each file beside it."""
    parts = name.replace("\\", "/").split("/")
    return "__MACOSX" in parts or any(part.startswith(".") and part not in (".", "..") for part in parts)


def _leads_out(name: str) -> bool:
    path = name.replace("\\", "/")
    return path.startswith("/") or bool(re.match(r"[A-Za-z]:", path)) or ".." in path.split("/") or "\0" in path


def _clean(name: str) -> str:
    name = name.replace("\\", "/").removeprefix("./")
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class _TarInfo(tarfile.TarInfo):
    """A head of which it is told when it is damaged: tarfile takes that for the end, wherever it is."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except (tarfile.TruncatedHeaderError, tarfile.InvalidHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from error


class _ChunkFile(io.RawIOBase):
    """Chunks as a file that can be read from once."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts = [self._rest]
        n_bytes = len(self._rest)
        while size < 0 or n_bytes < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            parts.append(chunk)
            n_bytes += len(chunk)
        content = b"".join(parts)
        cut = len(content) if size < 0 else size
        self._rest = content[cut:]
        return content[:cut]
