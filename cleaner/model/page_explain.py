"""Why a line of a page was judged as it was; as for plain text, by what its score would be without some evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from cleaner.extract.html import WalkedPage
from cleaner.features.dom import DOM_NAMES
from cleaner.features.headline import HEADLINE_NAMES
from cleaner.features.pages import PageBatch
from cleaner.features.shape import FloatArray
from cleaner.model.explain import (
    NEAR_LINES,
    Explained,
    Group,
    Windows,
    columns_beside,
    own_columns,
    runners_up,
    weigh_evidence,
)
from cleaner.model.page_artefact import PageJudge
from cleaner.model.page_model import GRAM_NAMES, N_PAGE_INPUTS, PAGE_INPUT_NAMES, PATH_NAMES, join_odds

_FORM = ("mass", "words", "is_cjk", "is_prose")
_LINKS = ("link_share", "strong_share", "is_link")
_PLACE = (
    "place", "page_lines", "lines_above", "lines_below", "mass_place", "prose_place", "page_prose", "page_mass",
    "lines_beside", "after_break",
)  # fmt: skip
_COPIES = ("copies", "first_copy")
_SHOWN_CONTAINERS = 3


def explain_page(
    judge: PageJudge, batch: PageBatch, is_dropped: npt.NDArray[np.bool_], evidence: npt.NDArray[np.int8] | None
) -> Explained:
    """For each line of one page its reasons, heaviest first, and its second most probable class with the probability.

    batch: one page. The pushes are those of `cleaner.model.explain.explain_lines`.
    """
    model = judge.page_model
    inputs = model.inputs(batch, evidence)

    def weigh(rows: FloatArray, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return join_odds(*model.logits(rows, starts))

    reasons = weigh_evidence(Windows.around(inputs), weigh, _groups(batch.walked[0]), is_dropped)
    return reasons, runners_up(weigh(inputs, batch.page_starts))


def _groups(page: WalkedPage) -> list[Group]:
    n_lines = len(page.texts)
    counts = Counter(page.texts)

    def group(names: Sequence[str], describe: Callable[[int], str]) -> Group:
        return Group(own_columns(names, PAGE_INPUT_NAMES), describe)

    def link_share(line: int) -> str:
        share = min(page.link_chars[line], len(page.texts[line])) / len(page.texts[line])
        return f"links: {100 * share:.0f} % of its characters"

    main = [name for name in DOM_NAMES if name.startswith("main")]
    around = [name for name in DOM_NAMES if name.endswith("_up")]
    alike = [name for name in DOM_NAMES if name.startswith(("look_", "siblings_", "cousins_"))]
    beside = [name for name in PAGE_INPUT_NAMES if "_at_" in name]
    tags = [
        name
        for name in (*DOM_NAMES, *PATH_NAMES)
        if name.startswith(("in_", "is_", "tags", "depth")) and name not in (*HEADLINE_NAMES, *beside, *_FORM, *_LINKS)
    ]
    words = [name for name in GRAM_NAMES if name not in beside]
    lines_beside = [
        *own_columns(beside, PAGE_INPUT_NAMES),
        *columns_beside(-NEAR_LINES, -1, N_PAGE_INPUTS),
        *columns_beside(1, NEAR_LINES, N_PAGE_INPUTS),
    ]
    return [
        group(tags, lambda line: f"tags: {_path(page, line)}"),
        group(words, lambda line: "wording"),
        group(_FORM, lambda line: f"form: {len(page.texts[line].split())} words, ends in “{page.texts[line][-1]}”"),
        group(_LINKS, link_share),
        group(_PLACE, lambda line: f"place: line {line + 1} of {n_lines}"),
        group(main, lambda line: "where it stands beside the block with most of the page's prose"),
        group(around, lambda line: "what else its containers hold"),
        group(alike, lambda line: "lines that look like it"),
        group(HEADLINE_NAMES, lambda line: "title: how like it the line is, and where it stands beside it"),
        group(_COPIES, lambda line: f"repeats: the same line stands here {counts[page.texts[line]]} times"),
        Group(lines_beside, lambda line: "lines beside it"),
        group(["hint"], lambda line: "your own words"),
    ]


def _path(page: WalkedPage, line: int) -> str:
    """The innermost containers of a line as a reader of the page's source knows them."""
    container = page.containers[line]
    shown: list[str] = []
    while container and len(shown) < _SHOWN_CONTAINERS:
        shown.append(".".join(page.looks[container].split()[:2]))
        container = page.parents[container]
    return " < ".join(shown) or "the page itself"
