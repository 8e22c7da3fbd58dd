"""What a line is about beside the rest of its document, as far as its words tell.

Each word has a vector of a few bytes, looked up by its hash; those of a line's words add up to a direction. A teaser
or a biography points elsewhere than the story around it even where it shares no word with the story. The vectors are
fitted to a sentence encoder (`cleaner.learn.vectors`), and come to seven tenths of what the encoder itself brought.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cleaner.features.ngrams import Tokens
from cleaner.features.shape import FloatArray
from cleaner.features.sums import sum_rows

# With 64 dimensions the model found as much debris as with 32, in twice the time.
N_DIMENSIONS = 32
VECTOR_BITS = 15
_UNIT = 127
# A long paragraph says no more of what a document is about than this many words do.
_MAX_WORDS = 40

MEANING_NAMES: tuple[str, ...] = (
    "about_rest",
    "about_prose",
    "about_title",
    "about_first_line",
    "about_previous",
    "about_next",
)


@dataclass(frozen=True)
class WordVectors:
    """Vectors of words by bucket of their hash. table: int8, shape (2^15, 32), the words' weights multiplied in."""

    table: npt.NDArray[np.int8]

    @classmethod
    def none(cls) -> WordVectors:
        """Vectors by which every line points nowhere."""
        return cls(np.zeros((1 << VECTOR_BITS, N_DIMENSIONS), dtype=np.int8))

    @cached_property
    def _rows(self) -> npt.NDArray[np.void]:
        # Raised by 128 and four to an integer, as in `GramWeights`: 255 words of 255 at most stay within sixteen bits.
        return (self.table.astype(np.int16) + 128).astype("<u2").view(f"V{2 * N_DIMENSIONS}")[:, 0]

    def directions(self, tokens: Tokens) -> FloatArray:
        """Where the words of each line point, in whole 127ths; float32, shape (n_lines, 32); 0 without words."""
        counts = tokens.counts
        some = np.flatnonzero(counts)
        directions = np.zeros((len(counts), N_DIMENSIONS), dtype=np.float32)
        if len(some):
            rows = sum_rows(self._rows, vector_buckets(tokens.hashes), tokens.line_starts[:-1][some])
            sums = rows.astype("<u8", copy=False).view("<u2").astype(np.float32)
            sums -= (128 * counts[some, None]).astype(np.float32)
            directions[some] = _to_unit(sums)
        return directions


def vector_buckets(hashes: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """Where the vector of each word stands in the table."""
    return (hashes >> np.uint32(32 - VECTOR_BITS)).astype(np.int64)


def meaning_features(
    tokens: Tokens,
    titles: Tokens,
    prose: npt.NDArray[np.bool_],
    page_starts: npt.NDArray[np.int64],
    vectors: WordVectors,
) -> FloatArray:
    """Cosines of each line with others; float32, shape (n_lines, len(MEANING_NAMES)).

    titles: the words of each page's title, one line a page, empty where unknown.
    """
    n_lines = len(prose)
    features = np.zeros((n_lines, len(MEANING_NAMES)), dtype=np.float32)
    if not n_lines:
        return features
    sizes = np.diff(page_starts)
    page = np.repeat(np.arange(len(sizes)), sizes)
    first = np.repeat(page_starts[:-1], sizes)
    own = vectors.directions(tokens)
    weights = np.minimum(tokens.counts, _MAX_WORDS)
    features[:, 0] = _cosines(own, _rest_of_page(own, weights, page_starts))
    features[:, 1] = _cosines(own, _rest_of_page(own, prose.astype(np.int64), page_starts))
    features[:, 2] = _cosines(own, vectors.directions(titles)[page])
    features[:, 3] = np.where(np.arange(n_lines) == first, 0, _cosines(own, own[first]))
    beside = np.where(page[1:] == page[:-1], _cosines(own[1:], own[:-1]), 0)
    features[1:, 4] = beside
    features[:-1, 5] = beside
    return features


def _rest_of_page(own: FloatArray, weights: npt.NDArray[np.int64], page_starts: npt.NDArray[np.int64]) -> FloatArray:
    """Where the other lines of each line's page point together."""
    weighted = own * weights[:, None].astype(np.float32)
    sizes = np.diff(page_starts)
    # A page's lines are added up in their order, whatever pages stand beside it, so sums beyond 2^24 are no harm.
    totals = np.add.reduceat(weighted, page_starts[:-1][sizes > 0], axis=0)
    return _to_unit(np.subtract(np.repeat(totals, sizes[sizes > 0], axis=0), weighted, out=weighted))


def _to_unit(values: FloatArray) -> FloatArray:
    """Rows at a length of about 127, rounded, written over them: float32 that hold integers, 0 stays 0."""
    # The squares of a row add up in one order, whatever rows stand beside it.
    lengths = np.sqrt((values * values).sum(axis=1, keepdims=True))
    values *= np.float32(_UNIT) / np.maximum(lengths, np.float32(1))
    return np.rint(values, out=values)


def _cosines(left: FloatArray, right: FloatArray) -> FloatArray:
    # Sums of whole numbers below 2^24, exact in any order.
    dots: FloatArray = np.einsum("ij,ij->i", left, right)
    return dots / np.float32(_UNIT * _UNIT)
