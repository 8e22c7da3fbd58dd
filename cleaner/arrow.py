"""Arrow tables in, Arrow tables out: the one function that batches and every engine call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cleaner.errors import UsageError
from cleaner.ipc import require_pyarrow
from cleaner.options import CleanOptions
from cleaner.record import Columns, article_record, page_from_record, passed_names
from cleaner.types import RECORD_FIELDS, Outcome, Page, Rejected

if TYPE_CHECKING:
    import pyarrow as pa

ERROR_FIELDS = ("error_reason", "error_message")
"""Columns beside those of the record out: why a row could not be cleaned; null for all others."""

# Rows that are Python objects at one time.
_ROWS = 1024


class Cleaning(Protocol):
    """What this needs of a `cleaner.pipeline.Cleaner`."""

    @property
    def options(self) -> CleanOptions: ...

    def clean_many(self, documents: Iterable[Page | Rejected], /) -> Iterator[Outcome]: ...


@dataclass(frozen=True)
class TableColumns(Columns):
    """Names of the columns that are read, and whether the documents themselves come out again."""

    keep_input: bool = False

    def passed(self, names: list[str], ours: tuple[str, ...] = (*RECORD_FIELDS, *ERROR_FIELDS)) -> dict[str, str]:
        """The input's columns that come out as they are, each with the name it comes out with, in their order."""
        hidden = {"url", self.id} if self.id == "id" else {"url"}
        if not self.keep_input:
            hidden |= {self.text, self.html}
        return passed_names((name for name in names if name not in hidden), ours)


def clean_table(
    cleaner: Cleaning,
    table: pa.Table,
    *,
    text_column: str = "text",
    html_column: str = "html",
    title_column: str = "title",
    id_column: str = "id",
    keep_input: bool = False,
) -> pa.Table:
    """The record out of each row, in the order of the rows; see `cleaned_schema` for columns and types.

    A row that cannot be cleaned (null text and html, say) stays at its place: the fields of the record are null,
    and ``error_reason`` and ``error_message`` say why. Columns that are not read keep their type and values and are
    not copied. Takes a Table or a RecordBatch. Raises UsageError for a table without text or with a column of
    documents that holds neither strings nor bytes.
    """
    pa = require_pyarrow()
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    if not isinstance(table, pa.Table):
        raise UsageError(f"clean_table() takes an Arrow Table, not {type(table).__name__}")
    columns = TableColumns(text_column, html_column, title_column, id_column, keep_input)
    schema = cleaned_schema(table.schema, cleaner.options, columns)
    made = _clean_rows(cleaner, table, columns, schema)
    passed = {out: table.column(name) for name, out in columns.passed(table.column_names).items()}
    for out, name in (("id", id_column), ("url", "url")):
        passed[out] = table.column(name) if name in table.column_names else pa.nulls(table.num_rows, pa.string())
    arrays = [passed[field.name] if field.name in passed else made.column(field.name) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def cleaned_schema(schema: pa.Schema, options: CleanOptions, columns: TableColumns | None = None) -> pa.Schema:
    """The schema of the table out for a table in, which engines ask for before the first row.

    The fields of the record out in its order (``id`` and ``url`` with the type they came in; ``removed`` is missing
    with ``removed="none"``), the columns that pass through, `ERROR_FIELDS`. Raises UsageError as `clean_table`.
    """
    pa = require_pyarrow()
    columns = columns or TableColumns()
    _check_columns(schema, columns)
    fields = record_schema_fields(options)
    for out, name in (("id", columns.id), ("url", "url")):
        fields[out] = schema.field(name).with_name(out) if name in schema.names else pa.field(out, pa.string())
    passed = [schema.field(name).with_name(out) for name, out in columns.passed(schema.names).items()]
    errors = [pa.field(name, pa.string()) for name in ERROR_FIELDS]
    return pa.schema([*(fields[name] for name in RECORD_FIELDS if name in fields), *passed, *errors])


def record_schema_fields(options: CleanOptions) -> dict[str, pa.Field]:
    """The fields of the record out by name, with the types that they always have."""
    pa = require_pyarrow()
    kinds: dict[str, Any] = dict.fromkeys(RECORD_FIELDS, pa.string())
    kinds |= {"quality": pa.float64(), "lines_in": pa.int64(), "lines_out": pa.int64()}
    number, text = pa.int64(), pa.string()
    score = ("score", pa.float64())
    # One type whatever the options, so that shards of several runs can be read as one table.
    piece = [("start", number), ("end", number)]
    removed = pa.struct([("line", number), ("label", text), score, ("text", text), *piece, ("reason", text)])
    line = pa.struct([("line", number), ("start", number), ("end", number), ("label", text), score])
    kinds |= {"removed": pa.list_(removed), "lines": pa.list_(line)}
    if options.removed == "none":
        del kinds["removed"]
    return {name: pa.field(name, kind) for name, kind in kinds.items()}


def _check_columns(schema: pa.Schema, columns: TableColumns) -> None:
    pa = require_pyarrow()
    doubled = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if doubled:
        raise UsageError(f"the table has more than one column named {', '.join(map(repr, doubled))}")
    found = [name for name in (columns.text, columns.html) if name in schema.names]
    if not found:
        raise UsageError(
            f"the table has neither a column {columns.text!r} nor {columns.html!r}, but "
            f"{', '.join(map(repr, schema.names)) or 'none at all'}; name the column with text_column or html_column"
        )
    for name in found:
        kind = schema.field(name).type
        if not _holds_documents(pa, kind):
            raise UsageError(f"column {name!r} holds {kind}; documents are strings or bytes")


def _holds_documents(pa: Any, kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind) else kind
    checks = ("is_string", "is_large_string", "is_string_view", "is_binary", "is_large_binary", "is_binary_view")
    return pa.types.is_null(kind) or any(getattr(pa.types, check)(kind) for check in checks)


def _clean_rows(cleaner: Cleaning, table: pa.Table, columns: TableColumns, schema: pa.Schema) -> pa.Table:
    """The columns that are made, for all rows."""
    pa = require_pyarrow()
    names = {*record_schema_fields(cleaner.options), *ERROR_FIELDS} - {"id", "url"}
    made = pa.schema([field for field in schema if field.name in names])
    outcomes = cleaner.clean_many(_pages(table, columns))
    return pa.Table.from_batches(batches_of((_row(outcome, cleaner.options) for outcome in outcomes), made), made)


def batches_of(rows: Iterable[dict[str, Any]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows as batches, of which few are Python objects at one time; a field that a row lacks is null."""
    pa = require_pyarrow()
    waiting: list[dict[str, Any]] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == _ROWS:
            yield pa.RecordBatch.from_pylist(waiting, schema=schema)
            waiting = []
    if waiting:
        yield pa.RecordBatch.from_pylist(waiting, schema=schema)


def _row(outcome: Outcome, options: CleanOptions) -> dict[str, Any]:
    if isinstance(outcome, Rejected):
        return {"error_reason": outcome.reason, "error_message": outcome.message}
    return article_record(outcome, options)


def _pages(table: pa.Table, columns: TableColumns) -> Iterator[Page | Rejected]:
    read = dict.fromkeys((columns.text, columns.html, columns.title, "url"))
    names = [name for name in read if name in table.column_names]
    for start in range(0, table.num_rows, _ROWS):
        part = table.select(names).slice(start, _ROWS)
        for position, values in enumerate(zip(*(column.to_pylist() for column in part.columns), strict=True), start):
            yield page_from_record(
                dict(zip(names, values, strict=True)),
                text_column=columns.text,
                html_column=columns.html,
                title_column=columns.title,
                id_column=columns.id,
                position=position,
            )
