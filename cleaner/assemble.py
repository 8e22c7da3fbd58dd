"""Scores -> kept lines -> Article."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from cleaner.labels import TITLE
from cleaner.markdown.blocks import render_markdown
from cleaner.markdown.inline import mark_inline
from cleaner.types import Article, Judged, Page, PageLines, Removed, RemovedLines
from cleaner.verdict import tell_verdict

_WORD = re.compile(r"\w+")
# Characters of a headline that is no answer or exclamation ("Why?") which the story may well say too.
_LONG_HEADLINE = 12


def normalise(text: str) -> str:
    """The words of a line alone, folded: two copies of a headline differ in quotes, dashes and case."""
    return " ".join(_WORD.findall(text.casefold()))


def _word_overlap(a: str, b: str) -> float:
    """Share of common words, 0 to 1 (Jaccard over sets); for texts without spaces the same over characters."""
    left, right = set(a.split()), set(b.split())
    if len(left) < 2 or len(right) < 2:
        left, right = set(a.replace(" ", "")), set(b.replace(" ", ""))
    return len(left & right) / len(left | right) if left and right else 0.0


def _lines_saying(words: str, numbers: Iterable[int], texts: Sequence[str]) -> Iterator[int]:
    """Those of the lines that say nothing but these normalised words, in order."""
    # Nearly no line does, so length and opening are compared before a line is taken to pieces.
    shortest, longest = len(words) - 8 - len(words) // 4, len(words) + 8 + len(words) // 4
    opening = words[:4].split(" ")[0]
    for number in numbers:
        text = texts[number]
        if shortest <= len(text) <= longest and opening in text[:24].casefold() and normalise(text) == words:
            yield number


def choose_headline(title_lines: Sequence[int], texts: Sequence[str], declared: Sequence[str]) -> int | None:
    """The number of the line that is the headline: the best match to a declared title, else the first."""
    if not title_lines:
        return None
    known = [words for words in map(normalise, declared) if words]
    if not known or len(title_lines) == 1:
        return title_lines[0]

    def likeness(line: int) -> float:
        words = normalise(texts[line])
        return max(_word_overlap(words, title) for title in known)

    # max() keeps the first of equals, so a page whose head names another title still gets its first one.
    return max(title_lines, key=likeness)


def join_lines(numbers: Sequence[int], lines: PageLines) -> str:
    """Kept lines in order with the input's own spacing: a blank line where it had one between them."""
    if not numbers:
        return ""
    texts, gaps = lines.texts, lines.gaps
    previous = numbers[0]
    parts = [texts[previous]]
    for number in numbers[1:]:
        gap = gaps[number] if number == previous + 1 else any(gaps[previous + 1 : number + 1])
        parts.append("\n\n" if gap else "\n")
        parts.append(texts[number])
        previous = number
    return "".join(parts)


def assemble(
    page: Page,
    judged: Judged,
    *,
    annotated: str | None = None,
    model: str,
    options_hash: str,
    encoding: str | None = None,
    n_replaced: int = 0,
) -> Article:
    """The clean article of one page; every line goes to the title, the text or the removed ones, once.

    annotated: the text as given, in which the offsets of the lines count; where it is set, nothing is removed and
    it is the article's text as it stands (for pages in HTML the joined lines are).
    """
    lines, labels = judged.page_lines, judged.labels
    metadata = lines.metadata
    kept = [number for number, keep in enumerate(judged.kept) if keep]
    declared = [title for title in (page.title, *metadata.titles) if title and title.strip()]
    headline = _find_headline(kept, judged, declared)
    if headline in judged.cuts:
        judged = replace(judged, cuts={number: cuts for number, cuts in judged.cuts.items() if number != headline})
    removed: Sequence[Removed] = ()
    if annotated is not None:
        shown = list(range(len(labels)))
        text = annotated if page.kind == "text" else "\n\n".join(lines.texts)
        body = shown
    else:
        repeats = _find_repeats(headline, kept, judged)
        shown = [number for number in kept if number not in repeats] if repeats else kept
        removed = RemovedLines(judged, repeats)
        body = [number for number in shown if number != headline] if headline is not None else shown
        if judged.cuts:
            lines = _without_cuts(judged)
        text = join_lines(body, lines)
    scores = judged.scores
    quality = sum(1.0 - scores[number] for number in shown) / len(shown) if shown else 0.0
    return Article(
        id=page.id,
        url=page.url,
        title=lines.texts[headline] if headline is not None else next((title.strip() for title in declared), None),
        text=text,
        verdict=tell_verdict(judged),
        quality=round(quality, 4),
        lines_in=len(labels),
        lines_out=len(shown),
        removed=removed,
        model=model,
        options_hash=options_hash,
        lang=metadata.lang,
        author=metadata.author,
        date=metadata.date,
        encoding=encoding,
        extractor=lines.extractor,
        markdown=render_markdown([lines.markup[number] for number in body]) if lines.markup is not None else None,
        extra=page.extra,
        n_replaced=n_replaced,
        judged=judged,
    )


def _without_cuts(judged: Judged) -> PageLines:
    """The lines of a page without the pieces that go; a line that lost one also lost its links and stress."""
    lines = judged.page_lines
    texts = list(lines.texts)
    markup = None if lines.markup is None else list(lines.markup)
    for number in judged.cuts:
        texts[number] = judged.kept_text(number)
        if markup is not None:
            markup[number] = replace(markup[number], text=mark_inline(texts[number]))
    return replace(lines, texts=texts, markup=markup)


def _find_headline(kept: Sequence[int], judged: Judged, declared: Sequence[str]) -> int | None:
    """The kept line that is the headline: one of class title, else one that repeats a declared title word by word."""
    texts, labels = judged.page_lines.texts, judged.labels
    title_lines = [number for number in kept if labels[number] == TITLE]
    if title_lines:
        head_title = judged.page_lines.metadata.head_title
        return choose_headline(title_lines, texts, [*declared, head_title] if head_title else declared)
    wanted = filter(None, map(normalise, declared))
    return next(chain.from_iterable(_lines_saying(words, kept, texts) for words in wanted), None)


def _find_repeats(headline: int | None, kept: Sequence[int], judged: Judged) -> set[int]:
    """Kept lines that say the headline once more; a short one must be of class title too, as answers are short."""
    if headline is None:
        return set()
    texts, labels = judged.page_lines.texts, judged.labels
    if judged.stands_in_page:
        # To the page model a standfirst is body; what it calls title is the headline or says the same in other words.
        repeats = {number for number in kept if labels[number] == TITLE and number != headline}
    else:
        repeats = set()
    words = normalise(texts[headline])
    if not words:
        return repeats
    is_long = len(words) >= _LONG_HEADLINE
    others = (number for number in kept if number != headline and (is_long or labels[number] == TITLE))
    return repeats | set(_lines_saying(words, others, texts))
