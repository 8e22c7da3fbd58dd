"""Workers that may die: the block of a dead one is done again a document at a time, and the deadly one is told.

Each worker is a loky executor of its own (the engine under joblib). An executor breaks as a whole when one of its
processes dies, and does not say at which task; of one process it is known. Not concurrent.futures: its processes start
by running the caller's main module again, or by fork, which copies locks that other threads hold.
"""

from __future__ import annotations

import math
import mmap
import os
import sys
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cleaner.batch.interrupt import interrupts_held
from cleaner.batch.tasks import Task
from cleaner.batch.work import Care, Done, Job, clean_task
from cleaner.errors import CleanerError

if TYPE_CHECKING:
    from concurrent.futures import Future

# A worker has one task under way and one waiting, so that it never waits for us to write.
_QUEUED_TASKS = 2
# Results that wait for one before them: with more, one slow document fills the memory.
_WINDOW_TASKS = 4
# How often the workers are looked after.
_TICK_S = 0.1
# How often a worker looks whether there is someone to work for.
_PARENT_S = 0.5
# A worker that dies so often without having begun a document has no document to blame.
_MAX_BLAMELESS_DEATHS = 3
_GIGABYTE = 1 << 30


@dataclass(frozen=True)
class Limits:
    """What one document may take. The memory is that of the worker that is at it, all it holds included."""

    timeout_s: float = math.inf
    max_memory_bytes: float = math.inf


def default_memory(n_workers: int) -> int:
    """What a worker may take where nothing is asked: its share of 4/5 of the machine, a gigabyte at least."""
    import psutil

    return max(_GIGABYTE, int(psutil.virtual_memory().total * 0.8 / n_workers))


class Beats:
    """What a worker is at, in a few bytes of a file that both sides have mapped: it outlives the worker.

    Four integers: the process, the number of its task, the document in it (-1 before the first), a count of changes.
    """

    _SIZE = 4 * 8

    def __init__(self, path: str) -> None:
        self.path = path
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), self._SIZE)
        self._cells = memoryview(self._map).cast("q")

    @classmethod
    def create(cls) -> Beats:
        tracker = _resource_tracker()
        descriptor, path = tempfile.mkstemp(prefix="cleaner-", suffix=".beats")
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(cls._SIZE))
        # Removes it where we are killed before we can.
        tracker.register(path, "file")
        return cls(path)

    def begin(self, serial: int) -> None:
        self._cells[0], self._cells[2], self._cells[1] = os.getpid(), -1, serial
        self._cells[3] += 1

    def at(self, document: int) -> None:
        self._cells[2] = document
        self._cells[3] += 1

    def clear(self) -> None:
        """Forgets a worker that is dead: the next one may be longer in starting than a document may take."""
        self._cells[0], self._cells[1], self._cells[2] = 0, 0, -1
        self._cells[3] += 1

    def read(self) -> tuple[int, int, int, int]:
        pid, serial, document, count = self._cells
        return pid, serial, document, count

    def remove(self) -> None:
        self._cells.release()
        self._map.close()
        with suppress(OSError):
            os.unlink(self.path)
        _resource_tracker().unregister(self.path, "file")


@lru_cache(maxsize=1)
def _resource_tracker() -> Any:
    """loky's process that removes what we leave when we are killed, told to do it without a word on standard error."""
    from joblib.externals.loky.backend import resource_tracker

    silence = f"ignore::UserWarning:{resource_tracker.__name__}"
    sys.warnoptions.append(silence)
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions.remove(silence)
    return resource_tracker


# Per process, as a worker belongs to one run and has one file.
@lru_cache(maxsize=1)
def _open_beats(path: str) -> Beats:
    import faulthandler

    # The account of a crash is ours to give.
    faulthandler.disable()
    return Beats(path)


def _begin_worker(parent: int) -> None:
    import signal
    import threading

    # Interrupts are for the parent to judge, and without a parent there is no work.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    if os.name == "nt":
        import psutil

        with suppress(psutil.Error):
            psutil.Process(parent).wait()
    # A dead parent that nobody has waited for still counts as a process, but has no children any more.
    while os.name != "nt" and os.getppid() == parent:
        time.sleep(_PARENT_S)
    os._exit(1)


def _work(path: str, serial: int, job: Job, task: Task, care: Care) -> Done:
    beats = _open_beats(path)
    beats.begin(serial)
    return clean_task(job, task, care, beats.at)


@dataclass
class _Ticket:
    """A task on its way: how it is to be done by now, and what came of it.

    suspect: the document at which a worker died when each was done alone; a second death there convicts it, as the
    first may have come from outside.
    """

    serial: int
    task: Task
    care: Care
    suspect: int | None = None
    n_blameless: int = 0
    done: Done | None = None
    error: BaseException | None = None

    def blame(self, document: int, reason: str | None, message: str) -> None:
        """Learns from the death of a worker. reason: why we ended it; None where it died by itself."""
        if document < 0:
            self.n_blameless += 1
            if self.n_blameless >= _MAX_BLAMELESS_DEATHS:
                raise CleanerError(f"worker processes die before they begin with a document: {message}")
        elif not self.care.one_by_one:
            self.care = replace(self.care, one_by_one=True)
        elif document == self.care.unread:
            raise CleanerError(f"workers die at a block without a document to blame: {message}")
        elif document in self.care.skip:
            self.care = replace(self.care, unread=document)
        elif reason or document == self.suspect:
            self.care = replace(self.care, skip={**self.care.skip, document: (reason or "crashed", message)})
        else:
            self.suspect = document


@dataclass
class _Worker:
    """One process and the tasks that it has been given, the one under way first."""

    beats: Beats = field(default_factory=Beats.create)
    given: deque[tuple[_Ticket, Future[Done]]] = field(default_factory=deque)
    executor: Any = None
    last_beat: tuple[int, int, int, int] = (0, 0, 0, 0)
    changed_s: float = 0.0
    verdict: tuple[str, str] | None = None

    def give(self, job: Job, ticket: _Ticket) -> None:
        if self.executor is None:
            from joblib.externals.loky.process_executor import ProcessPoolExecutor

            self.executor = ProcessPoolExecutor(max_workers=1, initializer=_begin_worker, initargs=(os.getpid(),))
        if not self.given:
            self.changed_s = time.monotonic()
        with interrupts_held(), warnings.catch_warnings():
            # loky replaces a worker whose memory has grown by 300 MB, and warns of it where a task waits.
            warnings.simplefilter("ignore", UserWarning)
            future = self.executor.submit(_work, self.beats.path, ticket.serial, job, ticket.task, ticket.care)
        self.given.append((ticket, future))

    def watch(self, limits: Limits) -> None:
        """Ends the process where the document that it is at passes a limit."""
        beat, now_s = self.beats.read(), time.monotonic()
        if not self.given or beat != self.last_beat:
            self.last_beat, self.changed_s = beat, now_s
        if not self.given or self.verdict or beat[1] != self.given[0][0].serial:
            return
        if beat[2] >= 0 and now_s - self.changed_s > limits.timeout_s:
            self._end(beat[0], ("timeout", f"it took more than {limits.timeout_s:g} s (--timeout)"))
        elif (rss := _memory_of(beat[0])) > limits.max_memory_bytes:
            limit = int(limits.max_memory_bytes) >> 20
            told = f"its worker held {rss >> 20:,} MB, more than {limit:,} MB (--max-memory)"
            self._end(beat[0], ("out_of_memory", told))

    def _end(self, pid: int, verdict: tuple[str, str]) -> None:
        import psutil

        self.verdict = verdict
        with suppress(psutil.Error):
            psutil.Process(pid).kill()

    def take(self) -> Iterator[_Ticket]:
        """The tickets that are finished, as they were given, with what came of them."""
        while self.given and self.given[0][1].done():
            ticket, future = self.given[0]
            error = future.exception()
            if error is not None and _is_death(error):
                return
            self.given.popleft()
            self.verdict = None
            if error is None:
                ticket.done = future.result()
            else:
                ticket.error = error
            yield ticket

    @property
    def is_dead(self) -> bool:
        return bool(self.given) and self.given[0][1].done() and _is_death(self.given[0][1].exception())

    def replace(self, job: Job) -> None:
        """A new process for what the dead one was given; the ticket that it was at learns from the death."""
        _, serial, document, _ = self.beats.read()
        tickets = [ticket for ticket, _ in self.given]
        error = self.given[0][1].exception()
        reason, message = self.verdict or (None, _words_of_death(error))
        at_work = serial == tickets[0].serial
        self.shut()
        self.beats.clear()
        tickets[0].blame(document if at_work else -1, reason, message)
        for ticket in tickets:
            self.give(job, ticket)

    def shut(self) -> None:
        """Ends the process at once, whatever it is at."""
        if self.executor is not None:
            self.executor.shutdown(wait=True, kill_workers=True)
        self.executor, self.verdict = None, None
        self.given.clear()

    def close(self) -> None:
        self.shut()
        self.beats.remove()


def _memory_of(pid: int) -> int:
    import psutil

    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def _is_death(error: BaseException | None) -> bool:
    from concurrent.futures.process import BrokenProcessPool

    return isinstance(error, BrokenProcessPool)


def _words_of_death(error: BaseException | None) -> str:
    """How the process ended, as loky knows it: ``SIGSEGV(-11)``, ``EXIT(3)``."""
    _, _, codes = str(error).rpartition("are {")
    ending = codes.partition("}")[0]
    return f"the worker process died: {ending}" if ending else "the worker process died"


def clean_in_pool(
    job: Job,
    tasks: Iterator[Task | None],
    n_workers: int,
    limits: Limits,
    *,
    is_ordered: bool = True,
    care: Care | None = None,
) -> Generator[tuple[Task, Done], None, None]:
    """The tasks with what came of them, in their order unless that is freed; memory stays flat, whatever their number.

    A document that takes too long or too much, or at which the worker process dies twice, is rejected as ``timeout``,
    ``out_of_memory`` or ``crashed``; all others of its task are cleaned, to the same bytes as ever.
    """
    # Each worker is closed, though an interrupt may come while another is.
    with ExitStack() as stack:
        workers = [_Worker() for _ in range(n_workers)]
        for worker in workers:
            stack.callback(worker.close)
        yield from _Pool(job, tasks, limits, is_ordered, care or Care(), workers).results()


@dataclass
class _Pool:
    job: Job
    tasks: Iterator[Task | None]
    limits: Limits
    is_ordered: bool
    care: Care
    workers: list[_Worker]
    line: deque[_Ticket] = field(default_factory=deque)
    n_tasks: int = 0
    is_open: bool = True

    def results(self) -> Iterator[tuple[Task, Done]]:
        while self.is_open or self.line:
            self._hand_out()
            self._wait()
            for worker in self.workers:
                for _ in worker.take():
                    pass
                if worker.is_dead:
                    worker.replace(self.job)
                worker.watch(self.limits)
            yield from self._ready()

    def _hand_out(self) -> None:
        """Gives tasks to the workers that have the least of them, until none wants more or none is there."""
        while self.is_open and len(self.line) < _WINDOW_TASKS * len(self.workers):
            worker = min(self.workers, key=lambda worker: len(worker.given))
            if len(worker.given) >= _QUEUED_TASKS:
                return
            try:
                task = next(self.tasks)
            except StopIteration:
                self.is_open = False
                return
            if task is None:
                return
            self.n_tasks += 1
            ticket = _Ticket(self.n_tasks, task, self.care)
            self.line.append(ticket)
            worker.give(self.job, ticket)

    def _wait(self) -> None:
        from concurrent.futures import FIRST_COMPLETED, wait

        under_way = [worker.given[0][1] for worker in self.workers if worker.given]
        if under_way:
            wait(under_way, timeout=_TICK_S, return_when=FIRST_COMPLETED)

    def _ready(self) -> Iterator[tuple[Task, Done]]:
        if not self.is_ordered:
            self.line = deque(sorted(self.line, key=lambda ticket: ticket.done is None and ticket.error is None))
        while self.line and (self.line[0].done is not None or self.line[0].error is not None):
            ticket = self.line.popleft()
            if ticket.error is not None:
                raise ticket.error
            assert ticket.done is not None
            yield ticket.task, ticket.done
