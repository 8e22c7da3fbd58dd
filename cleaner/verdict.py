"""What a document is, told from what its lines were judged to be: an article or none.

A shop, a list of stories or the front page of a site has lines of prose too, and the page model keeps them. That they
are no article shows in how they stand in their page, and in what the page says of itself.
"""

from __future__ import annotations

import math
import re

from cleaner.labels import BODY, LABEL_INDEX, OFFTOPIC
from cleaner.types import Judged, Verdict

_CJK_RUN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_MENUS = frozenset({LABEL_INDEX["nav"], LABEL_INDEX["promo"]})

PAGE_FEATURES: tuple[str, ...] = ("declared", "declared_otherwise", "in_one_box", "story", "menus")
"""What `describe_page` gives for a page, in this order."""

_WEIGHTS = (1.336, -3.46, 3.617, 0.845, -0.491)
_BIAS = -3.713


def text_mass(text: str) -> int:
    """How much a text says, in letters: an ideograph says as much as three."""
    return len(text) if text.isascii() else len(text) + 2 * sum(map(len, _CJK_RUN.findall(text)))


def tell_verdict(judged: Judged) -> Verdict:
    """``spam`` where most of a text belongs to no part of it, ``no_article`` where nothing kept is a story.

    Of pages in HTML that the page model judged also where the lines that it keeps do not stand together like one.
    """
    texts, labels = judged.page_lines.texts, judged.labels
    if OFFTOPIC in labels:
        n_offtopic = sum(len(text) for text, label in zip(texts, labels, strict=True) if label == OFFTOPIC)
        if 2 * n_offtopic > sum(map(len, texts)):
            return "spam"
    if not any(kept and label == BODY for kept, label in zip(judged.kept, labels, strict=True)):
        return "no_article"
    if judged.page_lines.walked is not None and not holds_article(describe_page(judged)):
        return "no_article"
    return "article"


def holds_article(features: tuple[float, ...]) -> bool:
    """Whether a page with these features (`describe_page`) holds an article."""
    return _BIAS + sum(weight * value for weight, value in zip(_WEIGHTS, features, strict=True)) > 0


def describe_page(judged: Judged) -> tuple[float, ...]:
    """What tells a page with an article from a list, a shop or a front page; named in PAGE_FEATURES.

    declared: how many it declares of being an article, an author and a date. declared_otherwise: whether it declares to
    be something else. in_one_box: the largest share of the text that stands in boxes beside one another.
    story: how much more text than debris the best run of lines holds, by probability; menus: text of the site's menus
    and of its promotion; both as logarithms of letters.
    """
    lines, labels = judged.page_lines, judged.labels
    walked, metadata = lines.walked, lines.metadata
    assert walked is not None
    masses = list(map(text_mass, lines.texts))
    boxes: dict[int, int] = {}
    n_menus = 0
    for number, (label, kept) in enumerate(zip(labels, judged.kept, strict=True)):
        if label in _MENUS:
            n_menus += masses[number]
        elif kept and label == BODY:
            box = walked.parents[walked.containers[number]]
            boxes[box] = boxes.get(box, 0) + masses[number]
    declared = (metadata.says_article is True) + (metadata.author is not None) + (metadata.date is not None)
    return (
        float(declared),
        float(metadata.says_article is False),
        max(boxes.values()) / sum(boxes.values()) if boxes else 0.0,
        math.log1p(_best_run(masses, judged.scores)),
        math.log1p(n_menus),
    )


def _best_run(masses: list[int], scores: list[float]) -> float:
    """The largest sum over neighbouring lines of mass times how much likelier a line is text than debris.

    A line of debris between two paragraphs costs a run its own mass, so that neither a caption ends a story nor two
    teasers far apart make one. After Kadane.
    """
    best = run = 0.0
    for mass, score in zip(masses, scores, strict=True):
        run = max(run + mass * (1.0 - 2.0 * score), 0.0)
        best = max(best, run)
    return best
