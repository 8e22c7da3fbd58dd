"""All features of lines that the model sees, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cleaner.features.chars import Characters, CharTables, encode_lines
from cleaner.features.context import PLACE_NAMES, STORY_NAMES, place_features, story_features
from cleaner.features.ngrams import Bag, PrefixHash, find_tokens, gram_bag
from cleaner.features.shape import SHAPE_NAMES, FloatArray, is_prose, shape_features
from cleaner.types import Lines

DENSE_NAMES: tuple[str, ...] = SHAPE_NAMES + PLACE_NAMES + STORY_NAMES


@dataclass(frozen=True)
class FeatureTables:
    """What features are computed with, and a model brings along: character tables, and how rare words are."""

    chars: CharTables
    rarity: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class LineFeatures:
    """What is known of each line. dense: float32, shape (n_lines, len(DENSE_NAMES)); grams: hashed 4-grams, lazily."""

    characters: Characters
    dense: FloatArray

    @cached_property
    def grams(self) -> Bag:
        return gram_bag(self.characters)


def line_features(lines: Lines, tables: FeatureTables) -> LineFeatures:
    """Features of the lines of many pages; those of one page depend on that page's lines and title alone."""
    characters = encode_lines(lines.texts, tables.chars)
    spans = PrefixHash(characters.folds)
    tokens = find_tokens(characters, spans)
    title_characters = encode_lines(lines.titles, tables.chars)
    title_tokens = find_tokens(title_characters, PrefixHash(title_characters.folds))
    shape = shape_features(characters, tokens)
    dense = np.concatenate(
        [
            shape,
            place_features(shape, lines.page_starts),
            story_features(
                tokens,
                title_tokens,
                spans.of(characters.starts, characters.ends),
                is_prose(shape),
                lines.page_starts,
                tables.rarity,
            ),
        ],
        axis=1,
    )
    return LineFeatures(characters, dense)
