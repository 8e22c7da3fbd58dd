"""A task and what comes of it: the part of a run that a worker does, from bytes in to bytes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, TypeVar

from cleaner.errors import DocumentError, InputError
from cleaner.extract.decode import decode
from cleaner.model.artefact import DEFAULT_PAGE_MODEL
from cleaner.options import CleanOptions
from cleaner.pipeline import Cleaner, page_from_record
from cleaner.readers.jsonl import Block, parse_record
from cleaner.readers.sources import Source
from cleaner.record import article_record
from cleaner.types import Article, Outcome, Page, Rejected
from cleaner.writers.jsonl import record_line
from cleaner.writers.text import article_text

_Rendered = TypeVar("_Rendered")


@dataclass(frozen=True)
class Columns:
    """Names of the fields of a record in that hold what the cleaner reads."""

    text: str = "text"
    html: str = "html"
    title: str = "title"
    id: str = "id"


@dataclass(frozen=True)
class Job:
    """What every task of a run has in common.

    keep_input: the record out carries the document as it came in.
    as_texts: single texts and pages come out as plain text beside their account, not as records.
    model, page_model: what judges texts, and pages in HTML.
    """

    model: str
    options: CleanOptions
    columns: Columns = Columns()
    keep_input: bool = False
    as_texts: bool = False
    page_model: str = DEFAULT_PAGE_MODEL


@dataclass(frozen=True)
class RecordsTask:
    """A block of records. part: number of the shard that it goes to. n_bytes: what was read for it."""

    path: str
    name: str
    part: int
    block: Block
    n_bytes: int = 0


@dataclass(frozen=True)
class FilesTask:
    """Single texts and pages, read by the worker; bodies are given for those that came through a pipe."""

    sources: Sequence[Source]
    bodies: Sequence[bytes | None]
    part: int | None
    n_bytes: int = 0


@dataclass(frozen=True)
class FailedTask:
    """An input, or the rest of one, that cannot be read."""

    rejected: Rejected


Task = RecordsTask | FilesTask | FailedTask


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

    def count(self, outcome: Outcome) -> None:
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
    if isinstance(task, FailedTask):
        done = Done(None, rejected=[task.rejected])
        done.tally.count(task.rejected)
        return done
    if isinstance(task, RecordsTask):
        return _clean_records(job, task)
    return _clean_files(job, task)


def _clean_records(job: Job, task: RecordsTask) -> Done:
    done = Done(task.part, n_bytes=task.n_bytes)
    exact: list[bool] = []
    pages: list[Page | Rejected] = []
    for position, line_number, line in task.block.records():
        page, is_exact = _read_record(job, task, position, line_number, line, done.tally)
        pages.append(page)
        exact.append(is_exact)
    lines: list[bytes] = []
    for outcome, page, is_exact in zip(_outcomes(job, pages), pages, exact, strict=True):
        written = _write(outcome, page, done, partial(_record, job, is_exact=is_exact))
        if written is not None:
            lines.append(written)
    done.records = b"".join(lines)
    return done


def _read_record(
    job: Job, task: RecordsTask, position: int, line_number: int, line: bytes | None, tally: Tally
) -> tuple[Page | Rejected, bool]:
    """The page of one line, and whether its record holds values that only exact JSON carries."""
    columns = job.columns
    default_id = f"{task.name}#{position}"
    if line is None:
        return Rejected(default_id, "too_large", f"line {line_number} is too long", task.path, position), False
    try:
        record = parse_record(line, (columns.text, columns.html))
    except DocumentError as error:
        message = f"line {line_number}: {error}"
        return Rejected(default_id, error.reason, message, task.path, position), False
    tally.n_surrogates += record.n_surrogates
    page = page_from_record(
        record.fields,
        text_column=columns.text,
        html_column=columns.html,
        title_column=columns.title,
        id_column=columns.id,
        source=task.path,
        position=position,
    )
    if page.id is None:
        page = replace(page, id=default_id)
    if job.keep_input and isinstance(page, Page):
        page = replace(page, extra={**page.extra, **_given(record.fields, columns)})
    return page, record.is_exact


def _given(fields: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    given = {name: fields[name] for name in (columns.text, columns.html) if name in fields}
    return {
        name: _decoded(value, name == columns.html) if isinstance(value, bytes) else value
        for name, value in given.items()
    }


def _decoded(body: bytes, is_html: bool) -> str:
    try:
        return decode(body, is_html=is_html)[0]
    except DocumentError:
        return body.decode("utf-8", "replace")


def _clean_files(job: Job, task: FilesTask) -> Done:
    done = Done(task.part, n_bytes=task.n_bytes)
    names = {f"{source.name}#0": source.name for source in task.sources}
    pages = [_read_file(job, source, body) for source, body in zip(task.sources, task.bodies, strict=True)]
    lines: list[bytes] = []
    for outcome, page in zip(_outcomes(job, pages), pages, strict=True):
        if job.as_texts:
            text = _write(outcome, page, done, partial(_text_file, job, names))
            if text is not None:
                done.texts.append(text)
        else:
            line = _write(outcome, page, done, partial(_record, job))
            if line is not None:
                lines.append(line)
    done.records = b"".join(lines)
    return done


def _read_file(job: Job, source: Source, body: bytes | None) -> Page | Rejected:
    page_id = f"{source.name}#0"
    try:
        body = read_body(source, job.options.max_chars) if body is None else body
    except InputError as error:
        return Rejected(page_id, "unreadable", str(error), source.path, 0)
    except DocumentError as error:
        return Rejected(page_id, error.reason, str(error), source.path, 0)
    kind = "html" if source.kind == "html" else "text"
    extra = {kind: _decoded(body, kind == "html")} if job.keep_input else {}
    return Page(body, "html" if kind == "html" else "text", id=page_id, source=source.path, position=0, extra=extra)


def read_body(source: Source, max_chars: int) -> bytes:
    """All bytes of a single text or page. Raises DocumentError for more than a document can have, InputError."""
    # No encoding that is read spends more than four bytes on a character.
    limit_bytes = 4 * max_chars + 4
    chunks: list[bytes] = []
    n_bytes = 0
    for chunk in source.chunks():
        chunks.append(chunk)
        n_bytes += len(chunk)
        if n_bytes > limit_bytes:
            raise DocumentError("too_large", f"more than {limit_bytes:,} bytes")
    return b"".join(chunks)


def _outcomes(job: Job, pages: Sequence[Page | Rejected]) -> Iterator[Outcome]:
    """Articles or rejections of the pages, those that were rejected in reading at their place among them."""
    cleaned = load_cleaner(job.model, job.options, job.page_model).clean_many(
        page for page in pages if isinstance(page, Page)
    )
    for page in pages:
        yield page if isinstance(page, Rejected) else next(cleaned)


def _write(
    outcome: Outcome, page: Page | Rejected, done: Done, render: Callable[[Article], _Rendered]
) -> _Rendered | None:
    """What ``render`` makes of an article; None for a document that is rejected, at last because of the rendering."""
    rendered: _Rendered | None = None
    if isinstance(outcome, Article):
        try:
            rendered = render(outcome)
        except Exception as error:
            message = f"the record cannot be written: {type(error).__name__}: {error}"
            outcome = Rejected(outcome.id, "internal", message, page.source, page.position)
    if isinstance(outcome, Rejected):
        done.rejected.append(outcome)
    done.tally.count(outcome)
    return rendered


def _record(job: Job, article: Article, is_exact: bool = False) -> bytes:
    return record_line(article_record(article, job.options), is_exact)


def _text_file(job: Job, names: Mapping[str, str], article: Article) -> TextFile:
    account = article_record(article, job.options)
    del account["text"]
    return TextFile(names[article.id], article_text(article).encode(), record_line(account))
