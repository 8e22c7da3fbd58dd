"""How the inputs of a run are cut into tasks.

A task is named by two numbers, that of its source in the run and that of its block in the source. The same inputs are
cut into the same tasks each time, whatever the number of workers, so that a ledger can remember tasks by their keys
and a later run can leave out those that are finished; pipes alone are cut by the clock too, and read once. Tasks
pickle: they hold bytes that were read here, or say where in a file the worker finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import BinaryIO

from cleaner.errors import DocumentError, InputError
from cleaner.readers import csv, jsonl, packs, parquet, warc
from cleaner.readers.kinds import PACK_KINDS, SINGLE_KINDS, TSV_SUFFIXES, suffix_of
from cleaner.readers.sources import Source
from cleaner.readers.streams import PIPE_CHUNK_BYTES, as_utf8, join_chunks, read_ahead, until_garbage
from cleaner.readers.warc_pages import require_fastwarc
from cleaner.record import Columns
from cleaner.types import Rejected

# Small files share a task, as they share a batch in the model; by size, as pages weigh more than texts.
_TASK_FILES = 64
_TASK_BYTES = 4 << 20


@dataclass(frozen=True)
class Reading:
    """How documents are read.

    keep_input: the record out carries the document as it came in. max_bytes: a document of more is too large.
    as_table: of a table the documents are read alone, as the columns that pass through go on as they are.
    """

    columns: Columns = field(default_factory=Columns)
    keep_input: bool = False
    max_bytes: int = 400_000_000
    as_table: bool = False


@dataclass(frozen=True)
class Files:
    """Single texts and pages, read by the worker; bodies are given for those that came through a pipe."""

    sources: Sequence[Source]
    bodies: Sequence[bytes | None]


@dataclass(frozen=True)
class Failed:
    """An input, or the rest of one, that cannot be read."""

    rejected: Rejected


Block = jsonl.Block | csv.CsvBlock | parquet.ParquetBlock | warc.WarcBlock | packs.PackBlock
Content = Files | Failed | Block
"""What a task holds: files to read, or a block of one source as its reader cut it."""


@dataclass(frozen=True)
class Task:
    """What a worker does at a time.

    source: number of the source in the run, of several small files that of the first.
    number: of the block within its source, from 0.
    path, name: of the (first) source, as in `Source`.
    part: number of the shard that its records go to, where each input has its own; None for texts on their own.
    n_bytes: how much of the inputs was read for it.
    is_last: whether no other block of its source follows; never known of a pipe.
    """

    source: int
    number: int
    path: str
    name: str
    part: int | None
    content: Content
    n_bytes: int = 0
    is_last: bool = False

    @property
    def key(self) -> tuple[int, int]:
        return self.source, self.number


def cut_tasks(
    sources: Sequence[Source], reading: Reading, *, as_texts: bool = False, skip: Container[int] = ()
) -> Iterator[Task | None]:
    """The tasks of a run, in the order of its inputs; None where a pipe has nothing to give for a moment.

    as_texts: single texts and pages come out as texts, which have no shard.
    skip: numbers of sources of which nothing is wanted any more; their tasks are left out and they are not read.
    """
    for number, group, part in _groups(sources, as_texts):
        if number in skip:
            continue
        if group[0].kind in SINGLE_KINDS and group[0].stream is None:
            yield _files_task(number, group, part)
        else:
            yield from _source_tasks(number, group[0], part, reading)


def read_again(sources: Sequence[Source], key: tuple[int, int], reading: Reading, *, as_texts: bool = False) -> Task:
    """The task of that key once more. Raises KeyError where the sources have none."""
    others = set(range(len(sources))) - {key[0]}
    for task in cut_tasks(sources, reading, as_texts=as_texts, skip=others):
        if task is not None and task.key == key:
            return task
    raise KeyError(key)


def count_parts(sources: Sequence[Source], as_texts: bool = False) -> int:
    """How many shards a folder gets: one for each input of records, one for single documents in a row."""
    return max((part for part in _parts(sources, as_texts) if part is not None), default=-1) + 1


def _parts(sources: Sequence[Source], as_texts: bool) -> Iterator[int | None]:
    """For each source the shard it goes to; None where it gets a text of its own or cannot be read."""
    numbers = count()
    shared: int | None = None
    for source in sources:
        if source.kind is None or (as_texts and source.kind in (*SINGLE_KINDS, *PACK_KINDS)):
            yield None
        elif source.kind in SINGLE_KINDS:
            shared = next(numbers) if shared is None else shared
            yield shared
        else:
            shared = None
            yield next(numbers)


def _groups(sources: Sequence[Source], as_texts: bool) -> Iterator[tuple[int, list[Source], int | None]]:
    """The sources, small files in a row together, each group with the number of its first and with its shard."""
    waiting: list[Source] = []
    first, waiting_part = 0, None
    for number, (source, part) in enumerate(zip(sources, _parts(sources, as_texts), strict=True)):
        is_single = source.kind in SINGLE_KINDS and source.stream is None
        n_bytes = sum(other.size_bytes for other in waiting)
        is_full = len(waiting) >= _TASK_FILES or n_bytes + source.size_bytes > _TASK_BYTES
        if waiting and (is_full or not is_single or part != waiting_part):
            yield first, waiting, waiting_part
            waiting = []
        if not is_single:
            yield number, [source], part
            continue
        if not waiting:
            first, waiting_part = number, part
        waiting.append(source)
    if waiting:
        yield first, waiting, waiting_part


def _files_task(number: int, sources: list[Source], part: int | None) -> Task:
    content = Files(sources, [None] * len(sources))
    n_bytes = sum(source.size_bytes for source in sources)
    return Task(number, 0, sources[0].path, sources[0].name, part, content, n_bytes, is_last=True)


def _source_tasks(number: int, source: Source, part: int | None, reading: Reading) -> Iterator[Task | None]:
    """The blocks of one source as tasks; where it breaks off, the last says so."""
    n_read = 0

    def on_read(n_bytes: int) -> None:
        nonlocal n_read
        n_read += n_bytes

    waiting: Task | None = None
    for block, content in _numbered(_contents(source, on_read, reading)):
        if content is None:
            yield None
            continue
        n_bytes, n_read = n_read, 0
        task = Task(number, block, source.path, source.name, part, content, n_bytes)
        if source.stream is not None:
            yield task
            continue
        if waiting is not None:
            yield waiting
        waiting = task
    if waiting is not None:
        yield replace(waiting, is_last=True)


def _numbered(contents: Iterator[Content | None]) -> Iterator[tuple[int, Content | None]]:
    """The contents numbered, those that are None not counted."""
    number = 0
    for content in contents:
        yield number, content
        number += content is not None


def _contents(source: Source, on_read: Callable[[int], None], reading: Reading) -> Iterator[Content | None]:
    next_record = 0
    garbage: list[str] = []
    try:
        if source.kind is None:
            raise InputError(source.problem or "cannot be read")
        if source.kind in SINGLE_KINDS:
            yield _piped_file(source, reading.max_bytes, garbage)
            next_record = 1
        else:
            for block in _blocks(source, on_read, reading, garbage):
                yield block
                if block is not None:
                    next_record = block.first_record + block.n_records
        if garbage:
            raise InputError(garbage[0])
    except InputError as error:
        yield _failed(source, next_record, "unreadable", str(error))
    except DocumentError as error:
        yield _failed(source, next_record, error.reason, str(error))


def _blocks(
    source: Source, on_read: Callable[[int], None], reading: Reading, garbage: list[str]
) -> Iterator[Block | None]:
    """The blocks of a source of many documents, as its reader cuts them; ``garbage`` hears of what stands behind."""
    needed = (reading.columns.text, reading.columns.html)
    if source.kind == "csv":
        is_tsv = suffix_of(source.name) in TSV_SUFFIXES
        return csv.cut_blocks(
            as_utf8(until_garbage(source.chunks(on_read), garbage)), needed, reading.max_bytes, is_tsv=is_tsv
        )
    if source.kind == "parquet":
        return _blocks_of_file(source, on_read, lambda file: parquet.cut_blocks(file, needed))
    if source.kind == "zip":
        return _blocks_of_file(source, on_read, lambda file: packs.cut_zip(file, None, reading.max_bytes))
    if source.kind == "tar":
        return packs.cut_tar(until_garbage(source.chunks(on_read), garbage), None, reading.max_bytes)
    if source.kind == "warc" or source.kind == "wet":
        require_fastwarc()
        chunks = source.raw_chunks(on_read, PIPE_CHUNK_BYTES)
        return warc.cut_blocks(chunks, source.kind, reading.max_bytes, source.size_bytes)
    return _line_blocks(source, until_garbage(source.chunks(on_read), garbage))


def _blocks_of_file(
    source: Source, on_read: Callable[[int], None], cut: Callable[[BinaryIO], Iterator[Block]]
) -> Iterator[Block]:
    """The blocks of a kind of file that is not read from front to back. Its size counts as read with the first."""
    with source.open() as file:
        on_read(source.size_bytes)
        yield from cut(file)


def _line_blocks(source: Source, chunks: Iterator[bytes]) -> Iterator[jsonl.Block | None]:
    chunks = as_utf8(chunks)
    if source.stream is not None:
        return jsonl.cut_slow_blocks(read_ahead(chunks), jsonl.BLOCK_WAIT_S)
    return jsonl.cut_blocks(chunks)


def _piped_file(source: Source, max_bytes: int, told: list[str]) -> Files:
    """A pipe cannot be sent to a worker, so its bytes are."""
    body = read_body(source, max_bytes, told)
    return Files([Source(source.path, source.name, source.kind)], [body])


def read_body(source: Source, max_bytes: int, told: list[str]) -> bytes:
    """All bytes of a single text or page; ``told`` hears of garbage behind them. Raises DocumentError for more than a
    document can have, InputError."""
    return join_chunks(until_garbage(source.chunks(), told), max_bytes)


def _failed(source: Source, position: int, reason: str, message: str) -> Failed:
    return Failed(Rejected(f"{source.name}#{position}", reason, message, source.path, position))
