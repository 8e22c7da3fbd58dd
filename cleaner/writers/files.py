"""A file that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from cleaner.errors import InputError, OutputError
from cleaner.remote import file_system_of, is_url

# Of one name on all file systems in use, and of a path, which Linux limits to 4,096 with that of the folder itself.
_NAME_BYTES = 255
_PATH_BYTES = 3072
COMPRESSED_ENDINGS = (".gz", ".zst", ".xz", ".bz2")


def is_too_long(name: str) -> bool:
    """Whether no file can have that name, relative to an output folder."""
    path = name.encode("utf-8", "replace")
    return len(path) > _PATH_BYTES or max(map(len, path.split(b"/"))) > _NAME_BYTES


class OpenFile(Protocol):
    """A file that is there when it is finished."""

    @property
    def path(self) -> Path | str: ...
    def write(self, content: bytes) -> None: ...
    def finish(self) -> None: ...
    def discard(self) -> None: ...


class _PackedFile:
    """What a file of this machine and one behind a URL have in common."""

    path: Path | str
    _packer: Any

    def write(self, content: bytes) -> None:
        try:
            self._packer.write(content)
        except OSError as error:
            raise output_error(self.path, error) from error


class WholeFile(_PackedFile):
    """Written beside its place under a hidden name, and moved there when it is finished.

    The ending of the path says how it is packed, unless is_packed: then what is written is packed already. A device or
    a named pipe is written directly. Raises OutputError.
    """

    def __init__(self, path: Path, is_packed: bool = False) -> None:
        self.path = path
        is_special = path.exists() and not path.is_file()
        # Of a long name the end is enough, as it leaves room for the rest.
        self._beside = path if is_special else path.with_name(f".{path.name[-40:]}.{os.getpid()}.tmp")
        try:
            self._file: BinaryIO = open(self._beside, "wb")  # noqa: SIM115 - closed by finish and discard
        except OSError as error:
            raise output_error(path, error) from error
        try:
            self._packer = self._file if is_packed else _packer(self._file, path.suffix.lower())
        except OSError as error:  # some begin with writing
            self.discard()
            raise output_error(path, error) from error

    def finish(self) -> None:
        """Moves the file to its place, over what was there."""
        try:
            if self._packer is not self._file:
                self._packer.close()
            self._file.close()
            if self._beside != self.path:
                os.replace(self._beside, self.path)
        except OSError as error:
            raise output_error(self.path, error) from error

    def discard(self) -> None:
        """Leaves nothing behind; what was there before stays."""
        with suppress(OSError):  # a full disk fails once more here, and has been told already
            self._file.close()
        if self._beside != self.path:
            self._beside.unlink(missing_ok=True)


class RemoteFile(_PackedFile):
    """A file behind a URL: written here, and taken there when it is finished. Raises OutputError."""

    def __init__(self, url: str, is_packed: bool = False) -> None:
        self.path = url
        try:
            self._file: Any = tempfile.TemporaryFile()  # noqa: SIM115 - closed by finish and discard
        except OSError as error:
            raise output_error(url, error) from error
        self._packer = self._file if is_packed else _packer(self._file, Path(url).suffix.lower())

    def finish(self) -> None:
        try:
            if self._packer is not self._file:
                self._packer.close()
            self._file.seek(0)
            upload(self._file, str(self.path))
        except OSError as error:
            raise output_error(self.path, error) from error
        finally:
            self._file.close()

    def discard(self) -> None:
        self._file.close()


def whole_file(path: str, is_packed: bool = False) -> WholeFile | RemoteFile:
    """A file at a path or behind a URL; see `WholeFile`."""
    return RemoteFile(path, is_packed) if is_url(path) else WholeFile(Path(path), is_packed)


def remove_file(path: str) -> None:
    """Removes what an earlier run left at a path or behind a URL."""
    if is_url(path):
        file_system, inner = store_of(path)
        with suppress(FileNotFoundError):
            file_system.rm_file(inner)
    else:
        Path(path).unlink(missing_ok=True)


class LocalFiles:
    """The files of an output folder, by their names in it. Raises OutputError."""

    def __init__(self, folder: Path) -> None:
        self.shown = str(folder)
        self._folder = folder

    def prepare(self) -> list[str]:
        """Makes the folder, which is incomplete from now on, and tells what is in it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "_SUCCESS").unlink(missing_ok=True)
            return sorted(entry.name for entry in self._folder.iterdir())
        except OSError as error:
            message = f"{self._folder}: no folder can be written there: {error.strerror or error}"
            raise OutputError(message) from error

    def open(self, name: str, is_packed: bool = False) -> WholeFile:
        path = self._folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path.parent}: no folder can be made there: {error.strerror or error}") from error
        return WholeFile(path, is_packed)

    def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)


class RemoteFiles:
    """The same behind a URL, where a folder needs not be made."""

    def __init__(self, url: str) -> None:
        self.shown = url
        self._url = url.rstrip("/")

    def prepare(self) -> list[str]:
        file_system, path = store_of(self._url)
        try:
            names = [name.rpartition("/")[2] for name in file_system.ls(path, detail=False)]
        except FileNotFoundError:
            return []
        except Exception as error:
            raise OutputError(f"{self._url}: cannot be looked into: {error}") from error
        if "_SUCCESS" in names:
            self.remove("_SUCCESS")
        return sorted(names)

    def open(self, name: str, is_packed: bool = False) -> RemoteFile:
        return RemoteFile(f"{self._url}/{name}", is_packed)

    def remove(self, name: str) -> None:
        remove_file(f"{self._url}/{name}")


def upload(file: BinaryIO, url: str) -> None:
    """Copies a file to a URL, where it appears when all of it is there. Raises OSError, OutputError."""
    file_system, path = store_of(url)
    try:
        file_system.makedirs(path.rpartition("/")[0], exist_ok=True)
        with file_system.open(path, "wb") as there:
            shutil.copyfileobj(file, there, 1 << 20)
    except OSError:
        raise
    except Exception as error:  # stores have errors of their own
        raise OutputError(f"{url}: cannot be written: {type(error).__name__}: {error}") from error


def store_of(url: str) -> tuple[Any, str]:
    """The store that a URL leads to, and the path in it. Raises MissingExtraError, OutputError."""
    try:
        return file_system_of(url)
    except InputError as error:
        raise OutputError(str(error)) from error


def _packer(file: BinaryIO, ending: str) -> Any:
    if ending == ".gz":
        import gzip

        # Without name and time, so that the same articles give the same bytes.
        return gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)
    if ending == ".zst":
        import zstandard

        return zstandard.ZstdCompressor().stream_writer(file, closefd=False)
    if ending == ".xz":
        import lzma

        return lzma.LZMAFile(file, "wb")
    if ending == ".bz2":
        import bz2

        return bz2.BZ2File(file, "wb")
    return file


def output_error(path: Path | str, error: OSError) -> OutputError:
    """What to say of a file that cannot be written."""
    hint = ""
    if isinstance(error, FileNotFoundError) and isinstance(path, Path):
        hint = f"; the folder {path.parent} does not exist"
    return OutputError(f"{path}: cannot be written: {error.strerror or error}{hint}")
