"""Rows in Arrow's stream format -> a Parquet file of one schema."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cleaner.ipc import require_pyarrow
from cleaner.writers.files import OpenFile

if TYPE_CHECKING:
    import pyarrow as pa

# What readers take at a time; also what is held here until it is written.
ROW_GROUP_BYTES = 64 << 20


class ParquetRows:
    """Takes blocks of rows, in Arrow's stream format, into a file: packed with zstd, in row groups of a like size.

    The same blocks in the same order give the same bytes. Raises OutputError as the file does.
    """

    def __init__(self, file: OpenFile, schema: pa.Schema) -> None:
        pa = require_pyarrow()
        import pyarrow.parquet as pq

        self.path = file.path
        self._pa = pa
        self._file = file
        self._schema = schema
        self._waiting: list[Any] = []
        self._n_waiting_bytes = 0
        self._sink = _Sink(file.write)
        try:
            self._writer = pq.ParquetWriter(pa.PythonFile(self._sink, mode="w"), schema, compression="zstd")
        except BaseException:
            self.discard()
            raise

    def write(self, content: bytes) -> None:
        if not content:
            return
        table = self._pa.ipc.open_stream(content).read_all()
        self._waiting.append(table)
        self._n_waiting_bytes += table.nbytes
        if self._n_waiting_bytes >= ROW_GROUP_BYTES:
            self._write_group()

    def _write_group(self) -> None:
        if self._waiting:
            table = self._pa.concat_tables(self._waiting).combine_chunks()
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self._waiting, self._n_waiting_bytes = [], 0

    def finish(self) -> None:
        self._write_group()
        self._writer.close()
        self._file.finish()

    def discard(self) -> None:
        self._waiting = []
        self._sink.is_closed = True  # the writer still wants to end its file
        self._file.discard()


class _Sink(io.RawIOBase):
    """The file as pyarrow wants it. Its errors pass through, with the name of the place."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._n_bytes = 0
        self.is_closed = False

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        if not self.is_closed:
            self._write(bytes(content))
        self._n_bytes += len(content)
        return len(content)

    def tell(self) -> int:
        return self._n_bytes
