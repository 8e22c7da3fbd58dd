"""What a document is, told from what its lines were judged to be: an article or none.

A shop, a list of stories or the front page of a site has lines of prose too, and the page model keeps them. That they
are no article shows in how they stand in their page, and in what the page says of itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cleaner.labels import BODY, LABEL_INDEX, OFFTOPIC
from cleaner.types import Judged, Verdict

IntArray = npt.NDArray[np.int64]

_WIDE = ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF))  # kana, ideographs
_MENUS = frozenset({LABEL_INDEX["nav"], LABEL_INDEX["promo"]})

PAGE_FEATURES: tuple[str, ...] = ("declared", "declared_otherwise", "in_one_box", "story", "menus")
"""What `describe_page` gives for a page, in this order."""

# Logistic regression over 1,577 articles and 210 other pages with text, each judged by a page model that saw no page of
# its site; printed by `python bench/verdicts.py --corpora ../shared --fit`. The bias is such that of all 1,645 articles
# 1 is called none and of 242 other pages 105 are found; on the dev split it is 1 of 630 and 37 of 66.
_WEIGHTS = (1.27, -4.11, 3.87, 0.85, -0.67)
_BIAS = -1.88

# What is kept of a wall or an error is short, and reads like debris wherever it stands. By a page model that saw no
# page of the site, and a model of texts that had seen no wall, none of 1,640 articles were so, and 13 of 120 pages of
# our own that hold no article; with a doubt of .35 it was 3 and 16. Long texts of which as much is doubted are articles
# among which the page model left debris.
_WALL_DOUBT, _WALL_MASS = 0.4, 1000


def text_mass(text: str) -> int:
    """How much a text says, in letters: an ideograph says as much as three."""
    return int(_line_masses([text])[0])


def _line_masses(texts: Sequence[str]) -> IntArray:
    """`text_mass` of each text, none of which may be empty beside others; int64, shape (n_texts,)."""
    masses = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    joined = "".join(texts)
    if joined.isascii():
        return masses
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    if codes.max() >= _WIDE[0][0]:
        is_wide = np.zeros(len(codes), dtype=np.bool_)
        for first, last in _WIDE:
            is_wide |= (codes >= first) & (codes <= last)
        starts = np.concatenate([[0], np.cumsum(masses)[:-1]])
        masses += 2 * np.add.reduceat(is_wide, starts, dtype=np.int64)
    return masses


def tell_verdict(judged: Judged) -> Verdict:
    """``spam`` where most of a text belongs to no part of it, ``no_article`` where nothing kept is a story.

    Of pages in HTML that the page model judged also where the lines that it keeps do not stand together like one, or
    are few and read like the words of a wall or an error.
    """
    texts, labels = judged.page_lines.texts, judged.labels
    if OFFTOPIC in labels:
        n_offtopic = sum(len(text) for text, label in zip(texts, labels, strict=True) if label == OFFTOPIC)
        if 2 * n_offtopic > sum(map(len, texts)):
            return "spam"
    if not any(kept and label == BODY for kept, label in zip(judged.kept, labels, strict=True)):
        return "no_article"
    if judged.stands_in_page and not holds_article(describe_page(judged)):
        return "no_article"
    return "no_article" if _reads_like_a_wall(judged) else "article"


def _reads_like_a_wall(judged: Judged) -> bool:
    """Whether what is kept of a page is little, and debris by its wording."""
    if judged.text_doubt < _WALL_DOUBT:
        return False
    lines = zip(judged.page_lines.texts, judged.labels, judged.kept, strict=True)
    return text_mass("".join(text for text, label, kept in lines if kept and label == BODY)) < _WALL_MASS


def holds_article(features: Sequence[float], bias: float = _BIAS, weights: Sequence[float] = _WEIGHTS) -> bool:
    """Whether a page with these features (`describe_page`) holds an article."""
    return bias + sum(weight * value for weight, value in zip(weights, features, strict=True)) >= 0


def describe_page(judged: Judged) -> tuple[float, ...]:
    """What tells a page with an article from a list, a shop or a front page; named in PAGE_FEATURES.

    declared: how many it declares of being an article, an author and a date. declared_otherwise: whether it declares to
    be something else. in_one_box: the largest share of the text that stands in boxes beside one another.
    story: how much more text than debris the best run of lines holds, by probability; menus: text of the site's menus
    and of its promotion; both as logarithms of letters.
    """
    lines = judged.page_lines
    walked, metadata = lines.walked, lines.metadata
    assert walked is not None
    masses = _line_masses(lines.texts)
    letters = masses.tolist()
    boxes: dict[int, int] = {}
    n_menus = 0
    for label, kept, mass, box in zip(judged.labels, judged.kept, letters, walked.containers, strict=True):
        if label in _MENUS:
            n_menus += mass
        elif kept and label == BODY:
            around = walked.parents[box]
            boxes[around] = boxes.get(around, 0) + mass
    declared = (metadata.says_article is True) + (metadata.author is not None) + (metadata.date is not None)
    return (
        float(declared),
        float(metadata.says_article is False),
        max(boxes.values()) / sum(boxes.values()) if boxes else 0.0,
        math.log1p(_best_run(masses, np.array(judged.scores))),
        math.log1p(n_menus),
    )


def _best_run(masses: IntArray, scores: npt.NDArray[np.float64]) -> float:
    """The largest sum over neighbouring lines of mass times how much likelier a line is text than debris.

    A line of debris between two paragraphs costs a run its own mass, so that neither a caption ends a story nor two
    teasers far apart make one. After Kadane.
    """
    sums = np.concatenate([[0.0], np.cumsum(masses * (1.0 - 2.0 * scores))])
    return float((sums - np.minimum.accumulate(sums)).max())
