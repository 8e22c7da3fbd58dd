"""The two estimators, fitted with scikit-learn and turned into the integers that `cleaner.model` adds up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cleaner.features.chars import CharTables, encode_lines
from cleaner.features.context import RARITY_BITS, rarity_bucket
from cleaner.features.ngrams import N_BUCKETS, Bag, PrefixHash, find_tokens, gram_bag
from cleaner.features.shape import FloatArray
from cleaner.model.artefact import DEFAULT_DROPPED
from cleaner.model.line_model import N_STAGE_ONE, GramWeights
from cleaner.model.nets import EXACT_FLOAT, MAX_ACTIVATION, MAX_STEPS, N_LABELS, STEP, Layer, Net

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

IntArray = npt.NDArray[np.int64]

_CHUNK_LINES = 20_000
_CLIP_LOGIT = 8.0


def gram_matrix(texts: Sequence[str], chars: CharTables) -> csr_matrix:
    """4-grams of lines as a sparse matrix, each row's counts over the root of the number of its grams.

    float32, shape (n_lines, 2^18); its product with the weights is what `GramWeights.score` computes.
    """
    from scipy.sparse import csr_matrix, vstack

    parts = [
        bag_matrix(gram_bag(encode_lines(texts[start : start + _CHUNK_LINES], chars)), N_BUCKETS)
        for start in range(0, len(texts), _CHUNK_LINES)
    ]
    return vstack(parts).tocsr() if parts else csr_matrix((0, N_BUCKETS), dtype=np.float32)


def bag_matrix(bag: Bag, n_buckets: int) -> csr_matrix:
    """The grams of each line over the root of their number, as `GramWeights.score` weighs them; float32."""
    from scipy.sparse import csr_matrix

    counts = bag.counts
    values = np.repeat(1 / np.sqrt(counts), counts).astype(np.float32)
    matrix = csr_matrix((values, bag.buckets.astype(np.int32), bag.starts), shape=(len(counts), n_buckets))
    matrix.sum_duplicates()
    return matrix


@dataclass(frozen=True)
class GramModels:
    """Stage one as fitted: one linear model for the classes, one for debris of any kind."""

    classes: Any
    debris: Any


def rows_of_pages(pages: IntArray, page_starts: IntArray) -> tuple[IntArray, IntArray]:
    """The rows of some pages, by their number, and where each begins among them (n_pages + 1)."""
    sizes = page_starts[pages + 1] - page_starts[pages]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    return np.repeat(page_starts[pages] - starts[:-1], sizes) + np.arange(starts[-1]), starts


SAMPLE_LINES = 20_000
"""By so many of the lines that a net was fitted on its activations are scaled."""


def sample_pages(page_starts: IntArray) -> tuple[IntArray, IntArray]:
    """The rows of some pages with about SAMPLE_LINES lines, drawn at random, and where each begins among them."""
    order = np.random.default_rng(3).permutation(len(page_starts) - 1)
    n_pages = int(np.searchsorted(np.cumsum(np.diff(page_starts)[order]), SAMPLE_LINES))
    return rows_of_pages(order[: max(n_pages, 1)], page_starts)


def fit_grams(matrix: csr_matrix, labels: IntArray, weights: FloatArray, n_epochs: int, seed: int) -> GramModels:
    """Stage one: linear models, one class against the rest, by averaged stochastic gradient descent."""
    from sklearn.linear_model import SGDClassifier

    def fit(targets: npt.NDArray[Any]) -> Any:
        model = SGDClassifier(loss="log_loss", alpha=3e-6, max_iter=n_epochs, tol=None, average=True, random_state=seed)
        return model.fit(matrix, targets, sample_weight=weights)

    return GramModels(fit(labels), fit(DEFAULT_DROPPED[labels]))


def gram_logits(models: GramModels, matrix: csr_matrix) -> FloatArray:
    """Logits for each class and for debris, cut at ±8; a class that was not there to learn from gets -8.

    float32, shape (n_lines, 14).
    """
    logits = np.full((matrix.shape[0], N_STAGE_ONE), -_CLIP_LOGIT, dtype=np.float32)
    logits[:, models.classes.classes_] = models.classes.decision_function(matrix)
    logits[:, -1] = models.debris.decision_function(matrix)
    return np.clip(logits, -_CLIP_LOGIT, _CLIP_LOGIT)


def quantise_grams(models: GramModels) -> GramWeights:
    """Stage one in bytes, each output scaled by its own largest weight.

    Cutting the few largest for finer steps cost more: they are what a page's furniture is known by. The steps'
    errors average out over a line's grams to about .06 of a logit.
    """
    weights = np.zeros((N_STAGE_ONE, models.classes.coef_.shape[1]), dtype=np.float64)
    biases = np.full(N_STAGE_ONE, -_CLIP_LOGIT)
    weights[models.classes.classes_], biases[models.classes.classes_] = models.classes.coef_, models.classes.intercept_
    weights[-1], biases[-1] = models.debris.coef_[0], models.debris.intercept_[0]
    largest = np.maximum(np.abs(weights).max(axis=1), 1e-9)
    scales = largest / 127
    integers = np.clip(np.rint(weights / scales[:, None]), -127, 127).astype(np.int8)
    return GramWeights(np.ascontiguousarray(integers.T), scales.astype(np.float32), biases.astype(np.float32))


def measure_rarity(texts: Sequence[str], chars: CharTables) -> npt.NDArray[np.uint8]:
    """How rare words are, by bucket of their hash: 0 for what stands in more than one line of 256, 255 at the most.

    Words that share a bucket share its count. No word can be read back. uint8, shape (2^14,).
    """
    n_buckets = 1 << RARITY_BITS
    counts = np.zeros(n_buckets, dtype=np.int64)
    for start in range(0, len(texts), _CHUNK_LINES):
        characters = encode_lines(texts[start : start + _CHUNK_LINES], chars)
        tokens = find_tokens(characters, PrefixHash(characters.folds))
        keys = np.unique(tokens.lines() * n_buckets + rarity_bucket(tokens.hashes))
        counts += np.bincount(keys % n_buckets, minlength=n_buckets)
    bits = np.log2((len(texts) + 1) / (counts + 1))
    return np.clip(np.rint((bits - 8) * 24), 0, 255).astype(np.uint8)


def fit_net(
    inputs: FloatArray,
    labels: IntArray,
    weights: FloatArray,
    hidden: tuple[int, ...],
    phases: Sequence[tuple[float, int]],
    penalty: float,
    seed: int,
    batch_lines: int = 512,
) -> Any:
    """Stage two: a multi-layer perceptron over the inputs in units of one deviation.

    phases: learning rates with the number of epochs at each. penalty: on squared weights. batch_lines: all lines where
    there are fewer.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    batch_lines = min(batch_lines, len(inputs))
    net = MLPClassifier(hidden, alpha=penalty, batch_size=batch_lines, random_state=seed, warm_start=True)
    scaled = inputs / np.float32(STEP)
    with warnings.catch_warnings():
        # A fixed number of epochs is the choice here, not a failure to converge.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for rate, n_epochs in phases:
            net.set_params(learning_rate_init=rate, max_iter=n_epochs)
            net.fit(scaled, labels, sample_weight=weights)
    return net


@dataclass(frozen=True)
class LayerSums:
    """A layer's weights in integers, before it is said what becomes of its sums.

    weights: float64 that hold integers, shape (n_in, n_out). biases: likewise, (n_out,). resolution: float64,
    (n_out,), what a sum stands for is the sum over this.
    """

    weights: npt.NDArray[np.float64]
    biases: npt.NDArray[np.float64]
    resolution: npt.NDArray[np.float64]

    def close(self, inputs: npt.NDArray[np.float64]) -> tuple[Layer, npt.NDArray[np.float64]]:
        """The layer with rectified steps, as high as they get on some inputs, and what one of its steps stands for."""
        top = np.maximum(np.quantile(inputs @ self.weights + self.biases, 0.9995, axis=0), 1.0)
        scales = (MAX_ACTIVATION / top).astype(np.float32)
        return self._with(scales), 1 / (scales.astype(np.float64) * self.resolution)

    def end(self) -> Layer:
        """The layer with logits."""
        return self._with((1 / self.resolution).astype(np.float32))

    def _with(self, scales: FloatArray) -> Layer:
        return Layer(self.weights.astype(np.float32), self.biases.astype(np.float32), scales)


def scale_layer(
    coefficients: npt.ArrayLike, intercepts: npt.ArrayLike, units: npt.ArrayLike, bounds: npt.ArrayLike
) -> LayerSums:
    """Fitted weights in integers so fine that no sum can pass 2^24.

    units: what one step of each input stands for; bounds: how many steps it can have; shape (n_in,) each.
    """
    weights = np.asarray(coefficients, dtype=np.float64) * np.asarray(units)[:, None]
    biases = np.asarray(intercepts, dtype=np.float64)
    resolution = 0.98 * EXACT_FLOAT / (np.asarray(bounds) @ np.abs(weights) + np.abs(biases) + 1e-9)
    return LayerSums(np.rint(weights * resolution), np.rint(biases * resolution), resolution)


def quantise_net(model: Any, inputs: FloatArray) -> Net:
    """A fitted net in integers; inputs: some of those it was fitted on, to see how large activations get."""
    layers, units = quantise_hidden(model, inputs)
    coefficients, intercepts = spread_classes(model)
    last = scale_layer(coefficients, intercepts, units, np.full(len(units), float(MAX_ACTIVATION)))
    return Net((*layers, last.end()))


def quantise_hidden(model: Any, inputs: FloatArray) -> tuple[list[Layer], npt.NDArray[np.float64]]:
    """All layers of a fitted net but the last, and what a step of each of their last activations stands for."""
    activations = inputs.astype(np.float64)
    bound, units = float(MAX_STEPS), np.full(inputs.shape[1], 1 / STEP)
    layers = []
    for coefficients, intercepts in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        layer, units = scale_layer(coefficients, intercepts, units, np.full(len(units), bound)).close(activations)
        layers.append(layer)
        activations = layer.activations(activations.astype(np.float32)).astype(np.float64)
        bound = float(MAX_ACTIVATION)
    return layers, units


def spread_classes(model: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The last layer of a fitted net over all classes; those that were not there to learn from get a low logit.

    float64, shapes (n_in, 13) and (13,). Raises ValueError where it knows one class only.
    """
    coefficients, intercepts = model.coefs_[-1].astype(np.float64), model.intercepts_[-1].astype(np.float64)
    classes = model.classes_
    if len(classes) == 1:
        raise ValueError("all lines are of one class; there is nothing to tell apart")
    if coefficients.shape[1] == 1:  # scikit-learn gives two classes one output
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients], axis=1)
        intercepts = np.concatenate([np.zeros_like(intercepts), intercepts])
    wide = np.zeros((coefficients.shape[0], N_LABELS))
    low = np.full(N_LABELS, -20.0)
    wide[:, classes], low[classes] = coefficients, intercepts
    return wide, low
