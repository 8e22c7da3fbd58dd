"""Parquet: row groups read as batches of rows, columns with the types that they have."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from cleaner.errors import InputError
from cleaner.ipc import pack_rows, require_pyarrow
from cleaner.readers.kinds import require_column

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 4 << 20
BLOCK_ROWS = 4096


@dataclass(frozen=True)
class ParquetBlock:
    """Rows of one file in a row, in Arrow's stream format, which holds a batch in as many bytes as it has (a pickled
    table would drag along all it was cut from). problem: why the rows cannot be read."""

    rows: bytes
    first_record: int
    n_records: int
    problem: str | None = None

    def table(self) -> pa.Table:
        pa = require_pyarrow()
        return pa.ipc.open_stream(self.rows).read_all()


def read_schema(file: BinaryIO) -> pa.Schema:
    """The columns of a file. Raises InputError."""
    return _open(file).schema_arrow


def cut_blocks(file: BinaryIO, needed: tuple[str, ...]) -> Iterator[ParquetBlock]:
    """Blocks of rows of about `BLOCK_BYTES`; none goes beyond a row group, and a file without rows gives an empty one.

    needed: names of columns of which there must be one. A row group that cannot be read is told of, and those behind it
    are read. Raises InputError for a file that is no Parquet or lacks all needed columns.
    """
    whole = _open(file)
    require_column(whole.schema_arrow.names, needed, "it")
    n_before = 0
    for group in range(whole.num_row_groups):
        n_rows = whole.metadata.row_group(group).num_rows
        yield from _cut_group(whole, group, n_before, n_rows)
        n_before += n_rows
    if not n_before:
        yield ParquetBlock(pack_rows(whole.schema_arrow.empty_table()), 0, 0)


def _cut_group(whole: Any, group: int, n_before: int, n_rows: int) -> Iterator[ParquetBlock]:
    pa = require_pyarrow()
    n_row_bytes = whole.metadata.row_group(group).total_byte_size / max(1, n_rows)
    n_batch = max(1, min(BLOCK_ROWS, int(BLOCK_BYTES / max(1, n_row_bytes))))
    n_read = 0
    try:
        for batch in whole.iter_batches(n_batch, row_groups=[group], use_threads=False):
            yield ParquetBlock(pack_rows(pa.Table.from_batches([batch])), n_before + n_read, batch.num_rows)
            n_read += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        problem = f"rows {n_before + n_read:,} to {n_before + n_rows - 1:,} cannot be read: {_first_line(error)}"
        yield ParquetBlock(b"", n_before + n_read, n_rows - n_read, problem)


def column_values(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column as JSON has them: times and decimals as they are written, bytes that are no text in
    base 64."""
    pa = require_pyarrow()
    kind = column.type
    # Python's times are exact to the microsecond.
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_date(kind):
        column = column.cast(pa.string())
    try:
        return [_json_value(value) for value in column.to_pylist()]
    except ValueError:
        return [None if not value.is_valid else str(value) for value in column]


def _json_value(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, dict):
        return {name: _json_value(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _open(file: BinaryIO) -> Any:
    pa = require_pyarrow()
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"no readable Parquet: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
