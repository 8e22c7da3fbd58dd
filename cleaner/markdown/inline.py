"""A line of text with its links, stress and code -> inline Markdown (CommonMark)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal
from unicodedata import category

SpanKind = Literal["link", "strong", "em", "code"]

# Which one is outside where two begin and end alike.
_ORDER: dict[SpanKind, int] = {"link": 0, "strong": 1, "em": 2, "code": 3}
_SPECIAL = re.compile(
    r"[\\`\[\]!]|\*+|_+|~+|<(?=[A-Za-z/!?])"
    r"|&(?=#[0-9]{1,7};|#[xX][0-9A-Fa-f]{1,6};|[A-Za-z][A-Za-z0-9]{1,31};)"
)
# Lines with more are no writing; a million took a minute.
_MAX_STRESSES = 5_000
_BACKTICKS = re.compile(r"`+")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters start to end of a line that are marked; target is the address of a link, ready for Markdown."""

    kind: SpanKind
    start: int
    end: int
    target: str = ""

    def holds(self, other: Span) -> bool:
        """Whether the other lies in this one; of two with the same bounds the first by `_ORDER` holds the second."""
        if (self.start, self.end) == (other.start, other.end):
            return _ORDER[self.kind] < _ORDER[other.kind]
        return self.start <= other.start and other.end <= self.end


def mark_inline(text: str, spans: Sequence[Span] = ()) -> str:
    """The text with its spans marked and all else escaped that would be read as a mark.

    Spans of one kind stand in order and do not overlap; none begins or ends with white space. What Markdown cannot
    mark, such as stress that ends between a comma and a letter, gets narrower or is left out; the words stay.
    """
    if not spans and _SPECIAL.search(text) is None:
        return text  # as most lines are
    settled = _settle(text, spans)
    marks = _place_marks(text, settled)
    links = [span for span in settled if span.kind == "link"]
    in_link, in_code = _Inside(links), _Inside([span for span in settled if span.kind == "code"])
    begins_link = {link.start for link in links}
    parts: list[str] = []
    written = 0
    escaped = [
        offset
        for match in _SPECIAL.finditer(text)
        if _reads_as_mark(text, match, marks, in_link(match.start()), match.end() in begins_link)
        for offset in range(*match.span())
        if not in_code(offset)
    ]
    for offset, mark in sorted([*marks.items(), *((offset, "\\") for offset in escaped)], key=lambda pair: pair[0]):
        parts += (text[written:offset], mark)
        written = offset
    parts.append(text[written:])
    return "".join(parts)


def _reads_as_mark(text: str, match: re.Match[str], marks: dict[int, str], in_link: bool, before_link: bool) -> bool:
    """Whether special characters of a text, all the same, would be read as a mark where they stand."""
    start, end = match.span()
    character = text[start]
    if character == "!":
        return before_link
    if character == "[":
        return in_link
    if character == "]":
        # Before a colon at the beginning of a paragraph it would end the name of a reference.
        return in_link or text[end : end + 1] in ("(", ":")
    if character not in "*_~" or any(offset in marks for offset in range(start, end + 1)):
        return True
    before, after = text[start - 1 : start], text[end : end + 1]
    if character == "*":
        return not (_is_space(before) and _is_space(after))
    if character == "_":
        return not (before.isalnum() and after.isalnum())
    # One that no word stands before can strike out nothing.
    return not _is_space(before)


def _place_marks(text: str, spans: Iterable[Span]) -> dict[int, str]:
    """The marks of nested spans by the offset that they stand before, ends before beginnings."""
    marks: dict[int, str] = {}
    opened: list[tuple[int, str]] = []

    def close_until(offset: int) -> None:
        while opened and opened[-1][0] <= offset:
            end, mark = opened.pop()
            marks[end] = marks.get(end, "") + mark

    for span in sorted(spans, key=lambda span: (span.start, -span.end, _ORDER[span.kind])):
        close_until(span.start)
        begin, end = _marks_of(span, text)
        marks[span.start] = marks.get(span.start, "") + begin
        opened.append((span.end, end))
    close_until(len(text))
    return marks


def _marks_of(span: Span, text: str) -> tuple[str, str]:
    if span.kind == "link":
        return "[", f"]({span.target})"
    if span.kind == "code":
        content = text[span.start : span.end]
        fence = "`" * (max(map(len, _BACKTICKS.findall(content)), default=0) + 1)
        pad = " " if content.startswith("`") or content.endswith("`") else ""
        return fence + pad, pad + fence
    mark = "**" if span.kind == "strong" else "*"
    return mark, mark


def _settle(text: str, spans: Iterable[Span]) -> list[Span]:
    """Those of the spans that can be marked, each as much of it as can be, so that all nest."""
    found: dict[SpanKind, list[Span]] = {kind: [] for kind in _ORDER}
    for span in spans:
        found[span.kind].append(span)
    # At the beginning of a paragraph ]: ends the name of a reference, even where it stands in code.
    codes = [code for code in found["code"] if "]:" not in text[code.start : code.end]]
    links = _outside_of(found["link"], codes)  # what stands in code is not marked
    codes = [code for code in _join_codes(codes, links) if "]:" not in text[code.start : code.end]]
    if not 0 < len(found["strong"]) + len(found["em"]) <= _MAX_STRESSES:
        return [*links, *codes]
    edges = _Edges(text, links, codes)
    strongs = edges.shrink(_outside_of(_cut(text, _cut(text, found["strong"], links), codes), codes))
    ems = edges.shrink(_outside_of(_cut(text, _cut(text, _cut(text, found["em"], links), codes), strongs), codes))
    return [*links, *codes, *edges.flatten(edges.part([*strongs, *ems]))]


def _join_codes(spans: Iterable[Span], links: Sequence[Span]) -> list[Span]:
    """The spans of code, those that touch made one: their marks would be read as one longer mark."""
    borders = {border for link in links for border in (link.start, link.end)}
    codes: list[Span] = []
    for code in spans:
        if codes and codes[-1].end == code.start and code.start not in borders:
            code = replace(codes.pop(), end=code.end)
        codes.append(code)
    return codes


def _outside_of(spans: Iterable[Span], codes: Sequence[Span]) -> list[Span]:
    """The spans that do not lie in code."""
    starts = [code.start for code in codes]
    return [span for span in spans if not any(code.holds(span) for code in _last_at(codes, starts, span.start))]


def _last_at(spans: Sequence[Span], starts: Sequence[int], offset: int) -> Sequence[Span]:
    """The last of the spans that begins at an offset or before it, if there is one."""
    number = bisect_right(starts, offset)
    return spans[number - 1 : number] if number else ()


def _cut(text: str, spans: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    """The spans, cut where one of the others begins or ends in their midst and goes on outside of them."""
    starts = [other.start for other in others]
    pieces: list[Span] = []
    for span in spans:
        borders = {span.start, span.end}
        borders.update(other.end for other in _last_at(others, starts, span.start - 1) if other.end < span.end)
        number = bisect_left(starts, span.end)
        borders.update(other.start for other in others[max(0, number - 1) : number] if other.end > span.end)
        ordered = sorted(border for border in borders if span.start <= border <= span.end)
        pieces += filter(None, (_trim(text, replace(span, start=start, end=end)) for start, end in pairwise(ordered)))
    return pieces


def _trim(text: str, span: Span) -> Span | None:
    """The span without white space at its ends; None where nothing is left of it."""
    start, end = span.start, span.end
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return replace(span, start=start, end=end) if start < end else None


class _Edges:
    """Whether stress can begin and end at an offset, which the characters on both sides of it decide.

    A mark that has a letter outside and punctuation inside is none for CommonMark ("left-flanking delimiter run").
    Classes of characters: ``s`` for white space, ``p`` for punctuation, ``w`` for what words are made of, ``?`` for
    symbols such as €, which count as punctuation since CommonMark 0.31 only.
    """

    def __init__(self, text: str, links: Sequence[Span], codes: Sequence[Span]) -> None:
        self._text = text
        self._begins = {span.start: span for span in [*codes, *links]}
        self._ends = {span.end: span for span in [*codes, *links]}

    def shrink(self, spans: Iterable[Span]) -> list[Span]:
        """The spans, each as wide as its marks are read as such; without those of which nothing is left."""
        return [shrunk for span in spans if (shrunk := self._shrink(span)) is not None]

    def _shrink(self, span: Span | None) -> Span | None:
        while span is not None:
            outside, inside = self._around_start(span)
            if inside != "w" and outside not in "sp":
                held = self._begins.get(span.start)
                start = held.end if held and span.holds(held) else span.start + 1
                span = _trim(self._text, replace(span, start=start)) if start < span.end else None
                continue
            outside, inside = self._around_end(span)
            if inside == "w" or outside in "sp":
                return span
            held = self._ends.get(span.end)
            end = held.start if held and span.holds(held) else span.end - 1
            span = _trim(self._text, replace(span, end=end)) if end > span.start else None
        return None

    def _around_start(self, span: Span) -> tuple[str, str]:
        """Classes of what stands outside and inside of the mark at the start of a stress."""
        begins = self._begins.get(span.start)
        outside = _class_of(self._text[span.start - 1 : span.start])
        if span.start in self._ends or (begins and begins.holds(span)):
            outside = "p"
        return outside, "p" if begins and span.holds(begins) else _class_of(self._text[span.start])

    def _around_end(self, span: Span) -> tuple[str, str]:
        ends = self._ends.get(span.end)
        outside = _class_of(self._text[span.end : span.end + 1])
        if span.end in self._begins or (ends and ends.holds(span)):
            outside = "p"
        return outside, "p" if ends and span.holds(ends) else _class_of(self._text[span.end - 1])

    def part(self, stresses: Iterable[Span]) -> list[Span]:
        """The stresses without those whose mark would touch that of another one: ``*a***b**`` says too little."""
        closing: dict[int, list[Span]] = {}
        opening: dict[int, list[Span]] = {}
        kept = {(span.kind, span.start): span for span in stresses}
        for span in kept.values():
            begins, ends = self._begins.get(span.start), self._ends.get(span.end)
            if not (begins and begins.kind == "link" and begins.holds(span)):
                opening.setdefault(span.start, []).append(span)
            if not (ends and ends.kind == "link" and ends.holds(span)):
                closing.setdefault(span.end, []).append(span)
        for offset in sorted(closing.keys() & opening.keys()):
            for span in min(closing[offset], opening[offset], key=lambda spans: max(s.end - s.start for s in spans)):
                kept.pop((span.kind, span.start), None)
        return list(kept.values())

    def flatten(self, stresses: Iterable[Span]) -> Iterator[Span]:
        """The stresses, those inside others only where no reader can take a mark that begins one for its end."""
        outer: list[Span] = []
        inner: list[list[Span]] = []
        for span in sorted(stresses, key=lambda span: (span.start, -span.end, _ORDER[span.kind])):
            if outer and outer[-1].holds(span):
                inner[-1].append(span)
            else:
                outer.append(span)
                inner.append([])
        for span, others in zip(outer, inner, strict=True):
            yield span
            if all(map(self._is_plain, [span, *others])):
                yield from others

    def _is_plain(self, span: Span) -> bool:
        return all(
            outside == "s" or (outside == "p" and inside == "w")
            for outside, inside in (self._around_start(span), self._around_end(span))
        )


def _class_of(character: str) -> str:
    if _is_space(character):
        return "s"
    kind = category(character)
    if kind.startswith("P") or (kind.startswith("S") and character.isascii()):
        return "p"
    return "?" if kind.startswith("S") else "w"


def _is_space(character: str) -> bool:
    """White space as CommonMark sees it; "", for the ends of a line, is some."""
    return character in "\t\n\f\r " or category(character) == "Zs"


class _Inside:
    """Whether offsets, asked for in ascending order, lie in one of some spans, which stand in order."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._next = 0

    def __call__(self, offset: int) -> bool:
        while self._next < len(self._spans) and self._spans[self._next].end <= offset:
            self._next += 1
        return self._next < len(self._spans) and self._spans[self._next].start <= offset
