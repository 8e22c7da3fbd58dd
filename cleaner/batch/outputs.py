"""Where the articles and the rejections of a run go."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from cleaner.batch.render import Form
from cleaner.batch.target import SHARD_NAME, Target
from cleaner.batch.work import Done
from cleaner.errors import OutputError
from cleaner.remote import is_url
from cleaner.types import Rejected
from cleaner.writers.files import (
    LocalFiles,
    OpenFile,
    RemoteFile,
    RemoteFiles,
    WholeFile,
    remove_file,
    whole_file,
)
from cleaner.writers.jsonl import record_line


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
        match = SHARD_NAME.fullmatch(name)
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
