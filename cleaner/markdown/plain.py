"""The lines of a plain text, which has no form but its rows -> their markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from cleaner.markdown.blocks import LineMarkup
from cleaner.markdown.inline import mark_inline

# Longer rows are paragraphs of their own.
_MAX_WRAPPED_CHARS = 100
_SENTENCE_END = re.compile(r"[.!?…:;。！？]\W*$")


def mark_text(texts: Sequence[str], gaps: Sequence[bool]) -> list[LineMarkup]:
    """The form of the lines of a plain text: a paragraph each, and where rows are hard-wrapped one for all of them.

    gaps: for each line whether a blank row stands before it.
    """
    markup: list[LineMarkup] = []
    starts = [number for number, gap in enumerate(gaps) if gap or not number]
    for start, end in pairwise([*starts, len(texts)]):
        rows = texts[start:end]
        is_wrapped = _are_wrapped(rows)
        for number, row in enumerate(rows, start):
            markup.append(LineMarkup(mark_inline(row), start if is_wrapped else number, is_wrapped=is_wrapped))
    return markup


def _are_wrapped(rows: Sequence[str]) -> bool:
    """Whether rows are one paragraph that was broken where the page was full: the next word did not fit any more."""
    width = max(map(len, rows))
    return (
        len(rows) > 1
        and width <= _MAX_WRAPPED_CHARS
        and not all(map(_SENTENCE_END.search, rows[:-1]))
        and all(len(row) + 1 + len(following.split(None, 1)[0]) > width for row, following in pairwise(rows))
    )
