"""Articles as rows of a table whose schema is the same in every shard, whatever the inputs hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, chain, islice
from typing import TYPE_CHECKING, Any

from cleaner.arrow import TableColumns, record_schema_fields
from cleaner.batch.read import read_task
from cleaner.batch.tasks import Reading, cut_tasks
from cleaner.errors import InputError, UsageError
from cleaner.options import CleanOptions
from cleaner.readers import parquet
from cleaner.readers.csv import CsvBlock
from cleaner.readers.sources import Source
from cleaner.record import passed_fields
from cleaner.types import RECORD_FIELDS, REMOVED_FIELDS, Page, RemovedRow

if TYPE_CHECKING:
    import pyarrow as pa

OTHER = "input_other"
"""Column for fields of JSON Lines that the schema has no place for, as a JSON object."""

# So many records of each file tell which fields there are and of which type.
_SAMPLE_RECORDS = 1000


@dataclass(frozen=True)
class Layout:
    """How records become rows. schema: of every shard. passed: of columns that pass through, those in the schema.
    removed_texts: whether the lines that were taken out come with their texts."""

    schema: pa.Schema
    passed: tuple[str, ...]
    removed_texts: bool = True

    def pack(self, records: Sequence[Mapping[str, Any]], given: pa.Table | None = None) -> pa.Table:
        """The rows of records out. given: the columns that pass through as the input's table has them, row by row."""
        import pyarrow as pa

        arrays = []
        rests: list[dict[str, Any]] = [{} for _ in records]
        known = set(self.schema.names)
        for field in self.schema:
            if given is not None and field.name in given.column_names:
                arrays.append(given.column(field.name).cast(field.type))
            elif field.name == OTHER:
                arrays.append(None)
            elif field.name == "removed":
                arrays.append(_removed_array(field, [record["removed"] for record in records], self.removed_texts))
            else:
                arrays.append(_array(field, [record.get(field.name) for record in records], rests, self.passed))
        if OTHER in known:
            for record, rest in zip(records, rests, strict=True):
                rest.update({name: value for name, value in record.items() if name not in known})
            texts = [_json(rest) if rest else None for rest in rests]
            arrays[self.schema.get_field_index(OTHER)] = pa.array(texts, pa.string())
        return pa.Table.from_arrays(arrays, schema=self.schema)


def _removed_array(field: pa.Field, removed: Sequence[Sequence[RemovedRow]], with_text: bool) -> pa.Array:
    """The lines that were taken out of each document, column by column: of an object each, Arrow took three times as
    long (bench/crawl.py)."""
    import pyarrow as pa

    rows = list(chain.from_iterable(removed))
    columns: dict[str, Sequence[Any]] = dict(zip(REMOVED_FIELDS, zip(*rows, strict=True), strict=True)) if rows else {}
    if not with_text:
        columns["text"] = [None] * len(rows)
    kind = field.type.value_type
    arrays = [pa.array(columns.get(part.name, ()), part.type) for part in kind]
    offsets = pa.array(accumulate(map(len, removed), initial=0), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(arrays, fields=list(kind)), type=field.type)


def _array(field: pa.Field, values: list[Any], rests: list[dict[str, Any]], passed: Sequence[str]) -> pa.Array:
    """The values as the field's type. Of a column that passes through, those that are of another go to the rest."""
    import pyarrow as pa

    if field.name in ("id", "url"):
        if pa.types.is_string(field.type):
            values = [value if value is None or isinstance(value, str) else _json(value) for value in values]
        else:
            # A number made from the place of the record would be a lie.
            values = [value if _fits(field.type, value) else None for value in values]
    if field.name not in passed:
        return pa.array(values, field.type)
    try:
        array = pa.array(values, field.type)
        if not _may_lose(field.type) or all(map(_is_same, values, array.to_pylist())):
            return array
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        pass
    fitting: list[Any] = []
    for value, rest in zip(values, rests, strict=True):
        is_fitting = _fits(field.type, value)
        fitting.append(value if is_fitting else None)
        if not is_fitting:
            rest[field.name] = value
    return pa.array(fitting, field.type)


def _may_lose(kind: pa.DataType) -> bool:
    """Whether Arrow takes values of other types for this one without a word: 1 for 1.0, objects with more fields."""
    import pyarrow as pa

    return bool(pa.types.is_nested(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _fits(kind: pa.DataType, value: Any) -> bool:
    import pyarrow as pa

    try:
        (back,) = pa.array([value], kind).to_pylist()
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return False
    return _is_same(value, back)


def _is_same(value: Any, back: Any) -> bool:
    """Whether nothing was lost; a field that an object lacks comes back as null."""
    if isinstance(value, dict) and isinstance(back, dict):
        return value.keys() <= back.keys() and all(_is_same(value.get(name), item) for name, item in back.items())
    if isinstance(value, list) and isinstance(back, list):
        return len(value) == len(back) and all(map(_is_same, value, back))
    if isinstance(value, bool) != isinstance(back, bool):
        return False
    return bool(value == back or (value != value and back != back))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def choose_layout(sources: Sequence[Source], options: CleanOptions, reading: Reading) -> Layout:
    """The schema of the rows that these inputs give, told from the heads of those that have columns.

    Our fields have the types that they always have; ``id`` and ``url`` are strings unless all inputs are Parquet and
    agree. A file that cannot be read adds nothing, as nothing of it will come out. Raises UsageError where two files of
    Parquet have a column of one name and of two types.
    """
    import pyarrow as pa

    fields = record_schema_fields(options)
    passed: dict[str, tuple[pa.DataType, str]] = {}
    kinds = {source.kind for source in sources}
    given = _GivenIds(len(kinds - {None}) == 1 and "parquet" in kinds)
    for source in sources:
        for field in _passed_of(source, reading, given):
            kind, path = passed.setdefault(field.name, (field.type, source.path))
            passed[field.name] = (_joined(field.name, kind, path, field.type, source), path)
    for name, kind in given.types().items():
        fields[name] = pa.field(name, kind)
    columns = [pa.field(name, kind) for name, (kind, _) in passed.items()]
    if "jsonl" in kinds:
        columns.append(pa.field(OTHER, pa.string()))
    return Layout(
        pa.schema([*(fields[name] for name in RECORD_FIELDS if name in fields), *columns]),
        tuple(passed),
        options.removed == "full",
    )


class _GivenIds:
    """The types of the ids and addresses of tables."""

    def __init__(self, is_alone: bool) -> None:
        self._is_alone = is_alone
        self._types: dict[str, list[pa.DataType]] = {"id": [], "url": []}

    def add(self, name: str, kind: pa.DataType) -> None:
        self._types[name].append(kind)

    def types(self) -> dict[str, pa.DataType]:
        """Those on which all agree."""
        if not self._is_alone:
            return {}
        return {
            name: kinds[0] for name, kinds in self._types.items() if kinds and all(kind == kinds[0] for kind in kinds)
        }


def _passed_of(source: Source, reading: Reading, given: _GivenIds) -> Iterator[pa.Field]:
    """The columns of one source that come out, under the names they come out with."""
    if source.kind is None or (source.stream is not None and source.kind == "parquet"):
        return
    try:
        if source.kind == "parquet":
            yield from _passed_of_table(source, reading, given)
        else:
            yield from _passed_of_records(source, reading)
    except InputError:
        return  # told when its turn comes


def _passed_of_table(source: Source, reading: Reading, given: _GivenIds) -> Iterator[pa.Field]:
    with source.open() as file:
        schema = parquet.read_schema(file)
    columns = table_columns(reading)
    for name, own in (("id", columns.id), ("url", "url")):
        if own in schema.names:
            given.add(name, schema.field(own).type)
    for name, out in columns.passed(schema.names, RECORD_FIELDS).items():
        yield schema.field(name).with_name(out)


def _passed_of_records(source: Source, reading: Reading) -> Iterator[pa.Field]:
    import pyarrow as pa

    if source.stream is not None:
        raise UsageError(
            f"{source.path}: a table needs its columns before the first row, and a pipe cannot be read twice; "
            "write .jsonl, or read a file"
        )
    values: dict[str, list[Any]] = {}
    for extra in islice(_extras(source, reading), _SAMPLE_RECORDS):
        for name, value in passed_fields(extra).items():
            values.setdefault(name, []).append(value)
    for name, column in values.items():
        yield pa.field(name, _told_type(column))


def _extras(source: Source, reading: Reading) -> Iterator[Mapping[str, Any]]:
    """What the records of the first block bring along."""
    for task in cut_tasks([source], reading):
        if task is None:
            continue
        if isinstance(task.content, CsvBlock) and not task.content.rows:
            yield dict.fromkeys(table_columns(reading).passed(task.content.names), "")
        for document in read_task(task, reading):
            if isinstance(document.page, Page):
                yield document.page.extra
        return


def _told_type(values: list[Any]) -> pa.DataType:
    import pyarrow as pa

    try:
        kind = pa.array(values).type
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.string()
    return pa.string() if _holds_null(kind) else kind


def _holds_null(kind: pa.DataType) -> bool:
    """Whether a type leaves open what it holds: an empty list, an object without fields."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return not kind.num_fields or any(_holds_null(kind.field(at).type) for at in range(kind.num_fields))
    return bool(pa.types.is_null(kind) or (pa.types.is_list(kind) and _holds_null(kind.value_type)))


def _joined(name: str, kind: pa.DataType, path: str, other: pa.DataType, source: Source) -> pa.DataType:
    """The type for values of both."""
    import pyarrow as pa

    if kind == other:
        return kind
    try:
        return (
            pa.unify_schemas([pa.schema([(name, kind)]), pa.schema([(name, other)])], promote_options="permissive")
            .field(0)
            .type
        )
    except pa.ArrowException:
        if source.kind != "parquet":
            return kind  # what does not fit goes to the rest
        raise UsageError(
            f"column {name!r} is {kind} in {path} and {other} in {source.path}; clean them into two outputs, "
            "or write .jsonl"
        ) from None


def table_columns(reading: Reading) -> TableColumns:
    return TableColumns(**asdict(reading.columns), keep_input=reading.keep_input)


def passed_rows(table: pa.Table, reading: Reading, rows: Iterable[int]) -> pa.Table:
    """Of some rows the columns that come out as they are, under the names they come out with."""
    import pyarrow as pa

    names = table_columns(reading).passed(table.column_names, RECORD_FIELDS)
    places = pa.array(list(rows), pa.int64())
    return table.select(list(names)).rename_columns(list(names.values())).take(places)
