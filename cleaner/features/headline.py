"""Lines beside what the page declares as its headline and its description."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
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
_N_KEYS = 2  # the longest words of a title; a line without any of them is not looked at further
_MAX_CHARS = 700  # no headline and no standfirst is longer
_SHOWN_CHARS = 240  # of a line that holds a key, which paragraphs of the story do most
_MIN_DESCRIPTION = 40
_MIN_HEAD_CHARS = 8
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
    features = np.zeros((len(HEADLINE_NAMES), len(texts)), dtype=np.float32).T
    borders = trees.page_starts.tolist()
    in_h1 = trees.in_h1
    for title, start, end in zip(titles, borders[:-1], borders[1:], strict=True):
        page = features[start:end]
        equal = _compare(texts[start:end], title, page)
        headings = np.flatnonzero(in_h1[start:end])
        first = equal[0] if equal else int(headings[0]) if len(headings) else -1
        last = first
        if len(equal) > 1:
            prose = np.cumsum(np.where(is_prose[start:end], mass[start:end], 0))
            middle = int(np.searchsorted(prose, prose[-1] / 2, side="right"))
            above = [line for line in equal if line <= middle]
            last = above[-1] if above else first
        rows = np.arange(end - start)
        for column, line in ((5, first), (9, last)):
            if line < 0:
                page[:, column + 1] = 0
                continue
            page[:, column] = 1
            page[:, column + 1] = log_scale(np.maximum(line - rows, 0))
            page[:, column + 2] = log_scale(np.maximum(rows - line, 0))
            page[line, column + 3] = 1
    return features


def _compare(texts: Sequence[str], title: PageTitles, features: FloatArray) -> list[int]:
    """Fill in how the lines of one page resemble its titles; returns those that say one of them, in order."""
    lines = [line for line in _lines_with(title.keys, texts) if len(texts[line]) <= _MAX_CHARS]
    if not lines:
        return []
    folded = [_fold(texts[line][:_SHOWN_CHARS]) for line in lines]
    features[lines, :_N_LIKENESSES] = [_likeness(text, title) for text in folded]
    return [line for line, text in zip(lines, folded, strict=True) if text in title.titles]


def _likeness(folded: str, title: PageTitles) -> tuple[float, float, float, float, float]:
    """The first columns of HEADLINE_NAMES for a line of folded words."""
    words = set(folded.split())
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
    """The lines that hold one of the keys, whatever their case, in order."""
    if not keys:
        return []
    # One search through the whole page for each key, as most lines hold none.
    folded = [text.casefold() for text in texts]
    page = "\n".join(folded)
    borders = list(accumulate(len(text) + 1 for text in folded))
    found: set[int] = set()
    for key in keys:
        place = page.find(key)
        while place >= 0:
            line = bisect_right(borders, place)
            found.add(line)
            place = page.find(key, borders[line])
    return sorted(found)


def _same_opening(folded: str, description: str) -> bool:
    """Whether one of two texts is the other, perhaps cut short (descriptions end in dots)."""
    if folded == description:
        return True
    shorter = min(len(folded), len(description))
    return shorter > _MIN_DESCRIPTION and folded[: shorter - 4] == description[: shorter - 4]


def _fold(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))
