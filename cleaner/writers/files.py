"""A file that appears whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from cleaner.errors import OutputError

COMPRESSED_ENDINGS = (".gz", ".zst", ".xz", ".bz2")


class WholeFile:
    """Written beside its place under a hidden name, and moved there when it is finished.

    The ending of the path says how it is packed. A device or a named pipe is written directly. Raises OutputError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        is_special = path.exists() and not path.is_file()
        self._beside = path if is_special else path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            self._file: BinaryIO = open(self._beside, "wb")  # noqa: SIM115 - closed by finish and discard
        except OSError as error:
            raise _output_error(path, error) from error
        self._packer = _packer(self._file, path.suffix.lower())

    def write(self, content: bytes) -> None:
        try:
            self._packer.write(content)
        except OSError as error:
            raise _output_error(self.path, error) from error

    def finish(self) -> None:
        """Moves the file to its place, over what was there."""
        try:
            if self._packer is not self._file:
                self._packer.close()
            self._file.close()
            if self._beside != self.path:
                os.replace(self._beside, self.path)
        except OSError as error:
            raise _output_error(self.path, error) from error

    def discard(self) -> None:
        """Leaves nothing behind; what was there before stays."""
        with suppress(OSError):  # a full disk fails once more here, and has been told already
            self._file.close()
        if self._beside != self.path:
            self._beside.unlink(missing_ok=True)


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


def _output_error(path: Path, error: OSError) -> OutputError:
    hint = ""
    if isinstance(error, FileNotFoundError):
        hint = f"; the folder {path.parent} does not exist"
    return OutputError(f"{path}: cannot be written: {error.strerror or error}{hint}")
