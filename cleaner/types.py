"""The values that travel from reader to writer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from cleaner.labels import LABELS

if TYPE_CHECKING:
    from cleaner.extract.html import WalkedPage
    from cleaner.markdown.blocks import LineMarkup

Kind = Literal["text", "html"]
Verdict = Literal["article", "no_article", "spam", "duplicate"]

RECORD_FIELDS: tuple[str, ...] = (
    "id",
    "url",
    "title",
    "text",
    "verdict",
    "duplicate_of",
    "quality",
    "lang",
    "author",
    "date",
    "encoding",
    "extractor",
    "lines_in",
    "lines_out",
    "removed",
    "lines",
    "model",
    "options_hash",
)
"""Names of our fields in a record out; an input field with one of them (but id, url) comes out as ``input_NAME``."""


@dataclass(frozen=True)
class Page:
    """One document on its way in.

    body: the document, as text or as bytes still to be decoded.
    kind: what the body is.
    id, url, title: as the input gave them; the title is context for the model and the title of last resort.
    encoding: the charset that was declared outside the document, such as in an HTTP header.
    source, position: the file and the record in it (from 0), for the account of errors.
    extra: all other fields of the record, passed through.
    """

    body: str | bytes
    kind: Kind = "text"
    id: Any = None
    url: Any = None
    title: str | None = None
    encoding: str | None = None
    source: str | None = None
    position: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Metadata:
    """What is known of a page beside its lines.

    titles: headlines that the page declares (og:title, h1), best first. head_title: its <title>, which names the
    site too and so serves for comparison only.
    lang: as a tag of BCP 47. author: names, joined by ", ". date: of publication, in ISO 8601, as exact as known.
    descriptions: summaries that the page declares, often its standfirst. site_name: of the site or
    publisher. says_article: whether the page declares to be an article or to be something else; null where it declares
    neither.
    """

    titles: tuple[str, ...] = ()
    head_title: str | None = None
    lang: str | None = None
    author: str | None = None
    date: str | None = None
    descriptions: tuple[str, ...] = ()
    site_name: str | None = None
    says_article: bool | None = None


@dataclass(frozen=True)
class PageLines:
    """The lines of one page.

    texts: n lines, none empty, stripped.
    starts, ends: n offsets each, in code points of the text as given; for HTML of the extracted text.
    gaps: n flags, True where a blank row (for HTML: always) stands before the line.
    extractor: for HTML who told the lines: ``lines`` (all visible text, judged by the page model), ``both`` (likewise,
        doubtful lines by trafilatura), ``trafilatura`` (only the text that it hands over is accounted for) or ``page``
        (all visible text, judged as text).
    walked: where in their page the lines stand, for the page model.
    witnesses: for ``both``, the lines that trafilatura keeps, white space removed.
    markup: for Markdown, what each line is in its page.
    """

    texts: Sequence[str]
    starts: Sequence[int]
    ends: Sequence[int]
    gaps: Sequence[bool]
    metadata: Metadata = Metadata()
    extractor: str | None = None
    walked: WalkedPage | None = field(default=None, repr=False, compare=False)
    witnesses: frozenset[str] = frozenset()
    markup: Sequence[LineMarkup] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Lines:
    """The lines of many pages, columnar.

    texts: n_lines strings. page_starts: int64, shape (n_pages + 1,), ``page_starts[-1] == n_lines``.
    titles: one string a page, "" where none is known.
    """

    texts: list[str]
    page_starts: npt.NDArray[np.int64]
    titles: list[str]

    def __post_init__(self) -> None:
        if self.page_starts[-1] != len(self.texts) or len(self.titles) != len(self.page_starts) - 1:
            raise ValueError(
                f"page_starts ends at {self.page_starts[-1]} for {len(self.texts)} lines, "
                f"{len(self.titles)} titles for {len(self.page_starts) - 1} pages"
            )

    @property
    def n_lines(self) -> int:
        return len(self.texts)

    @property
    def n_pages(self) -> int:
        return len(self.titles)

    def page_of(self, row: int) -> int:
        """The number of the page that a line stands on."""
        return int(np.searchsorted(self.page_starts, row, side="right")) - 1


@dataclass(frozen=True)
class Removed:
    """A line that was taken out, or a piece of one: number, class, probability of being debris, and text.

    start, end: of a piece, offsets in the line, in code points; None for a whole line.
    """

    line: int
    label: str
    score: float
    text: str
    reason: str | None = None
    start: int | None = None
    end: int | None = None

    def to_record(self, with_text: bool = True) -> dict[str, Any]:
        row = (self.line, self.label, self.score, self.text, self.reason, self.start, self.end)
        return removed_record(row, with_text)


RemovedRow = tuple[int, str, float, str, str | None, int | None, int | None]
"""The fields of a `Removed` in their order."""
REMOVED_FIELDS = ("line", "label", "score", "text", "reason", "start", "end")


def removed_record(row: RemovedRow, with_text: bool = True) -> dict[str, Any]:
    """What the record out says of a line that was taken out."""
    line, label, score, text, reason, start, end = row
    record: dict[str, Any] = {"line": line, "label": label, "score": score}
    if with_text:
        record["text"] = text
    if start is not None:
        record |= {"start": start, "end": end}
    if reason:
        record["reason"] = reason
    return record


def removed_rows(removed: Sequence[Removed]) -> Sequence[RemovedRow]:
    """The lines that were taken out, as rows: writers and counters go over all of every page, and an object each cost
    them as much again (bench/crawl.py)."""
    if isinstance(removed, RemovedLines):
        return removed.rows()
    return [(line.line, line.label, line.score, line.text, line.reason, line.start, line.end) for line in removed]


class RemovedLines(Sequence[Removed]):
    """The lines that were taken out of a page, made when first asked for: a page has two hundred, and many who clean
    pages look at the text alone."""

    __slots__ = ("_judged", "_made", "_repeats", "_rows")

    def __init__(self, judged: Judged, repeats: Collection[int]) -> None:
        self._judged = judged
        self._repeats = repeats
        self._rows: list[RemovedRow] | None = None
        self._made: tuple[Removed, ...] | None = None

    def rows(self) -> Sequence[RemovedRow]:
        if self._rows is None:
            judged, repeats = self._judged, self._repeats
            texts = judged.page_lines.texts
            rows: list[RemovedRow] = [
                (number, LABELS[label], score, texts[number], "repeat" if number in repeats else None, None, None)
                for number, (label, score, is_kept) in enumerate(
                    zip(judged.labels, judged.scores, judged.kept, strict=True)
                )
                if not is_kept or number in repeats
            ]
            rows += [
                (number, LABELS[cut.label], cut.score, texts[number][cut.start : cut.end], None, *cut[:2])
                for number, cuts in judged.cuts.items()
                if number not in repeats
                for cut in cuts
            ]
            # Stable, so that the pieces of a line stay in their order.
            self._rows = sorted(rows, key=lambda row: row[0]) if judged.cuts else rows
        return self._rows

    def _all(self) -> tuple[Removed, ...]:
        if self._made is None:
            self._made = tuple(Removed(*row) for row in self.rows())
        return self._made

    @overload
    def __getitem__(self, index: int) -> Removed: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Removed, ...]: ...
    def __getitem__(self, index: int | slice) -> Removed | tuple[Removed, ...]:
        return self._all()[index]

    def __len__(self) -> int:
        return len(self.rows())

    def __iter__(self) -> Iterator[Removed]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        return self._all() == (other._all() if isinstance(other, RemovedLines) else other)

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return repr(self._all())


@dataclass(frozen=True)
class ScoredLine:
    """A line as it was judged; start and end are offsets in code points, score is the probability of debris."""

    line: int
    start: int
    end: int
    label: str
    score: float
    text: str
    kept: bool

    def to_record(self) -> dict[str, Any]:
        return {"line": self.line, "start": self.start, "end": self.end, "label": self.label, "score": self.score}


class Cut(NamedTuple):
    """A piece at the head or tail of a kept line that goes: characters start to end of the line, class, score."""

    start: int
    end: int
    label: int
    score: float


@dataclass(frozen=True)
class Judged:
    """The lines of one page beside what was decided about each; lists of n lines.

    cuts: of kept lines by their number, the pieces that go, in order. is_cutting: of a page, whether it is a piece that
    somebody cut out of one, with nothing around the article. text_doubt: of what the page model keeps, the mean score
    that the model of plain text gives its characters, whether or not it had its way.
    """

    page_lines: PageLines
    labels: list[int]
    scores: list[float]
    kept: list[bool]
    cuts: Mapping[int, tuple[Cut, ...]] = field(default_factory=dict)
    is_cutting: bool = False
    text_doubt: float = 0.0

    @property
    def stands_in_page(self) -> bool:
        """Whether the lines stand in the tree of a page that has more than its article."""
        return self.page_lines.walked is not None and not self.is_cutting

    def kept_text(self, number: int) -> str:
        """What stays of a line of which pieces were cut off."""
        text = self.page_lines.texts[number]
        for cut in reversed(self.cuts.get(number, ())):
            text = text[: cut.start] + text[cut.end :]
        return text

    def to_lines(self) -> tuple[ScoredLine, ...]:
        lines = self.page_lines
        return tuple(
            ScoredLine(number, start, end, LABELS[label], score, text, kept)
            for number, (start, end, label, score, text, kept) in enumerate(
                zip(lines.starts, lines.ends, self.labels, self.scores, lines.texts, self.kept, strict=True)
            )
        )


@dataclass(frozen=True)
class Article:
    """A document that was cleaned; fields as in the record out (README, "Record out").

    extractor: for pages in HTML who told the lines (see `PageLines`).
    markdown: where asked for, the text as Markdown, without the title.
    n_replaced: how many lone surrogates of the document became U+FFFD.
    """

    id: Any
    url: Any
    title: str | None
    text: str
    verdict: Verdict
    quality: float
    lines_in: int
    lines_out: int
    removed: Sequence[Removed]
    model: str
    options_hash: str
    lang: str | None = None
    author: str | None = None
    date: str | None = None
    encoding: str | None = None
    extractor: str | None = None
    duplicate_of: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    markdown: str | None = field(default=None, repr=False)
    n_replaced: int = 0
    judged: Judged | None = field(default=None, repr=False, compare=False)
    ok = True

    @property
    def lines(self) -> tuple[ScoredLine, ...]:
        """Every line of the input with its class and score, made when asked for."""
        return self.judged.to_lines() if self.judged else ()


@dataclass(frozen=True)
class Rejected:
    """A document that could not be cleaned; reason is one of `cleaner.errors.REASONS`."""

    id: Any
    reason: str
    message: str
    source: str | None = None
    position: int | None = None
    ok = False

    def to_record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "source": self.source,
            "position": self.position,
            "reason": self.reason,
            "message": self.message,
        }


@dataclass(frozen=True)
class Skipped:
    """A record or member of an archive that is no document to clean, and is counted as such.

    reason: one of `cleaner.errors.SKIPS`.
    """

    reason: str
    source: str | None = None
    position: int | None = None


Outcome = Article | Rejected


@dataclass(frozen=True)
class Reason:
    """One cause of a decision in words a reader understands, and its push in logits; positive means debris."""

    feature: str
    push: float


@dataclass(frozen=True)
class ExplainedLine:
    """A judged line with the causes that weighed most, heaviest first.

    hint: the user's phrase (``--drop-like``, ``--keep-like``) that tipped the decision, where one did.
    threshold: the score from which it goes. runner_up: the second most probable class and its probability. cuts: what
    was cut off the line, in order.
    """

    line: ScoredLine
    reasons: tuple[Reason, ...]
    threshold: float
    runner_up: tuple[str, float]
    hint: str | None = None
    cuts: tuple[Removed, ...] = ()

    def parts(self) -> Iterator[tuple[str, Removed | None]]:
        """The line's text in pieces, in order: each that was cut off, with what is known of it, and what stays."""
        text, told = self.line.text, 0
        for cut in self.cuts:
            yield text[told : cut.start], None
            yield text[cut.start : cut.end], cut
            told = cut.end or 0
        yield text[told:], None


@dataclass(frozen=True)
class Explanation:
    """An article with every line of the input explained, in order. threshold: the score from which most lines go.

    In a page the lines that the page model keeps are judged once more, as text, and have another than the rest.
    """

    article: Article
    lines: tuple[ExplainedLine, ...]
    threshold: float
