"""Words and n-grams of lines, hashed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from cleaner.features.chars import Characters

HASH_BITS = 18
N_BUCKETS = 1 << HASH_BITS

# Odd constants of Knuth's and Murmur's multiplicative hashing; arithmetic is modulo 2^32 throughout.
_STEP = 0x01000193
_STEP_INVERSE = pow(_STEP, -1, 1 << 32)
_MIX = np.uint32(0x9E3779B1)
_FINAL = np.uint32(0x85EBCA6B)


@dataclass(frozen=True)
class Tokens:
    """The words of many lines: a run of letters and digits, or one ideograph.

    hashes: uint32, shape (n_tokens,), of the folded word. starts: int64, shape (n_tokens,), offset of its first
    character. line_starts: int64, shape (n_lines + 1,): tokens of line i are ``line_starts[i]:line_starts[i + 1]``.
    """

    hashes: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    line_starts: npt.NDArray[np.int64]

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        return np.diff(self.line_starts)

    def lines(self) -> npt.NDArray[np.int64]:
        """Number of the line that each token stands in; int64, shape (n_tokens,)."""
        return np.repeat(np.arange(len(self.line_starts) - 1), self.counts)


@lru_cache(maxsize=8)
def _powers_of_two(size: int, base: int) -> npt.NDArray[np.uint32]:
    powers = np.ones(size, dtype=np.uint32)
    filled, factor = 1, base
    while filled < size:
        powers[filled : 2 * filled] = powers[:filled] * np.uint32(factor)
        filled, factor = 2 * filled, factor * factor & 0xFFFFFFFF
    powers.setflags(write=False)
    return powers


def _powers(n: int, base: int) -> npt.NDArray[np.uint32]:
    """base^0 … base^(n - 1) modulo 2^32, by doubling; made once for each size, as they cost as much as the hashes."""
    return _powers_of_two(max(1 << 18, 1 << n.bit_length()), base)[:n]


class PrefixHash:
    """Hashes of any span of characters in constant time.

    With S[i] the sum of c[j] * step^-j over j < i, the span [a, b) hashes to (S[b] - S[a]) * step^a, which does not
    depend on where in the row it stands (Karp and Rabin 1987, in prefix-sum form).
    """

    def __init__(self, folds: npt.NDArray[np.uint32]) -> None:
        n = len(folds)
        self._sums = np.zeros(n + 1, dtype=np.uint32)
        np.cumsum((folds + np.uint32(1)) * _MIX * _powers(n, _STEP_INVERSE), dtype=np.uint32, out=self._sums[1:])
        self._forward = _powers(n + 1, _STEP)

    def of(self, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
        """uint32, one a span; equal spans have equal hashes."""
        hashes = (self._sums[ends] - self._sums[starts]) * self._forward[starts]
        return (hashes ^ (hashes >> np.uint32(15))) * _FINAL


def find_tokens(characters: Characters, spans: PrefixHash) -> Tokens:
    """The words of each line, in order."""
    is_word, is_cjk = characters.is_word, characters.is_cjk
    before = np.zeros_like(is_word)
    before[1:] = is_word[:-1] & ~is_cjk[:-1]
    starts = np.flatnonzero(is_word & (~before | is_cjk))
    after = np.zeros_like(is_word)
    after[:-1] = is_word[1:] & ~is_cjk[1:]
    ends = np.flatnonzero(is_word & (~after | is_cjk)) + 1
    line_starts = np.concatenate([np.searchsorted(starts, characters.starts), [len(starts)]])
    return Tokens(spans.of(starts, ends), starts, ends, line_starts)


def _bucket(hashes: npt.NDArray[np.uint32], salt: int) -> npt.NDArray[np.uint32]:
    mixed = (hashes ^ np.uint32(salt * 0x9E3779B1 & 0xFFFFFFFF)) * _MIX
    return (mixed ^ (mixed >> np.uint32(13))) * _FINAL >> np.uint32(32 - HASH_BITS)


def token_buckets(hashes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Buckets of hashed words; uint32, same shape, below N_BUCKETS."""
    return _bucket(hashes, salt=0)


@dataclass(frozen=True)
class Bag:
    """Buckets that lines fall in. buckets: int64, shape (n_items,); those of line i are ``starts[i]:starts[i + 1]``."""

    buckets: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        return np.diff(self.starts)


def gram_bag(characters: Characters) -> Bag:
    """Character 4-grams of each line, its borders included: n characters give n + 3 buckets."""
    # Three borders stand before each line, so the windows that start in [start - 3, end) are the line's own, and
    # those of all lines tile the row without gap or overlap.
    starts = np.concatenate([[0], characters.ends])
    return Bag(hash_grams(characters.folds[: starts[-1] + 3]), starts)


def hash_grams(folds: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """Buckets of all windows of four characters; int64, shape (n_chars - 3,)."""
    hashes = folds[:-3] * np.uint32(0x8DA6B343)
    scratch = np.empty_like(hashes)
    for offset, factor in ((1, 0xD8163841), (2, 0xCB1AB31F), (3, 0x165667B1)):
        hashes += np.multiply(folds[offset : len(folds) - 3 + offset], np.uint32(factor), out=scratch)
    hashes ^= np.right_shift(hashes, np.uint32(15), out=scratch)
    hashes *= _FINAL
    hashes >>= np.uint32(32 - HASH_BITS)
    return hashes.astype(np.int64)
