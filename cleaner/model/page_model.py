"""The page model at run time: lines of pages in HTML to probabilities of their classes.

Two linear stages (words of the tags around a line; 4-grams of its head), then small nets over their scores, the line's
place in the tree, and what the stage over tags says of the lines beside it, in its containers and of its look. Nets
that judge each line alone and one that reads the page in its order tell whether a line is article text; another kind
tells of which class it is if not. One net for both lost .002 of F1.
As in the model of plain text all sums are over whole numbers, so that a line gets the same score in any batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cleaner.features.chars import CharTables
from cleaner.features.dom import DOM_NAMES, Trees, shift, stack_columns
from cleaner.features.ngrams import HASH_BITS, Bag
from cleaner.features.pages import PageBatch, PageFeatures, page_features
from cleaner.features.shape import FloatArray
from cleaner.labels import BODY
from cleaner.model.document_net import DocumentNet
from cleaner.model.line_model import STAGE_ONE_NAMES, GramWeights
from cleaner.model.nets import MAX_STEPS, N_LABELS, Net, exponentials, standardise, sum_logits_by_kind

IntArray = npt.NDArray[np.int64]

GRAM_BITS = 16
ROLES = ("own", "around", "path", "inline")
"""Where a word of tags and attributes stands: on a line's container, the one around it, any on its path, within it."""

_LOGIT_STEPS, _MAX_LOGIT = 64, 8
_WHOLE = 2.0**40
_PROBABILITY = 1024  # probabilities are counted in so many parts
# Lines of pages scored together. A block costs 2.6 ms whatever its size, in hundreds of small steps: blocks of 6,000
# lines took 14 % less time than those of 2,000, larger ones no less than they.
BLOCK_LINES = 6000
_PATH_OFFSETS = (-3, -2, -1, 1, 2, 3)
_GRAM_OFFSETS = (-2, -1, 1, 2)
_N_SUBTREES = 4
_MEANS = ("container", "around", "look", "siblings", "cousins", "page")
_MAX_MASS = 400  # a long paragraph counts no more than this in a mean

PATH_NAMES: tuple[str, ...] = (
    "tags",
    *(f"tags_at_{offset}" for offset in _PATH_OFFSETS),
    *(f"tags_of_{name}" for name in _MEANS),
    *(f"tags_of_{name}_by_mass" for name in _MEANS),
    *(f"tags_of_subtree_{level}_up" for level in range(_N_SUBTREES)),
)
GRAM_NAMES: tuple[str, ...] = (*STAGE_ONE_NAMES, *(f"words_like_debris_at_{offset}" for offset in _GRAM_OFFSETS))
PAGE_INPUT_NAMES: tuple[str, ...] = (*DOM_NAMES, *PATH_NAMES, *GRAM_NAMES, "hint")
N_PAGE_INPUTS = len(PAGE_INPUT_NAMES)

_SIGMOID = np.rint(
    _PROBABILITY / (1 + np.exp(-np.arange(-_MAX_LOGIT * _LOGIT_STEPS, _MAX_LOGIT * _LOGIT_STEPS + 1) / _LOGIT_STEPS))
).astype(np.int64)


@dataclass(frozen=True)
class PathWeights:
    """The stage over tags. weights: int8, shape (2^16, 4), columns as in ROLES. scales: float32, shape (4,). bias."""

    weights: npt.NDArray[np.int8]
    scales: FloatArray
    bias: np.float32

    def steps(self, looks: Bag, inline: Bag, trees: Trees) -> IntArray:
        """Logits of each line for being article text, in 64ths within ±8; int64, shape (n_lines,)."""
        by_look = self._sums(looks)[trees.looks]
        on_path = by_look[:, 2].copy()
        for level in trees.levels:
            on_path[level] += on_path[trees.parents[level]]
        own = trees.containers
        sums = (
            by_look[own, 0],
            by_look[trees.parents[own], 1],
            on_path[own],
            self._sums(inline)[trees.inline, 3],
        )
        logits = np.full(len(own), self.bias, dtype=np.float32)
        for role, scale in zip(sums, self.scales, strict=True):
            logits += role.astype(np.float32) * scale
        limit = _MAX_LOGIT * _LOGIT_STEPS
        return np.clip(np.rint(logits * np.float32(_LOGIT_STEPS)), -limit, limit).astype(np.int64)

    def _sums(self, bag: Bag) -> IntArray:
        running = np.zeros((len(bag.buckets) + 1, len(ROLES)), dtype=np.int64)
        np.cumsum(self.weights.take(bag.buckets, axis=0), axis=0, dtype=np.int64, out=running[1:])
        return running[bag.starts[1:]] - running[bag.starts[:-1]]


@dataclass(frozen=True)
class PageModel:
    """Lines of pages to probabilities of their classes; see the module.

    centers, factors: float32, shape (n_inputs - 1,). text_nets: logits of BODY and of everything else, averaged.
    order_net: the same, of lines in their order; it counts as much as all text_nets together. class_nets: logits of all
    classes, of which that of BODY is not looked at.
    """

    tables: CharTables
    paths: PathWeights
    grams: GramWeights
    centers: FloatArray
    factors: FloatArray
    text_nets: tuple[Net, ...]
    order_net: DocumentNet
    class_nets: tuple[Net, ...]

    def exponentials(self, batch: PageBatch, evidence: npt.NDArray[np.int8] | None = None) -> IntArray:
        """For each line and class a whole number in proportion to its probability; int64, shape (n_lines, 13).

        evidence: int8, shape (n_lines,), the user's word on each line (`cleaner.features.hints`).
        """
        parts = []
        first = 0
        for block in _split_pages(batch):
            n_lines = int(block.page_starts[-1])
            if n_lines:
                part = None if evidence is None else evidence[first : first + n_lines]
                parts.append(join_odds(*self.logits(self.inputs(block, part), block.page_starts)))
            first += n_lines
        return np.concatenate(parts) if parts else np.zeros((0, N_LABELS), dtype=np.int64)

    def logits(self, inputs: FloatArray, page_starts: IntArray) -> tuple[FloatArray, FloatArray]:
        """What the nets say of lines, whether article text and of which class; float32, shape (n_lines, 13) each."""
        text_logits, class_logits = sum_logits_by_kind((self.text_nets, self.class_nets), inputs)
        return mean_of(text_logits, self.order_net.logits(inputs, page_starts)), class_logits

    def inputs(self, batch: PageBatch, evidence: npt.NDArray[np.int8] | None = None) -> FloatArray:
        """What the nets see of each line: float32 that hold integers, shape (n_lines, N_PAGE_INPUTS)."""
        features = page_features(batch, self.tables)
        steps = self.paths.steps(features.looks, features.inline, features.trees)
        raw = join_inputs(features, steps, self.grams.score(fewer_buckets(features.grams)))
        standardise(raw[:, :-1], self.centers, self.factors)
        if evidence is not None:
            raw[:, -1] = evidence * np.float32(MAX_STEPS)
        return raw


def mean_of(alone: FloatArray, in_order: FloatArray) -> FloatArray:
    """What nets say of lines judged alone and in their order, as one; float32, shape (n_lines, 13)."""
    return (alone + in_order) * np.float32(0.5)


def join_odds(text_logits: FloatArray, class_logits: FloatArray) -> IntArray:
    """For each line and class a whole number in proportion to its probability; int64, shape (n_lines, 13).

    Article text or not by the one kind of nets, shared out among the other classes by the other kind.
    """
    is_text = exponentials(text_logits)
    others = exponentials(class_logits)
    others[:, BODY] = 0
    total = is_text.sum(axis=1)
    not_text = ((total - is_text[:, BODY]) / total)[:, None]
    shares = others / np.maximum(others.sum(axis=1), 1)[:, None]
    odds = np.rint(shares * not_text * _WHOLE).astype(np.int64)
    odds[:, BODY] = np.rint(is_text[:, BODY] / total * _WHOLE).astype(np.int64)
    return odds


def fewer_buckets(bag: Bag) -> Bag:
    """The bag over 2^16 buckets."""
    return replace(bag, buckets=bag.buckets >> (HASH_BITS - GRAM_BITS))


def join_inputs(features: PageFeatures, steps: IntArray, words: FloatArray) -> FloatArray:
    """All inputs before they are standardised, the hint 0; float32, shape (n_lines, N_PAGE_INPUTS).

    steps: of `PathWeights.steps`. words: logits of the stage over 4-grams, shape (n_lines, 14).
    """
    trees = features.trees
    page = trees.line_pages
    place = np.arange(len(steps)) - trees.page_starts[:-1][page]
    sizes = np.diff(trees.page_starts)[page]
    logits = steps.astype(np.float32) / np.float32(_LOGIT_STEPS)
    columns = [
        logits,
        *_beside(logits, _PATH_OFFSETS, place, sizes),
        *_path_means(steps, features, page),
    ]
    columns += [*words.T, *_beside(words[:, -1], _GRAM_OFFSETS, place, sizes), np.zeros(len(steps))]
    return np.concatenate([features.dense, stack_columns(columns, len(steps))], axis=1)


def _beside(values: FloatArray, offsets: Sequence[int], place: IntArray, sizes: IntArray) -> list[FloatArray]:
    """The values of each line's neighbours, 0 beyond the page's edge."""
    return [
        np.where((place + offset >= 0) & (place + offset < sizes), shift(values, offset), np.float32(0))
        for offset in offsets
    ]


def _path_means(steps: IntArray, features: PageFeatures, page: IntArray) -> list[FloatArray]:
    """Mean probability by tags over the lines that a line belongs with, plainly, by mass, and over subtrees."""
    trees = features.trees
    shares = _SIGMOID[steps + _MAX_LOGIT * _LOGIT_STEPS]
    mass = np.minimum(features.masses.mass, _MAX_MASS) + 5
    own = trees.containers
    groups = (own, trees.parents[own], *trees.groups, page)

    def mean(group: IntArray, weights: IntArray) -> FloatArray:
        # Sums of whole numbers below 2^53 are exact in doubles, in any order.
        wholes = np.bincount(group, weights=weights)
        return (np.bincount(group, weights=shares * weights) / np.maximum(wholes, 1))[group].astype(np.float32)

    ones = np.ones(len(steps), dtype=np.int64)
    columns = [mean(group, ones) for group in groups] + [mean(group, mass) for group in groups]
    running = np.concatenate([[0], np.cumsum(shares * mass)])
    masses = np.concatenate([[0], np.cumsum(mass)])
    container = own
    for _ in range(_N_SUBTREES):
        first, end = trees.first_lines[container], trees.end_lines[container]
        columns.append(((running[end] - running[first]) / (masses[end] - masses[first])).astype(np.float32))
        parent = trees.parents[container]
        container = np.where(trees.depths[parent] > 0, parent, container)
    return columns


def _split_pages(batch: PageBatch) -> list[PageBatch]:
    """Runs of whole pages of about BLOCK_LINES lines."""
    blocks, first, n_lines = [], 0, 0
    for number, page in enumerate(batch.walked):
        if n_lines and n_lines + len(page.texts) > BLOCK_LINES:
            blocks.append(PageBatch(batch.walked[first:number], batch.metadata[first:number]))
            first, n_lines = number, 0
        n_lines += len(page.texts)
    blocks.append(PageBatch(batch.walked[first:], batch.metadata[first:]))
    return blocks
