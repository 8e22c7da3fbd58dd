"""`cleaner train --base`: new lines taught to a fitted model, on invented sites."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from whole_numbers import assert_sums_are_exact

from cleaner import Cleaner
from cleaner.errors import ModelError
from cleaner.features.chars import encode_lines
from cleaner.features.ngrams import gram_bag
from cleaner.labels import LABEL_INDEX
from cleaner.learn.adapt import Adapter, AdaptPlan, change_logits, fit_shift
from cleaner.learn.compare import Decisions, compare_decisions
from cleaner.learn.corpus import group_documents
from cleaner.learn.new_labels import UNLABELLED, NewDocument, read_new_labels
from cleaner.learn.replay import REPLAY, read_replay
from cleaner.learn.retrain import Lesson
from cleaner.model.artefact import (
    DEFAULT_DROPPED,
    DEFAULT_MODEL,
    Model,
    decide,
    find_model,
    load_model,
    pack_document_net,
    unpack_document_net,
)
from cleaner.model.nets import MAX_ACTIVATION
from cleaner.model.span_artefact import load_span_model

OWN = Path(__file__).parent.parent / "data" / "lines.jsonl"

TOWNS = "Alderwick Brackwater Corvale Dunmere Eastholm Farrowby Greyford Hartlow Inverby Jarrowdale".split()
SUBJECTS = "council harbour library school ferry market bridge orchestra museum bakery".split()
VERBS = "reopened closed expanded moved repainted surveyed".split()


def story(number: int) -> list[str]:
    """Paragraphs of an invented story, another for each number."""
    town, subject = TOWNS[number % 10], SUBJECTS[(number * 3 + number // 10) % 10]
    verb, other = VERBS[number % 6], TOWNS[(number + 4) % 10]
    return [
        f"The {subject} of {town} was {verb} on Tuesday after {number + 3} months of work, officials said.",
        f"Residents who had travelled to {other} in the meantime welcomed the news and thanked the engineers.",
        f"The work cost {number + 2} million crowns, more than the {subject} had planned, the mayor told reporters.",
        f"A second part of the {subject} will follow next spring once the weather in {town} allows it.",
    ]


def site_document(number: int) -> dict[str, object]:
    """A story of a site of its own, with a kind of debris that the base does not know."""
    round_ = f"{number + 11}"
    tail = [f"Lantern {TOWNS[number % 10]} {round_}", f"Lantern round {round_}", f"Lantern {round_}", f"Round {round_}"]
    return {
        "id": f"lantern-{number}",
        "host": f"site{number}.example",
        "lines": [*story(number), *tail],
        "labels": ["body"] * 4 + ["nav"] * 4,
    }


def write_documents(path: Path, records: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def base() -> Path:
    return find_model(DEFAULT_MODEL)


@pytest.fixture(scope="module")
def lantern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labels") / "lantern.jsonl"
    return write_documents(path, [site_document(number) for number in range(24)])


@pytest.fixture(scope="module")
def taught(base: Path, lantern: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The base taught the debris of 24 sites, and what was said of it."""
    output = tmp_path_factory.mktemp("taught") / "lantern-2"
    result = run("train", "--labels", lantern, "--base", base, "--examples", OWN, "-o", output)
    assert result.code == 0, result.err
    return output, result.err


def retraining(folder: Path) -> dict[str, object]:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    figures: dict[str, object] = manifest["figures"]["retraining"]
    return figures


# --- label files ----------------------------------------------------------------------------------------------------


def test_a_line_without_a_usable_label_costs_that_line_and_not_its_document(tmp_path: Path) -> None:
    lines = ["Ferry runs aground", "Nobody was hurt.", "Read on", "Share"]
    path = write_documents(tmp_path / "l.jsonl", [{"lines": lines, "labels": ["title", None, "teazer", "interface"]}])
    (found,), bad = read_new_labels([path], "train")
    assert found.document.labels.tolist() == [LABEL_INDEX["title"], UNLABELLED, UNLABELLED, LABEL_INDEX["interface"]]
    assert [(row.row, row.problem[:7]) for row in bad] == [(0, "line 1:"), (0, "line 2:")]
    assert "missing" in bad[0].problem and "unknown class 'teazer'" in bad[1].problem


def test_rows_that_are_no_documents_are_told_with_their_number(tmp_path: Path) -> None:
    good = {"lines": ["Ferry runs aground"], "labels": ["title"]}
    rows = [good, [1], {"lines": ["x"]}, {"lines": ["x", "y"], "labels": ["body"]}]
    documents, bad = read_new_labels([write_documents(tmp_path / "l.jsonl", rows)], "train")
    assert len(documents) == 1 and [row.row for row in bad] == [1, 2, 3]


def test_a_document_labelled_twice_in_two_ways_keeps_the_labels_that_agree(tmp_path: Path) -> None:
    lines = ["Ferry runs aground", "More news"]
    rows = [{"lines": lines, "labels": ["title", "teaser"]}, {"lines": lines, "labels": ["title", "nav"]}]
    (found,), bad = read_new_labels([write_documents(tmp_path / "l.jsonl", rows)], "train")
    assert found.document.labels.tolist() == [LABEL_INDEX["title"], UNLABELLED]
    assert [row.row for row in bad] == [0, 1] and "teaser (l.jsonl, row 0) and nav (l.jsonl, row 1)" in bad[0].problem


def test_a_table_of_text_and_label_is_read_and_its_faults_are_told(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text(
        'text,label\n"Share, print",interface\nMore news,teaser\nMore news,nav\nOld pier,\nOld pier,heading\n,body\n',
        encoding="utf-8",
    )
    documents, bad = read_new_labels([path], "train")
    assert [entry.document.lines for entry in documents] == [("Share, print",)]
    assert not documents[0].in_context
    assert sorted(row.row for row in bad) == [1, 2, 3, 4, 5]


def test_a_table_without_the_two_columns_is_an_error_that_names_them(base: Path, tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("line,class\nShare,interface\n", encoding="utf-8")
    result = run("train", "--labels", tmp_path / "l.csv", "--base", base, "-o", tmp_path / "m")
    assert result.code == 1 and "text and label" in result.err and "line, class" in result.err


def test_documents_without_an_id_or_host_are_not_taken_for_one(tmp_path: Path) -> None:
    rows = [{"lines": [f"Ferry {number} runs aground"], "labels": ["title"], "split": None} for number in range(3)]
    documents, _ = read_new_labels([write_documents(tmp_path / "l.jsonl", rows)], "train")
    assert len(set(group_documents([entry.document for entry in documents]).tolist())) == 3


def test_documents_of_another_split_are_not_learned_from(tmp_path: Path) -> None:
    rows = [{"lines": [f"Line {split}"], "labels": ["body"], "split": split} for split in ("train", "dev")]
    documents, _ = read_new_labels([write_documents(tmp_path / "l.jsonl", rows)], "train")
    assert [entry.document.lines for entry in documents] == [("Line train",)]


# --- what is learned ------------------------------------------------------------------------------------------------


def test_debris_taught_on_some_sites_is_found_on_another(base: Path, taught: tuple[Path, str]) -> None:
    lines = _lines(77)
    before, after = (Cleaner(model=model).clean("\n".join(lines)).text for model in (base, taught[0]))
    assert "Lantern" in before and after == "\n".join(lines[:4])


def test_a_model_that_learned_is_called_better_by_sites_it_had_not_seen(taught: tuple[Path, str]) -> None:
    new = retraining(taught[0])["new"]
    assert isinstance(new, dict)
    assert new["outcome"] == "better" and new["after"]["wrong"] <= new["before"]["wrong"] / 2
    assert new["n_groups"] == 24 and new["change"]["high"] < 0
    assert "24 sites, each judged by a model that had not seen it" in taught[1] and ": better" in taught[1]


def test_before_and_after_are_told_for_old_lines_and_examples(taught: tuple[Path, str]) -> None:
    figures = retraining(taught[0])
    replay, examples = figures["replay"], figures["examples"]
    assert isinstance(replay, dict) and isinstance(examples, dict)
    assert replay["n_lines"] > 500 and examples["n_lines"] == 2493
    assert replay["outcome"] != "worse" and examples["outcome"] != "worse"
    assert "old lines" in taught[1] and "examples: " in taught[1]


def test_labels_that_teach_nothing_make_no_model_better(base: Path, tmp_path: Path) -> None:
    plain = [{"host": f"s{n}.example", "lines": story(n), "labels": ["body"] * 4} for n in range(12)]
    result = run(
        "train", "--labels", write_documents(tmp_path / "l.jsonl", plain), "--base", base, "-o", tmp_path / "m"
    )
    assert result.code == 0, result.err
    assert retraining(tmp_path / "m")["new"]["outcome"] == "no difference shown"  # type: ignore[index]
    assert ": better" not in result.err


def test_too_few_labels_are_called_so_and_leave_the_nets_as_they_are(base: Path, tmp_path: Path) -> None:
    path = write_documents(tmp_path / "l.jsonl", [site_document(number) for number in range(3)])
    result = run("train", "--labels", path, "--base", base, "-o", tmp_path / "m")
    assert result.code == 0 and "too few labels" in result.err
    assert retraining(tmp_path / "m")["new"] is None
    old, new = load_model(base).line_model, load_model(tmp_path / "m").line_model
    assert new.net.change is None
    assert (old.grams.weights != new.grams.weights).any()


def test_a_few_sites_are_parted_by_document_and_it_is_said(base: Path, tmp_path: Path) -> None:
    rows = [{**site_document(number), "host": "one.example"} for number in range(12)]
    result = run("train", "--labels", write_documents(tmp_path / "l.jsonl", rows), "--base", base, "-o", tmp_path / "m")
    assert "of few sites" in result.err
    assert retraining(tmp_path / "m")["n_sites"] is None


def test_lines_of_a_table_teach_words_and_not_neighbours(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    rows = [f'"{_lines(number)[5]}",promo,s{number}.example' for number in range(40)]
    path.write_text("text,label,host\n" + "\n".join(rows) + "\n", encoding="utf-8")
    result = run("train", "--labels", path, "--base", base, "-o", tmp_path / "m")
    assert result.code == 0, result.err
    old, new = load_model(base).line_model, load_model(tmp_path / "m").line_model
    assert new.net.change is None
    assert (old.grams.weights != new.grams.weights).any()


def test_grams_of_new_debris_move_towards_its_class_and_the_old_ones_of_the_data_less() -> None:
    from scipy.sparse import csr_matrix

    matrix = csr_matrix(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    labels = np.array([LABEL_INDEX["promo"], LABEL_INDEX["body"]])
    shift = fit_shift(matrix, np.zeros((2, 14)), labels, np.array([0.1, 10, 0.1]))
    assert shift[0, LABEL_INDEX["promo"]] > 0 > shift[2, LABEL_INDEX["promo"]]
    assert shift[0, -1] > 50 * shift[1, -1] > 0 > shift[2, -1]


def test_a_line_of_other_words_scores_in_stage_one_as_before(base: Path, taught: tuple[Path, str]) -> None:
    old, new = (load_model(path).line_model for path in (base, taught[0]))
    moved = np.flatnonzero((old.grams.weights != new.grams.weights).any(axis=1))
    used = gram_bag(encode_lines([line for n in range(24) for line in _lines(n)], old.tables.chars)).buckets
    assert len(moved) and set(moved.tolist()) <= set(used.tolist())
    assert (old.grams.scales == new.grams.scales).all() and (old.grams.biases == new.grams.biases).all()


def _lines(number: int) -> list[str]:
    lines = site_document(number)["lines"]
    assert isinstance(lines, list)
    return lines


def test_old_lines_hold_the_net_more_the_more_they_weigh(base: Path) -> None:
    model, documents = load_model(base), _new_documents()
    replay = read_replay(model)
    inputs = replay.inputs.astype(np.float32)
    before = model.line_model.net.logits(inputs, replay.page_starts)

    def drift(weight: float) -> float:
        taught = Lesson(model, replay, documents, AdaptPlan(replay_weight=weight)).fit()
        return float(np.abs(taught.net.logits(inputs, replay.page_starts) - before).mean())

    assert drift(300) < 0.6 * drift(1)


def test_changes_of_the_logits_add_up_for_lines_in_doubt_and_all_others(base: Path) -> None:
    model = load_model(base)
    net, replay = model.line_model.net, read_replay(model)
    inputs = replay.inputs.astype(np.float32)
    hidden, logits = net.look(inputs, replay.page_starts)
    again = net.looks[0].is_in_doubt(net.last.logits(hidden))
    assert 10 < again.sum() < len(again) - 10
    rng = np.random.default_rng(0)
    changes = [rng.normal(0, 1, (hidden.shape[1] + 1, logits.shape[1])) for _ in range(2)]
    moved = change_logits(change_logits(net, changes[0]), changes[1])
    wanted = sum(hidden / MAX_ACTIVATION @ change[:-1] + change[-1] for change in changes)
    np.testing.assert_allclose(moved.logits(inputs, replay.page_starts) - logits, wanted, atol=0.02)
    assert np.abs(wanted[again]).mean() > 0.1
    assert_sums_are_exact(moved)
    same = unpack_document_net(pack_document_net(moved), inputs.shape[1])
    np.testing.assert_array_equal(same.logits(inputs, replay.page_starts), moved.logits(inputs, replay.page_starts))


def test_the_model_of_a_fold_has_not_seen_its_documents(base: Path) -> None:
    model, documents = load_model(base), _new_documents()
    lesson = Lesson(model, read_replay(model), documents, AdaptPlan())
    fold = int(lesson.new.folds[0])
    altered = [
        entry if lesson.new.folds[number] != fold else replace(entry, document=_all_body(entry))
        for number, entry in enumerate(documents)
    ]
    other = Lesson(model, read_replay(model), altered, AdaptPlan())
    assert (other.new.folds == lesson.new.folds).all()
    first, second = (
        Adapter(model.line_model, chosen.replay, chosen.new, AdaptPlan()).fit(fold) for chosen in (lesson, other)
    )
    np.testing.assert_array_equal(first.grams.weights, second.grams.weights)
    assert first.net.change is not None and second.net.change is not None
    for part in ("weights", "biases", "scales"):
        np.testing.assert_array_equal(getattr(first.net.change, part), getattr(second.net.change, part))


def _new_documents() -> list[NewDocument]:
    from cleaner.learn.corpus import document_from_record

    return [
        NewDocument(document_from_record(site_document(number)), Path("l"), number, in_context=True)
        for number in range(12)
    ]


def _all_body(entry: NewDocument):  # type: ignore[no-untyped-def]
    return replace(entry.document, labels=np.full_like(entry.document.labels, LABEL_INDEX["body"]))


# --- the folder -----------------------------------------------------------------------------------------------------


def test_a_taught_model_is_whole_and_names_its_base(base: Path, taught: tuple[Path, str]) -> None:
    folder, _ = taught
    result = run("models", "verify", folder)
    assert result.code == 0 and b"4 examples" in result.out
    name = load_model(base).full_name
    assert load_model(folder).manifest["base"] == name
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith(f"# lantern 2\n\n## Retrained from {name}\n") and "`lantern.jsonl` | 24 | 192" in card


def test_a_taught_model_cuts_pieces_as_its_base_does(base: Path, taught: tuple[Path, str]) -> None:
    assert load_span_model(load_model(taught[0])).name == load_span_model(load_model(base)).name


def test_the_same_lines_give_the_same_folder_to_the_last_bit(
    base: Path, lantern: Path, taught: tuple[Path, str], tmp_path: Path
) -> None:
    again = tmp_path / "lantern-2"
    assert run("train", "--labels", lantern, "--base", base, "--examples", OWN, "-o", again, "--quiet").code == 0
    for path in sorted(taught[0].iterdir()):
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_a_taught_model_can_be_taught_again(taught: tuple[Path, str], lantern: Path, tmp_path: Path) -> None:
    result = run("train", "--labels", lantern, "--base", taught[0], "-o", tmp_path / "m")
    assert result.code == 0, result.err
    assert load_model(tmp_path / "m").manifest["base"] == load_model(taught[0]).full_name


def test_no_line_that_was_taught_stands_in_the_folder(taught: tuple[Path, str]) -> None:
    data = b"".join(path.read_bytes() for path in taught[0].iterdir())
    assert b"Lantern round" not in data and b"officials said" not in data


def test_a_replay_sample_that_was_altered_is_found_out(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "m")
    path = tmp_path / "m" / REPLAY
    path.write_bytes(path.read_bytes()[:-9] + b"123456789")
    result = run("models", "verify", tmp_path / "m")
    assert result.code == 1 and REPLAY in result.err


def test_a_base_without_a_replay_sample_is_refused_with_the_remedy(base: Path) -> None:
    model = load_model(base)
    bare = Model(model.path, {**model.manifest, "sha256": {"weights.npz": ""}}, model.line_model)
    with pytest.raises(ModelError, match="cleaner train"):
        read_replay(bare)


def test_the_replay_sample_holds_what_the_net_was_fitted_to(base: Path) -> None:
    model = load_model(base)
    replay = read_replay(model)
    logits = model.line_model.net.logits(replay.inputs.astype(np.float32), replay.page_starts)
    dropped = ~decide(np.exp(logits - logits.max(axis=1, keepdims=True)), DEFAULT_DROPPED, 0.5).kept
    assert (dropped == DEFAULT_DROPPED[replay.labels]).mean() > 0.9
    assert 0 < (replay.gram_energy() > 0).mean() < 1


def test_options_of_training_from_the_corpora_are_wrong_beside_a_base(base: Path, lantern: Path) -> None:
    result = run("train", "--labels", lantern, "--base", base, "--quick", "-o", "m")
    assert result.code == 2 and "--quick" in result.err


# --- better, or chance ----------------------------------------------------------------------------------------------


def outcome(labels: Sequence[int], before: Sequence[bool], after: Sequence[bool], n_documents: int) -> str:
    size = len(labels) // n_documents
    starts = np.arange(n_documents + 1) * size
    classes = np.array(labels)
    decisions = [Decisions(np.array(kept), classes) for kept in (before, after)]
    return str(compare_decisions(classes, starts, range(n_documents), decisions[0], decisions[1])["outcome"])


def test_one_mended_line_of_many_documents_is_within_the_noise() -> None:
    body, promo = LABEL_INDEX["body"], LABEL_INDEX["promo"]
    labels = [body, promo] * 10
    assert outcome(labels, [True, True] + [True, False] * 9, [True, False] * 10, 10) == "no difference shown"


def test_a_line_mended_in_most_documents_is_better_and_the_reverse_is_worse() -> None:
    labels = [LABEL_INDEX["body"], LABEL_INDEX["promo"]] * 10
    none, most = [True, True] * 10, [True, True] * 2 + [True, False] * 8
    assert outcome(labels, none, most, 10) == "better" and outcome(labels, most, none, 10) == "worse"


def test_of_four_documents_no_difference_is_judged() -> None:
    labels = [LABEL_INDEX["promo"]] * 4
    assert outcome(labels, [True] * 4, [False] * 4, 4) == "too few to tell"
