"""What the articles of a task become: lines of JSON, rows of a table, records of an archive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from cleaner.batch.read import Document
from cleaner.batch.tasks import Reading, Task
from cleaner.ipc import pack_rows
from cleaner.options import CleanOptions
from cleaner.readers.parquet import ParquetBlock
from cleaner.record import article_record
from cleaner.types import Article, Rejected
from cleaner.writers.jsonl import record_line
from cleaner.writers.wet import wet_record

if TYPE_CHECKING:
    from cleaner.batch.tables import Layout

RecordKind = Literal["jsonl", "parquet", "wet"]


@dataclass(frozen=True)
class Form:
    """What records become. packing: of each record of an archive, such as ``.gz``; files of the other kinds are packed
    as a whole. layout: of a table."""

    kind: RecordKind = "jsonl"
    packing: str = ""
    layout: Layout | None = None


class Rendering(Protocol):
    """Takes the articles of a task in their order. failures: documents, by the number with which they were added, of
    which it turned out only with the content that they cannot be written."""

    failures: dict[int, Rejected]

    def add(self, number: int, document: Document, article: Article) -> None: ...
    def content(self) -> bytes:
        """What goes to the output for all of them."""


def new_rendering(form: Form, options: CleanOptions, task: Task, reading: Reading) -> Rendering:
    if form.kind == "parquet":
        assert form.layout is not None
        return _Rows(form.layout, options, task, reading)
    return _Records(form, options)


@dataclass
class _Records:
    """Records one after the other."""

    form: Form
    options: CleanOptions
    parts: list[bytes] = field(default_factory=list)
    failures: dict[int, Rejected] = field(default_factory=dict)

    def add(self, number: int, document: Document, article: Article) -> None:
        if self.form.kind == "wet":
            self.parts.append(wet_record(article, self.form.packing))
        else:
            self.parts.append(record_line(article_record(article, self.options), document.is_exact))

    def content(self) -> bytes:
        return b"".join(self.parts)


class _Place(NamedTuple):
    """Which document a row is of: its number in the task, its input and its place there."""

    number: int
    source: str | None
    position: int | None


@dataclass
class _Rows:
    """Rows of a table, in Arrow's stream format. Columns that pass through are taken from the input's own table."""

    layout: Layout
    options: CleanOptions
    task: Task
    reading: Reading
    places: list[_Place] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[int, Rejected] = field(default_factory=dict)

    def add(self, number: int, document: Document, article: Article) -> None:
        self.places.append(_Place(number, document.page.source, document.page.position))
        self.records.append(article_record(article, self.options, in_rows=True))

    def content(self) -> bytes:
        try:
            table = self._pack(range(len(self.records)))
        except Exception:
            table = self._pack([at for at in range(len(self.records)) if self._can_be_packed(at)])
        return pack_rows(table) if table.num_rows else b""

    def _can_be_packed(self, at: int) -> bool:
        try:
            self._pack([at])
        except Exception as error:
            number, source, position = self.places[at]
            message = f"the record cannot be written: {type(error).__name__}: {error}"
            self.failures[number] = Rejected(self.records[at]["id"], "internal", message, source, position)
            return False
        return True

    def _pack(self, rows: Any) -> Any:
        from cleaner.batch.tables import passed_rows

        given = None
        if isinstance(self.task.content, ParquetBlock):
            first = self.task.content.first_record
            places = [(self.places[at].position or 0) - first for at in rows]
            given = passed_rows(self.task.content.table(), self.reading, places)
        return self.layout.pack([self.records[at] for at in rows], given)
