"""What a line is among the lines of its document: place, story words, repeats, likeness to the title."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cleaner.features.ngrams import Tokens
from cleaner.features.shape import FloatArray, is_prose, log_scale

PLACE_NAMES: tuple[str, ...] = (
    "from_start",
    "from_end",
    "place",
    "document_lines",
    "prose",
    "prose_before",
    "prose_after",
    "since_prose",
    "until_prose",
    "document_prose",
)
PROSE = PLACE_NAMES.index("prose")
STORY_NAMES: tuple[str, ...] = (
    "story_words",
    "story_words_in_prose",
    "rare_words",
    "words_before",
    "words_after",
    "like_title",
    "title_in_line",
    "title_known",
    "like_first_line",
    "same_line",
    "same_opening",
    "same_first_word",
)

# Buckets a document's words fall in when they are looked up in it. Documents of more words than buckets see
# chance matches, but then nearly every word of theirs is a word of the story.
_WORD_BUCKETS = 2048
_LINE_BUCKETS = 512

# What is known of a word in its document, as bits of one byte, so that it is looked up once.
(
    _IN_TITLE,
    _IN_FIRST_LINE,
    _USED_TWICE,
    _IN_PROSE,
    _IN_PROSE_TWICE,
    _STANDS_IN_PROSE,
    _IN_LINE_BEFORE,
    _IN_LINE_AFTER,
) = (1 << bit for bit in range(8))


def _fields(*conditions: Callable[[int], bool]) -> npt.NDArray[np.int64]:
    """For each byte of marks one in the fields of sixteen bits whose condition it meets.

    Weights are eight bits and a line shows fewer than 255 words: its sums fit into sixteen bits, four to an integer.
    """
    return np.array(
        [sum(condition(marks) << 16 * field for field, condition in enumerate(conditions)) for marks in range(256)],
        dtype=np.int64,
    )


_STORY_FIELDS = _fields(
    lambda marks: True,
    # A word stands elsewhere when the document uses it more than once; twice in one line is rare among rare words.
    lambda marks: bool(marks & _USED_TWICE),
    lambda marks: bool(marks & (_IN_PROSE_TWICE if marks & _STANDS_IN_PROSE else _IN_PROSE)),
)
_NEAR_FIELDS = _fields(
    lambda marks: bool(marks & _IN_TITLE),
    lambda marks: bool(marks & _IN_FIRST_LINE),
    lambda marks: bool(marks & _IN_LINE_BEFORE),
    lambda marks: bool(marks & _IN_LINE_AFTER),
)


def place_features(shape: FloatArray, page_starts: npt.NDArray[np.int64]) -> FloatArray:
    """float32, shape (n_lines, len(PLACE_NAMES)).

    Blank rows are left out on purpose: labelled documents do not tell where they had them.
    """
    n_lines = len(shape)
    features = np.zeros((n_lines, len(PLACE_NAMES)), dtype=np.float32)
    if not n_lines:
        return features
    sizes = np.diff(page_starts)
    first = np.repeat(page_starts[:-1], sizes)
    last = np.repeat(page_starts[1:], sizes) - 1
    size = np.repeat(sizes, sizes)
    rows = np.arange(n_lines)
    index, rest = rows - first, last - rows
    features[:, 0], features[:, 1] = log_scale(index), log_scale(rest)
    features[:, 2] = index / np.maximum(size - 1, 1)
    features[:, 3] = log_scale(size)
    prose = is_prose(shape)
    count = np.concatenate([[0], np.cumsum(prose)])
    features[:, 4] = prose
    features[:, 5] = log_scale(count[rows] - count[first])
    features[:, 6] = log_scale(count[last + 1] - count[rows + 1])
    previous = np.maximum.accumulate(np.where(prose, rows, -1))
    previous = np.concatenate([[-1], previous[:-1]])
    features[:, 7] = np.where(previous >= first, log_scale(rows - np.maximum(previous, 0)), _NO_PROSE)
    following = np.minimum.accumulate(np.where(prose, rows, n_lines)[::-1])[::-1]
    following = np.concatenate([following[1:], [n_lines]])
    features[:, 8] = np.where(following <= last, log_scale(np.minimum(following, n_lines) - rows), _NO_PROSE)
    features[:, 9] = (count[last + 1] - count[first]) / size
    return features


_NO_PROSE = np.float32(8)  # further away than any paragraph in a document of ordinary length


def story_features(
    tokens: Tokens,
    titles: Tokens,
    whole: npt.NDArray[np.uint32],
    prose: npt.NDArray[np.bool_],
    page_starts: npt.NDArray[np.int64],
    rarity: npt.NDArray[np.uint8],
) -> FloatArray:
    """float32, shape (n_lines, len(STORY_NAMES)).

    Words weigh by how rare they are (rarity: uint8, one for each bucket of word hashes, 0 for the commonest, which
    are left out), so that a line shares a story by its names and nouns. titles: the words of each page's title, one
    line a page, empty where unknown. whole: uint32, shape (n_lines,), hash of all the line's characters.
    """
    n_lines, n_pages = len(prose), len(page_starts) - 1
    features = np.zeros((n_lines, len(STORY_NAMES)), dtype=np.float32)
    if not n_lines:
        return features
    sizes = np.diff(page_starts)
    page = np.repeat(np.arange(n_pages), sizes)
    first_of_page = np.zeros(n_lines, dtype=np.bool_)
    first_of_page[page_starts[:-1][sizes > 0]] = True
    last_of_page = np.zeros(n_lines, dtype=np.bool_)
    last_of_page[page_starts[1:][sizes > 0] - 1] = True

    words = _weigh_words(tokens, rarity)
    title_words = _weigh_words(titles, rarity)
    line, weight = words.lines, words.weights
    n_keys = n_pages * _WORD_BUCKETS
    key = page[line] * _WORD_BUCKETS + (words.hashes & np.uint32(_WORD_BUCKETS - 1))
    in_prose = prose[line]
    prose_uses = np.bincount(key[in_prose], minlength=n_keys)
    marks = (np.bincount(key, minlength=n_keys) > 1) * np.uint8(_USED_TWICE)
    marks |= (prose_uses > 0) * np.uint8(_IN_PROSE)
    marks |= (prose_uses > 1) * np.uint8(_IN_PROSE_TWICE)
    marks[title_words.lines * _WORD_BUCKETS + (title_words.hashes & np.uint32(_WORD_BUCKETS - 1))] |= _IN_TITLE
    marks[key[first_of_page[line]]] |= _IN_FIRST_LINE
    # Each line marks the buckets of its words, each word looks at the marks next door; a line of room at both ends.
    own = (line + 1) * _LINE_BUCKETS + (words.hashes >> np.uint32(7) & np.uint32(_LINE_BUCKETS - 1))
    by_line = np.zeros((n_lines + 2) * _LINE_BUCKETS, dtype=np.uint8)
    by_line[own] = 1
    marks_of_words = marks.take(key)
    marks_of_words |= in_prose * np.uint8(_STANDS_IN_PROSE)
    marks_of_words |= by_line.take(own - _LINE_BUCKETS) * np.uint8(_IN_LINE_BEFORE)
    marks_of_words |= by_line.take(own + _LINE_BUCKETS) * np.uint8(_IN_LINE_AFTER)
    story_sums = _sum_by_line(weight * _STORY_FIELDS.take(marks_of_words), words.line_starts)
    near_sums = _sum_by_line(weight * _NEAR_FIELDS.take(marks_of_words), words.line_starts)
    total = story_sums & _LOW
    some = np.maximum(total, 1)
    shared_with_title = near_sums & _LOW
    title_total = np.bincount(title_words.lines, weights=title_words.weights, minlength=n_pages).astype(np.int64)
    features[:, 0] = ((story_sums >> 16) & _LOW) / some
    features[:, 1] = (story_sums >> 32) / some
    features[:, 2] = total / np.maximum(tokens.counts * 255, 1)
    features[:, 3] = np.where(first_of_page, 0, ((near_sums >> 32) & _LOW) / some)
    features[:, 4] = np.where(last_of_page, 0, ((near_sums >> 48) & _LOW) / some)
    features[:, 5] = shared_with_title / some
    features[:, 6] = np.minimum(shared_with_title / np.maximum(title_total[page], 1), 1)
    features[:, 7] = (titles.counts > 0)[page]
    features[:, 8] = np.where(first_of_page, 0, ((near_sums >> 16) & _LOW) / some)
    features[:, 9:12] = _repeats(tokens, whole, page)
    return features


_LOW = (1 << 16) - 1


@dataclass(frozen=True)
class _Words:
    """Words that weigh something.

    hashes: uint32, weights and lines: int64, shape (n_words,). line_starts: as in `Tokens`.
    """

    hashes: npt.NDArray[np.uint32]
    weights: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    line_starts: npt.NDArray[np.int64]


def _weigh_words(tokens: Tokens, rarity: npt.NDArray[np.uint8]) -> _Words:
    weights = rarity.take(rarity_bucket(tokens.hashes))
    heavy = np.flatnonzero(weights)
    line_starts = np.searchsorted(heavy, tokens.line_starts)
    lines = np.repeat(np.arange(len(line_starts) - 1), np.diff(line_starts))
    return _Words(tokens.hashes[heavy], weights[heavy].astype(np.int64), lines, line_starts)


RARITY_BITS = 14


def rarity_bucket(hashes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Where a word's rarity stands in the model's table of 2^14."""
    return hashes >> np.uint32(32 - RARITY_BITS)


def _sum_by_line(values: npt.NDArray[np.int64], line_starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    sums = np.zeros(len(values) + 1, dtype=np.int64)
    # Running sums wrap around beyond 64 bits, and their differences wrap back: each is right modulo 2^64.
    np.cumsum(values, out=sums[1:])
    return sums[line_starts[1:]] - sums[line_starts[:-1]]


def _repeats(tokens: Tokens, whole: npt.NDArray[np.uint32], page: npt.NDArray[np.int64]) -> FloatArray:
    """How many other lines of the page are the same, open with the same two words, with the same word (log scale)."""
    counts = tokens.counts
    hashes = np.concatenate([tokens.hashes, np.zeros(3, dtype=np.uint32)])
    start = tokens.line_starts[:-1]
    opening = hashes[start] * np.uint32(0xC2B2AE35) + hashes[start + 1]
    columns = [_count_others(whole, page, counts >= 0)]
    columns += [_count_others(opening, page, counts >= 2), _count_others(hashes[start], page, counts >= 1)]
    return log_scale(np.stack(columns, axis=1))


def _count_others(
    values: npt.NDArray[np.uint32], page: npt.NDArray[np.int64], known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """How many other lines of the same page have each line's value; int64, shape (n_lines,); 0 where not known."""
    rows = np.flatnonzero(known)
    keys = page[rows].astype(np.uint64) << np.uint64(32) | values[rows]
    order = np.argsort(keys)
    ordered = keys[order]
    opens = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] + np.uint64(1)))
    sizes = np.diff(np.append(opens, len(keys)))
    counts = np.zeros(len(values), dtype=np.int64)
    counts[rows[order]] = np.repeat(sizes, sizes) - 1
    return counts
