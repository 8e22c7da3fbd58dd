"""A run: inputs cut into tasks, done here or by workers, written in order, counted."""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cleaner.batch.findings import RUN_NAMES, Findings
from cleaner.batch.interrupt import Shield
from cleaner.batch.outputs import Errors, Output, PipeClosedError
from cleaner.batch.tasks import Task, cut_tasks
from cleaner.batch.work import Care, Done, Job, Tally, clean_task
from cleaner.errors import InputError
from cleaner.readers.sources import Source
from cleaner.types import Rejected

if TYPE_CHECKING:
    from cleaner.batch.ledger import Ledger
    from cleaner.batch.pool import Limits

# Starting a worker costs as much as cleaning this much does.
_WORKER_BYTES = 4 << 20


@dataclass(frozen=True)
class Plan:
    """How a run is done; none of it changes what comes of a document, as long as no limit is met.

    limits: what a document may take, which workers see to; None cleans in this process, where nothing is limited.
    is_ordered: results keep the order of the inputs. limit: no more documents are taken than so many.
    """

    n_workers: int = 1
    limits: Limits | None = None
    is_ordered: bool = True
    limit: int | None = None


@dataclass
class Account:
    """What a run has done so far."""

    tally: Tally = field(default_factory=Tally)
    findings: Findings = field(default_factory=lambda: Findings(RUN_NAMES))
    n_bytes: int = 0

    def add(self, done: Done) -> None:
        self.tally.add(done.tally)
        self.findings.merge(done.findings)
        self.n_bytes += done.n_bytes


def run(
    job: Job,
    sources: Sequence[Source],
    output: Output,
    errors: Errors,
    account: Account,
    *,
    plan: Plan = Plan(),
    ledger: Ledger | None = None,
    on_done: Callable[[Done], None] = lambda done: None,
    on_complete: Callable[[], None] = lambda: None,
) -> None:
    """Cleans the sources; returns when all that can be cleaned is written and counted in ``account``.

    With a ledger, what it holds is written first, as it was, and not cleaned again. ``on_complete`` is called when all
    is written and before the output says so. What was finished stays when the run is interrupted (KeyboardInterrupt
    is raised after that) and when the reader of a pipe leaves. Raises InputError if not one of the sources could be
    read, OutputError.
    """
    shield = Shield()
    try:
        errors.open()
        writer = _Writer(output, errors, account, ledger, on_done)
        writer.replay(shield)
        with closing(_results(job, _tasks(job, sources, ledger), plan, account.tally)) as results:
            for task, done in results:
                if len(sources) == 1 and not account.tally.n_documents and done.is_unreadable:
                    raise InputError(_named_message(done.rejected[0]))
                with shield:
                    writer.write(task, done)
        n_unreadable = account.tally.reasons["unreadable"]
        if len(sources) > 1 and account.tally.n_documents == n_unreadable == len(sources):
            raise InputError(f"none of the {len(sources):,} inputs can be read")
        with shield:
            errors.finish()
            on_complete()
            output.finish()
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


@dataclass
class _Writer:
    """Takes what came of a task to everyone who wants to know."""

    output: Output
    errors: Errors
    account: Account
    ledger: Ledger | None
    on_done: Callable[[Done], None]

    def replay(self, shield: Shield) -> None:
        """Writes once more what the ledger holds; files that are at their place already are not touched."""
        if self.ledger is None:
            return
        for done in self.ledger.replay():
            with shield:
                self._tell(done)
        self.ledger.ship(self.output.n_open, self.output.take_finished())

    def write(self, task: Task, done: Done) -> None:
        self._tell(done)
        if self.ledger is not None:
            self.ledger.add(task.key, task.is_last, done, self.output.n_open, self.output.take_finished())

    def _tell(self, done: Done) -> None:
        self.errors.write(done.rejected)
        self.output.write(done)
        self.account.add(done)
        self.on_done(done)


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


def is_worth_a_worker(sources: Sequence[Source]) -> bool:
    """Whether there is so much to clean that a process for it alone costs little: a run that one bad document must
    not end. A pipe may carry little, and whoever waits for it waits for the process too."""
    return sum(source.size_bytes for source in sources) > _WORKER_BYTES


def _tasks(job: Job, sources: Sequence[Source], ledger: Ledger | None) -> Iterator[Task | None]:
    """The tasks that are not finished yet."""
    skip = ledger.finished_sources() if ledger else ()
    finished: Container[tuple[int, int]] = ledger.finished_blocks() if ledger else ()
    for task in cut_tasks(sources, job.reading, as_texts=job.as_texts, skip=skip):
        if task is None or task.key not in finished:
            yield task


def _results(
    job: Job, tasks: Iterator[Task | None], plan: Plan, tally: Tally
) -> Generator[tuple[Task, Done], None, None]:
    """What comes of the tasks, up to the number of documents that is asked for; ``tally`` counts those taken."""
    if plan.limit is None:
        yield from _all_results(job, tasks, plan)
        return
    if tally.n_documents >= plan.limit:
        return
    with closing(_all_results(job, tasks, plan)) as results:
        for task, done in results:
            n_left = plan.limit - tally.n_documents
            if done.tally.n_documents >= n_left:
                if done.tally.n_documents > n_left:
                    ((_, done),) = _all_results(job, iter([task]), plan, Care(limit=n_left))
                yield task, done
                return
            yield task, done


def _all_results(
    job: Job, tasks: Iterator[Task | None], plan: Plan, care: Care | None = None
) -> Generator[tuple[Task, Done], None, None]:
    if plan.limits is None and plan.n_workers == 1:
        yield from ((task, clean_task(job, task, care)) for task in tasks if task is not None)
        return
    from cleaner.batch.pool import Limits, clean_in_pool

    limits = plan.limits or Limits()
    yield from clean_in_pool(job, tasks, plan.n_workers, limits, is_ordered=plan.is_ordered, care=care)
