"""Records in and out: what passes through, under which name."""

from __future__ import annotations

from typing import Any

import pytest

from cleaner.options import CleanOptions
from cleaner.record import article_record, page_from_record, passed_fields
from cleaner.types import RECORD_FIELDS, Article, Judged, Page, PageLines, Rejected, Removed


def article(**fields: Any) -> Article:
    given: dict[str, Any] = {
        "id": "a", "url": None, "title": "Old bridge", "text": "The council voted.", "verdict": "article",
        "quality": 0.9, "lines_in": 3, "lines_out": 2, "removed": (Removed(1, "interface", 0.97, "Share"),),
        "model": "m", "options_hash": "h",
    }  # fmt: skip
    return Article(**given | fields)


def page(record: dict[str, Any], **columns: str) -> Page:
    outcome = page_from_record(record, **columns)
    assert isinstance(outcome, Page)
    return outcome


def test_a_record_out_has_every_field_in_the_order_of_the_contract() -> None:
    assert tuple(article_record(article(), CleanOptions())) == RECORD_FIELDS


def test_removed_lines_come_with_text_without_it_or_not_at_all() -> None:
    full = article_record(article(), CleanOptions())["removed"]
    labels = article_record(article(), CleanOptions(removed="labels"))["removed"]
    assert full == [{"line": 1, "label": "interface", "score": 0.97, "text": "Share"}]
    assert labels == [{"line": 1, "label": "interface", "score": 0.97}]
    assert "removed" not in article_record(article(), CleanOptions(removed="none"))


def test_lines_are_there_when_annotating_and_null_otherwise() -> None:
    judged = Judged(PageLines(["Share"], [2], [7], [False]), [5], [0.97], [False])
    assert article_record(article(judged=judged), CleanOptions())["lines"] is None
    assert article_record(article(judged=judged), CleanOptions(annotate=True))["lines"] == [
        {"line": 0, "start": 2, "end": 7, "label": "interface", "score": 0.97}
    ]


def test_fields_that_are_not_ours_pass_through_with_value_and_type() -> None:
    extra = {"n": 2**70, "tags": ["a", {"b": None}], "ratio": 0.1}
    record = article_record(article(extra=extra), CleanOptions())
    assert {name: record[name] for name in extra} == extra


def test_a_field_with_one_of_our_names_comes_out_as_input() -> None:
    record = article_record(article(extra={"lang": "de", "title": 5}), CleanOptions())
    assert (record["lang"], record["input_lang"], record["title"], record["input_title"]) == (
        None,
        "de",
        "Old bridge",
        5,
    )


def test_a_record_that_was_cleaned_before_loses_no_value() -> None:
    assert passed_fields({"title": "new", "input_title": "old", "input_input_title": "oldest"}) == {
        "input_input_input_title": "new",
        "input_title": "old",
        "input_input_title": "oldest",
    }


def test_html_wins_over_text_and_neither_is_copied() -> None:
    given = page({"text": "T", "html": "<p>H", "title": "Old bridge", "url": "u", "id": 7, "n": 1})
    assert (given.body, given.kind, given.id, given.url, given.title) == ("<p>H", "html", 7, "u", "Old bridge")
    assert given.extra == {"title": "Old bridge", "n": 1}


@pytest.mark.parametrize("html", ["", " \n", None, b"", float("nan")])
def test_an_empty_html_falls_back_to_the_text(html: Any) -> None:
    assert page({"text": "T", "html": html}).body == "T"


@pytest.mark.parametrize("record", [{"text": ""}, {"html": ""}, {"text": "", "html": None}])
def test_an_empty_document_is_a_document(record: dict[str, Any]) -> None:
    assert page(record).body == ""


@pytest.mark.parametrize("record", [{}, {"text": None}, {"html": None, "text": float("nan")}, {"body": "T"}])
def test_a_record_without_text_and_html_is_rejected(record: dict[str, Any]) -> None:
    outcome = page_from_record({"id": 7, **record}, source="in.jsonl", position=3)
    assert outcome == Rejected(7, "no_text", "the record has neither 'text' nor 'html'", "in.jsonl", 3)


@pytest.mark.parametrize(
    "record", [{"text": 5}, {"html": ["<p>"], "text": "T"}, {"html": None, "text": {}}, {"text": 1.5}]
)
def test_a_document_that_is_no_string_is_rejected_by_its_type(record: dict[str, Any]) -> None:
    outcome = page_from_record(record)
    assert isinstance(outcome, Rejected) and outcome.reason == "bad_type"


def test_a_title_that_is_no_string_is_passed_on_and_nothing_more() -> None:
    given = page({"text": "T", "title": 1984})
    assert (given.title, given.extra) == (None, {"title": 1984})


def test_columns_of_other_names_are_read_and_pass_through_but_for_the_document() -> None:
    columns = {"text_column": "body", "title_column": "head", "id_column": "key"}
    given = page({"body": "T", "head": "Old bridge", "key": 7, "id": 8, "text": "other"}, **columns)
    assert (given.body, given.title, given.id) == ("T", "Old bridge", 7)
    record = passed_fields(given.extra)
    assert record == {"head": "Old bridge", "key": 7, "input_id": 8, "input_text": "other"}
