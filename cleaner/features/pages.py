"""All features of the lines of pages in HTML that the page model sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cleaner.extract.html import WalkedPage
from cleaner.features.chars import CharTables, encode_lines
from cleaner.features.dom import (
    IntArray,
    Masses,
    Trees,
    dom_features,
    join_trees,
    measure_masses,
)
from cleaner.features.headline import fold_titles
from cleaner.features.ngrams import Bag, gram_bag
from cleaner.features.paths import path_bag
from cleaner.features.shape import FloatArray
from cleaner.types import Metadata

PAGE_FEATURE_VERSION = 2
"""Raised with every change that gives a line of a page other features or its model other nets; a page model names its
version."""

# In a page the tags say most. Whole lines in 4-grams, as for plain text, brought .001 of F1 more for a tenth of the
# time that a page takes.
HEAD_CHARS = 48


@dataclass(frozen=True)
class PageBatch:
    """Pages to be judged together, one entry of each list a page."""

    walked: Sequence[WalkedPage]
    metadata: Sequence[Metadata]

    @property
    def texts(self) -> list[str]:
        return [text for page in self.walked for text in page.texts]

    @property
    def page_starts(self) -> IntArray:
        return np.concatenate([[0], np.cumsum([len(page.texts) for page in self.walked], dtype=np.int64)])


@dataclass(frozen=True)
class PageFeatures:
    """What is known of each line. dense: float32, shape (n_lines, len(DOM_NAMES)).

    grams: of the lines' heads. looks: words of each of the trees' look_names. inline: of each of inline_names.
    """

    trees: Trees
    masses: Masses
    dense: FloatArray
    grams: Bag
    looks: Bag
    inline: Bag


def page_features(batch: PageBatch, tables: CharTables) -> PageFeatures:
    """Features of the lines of many pages; those of one page depend on that page alone."""
    trees = join_trees(batch.walked)
    texts = batch.texts
    characters = encode_lines([text[:HEAD_CHARS] for text in texts], tables)
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    masses = measure_masses(texts, replace(characters, lengths=lengths), trees)
    dom = dom_features(texts, [fold_titles(metadata) for metadata in batch.metadata], masses, trees)
    return PageFeatures(
        trees,
        masses,
        dom,
        gram_bag(characters),
        path_bag(trees.look_names, tables),
        path_bag(trees.inline_names, tables),
    )
