"""A task -> the documents in it: what a worker does before it cleans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cleaner.batch.tasks import Failed, Files, Reading, Task, read_body
from cleaner.errors import DocumentError, InputError
from cleaner.extract.decode import decode
from cleaner.readers import jsonl
from cleaner.readers.csv import CsvBlock
from cleaner.readers.packs import PackBlock
from cleaner.readers.parquet import ParquetBlock, column_values
from cleaner.readers.sources import Source
from cleaner.readers.warc import WarcBlock
from cleaner.readers.warc_pages import Place, page_from_warc
from cleaner.record import Columns, page_from_record
from cleaner.types import Kind, Page, Rejected, Skipped


@dataclass(frozen=True)
class Document:
    """One document of a task.

    name: what a text of its own is called, relative to the output folder; None for a record.
    is_exact: whether its record holds values that only exact JSON carries.
    n_surrogates: lone surrogates of its record that became U+FFFD.
    """

    page: Page | Rejected | Skipped
    name: str | None = None
    is_exact: bool = False
    n_surrogates: int = 0


def read_task(task: Task, options: Reading) -> Iterator[Document]:
    """The documents of a task, in order; what cannot be read among them comes as Rejected, never as an exception."""
    content = task.content
    if isinstance(content, Failed):
        return iter([Document(content.rejected)])
    if isinstance(content, Files):
        return _read_files(content, options)
    if isinstance(content, jsonl.Block):
        return _read_lines(task, content, options)
    if isinstance(content, CsvBlock):
        return _read_rows(task, content, options)
    if isinstance(content, ParquetBlock):
        return _read_table(task, content, options)
    if isinstance(content, PackBlock):
        return _read_members(task, content, options)
    return _read_warc(task, content, options)


def _read_lines(task: Task, block: jsonl.Block, options: Reading) -> Iterator[Document]:
    columns = options.columns
    for position, line_number, line in block.records():
        if line is None:
            yield _rejected(task, position, "too_large", f"line {line_number} is too long")
            continue
        try:
            record = jsonl.parse_record(line, (columns.text, columns.html))
        except DocumentError as error:
            yield _rejected(task, position, error.reason, f"line {line_number}: {error}")
            continue
        page = _page_of_record(task, position, record.fields, options)
        yield Document(page, None, record.is_exact, record.n_surrogates)


def _rejected(task: Task, position: int, reason: str, message: str) -> Document:
    return Document(Rejected(f"{task.name}#{position}", reason, message, task.path, position))


def _page_of_record(task: Task, position: int, fields: Mapping[str, Any], options: Reading) -> Page | Rejected:
    columns = options.columns
    page = page_from_record(
        fields,
        text_column=columns.text,
        html_column=columns.html,
        title_column=columns.title,
        id_column=columns.id,
        source=task.path,
        position=position,
    )
    if page.id is None:
        page = replace(page, id=f"{task.name}#{position}")
    if options.keep_input and isinstance(page, Page):
        page = replace(page, extra={**page.extra, **_given(fields, columns)})
    return page


def _given(fields: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    given = {name: fields[name] for name in (columns.text, columns.html) if name in fields}
    return {
        name: _decoded(value, name == columns.html) if isinstance(value, bytes) else value
        for name, value in given.items()
    }


def _decoded(body: bytes, is_html: bool, declared: str | None = None) -> str:
    try:
        return decode(body, declared, is_html=is_html)[0]
    except DocumentError:
        return body.decode("utf-8", "replace")


def _read_files(files: Files, options: Reading) -> Iterator[Document]:
    garbage: list[Rejected] = []
    for source, body in zip(files.sources, files.bodies, strict=True):
        told: list[str] = []
        yield Document(_read_file(source, body, options, told), source.name)
        garbage += [Rejected(f"{source.name}#1", "unreadable", message, source.path, 1) for message in told]
    # Behind the files, as their number is that of their documents.
    yield from map(Document, garbage)


def _read_file(source: Source, body: bytes | None, options: Reading, told: list[str]) -> Page | Rejected:
    page_id = f"{source.name}#0"
    try:
        body = read_body(source, options.max_bytes, told) if body is None else body
    except InputError as error:
        return Rejected(page_id, "unreadable", str(error), source.path, 0)
    except DocumentError as error:
        return Rejected(page_id, error.reason, str(error), source.path, 0)
    return _page_of_body(source.path, page_id, 0, "html" if source.kind == "html" else "text", body, options)


def _page_of_body(source: str, page_id: str, position: int, kind: Kind, body: bytes, options: Reading) -> Page:
    """A document that is a file."""
    extra: dict[str, Any] = {kind: _decoded(body, kind == "html")} if options.keep_input else {}
    return Page(body, kind, id=page_id, source=source, position=position, extra=extra)


def _read_members(task: Task, block: PackBlock, options: Reading) -> Iterator[Document]:
    for position, member in enumerate(block.members, block.first_record):
        name = f"{task.name}/{member.name}"
        if member.skip is not None:
            yield Document(Skipped(member.skip, task.path, position))
            continue
        if member.problem is not None:
            yield Document(Rejected(f"{name}#0", *member.problem, task.path, position))
            continue
        kind: Kind = "html" if member.kind == "html" else "text"
        yield Document(_page_of_body(task.path, f"{name}#0", position, kind, member.body, options), name)


def _read_warc(task: Task, block: WarcBlock, options: Reading) -> Iterator[Document]:
    place = Place(task.path, task.name)
    for record in block.records:
        page = page_from_warc(record, block.kind, place, options.max_bytes)
        if options.keep_input and isinstance(page, Page) and isinstance(page.body, bytes):
            given = _decoded(page.body, page.kind == "html", page.encoding)
            page = replace(page, extra={**page.extra, page.kind: given})
        yield Document(page)


def _read_rows(task: Task, block: CsvBlock, options: Reading) -> Iterator[Document]:
    columns = options.columns
    for position, row in enumerate(block.rows, block.first_record):
        if row.problem is not None:
            yield _rejected(task, position, *row.problem)
            continue
        record = jsonl.mend_record(dict(zip(block.names, row.cells, strict=True)), (columns.text, columns.html))
        # An empty cell is the only way to say that there is none.
        for name in (columns.id, columns.title):
            if record.fields.get(name) == "":
                record.fields[name] = None
        yield Document(_page_of_record(task, position, record.fields, options), None, False, record.n_surrogates)


def _read_table(task: Task, block: ParquetBlock, options: Reading) -> Iterator[Document]:
    if block.problem is not None:
        for position in range(block.first_record, block.first_record + block.n_records):
            yield _rejected(task, position, "unreadable", block.problem)
        return
    table = block.table()
    columns = options.columns
    if options.as_table:
        read = (columns.text, columns.html, columns.title, columns.id, "url")
        table = table.select([name for name in table.column_names if name in read])
    names = table.column_names
    values = [
        column.to_pylist() if options.as_table or name in (columns.text, columns.html) else column_values(column)
        for name, column in zip(names, table.columns, strict=True)
    ]
    for position, row in enumerate(zip(*values, strict=True), block.first_record):
        page = _page_of_record(task, position, dict(zip(names, row, strict=True)), options)
        yield Document(replace(page, extra={}) if options.as_table and isinstance(page, Page) else page)
