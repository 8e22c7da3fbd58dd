"""A run: inputs cut into tasks, done here or by workers, written in order, counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

from cleaner.batch.interrupt import Shield, interrupts_ignored
from cleaner.batch.outputs import Errors, Output, PipeClosedError
from cleaner.batch.work import Done, FailedTask, FilesTask, Job, RecordsTask, Tally, Task, clean_task, read_body
from cleaner.errors import CleanerError, DocumentError, InputError
from cleaner.readers.jsonl import BLOCK_WAIT_S, cut_blocks, cut_slow_blocks
from cleaner.readers.sources import Source
from cleaner.readers.streams import as_utf8, read_ahead
from cleaner.types import Rejected

if TYPE_CHECKING:
    from concurrent.futures import Future

# Small files share a task, as they share a batch in the model; by size, as pages weigh more than texts.
_TASK_FILES = 64
_TASK_BYTES = 4 << 20
# Starting a worker costs as much as cleaning this much does.
_WORKER_BYTES = 4 << 20


def run(
    job: Job,
    sources: Sequence[Source],
    output: Output,
    errors: Errors,
    tally: Tally,
    *,
    n_workers: int = 1,
    on_done: Callable[[Done], None] = lambda done: None,
) -> None:
    """Cleans the sources; returns when all that can be cleaned is written and counted in ``tally``.

    What was finished stays when the run is interrupted (KeyboardInterrupt is raised after that) and when the
    reader of a pipe leaves. Raises InputError if not one of the sources could be read, OutputError.
    """
    shield = Shield()
    try:
        errors.open()
        with closing(_results(job, cut_tasks(job, sources), n_workers)) as results:
            for done in results:
                if len(sources) == 1 and not tally.n_documents and done.is_unreadable:
                    raise InputError(_named_message(done.rejected[0]))
                with shield:
                    errors.write(done.rejected)
                    output.write(done)
                    tally.add(done.tally)
                    on_done(done)
        if len(sources) > 1 and tally.n_documents == tally.reasons["unreadable"] == len(sources):
            raise InputError(f"none of the {len(sources):,} inputs can be read")
        with shield:
            output.finish()
            errors.finish()
    except PipeClosedError:
        errors.finish()
    except KeyboardInterrupt:
        output.keep()
        errors.finish()
        raise
    except BaseException:
        output.discard()
        errors.finish()
        raise
    finally:
        shield.remove()


def _named_message(rejected: Rejected) -> str:
    """What is wrong with an input, and which it is."""
    place = f"{rejected.source}: "
    return place + rejected.message.removeprefix(place)


def count_parts(job: Job, sources: Sequence[Source]) -> int:
    """How many shards a folder gets: one for each input of records, one for single documents in a row."""
    parts = list(_parts(job, sources))
    return max((part for part in parts if part is not None), default=-1) + 1


def choose_workers(sources: Sequence[Source], asked: int | None) -> int:
    """How many processes: as asked; else one for one input, and for more one for each core that has work."""
    if asked is not None:
        return max(1, asked)
    n_bytes = sum(source.size_bytes for source in sources)
    n_useful = 1 + n_bytes // _WORKER_BYTES
    if len(sources) == 1 or n_useful == 1:
        return 1
    import joblib

    return int(min(joblib.cpu_count(), n_useful))


def _parts(job: Job, sources: Sequence[Source]) -> Iterator[int | None]:
    """For each source the shard it goes to; None where it gets a text of its own or cannot be read."""
    numbers = count()
    shared: int | None = None
    for source in sources:
        if source.kind == "jsonl":
            shared = None
            yield next(numbers)
        elif source.kind is None or job.as_texts:
            yield None
        else:
            shared = next(numbers) if shared is None else shared
            yield shared


def cut_tasks(job: Job, sources: Sequence[Source]) -> Iterator[Task | None]:
    """The tasks of a run, in the order of its inputs; records are read here, files by whoever does the task.

    None where a pipe has nothing to give for a moment.
    """
    waiting: list[Source] = []
    n_waiting_bytes = 0
    waiting_part: int | None = None
    for source, part in zip(sources, _parts(job, sources), strict=True):
        is_single = source.kind in ("text", "html") and source.stream is None
        is_full = len(waiting) >= _TASK_FILES or n_waiting_bytes + source.size_bytes > _TASK_BYTES
        if waiting and (is_full or not is_single or part != waiting_part):
            yield _files_task(waiting, waiting_part, n_waiting_bytes)
            waiting, n_waiting_bytes = [], 0
        if is_single:
            waiting.append(source)
            n_waiting_bytes += source.size_bytes
            waiting_part = part
        elif source.kind is None:
            yield _failed(source, f"{source.name}#0", 0, source.problem or "cannot be read")
        elif source.kind == "jsonl":
            yield from _record_tasks(source, part or 0)
        else:
            yield _piped_task(job, source, part)
    if waiting:
        yield _files_task(waiting, waiting_part, n_waiting_bytes)


def _files_task(sources: list[Source], part: int | None, n_bytes: int) -> FilesTask:
    return FilesTask(sources, [None] * len(sources), part, n_bytes)


def _piped_task(job: Job, source: Source, part: int | None) -> Task:
    """A pipe cannot be sent to a worker, so its bytes are."""
    try:
        body = read_body(source, job.options.max_chars)
    except InputError as error:
        return _failed(source, f"{source.name}#0", 0, str(error))
    except DocumentError as error:
        return FailedTask(Rejected(f"{source.name}#0", error.reason, str(error), source.path, 0))
    closed = Source(source.path, source.name, source.kind)
    return FilesTask([closed], [body], part, len(body))


def _record_tasks(source: Source, part: int) -> Iterator[Task | None]:
    n_read = 0

    def on_read(n_bytes: int) -> None:
        nonlocal n_read
        n_read += n_bytes

    is_stream = source.stream is not None
    next_record = 0
    try:
        chunks = as_utf8(source.chunks(on_read))
        blocks = cut_slow_blocks(read_ahead(chunks), BLOCK_WAIT_S) if is_stream else cut_blocks(chunks)
        for block in blocks:
            if block is None:
                yield None
                continue
            next_record = block.first_record + block.n_records
            n_bytes, n_read = n_read, 0
            yield RecordsTask(source.path, source.name, part, block, n_bytes)
    except InputError as error:
        yield _failed(source, f"{source.name}#{next_record}", next_record, str(error))


def _failed(source: Source, page_id: str, position: int, message: str) -> FailedTask:
    return FailedTask(Rejected(page_id, "unreadable", message, source.path, position))


def _results(job: Job, tasks: Iterator[Task | None], n_workers: int) -> Generator[Done, None, None]:
    """What comes of the tasks, in their order; a few are under way at a time, so that memory stays flat."""
    if n_workers == 1:
        for task in tasks:
            if task is not None:
                yield clean_task(job, task)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # Not fork: it copies locks that other threads hold, and Windows has none.
    pool = ProcessPoolExecutor(n_workers, mp_context=get_context("spawn"))
    under_way: deque[Future[Done]] = deque()
    try:
        for task in tasks:
            if task is not None:
                with interrupts_ignored():
                    under_way.append(pool.submit(clean_task, job, task))
            # What is ready goes out at once: the next task may be long in coming.
            while under_way and (under_way[0].done() or len(under_way) > 3 * n_workers):
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    except BrokenProcessPool as error:
        raise CleanerError("a worker process died, perhaps for want of memory; try fewer with --workers") from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
