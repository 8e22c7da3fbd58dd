"""The ledger of a run into a folder: which blocks are finished, so that a run that was killed goes on where it was.

One SQLite file in the run folder. A block is written down when it is finished, with what it brought, in one
transaction. What it brought is let go of when it stands in a file that has come to its place, so the ledger holds the
contents of unfinished files and of nothing else. A later run of the same command writes those down again first.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cleaner.batch.findings import Findings
from cleaner.batch.work import Done, Tally, TextFile
from cleaner.errors import OutputError, UsageError
from cleaner.readers.run_files import LEDGER, RUN_FOLDER
from cleaner.readers.sources import Source
from cleaner.types import Rejected
from cleaner.writers.jsonl import record_line

_FORMAT = 1
_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE inputs (number INTEGER PRIMARY KEY, path TEXT NOT NULL, size_bytes INTEGER, mtime_ns INTEGER);
CREATE TABLE sessions (pid INTEGER NOT NULL, started TEXT NOT NULL, seconds REAL);
CREATE TABLE blocks (
    sequence INTEGER PRIMARY KEY, source INTEGER NOT NULL, number INTEGER NOT NULL, is_last INTEGER NOT NULL,
    part INTEGER, n_bytes INTEGER NOT NULL, tally TEXT NOT NULL, findings BLOB, rejected BLOB, records BLOB,
    UNIQUE (source, number)
);
CREATE TABLE texts (sequence INTEGER NOT NULL, name TEXT NOT NULL, account BLOB);
CREATE INDEX texts_by_block ON texts (sequence);
CREATE TABLE outputs (path TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class Input:
    """An input file as it was when the run began."""

    path: str
    size_bytes: int | None
    mtime_ns: int | None

    @classmethod
    def of(cls, source: Source) -> Input:
        try:
            status = os.stat(source.path)
        except OSError:
            return cls(source.path, source.size_bytes or None, None)
        return cls(source.path, status.st_size, status.st_mtime_ns)


class Ledger:
    """The open ledger of a folder. Raises OutputError where it cannot be written, UsageError for another run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / RUN_FOLDER / LEDGER
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # One process at a time: a second run into the same folder is told, not mixed in.
            self._base = sqlite3.connect(self.path, timeout=1, isolation_level=None)
            for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL"):
                self._base.execute(f"PRAGMA {pragma}")
            with self._transaction():
                self._make()
        except (OSError, sqlite3.Error) as error:
            raise _output_error(self.path, error) from error
        self._last = self._value("SELECT max(sequence) FROM blocks") or 0
        self._shipped = self._last

    def _make(self) -> None:
        version = self._value("PRAGMA user_version")
        if version not in (0, _FORMAT):
            raise OutputError(
                f"{self.path}: of another version of cleaner; remove {self.folder}, or name another folder"
            )
        if not version:
            for statement in filter(None, map(str.strip, _TABLES.split(";"))):
                self._base.execute(statement)
            self._base.execute(f"PRAGMA user_version={_FORMAT}")

    def close(self) -> None:
        self._base.close()

    def _value(self, query: str, *values: Any) -> Any:
        row = self._base.execute(query, values).fetchone()
        return row[0] if row else None

    # What the run is

    def begin(self, facts: Mapping[str, Any], inputs: Sequence[Input], started: str) -> None:
        """Writes down what a new run is, or makes sure that this is the run that was begun. Raises UsageError."""
        if self._value("SELECT count(*) FROM facts"):
            self._compare(facts, inputs)
        with self._transaction():
            self._base.executemany(
                "INSERT OR IGNORE INTO facts VALUES (?, ?)",
                [(name, json.dumps(value, sort_keys=True)) for name, value in facts.items()],
            )
            rows = ((number, *_row(entry)) for number, entry in enumerate(inputs))
            self._base.executemany("INSERT OR IGNORE INTO inputs VALUES (?, ?, ?, ?)", rows)
            self._base.execute("INSERT INTO sessions VALUES (?, ?, NULL)", (os.getpid(), started))

    def _compare(self, facts: Mapping[str, Any], inputs: Sequence[Input]) -> None:
        rows = self._base.execute("SELECT name, value FROM facts WHERE name NOT LIKE '\\_%' ESCAPE '\\'")
        before = {name: json.loads(value) for name, value in rows}
        now = json.loads(json.dumps(dict(facts)))
        changes = [
            f"{name} was {_shown(before.get(name))} and is {_shown(now.get(name))}"
            for name in sorted({*before, *now})
            if before.get(name) != now.get(name)
        ]
        changes = changes or list(self._changed_inputs(inputs))
        if changes:
            others = f", and {len(changes) - 3:,} more" if len(changes) > 3 else ""
            raise UsageError(
                f"{self.folder} holds a run that cannot be continued with other settings or inputs: "
                f"{'; '.join(changes[:3])}{others}. Name another folder, or --restart to do it all again"
            )

    def _changed_inputs(self, inputs: Sequence[Input]) -> Iterator[str]:
        rows = self._base.execute("SELECT path, size_bytes, mtime_ns FROM inputs ORDER BY number").fetchall()
        before = {_spelled(row[0]): tuple(row) for row in rows}
        now = {_spelled(entry.path): _row(entry) for entry in inputs}
        for path, row in now.items():
            if path not in before:
                yield f"{path} is new among the inputs"
            elif before[path] != row:
                yield f"{path} has changed ({_told(before[path])}, now {_told(row)})"
        yield from (f"{path} is no longer among the inputs" for path in before if path not in now)
        if not before.keys() ^ now.keys() and list(before) != list(now):
            yield "the inputs come in another order"

    # What is finished

    @property
    def is_finished(self) -> bool:
        return self._value("SELECT value FROM facts WHERE name = '_finished'") is not None

    def finished_blocks(self) -> set[tuple[int, int]]:
        """Keys of the blocks that are finished, but for those of sources that are finished as a whole."""
        whole = self.finished_sources()
        rows = self._base.execute("SELECT source, number FROM blocks")
        return {(source, number) for source, number in rows if source not in whole}

    def finished_sources(self) -> set[int]:
        """Sources of which all blocks are finished."""
        query = "SELECT source FROM blocks GROUP BY source HAVING max(is_last) AND count(*) = max(number) + 1"
        return {source for (source,) in self._base.execute(query)}

    def add(self, key: tuple[int, int], is_last: bool, done: Done, n_open: int, outputs: Sequence[Path]) -> None:
        """Writes down a block that has gone to the output.

        n_open: how many blocks up to this one have records in files that are not at their place yet. outputs: the
        files that came to theirs.
        """
        rejected = b"".join(record_line(rejection.to_record()) for rejection in done.rejected)
        with self._transaction():
            self._last += 1
            self._base.execute(
                "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(self._last, *key, is_last, done.part, done.n_bytes, json.dumps(done.tally.to_json())),
                    *(_packed(json.dumps(done.findings.to_json()).encode()), _packed(rejected)),
                    _packed(done.records) if n_open else None,
                ),
            )
            self._base.executemany(
                "INSERT INTO texts VALUES (?, ?, ?)",
                [(self._last, text.name, _packed(text.account)) for text in done.texts],
            )
            self._ship(n_open, outputs)

    def ship(self, n_open: int, outputs: Sequence[Path]) -> None:
        """Writes down which files came to their place when the finished blocks were replayed."""
        with self._transaction():
            self._ship(n_open, outputs)

    def _ship(self, n_open: int, outputs: Sequence[Path]) -> None:
        for path in outputs:
            _bring_to_disk(path)
        self._add_outputs(outputs)
        shipped = self._last - n_open
        if shipped > self._shipped:
            self._base.execute(
                "UPDATE blocks SET records = NULL WHERE sequence > ? AND sequence <= ?", (self._shipped, shipped)
            )
            self._shipped = shipped

    def _add_outputs(self, outputs: Sequence[Path]) -> None:
        self._base.executemany(
            "INSERT OR REPLACE INTO outputs VALUES (?, ?)",
            [(path.relative_to(self.folder).as_posix(), path.stat().st_size) for path in outputs],
        )

    def replay(self) -> Iterator[Done]:
        """What the finished blocks brought, in the order they came: of files that are at their place the counts and
        accounts alone, all the rest whole."""
        self._shipped = 0
        query = "SELECT sequence, part, n_bytes, tally, findings, rejected, records FROM blocks ORDER BY sequence"
        for sequence, part, n_bytes, tally, findings, rejected, records in self._base.execute(query):
            if records is None:
                self._shipped = sequence
            done = Done(None if records is None else part, _unpacked(records), n_bytes=n_bytes)
            done.tally = Tally.from_json(json.loads(tally))
            done.findings = Findings.from_json(json.loads(_unpacked(findings)))
            done.rejected = [_rejection(json.loads(line)) for line in _unpacked(rejected).splitlines()]
            rows = self._base.execute("SELECT name, account FROM texts WHERE sequence = ? ORDER BY rowid", (sequence,))
            done.texts = [TextFile(name, None, _unpacked(account)) for name, account in rows]
            yield done

    @property
    def n_shards(self) -> int:
        """How many shards came to their place."""
        return int(self._value("SELECT count(*) FROM outputs WHERE path LIKE 'part-%'"))

    def missing_outputs(self) -> list[str]:
        """Files of the run that are no longer there, or of another size."""
        rows = self._base.execute("SELECT path, size_bytes FROM outputs ORDER BY path")
        return [path for path, size in rows if not _has_size(self.folder / path, size)]

    def end_session(self, seconds: float) -> None:
        self._base.execute(
            "UPDATE sessions SET seconds = ? WHERE rowid = (SELECT max(rowid) FROM sessions)", (seconds,)
        )

    def sessions(self) -> list[tuple[str, float | None]]:
        """When the run was begun and continued, and how long each time lasted; None where it was killed."""
        return list(self._base.execute("SELECT started, seconds FROM sessions ORDER BY rowid"))

    def finish(self, outputs: Sequence[Path], report: Mapping[str, Any]) -> None:
        """Writes down that the run is finished, and lets go of all that only a continuation would need."""
        with self._transaction():
            self._base.execute("INSERT OR REPLACE INTO facts VALUES ('_finished', ?)", (json.dumps(report),))
            self._base.execute("UPDATE blocks SET findings = NULL, rejected = NULL, records = NULL")
            self._base.execute("UPDATE texts SET account = NULL")
            self._add_outputs(outputs)
        self._base.execute("VACUUM")

    @property
    def report(self) -> dict[str, Any]:
        """The report of the finished run."""
        value: dict[str, Any] = json.loads(self._value("SELECT value FROM facts WHERE name = '_finished'"))
        return value

    # What is left behind

    def sweep(self) -> None:
        """Removes files that killed sessions left unfinished."""
        for (pid,) in self._base.execute("SELECT DISTINCT pid FROM sessions WHERE seconds IS NULL").fetchall():
            for path in self.folder.rglob(f".*.{pid}.tmp"):
                path.unlink(missing_ok=True)

    def forget(self, text_ending: str) -> None:
        """Removes every file that the run has written, so that another can begin."""
        names = [path for (path,) in self._base.execute("SELECT path FROM outputs")]
        names += [f"{name}{text_ending}" for (name,) in self._base.execute("SELECT name FROM texts")]
        for name in names:
            with suppress(OSError):
                (self.folder / name).unlink()
        with self._transaction():
            for table in ("facts", "inputs", "sessions", "blocks", "texts", "outputs"):
                self._base.execute(f"DELETE FROM {table}")
        self._last = self._shipped = 0

    def _transaction(self) -> _Transaction:
        return _Transaction(self._base, self.path)


class _Transaction:
    def __init__(self, base: sqlite3.Connection, path: Path) -> None:
        self._base, self._path = base, path

    def __enter__(self) -> None:
        self._base.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        try:
            self._base.execute("COMMIT" if kind is None else "ROLLBACK")
        except sqlite3.Error as failure:
            raise _output_error(self._path, failure) from failure
        if isinstance(error, sqlite3.Error):
            raise _output_error(self._path, error) from error


def _output_error(path: Path, error: Exception) -> OutputError:
    if "locked" in str(error):
        return OutputError(f"{path.parent.parent}: another run is writing there at this moment")
    told = error.strerror if isinstance(error, OSError) else error
    return OutputError(f"{path}: the ledger of the run cannot be written: {told or error}")


def _row(entry: Input) -> tuple[str, int | None, int | None]:
    return _spelled(entry.path), entry.size_bytes, entry.mtime_ns


def _spelled(path: str) -> str:
    # A file name that is not UTF-8 comes as surrogates, which SQLite cannot hold.
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _told(row: tuple[Any, ...]) -> str:
    from datetime import UTC, datetime

    _, size, mtime_ns = row
    if mtime_ns is None:
        return f"{size or 0:,} bytes"
    return f"{size:,} bytes of {datetime.fromtimestamp(mtime_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _shown(value: Any) -> str:
    text = "absent" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _rejection(entry: Mapping[str, Any]) -> Rejected:
    return Rejected(entry["id"], entry["reason"], entry["message"], entry["source"], entry["position"])


def _packed(content: bytes | None) -> bytes | None:
    if content is None:
        return None
    import zstandard

    return zstandard.ZstdCompressor(level=1).compress(content)


def _unpacked(content: bytes | None) -> bytes:
    if content is None:
        return b""
    import zstandard

    return zstandard.ZstdDecompressor().decompress(content)


def _bring_to_disk(path: Path) -> None:
    """Before the ledger lets go of what a file holds, the file must survive a loss of power."""
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


def _has_size(path: Path, size_bytes: int) -> bool:
    try:
        return path.stat().st_size == size_bytes
    except OSError:
        return False
