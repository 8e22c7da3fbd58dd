"""All features of lines that the model sees, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cleaner.features.chars import Characters, CharTables, encode_lines
from cleaner.features.context import PLACE_NAMES, PROSE, STORY_NAMES, place_features, story_features
from cleaner.features.meaning import MEANING_NAMES, WordVectors, meaning_features
from cleaner.features.ngrams import Bag, PrefixHash, find_tokens, gram_bag
from cleaner.features.shape import SHAPE_NAMES, FloatArray, shape_features
from cleaner.types import Lines

DENSE_NAMES: tuple[str, ...] = SHAPE_NAMES + PLACE_NAMES + STORY_NAMES + MEANING_NAMES


@dataclass(frozen=True)
class FeatureTables:
    """What features are computed with, and a model brings along: tables of characters and words."""

    chars: CharTables
    rarity: npt.NDArray[np.uint8]
    vectors: WordVectors


@dataclass(frozen=True)
class LineFeatures:
    """What is known of each line. parts: float32, n_lines rows each, together the columns of DENSE_NAMES."""

    characters: Characters
    parts: tuple[FloatArray, ...]

    @cached_property
    def dense(self) -> FloatArray:
        """float32, shape (n_lines, len(DENSE_NAMES))."""
        return np.concatenate(self.parts, axis=1)

    @cached_property
    def grams(self) -> Bag:
        """Hashed 4-grams of each line."""
        return gram_bag(self.characters)


def line_features(lines: Lines, tables: FeatureTables) -> LineFeatures:
    """Features of the lines of many pages; those of one page depend on that page's lines and title alone."""
    characters = encode_lines(lines.texts, tables.chars)
    spans = PrefixHash(characters.folds)
    tokens = find_tokens(characters, spans)
    title_characters = encode_lines(lines.titles, tables.chars)
    title_tokens = find_tokens(title_characters, PrefixHash(title_characters.folds))
    shape = shape_features(characters, tokens)
    place = place_features(shape, lines.page_starts)
    prose = place[:, PROSE] > 0
    story = story_features(
        tokens,
        title_tokens,
        spans.of(characters.starts, characters.ends),
        prose,
        lines.page_starts,
        tables.rarity,
    )
    meaning = meaning_features(tokens, title_tokens, prose, lines.page_starts, tables.vectors)
    return LineFeatures(characters, (shape, place, story, meaning))
