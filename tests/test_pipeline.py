"""`Cleaner`: one outcome for each document, whatever stands beside it."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cleaner as package
from cleaner import Article, Cleaner, CleanOptions, DocumentError, Page, Rejected
from cleaner.errors import ModelError, UsageError
from cleaner.extract.text import split_text

MakeCleaner = Callable[..., Cleaner]

DOCUMENTS: list[Any] = [
    "Old bridge to close\n\nThe council voted on Monday.\n\nMore news: Rain\n\nMayor Ruiz will sign.",
    "",
    "Share\nTweet\nPrint",
    b"caf\xe9 and r\xe9sum\xe9\r\n\r\nThe chef said so.",
    {"id": 3, "text": "Rovers win cup\rThey won 3-1.\r\rGet our newsletter", "title": "Rovers win the cup", "n": [1]},
    {"id": 4, "html": "<h1>Rain</h1><p>It rained on Monday, and the river rose.</p><p>Accept all cookies</p>"},
    {"id": 5, "text": None},
    Page("市议会周一投票决定关闭旧桥。\n\n更多新闻", id="zh"),
    None,
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01\x02\x03\x04",
    "One \u2028 line \x0c only\x00.",
    "word " * 3000,
]


def test_an_article_loses_its_debris_and_keeps_its_story(marked: MakeCleaner) -> None:
    article = marked().clean("title|Old bridge to close\n\nThe council voted.\n\nteaser|Rain\n\nShe will sign.")
    assert article.ok
    assert article.title == "title|Old bridge to close"
    assert article.text == "The council voted.\n\nShe will sign."
    assert [(line.line, line.label, line.text) for line in article.removed] == [(2, "teaser", "teaser|Rain")]


def test_keep_decides_which_classes_stay(marked: MakeCleaner) -> None:
    text = "The council voted.\n\ncaption|The bridge\n\nteaser|Rain"
    assert marked(keep="+caption").clean(text).text == "The council voted.\n\ncaption|The bridge"
    assert marked(keep="teaser").clean(text).text == "teaser|Rain"


def test_lines_tell_class_score_and_place_of_each_line(marked: MakeCleaner) -> None:
    text = "The council voted.\r\n\r\n ad|Buy"
    lines = marked().clean(text).lines
    assert [(line.label, line.score, line.kept, text[line.start : line.end]) for line in lines] == [
        ("body", 0.1, True, "The council voted."),
        ("ad", 0.9, False, "ad|Buy"),
    ]


def test_annotating_gives_offsets_into_the_text_of_the_article(marked: MakeCleaner) -> None:
    cleaner = marked(annotate=True)
    for article in (
        cleaner.clean("title|Bridge\r\n\r\n ad|Buy \r\nThe vote."),
        cleaner.clean(html="<h1>title|Bridge</h1><p>ad|Buy<p>The vote."),
        cleaner.clean("für alle\n\nad|Buy".encode("utf-16")),
    ):
        assert [article.text[line.start : line.end] for line in article.lines] == [line.text for line in article.lines]
        assert (len(article.lines), article.removed) == (article.lines_in, ())


def test_bytes_are_decoded_and_the_encoding_is_named(marked: MakeCleaner) -> None:
    article = marked().clean("Die Brücke bleibt zu, sagte die Bürgermeisterin.".encode("cp1252"))
    assert (article.text, article.encoding) == ("Die Brücke bleibt zu, sagte die Bürgermeisterin.", "windows-1252")
    assert marked().clean("Brücke").encoding is None


def test_lone_surrogates_of_text_and_title_are_replaced_and_those_of_the_text_counted(marked: MakeCleaner) -> None:
    article = marked().clean("It rained \ud800 on \udfff Monday.", title="Ra\ud800in")
    assert (article.text, article.title, article.n_replaced) == ("It rained \ufffd on \ufffd Monday.", "Ra\ufffdin", 2)


def test_markup_given_as_text_stays_as_it_came(marked: MakeCleaner) -> None:
    text = "<p>The council voted.</p>\n<p>She &amp; he agreed.</p>"
    assert marked().clean(text).text == text


def test_text_given_as_html_is_cleaned_like_text(marked: MakeCleaner) -> None:
    article = marked().clean(html="The council voted\non Monday.\n\nteaser|Rain\n\nShe will sign.")
    assert article.text == "The council voted\non Monday.\n\nShe will sign."


def test_text_given_as_html_has_offsets_into_the_text_that_comes_out(marked: MakeCleaner) -> None:
    article = marked(annotate=True).clean(html="  The council &amp; Ruiz voted.\n She   will sign. \nteaser|Rain")
    assert [article.text[line.start : line.end] for line in article.lines] == [
        "The council & Ruiz voted.",
        "She   will sign.",
        "teaser|Rain",
    ]


def test_metadata_of_a_page_is_in_the_article(marked: MakeCleaner) -> None:
    html = (
        "<html lang=en><head><meta name=author content='Ana Ruiz'><meta property=article:published_time "
        "content=2024-05-06><meta property=og:title content='Old bridge to close'></head><p>The council voted."
    )
    article = marked().clean(html=html, url="https://herald.example/1")
    assert (article.title, article.lang, article.author, article.date) == (
        "Old bridge to close", "en", "Ana Ruiz", "2024-05-06",
    )  # fmt: skip
    assert article.url == "https://herald.example/1"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01\x02\x03\x04\x05", "undecodable"),
        ("word " * 30, "too_large"),
        (b"word " * 30, "too_large"),
        ("break the model", "internal"),
    ],
)
def test_a_document_that_cannot_be_cleaned_raises_alone_and_is_rejected_among_many(
    marked: MakeCleaner, document: str | bytes, reason: str
) -> None:
    cleaner = marked(max_chars=100)
    with pytest.raises(DocumentError) as caught:
        cleaner.clean(document)
    assert caught.value.reason == reason
    before, rejected, after = cleaner.clean_many(["The vote.", {"text": document, "id": 7}, "Rain."])
    assert isinstance(rejected, Rejected) and not rejected.ok
    assert (rejected.reason, rejected.id, rejected.message) == (reason, 7, str(caught.value))
    assert (before.ok, after.ok) == (True, True)


@pytest.mark.parametrize("document", [None, 5, 1.5, ["text"], object()])
def test_what_is_no_document_is_rejected_among_many(marked: MakeCleaner, document: Any) -> None:
    rejected, article = marked().clean_many([document, "Rain."])
    assert isinstance(rejected, Rejected) and rejected.reason == "bad_type"
    assert article.ok


def test_a_rejection_from_reading_keeps_its_place_among_the_outcomes(marked: MakeCleaner) -> None:
    rejected = Rejected("a", "invalid_json", "not JSON")
    assert [outcome.ok for outcome in marked().clean_many(["Rain.", rejected, "Sun."])] == [True, False, True]


@pytest.mark.parametrize(
    "use",
    [
        lambda cleaner: cleaner.clean(),
        lambda cleaner: cleaner.clean("text", html="<p>page"),
        lambda cleaner: cleaner.clean(5),
        lambda cleaner: cleaner.clean_many("one text"),
        lambda cleaner: cleaner.clean_many({"text": "one record"}),
        lambda cleaner: Cleaner(mode="fast"),
        lambda cleaner: Cleaner(keep="headline"),
        lambda cleaner: Cleaner(colour="red"),
    ],
)
def test_wrong_use_raises(cleaner: Cleaner, use: Callable[[Cleaner], object]) -> None:
    with pytest.raises(UsageError):
        use(cleaner)


def test_a_model_that_is_not_there_raises() -> None:
    with pytest.raises(ModelError):
        Cleaner(model="no/such/model")


def test_ids_urls_and_further_fields_come_with_the_outcome(marked: MakeCleaner) -> None:
    record = {"id": 2**70, "url": None, "text": "The vote.", "n": {"a": [1]}}
    (article,) = marked().clean_many([record])
    assert isinstance(article, Article)
    assert (article.id, article.url, article.extra) == (2**70, None, {"n": {"a": [1]}})


def test_many_documents_are_read_no_further_than_a_batch_ahead(
    marked: MakeCleaner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cleaner.pipeline.BATCH_LINES", 4)
    read = itertools.count()
    outcomes = marked().clean_many(f"Document {next(read)}.\nRain." for _ in itertools.repeat(None, 50))
    assert next(outcomes).ok
    assert next(read) == 2


def test_documents_of_one_long_line_fill_a_batch_by_their_size(marked: MakeCleaner) -> None:
    read = itertools.count()
    outcomes = marked().clean_many(f"{next(read)} word" * 200_000 for _ in itertools.repeat(None, 50))
    assert next(outcomes).ok
    assert next(read) < 10


def in_batches(cleaner: Cleaner, documents: list[Any], n_lines: int) -> list[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cleaner.pipeline.BATCH_LINES", n_lines)
        return list(cleaner.clean_many(documents))


def one_by_one(cleaner: Cleaner, documents: list[Any]) -> list[Any]:
    return [outcome for document in documents for outcome in cleaner.clean_many([document])]


@pytest.mark.parametrize("n_lines", [1, 2, 7, 4096])
def test_outcomes_are_the_same_whatever_the_batch(cleaner: Cleaner, n_lines: int) -> None:
    assert in_batches(cleaner, DOCUMENTS, n_lines) == one_by_one(cleaner, DOCUMENTS)


def test_outcomes_are_the_same_in_any_order(cleaner: Cleaner) -> None:
    assert list(cleaner.clean_many(DOCUMENTS[::-1])) == one_by_one(cleaner, DOCUMENTS)[::-1]


def test_outcomes_are_the_same_in_many_threads(cleaner: Cleaner) -> None:
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda document: one_by_one(cleaner, [document])[0], DOCUMENTS * 4))
    assert outcomes == one_by_one(cleaner, DOCUMENTS) * 4


def test_a_cleaner_that_was_pickled_cleans_the_same(cleaner: Cleaner) -> None:
    special = Cleaner(keep="+caption", mode="recall", drop_like=("rain",))
    copy = pickle.loads(pickle.dumps(special))
    assert (copy.options, copy.model_name) == (special.options, special.model_name)
    assert one_by_one(copy, DOCUMENTS) == one_by_one(special, DOCUMENTS)


lines_of_news = st.sampled_from(
    [
        "Old bridge to close",
        "The council voted on Monday, officials said.",
        "Share",
        "More news: Rain",
        "",
        " ",
        "© Herald",
    ]
)
odd_lines = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
texts = st.lists(
    st.tuples(lines_of_news | odd_lines, st.sampled_from(["\n", "\n\n", "\r\n", "\r", " "])), max_size=12
).map(lambda rows: "".join(line + end for line, end in rows))


@settings(max_examples=30)
@given(st.lists(texts, min_size=1, max_size=6), st.integers(1, 12), st.randoms(use_true_random=False))
def test_any_documents_come_out_the_same_alone_in_any_batch_and_in_any_order(
    cleaner: Cleaner, documents: list[str], n_lines: int, random: Any
) -> None:
    alone = [cleaner.clean(document) for document in documents]
    assert in_batches(cleaner, documents, n_lines) == alone
    order = random.sample(range(len(documents)), len(documents))
    assert in_batches(cleaner, [documents[number] for number in order], n_lines) == [alone[number] for number in order]


@settings(max_examples=30)
@given(texts)
def test_each_line_of_any_text_is_in_title_text_or_removed(cleaner: Cleaner, text: str) -> None:
    article = cleaner.clean(text)
    shown = split_text(article.text).texts
    if len(shown) + len(article.removed) < article.lines_in:
        shown = [*shown, article.title]
    assert sorted([*shown, *(line.text for line in article.removed)]) == sorted(split_text(text).texts)


def test_text_is_cleaned_without_the_heavy_libraries() -> None:
    code = (
        "import sys; from cleaner import Cleaner; c = Cleaner(); c.clean(b'Old bridge to close');"
        "list(c.clean_many([{'text': 'The council voted.\\n\\nMore news: Rain'}]));"
        "print([n for n in ('sklearn', 'scipy', 'pandas', 'trafilatura', 'joblib', 'lxml', 'pyarrow', 'turbohtml') "
        "if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_short_forms_clean_with_the_packaged_model(cleaner: Cleaner) -> None:
    assert package.clean("The council voted.") == cleaner.clean("The council voted.")
    assert list(package.clean_many(["Rain."])) == list(cleaner.clean_many(["Rain."]))


def test_options_have_one_hash_however_they_are_given() -> None:
    replaced = CleanOptions(keep=frozenset({"title", "body", "caption"}))
    assert Cleaner(keep="+caption").clean("Rain.").options_hash == replaced.hash()
    assert CleanOptions().hash() != CleanOptions(mode="recall").hash()


def test_an_iterator_is_taken_as_documents(marked: MakeCleaner) -> None:
    def documents() -> Iterator[str]:
        yield "Rain."

    assert [outcome.ok for outcome in marked().clean_many(documents())] == [True]
