"""Who decides on lines: the model of pages, then on what that keeps the model of plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from cleaner.features.hints import Hints
from cleaner.labels import LABELS
from cleaner.model.artefact import SCORE_DIGITS, Model, Verdicts
from cleaner.options import CleanOptions
from cleaner.types import Judged, Lines, PageLines, Reason

if TYPE_CHECKING:
    from cleaner.features.pages import PageBatch
    from cleaner.model.page_artefact import PageJudge
    from cleaner.model.span_artefact import SpanModel

# A page of which more is kept is no page but a piece that somebody cut out of one; of real pages a quarter is.
CUTTING_SHARE = 0.6
# Where the model of texts would leave less of what the page model keeps, it does not know the kind of text (verse, a
# transcript, tables of dates).
CREDIBLE_SHARE = 0.6


class Unjudged(NamedTuple):
    """The lines of a document, and the title that the input gave with it."""

    lines: PageLines
    title: str | None

    @property
    def context_title(self) -> str:
        """The title that the model of plain text sees: the input's, else the page's own best."""
        metadata = self.lines.metadata
        return self.title or next(iter(metadata.titles), None) or metadata.head_title or ""


@dataclass(frozen=True)
class Decision:
    """What was decided about the lines of a document, and who did.

    thresholds: float64, shape (n_lines,), the score from which each line goes. text_rows: the lines on which the model
    of plain text had the last word.
    """

    model: str
    judged: Judged
    thresholds: npt.NDArray[np.float64]
    text_rows: npt.NDArray[np.int64]


class LineReasons(NamedTuple):
    """Why a line was judged as it was. runner_up: the second most probable class and its probability."""

    reasons: tuple[Reason, ...]
    runner_up: tuple[int, float]
    threshold: float
    kept_without_hints: bool


class Judges:
    """The models that decide on lines, under one set of options. Raises UsageError for hints that are none."""

    def __init__(self, model: Model, page_model: str | Path, options: CleanOptions) -> None:
        self.model, self._page_model, self._options = model, page_model, options
        self._hints = model.compile_hints(options.drop_like, options.keep_like)
        self._is_dropped = np.array([label not in options.keep for label in LABELS])
        self._spans = self._load_spans()

    def _load_spans(self) -> SpanModel | None:
        # With nothing removed there is nothing to cut.
        if self._options.cut != "spans" or self._options.annotate:
            return None
        from cleaner.model.span_artefact import load_span_model

        return load_span_model(self.model)

    @cached_property
    def page_judge(self) -> PageJudge:
        """The model of pages. A run over texts never needs it, and it takes as long to load as the model of texts."""
        from cleaner.model.page_artefact import load_page_model

        return load_page_model(self._page_model)

    def phrase_for(self, text: str) -> str | None:
        """The user's phrase that a line matches."""
        return self._hints.phrase_for(text)

    def judge(self, documents: Sequence[Unjudged]) -> list[Decision]:
        """A decision for each document."""
        decisions = self._judge(documents, self._hints)
        return decisions if self._spans is None else self._cut_spans(self._spans, documents, decisions)

    def explain(self, document: Unjudged) -> list[LineReasons]:
        """For each line of a document why it was judged as it was."""
        (decision,) = self._judge([document], self._hints)
        (unhinted,) = self._judge([document], Hints()) if self._hints else (decision,)
        texts = document.lines.texts
        evidence = self._hints.evidence(texts) if self._hints else None
        explained: list[tuple[tuple[Reason, ...], tuple[int, float]]] = [((), (0, 0.0))] * len(texts)
        if document.lines.walked is not None:
            from cleaner.model.page_explain import explain_page

            explained = list(
                zip(*explain_page(self.page_judge, _as_batch([document]), self._is_dropped, evidence), strict=True)
            )
        rows = decision.text_rows
        if len(rows):
            from cleaner.model.explain import explain_lines

            of_text = explain_lines(
                self.model,
                _as_lines([(document, rows)]),
                self._is_dropped,
                None if evidence is None else evidence[rows],
            )
            for row, (reasons, runner_up) in zip(rows.tolist(), zip(*of_text, strict=True), strict=True):
                # Both models had to let the line stand, so what weighed with either is told.
                both = sorted((*explained[row][0], *reasons), key=lambda reason: -abs(reason.push))
                explained[row] = tuple(both), runner_up
        return [
            LineReasons(reasons, runner_up, threshold, kept)
            for (reasons, runner_up), threshold, kept in zip(
                explained, decision.thresholds.tolist(), unhinted.judged.kept, strict=True
            )
        ]

    def _judge(self, documents: Sequence[Unjudged], hints: Hints) -> list[Decision]:
        pages = [number for number, document in enumerate(documents) if document.lines.walked is not None]
        of_pages = dict(zip(pages, self._judge_pages([documents[number] for number in pages], hints), strict=True))
        # Of a page the lines that are kept stand for an article as somebody would have cut it out.
        asked = [
            (document, np.flatnonzero(of_pages[number].judged.kept))
            if number in of_pages
            else (document, np.arange(len(document.lines.texts)))
            for number, document in enumerate(documents)
        ]
        # Texts and what is kept of pages in one call, which takes 1.5 ms however few lines there are.
        verdicts = self.model.judge(_as_lines(asked), self._is_dropped, self._options.mode, hints)
        of_texts = _split(verdicts, [len(rows) for _, rows in asked])
        return [
            _follow(of_pages[number], rows, of_text, self.model.full_name)
            if number in of_pages
            else Decision(self.model.full_name, _as_judged(document.lines, of_text), of_text.thresholds, rows)
            for number, ((document, rows), of_text) in enumerate(zip(asked, of_texts, strict=True))
        ]

    def _judge_pages(self, documents: Sequence[Unjudged], hints: Hints) -> Iterator[Decision]:
        """What the page model says of pages with a tree."""
        if not documents:
            return
        witness = None
        sizes = [len(document.lines.texts) for document in documents]
        if self._options.extractor == "both":
            found = [
                "".join(text.split()) in document.lines.witnesses
                for document in documents
                for text in document.lines.texts
            ]
            asked = np.array([bool(document.lines.witnesses) for document in documents], dtype=np.bool_)
            witness = np.array(found, dtype=np.bool_), np.repeat(asked, sizes)
        judge = self.page_judge
        verdicts = judge.judge(_as_batch(documents), self._is_dropped, self._options.mode, hints, witness)
        nobody = np.zeros(0, dtype=np.int64)
        for document, of_page in zip(documents, _split(verdicts, sizes), strict=True):
            judged = _as_judged(document.lines, of_page)
            is_cutting = sum(judged.kept) >= max(CUTTING_SHARE * len(judged.kept), 1)
            yield Decision(judge.full_name, replace(judged, is_cutting=is_cutting), of_page.thresholds, nobody)

    def _cut_spans(
        self, spans: SpanModel, documents: Sequence[Unjudged], decisions: Sequence[Decision]
    ) -> list[Decision]:
        """Cut what is glued to kept lines of texts and cuttings; in a page debris has its own tag."""
        chosen = [number for number, decision in enumerate(decisions) if not decision.judged.stands_in_page]
        asked = [(documents[number], np.arange(len(documents[number].lines.texts))) for number in chosen]
        judged = [decisions[number].judged for number in chosen]
        cut = list(decisions)
        for number, of_page in zip(
            chosen, spans.cut(self.model.line_model, _as_lines(asked), judged, self._is_dropped), strict=True
        ):
            decision = decisions[number]
            cut[number] = replace(decision, model=f"{decision.model}+spans@{spans.name}", judged=of_page)
        return cut


def _follow(of_page: Decision, rows: npt.NDArray[np.int64], of_text: Verdicts, name: str) -> Decision:
    """What the page model drops stays dropped, all else goes by what both doubt of it, unless that takes too much."""
    of_lines = of_page.judged
    texts = of_lines.page_lines.texts
    sizes = np.array([len(texts[row]) for row in rows.tolist()], dtype=np.int64)
    kept_chars = int(sizes.sum())
    judged = replace(of_lines, text_doubt=float(sizes @ of_text.scores) / max(kept_chars, 1))
    # The two see different things, and what each doubts a little is doubted more. F1 over the sources is the same with
    # it (.9770, by a page model that saw nothing of the site); a teaser among paragraphs goes sooner. Where a second
    # extractor overruled the page model, its doubt does not count.
    doubts = np.array(judged.scores)[rows]
    both = np.round(1 - (1 - of_text.scores) * (1 - doubts * (doubts < of_page.thresholds[rows])), SCORE_DIGITS)
    keeps = both < of_text.thresholds
    if not len(rows) or int(sizes @ keeps) < CREDIBLE_SHARE * kept_chars:
        # What the page model alone decides on counts as a page.
        return replace(of_page, judged=replace(judged, is_cutting=False))
    labels, scores, kept = judged.labels.copy(), judged.scores.copy(), judged.kept.copy()
    for row, label, score, keep in zip(
        rows.tolist(), of_text.labels.tolist(), both.tolist(), keeps.tolist(), strict=True
    ):
        scores[row], kept[row] = score, keep
        # What both keep is named by the model that sees the tags, where there are any that tell.
        if judged.is_cutting or not keep:
            labels[row] = label
    thresholds = of_page.thresholds.copy()
    thresholds[rows] = of_text.thresholds
    return Decision(
        f"{of_page.model}+{name}", replace(judged, labels=labels, scores=scores, kept=kept), thresholds, rows
    )


def _as_judged(lines: PageLines, verdicts: Verdicts) -> Judged:
    return Judged(lines, verdicts.labels.tolist(), verdicts.scores.tolist(), verdicts.kept.tolist())


def _split(verdicts: Verdicts, sizes: Sequence[int]) -> Iterator[Verdicts]:
    """The verdicts on the lines of each document."""
    for end, size in zip(accumulate(sizes), sizes, strict=True):
        here = slice(end - size, end)
        yield Verdicts(verdicts.labels[here], verdicts.scores[here], verdicts.kept[here], verdicts.thresholds[here])


def _as_lines(asked: Sequence[tuple[Unjudged, npt.NDArray[np.int64]]]) -> Lines:
    """Some rows of each document."""
    return Lines(
        texts=list(chain.from_iterable(_texts_of(document, rows) for document, rows in asked)),
        page_starts=np.array([0, *accumulate(len(rows) for _, rows in asked)], dtype=np.int64),
        titles=[document.context_title for document, _ in asked],
    )


def _texts_of(document: Unjudged, rows: npt.NDArray[np.int64]) -> Sequence[str]:
    texts = document.lines.texts
    return texts if len(rows) == len(texts) else [texts[row] for row in rows.tolist()]


def _as_batch(documents: Sequence[Unjudged]) -> PageBatch:
    """The pages for the page model; the title that the input gave counts as one that the page declares."""
    from cleaner.features.pages import PageBatch

    return PageBatch(
        [document.lines.walked for document in documents if document.lines.walked is not None],
        [
            replace(document.lines.metadata, titles=(*document.lines.metadata.titles, document.title))
            if document.title and document.title not in document.lines.metadata.titles
            else document.lines.metadata
            for document in documents
        ],
    )
