"""Lines beside what the page declares as its headline and its description."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cleaner.features.shape import FloatArray, log_scale
from cleaner.types import Metadata

if TYPE_CHECKING:
    from cleaner.features.dom import Trees

HEADLINE_NAMES: tuple[str, ...] = (
    "is_title",
    "like_title",
    "in_head_title",
    "is_description",
    "like_description",
    "headline_known",
    "above_headline",
    "below_headline",
    "is_headline",
    "last_headline_known",
    "above_last_headline",
    "below_last_headline",
    "is_last_headline",
)

_WORD = re.compile(r"\w+")
_FOLDED_ASCII = bytes(ord(chr(byte).lower()) if _WORD.match(chr(byte)) else ord(" ") for byte in range(128)).ljust(256)
_N_KEYS = 2  # the longest words of a title; a line without any of them is not looked at further
_MAX_CHARS = 700  # no headline and no standfirst is longer
_SHOWN_CHARS = 240  # of a line that holds a key, which paragraphs of the story do most
_MIN_DESCRIPTION = 40
_MIN_HEAD_CHARS = 8
Likeness = tuple[bool, float, bool, bool, float]
_N_LIKENESSES = 5  # columns of HEADLINE_NAMES that a line has by its own words


@dataclass(frozen=True)
class PageTitles:
    """What a page declares, its words folded: titles, the title in its head, descriptions, and its first h1."""

    titles: frozenset[str]
    title_words: frozenset[str]
    head_title: str
    descriptions: tuple[str, ...]
    description_words: frozenset[str]
    keys: tuple[str, ...]
    """Words of which a line must hold one to be compared: taking a line to pieces costs twenty times a search."""


def fold_titles(metadata: Metadata) -> PageTitles:
    """The titles and descriptions of a page in the form in which lines are compared with them."""
    titles = [words for title in metadata.titles if (words := _fold(title))]
    head_title = _fold(metadata.head_title or "")
    descriptions = tuple(words for text in metadata.descriptions if (words := _fold(text)))
    title_words = frozenset(word for title in titles[:2] or [head_title] for word in title.split())
    description_words = frozenset(word for text in descriptions for word in text.split())
    compared = [*titles[:1], *titles[1:2], *([] if titles else [head_title]), *descriptions[:1]]
    keys = {
        key for text in compared for key in sorted(set(text.split()), key=lambda word: (-len(word), word))[:_N_KEYS]
    }
    return PageTitles(
        frozenset(filter(None, [*titles, head_title])),
        title_words,
        head_title,
        descriptions,
        description_words,
        tuple(sorted(keys)),
    )


def headline_features(
    texts: Sequence[str],
    titles: Sequence[PageTitles],
    trees: Trees,
    is_prose: npt.NDArray[np.bool_],
    mass: npt.NDArray[np.int64],
) -> FloatArray:
    """float32, shape (n_lines, len(HEADLINE_NAMES)); columns as named there."""
    n_lines = len(texts)
    features = np.zeros((len(HEADLINE_NAMES), n_lines), dtype=np.float32).T
    borders = trees.page_starts.tolist()
    first_headings = _first_in_pages(trees.in_h1, trees.page_starts)
    prose = np.where(is_prose, mass, 0)
    compared: list[int] = []
    likenesses: list[Likeness] = []
    firsts: list[int] = []
    lasts: list[int] = []
    for title, start, end, heading in zip(titles, borders[:-1], borders[1:], first_headings, strict=True):
        found = _compare(texts[start:end], title)
        compared += [start + line for line in found]
        likenesses += found.values()
        equal = [start + line for line, (is_title, *_) in found.items() if is_title]
        first = equal[0] if equal else heading
        firsts.append(first)
        lasts.append(first if len(equal) < 2 else _last_above(equal, prose[start:end], start))
    if compared:
        features[compared, :_N_LIKENESSES] = likenesses
    rows = np.arange(n_lines)
    for column, headlines in ((5, firsts), (9, lasts)):
        headline = np.repeat(np.array(headlines, dtype=np.int64), np.diff(trees.page_starts))
        known = headline >= 0
        features[:, column] = known
        features[:, column + 1] = log_scale(np.maximum(headline - rows, 0))
        features[:, column + 2] = log_scale(np.maximum(rows - headline, 0)) * known
        features[[line for line in headlines if line >= 0], column + 3] = 1
    return features


def _first_in_pages(marks: npt.NDArray[np.bool_], page_starts: npt.NDArray[np.int64]) -> list[int]:
    """For each page the number of its first marked line, -1 where it has none."""
    marked = np.append(np.flatnonzero(marks), len(marks))
    first = marked[np.searchsorted(marked, page_starts[:-1])]
    return np.where(first < page_starts[1:], first, -1).tolist()


def _last_above(lines: Sequence[int], prose: npt.NDArray[np.int64], start: int) -> int:
    """The last of some lines of a page above the middle of its prose, else the first of them."""
    running = np.cumsum(prose)
    middle = start + int(np.searchsorted(running, running[-1] / 2, side="right"))
    return next((line for line in reversed(lines) if line <= middle), lines[0])


def _compare(texts: Sequence[str], title: PageTitles) -> dict[int, Likeness]:
    """How lines of one page resemble its titles, by line in their order; the others do not at all."""
    found = {}
    for line in _lines_with(title.keys, texts):
        words = _fold_words(texts[line][:_SHOWN_CHARS])
        found[line] = _likeness(" ".join(words), set(words), title)
    return found


def _likeness(folded: str, words: set[str], title: PageTitles) -> Likeness:
    """The first columns of HEADLINE_NAMES for a line of folded words."""
    in_head = len(folded) > _MIN_HEAD_CHARS and (
        title.head_title.startswith(folded) or title.head_title.endswith(folded)
    )
    return (
        folded in title.titles,
        _overlap(words, title.title_words),
        in_head,
        any(_same_opening(folded, text) for text in title.descriptions),
        _overlap(words, title.description_words),
    )


def _overlap(words: set[str], others: frozenset[str]) -> float:
    """Share of common words (Jaccard)."""
    common = len(words & others)
    return common / (len(words) + len(others) - common) if common else 0.0


def _lines_with(keys: Sequence[str], texts: Sequence[str]) -> list[int]:
    """The lines of no more than _MAX_CHARS that hold one of the keys, whatever their case, in order."""
    if not keys:
        return []
    # One search through the whole page for each key, as most lines hold none. Folded line by line: a single letter
    # beyond ASCII makes that twenty times as slow.
    page = "\n".join([text.casefold() if len(text) <= _MAX_CHARS else "" for text in texts])
    found: set[int] = set()
    for key in keys:
        line = counted = 0
        place = page.find(key)
        while place >= 0:
            line += page.count("\n", counted, place)
            found.add(line)
            counted = place
            end = page.find("\n", place)
            place = page.find(key, end) if end >= 0 else -1
    return sorted(found)


def _same_opening(folded: str, description: str) -> bool:
    """Whether one of two texts is the other, perhaps cut short (descriptions end in dots)."""
    if folded == description:
        return True
    shorter = min(len(folded), len(description))
    return shorter > _MIN_DESCRIPTION and folded[: shorter - 4] == description[: shorter - 4]


def _fold(text: str) -> str:
    return " ".join(_fold_words(text))


def _fold_words(text: str) -> list[str]:
    """The words of a text, folded."""
    if text.isascii():  # the same by table, in a third of the time
        return text.encode().translate(_FOLDED_ASCII).decode().split()
    return _WORD.findall(text.casefold())
