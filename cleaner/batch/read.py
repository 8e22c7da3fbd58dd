"""A task -> the documents in it: what a worker does before it cleans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cleaner.batch.tasks import Failed, Files, Task, read_body
from cleaner.errors import DocumentError, InputError
from cleaner.extract.decode import decode
from cleaner.readers import jsonl
from cleaner.readers.sources import Source
from cleaner.record import page_from_record
from cleaner.types import Page, Rejected, Skipped


@dataclass(frozen=True)
class Columns:
    """Names of the fields of a record in that hold what the cleaner reads."""

    text: str = "text"
    html: str = "html"
    title: str = "title"
    id: str = "id"


@dataclass(frozen=True)
class ReadOptions:
    """How documents are read. keep_input: the record out carries the document as it came in.
    max_bytes: a document of more is too large."""

    columns: Columns = Columns()
    keep_input: bool = False
    max_bytes: int = 400_000_000


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


def read_task(task: Task, options: ReadOptions) -> Iterator[Document]:
    """The documents of a task, in order; what cannot be read among them comes as Rejected, never as an exception."""
    content = task.content
    if isinstance(content, Failed):
        return iter([Document(content.rejected)])
    if isinstance(content, Files):
        return _read_files(content, options)
    return _read_lines(task, content, options)


def _read_lines(task: Task, block: jsonl.Block, options: ReadOptions) -> Iterator[Document]:
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


def _page_of_record(task: Task, position: int, fields: Mapping[str, Any], options: ReadOptions) -> Page | Rejected:
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


def _decoded(body: bytes, is_html: bool) -> str:
    try:
        return decode(body, is_html=is_html)[0]
    except DocumentError:
        return body.decode("utf-8", "replace")


def _read_files(files: Files, options: ReadOptions) -> Iterator[Document]:
    for source, body in zip(files.sources, files.bodies, strict=True):
        yield Document(_read_file(source, body, options), source.name)


def _read_file(source: Source, body: bytes | None, options: ReadOptions) -> Page | Rejected:
    page_id = f"{source.name}#0"
    try:
        body = read_body(source, options.max_bytes) if body is None else body
    except InputError as error:
        return Rejected(page_id, "unreadable", str(error), source.path, 0)
    except DocumentError as error:
        return Rejected(page_id, error.reason, str(error), source.path, 0)
    kind = "html" if source.kind == "html" else "text"
    extra = {kind: _decoded(body, kind == "html")} if options.keep_input else {}
    return Page(body, "html" if kind == "html" else "text", id=page_id, source=source.path, position=0, extra=extra)
