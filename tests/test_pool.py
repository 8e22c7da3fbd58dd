"""Workers that die, hang or fill the memory: the document that did it is told, the rest of its block is cleaned."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import psutil
import pytest

from cleaner.batch.pool import Limits, _Ticket, _Worker, clean_in_pool
from cleaner.batch.tasks import Files, Task
from cleaner.batch.work import Care, Done, Job, clean_task
from cleaner.model.artefact import DEFAULT_MODEL
from cleaner.options import CleanOptions
from cleaner.readers.sources import Source

JOB = Job(DEFAULT_MODEL, CleanOptions())
LIMITS = Limits(timeout_s=30, max_memory_bytes=1 << 30)
STORY = b"The bridge over the Lenn reopened on Monday, the mayor said."


def hang() -> None:
    time.sleep(600)


def fill_the_memory() -> None:
    kept = bytearray(1 << 29)
    for start in range(0, len(kept), 4096):
        kept[start] = 1
    time.sleep(600)


def leave() -> None:
    os._exit(3)


def fault() -> None:
    # What the system sends to a process that touches memory which is not its own.
    os.kill(os.getpid(), signal.SIGSEGV)


@dataclass(frozen=True)
class Trap(Source):
    """A text whose reading does harm to the worker that reads it; each time, or as long as ``fuse`` is there."""

    harm: Callable[[], None] = leave
    fuse: str | None = None

    def chunks(self, on_read: Callable[[int], None] | None = None) -> Iterator[bytes]:
        if self.fuse is None:
            self.harm()
        elif Path(self.fuse).exists():
            Path(self.fuse).unlink()
            self.harm()
        yield STORY


@dataclass(frozen=True)
class Good(Source):
    def chunks(self, on_read: Callable[[int], None] | None = None) -> Iterator[bytes]:
        yield STORY


def block(*sources: Source) -> Task:
    return Task(0, 0, sources[0].path, sources[0].name, 0, Files(sources, [None] * len(sources)))


def good(number: int) -> Good:
    return Good(f"{number}.txt", f"{number}.txt", "text")


def ids(done: Done) -> list[str]:
    return [line.split(b'"')[3].decode() for line in done.records.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "limits", "reason", "told"),
    [
        (leave, LIMITS, "crashed", "EXIT(3)"),
        (fault, LIMITS, "crashed", "SIGSEGV"),
        (hang, Limits(1, 1 << 30), "timeout", "1 s"),
        (fill_the_memory, Limits(60, 1 << 29), "out_of_memory", "512 MB"),
    ],
)
def test_a_document_that_ends_its_worker_is_rejected_and_the_rest_of_its_block_cleaned(
    harm: Callable[[], None], limits: Limits, reason: str, told: str
) -> None:
    task = block(good(0), Trap("trap.txt", "trap.txt", "text", harm=harm), good(1))
    ((_, done),) = clean_in_pool(JOB, iter([task]), 1, limits)
    assert ids(done) == ["0.txt#0", "1.txt#0"]
    assert [(rejected.id, rejected.reason) for rejected in done.rejected] == [("trap.txt#0", reason)]
    assert told in done.rejected[0].message
    assert done.tally.n_documents == 3


@pytest.mark.slow
def test_a_document_that_is_at_hand_when_a_worker_is_killed_from_outside_is_cleaned(tmp_path: Path) -> None:
    fuse = tmp_path / "fuse"
    fuse.touch()
    task = block(good(0), Trap("trap.txt", "trap.txt", "text", fuse=str(fuse)))
    ((_, done),) = clean_in_pool(JOB, iter([task]), 1, LIMITS)
    assert (ids(done), done.rejected) == (["0.txt#0", "trap.txt#0"], [])


@pytest.mark.slow
def test_the_bytes_of_a_block_with_a_deadly_document_are_those_of_the_others_alone() -> None:
    others = [good(number) for number in range(3)]
    ((_, done),) = clean_in_pool(JOB, iter([block(*others, Trap("t", "t", "text"))]), 1, LIMITS)
    assert done.records == clean_task(JOB, block(*others)).records


@pytest.mark.slow
def test_results_come_in_the_order_of_the_tasks_though_one_of_them_takes_long(tmp_path: Path) -> None:
    others = [block(good(number)) for number in range(8)]
    expected = [["slow.txt#0"], *([f"{number}.txt#0"] for number in range(8))]

    def slow(harm: Callable[[], None]) -> Task:
        (tmp_path / "fuse").touch()
        return block(Trap("slow.txt", "slow.txt", "text", harm=harm, fuse=str(tmp_path / "fuse")))

    tasks = [slow(partial(time.sleep, 1)), *others]
    assert [ids(done) for _, done in clean_in_pool(JOB, iter(tasks), 2, LIMITS)] == expected
    # However long the second worker takes to start, the first is not done before it.
    is_over = tmp_path / "another is done"
    freed = []
    tasks = [slow(partial(wait_for, is_over)), *others]
    for _, done in clean_in_pool(JOB, iter(tasks), 2, LIMITS, is_ordered=False):
        freed.append(ids(done))
        is_over.touch()
    assert sorted(freed) == sorted(expected)
    assert freed[0] != ["slow.txt#0"]


def wait_for(path: Path) -> None:
    deadline_s = time.monotonic() + 20
    while not path.exists() and time.monotonic() < deadline_s:
        time.sleep(0.02)


@pytest.mark.slow
def test_no_more_tasks_are_read_than_the_workers_can_take() -> None:
    n_read = 0

    def tasks() -> Iterator[Task]:
        nonlocal n_read
        for number in range(1000):
            n_read += 1
            yield block(good(number))

    results = clean_in_pool(JOB, tasks(), 1, LIMITS)
    assert len(list(islice(results, 3))) == 3
    results.close()
    assert n_read < 16


@pytest.mark.slow
def test_no_worker_outlives_a_run_that_is_left_early() -> None:
    results = clean_in_pool(JOB, (block(good(number)) for number in range(100)), 2, LIMITS)
    next(results)
    results.close()
    alive = [
        child
        for child in psutil.Process().children(recursive=True)
        if "resource_tracker" not in "".join(child.cmdline())
    ]
    assert not alive


def test_what_a_dead_worker_was_at_is_not_laid_to_the_one_that_is_starting_in_its_place() -> None:
    worker = _Worker()
    try:
        worker.beats.begin(7)
        worker.beats.at(3)
        worker.given.append((_Ticket(7, block(good(0)), Care()), Future()))
        worker.beats.clear()
        worker.watch(Limits(timeout_s=-1))
        assert worker.verdict is None
    finally:
        worker.given.clear()
        worker.close()
