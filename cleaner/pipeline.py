"""The way of a document: pages in, one outcome a page out, in order. No file is touched here but the model's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cleaner.assemble import assemble
from cleaner.errors import DocumentError, ModelError, UsageError
from cleaner.extract.decode import decode, repair_surrogates, replace_surrogates
from cleaner.extract.text import split_text
from cleaner.features.hints import Hints
from cleaner.labels import LABELS
from cleaner.model.artefact import DEFAULT_MODEL, DEFAULT_PAGE_MODEL, Verdicts, load_model
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
    Removed,
)
from cleaner.verdict import tell_verdict, text_mass

if TYPE_CHECKING:
    import pyarrow as pa

    from cleaner.features.pages import PageBatch
    from cleaner.model.page_artefact import PageJudge
    from cleaner.model.span_artefact import SpanModel

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
# A page of which more is kept is no page but a piece that somebody cut out of one; of real pages a quarter is.
CUTTING_SHARE = 0.6
# Where the model of texts would take more than this leaves, it does not know the kind of text (verse, tables of dates).
CREDIBLE_SHARE = 0.6

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
        self._model = load_model(model)
        self._page_model = page_model
        if str(page_model) != DEFAULT_PAGE_MODEL:
            _ = self._page_judge  # one that is missing or altered is told of now
        self._spans = self._load_spans()
        self._hints = self._model.compile_hints(self.options.drop_like, self.options.keep_like)
        self._options_hash = self.options.hash()
        self._is_dropped = np.array([label not in self.options.keep for label in LABELS])

    def __reduce__(self) -> tuple[Any, tuple[type[Cleaner], str, CleanOptions, str]]:
        return _unpickle, (type(self), str(self._model.path), self.options, str(self._page_model))

    def _load_spans(self) -> SpanModel | None:
        # With nothing removed there is nothing to cut.
        if self.options.cut != "spans" or self.options.annotate:
            return None
        from cleaner.model.span_artefact import load_span_model

        return load_span_model(self._model)

    @cached_property
    def _page_judge(self) -> PageJudge:
        # A run over texts never needs it, and it takes as long to load as the model of texts.
        from cleaner.model.page_artefact import load_page_model

        return load_page_model(self._page_model)

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
        entry = _Extracted(Page("", url=url, title=title), article.judged.page_lines, None, 0, None)
        judged_as_page = article.judged.page_lines.walked is not None
        evidence = self._hints.evidence(entry.lines.texts) if self._hints else None
        if judged_as_page:
            from cleaner.model.page_explain import explain_page

            reasons, runners_up = explain_page(self._page_judge, _as_batch([entry]), self._is_dropped, evidence)
        else:
            from cleaner.model.explain import explain_lines

            reasons, runners_up = explain_lines(self._model, _as_lines([entry]), self._is_dropped, evidence)
        verdicts = self._judge([entry], judged_as_page, self._hints)
        unhinted = (self._judge([entry], judged_as_page, Hints()) if self._hints else verdicts).kept.tolist()
        cuts: dict[int, list[Removed]] = {}
        for removed in article.removed:
            if removed.start is not None:
                cuts.setdefault(removed.line, []).append(removed)
        mode = self.options.mode
        default = self._page_judge.threshold(mode) if judged_as_page else self._model.thresholds(mode)[0]
        return Explanation(
            article,
            tuple(
                ExplainedLine(
                    line,
                    line_reasons,
                    (LABELS[runner_up], probability),
                    self._hints.phrase_for(line.text) if self._hints and line.kept != was_kept else None,
                    tuple(cuts.get(line.line, ())),
                )
                for line, line_reasons, (runner_up, probability), was_kept in zip(
                    article.lines, reasons, runners_up, unhinted, strict=True
                )
            ),
            float(verdicts.thresholds[0]) if len(verdicts.thresholds) else default,
        )

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

    def _judge(self, entries: Sequence[_Extracted], as_pages: bool, hints: Hints) -> Verdicts:
        """Verdicts on the lines of documents that are all pages with a tree, or all without one."""
        if not as_pages:
            return self._model.judge(_as_lines(entries), self._is_dropped, self.options.mode, hints)
        witness = None
        if self.options.extractor == "both":
            sizes = [len(entry.lines.texts) for entry in entries]
            witness = (
                np.array(
                    ["".join(text.split()) in entry.lines.witnesses for entry in entries for text in entry.lines.texts],
                    dtype=np.bool_,
                ),
                np.repeat(np.array([bool(entry.lines.witnesses) for entry in entries], dtype=np.bool_), sizes),
            )
        return self._page_judge.judge(_as_batch(entries), self._is_dropped, self.options.mode, hints, witness)

    def _judge_and_assemble(self, extracted: Sequence[_Extracted]) -> Iterator[Article]:
        for entry, (name, judged) in zip(extracted, self._judge_all(extracted), strict=True):
            article = assemble(
                entry.page,
                judged,
                annotated=entry.text,
                model=name,
                options_hash=self._options_hash,
                encoding=entry.encoding,
                n_replaced=entry.n_replaced,
            )
            yield self._ask_again(entry, article) if entry.lines.walked is not None else article

    def _judge_all(self, extracted: Sequence[_Extracted]) -> Iterator[tuple[str, Judged]]:
        """For each document what was decided about its lines, and the name of the model that did.

        The model of plain text also speaks on pages of which the page model keeps nearly all. There is no page around
        such an article: a feed or another extractor cut it out, and debris stands in the same tags as the story. On 132
        of 2,810 real pages it changes nothing (F1 .967 and .966).
        """
        numbers = range(len(extracted))
        as_pages = self._judge_some(extracted, [n for n in numbers if extracted[n].lines.walked is not None], True)
        # Texts and cuttings in one call, which takes 1.5 ms however few lines there are.
        as_texts = self._judge_some(extracted, [n for n in numbers if _is_text(as_pages.get(n))], False)
        for number in numbers:
            as_page = as_pages.get(number)
            if as_page is None:
                yield self.model_name, as_texts[number]
                continue
            name = self._page_judge.full_name
            if number in as_texts:
                both = _join_judged(as_page, as_texts[number])
                if _kept_chars(both) >= CREDIBLE_SHARE * _kept_chars(as_page):
                    yield f"{name}+{self.model_name}", both
                    continue
            yield name, as_page

    def _judge_some(self, extracted: Sequence[_Extracted], numbers: list[int], as_pages: bool) -> dict[int, Judged]:
        """The verdicts on some of the documents, by their number."""
        if not numbers:
            return {}
        entries = [extracted[number] for number in numbers]
        return dict(zip(numbers, _split(self._judge(entries, as_pages, self._hints), entries), strict=True))

    def _cut_spans(
        self, spans: SpanModel, extracted: Sequence[_Extracted], judged: dict[int, tuple[str, Judged]]
    ) -> None:
        """Cut what is glued to kept lines of documents that were judged as text; in a page debris has its own tag."""
        texts = [number for number, (_, of_page) in judged.items() if of_page.page_lines.walked is None]
        lines = _as_lines([extracted[number] for number in texts])
        verdicts = [judged[number][1] for number in texts]
        for number, of_page in zip(
            texts, spans.cut(self._model.line_model, lines, verdicts, self._is_dropped), strict=True
        ):
            judged[number] = f"{judged[number][0]}+spans@{spans.name}", of_page

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


def _split(verdicts: Verdicts, entries: Sequence[_Extracted]) -> Iterator[Judged]:
    """The verdicts on the lines of each document."""
    labels, scores, kept = verdicts.labels.tolist(), verdicts.scores.tolist(), verdicts.kept.tolist()
    borders = [0, *accumulate(len(entry.lines.texts) for entry in entries)]
    for entry, start, end in zip(entries, borders[:-1], borders[1:], strict=True):
        yield Judged(entry.lines, labels[start:end], scores[start:end], kept[start:end])


def _is_text(as_page: Judged | None) -> bool:
    """Whether the model of plain text is to judge a document, given what the page model says of it if it is a page."""
    return as_page is None or sum(as_page.kept) >= max(CUTTING_SHARE * len(as_page.kept), 1)


def _join_judged(as_page: Judged, as_text: Judged) -> Judged:
    """What the page model drops stays dropped, all else is as judged as text."""
    stays = as_page.kept
    return Judged(
        replace(as_page.page_lines, walked=None),
        [text if stay else page for stay, text, page in zip(stays, as_text.labels, as_page.labels, strict=True)],
        [text if stay else page for stay, text, page in zip(stays, as_text.scores, as_page.scores, strict=True)],
        [text and stay for stay, text in zip(stays, as_text.kept, strict=True)],
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
    return Judged(lines, [label for label, _ in words], [score for _, score in words], kept)


def _kept_chars(judged: Judged) -> int:
    return sum(len(text) for text, kept in zip(judged.page_lines.texts, judged.kept, strict=True) if kept)


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


def _as_lines(extracted: Sequence[_Extracted]) -> Lines:
    return Lines(
        texts=list(chain.from_iterable(entry.lines.texts for entry in extracted)),
        page_starts=np.array([0, *accumulate(len(entry.lines.texts) for entry in extracted)], dtype=np.int64),
        titles=[_context_title(entry) for entry in extracted],
    )


def _as_batch(extracted: Sequence[_Extracted]) -> PageBatch:
    """The pages for the page model; the title that the input gave counts as one that the page declares."""
    from cleaner.features.pages import PageBatch

    return PageBatch(
        [entry.lines.walked for entry in extracted if entry.lines.walked is not None],
        [
            replace(entry.lines.metadata, titles=(*entry.lines.metadata.titles, entry.page.title))
            if entry.page.title and entry.page.title not in entry.lines.metadata.titles
            else entry.lines.metadata
            for entry in extracted
        ],
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
