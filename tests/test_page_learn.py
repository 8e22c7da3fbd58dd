"""From pages with gold text and lines labelled by reading to a page model in a folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from command_line import run, write_records
from made_pages import small_page

from cleaner import Cleaner
from cleaner.errors import InputError, UsageError
from cleaner.labels import BODY, LABEL_INDEX, LABELS, TITLE
from cleaner.learn.corpus import UNKNOWN_DEBRIS
from cleaner.learn.line_labels import LineLabel, ReadLabels, digest_line, read_line_labels
from cleaner.learn.page_corpus import UNREAD, LabelledPage, label_page, read_labelled_pages
from cleaner.learn.page_package import in_text, measure_page_thresholds, verify_page_model, write_page_model
from cleaner.learn.page_train import FittedPages, fit_pages
from cleaner.learn.pages import read_suspects
from cleaner.learn.plan import PageTrainingPlan
from cleaner.model.artefact import CARD, DEFAULT_MODEL, MANIFEST, WEIGHTS, load_model

DATA = Path(__file__).parent.parent / "data"
TITLE_LINE = "Brackwater to rebuild its bridge number 0"
STANDFIRST = "The harbour master has waited nine years for it."
PAGE = small_page(0)
HEAD = ("id", "line", "digest", "label", "sure")


def label(record: dict[str, Any], *read: LineLabel, suspects: tuple[str, ...] = ()) -> LabelledPage:
    page = label_page(record, suspects, ReadLabels({record["id"]: read}))
    assert isinstance(page, LabelledPage), page
    return page


def classes(page: LabelledPage) -> dict[str, str]:
    """The label of each line by its text; "?" for debris without a class, "" where nothing is known."""
    names = {UNKNOWN_DEBRIS: "?", UNREAD: ""} | dict(enumerate(LABELS))
    return {text: names[label] for text, label in zip(page.walked.texts, page.labels.tolist(), strict=True)}


def reading(record: dict[str, Any], text: str, name: str, is_sure: bool = True) -> LineLabel:
    """The label that a reader gave to a line of a page."""
    texts = label({**record, "body": record["body"]}).walked.texts
    return LineLabel(texts.index(text), digest_line(text), name, is_sure)


def write_table(path: Path, *rows: tuple[Any, ...], head: tuple[str, ...] = HEAD) -> Path:
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in (head, *rows)), encoding="utf-8")
    return path


# --- labels ---------------------------------------------------------------------------------------------------------


def test_lines_that_the_gold_text_has_are_body_the_headline_is_title_and_all_else_debris() -> None:
    page = label(PAGE)
    found = classes(page)
    assert [text for text, name in found.items() if name == "body"] == PAGE["body"].split("\n\n")
    assert found[TITLE_LINE] == "title"
    assert {found[text] for text in ("Home", "By Lena Ortiz", "Rain floods Brackwater", "Share on Facebook")} == {"?"}
    assert page.is_whole and page.body == PAGE["body"]
    assert (page.id, page.site, page.lang, page.source) == ("p0", "herald0.example", "en", "made")


def test_a_page_without_a_site_is_a_site_of_its_own() -> None:
    assert label({key: value for key, value in PAGE.items() if key != "domain"}).site == "p0"


def test_a_page_whose_lines_do_not_make_up_its_gold_is_of_no_use() -> None:
    assert label_page(PAGE | {"body": "Another story altogether, of rain and wind."}, (), ReadLabels()) == (
        "its lines do not make up its gold"
    )


def test_of_a_page_whose_lines_do_not_make_up_its_gold_the_lines_that_were_read_count() -> None:
    page = label(PAGE | {"body": "Another story altogether."}, reading(PAGE, "Home", "nav"))
    assert {text: name for text, name in classes(page).items() if name} == {"Home": "nav"}
    assert not page.is_whole


@pytest.mark.parametrize(("record", "suspects"), [(PAGE, ("p0",)), (PAGE | {"gold_suspect": True}, ())])
def test_of_a_page_with_doubtful_gold_only_lines_count_that_somebody_has_read(
    record: dict[str, Any], suspects: tuple[str, ...]
) -> None:
    assert label_page(record, suspects, ReadLabels()) == "nothing is known of its lines"
    page = label(record, reading(PAGE, "Home", "nav"), suspects=suspects)
    assert {text: name for text, name in classes(page).items() if name} == {"Home": "nav"}
    assert not page.is_whole


def test_lines_that_must_be_in_the_text_or_must_not_are_told_by_segments() -> None:
    first, second, _ = PAGE["body"].split("\n\n")
    record = {key: value for key, value in PAGE.items() if key != "body"}
    page = label(record | {"with_segments": [first[4:30], second], "without_segments": ["Share on", "  Rovers\n win"]})
    assert {text: name for text, name in classes(page).items() if name} == {
        first: "body", second: "body", "Share on Facebook": "?", "Rovers win cup 0": "?",
    }  # fmt: skip
    assert not page.is_whole


def test_a_segment_that_stands_twice_is_the_articles_own_where_the_line_is_longer() -> None:
    html = "<aside><p>The vote was close.</p></aside><p>The vote was close. Nobody had expected that.</p>"
    page = label({"id": "x", "html": html, "with_segments": ["The vote was close."]})
    assert page.labels.tolist() == [UNREAD, BODY]


def test_a_line_that_was_read_has_the_class_that_the_reader_gave_it() -> None:
    page = label(PAGE, reading(PAGE, "By Lena Ortiz", "byline"), reading(PAGE, "Home", "nav"))
    found = classes(page)
    assert (found["By Lena Ortiz"], found["Home"], found["News"]) == ("byline", "nav", "?")


def test_a_label_whose_digest_does_not_fit_its_line_is_ignored() -> None:
    right = reading(PAGE, "Home", "nav")
    for wrong in (
        LineLabel(right.line, "000000", "nav", True),
        LineLabel(right.line + 1, right.digest, "nav", True),
        LineLabel(10_000, right.digest, "nav", True),
        LineLabel(right.line - len(label(PAGE).labels), right.digest, "nav", True),
    ):
        assert classes(label(PAGE, wrong)) == classes(label(PAGE))


def test_the_digest_of_a_line_does_not_mind_its_case_and_marks_and_tells_no_text() -> None:
    assert digest_line("“The vote”, she said.") == digest_line("the vote she said") != digest_line("The vote")
    assert re.fullmatch("[0-9a-f]{6}", digest_line("Lone \ud800 surrogate"))


def test_what_a_reader_calls_title_is_the_headline_where_it_says_it_and_else_the_standfirst() -> None:
    html = PAGE["html"].replace("<p class=byline>", f"<p class=lead>{STANDFIRST}</p><p class=byline>")
    record = PAGE | {"html": html}
    texts = label(record).walked.texts
    both = [LineLabel(texts.index(text), digest_line(text), "title", True) for text in (TITLE_LINE, STANDFIRST)]
    found = classes(label(record, *both))
    assert (found[TITLE_LINE], found[STANDFIRST]) == ("title", "body")


def test_the_word_of_a_reader_who_is_sure_weighs_more_than_gold_and_that_of_one_who_is_not_less() -> None:
    sure, unsure = reading(PAGE, "Home", "nav"), reading(PAGE, "By Lena Ortiz", "byline", is_sure=False)
    page = label(PAGE, sure, unsure)
    weights = page.weights
    assert weights.dtype == np.float32
    assert weights[sure.line] > 1 > weights[unsure.line] > 0
    assert set(np.delete(weights, [sure.line, unsure.line]).tolist()) == {1.0}


@pytest.mark.parametrize("verdict", ["no_article", "unusable"])
def test_a_page_that_a_reader_found_to_be_no_article_is_left_out(verdict: str) -> None:
    assert label_page(PAGE, (), ReadLabels(verdicts={"p0": verdict})) == "no article, or of no use, by reading"


def test_of_a_page_that_holds_no_article_all_is_debris_but_what_may_be_a_headline() -> None:
    wall = "<html><head><title>Mill reopens | Herald</title></head><body><nav><a href=/>Home</a></nav>{}</body></html>"
    html = wall.format("<article><h1>Mill reopens</h1><p>We and our partners read what you read.</p></article>")
    page = label({"id": "w", "html": html, "body": "", "verdict": "no_article"})
    known = {text: int(found) for text, found in zip(page.walked.texts, page.labels, strict=True)}
    assert known == {
        "Home": UNKNOWN_DEBRIS, "Mill reopens": UNREAD, "We and our partners read what you read.": UNKNOWN_DEBRIS,
    }  # fmt: skip
    assert not page.is_whole  # no threshold is measured on it


def test_a_page_without_text_is_of_no_use() -> None:
    assert label_page(PAGE | {"html": "<img src=a.jpg>"}, (), ReadLabels()) == "no text"


# --- tables and files -----------------------------------------------------------------------------------------------


def test_labels_and_verdicts_are_read_from_a_table(tmp_path: Path) -> None:
    rows = ("a", 3, "0a1b2c", "nav", 1), ("a", 4, "ffffff", "body", 0), ("b", "", "", "unusable", 1)
    path = write_table(tmp_path / "l.tsv", *rows)
    read = read_line_labels(path)
    assert read.lines == {"a": [LineLabel(3, "0a1b2c", "nav", True), LineLabel(4, "ffffff", "body", False)]}
    assert read.verdicts == {"b": "unusable"}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (b"a\t1\tffffff\tstory\t1", "unknown class 'story'"),
        (b"a\t\t\tbody\t1", "unknown verdict 'body'"),
        (b"a\tone\tffffff\tbody\t1", "invalid literal"),
        (b"a\t1\tffffff", "not enough values"),
        (b"a\xff\t1\tffffff\tbody\t1", "can't decode"),
    ],
)
def test_a_row_of_a_table_of_labels_that_is_wrong_is_told_with_its_number(
    tmp_path: Path, row: bytes, problem: str
) -> None:
    path = tmp_path / "l.tsv"
    path.write_bytes("\t".join(HEAD).encode() + b"\n\n" + row + b"\n")
    with pytest.raises(InputError, match=rf"l\.tsv, row 2: .*{problem}"):
        read_line_labels(path)


def test_pages_of_another_split_are_not_looked_at_and_bad_ones_are_told_with_their_row(tmp_path: Path) -> None:
    records = [PAGE, small_page(1) | {"split": "dev"}, b"{broken", {"id": "x"}, {"id": "y", "html": 5}, [1],
               small_page(2) | {"body": "Another story."}]  # fmt: skip
    path = write_records(tmp_path / "pages.jsonl", records)
    pages, skipped = read_labelled_pages(path, "train", (), ReadLabels())
    assert [page.id for page in pages] == ["p0"]
    assert [bad.row for bad in skipped] == [2, 3, 4, 5, 6]
    assert skipped[0].problem.startswith("not JSON") and {bad.problem for bad in skipped[1:4]} == {"no html"}
    pages, _ = read_labelled_pages(path, "dev", (), ReadLabels())
    assert [page.id for page in pages] == ["p1"]


def test_our_own_pages_hold_the_article_that_they_say_or_none_and_no_outlet_is_in_two_splits() -> None:
    path = Path(__file__).parent.parent / "data" / "own-pages.jsonl"
    hosts = {}
    for split in ("train", "dev"):
        pages, skipped = read_labelled_pages(path, split, (), ReadLabels())
        assert pages and not skipped
        assert {bool((page.labels == BODY).any()) for page in pages} == {True, False}
        hosts[split] = {page.site for page in pages}
    assert not hosts["train"] & hosts["dev"]


def test_our_own_labels_are_of_known_classes_and_name_each_line_once() -> None:
    read = read_line_labels(DATA / "labels" / "pages.tsv")
    entries = [(page, entry.line) for page, labels in read.lines.items() for entry in labels]
    assert len(set(entries)) == len(entries) > 10_000
    assert all(re.fullmatch("[0-9a-f]{6}", entry.digest) for labels in read.lines.values() for entry in labels)
    assert len(read_suspects(DATA / "labels" / "suspects.tsv")) > 100


# --- fitting --------------------------------------------------------------------------------------------------------

PAGES = [small_page(number) for number in range(12)]
QUICK = PageTrainingPlan.quick()


@pytest.fixture(scope="module")
def labelled() -> list[LabelledPage]:
    """Twelve pages of six sites, one of them with doubtful gold and two lines that were read."""
    pages = [label(record) for record in PAGES[:11]]
    read = reading(PAGES[11], "Home", "nav"), reading(PAGES[11], PAGES[11]["body"].split("\n\n")[0], "body")
    return [*pages, label(PAGES[11], *read, suspects=("p11",))]


def fit_to_folder(labelled: list[LabelledPage], path: Path) -> FittedPages:
    fitted = fit_pages(labelled, load_model(DEFAULT_MODEL), QUICK)
    examples = [("own", small_page(20)["html"])]
    write_page_model(fitted, path, name="own", version="1", data_files=[], examples=examples, plan=QUICK)
    return fitted


@pytest.fixture(scope="module")
def folders(labelled: list[LabelledPage], tmp_path_factory: pytest.TempPathFactory) -> tuple[FittedPages, Path, Path]:
    """The same pages fitted twice."""
    first, second = (tmp_path_factory.mktemp("fitted") / "own-1" for _ in range(2))
    fitted = fit_to_folder(labelled, first)
    fit_to_folder(labelled, second)
    return fitted, first, second


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST, CARD])
def test_the_same_pages_give_the_same_bytes(folders: tuple[FittedPages, Path, Path], name: str) -> None:
    _, first, second = folders
    assert (first / name).read_bytes() == (second / name).read_bytes() != b""


def test_a_fitted_model_judges_each_line_out_of_fold(folders: tuple[FittedPages, Path, Path]) -> None:
    fitted, _, _ = folders
    assert [len(odds) for odds in fitted.odds] == [len(page.labels) for page in fitted.pages]
    is_body = np.concatenate([odds.argmax(axis=1) == BODY for odds in fitted.odds])
    gold = np.concatenate([page.labels == BODY for page in fitted.pages])
    known = np.concatenate([page.labels != UNREAD for page in fitted.pages])
    # Six small sites differ little; a model that learned nothing is right on four lines of five.
    assert (is_body == gold)[known].mean() > 0.95


def test_a_fitted_model_verifies_and_cleans_a_page_that_it_has_not_seen(
    folders: tuple[FittedPages, Path, Path],
) -> None:
    _, path, _ = folders
    assert verify_page_model(path) == []
    unseen = small_page(41)
    article = Cleaner(page_model=path).clean(html=unseen["html"])
    assert article.model.startswith("own-1@")
    assert article.text == unseen["body"]


def test_too_few_sites_to_cross_validate_are_a_usage_error(labelled: list[LabelledPage]) -> None:
    same = [page for page in labelled if page.site == labelled[0].site]
    with pytest.raises(UsageError, match="at least 3 sites"):
        fit_pages(same, load_model(DEFAULT_MODEL), QUICK)


def test_pages_without_a_line_of_debris_are_a_usage_error() -> None:
    pages = [label({"id": f"n{n}", "html": f"<p>The vote {n}.", "with_segments": [f"The vote {n}."]}) for n in range(4)]
    with pytest.raises(UsageError, match="lines of the article and others"):
        fit_pages(pages, load_model(DEFAULT_MODEL), QUICK)


# --- thresholds -----------------------------------------------------------------------------------------------------


def fitted_with(labelled: list[LabelledPage], body_scores: float, other_scores: float) -> FittedPages:
    """Pages judged without a model: all lines of the article get one score for debris, all others another."""
    odds = []
    for page in labelled:
        scores = np.where(page.labels == BODY, body_scores, other_scores)
        rows = np.zeros((len(scores), len(LABELS)), dtype=np.int64)
        rows[:, BODY], rows[:, LABEL_INDEX["nav"]] = np.rint(1000 * (1 - scores)), np.rint(1000 * scores)
        odds.append(rows)
    return FittedPages(None, labelled, odds, 1.0)  # type: ignore[arg-type]


def test_of_thresholds_that_part_article_and_debris_alike_the_one_nearest_to_a_half_is_taken(
    labelled: list[LabelledPage],
) -> None:
    for body, other, expected in ((0.2, 0.8, 0.5), (0.6, 0.9, 0.61), (0.1, 0.3, 0.3)):
        found = measure_page_thresholds(fitted_with(labelled, body, other))["balanced"]
        assert found["threshold"] == expected
        assert (found["article_lines_lost"], found["debris_lines_found"]) == (0, 1)


def test_thresholds_are_measured_on_pages_with_whole_gold_alone(labelled: list[LabelledPage]) -> None:
    assert measure_page_thresholds(fitted_with(labelled, 0.2, 0.8))["balanced"]["n_pages"] == len(labelled) - 1


def test_each_mode_has_a_threshold_and_recall_loses_no_more_than_precision(
    folders: tuple[FittedPages, Path, Path],
) -> None:
    thresholds = measure_page_thresholds(folders[0])
    assert set(thresholds) == {"balanced", "recall", "precision"}
    assert thresholds["recall"]["article_lines_lost"] <= thresholds["precision"]["article_lines_lost"]
    assert thresholds["recall"]["debris_lines_found"] <= thresholds["precision"]["debris_lines_found"]


def test_a_headline_does_not_stand_in_the_text_however_sure_it_is() -> None:
    labels, scores = np.array([TITLE, BODY, BODY]), np.array([0.1, 0.1, 0.6])
    assert in_text(labels, scores, np.array([0.5, 0.7])).tolist() == [[False, True, False], [False, True, True]]


# --- the command line -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pages of two files, labels, suspects, licences and examples."""
    folder = tmp_path_factory.mktemp("files")
    dev = small_page(30) | {"split": "dev"}
    write_records(folder / "pages-one.jsonl", [*PAGES[:9], dev])
    rows = b"".join(json.dumps(record).encode() + b"\n" for record in PAGES[9:])
    (folder / "pages-two.jsonl.zst").write_bytes(zstandard.compress(rows))
    home = reading(PAGES[0], "Home", "nav")
    write_table(
        folder / "labels.tsv", ("p0", home.line, home.digest, "nav", 1), ("p0", home.line + 1, "000000", "body", 1)
    )
    write_table(folder / "suspects.tsv", ("p3", "made", "gold_cut"), head=("id", "source", "verdict"))
    write_table(folder / "licences.tsv", ("pages-one.jsonl", "Apache-2.0, our own"), head=("file", "licence"))
    write_records(folder / "examples.jsonl", [{"id": "own", "html": small_page(20)["html"]}])
    return folder


@pytest.fixture(scope="module")
def trained(files: Path) -> Path:
    result = run(
        "train-pages", "--pages", files / "pages-one.jsonl", "--pages", files, "-o", files / "own-3",
        "--line-labels", files / "labels.tsv", "--suspects", files / "suspects.tsv",
        "--licences", files / "licences.tsv", "--examples", files / "examples.jsonl", "--quick",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert "pages-one.jsonl: 8 pages" in result.err and "1 not used" in result.err
    assert "made: F1 " in result.err
    return files / "own-3"


def test_a_page_model_trained_on_the_command_line_tells_what_it_was_trained_on(trained: Path) -> None:
    manifest = json.loads((trained / MANIFEST).read_text(encoding="utf-8"))
    assert (manifest["name"], manifest["version"], manifest["kind"]) == ("own", "3", "page")
    assert [(entry["name"], entry["n_documents"], entry["licence"]) for entry in manifest["training"]["data"]] == [
        ("pages-one.jsonl", 8, "Apache-2.0, our own"),
        ("pages-two.jsonl.zst", 3, "not stated"),
    ]
    assert manifest["figures"]["cv"]["made"]["n_pages"] == 11
    card = (trained / CARD).read_text(encoding="utf-8")
    assert card.startswith("# own 3\n") and "Apache-2.0, our own" in card


def test_a_page_model_trained_on_the_command_line_verifies_and_cleans_pages(trained: Path, tmp_path: Path) -> None:
    result = run("models", "verify", trained)
    assert result.code == 0 and "whole" in result.out.decode()
    page = tmp_path / "page.html"
    page.write_text(small_page(41)["html"], encoding="utf-8")
    result = run("clean", page, "--page-model", trained, "--to", "jsonl")
    assert result.code == 0 and result.records[0]["model"].startswith("own-3@")
    assert result.records[0]["verdict"] == "article"


def test_no_sentence_of_the_training_pages_stands_in_the_folder_of_their_model(trained: Path) -> None:
    data = b"".join(path.read_bytes() for path in trained.iterdir())
    lines = {line for record in PAGES for line in record["body"].split("\n\n")}
    assert len(lines) == 36 and not [line for line in lines if line.encode() in data]


def test_training_says_what_it_cannot_work_with(files: Path, tmp_path: Path) -> None:
    output = ["-o", tmp_path / "m", "--quick", "--quiet"]
    for arguments, code, message in (
        (["--pages", tmp_path / "none.jsonl"], 1, "none.jsonl"),
        (["--pages", files / "pages-one.jsonl", "--split", "test"], 2, "no usable page of split 'test'"),
        (["--pages", files / "pages-one.jsonl", "--split", "dev"], 2, "at least 3 sites"),
        (["--pages", files / "pages-one.jsonl", "--teacher", "no-such"], 1, "no-such"),
        (["--pages", files / "pages-one.jsonl", "--line-labels", files / "licences.tsv"], 1, "row 1"),
    ):
        result = run("train-pages", *arguments, *output)
        assert (result.code, result.out) == (code, b"") and message in result.err
        assert not (tmp_path / "m").exists()


def test_pages_none_of_which_has_whole_gold_are_a_usage_error_before_anything_is_fitted(tmp_path: Path) -> None:
    records = [
        {"id": str(n), "domain": str(n), "html": f"<p>The vote {n}.<p>Share", "with_segments": [f"The vote {n}."],
         "without_segments": ["Share"]}
        for n in range(4)
    ]  # fmt: skip
    path = write_records(tmp_path / "pages.jsonl", records)
    result = run("train-pages", "--pages", path, "-o", tmp_path / "m", "--quick", "--quiet")
    assert result.code == 2 and "thresholds are measured" in result.err


def test_examples_that_are_no_pages_are_an_error_that_names_their_file(files: Path, tmp_path: Path) -> None:
    path = write_records(tmp_path / "examples.jsonl", [{"id": "a", "text": "The vote."}])
    result = run(
        "train-pages", "--pages", files / "pages-one.jsonl", "-o", tmp_path / "m", "--quick", "--examples", path
    )
    assert result.code == 1 and "examples.jsonl: a row is not JSON with id and html" in result.err
