"""Documents made for training: real debris set into clean articles, and pages cut down as extractors cut them.

Labelled documents are few and half of them hold no debris at all. Gold articles are many and clean; runs of debris
taken from *other* sites and set between their paragraphs show a model the same lines in hundreds of stories.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cleaner.labels import LABEL_INDEX
from cleaner.learn.corpus import LabelledDocument

_BODY, _TITLE, _TEASER, _INTERFACE = (LABEL_INDEX[label] for label in ("body", "title", "teaser", "interface"))
_PLACES = ("head", "middle", "tail")
_TOOLBAR_SHARE = 0.2
_POINTER_SHARE = 0.45
_REPEATED_SHARE = 0.3
# Sites point to stories on the same subject more often than chance does: of so many headlines the nearest one is taken.
_NEAR_SHARE, _N_NEAR, _SAME_STORY = 0.5, 40, 0.6
_LIST_SHARE = 0.2
# Of pieces of labelled documents, one or two lines long, 1.4 % of the article's lines were lost out of fold, with these
# among the made ones .8 %.
_PIECE_SHARE, _PIECE_SIDE = 0.1, 2
# A row of so many short lines is a list; no article needs to show more of one.
_LIST_ITEM_CHARS, _MIN_LIST_LINES, _MAX_LIST_LINES = 60, 3, 25


@dataclass(frozen=True)
class SourceLine:
    """A line of a made document: where it came from, so that scores made for the source can be used.

    document, line: its place in the list of source documents; document is -1 where the text is new.
    """

    text: str
    label: int
    document: int
    line: int


@dataclass(frozen=True)
class MadeDocument:
    lines: tuple[SourceLine, ...]
    title: str
    lang: str | None


@dataclass(frozen=True)
class Run:
    """Lines that stand in a row in a document, debris or a list."""

    lines: tuple[SourceLine, ...]
    site: str | None
    document: int


class DebrisStock:
    """Runs of debris by language and by place in the document, short phrases, and headlines of other stories."""

    def __init__(
        self,
        documents: Sequence[LabelledDocument],
        chosen: Iterable[int],
        headlines: Sequence[tuple[str | None, str]],
        lists: Mapping[str | None, Sequence[Run]] | None = None,
    ) -> None:
        """chosen: the documents whose debris is taken. lists: those of articles (`find_lists`)."""
        self.runs: dict[tuple[str | None, str], list[Run]] = defaultdict(list)
        self.phrases: dict[str | None, list[str]] = defaultdict(list)
        self.controls: dict[str | None, list[str]] = defaultdict(list)
        self.headlines: dict[str | None, list[tuple[str, frozenset[str]]]] = defaultdict(list)
        self.lists = lists or {}
        for index in chosen:
            document = documents[index]
            for place, run in _find_runs(document, index):
                self.runs[document.lang, place].append(run)
                for line in run.lines:
                    words = line.text.split()
                    if len(words) <= 4 and 3 <= len(line.text) <= 32 and not line.text[-1].isdigit():
                        self.phrases[document.lang].append(line.text.rstrip(":»›> "))
                        if line.label == _INTERFACE:
                            self.controls[document.lang].append(line.text)
        for lang, headline in headlines:
            self.headlines[lang].append((headline, words_of(headline)))

    def draw_run(
        self, rng: np.random.Generator, lang: str | None, place: str, site: str | None
    ) -> Sequence[SourceLine]:
        """A run from another site, as a rule one seen at the same place in its document; empty where there is none."""
        wanted = place if rng.random() < 0.75 else str(rng.choice(_PLACES))
        runs = self.runs.get((lang, wanted)) or self.runs.get((lang, place)) or []
        for _ in range(4):
            if not runs:
                break
            run = runs[int(rng.integers(len(runs)))]
            if run.site is None or run.site != site:
                return _vary(run.lines, rng)
        return ()

    def draw_list(self, rng: np.random.Generator, lang: str | None, site: str | None) -> Sequence[SourceLine]:
        """The head of a list out of an article of another site; empty where there is none."""
        runs = self.lists.get(lang)
        run = runs[int(rng.integers(len(runs)))] if runs else None
        if run is None or (run.site is not None and run.site == site):
            return ()
        return run.lines[: int(rng.integers(_MIN_LIST_LINES, _MAX_LIST_LINES + 1))]

    def draw_pointer(
        self, rng: np.random.Generator, lang: str | None, story: frozenset[str] = frozenset()
    ) -> SourceLine | None:
        """A pointer to another story in words that no site uses: a phrase of any menu before a headline.

        The words before the colon are drawn anew each time, so what tells such a line is its form and, as a rule, that
        its words are strange to the story. story: words of the article, to which some headlines come near.
        """
        headlines, phrases = self.headlines.get(lang), self.phrases.get(lang)
        if not headlines or not phrases:
            return None
        form = int(rng.integers(5))
        # A bare headline that is near the story could as well be a sub-head of it.
        is_near = form > 0 and bool(story) and rng.random() < _NEAR_SHARE
        drawn = [headlines[number] for number in rng.integers(len(headlines), size=_N_NEAR if is_near else 1).tolist()]
        headline = drawn[0][0]
        if is_near:
            # The headline of the article itself, or of the same story elsewhere, points nowhere.
            shared = [
                (len(words & story), text)
                for text, words in drawn
                if words and len(words & story) < _SAME_STORY * len(words)
            ]
            headline = max(shared, default=(0, headline))[1]
        phrase = phrases[int(rng.integers(len(phrases)))]
        if phrase.isupper() and rng.random() < 0.5:
            phrase = phrase.capitalize()
        if form == 0:
            text = headline
        elif form == 1:
            text = f"{phrase} – {headline}"
        elif form == 2:
            text = f"{phrase.upper()}: {headline}"
        else:
            text = f"{phrase}: {headline}"
        return SourceLine(text, _TEASER, -1, -1)

    def draw_toolbar(self, rng: np.random.Generator, lang: str | None) -> SourceLine | None:
        """Words of two to four controls in one line, as a toolbar comes out when its markup is taken away."""
        controls = self.controls.get(lang)
        if not controls:
            return None
        words = [controls[int(rng.integers(len(controls)))] for _ in range(int(rng.integers(2, 5)))]
        return SourceLine(" ".join(words), _INTERFACE, -1, -1)


def words_of(text: str) -> frozenset[str]:
    """The longer words of a text, which name its subject."""
    return frozenset(re.findall(r"\w{5,}", text.casefold()))


def _vary(run: Sequence[SourceLine], rng: np.random.Generator) -> Sequence[SourceLine]:
    """A part of a long run: a whole menu is one thing, its pieces are what scrapers leave."""
    if len(run) <= 2 or rng.random() < 0.4:
        return run[:40]
    length = int(rng.integers(1, min(len(run), 12) + 1))
    start = int(rng.integers(len(run) - length + 1))
    return run[start : start + length]


def _find_runs(document: LabelledDocument, index: int) -> list[tuple[str, Run]]:
    drops = document.drops
    kept = np.flatnonzero(document.labels == _BODY)
    runs: list[tuple[str, Run]] = []
    start = None
    for number in range(len(drops) + 1):
        dropped = number < len(drops) and bool(drops[number])
        if dropped and start is None:
            start = number
        elif not dropped and start is not None:
            place = "head" if not len(kept) or number <= kept[0] else "tail" if start > kept[-1] else "middle"
            lines = tuple(
                SourceLine(document.lines[line], int(document.labels[line]), index, line)
                for line in range(start, number)
            )
            runs.append((place, Run(lines, document.site, index)))
            start = None
    return runs


def find_lists(documents: Sequence[LabelledDocument], chosen: Iterable[int]) -> dict[str | None, list[Run]]:
    """The lists in the articles of some documents, by language."""
    lists: dict[str | None, list[Run]] = defaultdict(list)
    for index in chosen:
        lists[documents[index].lang] += _lists_in(documents[index], index)
    return lists


def _lists_in(document: LabelledDocument, index: int) -> list[Run]:
    """Rows of short lines within an article: dishes, names, results. They look like menus; few articles have any."""
    is_item = [
        label == _BODY and len(text) < _LIST_ITEM_CHARS
        for text, label in zip(document.lines, document.labels.tolist(), strict=True)
    ]
    runs = []
    start = 0
    for number in range(len(is_item) + 1):
        if number < len(is_item) and is_item[number]:
            continue
        if number - start >= _MIN_LIST_LINES:
            lines = tuple(SourceLine(document.lines[line], _BODY, index, line) for line in range(start, number))
            runs.append(Run(lines, document.site, index))
        start = number + 1
    return runs


def insert_debris(document: LabelledDocument, index: int, stock: DebrisStock, rng: np.random.Generator) -> MadeDocument:
    """The article of a document (its kept lines) with debris of other sites set in, at the head, inside and after."""
    article = [
        SourceLine(text, label, index, line)
        for line, (text, label) in enumerate(zip(document.lines, document.labels.tolist(), strict=True))
        if label == _BODY
    ]
    # A scraper often cuts an article short, and short articles are where debris is hard to tell.
    if len(article) > 6 and rng.random() < 0.5:
        article = article[: int(rng.integers(3, min(len(article), 30) + 1))]
    story = words_of(" ".join(line.text for line in article))
    has_title = bool(document.title) and rng.random() < 0.6
    lines: list[SourceLine] = []
    clean = rng.random() < 0.2
    if has_title:
        lines.append(SourceLine(str(document.title), _TITLE, -1, -1))
    if not clean and rng.random() < 0.5:
        run = list(stock.draw_run(rng, document.lang, "head", document.site))
        lines = run + lines if rng.random() < 0.3 else lines + run
    if not clean and rng.random() < _TOOLBAR_SHARE:
        toolbar = stock.draw_toolbar(rng, document.lang)
        lines += [toolbar] if toolbar else []
    n_inside = 0 if clean else int(rng.poisson(1.2))
    template = _draw_template(stock, rng, document.lang)
    # Some sites set the same pointer between their paragraphs again and again.
    pointer_share = 1.0 if template and rng.random() < _REPEATED_SHARE else _POINTER_SHARE
    n_inside += 1 if n_inside and pointer_share == 1.0 else 0
    breaks = sorted(rng.integers(1, max(len(article), 2), size=n_inside).tolist())
    items = stock.draw_list(rng, document.lang, document.site) if rng.random() < _LIST_SHARE else ()
    list_place = int(rng.integers(1, len(article) + 1))
    for number, line in enumerate(article):
        if number == list_place:
            lines += items
        while breaks and breaks[0] == number:
            breaks.pop(0)
            lines += _draw_inside(document, stock, rng, template, pointer_share, story)
        lines.append(line)
    if list_place == len(article):
        lines += items
    if not clean and rng.random() < 0.55:
        lines += stock.draw_run(rng, document.lang, "tail", document.site)
        if rng.random() < 0.3:
            pointers = (stock.draw_pointer(rng, document.lang, story) for _ in range(int(rng.integers(1, 5))))
            lines += [pointer for pointer in pointers if pointer]
    if rng.random() < _PIECE_SHARE:
        lines = _cut_piece(lines, rng)
    title = str(document.title) if document.title and rng.random() < 0.6 else ""
    return MadeDocument(tuple(lines), title, document.lang)


def _cut_piece(lines: list[SourceLine], rng: np.random.Generator) -> list[SourceLine]:
    """A line of the article with at most two lines before and after it: a post, a summary, a snippet."""
    article = [number for number, line in enumerate(lines) if line.label == _BODY]
    middle = article[int(rng.integers(len(article)))]
    before, after = rng.integers(_PIECE_SIDE + 1, size=2).tolist()
    return lines[max(middle - before, 0) : middle + after + 1]


def _draw_inside(
    document: LabelledDocument,
    stock: DebrisStock,
    rng: np.random.Generator,
    template: str | None,
    pointer_share: float,
    story: frozenset[str],
) -> Sequence[SourceLine]:
    """A run of debris, or a pointer to another story, in the words of the site's template where it has one."""
    if rng.random() >= pointer_share:
        return stock.draw_run(rng, document.lang, "middle", document.site)
    pointer = stock.draw_pointer(rng, document.lang, story)
    if pointer is None:
        return ()
    if template and ":" in pointer.text:
        return [SourceLine(f"{template}:{pointer.text.split(':', 1)[1]}", _TEASER, -1, -1)]
    return [pointer]


def _draw_template(stock: DebrisStock, rng: np.random.Generator, lang: str | None) -> str | None:
    """The words before the colon that half of the sites use again and again in one article ("More news:")."""
    pointer = stock.draw_pointer(rng, lang)
    return pointer.text.split(":")[0] if pointer and ":" in pointer.text and rng.random() < 0.5 else None


def crop_page(document: LabelledDocument, index: int, rng: np.random.Generator) -> MadeDocument | None:
    """A page cut down to about its article, some lines too many at both ends and inside, as an extractor leaves it."""
    kept = np.flatnonzero(~document.drops)
    if not len(kept):
        return None
    before, after = (int(rng.geometric(1 / mean)) - 1 for mean in (5.0, 9.0))
    start = max(0, int(kept[0]) - before)
    end = min(len(document.lines), int(kept[-1]) + 1 + after)
    drops = document.drops
    thin = rng.random() < 0.5
    lines = [
        SourceLine(document.lines[line], int(document.labels[line]), index, line)
        for line in range(start, end)
        if not (thin and drops[line] and rng.random() < 0.5)
    ]
    title = str(document.title) if document.title and rng.random() < 0.5 else ""
    return MadeDocument(tuple(lines), title, document.lang)


def strip_site_name(title: str) -> str:
    """A page's title without the site's name behind (or before) a bar or dash."""
    parts = re.split(r"\s+[|–—»·]\s+|\s+-\s+", title.strip())
    return max(parts, key=len) if len(parts) > 1 else title.strip()


def as_made(document: LabelledDocument, index: int, with_title: bool = True) -> MadeDocument:
    """A document as it is, in the form of the made ones."""
    lines = tuple(
        SourceLine(text, label, index, line)
        for line, (text, label) in enumerate(zip(document.lines, document.labels.tolist(), strict=True))
    )
    return MadeDocument(lines, str(document.title or "") if with_title else "", document.lang)
