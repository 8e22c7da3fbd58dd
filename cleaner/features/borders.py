"""Where in a long line debris may be glued to a paragraph: pieces at its head and tail, told by form alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

BORDERS = ("stop", "glued_stop", "bracket", "camel", "capital")
"""What parts a piece from the rest: the end of a sentence, with a space or without; a bracket; a capital within a word
(``ImagesThe``); a space before a capital. No bar or dash: what stands before or behind one is the place of a report,
the name of one who is quoted, or a part of an entry in a list, nearly always."""

# Longer debris has a line of its own, nearly always; and what is left should still be a paragraph.
MAX_HEAD_CHARS, MAX_TAIL_CHARS = 160, 240
MIN_REST_CHARS = 40
# Debris with no border but a capital is short; more capitalised words in a row are the title of something. At the end
# of a line a single word is half a name.
_MAX_CAPITAL_WORDS = 8
_FEW_WORDS = 3
_SEAM_CHARS = 60
_SHORT_WORD = 3

_WORD = re.compile(r"[^\W\d_]+")
_DASHES = ("-", "–", "—")
_CLOSING = "[)\\]\"'”’»）」』]*"
_IN_CAPITALS = re.compile(r"[A-Z]{2,}\b")
# A period behind a single letter or a day of the month ends no sentence.
_STOP = r"(?:[!?…]|(?<!\W\w)(?<!\W\d\d)\.)"
_ENDS_SENTENCE = re.compile(rf"[.!?…。！？।:]{_CLOSING}$")


class Piece(NamedTuple):
    """Characters start to end of a line, at its head or tail, white space towards the rest included."""

    start: int
    end: int
    border: str

    @property
    def is_head(self) -> bool:
        return self.start == 0

    def text(self, line: str) -> str:
        return line[self.start : self.end].strip()

    def seam_words(self, line: str) -> str:
        """The word before the border and the one behind it, as they stand side by side in the line."""
        place = self.end if self.is_head else self.start
        before, after = line[max(place - _SEAM_CHARS, 0) : place], line[place : place + _SEAM_CHARS]
        first, second = before.split()[-1], after.split()[0]
        return first + before[len(before.rstrip()) :] + after[: len(after) - len(after.lstrip())] + second

    def rest(self, line: str) -> str:
        return (line[self.end :] if self.is_head else line[: self.start]).strip()


def find_pieces(line: str) -> Iterator[Piece]:
    """All pieces at the head and tail of a line that may be cut off, heads first; none of a short line."""
    length = len(line)
    if length <= MIN_REST_CHARS:
        return
    head, tail = _patterns()
    for match in head.finditer(line, 0, min(MAX_HEAD_CHARS, length - MIN_REST_CHARS)):
        border = str(match.lastgroup)
        if border in ("capital", "camel") and not _is_heading(line[: match.start()]):
            continue
        # Words in capitals behind other words go on with a name or a time ("11:49 EST").
        if border == "capital" and _IN_CAPITALS.match(line, match.end()):
            continue
        if _WORD.search(line, 0, match.end()):
            yield Piece(0, match.end(), border)
    ends_sentence = _ENDS_SENTENCE.search(line) is not None
    for match in tail.finditer(line, max(MIN_REST_CHARS, length - MAX_TAIL_CHARS)):
        border = str(match.lastgroup)
        # A tail takes the space before it; what ends a sentence stays with the sentence.
        start = match.start() + (len(match[0].rstrip()) if border in ("stop", "glued_stop") else 0)
        if border == "capital" and (ends_sentence or not 2 <= len(_WORD.findall(line, start)) <= _MAX_CAPITAL_WORDS):
            continue
        # A dash begins the name of the one who is quoted, far more often than anything else.
        if _WORD.search(line, start) and not line.startswith(_DASHES, match.end()):
            yield Piece(start, length, border)


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Borders behind a head and before a tail; the group that matched names the border.

    A head ends with its bracket, a tail begins with it.
    """
    upper, lower = _character_class(str.isupper), _character_class(str.islower)
    shared = (
        rf"(?P<stop>{_STOP}{_CLOSING}\s+(?![{lower}])|[。！？]{_CLOSING}\s*)"
        rf"|(?P<glued_stop>(?<=[{lower}\d”)])[.!?…][\"”’)]?(?=[{upper}]))"
        rf"|(?P<camel>(?<=[{lower}]{{4}})(?=[{upper}][{lower}]))"
        rf"|(?P<capital>(?<=[^\s.!?…,;(|•–—-])\s+(?=[\"“«„]?[{upper}]))"
    )
    head = rf"(?P<bracket>[)\]）】]\s*)|{shared}"
    tail = rf"(?P<bracket>\s*(?=[(\[（【]))|{shared}"
    return re.compile(head), re.compile(tail)


def _character_class(is_of_case: Callable[[str], bool]) -> str:
    """Ranges of all characters of a case, for a pattern: Python's patterns have no name for them."""
    points = [point for point in range(0x10000) if is_of_case(chr(point))]
    parts: list[str] = []
    first = previous = points[0]
    for point in [*points[1:], -1]:
        if point != previous + 1:
            parts.append(f"{chr(first)}-{chr(previous)}")
            first = point
        previous = point
    return "".join(parts)


def _is_heading(text: str) -> bool:
    """Whether words look like no part of a sentence: very few, or few, the long ones capitalised, or with a colon."""
    words = _WORD.findall(text)
    if ":" in text or len(words) <= _FEW_WORDS:
        return len(words) <= _MAX_CAPITAL_WORDS
    return len(words) <= _MAX_CAPITAL_WORDS and not any(len(word) > _SHORT_WORD and word.islower() for word in words)
