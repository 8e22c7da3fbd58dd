"""Lines -> code points, their classes and their folded forms.

The tables from code point to class and folded form are built once, when a model is trained, and travel with it:
Python releases differ in their Unicode data, and a line must get the same score under each.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cleaner.features.sums import sum_rows

(
    PAD,
    SPACE,
    LOWER,
    UPPER,
    CASELESS,
    CJK,
    DIGIT,
    STOP,
    COMMA,
    COLON,
    QUOTE,
    BRACKET,
    DASH,
    BAR,
    SIGN,
    OTHER,
) = range(16)
N_CHAR_CLASSES = 16

# Of a longer line the head and the tail are read: debris is known by its edges, and a 50 MB line must not cost more
# than any other. Half as many again gained nothing (.893 and .896 of average precision, within the noise). At most 252
# in all: counts of characters then fit into eight bits, and sums of 255 weights of eight bits into sixteen.
HEAD_CHARS = 128
TAIL_CHARS = 48
SHOWN_CHARS = HEAD_CHARS + TAIL_CHARS

# Three, so that no window of four characters holds characters of two lines.
_BORDER = "\n\n\n"
_PLANE = 0x10000  # beyond the basic plane everything counts as OTHER, but for ideographs

_BY_CHARACTER = {
    STOP: ".!?…。！？．।؟۔",
    COMMA: ",;、，；،؛",
    COLON: ":：",
    QUOTE: "\"'“”‘’„‚«»‹›「」『』″′`´",
    BRACKET: "()[]{}<>（）［］【】〈〉《》",
    BAR: "|/\\·•‧∙▪■►▶→←›»▸●○◦※◆★☆✓©®™",
    SIGN: "@#&%$€£¥₹+=*~^",
}
_CJK_RANGES = ((0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF))


_CLASS_SHIFT = np.uint32(16)
_WORD_FLAG = np.uint32(1 << 20)
_CJK_FLAG = np.uint32(1 << 21)
N_KINDS = N_CHAR_CLASSES - 1  # all but PAD


@dataclass(frozen=True)
class CharTables:
    """classes: uint8, shape (65536,), one of the classes above. folds: uint16, shape (65536,), lower case, digits 0."""

    classes: npt.NDArray[np.uint8]
    folds: npt.NDArray[np.uint16]

    @cached_property
    def packed(self) -> npt.NDArray[np.uint32]:
        """Fold, class and flags of a character in one integer, so that it is looked up once."""
        is_cjk = self.classes == CJK
        is_word = np.isin(self.classes, (LOWER, UPPER, CASELESS, DIGIT, CJK))
        return (
            self.folds
            | self.classes.astype(np.uint32) << _CLASS_SHIFT
            | is_word.astype(np.uint32) * _WORD_FLAG
            | is_cjk.astype(np.uint32) * _CJK_FLAG
        )

    @cached_property
    def kind_rows(self) -> npt.NDArray[np.void]:
        """One in the byte of its class for each character, as rows of sixteen bytes: fifteen counts are two sums.

        A line shows 252 characters at most, so that a count fits into a byte.
        """
        ones = np.zeros((len(self.classes), 16), dtype=np.uint8)
        counted = np.flatnonzero(self.classes != PAD)
        ones[counted, self.classes[counted] - 1] = 1
        return ones.view("V16")[:, 0]


def build_char_tables() -> CharTables:
    """Tables over the basic plane, by this Python's Unicode data."""
    classes = np.empty(_PLANE, dtype=np.uint8)
    folds = np.arange(_PLANE, dtype=np.uint16)
    for point in range(_PLANE):
        character = chr(point)
        classes[point] = _class_of(character, point)
        lowered = character.lower()
        if classes[point] == DIGIT:
            folds[point] = ord("0")
        elif len(lowered) == 1 and ord(lowered) < _PLANE:
            folds[point] = ord(lowered)
    for characters, folded in (("“”„«»", '"'), ("‘’‚′`´", "'"), ("–—―", "-"), ("\u00a0\u3000", " ")):
        for character in characters:
            folds[ord(character)] = ord(folded)
    return CharTables(classes, folds)


def _class_of(character: str, point: int) -> int:
    if character == "\n":
        return PAD
    if character.isspace():
        return SPACE
    for char_class, members in _BY_CHARACTER.items():
        if character in members:
            return char_class
    if any(first <= point <= last for first, last in _CJK_RANGES):
        return CJK
    category = unicodedata.category(character)
    if category in ("Lu", "Lt"):
        return UPPER
    if category == "Ll":
        return LOWER
    if category[0] in "LM":
        return CASELESS
    if category == "Nd":
        return DIGIT
    if category in ("Pd", "Pc"):
        return DASH
    if category in ("Pi", "Pf"):
        return QUOTE
    if category in ("Ps", "Pe"):
        return BRACKET
    return OTHER


@dataclass(frozen=True)
class Characters:
    """The characters of many lines in one row, three borders before, between and after them.

    folds, flags: uint32, shape (n_chars,). points: int64, likewise, where the tables look them up. starts, ends:
    int64, shape (n_lines,), offsets of each line's characters. lengths: int64, shape (n_lines,), of the whole line in
    code points, where the row holds only the head and tail of long ones.
    """

    folds: npt.NDArray[np.uint32]
    flags: npt.NDArray[np.uint32]
    points: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    tables: CharTables

    @cached_property
    def kind_counts(self) -> npt.NDArray[np.uint8]:
        """Characters of each class but PAD; uint8, shape (n_lines, 15). Counted when asked for, which pages do not."""
        # Borders count nothing, so a segment may run from one line's start to the next one's.
        sums = sum_rows(self.tables.kind_rows, self.points, self.starts)
        return sums.astype("<u8", copy=False).view(np.uint8)[:, :N_KINDS]

    @property
    def cjk_counts(self) -> npt.NDArray[np.int64]:
        """Ideographs and kana of each line; int64, shape (n_lines,)."""
        is_cjk = self.is_cjk
        if not is_cjk.any():
            return np.zeros(len(self.starts), dtype=np.int64)
        return np.add.reduceat(is_cjk, self.starts, dtype=np.int64)

    def classes_at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Classes of the characters at some offsets; int64."""
        return (self.flags.take(places) >> _CLASS_SHIFT & np.uint32(15)).astype(np.int64)

    @property
    def is_word(self) -> npt.NDArray[np.bool_]:
        return self.flags & _WORD_FLAG != 0

    @property
    def is_cjk(self) -> npt.NDArray[np.bool_]:
        return self.flags & _CJK_FLAG != 0


_UTF32 = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"


def encode_lines(texts: Sequence[str], tables: CharTables) -> Characters:
    """The lines as arrays of code points. A newline inside a line (there is none from `extract`) is a border."""
    n_lines = len(texts)
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=n_lines)
    long = np.flatnonzero(lengths > SHOWN_CHARS)
    if long.size:
        texts = list(texts)
        for line in long.tolist():
            text = texts[line]
            texts[line] = text[:HEAD_CHARS] + text[-TAIL_CHARS:]
    joined = _BORDER.join(texts)
    points = np.frombuffer(f"{_BORDER}{joined}{_BORDER}".encode(_UTF32, "surrogatepass"), dtype=np.uint32)
    # numpy looks up by pointer-sized integers: turned into them once here rather than in each of three look-ups.
    index = points.astype(np.intp)
    if int(points.max()) >= _PLANE:
        beyond = points >= _PLANE
        ideographs = (points >= 0x20000) & (points < 0x32000)
        index[beyond] = np.where(ideographs, _ANY_IDEOGRAPH, _ANY_OTHER)[beyond]
    packed = tables.packed.take(index)
    shown = np.minimum(lengths, SHOWN_CHARS)
    ends = np.cumsum(shown + len(_BORDER))
    starts = ends - shown
    return Characters(packed & np.uint32(0xFFFF), packed, index, starts, ends, lengths, tables)


_ANY_IDEOGRAPH = 0x4E00
_ANY_OTHER = 0xFFFF
