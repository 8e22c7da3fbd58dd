from __future__ import annotations

import pytest

from cleaner import Cleaner
from cleaner.errors import UsageError
from cleaner.features.hints import compile_hints

ARTICLE = """Mayor reopens flood bridge after two years

The bridge over the Tarn was closed when the river rose in 2019 and took part of the eastern pier with it.

Zorblatt dispatch of the evening

Ana Ruiz, the mayor of Brackwater, cut the ribbon on Monday and walked across with forty schoolchildren.

Engineers say the new pier will stand a flood that comes once in two hundred years."""


def test_a_phrase_is_found_whatever_its_case_and_spacing_but_not_inside_a_word() -> None:
    hints = compile_hints(["more  news", "ad"], [])
    assert hints.evidence(["MORE NEWS: x", "read more   news", "no more newspapers", "bad", "an ad here"]).tolist() == [
        1, 1, 0, 0, 1,
    ]  # fmt: skip


def test_keep_wins_over_drop_on_the_same_line() -> None:
    assert compile_hints(["news"], ["good news"]).evidence(["good news", "bad news"]).tolist() == [-1, 1]


def test_a_phrase_between_slashes_is_a_regular_expression() -> None:
    assert compile_hints(["/^from the archive, \\d{4}/"], []).evidence(
        ["From the archive, 1987", "from it"]
    ).tolist() == [1, 0]


def test_blank_lines_and_comments_of_a_phrase_file_are_no_phrases() -> None:
    assert not compile_hints(["", "  ", "# our own pointers"], [])


def test_a_broken_regular_expression_is_a_usage_error_that_shows_it() -> None:
    with pytest.raises(UsageError, match=r"/\(/"):
        Cleaner(drop_like=["/(/"])


def test_a_line_with_the_users_drop_phrase_goes() -> None:
    article = Cleaner(drop_like=["zorblatt dispatch"]).clean(ARTICLE)
    assert [line.text for line in article.removed] == ["Zorblatt dispatch of the evening"]


def test_a_line_with_the_users_keep_phrase_stays() -> None:
    text = ARTICLE.replace("Zorblatt dispatch of the evening", "Read more: Striker signs for rivals")
    assert "Striker" not in Cleaner().clean(text).text
    assert "Striker" in Cleaner(keep_like=["striker signs"]).clean(text).text


def test_explain_names_the_phrase_that_tipped_a_decision_and_no_other() -> None:
    # In this mode the line stays without the phrase.
    explained = Cleaner(drop_like=["zorblatt", "ribbon-like thing"], mode="recall").explain(ARTICLE)
    assert [(line.line.line, line.hint) for line in explained.lines if line.hint] == [(2, "zorblatt")]
