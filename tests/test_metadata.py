"""What a page declares about itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
import turbohtml
from hypothesis import given
from hypothesis import strategies as st

from cleaner.extract.metadata import read_metadata
from cleaner.extract.metadata_full import read_full_metadata
from cleaner.types import Metadata

FILLER = "<p>The council voted seven to two on Monday to close the old bridge for good, officials said.</p>" * 5


def metadata(html: str, url: Any = None) -> Metadata:
    return read_metadata(turbohtml.parse(html), url)


def full_metadata(html: str, url: Any = None) -> Metadata:
    return read_full_metadata(turbohtml.parse(html), html, url)


def json_ld(*data: Any) -> str:
    return "".join(f'<script type="application/ld+json">{json.dumps(value)}</script>' for value in data)


# Headlines and summaries


def test_the_only_h1_is_the_best_title_and_the_title_of_the_head_is_for_comparison_only() -> None:
    known = metadata(
        "<title>Old bridge to close | Herald</title><meta property=og:title content='Bridge: council says no'>"
        "<h1>Old bridge <br>to close</h1>"
    )
    assert known.titles == ("Old bridge to close", "Bridge: council says no")
    assert known.head_title == "Old bridge to close | Herald"


def test_of_several_h1_none_goes_before_what_the_page_declares() -> None:
    known = metadata("<meta property=og:title content='Old bridge to close'><h1>The Herald</h1><h1>Old bridge</h1>")
    assert known.titles == ("Old bridge to close", "The Herald", "Old bridge")


def test_a_headline_that_was_escaped_twice_is_no_second_one() -> None:
    head = json_ld({"@type": "Article", "headline": "Lund &amp; Ruiz: bridge &#8216;closed&#8217;"})
    assert metadata(f"{head}<h1>Lund &amp; Ruiz: bridge ‘closed’</h1>").titles == ("Lund & Ruiz: bridge ‘closed’",)


def test_an_ampersand_in_a_headline_stays() -> None:
    assert metadata(
        "<h1>Rock&copy shop</h1>" + json_ld({"@type": "Article", "headline": "Q&A: cats&notes"})
    ).titles == (
        "Rock© shop",
        "Q&A: cats&notes",
    )


def test_summaries_are_the_distinct_descriptions() -> None:
    known = metadata(
        "<meta property=og:description content='Council  votes\n7-2.'>"
        "<meta name=description content='Council votes 7-2.'>"
        + json_ld({"@type": "NewsArticle", "description": "<p>The bridge is &gt; 90 years old.</p>"})
    )
    assert known.descriptions == ("Council votes 7-2.", "The bridge is > 90 years old.")


@pytest.mark.parametrize(
    "head",
    [
        "<meta property=og:site_name content='The Herald'>",
        json_ld({"@type": "NewsArticle", "publisher": {"@type": "Organization", "name": "The Herald"}}),
        json_ld({"@type": "WebSite", "name": "The Herald"}),
    ],
)
def test_the_site_is_named(head: str) -> None:
    assert metadata(head).site_name == "The Herald"


# Author


def test_author_date_and_title_come_from_json_ld() -> None:
    known = metadata(
        json_ld(
            {
                "@graph": [
                    {"@type": "Organization", "name": "Herald"},
                    {
                        "@type": ["NewsArticle"],
                        "headline": "Old bridge to close",
                        "datePublished": "2024-05-06T07:08:09Z",
                        "author": [{"@type": "Person", "name": "Ana Ruiz"}, {"name": "Bo Lund"}],
                    },
                ]
            }
        )
    )
    assert known == Metadata(
        ("Old bridge to close",),
        author="Ana Ruiz, Bo Lund",
        date="2024-05-06T07:08:09Z",
        site_name="Herald",
        says_article=True,
    )


@pytest.mark.parametrize(
    ("author", "name"),
    [
        ("Ana Ruiz", "Ana Ruiz"),
        (["Ana Ruiz", "Bo Lund"], "Ana Ruiz, Bo Lund"),
        ({"@type": "Person", "name": ["Ana Ruiz", "Bo Lund"]}, "Ana Ruiz, Bo Lund"),
        ({"@id": "/#ruiz"}, "Ana Ruiz"),
        ([{"@id": "/#ruiz"}, {"@id": "/#nobody"}], "Ana Ruiz"),
        ({"@id": ["/#ruiz"], "name": 5}, None),
        ([[["Ana Ruiz"]]], None),
    ],
)
def test_an_author_may_be_a_list_of_names_or_the_id_of_a_person(author: Any, name: str | None) -> None:
    nodes = [{"@type": "Article", "author": author}, {"@type": "Person", "@id": "/#ruiz", "name": "Ana Ruiz"}]
    assert metadata(json_ld({"@graph": nodes})).author == name


@pytest.mark.parametrize(
    "head",
    [
        "<meta name=author content='By Ana Ruiz'>",
        "<meta property=article:author content=https://herald.example/r><meta name=parsely-author content='Ana Ruiz'>",
        "<meta name=author content=ana@herald.example><meta name=sailthru.author content='Ana Ruiz'>",
        "<meta name=twitter:label1 content='Written by'><meta name=twitter:data1 content='Ana Ruiz'>",
        "<meta property=og:site_name content='The Herald'><meta name=author content=Herald>"
        "<meta name=dc.creator content='Ana Ruiz'>",
        json_ld({"@type": "WebPage", "author": "Bo Lund"}, {"@type": "NewsArticle", "author": "Ana Ruiz"}),
    ],
)
def test_the_head_names_the_author(head: str) -> None:
    assert metadata(head).author == "Ana Ruiz"


def test_a_label_of_something_else_names_no_author() -> None:
    head = "<meta name=twitter:label1 content='Reading time'><meta name=twitter:data1 content='Two Minutes'>"
    assert metadata(head).author is None


def test_authors_in_several_tags_are_all_named() -> None:
    assert metadata("<meta name=author content='Ana Ruiz'><meta name=author content='Bo Lund'>").author == (
        "Ana Ruiz, Bo Lund"
    )


@pytest.mark.parametrize(
    "byline",
    [
        "<span itemprop=author>By Ana Ruiz</span>",
        "<div itemprop=author itemscope><b>Staff</b> <span itemprop=name>Ana Ruiz</span></div>",
        "<a rel='nofollow author' href=/ruiz>Ana Ruiz</a>",
        "<p class='vcard'><span class='fn'>Ana Ruiz</span>",
        "<div class='byline small'>By Ana Ruiz</div>",
        "<span class=author-name>Ana Ruiz</span> <span class=author-name>Ana Ruiz</span>",
        "<a href='https://herald.example/author/ruiz/'>Ana Ruiz</a>",
        "<a href='/autor/ruiz'><img src=a.png></a> <a href='/autor/ruiz'>Ana Ruiz</a>",
    ],
)
def test_a_byline_names_the_author_where_the_head_does_not(byline: str) -> None:
    assert metadata(byline).author == "Ana Ruiz"


def test_a_byline_goes_before_the_name_of_the_site() -> None:
    head = "<meta property=og:site_name content=Herald><meta name=author content=Herald>"
    assert metadata(f"{head}<a rel=author>Ana Ruiz</a>").author == "Ana Ruiz"
    assert metadata(head).author == "Herald"


@pytest.mark.parametrize(
    "byline",
    [
        "<a rel=author>Ana Ruiz</a> <a rel=author>Bo Lund</a>",
        "<div class=byline>Updated Monday at noon</div>",
        "<a href=/author/all>All Authors</a>",
        "<a href=/authority/>Port Authority</a>",
        "<span class=byline>ruiz</span>",
    ],
)
def test_links_to_many_authors_and_other_words_name_none(byline: str) -> None:
    assert metadata(byline).author is None


# Date


@pytest.mark.parametrize(
    "page",
    [
        "<meta property=article:published_time content='2024-05-06 07:08:09 +0200'>",
        "<meta name=Date content='Mon, 6 May 2024 07:08:09 +0200'>",
        json_ld({"@type": "WebPage", "datePublished": "2024-05-06T07:08:09+02:00"}),
        json_ld({"@type": "Article", "datePublished": "2024-05-06"})
        + "<meta property=article:published_time content=2024-05-06T07:08:09+02:00>",
        "<time itemprop=datePublished datetime=2024-05-06T07:08:09+02:00>6 May</time> <time datetime=2024-05-09>9 May",
        "<time datetime=2020-01-01>x</time> <time class=entry-date datetime=2024-05-06T07:08:09+02:00>6 May</time>",
        "<header><time datetime=2024-05-06T07:08:09+02:00>6 May</time></header><p><time datetime=2024-05-09>9 May",
        "<article><time datetime=2024-05-06T07:08:09+02:00>6 May</time></article><time datetime=2024-05-09>9 May",
        "<span itemprop=datePublished content=2024-05-06T07:08:09+02:00>6 May</span>",
        "<abbr class=published title=x>2024-05-06T07:08:09+02:00</abbr>",
    ],
)
def test_the_date_of_publication_is_found_as_exact_as_the_page_says_it(page: str) -> None:
    assert metadata(page).date == "2024-05-06T07:08:09+02:00"


@pytest.mark.parametrize(
    ("page", "url"),
    [
        ("", "https://herald.example/2024/05/06/bridge"),
        ("<meta property=og:url content=https://herald.example/2024/05/06/bridge>", None),
        ("<time datetime=2024-05-09>9 May</time>", "https://herald.example/2024/05/06/bridge"),
    ],
)
def test_the_address_dates_a_page_that_declares_no_date(page: str, url: str | None) -> None:
    assert metadata(page, url).date == "2024-05-06"


def test_a_time_on_the_day_of_the_address_is_more_exact() -> None:
    page = "<time datetime=2024-05-09>9 May</time><time datetime=2024-05-06T07:08>6 May</time>"
    assert metadata(page, "https://herald.example/2024/05/06/bridge").date == "2024-05-06T07:08"


@pytest.mark.parametrize(
    "page",
    [
        "<meta name=date content='two days ago'>",
        "<meta property=article:modified_time content=2024-05-06>",
        "<meta property=article:published_time content=1970-01-01T00:00:00Z>",
        "<time datetime=2024-05-06>6 May</time><time datetime=2024-05-09>9 May</time>",
        "<time>two days ago</time>",
        json_ld({"@type": "Event", "datePublished": "2024-05-06"}),
    ],
)
def test_dates_of_other_things_date_no_page(page: str) -> None:
    assert metadata(page).date is None


def test_an_address_that_is_no_string_dates_nothing() -> None:
    assert metadata("<p>Bridge closed.", 20240506).date is None


# Language


@pytest.mark.parametrize(
    "page",
    [
        "<html lang=de-at>",
        "<html xml:lang=de-AT>",
        "<html lang=''><meta property=og:locale content=de_AT>",
        "<meta http-equiv=content-language content='de-AT, en'>",
        json_ld({"@type": "Article", "inLanguage": "de-AT"}),
    ],
)
def test_the_declared_language_is_a_tag(page: str) -> None:
    assert metadata(page).lang == "de-AT"


# Broken and hostile pages


@pytest.mark.parametrize("data", ["{not json", "[1, null, [[]]]", '{"@type": 5, "author": 7}', "", "[" * 100_000])
def test_broken_json_ld_tells_nothing(data: str) -> None:
    assert metadata(f"<script type='application/ld+json'>{data}</script><p>Bridge closed.") == Metadata()


@pytest.mark.parametrize(
    "data",
    [
        '{"@type": "Article", "headline": "Old bridge\n closes"}',
        '//<![CDATA[\n{"@type": "Article", "headline": "Old bridge closes"}\n//]]>',
        '{"@type": "Article", "headline": "Old bridge closes"};',
        '[{"@type": "Article", "headline": "Old bridge closes"}] [{"@type": "Article"}]',
    ],
)
def test_json_ld_with_common_faults_is_read(data: str) -> None:
    assert metadata(f"<script type='application/ld+json'>{data}</script>").titles == ("Old bridge closes",)


def test_a_lone_surrogate_in_json_ld_becomes_a_replacement_character() -> None:
    data = '{"@type": "Article", "headline": "Old \\ud83d\\ude00 bridge \\ud83d", "author": "Ana \\ude00Ruiz"}'
    known = metadata(f"<script type='application/ld+json'>{data}</script>")
    assert (known.titles, known.author) == (("Old 😀 bridge \ufffd",), "Ana \ufffdRuiz")


@pytest.mark.parametrize(
    "page",
    [
        json_ld([{"@type": "Article", "author": "Ana Ruiz"}] + [{}] * 200_000),
        json_ld({"@type": "Article", "author": ["Ana Ruiz"] * 50_000}),
        json_ld({"@type": "Article", "author": {"name": ["Ana Ruiz"] * 50_000}}),
        json_ld({"@type": ["Article"] + ["x"] * 100_000, "author": "Ana Ruiz"}),
        "<meta name=author content='Ana Ruiz'>" * 50_000,
        f"<meta name=author content='Ana Ruiz{', ' * 200_000}'>",
        "<span class=byline>Ana Ruiz</span>" * 50_000,
        "<div>" * 400 + "<a rel=author>Ana Ruiz</a>",
    ],
)
def test_pages_made_to_be_large_are_read_within_bounds(page: str) -> None:
    assert metadata(page).author == "Ana Ruiz"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "@id", "@type"]), inner),
    max_leaves=8,
)


@given(JSON)
def test_no_value_in_json_ld_stops_the_reading(value: Any) -> None:
    fields = ("author", "headline", "publisher", "datePublished", "articleBody", "description", "inLanguage", "@id")
    metadata(json_ld({"@type": "Article", **dict.fromkeys(fields, value)}, {"@type": value, "@graph": value}))


def test_json_ld_of_more_than_a_million_characters_is_left_out() -> None:
    page = json_ld({"@type": "Article", "headline": "Old bridge"}, {"@type": "Article", "headline": "x" * 1_000_000})
    assert metadata(page).titles == ("Old bridge",)


def test_long_contents_are_cut() -> None:
    known = metadata(f"<title>{'a' * 9000}</title><h1>{'b ' * 9000}</h1><meta name=description content={'c' * 9000}>")
    assert [len(known.head_title or ""), len(known.titles[0]), len(known.descriptions[0])] == [500, 500, 2000]


# With trafilatura


def test_a_byline_without_markup_is_found_by_the_full_search() -> None:
    page = f"<title>Bridge</title><p class=authorname>Von Ana Ruiz</p>{FILLER}"
    assert (metadata(page).author, full_metadata(page).author) == (None, "Ana Ruiz")


def test_a_date_without_markup_is_found_by_the_full_search() -> None:
    page = f"<h1>Old bridge to close</h1><p class=date>06.05.2024</p>{FILLER}"
    assert (metadata(page).date, full_metadata(page).date) == (None, "2024-05-06")


def test_the_full_search_changes_nothing_that_a_page_declares() -> None:
    page = (
        "<html lang=en><meta name=author content='Bo Lund'><meta name=date content=2020-01-01><h1>Old bridge</h1>"
        f"<p class=author>By Ana Ruiz</p><p class=date>2024-05-06</p>{FILLER}"
    )
    assert full_metadata(page) == metadata(page)


def test_the_full_search_takes_no_desk_for_an_author() -> None:
    assert full_metadata(f"<h1>Old bridge</h1><p class=author>Sports desk</p>{FILLER}").author is None


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 300 + "Bridge closed.",
        f"<p {' '.join(f'a{number}=1' for number in range(3000))}>Bridge closed.",
        "<i>Bridge closed.</i>" * 40_000,
        f"<p>{'Bridge closed. ' * 200_000}",
        "<script type='application/ld+json'>" + '{"@type":"Article","author":{"name":"' + 'x\\"' * 50_000,
        "<script>x</script>",
        "\x00<p>\ufffd<svg><script>",
        "",
    ],
)
def test_pages_that_trafilatura_cannot_read_keep_what_they_declare(page: str) -> None:
    assert full_metadata(page) == metadata(page)
