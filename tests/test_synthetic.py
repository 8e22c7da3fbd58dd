from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_documents import MICRO, OWN, own_documents

from bench._training import SYNTHETIC, CrossValidation
from cleaner.errors import UsageError
from cleaner.features.meaning import WordVectors
from cleaner.labels import LABELS
from cleaner.learn.corpus import read_labels
from cleaner.learn.train import _Trainer, fit
from cleaner.learn.workflow import TrainingFiles, read_training_data, train_model


def test_nothing_is_measured_on_synthetic_documents_though_they_are_learned_from() -> None:
    documents = own_documents(24)
    made_up = [
        replace(entry, is_synthetic=True, id=f"{entry.id}|made", site=f"made.{entry.site}") for entry in documents
    ]
    alone, with_them = fit(documents, [], MICRO.plan), fit([*documents, *made_up], [], MICRO.plan)
    assert [document.id for document in with_them.documents] == [document.id for document in documents]
    assert [len(weights) for weights in with_them.weights] == [len(document.lines) for document in documents]
    assert (with_them.model.grams.weights != alone.model.grams.weights).any()


def test_what_is_measured_stays_in_its_fold_whatever_is_made_up_beside_it() -> None:
    documents = own_documents(24)
    # Of the same sites and with the same lines, which would join the groups of labelled documents.
    made_up = [replace(document, is_synthetic=True, site="site0.example") for document in own_documents(30)[:12]]
    folds = []
    for labelled in (documents, [*documents, *made_up]):
        trainer = _Trainer(labelled, [], MICRO.plan, lambda _: None, WordVectors.none())
        trainer.sources, trainer.n_own = list(labelled), len(labelled)
        groups, found = trainer._assign_folds()
        assert len(set(zip(groups.tolist(), found.tolist(), strict=True))) == len(set(groups.tolist()))
        folds.append(found[: len(documents)])
    assert np.array_equal(*folds)


def test_benchmarks_measure_on_none_of_them() -> None:
    documents = own_documents(6)
    made_up = [replace(document, is_synthetic=True) for document in documents]
    models = CrossValidation([*documents, *made_up], [], MICRO.plan)
    models.folds = np.zeros(12, dtype=np.int64)
    assert models.labelled_of_fold(0) == [0, 1, 2, 3, 4, 5]


def test_made_up_documents_alone_train_no_model(tmp_path: Path) -> None:
    empty = tmp_path / "none.jsonl"
    empty.write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="no usable labelled document"):
        read_training_data(TrainingFiles([empty], synthetic=[OWN]), lambda _: None)
    made_up = [replace(entry, is_synthetic=True) for entry in own_documents(24)]
    with pytest.raises(UsageError, match="0 labelled documents of 0 sites"):
        fit(made_up, [], MICRO.plan)


def test_the_card_tells_how_many_were_made_up(tmp_path: Path) -> None:
    rows = OWN.read_text(encoding="utf-8").splitlines()
    made_up = tmp_path / "made-up.jsonl"
    made_up.write_text("\n".join([*rows[:6], '{"lines": ["x"], "labels": ["nonsense"]}']) + "\n", encoding="utf-8")
    n_train = sum(json.loads(row)["split"] == "train" for row in rows[:6])
    notes: list[str] = []
    files = TrainingFiles([OWN], synthetic=[made_up])
    model = train_model(files, tmp_path / "mine-1", plan=MICRO.plan, log=notes.append)
    assert any(note.startswith(f"made-up.jsonl: {n_train} synthetic documents") for note in notes)
    assert any("made-up.jsonl, row 6" in note for note in notes)
    assert [entry["n_synthetic"] for entry in model.manifest["training"]["data"]] == [0, n_train]
    card = (tmp_path / "mine-1" / "README.md").read_text(encoding="utf-8")
    assert f"{n_train} documents were made up for it" in card


def test_the_synthetic_documents_of_the_project_are_whole_and_of_invented_outlets() -> None:
    documents, bad = read_labels(SYNTHETIC)
    assert not bad and len({document.id for document in documents}) == len(documents) > 500
    for document in documents:
        assert document.site and document.site.endswith(".example") and document.split == "train"
        assert all(line == line.strip() and line for line in document.lines)
    classes = np.bincount(np.concatenate([document.labels for document in documents]), minlength=len(LABELS))
    assert classes.min() >= 50
