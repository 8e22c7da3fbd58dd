"""Debris glued to a paragraph is cut off where the model is sure, and each character is accounted for."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleaner import Cleaner, Page
from cleaner.arrow import clean_table
from cleaner.batch.findings import Findings
from cleaner.cli.explain import plain_rows
from cleaner.errors import InputError, ModelError, UsageError
from cleaner.features.borders import MIN_REST_CHARS, Piece, find_pieces
from cleaner.labels import BODY, KEPT, LABEL_INDEX
from cleaner.learn.corpus import LabelledDocument, read_labels
from cleaner.learn.evaluate import wilson_interval
from cleaner.learn.package import verify_model
from cleaner.learn.span_train import MADE, Outcomes, SpanPlan, measure_side, train_spans
from cleaner.learn.spans import UNSURE, Seam, digest_piece, glue_debris, read_span_labels, real_cases
from cleaner.model.artefact import DEFAULT_MODEL, find_model, load_model
from cleaner.model.span_artefact import SPAN_WEIGHTS, load_span_model
from cleaner.model.span_model import find_candidates
from cleaner.options import CleanOptions
from cleaner.types import Lines
from cleaner.web.explain_page import render_page

DATA = Path(__file__).parent.parent / "data"
STORY = (
    "The council voted seven to two on Monday evening to close the old bridge at Marrow Ford.",
    "Mayor Ana Ruiz told the meeting that repairs would have cost the town more than a new crossing.",
    "Farmers on the western bank say the detour adds half an hour to each trip to the market.",
)


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packaged model to which the judge of pieces was fitted on our own examples."""
    folder = tmp_path_factory.mktemp("models") / "cutting-1"
    shutil.copytree(find_model(DEFAULT_MODEL), folder)
    documents, _ = read_labels(DATA / "lines.jsonl")
    train_spans(load_model(folder), [doc for doc in documents if doc.split == "train"], [], {}, SpanPlan.quick())
    return folder


@pytest.fixture(scope="session")
def eager(fitted: Path) -> Cleaner:
    """A cleaner that cuts whatever has a border and drops few whole lines, so that what is done with cuts shows on any
    text."""
    cleaner = Cleaner(fitted, cut="spans", mode="recall")
    assert cleaner._judges._spans is not None
    cleaner._judges._spans = replace(cleaner._judges._spans, head_threshold=0.0, tail_threshold=0.0)
    return cleaner


def pieces_of(line: str) -> list[str]:
    return [piece.text(line) for piece in find_pieces(line)]


def test_a_pointer_behind_the_last_sentence_may_be_cut() -> None:
    assert "Read more: Striker signs" in pieces_of(f"{STORY[0]} Read more: Striker signs")


def test_a_photo_credit_before_the_first_sentence_may_be_cut() -> None:
    assert "Photo: Wire" in pieces_of(f"Photo: Wire {STORY[1]}")


def test_controls_before_the_first_sentence_may_be_cut() -> None:
    assert "Share this" in pieces_of(f"Share this {STORY[0]}")


def test_debris_glued_on_without_a_space_may_be_cut() -> None:
    assert "Read more" in pieces_of(f"{STORY[0]}Read more")
    assert "Getty Images" in pieces_of(f"Getty Images{STORY[0]}")


def test_a_sentence_without_spaces_between_words_may_be_cut() -> None:
    line = "市议会周一晚间以七票对二票决定关闭位于旧渡口的老桥，市长表示维修费用将超过新建一座桥梁的费用。更多新闻"
    assert "更多新闻" in pieces_of(line)


def test_a_cut_never_stands_behind_an_initial_or_a_day() -> None:
    line = "The bill of J. Doe was due on the 3. May, which surprised the whole council and most of the town"
    assert not any(text.endswith(("J.", "3.")) or text.startswith("Doe") for text in pieces_of(line))


def test_a_name_that_stands_elsewhere_in_the_document_is_not_parted(
    cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cleaner.model.span_model.MIN_GRAM_LOGIT", -99)
    line, other = "Ana Ruiz told the meeting that repairs would have cost too much.", "Nobody but Ana Ruiz agreed."

    def heads(*texts: str) -> set[str]:
        lines = Lines(list(texts), np.array([0, len(texts)]), [""])
        found = find_candidates(cleaner._judges.model.line_model, lines, np.ones(len(texts), dtype=np.bool_))
        return {entry.piece.text(texts[entry.line]) for entry in found}

    assert "Ana" in heads(line)
    assert "Ana" not in heads(line, other)


def test_who_is_quoted_is_not_cut_off_the_quotation() -> None:
    assert not pieces_of("“We will build a new bridge and we will build it where the old one stood” — Ana Ruiz")


def test_short_lines_have_nothing_to_cut() -> None:
    assert not pieces_of("She said so. Read more: Striker signs")
    assert all(len(piece.rest(STORY[0])) >= MIN_REST_CHARS - 1 for piece in find_pieces(STORY[0]))


@given(st.text(max_size=400))
def test_a_piece_and_its_rest_give_the_line_back(line: str) -> None:
    for piece in find_pieces(line):
        assert 0 <= piece.start < piece.end <= len(line)
        assert piece.start == 0 or piece.end == len(line)
        assert line[piece.start : piece.end].strip()


PARTS = st.sampled_from(
    [
        "The bridge is closed. ",
        "Read more: Ferry ",
        "(Photo: Wire) ",
        "“No,” she said. ",
        "旧桥关闭。",
        "Share ",
        "é… ",
        " | ",
    ]
)
LINES = st.lists(PARTS, min_size=1, max_size=12).map("".join)


@given(st.lists(LINES, min_size=1, max_size=6))
def test_kept_text_and_cut_pieces_give_each_line_back(eager: Cleaner, rows: list[str]) -> None:
    text = "\n".join(rows)
    article = eager.clean(text)
    assert article.judged is not None
    whole = {removed.line for removed in article.removed if removed.start is None}
    for line in article.lines:
        cuts = [removed for removed in article.removed if removed.line == line.line and removed.start is not None]
        assert all(line.text[cut.start : cut.end] == cut.text for cut in cuts)
        assert all(cut.label not in KEPT for cut in cuts)
        if line.line in whole:
            assert not cuts
        elif cuts:
            heads = [cut.text for cut in cuts if cut.start == 0]
            tails = [cut.text for cut in cuts if cut.start != 0]
            kept = article.judged.kept_text(line.line)
            assert "".join([*heads, kept, *tails]) == line.text
            assert len(kept) >= MIN_REST_CHARS
            assert kept.strip() in article.text or kept.strip() == article.title


def test_cuts_are_the_same_in_any_batch(eager: Cleaner) -> None:
    texts = [
        "\n\n".join(f"{line} {tail}" for line in STORY) for tail in ("Read more: Ferry", "Share", "(Photo: Wire)", "")
    ]
    alone = [list(eager.clean(text).removed) for text in texts]
    together = [list(article.removed) for article in eager.clean_many([Page(text) for text in texts])]  # type: ignore[union-attr]
    backwards = [list(article.removed) for article in eager.clean_many([Page(text) for text in reversed(texts)])]  # type: ignore[union-attr]
    assert alone == together == backwards[::-1]
    assert any(removed.start is not None for removed in alone[0])


def test_a_long_document_is_looked_at_in_pieces(eager: Cleaner) -> None:
    line = f"{STORY[0]} Read more: Ferry"
    article = eager.clean("\n".join([line] * 300))
    scores = [removed.score for removed in article.removed if removed.start is not None][100:200]
    assert len(set(scores)) <= 2


def test_whole_lines_alone_go_by_default(cleaner: Cleaner) -> None:
    article = cleaner.clean("\n\n".join(f"{line} Read more: Striker signs" for line in STORY))
    assert all(removed.start is None for removed in article.removed)


def test_the_model_names_what_cut(eager: Cleaner, fitted: Path) -> None:
    spans = load_span_model(load_model(fitted))
    assert eager.clean(STORY[0]).model == f"{eager.model_name}+spans@{spans.name}"


def test_markdown_lacks_what_was_cut_off(eager: Cleaner) -> None:
    marked = Cleaner(eager._judges.model.path, replace(eager.options, markdown=True))
    marked._judges._spans = eager._judges._spans
    article = marked.clean("\n\n".join(f"{line} *Read more*: Striker" for line in STORY))
    cut = [removed for removed in article.removed if removed.start is not None]
    assert cut and article.markdown is not None
    assert "Striker" not in article.markdown


def test_the_headline_keeps_all_its_words(eager: Cleaner) -> None:
    headline = "Council closes the old bridge at Marrow Ford for good. The market waits"
    article = eager.clean("\n\n".join([headline, *STORY]), title=headline)
    assert article.title == headline
    assert not any(removed.line == 0 for removed in article.removed)


def test_pages_in_html_lose_whole_lines_only(eager: Cleaner) -> None:
    sections = ("Home", "World", "Sport", "Town", "Weather") * 8
    menu = "".join(f"<li><a href='/{section}'>{section}</a></li>" for section in sections)
    story = "".join(f"<p>{line} Read more: Striker signs</p>" for line in STORY * 3)
    article = eager.clean(html=f"<html><body><nav><ul>{menu}</ul></nav><article>{story}</article></body></html>")
    assert article.judged is not None and article.judged.page_lines.walked is not None
    assert all(removed.start is None for removed in article.removed)


def test_annotating_cuts_nothing(fitted: Path) -> None:
    article = Cleaner(fitted, cut="spans", annotate=True).clean("\n\n".join(STORY))
    assert article.text == "\n\n".join(STORY)
    assert not article.removed


def test_records_and_tables_carry_the_span(eager: Cleaner) -> None:
    pa = pytest.importorskip("pyarrow")
    text = "\n\n".join(f"{line} Read more: Ferry" for line in STORY)
    rows = clean_table(eager, pa.table({"text": [text]})).column("removed").to_pylist()[0]
    cut = next(removed for removed in eager.clean(text).removed if removed.start is not None)
    record = cut.to_record()
    assert record == {key: value for key, value in rows[0].items() if key != "reason"}
    assert set(cut.to_record(with_text=False)) == {"line", "label", "score", "start", "end"}


def test_the_account_tells_pieces_from_lines(eager: Cleaner) -> None:
    article = eager.clean("\n\n".join(f"{line} Read more: Ferry" for line in STORY))
    findings = Findings()
    findings.count(article)
    assert sum(findings.removed.values()) == article.lines_in - article.lines_out
    assert sum(findings.pieces.values()) == len(article.removed) - sum(findings.removed.values()) > 0
    assert Findings.from_json(findings.to_json()).pieces == findings.pieces


def test_explain_shows_what_was_cut_off(eager: Cleaner) -> None:
    explanation = eager.explain("\n\n".join(f"{line} Read more: Ferry" for line in STORY))
    cuts = [cut for row in explanation.lines for cut in row.cuts]
    rows = "\n".join(plain_rows(explanation, "story", "balanced", 1))
    page = render_page(explanation, source="story")
    assert cuts and f"{len(cuts)} pieces cut off" in rows
    assert all(f"cut off as {cut.label}" in rows for cut in cuts)
    assert page.count('<del class="piece') == len(cuts)


def test_a_model_that_was_not_fitted_for_it_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "plain-1"
    shutil.copytree(find_model(DEFAULT_MODEL), folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["sha256"].pop(SPAN_WEIGHTS, None)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    Cleaner(folder)
    with pytest.raises(ModelError, match="train-spans"):
        Cleaner(folder, cut="spans")


def test_altered_weights_are_refused_and_found_by_verify(fitted: Path, tmp_path: Path) -> None:
    folder = tmp_path / "altered-1"
    shutil.copytree(fitted, folder)
    assert not verify_model(folder)
    (folder / SPAN_WEIGHTS).write_bytes(b"PK")
    with pytest.raises(ModelError, match=SPAN_WEIGHTS):
        Cleaner(folder, cut="spans")
    with pytest.raises(ModelError, match=SPAN_WEIGHTS):
        verify_model(folder)


def test_cut_takes_lines_or_spans() -> None:
    with pytest.raises(UsageError, match="lines, spans"):
        CleanOptions(cut="words")  # type: ignore[arg-type]
    assert CleanOptions().hash() != CleanOptions(cut="spans").hash()


def test_a_piece_is_debris_only_within_what_was_glued_on() -> None:
    line, teaser = "The bridge is closed. Read more: Ferry", LABEL_INDEX["teaser"]
    seam = Seam(False, len("The bridge is closed."), len("The bridge is closed. "), teaser)

    def label(text: str) -> int:
        return seam.label_of(Piece(line.index(text), len(line), "stop"))

    assert label(" Read more: Ferry") == label("Read more: Ferry") == teaser
    assert label(" Ferry") == UNSURE
    assert label(" closed. Read more: Ferry") == BODY
    assert seam.label_of(Piece(0, 4, "capital")) == BODY


def test_debris_is_glued_to_paragraphs_of_other_sites(cleaner: Cleaner) -> None:
    documents, _ = read_labels(DATA / "lines.jsonl")
    made, seams = glue_debris(cleaner._judges.model, documents, 40, np.random.default_rng(0), {})
    hosts = {document.id: document for document in documents}
    assert len(made) == 40 and seams
    for (number, line), seam in seams.items():
        text, before = made[number].lines[line], hosts[made[number].id].lines[line]
        assert text == (text[: seam.end] + before if seam.is_head else before + text[seam.start :])
        glued = text[: seam.start] if seam.is_head else text[seam.end :]
        assert glued not in hosts[made[number].id].lines


def test_what_a_reader_said_of_a_piece_is_learned(cleaner: Cleaner) -> None:
    line = f"{STORY[0]} Share this with your friends and family."
    start = len(STORY[0])
    document = LabelledDocument("d1", (line, *STORY[1:]), np.full(3, BODY))
    promo = LABEL_INDEX["promo"]
    for digest, is_learned in ((digest_piece(line[start:]), True), ("000000", False)):
        cases = real_cases(cleaner._judges.model, [document], {("d1", 0): {(start, len(line)): (digest, promo)}})
        assert (promo in cases.labels[cases.read]) == is_learned


def test_a_damaged_table_of_pieces_is_told_by_its_row(tmp_path: Path) -> None:
    table = tmp_path / "spans.tsv"
    table.write_text("id\tline\tstart\tend\tdigest\tlabel\nd1\t0\t5\t9\tabcdef\tslogan\n", encoding="utf-8")
    with pytest.raises(InputError, match="row 1"):
        read_span_labels(table)


def test_thresholds_are_as_high_as_the_promised_precision_needs() -> None:
    scores = np.array([0.99, 0.98, 0.97, 0.8, 0.7, 0.6])
    right = np.array([True, True, True, False, True, True])
    nowhere = np.zeros(6, dtype=np.bool_)
    outcomes = Outcomes(scores, right, ~right, nowhere, np.full(6, MADE), nowhere)
    figures = measure_side(outcomes, "tail", 8)
    assert figures["threshold"] == 0.81
    assert (figures["made"]["right"], figures["made"]["wrong"], figures["made"]["n_glued"]) == (3, 0, 8)


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert wilson_interval(49, 50) == pytest.approx((0.8950, 0.9965), abs=1e-4)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_the_labels_of_pieces_hold_no_text() -> None:
    rows = (DATA / "labels" / "spans.tsv").read_text(encoding="utf-8").splitlines()
    assert rows[0].split("\t") == ["id", "line", "start", "end", "digest", "label"]
    assert read_span_labels(DATA / "labels" / "spans.tsv")
    assert all(len(row.split("\t")[4]) == 6 for row in rows[1:])
