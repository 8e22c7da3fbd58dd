"""Models that do without a source of data or a group of features; on documents made here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_documents import MICRO, own_documents

from bench import ablation
from cleaner.labels import BODY
from cleaner.learn.net_task import NetTask
from cleaner.learn.workflow import TrainingData
from cleaner.model.line_model import LINE_NAMES


def made_task() -> NetTask:
    inputs = np.random.default_rng(0).integers(1, 9, (7, len(LINE_NAMES))).astype(np.int8)
    ones = np.ones((2, len(LINE_NAMES)), np.float32)
    none = np.array([], np.int64)
    return NetTask(inputs, np.full(7, BODY), np.array([0, 3, 7]), np.array([1, 0]), *ones, np.ones(7, np.float32), none)


def test_features_that_are_switched_off_are_nothing_to_the_model() -> None:
    task = ablation.take_out(ablation.Variant("some", ("length", "words_like_nav")), made_task())
    off = [name for name, factor in zip(LINE_NAMES, task.factors, strict=True) if factor == 0]
    assert off == ["words_like_nav", "length"]
    assert [name for name, column in zip(LINE_NAMES, task.inputs.T, strict=True) if not column.any()] == off


def test_documents_of_a_kind_go_with_their_lines() -> None:
    task, whole = ablation.take_out(ablation.Variant("kind", without_kind=1), made_task()), made_task()
    np.testing.assert_array_equal(task.inputs, whole.inputs[3:])
    assert task.page_starts.tolist() == [0, 4] and task.kinds.tolist() == [0] and len(task.labels) == 4


def test_every_variant_judges_the_same_lines_and_all_but_everything_say_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    documents = own_documents(24)
    monkeypatch.setattr(ablation, "read_own_ids", lambda _: [documents[1].id, documents[2].id])
    judged = [replace(page, id=f"{page.id}|page", site=f"{page.site}.other", is_judged=True) for page in documents[:4]]
    made_up = [replace(entry, id=f"{entry.id}|made", is_synthetic=True) for entry in own_documents(9)]
    chosen = [replace(entry, id=f"{entry.id}|one", is_chosen=True) for entry in documents[4:8]]
    data = TrainingData([*documents, *made_up, *chosen], judged, [])
    measured, scores = ablation.measure(data, MICRO, ablation.VARIANTS, 1)
    assert {len(values) for values in scores.values()} == {len(measured.keep)}
    base = scores["everything"]
    same = [name for name, values in scores.items() if name != "everything" and np.array_equal(values, base)]
    # None of these were made, and nothing was left of the pages.
    assert same == ["pages cut down", "whole pages", "what extractors left"]
    monkeypatch.setattr(ablation, "_N_RESAMPLES", 20)
    section = ablation.render(measured, scores, MICRO, 1)
    assert section.count("| without ") == len(ablation.VARIANTS) - 1


def test_without_recurrence_a_line_is_judged_by_itself() -> None:
    task = ablation.take_out(ablation.Variant("alone", is_alone=True), made_task())
    assert task.page_starts.tolist() == list(range(8)) and task.kinds.tolist() == [1, 1, 1, 0, 0, 0, 0]
