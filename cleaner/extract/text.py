"""Lines of a plain text."""

from __future__ import annotations

import re
from operator import add

from cleaner.types import PageLines

# Nothing but these ends a line: str.splitlines would also split at form feeds, U+0085 and U+2028, and so
# change texts that hold them. "\r\n" comes first so that it ends one line, not two.
_LINE_BREAK = re.compile(r"\r\n|\n|\r")


def split_text(text: str) -> PageLines:
    """The lines of a text with their offsets in it; rows that are only white space are no lines but gaps."""
    texts: list[str] = []
    starts: list[int] = []
    gaps: list[bool] = []
    gap = False
    rows = text.split("\n")
    # Where each row starts follows from the lengths of those before it, unless its line break may be two characters.
    row_starts = [0, *(match.end() for match in _LINE_BREAK.finditer(text))] if "\r" in text else None
    if row_starts is not None:
        rows = _LINE_BREAK.split(text)
    position = 0
    for number, row in enumerate(rows):
        if row_starts is not None:
            position = row_starts[number]
        line = row.strip()
        if line:
            texts.append(line)
            starts.append(position if len(line) == len(row) else position + len(row) - len(row.lstrip()))
            gaps.append(gap)
            gap = False
        else:
            gap = True
        position += len(row) + 1
    return PageLines(texts, starts, list(map(add, starts, map(len, texts))), gaps)
