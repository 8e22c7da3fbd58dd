"""Plain text into lines."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleaner.extract.text import split_text

# Everything that some software takes for a line break or for white space, among letters.
odd_text = st.text(alphabet="ab \t\n\r\x00\x0b\x0c\x1c\x85\u00a0\u2028\u2029\u3000\ufeff😀", max_size=40)


def test_rows_between_newlines_are_lines_and_empty_rows_are_not() -> None:
    assert split_text("Bridge closed\n\n\nThe council voted.\n").texts == ["Bridge closed", "The council voted."]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_each_kind_of_line_break_ends_one_line(line_break: str) -> None:
    lines = split_text(line_break.join(["One.", "Two.", "", "Three."]))
    assert (lines.texts, lines.gaps) == (["One.", "Two.", "Three."], [False, False, True])


def test_kinds_of_line_breaks_may_be_mixed_in_one_text() -> None:
    lines = split_text("One.\r\nTwo.\rThree.\n\rFour.\r\r\nFive.")
    assert lines.texts == ["One.", "Two.", "Three.", "Four.", "Five."]
    assert lines.gaps == [False, False, False, True, True]


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\x00"])
def test_a_character_that_python_or_unicode_calls_a_line_end_stays_inside_its_line(character: str) -> None:
    text = f"The council{character}voted."
    assert split_text(text).texts == [text]


def test_spacing_inside_a_line_stays_as_it_came() -> None:
    assert split_text("  Goals:\t 3\u00a0 – 1  \n").texts == ["Goals:\t 3\u00a0 – 1"]


def test_a_row_of_spaces_counts_as_a_blank_row() -> None:
    assert split_text("One.\n \u00a0\t\nTwo.").gaps == [False, True]


@pytest.mark.parametrize("text", ["", "\n", " \r\n\t\r ", "\u2028", "\x0c\n"])
def test_a_text_of_white_space_has_no_lines(text: str) -> None:
    lines = split_text(text)
    assert (lines.texts, lines.starts, lines.ends, lines.gaps) == ([], [], [], [])


def test_offsets_count_code_points_not_bytes() -> None:
    lines = split_text("😀 Größe\r\n  Ende")
    assert list(zip(lines.starts, lines.ends, strict=True)) == [(0, 7), (11, 15)]


@given(odd_text)
def test_offsets_give_each_line_back_and_leave_out_only_white_space(text: str) -> None:
    lines = split_text(text)
    assert [text[start:end] for start, end in zip(lines.starts, lines.ends, strict=True)] == lines.texts
    borders = [0, *(offset for pair in zip(lines.starts, lines.ends, strict=True) for offset in pair), len(text)]
    outside = [text[start:end] for start, end in zip(borders[::2], borders[1::2], strict=True)]
    assert not any(part.strip() for part in outside)


@given(odd_text)
def test_lines_are_stripped_and_hold_no_line_break(text: str) -> None:
    for line in split_text(text).texts:
        assert line and line == line.strip() and "\n" not in line and "\r" not in line


@given(odd_text)
def test_a_gap_is_a_blank_row_and_nothing_else(text: str) -> None:
    lines = split_text(text)
    previous_end = 0
    for number, (start, end, gap) in enumerate(zip(lines.starts, lines.ends, lines.gaps, strict=True)):
        n_breaks = len(re.findall(r"\r\n|\n|\r", text[previous_end:start]))
        assert gap == (n_breaks >= (2 if number else 1))
        assert number == 0 or n_breaks >= 1
        previous_end = end
