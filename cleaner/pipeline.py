"""The way of a document: pages in, one outcome a page out, in order. No file is touched here but the model's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cleaner.assemble import assemble
from cleaner.errors import DocumentError, UsageError
from cleaner.extract.decode import decode, repair_surrogates, replace_surrogates
from cleaner.extract.text import split_text
from cleaner.features.hints import Hints
from cleaner.labels import LABELS
from cleaner.model.artefact import DEFAULT_MODEL, load_model
from cleaner.options import CleanOptions
from cleaner.record import page_from_record as page_from_record
from cleaner.types import (
    Article,
    ExplainedLine,
    Explanation,
    Judged,
    Lines,
    Outcome,
    Page,
    PageLines,
    Rejected,
)

if TYPE_CHECKING:
    import pyarrow as pa

# Scoring has a fixed cost a call that 500 to 4,000 lines share out; larger arrays leave the processor's cache.
BATCH_LINES = 4096

Document = str | bytes | Page | Mapping[str, Any]


@dataclass(frozen=True)
class _Extracted:
    """A page with its lines. text: what the offsets of the lines count in, kept only where it is wanted."""

    page: Page
    lines: PageLines
    encoding: str | None
    n_replaced: int
    text: str | None


class Cleaner:
    """Cleans documents with one model and one set of options.

    model: name of a packaged model or path of a model folder. options: see `CleanOptions`; single options can be
    given by keyword instead: ``Cleaner(mode="recall", keep="+caption")``.

    Thread-safe: nothing here changes after construction. Pickles as the model's path and the options.
    Raises ModelError for a model that is missing or altered, UsageError for an option that cannot work.
    """

    def __init__(
        self, model: str | Path = DEFAULT_MODEL, options: CleanOptions | None = None, **single_options: Any
    ) -> None:
        try:
            self.options = replace(options or CleanOptions(), **single_options)
        except TypeError as error:
            raise UsageError(str(error)) from None
        self._model = load_model(model)
        self._hints = self._model.compile_hints(self.options.drop_like, self.options.keep_like)
        self._options_hash = self.options.hash()
        self._is_dropped = np.array([label not in self.options.keep for label in LABELS])

    def __reduce__(self) -> tuple[type[Cleaner], tuple[str, CleanOptions]]:
        return type(self), (str(self._model.path), self.options)

    @property
    def model_name(self) -> str:
        """Name of the model and the first digits of its weights' hash, as in the record out."""
        return self._model.full_name

    def clean(
        self,
        text: str | bytes | None = None,
        *,
        html: str | bytes | None = None,
        url: str | None = None,
        title: str | None = None,
    ) -> Article:
        """The clean article of one document, given as plain text or as a page in HTML.

        Raises DocumentError (with its reason) for a document that cannot be cleaned, UsageError unless exactly
        one of text and html is given.
        """
        if (text is None) == (html is None):
            raise UsageError("clean() takes a text or html=…, and one of them only")
        body = text if html is None else html
        if not isinstance(body, (str, bytes)):
            raise UsageError(f"clean() takes str or bytes, not {type(body).__name__}")
        page = Page(body, "text" if html is None else "html", url=url, title=title)
        (outcome,) = self.clean_batch([page])
        if isinstance(outcome, Rejected):
            raise DocumentError(outcome.reason, outcome.message)
        return outcome

    def clean_many(self, documents: Iterable[Document | Rejected]) -> Iterator[Outcome]:
        """One Article or Rejected for each document, in the order of the documents.

        A document is a text (str or bytes), a `Page`, or a mapping with ``text`` or ``html`` as in a record in;
        anything else comes back as Rejected (``bad_type``), and a Rejected as it is. Reads ahead as far as one batch
        of lines is long; memory does not grow with the number of documents. Raises UsageError for a single document.
        """
        if isinstance(documents, (str, bytes, Page, Mapping)):
            raise UsageError(
                f"clean_many() takes several documents, not one {type(documents).__name__}: use clean(), or a list"
            )
        return self._clean_stream(iter(documents))

    def _clean_stream(self, documents: Iterator[Document | Rejected]) -> Iterator[Outcome]:
        batch: list[Page | Rejected] = []
        n_lines = 0
        for document in documents:
            page = as_page(document)
            batch.append(page)
            n_lines += _guess_lines(page)
            if n_lines >= BATCH_LINES:
                yield from self.clean_batch(batch)
                batch, n_lines = [], 0
        if batch:
            yield from self.clean_batch(batch)

    def clean_batch(self, pages: Sequence[Page | Rejected]) -> list[Outcome]:
        """Outcomes of the pages, in their order, scored together; a Rejected among them is handed on."""
        prepared = [page if isinstance(page, Rejected) else self._extract(page) for page in pages]
        extracted = [entry for entry in prepared if not isinstance(entry, Rejected)]
        try:
            articles = iter(self._judge_and_assemble(extracted))
            return [entry if isinstance(entry, Rejected) else next(articles) for entry in prepared]
        except Exception as error:
            # One page of the batch made us fail: clean each alone, so that it takes no other down with it.
            if len(prepared) > 1:
                return list(chain.from_iterable(self.clean_batch([page]) for page in pages))
            (page,) = pages
            assert isinstance(page, Page)
            return [_reject(page, "internal", f"{type(error).__name__}: {error}")]

    def clean_table(
        self,
        table: pa.Table,
        *,
        text_column: str = "text",
        html_column: str = "html",
        title_column: str = "title",
        id_column: str = "id",
        keep_input: bool = False,
    ) -> pa.Table:
        """Arrow in, Arrow out, a row for each row; see `cleaner.arrow.clean_table`."""
        from cleaner.arrow import clean_table

        return clean_table(
            self,
            table,
            text_column=text_column,
            html_column=html_column,
            title_column=title_column,
            id_column=id_column,
            keep_input=keep_input,
        )

    def explain(
        self,
        text: str | bytes | None = None,
        *,
        html: str | bytes | None = None,
        url: str | None = None,
        title: str | None = None,
    ) -> Explanation:
        """One document with every line explained; takes and raises what `clean` does."""
        article = self.clean(text, html=html, url=url, title=title)
        assert article.judged is not None
        page_lines = article.judged.page_lines
        entry = _Extracted(Page("", url=url, title=title), page_lines, None, 0, None)
        lines = _as_lines([entry])
        evidence = self._hints.evidence(lines.texts) if self._hints else None
        from cleaner.model.explain import explain_lines

        reasons, runners_up = explain_lines(self._model, lines, self._is_dropped, evidence)
        verdicts = self._model.judge(lines, self._is_dropped, self.options.mode, self._hints)
        unhinted = (
            self._model.judge(lines, self._is_dropped, self.options.mode, Hints()) if self._hints else verdicts
        ).kept.tolist()
        return Explanation(
            article,
            tuple(
                ExplainedLine(
                    line,
                    line_reasons,
                    (LABELS[runner_up], probability),
                    self._hints.phrase_for(line.text) if self._hints and line.kept != was_kept else None,
                )
                for line, line_reasons, (runner_up, probability), was_kept in zip(
                    article.lines, reasons, runners_up, unhinted, strict=True
                )
            ),
            float(verdicts.thresholds[0]) if lines.n_lines else self._model.thresholds(self.options.mode)[0],
        )

    def _extract(self, page: Page) -> _Extracted | Rejected:
        try:
            text, encoding, n_replaced = self._read(page)
            lines = split_text(text) if page.kind == "text" else self._extract_html(text, page)
        except DocumentError as error:
            return _reject(page, error.reason, str(error))
        except Exception as error:
            return _reject(page, "internal", f"{type(error).__name__}: {error}")
        if page.title and not page.title.isascii():
            page = replace(page, title=replace_surrogates(page.title))
        # In a page the offsets of the lines count in the extracted text, which is not the page.
        return _Extracted(page, lines, encoding, n_replaced, text if self.options.annotate else None)

    def _read(self, page: Page) -> tuple[str, str | None, int]:
        """The page's text, its encoding where it came as bytes, and how many lone surrogates were replaced."""
        # No encoding in use takes more than four bytes for a character, so more need not be decoded to be refused.
        if len(page.body) > self.options.max_chars * (4 if isinstance(page.body, bytes) else 1):
            raise self._too_large(len(page.body), "bytes" if isinstance(page.body, bytes) else "characters")
        text, encoding = page.body, None
        if isinstance(text, bytes):
            text, encoding = decode(text, declared=page.encoding, is_html=page.kind == "html")
            if len(text) > self.options.max_chars:
                raise self._too_large(len(text), "characters")
        text, n_replaced = repair_surrogates(text)
        return text, encoding, n_replaced

    def _too_large(self, size: int, unit: str) -> DocumentError:
        return DocumentError("too_large", f"{size:,} {unit}, more than max_chars={self.options.max_chars:,} allows")

    def _extract_html(self, html: str, page: Page) -> PageLines:
        from cleaner.extract.trafilatura import extract_lines

        return extract_lines(html, url=page.url if isinstance(page.url, str) else None)

    def _judge_and_assemble(self, extracted: Sequence[_Extracted]) -> Iterator[Article]:
        if not extracted:
            return
        lines = _as_lines(extracted)
        verdicts = self._model.judge(lines, self._is_dropped, self.options.mode, self._hints)
        labels, scores, kept = verdicts.labels.tolist(), verdicts.scores.tolist(), verdicts.kept.tolist()
        page_starts = lines.page_starts.tolist()
        for entry, start, end in zip(extracted, page_starts, page_starts[1:], strict=False):
            yield assemble(
                entry.page,
                Judged(entry.lines, labels[start:end], scores[start:end], kept[start:end]),
                annotated=entry.text,
                model=self.model_name,
                options_hash=self._options_hash,
                encoding=entry.encoding,
                n_replaced=entry.n_replaced,
            )


def as_page(document: object) -> Page | Rejected:
    """The page that a document given from Python stands for; a mapping is read like a record in.

    What is no document comes back as Rejected: among many, one that is missing must not end the run.
    """
    if isinstance(document, (Page, Rejected)):
        return document
    if isinstance(document, (str, bytes)):
        return Page(document)
    if isinstance(document, Mapping):
        return page_from_record(document)
    return Rejected(None, "bad_type", f"a document is str, bytes, Page or a mapping, not {type(document).__name__}")


def _as_lines(extracted: Sequence[_Extracted]) -> Lines:
    return Lines(
        texts=list(chain.from_iterable(entry.lines.texts for entry in extracted)),
        page_starts=np.array([0, *accumulate(len(entry.lines.texts) for entry in extracted)], dtype=np.int64),
        titles=[_context_title(entry) for entry in extracted],
    )


def _context_title(entry: _Extracted) -> str:
    """The title that the model sees: the input's, else the page's own best."""
    metadata = entry.lines.metadata
    return entry.page.title or next(iter(metadata.titles), None) or metadata.head_title or ""


def _guess_lines(page: Page | Rejected) -> int:
    """A cheap stand-in for the number of lines, which is known only after extraction."""
    if isinstance(page, Rejected):
        return 1
    body = page.body
    n_rows = (body.count("\n") if isinstance(body, str) else body.count(b"\n")) + 1 if page.kind == "text" else 1
    # Documents are held until their batch closes, so size counts where rows do not tell it: in HTML, in one long line.
    return max(n_rows, len(body) // 1000)


def _reject(page: Page, reason: str, message: str) -> Rejected:
    return Rejected(page.id, reason, message, page.source, page.position)
