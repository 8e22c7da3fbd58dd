"""A task and what comes of it: the part of a run that a worker does, from bytes in to bytes out."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count
from typing import Any

from cleaner.batch.findings import Findings
from cleaner.batch.read import Document, read_task
from cleaner.batch.render import Form, Rendering, new_rendering
from cleaner.batch.tasks import Files, Reading, Task
from cleaner.model.artefact import DEFAULT_PAGE_MODEL
from cleaner.options import CleanOptions
from cleaner.pipeline import Cleaner
from cleaner.record import Columns, article_record
from cleaner.types import Article, Outcome, Page, Rejected, Skipped
from cleaner.writers.files import is_too_long
from cleaner.writers.jsonl import record_line
from cleaner.writers.text import article_text


@dataclass(frozen=True)
class Job:
    """What every task of a run has in common.

    keep_input: the record out carries the document as it came in.
    as_texts: single texts and pages come out as plain text beside their account, not as records.
    text_ending: what the names of their inputs get behind them in an output folder.
    folder_names: inputs whose text would get the name that a folder of other inputs has.
    model, page_model: what judges texts, and pages in HTML.
    sample: the share of the documents that is cleaned; None for all.
    with_findings: whether articles are counted for the report of the run.
    form: what records become.
    """

    model: str
    options: CleanOptions
    columns: Columns = field(default_factory=Columns)
    keep_input: bool = False
    as_texts: bool = False
    page_model: str = DEFAULT_PAGE_MODEL
    sample: float | None = None
    form: Form = field(default_factory=Form)
    with_findings: bool = True
    text_ending: str = ""
    folder_names: frozenset[str] = frozenset()

    @property
    def reading(self) -> Reading:
        return Reading(self.columns, self.keep_input, self.options.max_bytes, as_table=self.form.kind == "parquet")


@dataclass(frozen=True)
class TextFile:
    """One article as plain text, and the line that accounts for it. text: None where its file is written already."""

    name: str
    text: bytes | None
    account: bytes


@dataclass
class Tally:
    """Counts of a run, added up over its tasks. n_left_out: documents that are not in the sample."""

    n_documents: int = 0
    n_lines_in: int = 0
    n_lines_out: int = 0
    n_surrogates: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    n_left_out: int = 0

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
        self.n_left_out += other.n_left_out

    def to_json(self) -> dict[str, Any]:
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Tally:
        counters = {name: Counter(value[name]) for name in ("verdicts", "reasons", "skipped")}
        return cls(**{**value, **counters})

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
    findings: Findings = field(default_factory=Findings)
    n_bytes: int = 0

    def count(self, document: Document, outcome: Outcome | Skipped, with_findings: bool) -> None:
        """Counts what became of a document."""
        self.tally.n_surrogates += document.n_surrogates
        self.tally.count(outcome)
        if isinstance(outcome, Rejected):
            self.rejected.append(outcome)
        elif with_findings and isinstance(outcome, Article):
            self.findings.count(outcome)

    @property
    def is_unreadable(self) -> bool:
        """Whether the task is an input that could not be read, and nothing else."""
        return self.tally.n_documents == self.tally.reasons["unreadable"] == 1


# A worker gets many tasks of one run and loads the model once.
@lru_cache(maxsize=1)
def load_cleaner(model: str, options: CleanOptions, page_model: str) -> Cleaner:
    """The cleaner of a run, the same one each time; raises ModelError, UsageError."""
    return Cleaner(model, options, page_model=page_model)


@dataclass(frozen=True)
class Care:
    """How a task is done that has killed a worker; the plain way where nothing is known against it.

    Documents are known by their number in the task. skip: those that are rejected without a look, with reason and
    message. one_by_one: each is cleaned alone, so that it is known which was at work. unread: not even this one can be
    read, nor what lies behind it. limit: no more documents are taken than so many.
    """

    skip: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    one_by_one: bool = False
    unread: int | None = None
    limit: int | None = None


Beat = Callable[[int], None]


def _no_beat(_document: int) -> None:
    pass


def clean_task(job: Job, task: Task, care: Care | None = None, beat: Beat = _no_beat) -> Done:
    """The outcome of one task; the same bytes whichever process does it, in whatever order.

    ``beat`` hears the number of each document before it is touched.
    """
    care = care or Care()
    done, failed = _clean(job, task, care, beat, {})
    if failed:
        # They have been counted as cleaned. That is rare, and to hold all articles of a task until its content is made
        # would double the memory that every worker needs.
        done, _ = _clean(job, task, care, beat, failed)
    return done


def _clean(
    job: Job, task: Task, care: Care, beat: Beat, failed: Mapping[int, Rejected]
) -> tuple[Done, Mapping[int, Rejected]]:
    """What comes of a task, and the documents, by their number, of which it turned out only with the content that they
    cannot be written. failed: those of which that is known."""
    cleaner = load_cleaner(job.model, job.options, job.page_model)
    done = Done(task.part, n_bytes=task.n_bytes)
    documents = _chosen(job, task, _watched(job, task, care, beat), done.tally)
    rendering = new_rendering(job.form, job.options, task, job.reading)
    cleaned = clean_documents(cleaner, _first(documents, care.limit), care.one_by_one)
    for number, (document, outcome) in enumerate(cleaned):
        became = failed.get(number) or _rendered(job, number, document, outcome, done, rendering)
        done.count(document, became, job.with_findings)
    done.records = rendering.content()
    done.findings.prune()
    return done, rendering.failures


def _watched(job: Job, task: Task, care: Care, beat: Beat) -> Iterator[Document]:
    """The documents, each announced before it is read, with those rejected that are known to do harm."""
    content = task.content
    if isinstance(content, Files):
        bodies = [b"" if number in care.skip else body for number, body in enumerate(content.bodies)]
        task = replace(task, content=replace(content, bodies=bodies))
    waiting = read_task(task, job.reading)
    for number in count():
        beat(number)
        if number == care.unread:
            reason, message = care.skip[number]
            position = number + getattr(content, "first_record", 0)
            told = f"{message}; what lies behind it in this block cannot be read"
            yield Document(Rejected(f"{task.name}#{position}", reason, told, task.path, position))
            return
        try:
            document = next(waiting)
        except StopIteration:
            return
        page = document.page
        if number in care.skip and isinstance(page, Page):
            document = replace(document, page=Rejected(page.id, *care.skip[number], page.source, page.position))
        yield document


def _chosen(job: Job, task: Task, documents: Iterator[Document], tally: Tally) -> Iterator[Document]:
    """The documents of the sample; the others are counted."""
    for document in documents:
        if job.sample is None or is_in_sample(f"{document.name or task.name}#{document.page.position}", job.sample):
            yield document
        else:
            tally.n_left_out += 1


def _first(documents: Iterator[Document], limit: int | None) -> Iterator[Document]:
    """So many documents, with the skipped records before and between them."""
    n_taken = 0
    while limit is None or n_taken < limit:
        document = next(documents, None)
        if document is None:
            return
        n_taken += not isinstance(document.page, Skipped)
        yield document


def is_in_sample(name: str, share: float) -> bool:
    """Whether a document belongs to a sample of that share: always the same ones, whatever else there is."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def clean_documents(
    cleaner: Cleaner, documents: Iterator[Document], one_by_one: bool = False
) -> Iterator[tuple[Document, Outcome | Skipped]]:
    """Each document with what became of it; those rejected or skipped in reading stay at their place among them."""
    read: deque[Document] = deque()
    pages = _pages(documents, read)
    outcomes: Iterator[Outcome]
    if one_by_one:
        outcomes = (outcome for page in pages for outcome in cleaner.clean_batch([page]))
    else:
        outcomes = cleaner.clean_many(pages)
    for outcome in outcomes:
        yield from _unread(read)
        yield read.popleft(), outcome
    yield from _unread(read)


def _pages(documents: Iterator[Document], read: deque[Document]) -> Iterator[Page]:
    for document in documents:
        read.append(document)
        if isinstance(document.page, Page):
            yield document.page


def _unread(read: deque[Document]) -> Iterator[tuple[Document, Rejected | Skipped]]:
    """The documents at the front that are no pages, with what was known of them before."""
    while read and not isinstance(page := read[0].page, Page):
        yield read.popleft(), page


def _rendered(
    job: Job, number: int, document: Document, outcome: Outcome | Skipped, done: Done, rendering: Rendering
) -> Outcome | Skipped:
    """What became of a document at last: an article that cannot be written is rejected."""
    if not isinstance(outcome, Article):
        return outcome
    page = document.page
    try:
        if not job.as_texts or document.name is None:
            rendering.add(number, document, outcome)
        elif is_too_long(f"{document.name}{job.text_ending}"):
            message = f"{document.name[:80]}…: no file can have so long a name; write records with --to jsonl"
            return Rejected(outcome.id, "unwritable", message, page.source, page.position)
        elif document.name in job.folder_names:
            message = f"{document.name}{job.text_ending} is the folder of other inputs; write records with --to jsonl"
            return Rejected(outcome.id, "unwritable", message, page.source, page.position)
        else:
            done.texts.append(_text_file(job, document.name, outcome))
    except Exception as error:
        message = f"the record cannot be written: {type(error).__name__}: {error}"
        return Rejected(outcome.id, "internal", message, page.source, page.position)
    return outcome


def _text_file(job: Job, name: str, article: Article) -> TextFile:
    account = article_record(article, job.options)
    del account["text"]
    return TextFile(name, article_text(article).encode(), record_line(account))
