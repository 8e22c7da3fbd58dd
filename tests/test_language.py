"""The language of a page, as declared and as told by its text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleaner.extract.language import tell_language, to_language_tag

ENGLISH = ["The council voted on Monday to close the old bridge, and the mayor said that she would sign it."]
GERMAN = ["Der Rat hat am Montag beschlossen, die alte Brücke zu sperren, sagte die Bürgermeisterin."]
SPANISH = ["El concejo decidió el lunes cerrar el puente viejo, según dijo la alcaldesa a los periodistas."]
JAPANESE = ["市議会は月曜日、古い橋を閉鎖することを決めたと市長が記者団に語った。来週にも署名する予定だという。"]


@pytest.mark.parametrize(
    ("declared", "tag"),
    [
        ("de", "de"),
        ("de-at", "de-AT"),
        ("EN_us", "en-US"),
        ("zh-hans-cn", "zh-Hans-CN"),
        ("zh-cmn-Hans", "zh-Hans"),
        ("es-419", "es-419"),
        ("deu", "de"),
        ("en,english", "en"),
        ("english", "en"),
        ("Deutsch, German", "de"),
        ("In-Id", "id-ID"),
        ("jp", "ja"),
        ("es_AR.UTF-8", "es-AR"),
        ("und", None),
        ("lang=", None),
        ("", None),
    ],
)
def test_a_declared_language_becomes_a_tag(declared: str, tag: str | None) -> None:
    assert to_language_tag(declared) == tag


@pytest.mark.parametrize(("texts", "language"), [(ENGLISH, "en"), (GERMAN, "de"), (SPANISH, "es"), (JAPANESE, "ja")])
def test_a_text_without_a_declaration_tells_its_language(texts: list[str], language: str) -> None:
    assert tell_language(None, texts) == language


def test_english_that_the_text_contradicts_is_not_believed() -> None:
    assert tell_language("en-US", GERMAN) == "de"


def test_english_that_the_text_confirms_keeps_its_region() -> None:
    assert tell_language("en-GB", ENGLISH) == "en-GB"


def test_another_declared_language_is_believed() -> None:
    assert tell_language("nl", ENGLISH) == "nl"


@pytest.mark.parametrize("texts", [[], ["Menu"], ["7:2", "3:1"]])
def test_too_little_text_leaves_what_is_declared(texts: list[str]) -> None:
    assert (tell_language(None, texts), tell_language("en", texts)) == (None, "en")


def test_a_few_english_buttons_do_not_hide_the_language_of_the_article() -> None:
    assert tell_language("en", ["Share", "Read more of this in the app", *GERMAN * 4]) == "de"


@given(st.text(), st.lists(st.text()))
def test_no_text_stops_the_telling_of_a_language(declared: str, texts: list[str]) -> None:
    tell_language(to_language_tag(declared), texts)
