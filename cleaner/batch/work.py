"""A task and what comes of it: the part of a run that a worker does, from bytes in to bytes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cleaner.batch.read import Columns, Document, ReadOptions, read_task
from cleaner.batch.tasks import Task
from cleaner.model.artefact import DEFAULT_PAGE_MODEL
from cleaner.options import CleanOptions
from cleaner.pipeline import Cleaner
from cleaner.record import article_record
from cleaner.types import Article, Outcome, Page, Rejected, Skipped
from cleaner.writers.jsonl import record_line
from cleaner.writers.text import article_text


@dataclass(frozen=True)
class Job:
    """What every task of a run has in common.

    keep_input: the record out carries the document as it came in.
    as_texts: single texts and pages come out as plain text beside their account, not as records.
    model, page_model: what judges texts, and pages in HTML.
    """

    model: str
    options: CleanOptions
    columns: Columns = field(default_factory=Columns)
    keep_input: bool = False
    as_texts: bool = False
    page_model: str = DEFAULT_PAGE_MODEL

    @property
    def read_options(self) -> ReadOptions:
        return ReadOptions(self.columns, self.keep_input, self.max_bytes)

    @property
    def max_bytes(self) -> int:
        """Size of the largest document that is read; no encoding spends more than four bytes on a character."""
        return 4 * self.options.max_chars + 4


@dataclass(frozen=True)
class TextFile:
    """One article as plain text, and the line that accounts for it."""

    name: str
    text: bytes
    account: bytes


@dataclass
class Tally:
    """Counts of a run, added up over its tasks."""

    n_documents: int = 0
    n_lines_in: int = 0
    n_lines_out: int = 0
    n_surrogates: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def n_rejected(self) -> int:
        return sum(self.reasons.values())

    def add(self, other: Tally) -> None:
        self.n_documents += other.n_documents
        self.n_lines_in += other.n_lines_in
        self.n_lines_out += other.n_lines_out
        self.n_surrogates += other.n_surrogates
        self.verdicts += other.verdicts
        self.reasons += other.reasons
        self.skipped += other.skipped

    def count(self, outcome: Outcome | Skipped) -> None:
        if isinstance(outcome, Skipped):
            self.skipped[outcome.reason] += 1
            return
        self.n_documents += 1
        if isinstance(outcome, Rejected):
            self.reasons[outcome.reason] += 1
            return
        self.verdicts[outcome.verdict] += 1
        self.n_surrogates += outcome.n_replaced
        self.n_lines_in += outcome.lines_in
        self.n_lines_out += outcome.lines_out


@dataclass
class Done:
    """What a task brought: lines of JSON or text files, and the documents that were rejected, in order."""

    part: int | None
    records: bytes = b""
    texts: list[TextFile] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    n_bytes: int = 0

    @property
    def is_unreadable(self) -> bool:
        """Whether the task is an input that could not be read, and nothing else."""
        return self.tally.n_documents == self.tally.reasons["unreadable"] == 1


# A worker gets many tasks of one run and loads the model once.
@lru_cache(maxsize=1)
def load_cleaner(model: str, options: CleanOptions, page_model: str) -> Cleaner:
    """The cleaner of a run, the same one each time; raises ModelError, UsageError."""
    return Cleaner(model, options, page_model=page_model)


def clean_task(job: Job, task: Task) -> Done:
    """The outcome of one task; the same bytes whichever process does it, in whatever order."""
    done = Done(task.part, n_bytes=task.n_bytes)
    documents = list(read_task(task, job.read_options))
    lines: list[bytes] = []
    for document, outcome in zip(documents, _outcomes(job, documents), strict=True):
        done.tally.n_surrogates += document.n_surrogates
        rendered = _render(job, document, outcome, done)
        if isinstance(rendered, TextFile):
            done.texts.append(rendered)
        elif rendered is not None:
            lines.append(rendered)
    done.records = b"".join(lines)
    return done


def _outcomes(job: Job, documents: Sequence[Document]) -> Iterator[Outcome | Skipped]:
    """What became of each document, of those that were rejected or skipped in reading too, in their order."""
    cleaned = load_cleaner(job.model, job.options, job.page_model).clean_many(
        document.page for document in documents if isinstance(document.page, Page)
    )
    for document in documents:
        yield next(cleaned) if isinstance(document.page, Page) else document.page


def _render(job: Job, document: Document, outcome: Outcome | Skipped, done: Done) -> bytes | TextFile | None:
    """What is written of an article; None for one that is skipped or rejected, at last because of the writing."""
    rendered: bytes | TextFile | None = None
    if isinstance(outcome, Article):
        try:
            rendered = _rendered(job, document, outcome)
        except Exception as error:
            message = f"the record cannot be written: {type(error).__name__}: {error}"
            outcome = Rejected(outcome.id, "internal", message, document.page.source, document.page.position)
    if isinstance(outcome, Rejected):
        done.rejected.append(outcome)
    done.tally.count(outcome)
    return rendered


def _rendered(job: Job, document: Document, article: Article) -> bytes | TextFile:
    if not job.as_texts or document.name is None:
        return record_line(article_record(article, job.options), document.is_exact)
    account = article_record(article, job.options)
    del account["text"]
    return TextFile(document.name, article_text(article).encode(), record_line(account))
