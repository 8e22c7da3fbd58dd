"""Pages without a whole gold text: what a page model is sure of becomes a document to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command_line import run, write_records
from made_documents import MICRO, own_documents
from made_pages import AFTER, FOOTER, LIST, NAV, PROMO, STORY, TEASERS, TITLE, whole_page

from cleaner.errors import ModelError
from cleaner.features.pages import PageBatch
from cleaner.labels import BODY, LABEL_INDEX
from cleaner.learn.corpus import UNKNOWN_DEBRIS, LabelledDocument
from cleaner.learn.judged_pages import PageLabeller
from cleaner.learn.line_labels import LineLabel, ReadLabels, digest_line
from cleaner.learn.pages import read_pages
from cleaner.learn.train import fit
from cleaner.learn.workflow import TrainingFiles, read_training_data, train_model
from cleaner.model.artefact import DEFAULT_PAGE_MODEL
from cleaner.model.nets import N_LABELS
from cleaner.model.page_artefact import load_page_model

LABELS = Path(__file__).parent.parent / "data" / "lines.jsonl"
PAGE: Mapping[str, Any] = {"id": "p", "html": whole_page(), "host": "herald.example", "lang": "en"}
SEGMENTS = {"with_segments": [STORY[0][:60]], "without_segments": [FOOTER]}


def labeller(*read: LineLabel) -> PageLabeller:
    return PageLabeller(load_page_model(DEFAULT_PAGE_MODEL), (), ReadLabels({"p": read}))


def label(labeller: PageLabeller, record: Mapping[str, Any]) -> LabelledDocument:
    judged = labeller.label(record)
    assert judged is not None
    return judged.document


def labels_of(document: LabelledDocument) -> dict[str, int]:
    return dict(zip(document.lines, document.labels.tolist(), strict=True))


def test_the_model_labels_what_nobody_has_said() -> None:
    document = label(labeller(), {**PAGE, **SEGMENTS})
    found = labels_of(document)
    assert [found[line] for line in (*STORY, *LIST, AFTER)] == [BODY] * 7
    assert [found[line] for line in (*NAV, *TEASERS, PROMO, FOOTER)] == [UNKNOWN_DEBRIS] * 9
    assert (document.site, document.lang, document.title, document.kind) == ("herald.example", "en", TITLE, "page")


def test_what_was_read_or_stands_in_a_segment_overrules_the_model() -> None:
    texts = list(labels_of(label(labeller(), {**PAGE, **SEGMENTS})))
    said = LineLabel(texts.index(LIST[1]), digest_line(LIST[1]), "caption", True)
    found = labels_of(label(labeller(said), {**PAGE, "with_segments": [PROMO]}))
    assert (found[LIST[1]], found[PROMO]) == (LABEL_INDEX["caption"], BODY)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({**PAGE}, id="of which nobody has said anything"),
        pytest.param({**SEGMENTS, "id": "p", "html": f"<p>{STORY[0]}</p>"}, id="with one line of article"),
        pytest.param({**SEGMENTS, "id": "p", "html": ""}, id="without HTML"),
        pytest.param({**SEGMENTS, "id": "p"}, id="without even a place for it"),
    ],
)
def test_nothing_is_learned_from_a_page(record: dict[str, Any]) -> None:
    assert labeller().label(record) is None


def test_doubtful_lines_are_left_out_and_a_page_with_many_of_them_is_too() -> None:
    """By a model that doubts some of the story."""

    def judge(*doubted: str) -> PageLabeller:
        def exponentials(batch: PageBatch) -> np.ndarray:
            odds = np.full((len(batch.texts), N_LABELS), 1, dtype=np.int64)
            odds[:, BODY] = [12 if text in doubted else 10_000 for text in batch.texts]
            return odds

        return PageLabeller(SimpleNamespace(page_model=SimpleNamespace(exponentials=exponentials)), (), ReadLabels())  # type: ignore[arg-type]

    record = {**PAGE, **SEGMENTS}
    judged = judge(LIST[0]).label(record)
    assert judged is not None and judged.unsure == {LIST[0]}
    assert LIST[0] not in judged.document.lines and LIST[1] in judged.document.lines
    assert judge(*STORY[1:3]).label(record) is None


def test_a_file_of_pages_is_read_with_them(tmp_path: Path) -> None:
    path = write_records(tmp_path / "pages-x.jsonl", [{**PAGE, **SEGMENTS}, {**PAGE, "id": "unknown"}])
    without = read_pages(path, {"train"})
    assert not without.documents and len(without.skipped) == 2
    corpus = read_pages(path, {"train"}, left_by=["trafilatura"], labeller=labeller())
    assert [(page.id, page.is_judged) for page in corpus.documents] == [("p", True)] and len(corpus.skipped) == 1
    (left,) = corpus.leftovers
    assert left.page_id == "p" and {*STORY} <= {*left.lines}
    assert not read_pages(path, {"dev"}, labeller=labeller()).documents


def test_nothing_is_measured_on_them() -> None:
    documents = own_documents(24)
    pages = [replace(page, id=f"{page.id}|page", kind="page") for page in documents[:6]]
    judged = [replace(page, is_judged=True) for page in pages]
    assert len(fit(documents, pages, MICRO.plan).pages) == len(pages)
    assert not fit(documents, judged, MICRO.plan).pages


def test_the_card_names_the_model_that_labelled_them(tmp_path: Path) -> None:
    path = write_records(tmp_path / "pages-x.jsonl", [{**PAGE, **SEGMENTS}])
    files = TrainingFiles([LABELS], [path], page_model=DEFAULT_PAGE_MODEL)
    notes: list[str] = []
    read_training_data(files, notes.append)
    assert notes[-1].endswith(f"1 of them labelled by {load_page_model(DEFAULT_PAGE_MODEL).full_name}")
    model = train_model(files, tmp_path / "mine-1", plan=MICRO.plan)
    training = model.manifest["training"]
    assert training["judged_by"] in (tmp_path / "mine-1" / "README.md").read_text(encoding="utf-8")
    assert [entry["n_judged"] for entry in training["data"]] == [0, 1]


def test_a_page_model_that_is_not_there_ends_training_before_it_begins(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        read_training_data(TrainingFiles([LABELS], page_model=tmp_path / "none"), print)
    done = run("train", "--labels", LABELS, "--page-model", tmp_path / "none", "-o", tmp_path / "mine-1")
    assert done.code and str(tmp_path / "none") in done.err and not (tmp_path / "mine-1").exists()
