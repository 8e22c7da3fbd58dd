"""The way of a document: pages in, one outcome a page out, in order. No file is touched here but the model's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleaner.assemble import assemble
from cleaner.errors import DocumentError, ModelError, UsageError
from cleaner.extract.decode import decode, repair_surrogates, replace_surrogates
from cleaner.extract.text import split_text
from cleaner.judging import Judges, Unjudged
from cleaner.labels import LABELS
from cleaner.model.artefact import DEFAULT_MODEL, DEFAULT_PAGE_MODEL, load_model
from cleaner.options import CleanOptions
from cleaner.record import page_from_record as page_from_record
from cleaner.types import (
    Article,
    ExplainedLine,
    Explanation,
    Judged,
    Outcome,
    Page,
    PageLines,
    Rejected,
    Removed,
)
from cleaner.verdict import tell_verdict, text_mass

if TYPE_CHECKING:
    import pyarrow as pa


# Scoring has a fixed cost a call that 500 to 4,000 lines share out; larger arrays leave the processor's cache.
BATCH_LINES = 4096

# Where the page model keeps less than this (`text_mass`), another opinion is asked for: on 1 of 630 articles of the dev
# split, on 4 of 66 lists and shops. On articles with less trafilatura's text was better 4 times (F1 from 0 to .91 and
# more) and worse never; on those with up to 300 better once and worse 4 times (bench/verdicts.py).
ASK_AGAIN_BELOW = 100
# The other opinion counts from here on: a text of less is a line or two that nobody looked for.
MIN_ARTICLE_MASS = 200
# In less text there is no page around an article, and the page model would see nothing it knows.
MIN_PAGE_CHARS = 400
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

    model: name of a packaged model or path of a model folder, for plain text. page_model: likewise, for pages in HTML;
    it is loaded with the first page. options: see `CleanOptions`; single options can be given by keyword instead:
    ``Cleaner(mode="recall", keep="+caption")``.

    Thread-safe: a page model that is loaded twice is the same model. Pickles as the models' paths and the options.
    Raises ModelError for a model that is missing or altered, UsageError for an option that cannot work.
    """

    def __init__(
        self,
        model: str | Path = DEFAULT_MODEL,
        options: CleanOptions | None = None,
        *,
        page_model: str | Path = DEFAULT_PAGE_MODEL,
        **single_options: Any,
    ) -> None:
        try:
            self.options = replace(options or CleanOptions(), **single_options)
        except TypeError as error:
            raise UsageError(str(error)) from None
        self._page_model = page_model
        self._judges = Judges(load_model(model), page_model, self.options)
        if str(page_model) != DEFAULT_PAGE_MODEL:
            _ = self._judges.page_judge  # one that is missing or altered is told of now
        self._options_hash = self.options.hash()

    def __reduce__(self) -> tuple[Any, tuple[type[Cleaner], str, CleanOptions, str]]:
        return _unpickle, (type(self), str(self._judges.model.path), self.options, str(self._page_model))

    @property
    def model_name(self) -> str:
        """Name of the model and the first digits of its weights' hash, as in the record out."""
        return self._judges.model.full_name

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
        except ModelError:
            raise  # the page model, which is loaded with the first page
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
        cuts: dict[int, list[Removed]] = {}
        for removed in article.removed:
            if removed.start is not None:
                cuts.setdefault(removed.line, []).append(removed)
        rows = tuple(
            ExplainedLine(
                line,
                why.reasons,
                why.threshold,
                (LABELS[why.runner_up[0]], why.runner_up[1]),
                self._judges.phrase_for(line.text) if line.kept != why.kept_without_hints else None,
                tuple(cuts.get(line.line, ())),
            )
            for line, why in zip(
                article.lines, self._judges.explain(Unjudged(article.judged.page_lines, title)), strict=True
            )
        )
        default = self._judges.model.thresholds(self.options.mode)[0]
        commonest = Counter(row.threshold for row in rows).most_common(1) or [(default, 0)]
        return Explanation(article, rows, commonest[0][0])

    def _extract(self, page: Page) -> _Extracted | Rejected:
        try:
            text, encoding, n_replaced = self._read(page)
            lines = split_text(text) if page.kind == "text" else self._read_page(text, page)
        except DocumentError as error:
            return _reject(page, error.reason, str(error))
        except Exception as error:
            return _reject(page, "internal", f"{type(error).__name__}: {error}")
        if page.title and not page.title.isascii():
            page = replace(page, title=replace_surrogates(page.title))
        # In a page the offsets of the lines count in the extracted text, which is not the page.
        if self.options.markdown and lines.markup is None:
            from cleaner.markdown.plain import mark_text

            lines = replace(lines, markup=mark_text(lines.texts, lines.gaps))
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
            return text, encoding, 0  # decoders give no lone surrogates
        text, n_replaced = repair_surrogates(text)
        return text, encoding, n_replaced

    def _too_large(self, size: int, unit: str) -> DocumentError:
        return DocumentError("too_large", f"{size:,} {unit}, more than max_chars={self.options.max_chars:,} allows")

    def _read_page(self, html: str, page: Page) -> PageLines:
        full = self.options.metadata == "full"
        if self.options.extractor == "trafilatura":
            from cleaner.extract.trafilatura import extract_lines

            return extract_lines(html, page.url, full, self.options.markdown)
        from cleaner.extract.page import read_page

        lines = read_page(html, page.url, full_metadata=full, markdown=self.options.markdown)
        if sum(map(len, lines.texts)) < MIN_PAGE_CHARS and lines.walked is not None:
            return replace(lines, walked=None, extractor="page")
        if self.options.extractor == "both" and lines.walked is not None:
            from cleaner.extract.trafilatura import find_witnesses

            return replace(lines, extractor="both", witnesses=find_witnesses(html, lines, page.url))
        return lines

    def _judge_and_assemble(self, extracted: Sequence[_Extracted]) -> Iterator[Article]:
        decisions = self._judges.judge([Unjudged(entry.lines, entry.page.title) for entry in extracted])
        for entry, decision in zip(extracted, decisions, strict=True):
            article = assemble(
                entry.page,
                decision.judged,
                annotated=entry.text,
                model=decision.model,
                options_hash=self._options_hash,
                encoding=entry.encoding,
                n_replaced=entry.n_replaced,
            )
            yield self._ask_again(entry, article) if entry.lines.walked is not None else article

    def _ask_again(self, entry: _Extracted, article: Article) -> Article:
        """The article by trafilatura's choice of lines where the page model found next to none on a page with text."""
        if not _is_left_empty(entry.lines, article):
            return article
        other = self._clean_by_trafilatura(entry)
        if other is None or other.verdict != "article" or text_mass(other.text) < MIN_ARTICLE_MASS:
            return article
        assert article.judged is not None and other.judged is not None
        return other if tell_verdict(_lay_on_page(other.judged, article.judged, entry.lines)) == "article" else article

    def _clean_by_trafilatura(self, entry: _Extracted) -> Article | None:
        """The article of the lines that trafilatura keeps of a page, None where it gives up."""
        from cleaner.extract.trafilatura import extract_lines

        # Decoded once more: few pages come here, and to keep the text of each until its batch is judged takes memory.
        html, _, _ = self._read(entry.page)
        lines = extract_lines(html, entry.page.url, markdown=self.options.markdown)
        if lines.extractor != "trafilatura":
            return None
        again = replace(entry, lines=replace(lines, metadata=entry.lines.metadata))
        return next(self._judge_and_assemble([again]))


def _is_left_empty(lines: PageLines, article: Article) -> bool:
    """Whether next to nothing is left of a page that has text and does not say that it is no article."""
    return (
        len(article.text) < ASK_AGAIN_BELOW
        and text_mass(article.text) < ASK_AGAIN_BELOW
        and lines.metadata.says_article is not False
        and sum(map(text_mass, lines.texts)) >= 2 * MIN_ARTICLE_MASS
    )


def _lay_on_page(other: Judged, first: Judged, lines: PageLines) -> Judged:
    """The lines of a page with another reader's word on those that it keeps; all else is debris for certain."""
    found = {
        text: (label, score)
        for text, label, score, kept in zip(other.page_lines.texts, other.labels, other.scores, other.kept, strict=True)
        if kept
    }
    words = [found.get(text, (label, 1.0)) for text, label in zip(lines.texts, first.labels, strict=True)]
    kept = [text in found for text in lines.texts]
    sizes = [len(text) for text in other.page_lines.texts]
    doubt = sum(size * score for size, score in zip(sizes, other.scores, strict=True)) / max(sum(sizes), 1)
    return Judged(lines, [label for label, _ in words], [score for _, score in words], kept, text_doubt=doubt)


def _unpickle(kind: type[Cleaner], model: str, options: CleanOptions, page_model: str) -> Cleaner:
    return kind(model, options, page_model=page_model)


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
