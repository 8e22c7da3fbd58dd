"""Page lines + gold text -> which lines are the article.

A line may stand twice on a page (a standfirst in a teaser box, a headline in the menu), so matching each line alone
takes copies for article. Here the lines that are kept form one chain: they follow one another in the page as their
text follows in the gold, and together cover as much of it as they can.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# A word; where a script writes without spaces, each character.
_SPACELESS = "\\u3040-\\u30ff\\u3400-\\u9fff\\uf900-\\ufaff\\u0e00-\\u0e7f\\u1780-\\u17ff\\u1000-\\u109f"
_WORD = re.compile(rf"[{_SPACELESS}]|[^\W{_SPACELESS}]+")

_SEED_WORDS = 4  # a line longer than this is looked up by runs of four words, a shorter one as a whole
_MAX_PLACES = 12  # places in the gold that one line is tried at; "Read more" may stand there a hundred times
_MIN_COVER = 0.6  # share of a line's words that the gold must hold at the matched place


@dataclass(frozen=True)
class Alignment:
    """keep: bool, shape (n_lines,). cover: float32, shape (n_lines,), share of each line's words that match.

    recall: share of the gold's words that the kept lines cover, in [0, 1].
    """

    keep: npt.NDArray[np.bool_]
    cover: npt.NDArray[np.float32]
    recall: float


@dataclass(frozen=True)
class _Candidate:
    line: int
    start: int  # span in the gold, in words
    end: int
    matched: int


def split_words(text: str) -> list[str]:
    """Words of a text, folded; single characters where a script has no spaces."""
    return _WORD.findall(text.casefold())


def align(lines: Sequence[str], gold: str) -> Alignment:
    """Which lines make up the gold text, by the best chain of matches in order.

    Lines without a word (``* * *``) follow the line before them: kept inside the article, dropped outside.
    """
    gold_words = split_words(gold)
    line_words = [split_words(line) for line in lines]
    candidates = _find_candidates(line_words, gold_words)
    chain = _best_chain(candidates)
    keep = np.zeros(len(lines), dtype=np.bool_)
    cover = np.zeros(len(lines), dtype=np.float32)
    covered = np.zeros(len(gold_words), dtype=np.bool_)
    for candidate in chain:
        keep[candidate.line] = True
        cover[candidate.line] = candidate.matched / max(len(line_words[candidate.line]), 1)
        covered[candidate.start : candidate.end] = True
    # What the chain could not take because the page orders its parts otherwise (a standfirst below a picture, a
    # box): lines whose place in the gold is still open.
    for candidate in sorted(candidates, key=lambda c: (-c.matched, c.line)):
        span = slice(candidate.start, candidate.end)
        if not keep[candidate.line] and candidate.matched >= _SEED_WORDS and not covered[span].any():
            keep[candidate.line] = True
            cover[candidate.line] = candidate.matched / len(line_words[candidate.line])
            covered[span] = True
    for number, words in enumerate(line_words):
        if not words and 0 < number < len(lines) - 1:
            keep[number] = keep[number - 1] and keep[number + 1 :].any()
    return Alignment(keep, cover, float(covered.mean()) if len(covered) else 0.0)


def _find_candidates(line_words: list[list[str]], gold_words: list[str]) -> list[_Candidate]:
    places: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for size in range(1, _SEED_WORDS + 1):
        for start in range(len(gold_words) - size + 1):
            places[tuple(gold_words[start : start + size])].append(start)
    candidates = []
    for line, words in enumerate(line_words):
        if words:
            candidates += _match_line(line, words, gold_words, places)
    return candidates


def _match_line(
    line: int, words: list[str], gold_words: list[str], places: dict[tuple[str, ...], list[int]]
) -> list[_Candidate]:
    """The places in the gold where the line's words stand, as spans with the number of words that match there."""
    n_words, size = len(words), min(len(words), _SEED_WORDS)
    if n_words <= _SEED_WORDS:
        return [
            _Candidate(line, start, start + n_words, n_words) for start in places.get(tuple(words), [])[:_MAX_PLACES]
        ]
    votes: dict[int, int] = defaultdict(int)
    for offset in range(n_words - size + 1):
        found = places.get(tuple(words[offset : offset + size]), ())
        if len(found) <= _MAX_PLACES:
            for start in found:
                votes[start - offset] += 1
    candidates = []
    # Words that the gold lacks shift what follows, so votes of neighbouring places count together.
    for shift in sorted(votes, key=lambda place: -votes[place])[:3]:
        slack = 3 + n_words // 8
        # A place with few votes is a phrase that the text repeats nearby, and would only widen the span.
        few = max(1, votes[shift] // 10)
        near = [
            place for place, count in votes.items() if place == shift or (abs(place - shift) <= slack and count > few)
        ]
        matched = min(n_words, sum(votes[place] for place in near) + (size - 1) * len(near))
        if matched >= _MIN_COVER * n_words:
            start = max(0, min(near))
            end = min(len(gold_words), max(near) + n_words)
            candidates.append(_Candidate(line, start, end, matched))
    return candidates


def _best_chain(candidates: list[_Candidate]) -> list[_Candidate]:
    """The heaviest chain in which lines and their gold spans both go forward (weighted increasing subsequence)."""
    if not candidates:
        return []
    ordered = sorted(candidates, key=lambda c: (c.line, c.start))
    lines = np.array([c.line for c in ordered])
    starts = np.array([c.start for c in ordered])
    ends = np.array([c.end for c in ordered])
    best = np.zeros(len(ordered))
    back = np.full(len(ordered), -1)
    for index, candidate in enumerate(ordered):
        gain = float(candidate.matched)
        # A little overlap is forgiven: spans of inexact matches are some words too wide.
        slack = 3 + (candidate.end - candidate.start) // 8
        allowed = (
            (lines[:index] < candidate.line)
            & (ends[:index] <= candidate.start + slack)
            & (starts[:index] < candidate.start)
        )
        if allowed.any():
            # A chain that jumps far ahead in the page for one short line is less likely than one that stays.
            distance = candidate.line - lines[:index]
            previous = np.where(allowed, best[:index] - 0.02 * np.minimum(distance, 50), -1.0)
            back[index] = int(previous.argmax())
            gain += float(previous[back[index]])
        best[index] = gain
    chain, index = [], int(best.argmax())
    while index >= 0:
        chain.append(ordered[index])
        index = int(back[index])
    return chain[::-1]
