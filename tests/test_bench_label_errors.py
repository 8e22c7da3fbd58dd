"""Likely label errors, by confident learning; on probabilities made here."""

from __future__ import annotations

import numpy as np
import pytest
from made_documents import NAV, STORY, document

from bench import label_errors
from cleaner.labels import LABELS


def confident(n: int, classes: list[int], share: float = 0.9) -> np.ndarray:
    """Probabilities of n classes: lines that are surely of the classes given."""
    rows = np.full((len(classes), n), (1 - share) / (n - 1))
    rows[np.arange(len(classes)), classes] = share
    return rows


def test_a_line_that_surely_seems_of_another_class_is_suspect_and_the_surest_stands_first() -> None:
    truth = [0] * 10 + [1] * 10
    probabilities = confident(3, truth)
    probabilities[3] = [0.04, 0.94, 0.02]
    probabilities[12] = [0.98, 0.01, 0.01]
    labels = np.array(truth)
    joint = label_errors.ConfidentJoint.of(probabilities, labels)
    assert joint.suspects(probabilities, labels).tolist() == [12, 3]
    assert joint.counts[:2, :2].tolist() == [[9, 1], [1, 9]]


def test_a_class_without_lines_makes_no_line_suspect() -> None:
    labels = np.zeros(5, dtype=np.int64)
    joint = label_errors.ConfidentJoint.of(confident(2, [0, 0, 0, 0, 1]), labels)
    assert joint.counts[:, 1].tolist() == [0, 0]


def test_estimated_errors_add_up_to_the_lines_of_each_label() -> None:
    labels = np.array([0] * 8 + [1] * 4)
    probabilities = confident(2, [0] * 7 + [1] * 5)
    probabilities[0] = [0.5, 0.5]  # unlike the others, so it counts for neither
    joint = label_errors.ConfidentJoint.of(probabilities, labels)
    assert joint.estimated.sum(axis=1).tolist() == pytest.approx([8, 4])


def test_the_table_of_suspects_has_places_and_no_text() -> None:
    pages = [document(*STORY, "nav| Home", name=f"d{number}") for number in range(4)]
    labels = np.concatenate([page.labels for page in pages])
    probabilities = confident(len(LABELS), labels.tolist())
    probabilities[4] = confident(len(LABELS), [NAV], 0.95)[0]
    joint, rows = label_errors.list_suspects(pages, probabilities, ["d1"])
    assert [row[:4] + row[6:] for row in rows] == [("d1", "1", "body", "nav", "texts.tsv")]
    said = label_errors.render(joint, label_errors.keep_or_drop(probabilities, labels), rows)
    assert "1 of 12 lines are suspect (1 labelled in texts.tsv)" in said and "1 kept lines seem debris" in said


def test_a_table_of_suspects_is_not_written_into_the_repository(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        label_errors.main(["--corpora", "nowhere", "--out", str(label_errors.ROOT / "bench" / "errors.tsv")])
    assert "lies in the repository" in capsys.readouterr().err
