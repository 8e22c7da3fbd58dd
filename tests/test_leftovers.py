"""What extractors leave of pages with gold text; by invented extractors, and by trafilatura on a page made here."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from made_documents import MICRO, own_documents

from bench._training import LEFT_LABELS
from cleaner.errors import InputError, MissingExtraError, UsageError
from cleaner.features.meaning import WordVectors
from cleaner.labels import BODY, LABEL_INDEX
from cleaner.learn import leftovers, train
from cleaner.learn.corpus import UNKNOWN_DEBRIS, LabelledDocument, digest_lines
from cleaner.learn.leftovers import check_extractors, read_leftovers, read_whole_labels
from cleaner.learn.pages import read_pages
from cleaner.learn.train import fit
from cleaner.learn.workflow import TrainingFiles, read_training_data, train_model
from cleaner.model.artefact import pack_weights

STORY = [
    f"The {place} of the bridge over the Lenn reopened on Monday, two years after the flood carried it away."
    for place in ("middle arch", "eastern ramp", "footway", "toll house", "northern pier")
]
HTML = "<h1>Bridge reopened</h1>" + "".join(f"<p>{line}</p>" for line in STORY) + "<div>Share this story</div>"
LINES = ("Bridge reopened", *STORY, "Share this story")
LABELS = np.array([LABEL_INDEX["title"], *[BODY] * len(STORY), LABEL_INDEX["interface"]])
PAGE = LabelledDocument("p", LINES, LABELS, "page", "herald.example", "en", "Bridge reopened", source="made")
GOLD = "\n\n".join(STORY)


@pytest.fixture
def extractors(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[str, str], str]]:
    """The table of extractors, empty."""
    table: dict[str, Callable[[str, str], str]] = {}
    monkeypatch.setattr(leftovers, "EXTRACTORS", table)
    return table


def test_lines_have_the_labels_of_the_page_and_others_those_of_the_gold(
    extractors: dict[str, Callable[[str, str], str]],
) -> None:
    rows = ["Bridge reopened", STORY[0], " ".join(STORY[1:3]), *STORY[3:], "", " Share  this story ", "More of this"]
    extractors["one"] = lambda html, lang: "\n".join(rows)
    (left,) = read_leftovers(HTML, GOLD, PAGE, ["one"], 0)
    interface, title = LABEL_INDEX["interface"], LABEL_INDEX["title"]
    assert left.lines[5:] == ("Share this story", "More of this")
    assert left.labels.tolist() == [title, *[BODY] * 4, interface, UNKNOWN_DEBRIS]
    assert (left.id, left.page_id, left.kind, left.source) == ("p|one", "p", "residue", "one")
    assert (left.site, left.title, left.split) == (PAGE.site, PAGE.title, PAGE.split)


def test_lines_of_which_nothing_is_known_are_left_out(extractors: dict[str, Callable[[str, str], str]]) -> None:
    extractors["one"] = lambda html, lang: "\n".join([*LINES, "A sub-head or a pointer"])
    (left,) = read_leftovers(HTML, GOLD, PAGE, ["one"], 0, {"A sub-head or a pointer"})
    assert left.lines == LINES


def test_extractors_take_turns_three_a_page(extractors: dict[str, Callable[[str, str], str]]) -> None:
    names = ["a", "b", "c", "d", "e"]
    for name in names:
        extractors[name] = lambda html, lang: GOLD
    turns = [[left.source for left in read_leftovers(HTML, GOLD, PAGE, names, turn)] for turn in range(5)]
    assert turns == [["a", "b", "c"], ["b", "c", "d"], ["c", "d", "e"], ["d", "e", "a"], ["e", "a", "b"]]
    assert [left.source for left in read_leftovers(HTML, GOLD, PAGE, ["a"], 3)] == ["a"]
    assert not list(read_leftovers(HTML, GOLD, PAGE, [], 3))


@pytest.mark.parametrize(
    "text", ["", "\n".join(STORY[:2]), "\n".join(STORY * 99), "\n".join(["Quite another text"] * 5)]
)
def test_nothing_is_learned_from_what_strays_from_the_gold(
    text: str, extractors: dict[str, Callable[[str, str], str]]
) -> None:
    extractors["one"] = lambda html, lang: text
    assert not list(read_leftovers(HTML, GOLD, PAGE, ["one"], 0))


def test_of_a_page_that_holds_no_article_all_that_is_left_is_debris(
    extractors: dict[str, Callable[[str, str], str]],
) -> None:
    rows = ["Bridge reopened", "Log in to read on.", "Or take out a subscription: the first month is free."]
    wall = replace(PAGE, lines=tuple(rows[:2]), labels=np.array([UNKNOWN_DEBRIS] * 2))
    extractors["one"] = lambda html, lang: "\n".join(rows)
    (left,) = read_leftovers(HTML, "", wall, ["one"], 0)
    assert left.lines == tuple(rows) and left.labels.tolist() == [UNKNOWN_DEBRIS] * 3


HEAD = "id\tdigest\tlabels\tdoubtful\n"


def write_page(folder: Path, **fields: str) -> Path:
    path = folder / "pages-x.jsonl"
    path.write_text(json.dumps({"id": "p", "html": HTML, "lang": "en", **fields}) + "\n", encoding="utf-8")
    return path


def test_what_was_read_whole_is_a_labelled_document_that_nothing_is_measured_on(
    tmp_path: Path, extractors: dict[str, Callable[[str, str], str]]
) -> None:
    # Both are there without an extra: trafilatura brings justext along.
    extractors["trafilatura"] = lambda html, lang: "\n".join(LINES)
    extractors["justext"] = lambda html, lang: GOLD
    table = tmp_path / "leftovers.tsv"
    table.write_text(
        f"{HEAD}p|trafilatura\t{digest_lines(LINES)}\ttitle body*4 caption promo\t6\n"
        f"p|justext\t00000000\tbody*5\t\nelsewhere|justext\t00000000\tbody*5\t\n",
        encoding="utf-8",
    )
    own = Path(__file__).parent.parent / "data" / "lines.jsonl"
    notes: list[str] = []
    # Without a gold text the page itself teaches nothing.
    files = TrainingFiles([own], [write_page(tmp_path, host="herald.example")], left_labels=table)
    data = read_training_data(files, notes.append)
    left = data.labelled[-1]
    assert (left.id, left.page_id, left.kind, left.source) == ("p|trafilatura", "p", "residue", "trafilatura")
    assert left.lines == LINES and left.site == "herald.example" and left.is_chosen and not left.is_measured
    assert left.labels.tolist() == [LABEL_INDEX[name] for name in ("title", *["body"] * 4, "caption", "promo")]
    assert not data.pages and sum(document.is_chosen for document in data.labelled) == 1
    assert any("justext" in note and "leaves other lines of page p than were labelled" in note for note in notes)
    entry = data.files[-1]
    assert (entry.name, entry.n_documents, entry.n_chosen) == ("leftovers.tsv", 1, 1)
    train_model(files, tmp_path / "mine-1", plan=MICRO.plan)
    card = (tmp_path / "mine-1" / "README.md").read_text(encoding="utf-8")
    assert "1 were chosen for reading by a model's doubts" in card


def test_a_row_with_a_class_that_nobody_knows_is_told(
    tmp_path: Path, extractors: dict[str, Callable[[str, str], str]]
) -> None:
    extractors["one"] = lambda html, lang: "\n".join(LINES)
    for classes, problem in ((["story"] * 7, "unknown class story"), (["body"] * 6, "7 lines but 6 labels")):
        labels = {"p": {"one": (digest_lines(LINES), classes)}}
        corpus = read_pages(write_page(tmp_path), {"train"}, whole_labels=labels)
        assert not corpus.whole and problem in corpus.stale[0].problem


def test_lines_that_were_read_are_not_learned_by_the_gold_as_well(
    tmp_path: Path, extractors: dict[str, Callable[[str, str], str]]
) -> None:
    extractors["one"] = extractors["two"] = lambda html, lang: "\n".join(LINES)
    labels = {"p": {"one": (digest_lines(LINES), ["title", *["body"] * 5, "interface"])}}
    page = write_page(tmp_path, body=GOLD)
    corpus = read_pages(page, {"train"}, left_by=["one", "two"], whole_labels=labels)
    assert [document.source for document in corpus.leftovers] == ["two"]
    assert [document.source for document in corpus.whole] == ["one"]


def test_a_table_of_leftovers_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "leftovers.tsv"
    table.write_text(f"{HEAD}p|goose3\t00000000\tbody*5\t\n", encoding="utf-8")
    with pytest.raises(UsageError, match="goose3 does not end in"):
        read_whole_labels(table)
    table.write_text(f"{HEAD}p|trafilatura\tbody*5\n", encoding="utf-8")
    with pytest.raises(InputError, match="row 1"):
        read_whole_labels(table)
    done = run("train", "--labels", table, "--base", "news-1", "--left-labels", table, "-o", tmp_path / "model-1")
    assert done.code == 2 and "--left-labels" in done.err


def test_the_table_of_the_project_is_whole_and_knows_every_class() -> None:
    labels = [classes for by_name in read_whole_labels(LEFT_LABELS).values() for _, classes in by_name.values()]
    assert len(labels) == 1557 and sum(map(len, labels)) == 40_856
    counts = Counter(label for classes in labels for label in classes)
    assert set(counts) == set(LABEL_INDEX) and min(counts.values()) >= 250


def test_documents_chosen_by_a_models_doubts_are_learned_and_not_measured() -> None:
    documents = own_documents(24)
    chosen = [replace(entry, id=f"{entry.id}|one", is_chosen=True) for entry in own_documents(30)[24:]]
    alone, with_them = fit(documents, [], MICRO.plan), fit([*documents, *chosen], [], MICRO.plan)
    assert [document.id for document in with_them.documents] == [document.id for document in documents]
    assert (with_them.model.grams.weights != alone.model.grams.weights).any()


def test_what_was_chosen_goes_to_the_fold_of_its_page_or_site_and_moves_nothing_else() -> None:
    documents = own_documents(24)
    others = own_documents(30)[24:]
    chosen = [
        replace(others[0], id="a|one", page_id=documents[3].id, site=None, is_chosen=True),
        replace(others[1], id="b|one", page_id="b", site=documents[5].site, is_chosen=True),
        *(
            replace(other, id=f"{other.id}|one", site=f"new{n // 2}.example", is_chosen=True)
            for n, other in enumerate(others[2:])
        ),
    ]
    folds = []
    for labelled in (documents, [*documents, *chosen]):
        trainer = train._Trainer(labelled, [], MICRO.plan, lambda _: None, WordVectors.none())
        trainer.sources, trainer.n_own = list(labelled), len(labelled)
        folds.append(trainer._assign_folds()[1].tolist())
    alone, with_them = folds
    assert with_them[:24] == alone
    assert with_them[24:26] == [alone[3], alone[5]]
    assert with_them[26] == with_them[27] and with_them[28] == with_them[29]


def test_an_extractor_that_fails_leaves_nothing_and_no_trace_in_the_logs(
    extractors: dict[str, Callable[[str, str], str]], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(html: str, lang: str) -> str:
        logging.getLogger("extractor").error("cannot read this")
        raise RecursionError("too deep")

    extractors["one"] = fail
    assert not list(read_leftovers(HTML, GOLD, PAGE, ["one"], 0))
    assert not caplog.records
    logging.getLogger("extractor").error("heard again")
    assert caplog.records


def test_the_extractor_of_the_core_install_leaves_the_story(tmp_path: Path) -> None:
    path = tmp_path / "pages-x.jsonl"
    path.write_text(json.dumps({"id": "p", "html": HTML, "body": GOLD, "lang": "en"}) + "\n", encoding="utf-8")
    assert not read_pages(path, {"train"}).leftovers
    (left,) = read_pages(path, {"train"}, left_by=["trafilatura"]).leftovers
    assert [line for line, label in zip(left.lines, left.labels, strict=True) if label == BODY] == STORY


def test_unknown_and_missing_extractors_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    check_extractors(["trafilatura"])
    with pytest.raises(UsageError, match="--left-by goose3: that is none of trafilatura, resiliparse"):
        check_extractors(["goose3"])
    monkeypatch.setitem(leftovers._MODULES, "boilerpy3", "a_module_that_nobody_has")
    with pytest.raises(MissingExtraError, match="boilerpy3"):
        check_extractors(["boilerpy3"])
    labels = tmp_path / "labels.jsonl"
    labels.write_text('{"id": "a", "lines": ["x"], "labels": ["body"]}\n', encoding="utf-8")
    done = run("train", "--labels", labels, "--left-by", "goose3", "-o", tmp_path / "model-1")
    assert done.code == 2 and "--left-by goose3" in done.err


def test_leftovers_teach_the_net_and_not_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = own_documents(24)
    left = [replace(page, id=f"{page.id}|one", page_id=page.id, kind="residue", source="one") for page in documents[:9]]
    notes: list[str] = []
    monkeypatch.setattr(train, "_SURE", 0.5)  # so small a net is sure of nothing
    with_left = fit(documents, [], MICRO.plan, notes.append, leftovers=left)
    again = fit(documents, [], MICRO.plan, leftovers=left)
    without = fit(documents, [], MICRO.plan)
    n_lines = sum(len(page.lines) for page in left)
    (doubted,) = (note for note in notes if "doubted" in note)
    assert f" of {n_lines} lines of leftovers doubted" in doubted and " 0 of" not in doubted
    ours, same, other = (pack_weights(fitted.model) for fitted in (with_left, again, without))
    assert all(np.array_equal(ours[name], same[name]) for name in ours)
    assert {name for name in ours if not np.array_equal(ours[name], other[name])} >= {"net0_first_weights"}
    assert np.array_equal(with_left.model.grams.weights, without.model.grams.weights)
    assert len(with_left.weights) == len(documents)


def test_what_was_left_of_a_page_is_in_the_fold_of_the_page() -> None:
    documents = own_documents(24)
    left = [replace(page, id=f"{page.id}|one", page_id=page.id, site=None) for page in documents]
    trainer = train._Trainer(documents, [], MICRO.plan, lambda _: None, WordVectors.none(), left)
    trainer.run()
    assert trainer.folds[24:].tolist() == trainer.folds[:24].tolist()


def test_the_card_of_a_model_names_who_left_what_it_learned_from(tmp_path: Path) -> None:
    labels = Path(__file__).parent.parent / "data" / "lines.jsonl"
    pages = tmp_path / "pages-x.jsonl"
    pages.write_text(json.dumps({"id": "p", "html": HTML, "body": GOLD, "host": "herald.example"}), encoding="utf-8")
    files = TrainingFiles([labels], [pages], left_by=["trafilatura"])
    model = train_model(files, tmp_path / "mine-1", plan=MICRO.plan)
    (entry,) = model.manifest["training"]["left_by"]
    (left,) = read_pages(pages, {"train"}, left_by=["trafilatura"]).leftovers
    assert (entry["name"], entry["n_documents"], entry["n_lines"]) == ("trafilatura", 1, len(left.lines))
    card = (tmp_path / "mine-1" / "README.md").read_text(encoding="utf-8")
    assert f"what extractors leave of them: trafilatura {entry['version']} (1)." in card
