"""The page model: the same score alone and in any batch, refusal of what it does not trust, reasons of a decision."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from command_line import run, start, write_records
from hypothesis import given, settings
from hypothesis import strategies as st
from made_pages import (
    NAV,
    PROMO,
    STORY,
    TITLE,
    assert_same_bits,
    paragraphs,
    random_html,
    random_metadata,
    small_page,
    walk,
    whole_page,
)
from whole_numbers import assert_sums_are_exact

from cleaner import Cleaner, DocumentError
from cleaner.cli import main
from cleaner.errors import ModelError
from cleaner.features.hints import compile_hints
from cleaner.features.pages import PageBatch
from cleaner.labels import KEPT, LABELS
from cleaner.learn.page_package import verify_page_model
from cleaner.model.artefact import DEFAULT_MODEL, DEFAULT_PAGE_MODEL, MANIFEST, WEIGHTS, find_model, load_model
from cleaner.model.explain import NEAR_LINES
from cleaner.model.nets import EXACT_FLOAT, MAX_ACTIVATION, MAX_STEPS, N_LABELS
from cleaner.model.page_artefact import PageJudge, load_page_model
from cleaner.model.page_explain import _groups
from cleaner.model.page_model import N_PAGE_INPUTS, PageModel
from cleaner.types import Explanation, Metadata

DROPPED = np.array([label not in KEPT for label in LABELS])
PAGES = [
    whole_page(),
    "",
    "<p>Rain.</p>",
    f"{paragraphs(*STORY)}<p><a href=/>Read more</a></p>",
    *(small_page(number)["html"] for number in range(4)),
    "<ul>" + "<li><a href=/>Rovers win</a>" * 60 + "</ul>",
]


@pytest.fixture(scope="module")
def judge() -> PageJudge:
    return load_page_model(DEFAULT_PAGE_MODEL)


@pytest.fixture(scope="module")
def model(judge: PageJudge) -> PageModel:
    return judge.page_model


def batch_of(*pages: str) -> PageBatch:
    return PageBatch([walk(html) for html in pages], [Metadata()] * len(pages))


# --- one score, whatever stands beside ------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.lists(st.tuples(random_html, random_metadata), min_size=1, max_size=6), st.integers(1, 40))
def test_a_page_gets_the_same_scores_alone_in_any_batch_and_in_any_order(
    model: PageModel, drawn: list[tuple[str, Metadata]], block_lines: int
) -> None:
    walked, metadata = [walk(html) for html, _ in drawn], [entry for _, entry in drawn]
    alone = [model.exponentials(PageBatch([page], [entry])) for page, entry in zip(walked, metadata, strict=True)]
    together = model.exponentials(PageBatch(walked, metadata))
    assert_same_bits(together, np.concatenate(alone))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cleaner.model.page_model.BLOCK_LINES", block_lines)
        backwards = model.exponentials(PageBatch(walked[::-1], metadata[::-1]))
    assert_same_bits(backwards, np.concatenate(alone[::-1]))


def test_real_pages_get_the_same_inputs_to_the_last_bit_alone_as_together(model: PageModel) -> None:
    together = model.inputs(batch_of(*PAGES))
    starts = [0, *accumulate(len(walk(html).texts) for html in PAGES)]
    assert together.shape == (starts[-1], N_PAGE_INPUTS)
    for html, first, end in zip(PAGES, starts[:-1], starts[1:], strict=True):
        assert_same_bits(together[first:end], model.inputs(batch_of(html)))


def test_outcomes_of_pages_are_the_same_alone_in_a_batch_and_backwards(cleaner: Cleaner) -> None:
    alone = [cleaner.clean(html=html) for html in PAGES]
    documents = [{"html": html} for html in PAGES]
    assert list(cleaner.clean_many(documents)) == alone
    assert list(cleaner.clean_many(documents[::-1])) == alone[::-1]


@pytest.mark.parametrize("n_lines", [1, 5, 60])
def test_outcomes_of_pages_are_the_same_whatever_the_batch(
    cleaner: Cleaner, n_lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [cleaner.clean(html=html) for html in PAGES]
    monkeypatch.setattr("cleaner.pipeline.BATCH_LINES", n_lines)
    assert list(cleaner.clean_many({"html": html} for html in PAGES)) == alone


def test_texts_beside_a_page_change_nothing_about_it(cleaner: Cleaner) -> None:
    mixed = [document for html in PAGES for document in ({"html": html}, {"text": "The vote.\n\nMore news: Rain"})]
    assert list(cleaner.clean_many(mixed))[::2] == [cleaner.clean(html=html) for html in PAGES]


def test_outcomes_of_pages_are_the_same_in_many_threads() -> None:
    fresh = Cleaner()  # whose page model the threads load at once
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda html: fresh.clean(html=html), PAGES * 2))
    assert outcomes == [fresh.clean(html=html) for html in PAGES] * 2


def test_a_cleaner_that_was_pickled_judges_pages_the_same(cleaner: Cleaner) -> None:
    special = Cleaner(mode="recall", drop_like=("ferry",), page_model=find_model(DEFAULT_PAGE_MODEL))
    copy = pickle.loads(pickle.dumps(special))
    assert [copy.clean(html=html) for html in PAGES] == [special.clean(html=html) for html in PAGES]


def test_workers_judge_pages_as_one_process_does(tmp_path: Path) -> None:
    path = write_records(tmp_path / "in.jsonl", [{"id": n, "html": PAGES[n % len(PAGES)]} for n in range(40)])
    outputs = []
    for workers in (1, 2):
        process = start(path, "-q", "--workers", str(workers))
        out, err = process.communicate()
        assert (process.returncode, err) == (0, b"")
        outputs.append(out)
    assert outputs[0] == outputs[1]
    assert [json.loads(line)["id"] for line in outputs[0].splitlines()] == list(range(40))


def test_no_sum_of_the_shipped_nets_can_leave_the_whole_numbers_of_float32(model: PageModel) -> None:
    for net in (*model.text_nets, *model.class_nets):
        for depth, layer in enumerate(net.layers):
            largest_input = MAX_STEPS if depth == 0 else MAX_ACTIVATION
            sums = np.abs(layer.weights.astype(np.float64)).sum(axis=0) * largest_input + np.abs(layer.biases)
            assert sums.max() < EXACT_FLOAT
            assert (layer.weights == np.rint(layer.weights)).all() and (layer.biases == np.rint(layer.biases)).all()
    assert_sums_are_exact(model.order_net)


def test_lines_out_of_sight_of_every_input_are_felt_by_the_net_that_reads_in_order(model: PageModel) -> None:
    inputs = model.inputs(batch_of(whole_page()))
    changed = inputs.copy()
    changed[0] = -changed[0]
    starts = np.array([0, len(inputs)])
    (text, classes), (text_changed, classes_changed) = model.logits(inputs, starts), model.logits(changed, starts)
    assert (text != text_changed).any(axis=1)[:5].all()
    assert_same_bits(classes[1:], classes_changed[1:])


def test_inputs_of_the_nets_are_whole_numbers_within_their_bounds(model: PageModel) -> None:
    inputs = model.inputs(batch_of(*PAGES), np.ones(sum(len(walk(html).texts) for html in PAGES), dtype=np.int8))
    assert (inputs == np.rint(inputs)).all() and np.abs(inputs).max() <= MAX_STEPS


def test_weights_of_the_classes_of_a_line_are_whole_and_none_is_negative(model: PageModel) -> None:
    odds = model.exponentials(batch_of(*PAGES))
    assert odds.dtype == np.int64 and odds.shape[1] == N_LABELS
    assert odds.min() >= 0 and (odds.sum(axis=1) > 0).all()


@pytest.mark.parametrize("pages", [[], [""], ["", ""]])
def test_pages_without_lines_are_judged_without_error(judge: PageJudge, pages: list[str]) -> None:
    verdicts = judge.judge(batch_of(*pages), DROPPED, "balanced", compile_hints((), ()))
    assert verdicts.scores.shape == (0,)


def test_modes_drop_no_less_from_recall_to_precision(judge: PageJudge) -> None:
    recall, balanced, precision = map(judge.threshold, ("recall", "balanced", "precision"))
    assert 1 > recall >= balanced >= precision > 0


# --- words of the user's own ----------------------------------------------------------------------------------------


def scores_of(cleaner: Cleaner) -> dict[str, tuple[float, bool]]:
    return {line.text: (line.score, line.kept) for line in cleaner.clean(html=whole_page()).lines}


def test_phrases_of_the_users_own_move_the_lines_that_hold_them(cleaner: Cleaner) -> None:
    plain = scores_of(cleaner)
    hinted = scores_of(Cleaner(drop_like=("Mayor Ana Ruiz",), keep_like=("free newsletter",)))
    assert hinted[STORY[1]][0] > plain[STORY[1]][0]
    assert hinted[PROMO][0] < plain[PROMO][0]


def test_a_line_without_such_a_phrase_on_another_page_stays_as_it_was(cleaner: Cleaner) -> None:
    hinted = Cleaner(drop_like=("Mayor Ana Ruiz",))
    other = {"html": small_page(3)["html"]}
    beside, alone = list(hinted.clean_many([{"html": whole_page()}, other]))[1], next(cleaner.clean_many([other]))
    assert beside.ok and alone.ok
    assert beside.lines == alone.lines


# --- the folder -----------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the packaged page model."""
    return Path(shutil.copytree(find_model(DEFAULT_PAGE_MODEL), tmp_path / "copy-1"))


def edit_manifest(path: Path, **changes: object) -> None:
    manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8")) | changes
    (path / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def test_the_shipped_page_model_scores_its_own_examples_as_its_manifest_says(judge: PageJudge) -> None:
    assert len(judge.manifest["examples"]) >= 2
    assert verify_page_model(DEFAULT_PAGE_MODEL) == []


def test_examples_of_a_page_model_that_score_otherwise_are_told_by_name(copy: Path, judge: PageJudge) -> None:
    example = dict(judge.manifest["examples"][0])
    edit_manifest(copy, examples=[example | {"scores": [0.5, *example["scores"][1:]]}])
    (problem,) = verify_page_model(copy)
    assert str(copy) in problem and example["id"] in problem
    result = run("models", "verify", copy)
    assert result.code == 1 and example["id"] in result.out.decode()


def test_a_page_model_given_by_path_judges_and_names_itself(copy: Path, cleaner: Cleaner) -> None:
    edit_manifest(copy, name="copy")
    article = Cleaner(page_model=copy).clean(html=whole_page())
    assert article.model.startswith("copy-1@")
    assert article.text == cleaner.clean(html=whole_page()).text


def test_a_page_model_that_is_not_there_is_told_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=f"no-such.*{DEFAULT_PAGE_MODEL}"):
        Cleaner(page_model="no-such")


def test_a_page_model_with_one_altered_byte_is_refused(copy: Path) -> None:
    data = bytearray((copy / WEIGHTS).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / WEIGHTS).write_bytes(data)
    with pytest.raises(ModelError, match="altered or cut short"):
        Cleaner(page_model=copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feature_version": 0}, "Retrain"),
        ({"format": 0}, "Retrain"),
        ({"classes": ["keep", "drop"]}, "its classes are"),
        ({"kind": "picture"}, "a model for picture"),
    ],
)
def test_a_page_model_made_for_something_else_is_refused(copy: Path, changes: dict[str, object], message: str) -> None:
    edit_manifest(copy, **changes)
    with pytest.raises(ModelError, match=message):
        Cleaner(page_model=copy)


def test_weights_of_a_page_model_that_hold_a_pickle_are_refused_without_running_it(copy: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "ran",)

    np.savez(copy / WEIGHTS, path_weights=np.array([Bomb()], dtype=object))
    edit_manifest(copy, sha256={WEIGHTS: hashlib.sha256((copy / WEIGHTS).read_bytes()).hexdigest()})
    with pytest.raises(ModelError, match="not the weights of a page model"):
        Cleaner(page_model=copy)
    assert not (tmp_path / "ran").exists()


def test_a_model_of_texts_is_refused_as_a_page_model_and_the_other_way_round() -> None:
    with pytest.raises(ModelError, match="a model for text, not for page; it belongs behind --model"):
        Cleaner(page_model=DEFAULT_MODEL)
    with pytest.raises(ModelError, match="a model for page, not for text; it belongs behind --page-model"):
        Cleaner(model=DEFAULT_PAGE_MODEL)


@pytest.mark.parametrize("command", ["clean", "explain"])
def test_the_command_line_says_behind_which_option_a_model_belongs(tmp_path: Path, command: str) -> None:
    (tmp_path / "page.html").write_text(whole_page(), encoding="utf-8")
    result = run(command, tmp_path / "page.html", "--page-model", DEFAULT_MODEL)
    assert (result.code, result.out) == (1, b"")
    assert "it belongs behind --model" in result.err and "Traceback" not in result.err


# --- reasons --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def explained(cleaner: Cleaner) -> Explanation:
    return cleaner.explain(html=whole_page())


def reasons_of(explained: Explanation) -> Iterator[tuple[str, list[str]]]:
    for line in explained.lines:
        yield line.line.text, [reason.feature for reason in line.reasons]


def test_an_explained_page_has_the_lines_scores_and_threshold_that_decided(
    explained: Explanation, judge: PageJudge
) -> None:
    assert tuple(line.line for line in explained.lines) == explained.article.lines
    assert all(line.line.kept == (line.line.score < line.threshold) for line in explained.lines)
    # The page model speaks on all lines, the model of texts on those that it keeps.
    of_page, of_text = judge.threshold("balanced"), load_model(DEFAULT_MODEL).thresholds("balanced")[0]
    assert {line.threshold for line in explained.lines} == {of_page, of_text}
    assert {line.threshold for line in explained.lines if line.line.text in STORY} == {of_text}


def test_the_reasons_of_a_line_name_the_tags_that_it_stands_in(explained: Explanation) -> None:
    tags = {
        text: [feature for feature in features if feature.startswith("tags: ")]
        for text, features in reasons_of(explained)
    }
    assert tags[NAV[1]] == ["tags: li < ul.menu < nav.main-nav"]
    assert tags[STORY[0]] == ["tags: p < div.article-body < article.article"]


def test_the_wording_of_a_line_is_among_the_reasons_of_some(explained: Explanation) -> None:
    assert any("wording" in features for _, features in reasons_of(explained))


def test_the_heaviest_reason_of_each_line_comes_first(explained: Explanation) -> None:
    for line in explained.lines:
        pushes = [abs(reason.push) for reason in line.reasons]
        assert pushes == sorted(pushes, reverse=True)


def test_each_input_of_the_page_model_belongs_to_one_group_of_reasons() -> None:
    columns = [column for group in _groups(walk(whole_page())) for column in group.columns]
    # A window holds the line's own inputs amid those of its neighbours, which are one reason.
    assert sorted(columns) == list(range((2 * NEAR_LINES + 1) * N_PAGE_INPUTS))


def test_a_phrase_that_decided_about_a_line_of_a_page_is_named() -> None:
    explained = Cleaner(drop_like=("Mayor Ana Ruiz",)).explain(html=whole_page())
    hints = {line.line.text: line.hint for line in explained.lines if line.hint}
    dropped = {line.text for line in explained.article.removed}
    assert set(hints) <= {STORY[1]}
    assert (STORY[1] in hints) == (STORY[1] in dropped)


@pytest.mark.parametrize("html", ["", "<p></p>", "<img src=a.jpg>", "no tag at all", f"{paragraphs(*STORY)}"])
def test_any_page_can_be_explained_line_by_line(cleaner: Cleaner, html: str) -> None:
    explained = cleaner.explain(html=html)
    assert len(explained.lines) == explained.article.lines_in


def test_the_command_line_explains_a_page_with_its_tags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page.html").write_text(whole_page(), encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main(["explain", str(tmp_path / "page.html")])
    out = capsys.readouterr().out
    assert left.value.code == 0 and TITLE in out and "tags: " in out


def test_a_page_that_cannot_be_cleaned_cannot_be_explained_either() -> None:
    with pytest.raises(DocumentError):
        Cleaner(max_chars=100).explain(html=whole_page())
