"""Tables as bytes, by pyarrow, which is an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cleaner.errors import MissingExtraError

if TYPE_CHECKING:
    import pyarrow as pa


def require_pyarrow() -> Any:
    """The module, with its streams. Raises MissingExtraError."""
    try:
        import pyarrow.ipc
    except ImportError as error:
        raise MissingExtraError("pyarrow", "arrow") from error
    return pyarrow


def pack_rows(table: pa.Table) -> bytes:
    """A table in Arrow's stream format."""
    pa = require_pyarrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed
