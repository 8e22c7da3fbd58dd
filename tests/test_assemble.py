"""From judged lines to the article: nothing is lost, nothing stands twice."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleaner.assemble import assemble, choose_headline
from cleaner.extract.text import split_text
from cleaner.labels import LABEL_INDEX, LABELS
from cleaner.types import Article, Judged, Metadata, Page, PageLines

DEBRIS = {"interface", "teaser", "offtopic", "promo"}


def article_of(
    text: str, *labels: str, title: str | None = None, metadata: Metadata | None = None, annotate: bool = False
) -> Article:
    """The article of a text whose lines have these labels; debris goes, all else stays."""
    lines = split_text(text)
    if metadata is not None:
        lines = PageLines(lines.texts, lines.starts, lines.ends, lines.gaps, metadata)
    numbers = [LABEL_INDEX[label] for label in labels]
    scores = [0.9 if label in DEBRIS else 0.1 for label in labels]
    judged = Judged(lines, numbers, scores, [label not in DEBRIS for label in labels])
    annotated = text if annotate else None
    return assemble(Page(text, title=title), judged, annotated=annotated, model="m", options_hash="h")


def test_a_teaser_between_paragraphs_goes_and_is_accounted_for() -> None:
    article = article_of("The council voted.\n\nMore news: Rain\n\nShe will sign.", "body", "teaser", "body")
    assert article.text == "The council voted.\n\nShe will sign."
    assert [removed.to_record() for removed in article.removed] == [
        {"line": 1, "label": "teaser", "score": 0.9, "text": "More news: Rain"}
    ]
    assert (article.lines_in, article.lines_out) == (3, 2)


def test_hard_wrapped_text_stays_hard_wrapped() -> None:
    text = "The council voted\nto close the bridge.\n\nMayor Ruiz\nwill sign."
    assert article_of(text, *["body"] * 4).text == text


def test_a_line_that_goes_leaves_a_newline_between_rows_that_stood_together() -> None:
    assert article_of("One.\nShare\nTwo.", "body", "interface", "body").text == "One.\nTwo."


@pytest.mark.parametrize("text", ["One.\n\nShare\nTwo.", "One.\nShare\n\nTwo.", "One.\n \nShare\n\t\n\nTwo."])
def test_a_line_that_goes_leaves_a_blank_row_where_one_stood_anywhere_between(text: str) -> None:
    assert article_of(text, "body", "interface", "body").text == "One.\n\nTwo."


def test_many_blank_rows_become_one() -> None:
    assert article_of("One.\n\n\n\nTwo.\n\n", "body", "body").text == "One.\n\nTwo."


def test_the_headline_is_the_title_and_not_repeated_in_the_text() -> None:
    article = article_of("Old bridge to close\n\nThe council voted.", "title", "body")
    assert (article.title, article.text) == ("Old bridge to close", "The council voted.")


def test_a_standfirst_and_a_sub_head_stay_in_the_text() -> None:
    article = article_of("Old bridge to close\n\nNew one by May\n\nThe vote\n\nAye.", "title", "title", "title", "body")
    assert article.text == "New one by May\n\nThe vote\n\nAye."


def test_a_second_copy_of_the_headline_is_removed_as_a_repeat() -> None:
    text = "Old bridge to “close”\n\nOLD BRIDGE TO CLOSE\n\nThe council voted."
    article = article_of(text, "title", "title", "body")
    assert article.text == "The council voted."
    assert [removed.to_record() for removed in article.removed] == [
        {"line": 1, "label": "title", "score": 0.1, "text": "OLD BRIDGE TO CLOSE", "reason": "repeat"}
    ]


def test_a_short_answer_that_equals_the_headline_stays_in_the_story() -> None:
    assert article_of("Why?\n\nWhy?\n\nBecause.", "title", "body", "body").text == "Why?\n\nBecause."


def test_the_headline_is_the_title_line_that_agrees_best_with_the_pages_own_title() -> None:
    text = "Weather special\n\nOld bridge to close by May\n\nThe council voted."
    known = Metadata(("Old bridge to close in May",))
    assert article_of(text, "title", "title", "body", metadata=known).title == "Old bridge to close by May"


def test_the_title_of_the_head_helps_to_choose_the_headline_but_is_none_itself() -> None:
    known = Metadata(head_title="Old bridge to close | The Herald")
    text = "Weather special\n\nOld bridge to close\n\nThe council voted."
    assert article_of(text, "title", "title", "body", metadata=known).title == "Old bridge to close"
    assert article_of("The council voted.", "body", metadata=known).title is None


def test_without_agreement_the_first_title_line_is_the_headline() -> None:
    assert choose_headline([2, 5], ["", "", "Heavy rain", "", "", "Much sun"], ["Council votes"]) == 2
    assert choose_headline([2, 5], ["", "", "Heavy rain", "", "", "Much sun"], []) == 2
    assert choose_headline([], ["Rain"], ["Rain"]) is None


def test_a_headline_in_chinese_is_compared_by_its_characters() -> None:
    assert choose_headline([0, 1], ["天气预报", "旧桥将关闭"], ["旧桥将于五月关闭"]) == 1


def test_without_a_title_line_the_inputs_title_serves_then_the_pages() -> None:
    known = Metadata(("Bridge: council votes",))
    assert article_of("The council voted.", "body", title=" Old bridge ", metadata=known).title == "Old bridge"
    assert article_of("The council voted.", "body", title="  ", metadata=known).title == "Bridge: council votes"
    assert article_of("The council voted.", "body").title is None


def test_a_body_line_that_is_the_inputs_title_becomes_the_title_and_is_not_repeated() -> None:
    article = article_of("“Old bridge” to close\n\nThe council voted.", "body", "body", title="Old bridge to close")
    assert (article.title, article.text) == ("“Old bridge” to close", "The council voted.")


@pytest.mark.parametrize(
    ("labels", "verdict"),
    [
        (["title", "body", "teaser"], "article"),
        (["title", "teaser", "promo"], "no_article"),
        (["offtopic", "offtopic", "body"], "spam"),
    ],
)
def test_the_verdict_follows_from_what_the_lines_are(labels: list[str], verdict: str) -> None:
    assert article_of("Line number one.\nLine number two.\nLine number three.", *labels).verdict == verdict


def test_an_empty_document_is_no_article_with_empty_text() -> None:
    article = article_of(" \n")
    assert (article.verdict, article.text, article.title, article.removed, article.lines_in) == (
        "no_article", "", None, (), 0,
    )  # fmt: skip


def test_quality_is_the_expected_share_of_right_lines() -> None:
    assert article_of("One.\nShare\nTwo.", "body", "interface", "body").quality == pytest.approx(0.9)


def test_annotating_removes_nothing_and_leaves_the_text_as_given() -> None:
    text = "\r\nOld bridge\r\n\r\n  Share \nOld bridge\n\n\nThe council voted.\n"
    article = article_of(text, "title", "interface", "title", "body", annotate=True)
    assert (article.text, article.removed, article.lines_out) == (text, (), 4)
    assert [article.text[line.start : line.end] for line in article.lines] == [line.text for line in article.lines]
    assert [line.label for line in article.lines] == ["title", "interface", "title", "body"]


documents = st.lists(
    st.tuples(
        st.sampled_from(
            ["Old bridge to close", "old bridge to close!", "Rain.", "Share", "Why?", "Sun \u2028 and\x00 rain"]
        ),
        st.sampled_from(["\n", "\n\n", "\r\n", "\r\n \r\n", "\r"]),
        st.sampled_from(LABELS),
    ),
    max_size=8,
)


@given(documents, st.sampled_from([None, "Rain", "Old bridge to close"]))
def test_each_line_is_in_title_text_or_removed_exactly_once(rows: list[Any], title: str | None) -> None:
    article = article_of("".join(line + end for line, end, _ in rows), *(label for *_, label in rows), title=title)
    removed = {line.line for line in article.removed}
    left = [line for number, (line, *_) in enumerate(rows) if number not in removed]
    shown = split_text(article.text).texts
    if len(shown) < len(left):
        assert article.title in left
        left.remove(article.title)
    assert sorted(shown) == sorted(left)
    assert [line.text for line in article.removed] == [rows[line.line][0] for line in article.removed]
    assert article.lines_out == article.lines_in - len(removed)


@given(documents)
def test_kept_lines_keep_their_order_and_spacing(rows: list[Any]) -> None:
    rows = [(line, end, "body" if label in DEBRIS else "interface") for line, end, label in rows]
    text = "".join(line + end for line, end, _ in rows)
    article, given = article_of(text, *(label for *_, label in rows)), split_text(text)
    kept = [number for number, (*_, label) in enumerate(rows) if label == "body"]
    shown = split_text(article.text)
    assert shown.texts == [given.texts[number] for number in kept]
    gaps = [any(given.gaps[before + 1 : after + 1]) for before, after in pairwise(kept)]
    assert list(shown.gaps[1:]) == gaps
