"""A run: inputs cut into tasks, done here or by workers, written in order, counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from cleaner.batch.interrupt import Shield, interrupts_ignored
from cleaner.batch.outputs import Errors, Output, PipeClosedError
from cleaner.batch.tasks import Task, cut_tasks
from cleaner.batch.work import Done, Job, Tally, clean_task
from cleaner.errors import CleanerError, InputError
from cleaner.readers.sources import Source
from cleaner.types import Rejected

if TYPE_CHECKING:
    from concurrent.futures import Future

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
    tasks = cut_tasks(sources, as_texts=job.as_texts, max_bytes=job.max_bytes)
    try:
        errors.open()
        with closing(_results(job, tasks, n_workers)) as results:
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
