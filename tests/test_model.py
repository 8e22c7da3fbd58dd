from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from whole_numbers import assert_sums_are_exact

from cleaner import Cleaner
from cleaner.errors import ModelError
from cleaner.features.hints import Hints
from cleaner.features.ngrams import Bag
from cleaner.labels import LABEL_INDEX, LABELS
from cleaner.learn.package import judge_document, verify_model
from cleaner.model.artefact import (
    DEFAULT_MODEL,
    INPUT_KINDS,
    MANIFEST,
    WEIGHTS,
    choose_thresholds,
    decide,
    find_model,
    input_kinds,
    load_model,
)
from cleaner.model.line_model import N_STAGE_ONE, GramWeights, split_blocks
from cleaner.model.nets import N_LABELS, exponentials
from cleaner.types import Lines

DROPPED = np.array([label not in ("title", "body") for label in LABELS])


def as_lines(*documents: list[str]) -> Lines:
    texts = [line for document in documents for line in document]
    starts = np.cumsum([0, *(len(document) for document in documents)])
    return Lines(texts, starts, [""] * len(documents))


@pytest.fixture(scope="module")
def model_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "copy"
    shutil.copytree(find_model(DEFAULT_MODEL), path)
    return path


lines_of_news = st.sampled_from(
    [
        "Mayor reopens flood bridge after two years",
        "The bridge was closed when the river rose in 2019 and took part of the eastern pier with it.",
        "“We are glad,” said Ana Ruiz.",
        "Share on Facebook",
        "More news: Striker signs for rivals",
        "© 2020 The Herald",
        "Мост снова открыт",
        "相关阅读:渡轮搁浅",
        "* * *",
        "x" * 700,
    ]
)


@given(st.lists(st.lists(lines_of_news, max_size=8), min_size=1, max_size=5), st.integers(1, 12))
def test_a_document_gets_the_same_scores_in_any_batch(docs: list[list[str]], n_block_lines: int) -> None:
    model = load_model(DEFAULT_MODEL).line_model
    together = model.exponentials(as_lines(*docs))
    alone = [model.exponentials(as_lines(document)) for document in docs]
    np.testing.assert_array_equal(together, np.concatenate(alone))
    blocks = [model.exponentials(block) for _, block in split_blocks(as_lines(*docs), n_block_lines)]
    np.testing.assert_array_equal(together, np.concatenate([*blocks, np.zeros((0, N_LABELS), np.int64)]))


def test_blocks_hold_whole_pages_and_every_line_once() -> None:
    lines = as_lines(["a"] * 5, [], ["b"] * 3, ["c"], [], ["d"] * 9)
    blocks = list(split_blocks(lines, 4))
    assert [start for start, _ in blocks] == [0, 5, 9]
    assert [text for _, block in blocks for text in block.texts] == lines.texts


def test_no_sum_of_the_shipped_net_is_rounded() -> None:
    assert_sums_are_exact(load_model(DEFAULT_MODEL).line_model.net)


def test_packed_sums_of_gram_weights_equal_plain_sums() -> None:
    rng = np.random.default_rng(5)
    weights = rng.integers(-127, 128, size=(64, N_STAGE_ONE)).astype(np.int8)
    weights[:3] = [[127], [-127], [0]]
    grams = GramWeights(weights, np.full(N_STAGE_ONE, 0.01, np.float32), np.zeros(N_STAGE_ONE, np.float32))
    starts = np.array([0, 1, 256, 511])
    buckets = np.concatenate([[7], np.zeros(255, np.int64), rng.integers(0, 64, 255)])
    plain = np.stack([weights[buckets[a:b]].astype(np.int64).sum(axis=0) for a, b in pairwise(starts)])
    roots = np.sqrt(np.diff(starts)).astype(np.float32)[:, None]
    expected = np.clip(plain.astype(np.float32) * np.float32(0.01) / roots, -8, 8)
    few = grams.score(Bag(buckets, starts))
    np.testing.assert_allclose(few, expected, rtol=1e-6)
    assert grams._rows.shape == (64,)  # from here on the weights are packed
    np.testing.assert_array_equal(grams.score(Bag(buckets, starts)), few)


def test_exponentials_are_proportional_to_probabilities() -> None:
    logits = np.array([[2.0, 1.0, *[-30.0] * (N_LABELS - 2)]], dtype=np.float32)
    weights = exponentials(logits)
    assert weights[0, 0] / weights[0, 1] == pytest.approx(np.e, rel=1e-6)
    assert exponentials(np.zeros((0, N_LABELS), np.float32)).shape == (0, N_LABELS)


def test_a_line_that_goes_by_the_sum_of_many_classes_is_not_called_body() -> None:
    weights = np.zeros((1, N_LABELS), dtype=np.int64)
    weights[0, LABEL_INDEX["body"]] = 40
    weights[0, [LABEL_INDEX["promo"], LABEL_INDEX["ad"]]] = 35, 25
    verdicts = decide(weights, DROPPED, 0.5)
    assert LABELS[verdicts.labels[0]] == "promo" and not verdicts.kept[0] and verdicts.scores[0] == 0.6
    assert LABELS[decide(weights, DROPPED, 0.61).labels[0]] == "body"


def test_a_score_equal_to_the_threshold_goes() -> None:
    weights = np.zeros((1, N_LABELS), dtype=np.int64)
    weights[0, 1], weights[0, 4] = 1, 1
    assert not decide(weights, DROPPED, 0.5).kept[0]


def test_the_shipped_model_scores_its_own_examples_as_its_manifest_says() -> None:
    manifest = load_model(DEFAULT_MODEL).manifest
    assert len(manifest["examples"]) >= 3
    assert verify_model(DEFAULT_MODEL) == []


def test_a_model_with_one_altered_byte_is_refused(model_copy: Path, tmp_path: Path) -> None:
    altered = tmp_path / "altered"
    shutil.copytree(model_copy, altered)
    data = bytearray((altered / WEIGHTS).read_bytes())
    data[len(data) // 2] ^= 1
    (altered / WEIGHTS).write_bytes(data)
    with pytest.raises(ModelError, match="altered or cut short"):
        load_model(altered)


def _edit_manifest(model_copy: Path, target: Path, **changes: object) -> Path:
    shutil.copytree(model_copy, target)
    manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8")) | changes
    (target / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return target


def test_a_model_of_another_feature_version_is_refused_with_the_remedy(model_copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Retrain with `cleaner train`, or install"):
        load_model(_edit_manifest(model_copy, tmp_path / "old", feature_version=0))


def test_a_model_of_other_classes_is_refused(model_copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="its classes are"):
        load_model(_edit_manifest(model_copy, tmp_path / "other", classes=["keep", "drop"]))


def test_examples_that_score_otherwise_are_told(model_copy: Path, tmp_path: Path) -> None:
    model = load_model(model_copy)
    example = dict(model.manifest["examples"][0])
    example["scores"] = [0.5, *example["scores"][1:]]
    problems = verify_model(_edit_manifest(model_copy, tmp_path / "drifted", examples=[example]))
    assert len(problems) == 1 and "the manifest says 0.5" in problems[0]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}'])
def test_a_broken_manifest_is_an_error_that_names_the_file(content: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=MANIFEST):
        load_model(tmp_path)


def test_an_unknown_model_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ModelError, match=f"no-such.*{DEFAULT_MODEL}"):
        Cleaner(model="no-such")


def test_weights_that_hold_a_pickle_are_refused_without_running_it(model_copy: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    target = tmp_path / "pickled"
    shutil.copytree(model_copy, target)
    np.savez(target / WEIGHTS, shape=np.array([Bomb()], dtype=object))
    import hashlib

    digest = hashlib.sha256((target / WEIGHTS).read_bytes()).hexdigest()
    manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8")) | {"sha256": {WEIGHTS: digest}}
    (target / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ModelError, match="not the weights of a cleaner model"):
        load_model(target)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", range(len(INPUT_KINDS)))
def test_modes_drop_ever_more_from_recall_to_precision(kind: int) -> None:
    model = load_model(DEFAULT_MODEL)
    recall, balanced, precision = (model.thresholds(mode)[kind] for mode in ("recall", "balanced", "precision"))
    assert recall > balanced > precision


def _weights(*debris: bool) -> np.ndarray:
    weights = np.ones((len(debris), N_LABELS), dtype=np.int64)
    weights[:, 1] = [1 if is_debris else 1000 for is_debris in debris]
    return weights


def test_a_document_of_menus_is_told_from_an_article_with_some_debris() -> None:
    article, page, mixed = [True] * 7 + [False] * 11, [True] * 45 + [False] * 60, [True] * 8 + [False] * 22
    half, wall = [True] * 8 + [False] * 8, [True] * 9 + [False] * 3
    weights = _weights(*article, *page, *mixed, *half, *wall)
    starts = np.array([0, 18, 123, 153, 169, 181])
    assert [INPUT_KINDS[kind] for kind in input_kinds(weights, starts)] == ["article", "page", "mixed", "half", "page"]
    thresholds = choose_thresholds(weights, starts, (0.8, 0.9, 0.7, 0.6))
    assert thresholds.tolist() == [0.8] * 18 + [0.6] * 105 + [0.9] * 30 + [0.7] * 16 + [0.6] * 12


def test_a_short_document_is_an_article_however_much_debris_it_holds() -> None:
    assert input_kinds(_weights(True, True, False), np.array([0, 3, 3])).tolist() == [0, 0]


def test_a_document_without_lines_is_judged_without_error() -> None:
    verdicts = load_model(DEFAULT_MODEL).judge(as_lines([], []), DROPPED, "balanced", Hints())
    assert verdicts.scores.shape == (0,)


def test_a_title_given_with_the_text_is_known_to_the_model() -> None:
    model, lines = load_model(DEFAULT_MODEL), ["Home", "Mayor reopens flood bridge", "Ferry runs aground off Port Ann"]
    with_title = judge_document(model, lines, "Mayor reopens flood bridge").scores
    assert with_title.tolist() != judge_document(model, lines, None).scores.tolist()
