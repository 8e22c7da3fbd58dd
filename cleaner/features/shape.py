"""What a line looks like: length, kinds of characters, first and last one, case of words."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cleaner.features.chars import CASELESS, CJK, DIGIT, LOWER, N_KINDS, SPACE, STOP, UPPER, Characters
from cleaner.features.ngrams import Tokens

FloatArray = npt.NDArray[np.float32]

_KIND_NAMES = "space lower upper caseless cjk digit stop comma colon quote bracket dash bar sign other".split()
_EDGE_KINDS = _KIND_NAMES[1:]
SHAPE_NAMES: tuple[str, ...] = (
    "length",
    "words",
    "word_length",
    *(f"share_{name}" for name in _KIND_NAMES),
    *(f"starts_{name}" for name in _EDGE_KINDS),
    *(f"ends_{name}" for name in _EDGE_KINDS),
    "capitalised_words",
    "stops_inside",
)


def log_scale(values: npt.NDArray[np.int64]) -> FloatArray:
    """About log2(1 + value) by table, in eighths: the same on every platform, where np.log2 is not."""
    return _LOG_TABLE.take(np.minimum(values, len(_LOG_TABLE) - 1))


_LOG_TABLE = (np.round(np.log2(np.arange(1, 4097)) * 8) / 8).astype(np.float32)


def shape_features(characters: Characters, tokens: Tokens) -> FloatArray:
    """float32, shape (n_lines, len(SHAPE_NAMES)); columns as named there."""
    n_lines = len(characters.starts)
    features = np.zeros((n_lines, len(SHAPE_NAMES)), dtype=np.float32)
    if not n_lines:
        return features
    kinds = characters.kind_counts
    shown = np.maximum(characters.ends - characters.starts, 1).astype(np.float32)
    n_words = tokens.counts
    some_words = np.maximum(n_words, 1).astype(np.float32)
    features[:, 0] = log_scale(characters.lengths)
    features[:, 1] = log_scale(n_words)
    features[:, 2] = np.minimum(shown / some_words, np.float32(24))
    column = 3
    np.divide(kinds, shown[:, None], out=features[:, column : column + N_KINDS])
    column += N_KINDS
    rows = np.arange(n_lines)
    first = characters.classes_at(characters.starts)
    last = characters.classes_at(np.maximum(characters.ends - 1, characters.starts))
    for edge in (first, last):
        known = edge > SPACE  # a line is stripped, so that SPACE and PAD stand at no edge of it
        features[rows[known], column + edge[known] - SPACE - 1] = 1
        column += len(_EDGE_KINDS)
    capitals = np.concatenate([[0], np.cumsum(characters.classes_at(tokens.starts) == UPPER)])
    features[:, column] = (capitals[tokens.line_starts[1:]] - capitals[tokens.line_starts[:-1]]) / some_words
    features[:, column + 1] = log_scale(kinds[:, STOP - 1].astype(np.int64))
    return features


def is_prose(shape: FloatArray) -> npt.NDArray[np.bool_]:
    """Lines that look like a paragraph: long, and made of letters; bool, shape (n_lines,)."""
    letters = _share(shape, LOWER) + _share(shape, UPPER) + _share(shape, CASELESS) + 3 * _share(shape, CJK)
    # About 107 characters; an ideograph says as much as four letters.
    long = shape[:, 0] + 2 * (_share(shape, CJK) > 0.3) >= 6.75
    return long & (letters > 0.6) & (_share(shape, DIGIT) < 0.2)


def _share(shape: FloatArray, kind: int) -> FloatArray:
    return shape[:, 3 + kind - SPACE]
