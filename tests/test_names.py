"""Names of authors as bylines and metadata write them."""

from __future__ import annotations

import pytest

from cleaner.extract.names import fold_name, is_full_name, is_person, split_names


@pytest.mark.parametrize(
    "byline",
    [
        "Ana Ruiz",
        "By Ana Ruiz",
        "by: Ana Ruiz",
        "Written by Ana Ruiz",
        "View all posts by Ana Ruiz",
        "Von Ana Ruiz",
        "Author: Ana Ruiz",
        "Ana Ruiz | The Herald",
        "Ana Ruiz - Staff Writer",
        "Ana Ruiz (ana@herald.example)",
        "ana@herald.example (Ana Ruiz)",
        "Ana Ruiz https://herald.example/ana",
        "www.herald.example | Ana Ruiz",
        '<a href="/ana">Ana Ruiz</a>',
        "Ana&nbsp;Ruiz",
        "Ana Ruiz (aru)",
        "  Ana\n Ruiz , ",
    ],
)
def test_of_a_byline_the_name_alone_remains(byline: str) -> None:
    assert split_names([byline]) == ["Ana Ruiz"]


@pytest.mark.parametrize(
    "byline",
    [
        "Ana Ruiz, Bo Lund",
        "Ana Ruiz and Bo Lund",
        "Ana Ruiz und Bo Lund",
        "Ana Ruiz; Bo Lund",
        "By Ana Ruiz and Bo Lund, Ana Ruiz",
    ],
)
def test_a_byline_of_two_people_gives_two_names(byline: str) -> None:
    assert split_names([byline]) == ["Ana Ruiz", "Bo Lund"]


def test_names_from_several_places_are_said_once_each() -> None:
    assert split_names(["Ana Ruiz", "ANA RUIZ", "Bo Lund"]) == ["Ana Ruiz", "Bo Lund"]


def test_a_company_with_and_in_its_name_stays_whole() -> None:
    assert split_names(["Lund and Sons"]) == ["Lund and Sons"]


def test_a_name_that_begins_like_by_stays_whole() -> None:
    assert split_names(["Byron Lund", "Vonda Ruiz", "Paris Day"]) == ["Byron Lund", "Vonda Ruiz", "Paris Day"]


def test_a_section_with_a_dash_stays_whole() -> None:
    assert split_names(["Herald – News of the Day"]) == ["Herald – News of the Day"]


@pytest.mark.parametrize(
    "value",
    [
        "https://herald.example/ana",
        "//herald.example/staff/ana",
        "www.herald.example",
        "ana@herald.example",
        "@anaruiz",
        "admin",
        "null",
        "-",
        "12345",
        "Photo: Agency",
        "Ana" * 40,
        "",
    ],
)
def test_addresses_accounts_and_empty_words_name_nobody(value: str) -> None:
    assert split_names([value]) == []


def test_no_more_than_twenty_names_are_taken() -> None:
    assert len(split_names(f"Ana {letter * 3}" for letter in "abcdefghijklmnopqrstuvwxyz")) == 20


@pytest.mark.parametrize("name", ["The Herald", "herald", "Herald.example", "ana-ruiz", "ana_ruiz", "aruiz7"])
def test_names_of_the_site_of_domains_and_of_accounts_are_no_persons(name: str) -> None:
    assert not is_person(name, {fold_name("The Herald")})


@pytest.mark.parametrize("name", ["Ana Ruiz", "Zach", "J.R. Lund", "阿娜"])
def test_other_names_may_be_persons(name: str) -> None:
    assert is_person(name, {fold_name("The Herald")})


@pytest.mark.parametrize("name", ["Ana Ruiz", "Ludwig van der Berg", "J. R. O’Lund", "Ана Руис", "ANA RUIZ"])
def test_two_words_in_capitals_are_a_full_name(name: str) -> None:
    assert is_full_name(name)


@pytest.mark.parametrize("name", ["Ana", "staff reports today", "All Authors", "Sports Team", "Ana Ruiz Bo Lund Cy"])
def test_single_words_links_and_desks_are_no_full_names(name: str) -> None:
    assert not is_full_name(name)
