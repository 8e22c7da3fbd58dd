"""A sentence encoder as a second opinion: what the trees see of a line. Documents and encoder are made here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from made_documents import own_documents

from bench import encoder
from cleaner.labels import LABELS


class Letters:
    """An encoder for which texts are alike that begin with the same letter."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.eye(60, dtype=np.float32)[[ord(text[0]) % 60 for text in texts]]


def test_a_line_is_compared_with_the_rest_of_its_document_never_with_itself() -> None:
    vectors = np.eye(3)[[0, 0, 1, 2]]
    cosines = encoder.cosine_view(vectors, vectors[2], np.array([0.1, 0.1, 0.9, 0.1]), np.ones(4))
    story, debris, closest, before, after, title, first = cosines.T
    np.testing.assert_allclose(story, [0.7071, 0.7071, 0, 0], atol=1e-2)
    assert closest.tolist() == [1, 1, 0, 0] and title.tolist() == [0, 0, 1, 0]
    assert debris[2] == pytest.approx(0) and np.isnan([before[0], after[-1], first[0]]).all()


def test_every_judge_has_its_row_and_all_but_the_model_their_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "SentenceEncoder", Letters)
    monkeypatch.setattr(encoder, "_N_RESAMPLES", 10)
    monkeypatch.setattr(encoder, "N_TREES", 3)
    documents = own_documents(24)
    rng = np.random.default_rng(0)
    weights = [rng.integers(1, 1000, (len(document.lines), len(LABELS))) for document in documents]
    rows = encoder.measure(documents, weights, list(range(len(documents))))
    assert [len(row) for row in rows] == [5] * 6
    assert rows[0][3:] == ["", ""] and all("[" in cell for row in rows[1:5] for cell in row[3:])
