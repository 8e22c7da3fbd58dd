"""Articles as Markdown: each form that a page gives its lines, and the same words back from a reader of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

import pytest
import turbohtml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from cleaner.extract.html import walk_page
from cleaner.extract.markup import pick_markup, read_markup
from cleaner.extract.text import split_text
from cleaner.markdown.blocks import render_headline, render_markdown
from cleaner.markdown.plain import mark_text
from cleaner.writers.markdown import article_markdown

READER = MarkdownIt("commonmark").enable("table")
SENTENCE = "The council voted to close the bridge"


def markdown(html: str, url: str | None = None) -> str:
    walked = walk_page(turbohtml.parse(html), keep_nodes=True)
    return render_markdown(read_markup(walked, url))


def markdown_of_text(text: str) -> str:
    lines = split_text(text)
    return render_markdown(mark_text(lines.texts, lines.gaps))


def words_read_from(source: str) -> list[str]:
    """The words that a reader of Markdown shows, without marks and addresses."""
    return "".join(_shown(READER.parse(source))).split()


def _shown(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        yield from _shown(token.children or ())
        # Blocks stand apart, pieces of a line do not.
        yield "\n" if token.block or token.type in ("softbreak", "hardbreak") else ""
        yield token.content if not token.children else ""


# A page -> its Markdown.

FORMS = {
    "paragraphs stand apart": ("<p>One.</p><p>Two.</p>", "One.\n\nTwo."),
    "a sub-head keeps its level": ("<h2>One</h2><h4>Two</h4>", "## One\n\n#### Two"),
    "a sub-head that is bold as a whole is not bold in Markdown": ("<h2><b>One</b></h2>", "## One"),
    "a sub-head in two rows is one": ("<h2>One<br>two</h2>", "## One two"),
    "bold and italic words": ("<p>One <b>two</b> <i>three</i></p>", "One **two** *three*"),
    "bold words with a link in their midst": (
        "<p><strong>One <a href=/x>two</a> three</strong></p>",
        "**One [two](/x) three**",
    ),
    "white space goes out of bold words": ("<p>One <b> two </b>three</p>", "One **two** three"),
    "bold words next to each other are marked once": ("<p><b>One</b> <b>two</b></p>", "**One two**"),
    "a comma at the end of bold words goes out, as no mark is read there": (
        "<p><b>One,</b>two</p>",
        "**One**,two",
    ),
    "words in a wrapper that says it is not bold": (
        "<b style='font-weight: normal'><p>One</p></b>",
        "One",
    ),
    "code": ("<p>Run <code>a*b `c`</code></p>", "Run `` a*b `c` ``"),
    "a link around blocks goes into each": (
        "<a href=/x><p>One</p><p>Two</p></a>",
        "[One](/x)\n\n[Two](/x)",
    ),
    "a list": ("<ul><li>One<li>Two</ul>", "- One\n- Two"),
    "a numbered list": ("<ol start=3><li>One<li value=7>Two<li>Three</ol>", "3. One\n7. Two\n8. Three"),
    "a list within a list": (
        "<ul><li>One<ul><li>Two<li>Three</ul><li>Four</ul>",
        "- One\n  - Two\n  - Three\n- Four",
    ),
    "a list within a numbered list": ("<ol><li>One<ul><li>Two</ul><li>Three</ol>", "1. One\n   - Two\n2. Three"),
    "an item of two paragraphs": (
        "<ul><li><p>One<p>Two</li><li>Three</ul>",
        "- One\n\n  Two\n- Three",
    ),
    "a numbered list behind another one begins anew": (
        "<ol><li>One<li>Two</ol><ol><li>Three</ol>",
        "1. One\n2. Two\n\n1) Three",
    ),
    "a quotation": ("<p>He said:</p><blockquote><p>One<p>Two</blockquote>", "He said:\n\n> One\n>\n> Two"),
    "a quotation that holds all of the article is its layout": ("<blockquote><p>One<p>Two</blockquote>", "One\n\nTwo"),
    "an item that holds all of the article is its layout": ("<ul><li><p>One<p>Two</ul>", "One\n\nTwo"),
    "a table": (
        "<table><tr><th>Team<th>Goals<tr><td>Reds<td>2<tr><td>Blues<td>0</table>",
        "| Team | Goals |\n| --- | --- |\n| Reds | 2 |\n| Blues | 0 |",
    ),
    "a table whose cells span rows and columns": (
        "<table><tr><th colspan=2>Team<th>Goals<tr><td rowspan=2>A<td>B<td>2<tr><td>C<td>0</table>",
        "| Team |  | Goals |\n| --- | --- | --- |\n| A | B | 2 |\n|  | C | 0 |",
    ),
    "a bar in a cell": (
        "<table><tr><td>a|b<td><code>c|d</code><tr><td>e<td>f</table>",
        "| a\\|b | `c\\|d` |\n| --- | --- |\n| e | f |",
    ),
    "a table of one column gives paragraphs": ("<table><tr><td>One<tr><td>Two</table>", "One\n\nTwo"),
    "a table whose cell holds the article gives paragraphs": (
        f"<table><tr><td>Home<td>{'<p>One</p>' * 6}</table>",
        "Home" + "\n\nOne" * 6,
    ),
    "a table that says it is for layout gives paragraphs": (
        "<table role=presentation><tr><td>One<td>Two</table>",
        "One\n\nTwo",
    ),
    "preformatted text": (
        "<pre>\nfor a:\n    b\n\n    c</pre>",
        "```\nfor a:\n    b\n\n    c\n```",
    ),
    "preformatted text with a fence in it": ("<pre>a\n```</pre>", "````\na\n```\n````"),
    "one <br> breaks a line": ("<p>One<br>two</p>", "One\\\ntwo"),
    "two <br> divide paragraphs": ("<p>One<br> <br>two</p>", "One\n\ntwo"),
    "entries of a live blog are no list": (
        "<ul><li><h3>10:02</h3><p>One<li><h3>10:01</h3><p>Two</ul>",
        "### 10:02\n\nOne\n\n### 10:01\n\nTwo",
    ),
}


@pytest.mark.parametrize(("html", "expected"), FORMS.values(), ids=FORMS)
def test_a_page_in_markdown_has(html: str, expected: str) -> None:
    assert markdown(html) == expected


def test_level_1_is_left_to_the_headline_of_the_article() -> None:
    assert markdown("<h1>One</h1><h2>Two</h2><h6>Three</h6>") == "## One\n\n### Two\n\n###### Three"


def test_what_was_removed_between_rows_of_a_list_leaves_no_trace() -> None:
    walked = walk_page(turbohtml.parse("<ol><li>One<li>Advertisement<li>Three</ol>"), keep_nodes=True)
    markup = read_markup(walked)
    assert render_markdown([markup[0], markup[2]]) == "1. One\n3. Three"


def test_no_lines_give_no_markdown() -> None:
    assert markdown("<p> </p>") == render_markdown([]) == ""


@pytest.mark.parametrize(
    ("href", "url", "expected"),
    [
        ("/a", "https://herald.test/news/1", "https://herald.test/a"),
        ("2?page=3&amp;copy;", "https://herald.test/news/1", "https://herald.test/news/2?page=3&amp;copy;"),
        ("//cdn.test/a", "https://herald.test/", "https://cdn.test/a"),
        ("/a", None, "/a"),
        ("https://x.test/a (b)", None, "https://x.test/a%20%28b%29"),
        ("mailto:desk@herald.test", None, "mailto:desk@herald.test"),
    ],
)
def test_a_link_names_its_address_in_full(href: str, url: str | None, expected: str) -> None:
    assert markdown(f'<p><a href="{href}">One</a></p>', url) == f"[One]({expected})"


def test_a_link_is_resolved_against_the_base_that_the_page_declares() -> None:
    page = "<base href=/archive/><p><a href=a>One</a></p>"
    assert markdown(page, "https://herald.test/news/1") == "[One](https://herald.test/archive/a)"


@pytest.mark.parametrize(
    "href", ["javascript:go()", " Java&#10;Script:go()", "data:text/html,a", "#top", "", "http://[", "vbscript:a"]
)
def test_a_link_that_leads_nowhere_is_plain_text(href: str) -> None:
    assert markdown(f'<p><a href="{href}">One</a></p>', "https://herald.test/") == "One"


# Only what would be read as a mark is escaped.


@pytest.mark.parametrize(
    "text",
    [
        "5 * 3 = 15, snake_case and AT&T: 3 < 4 > 2 (see [1]) [He] said #1!",
        "He paid $5 – 50% more – for ~20 of them; 1.5 million did not.",
        "2024 was better.",
        "-40 degrees",
        "#news",
        "+1",
    ],
)
def test_words_that_are_no_marks_stay_as_they_are(text: str) -> None:
    assert markdown_of_text(text) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("*sic* and _sic_", r"\*sic\* and \_sic\_"),
        ("[a](b)", r"[a\](b)"),
        ("[a]: b", r"[a\]: b"),
        ("<b> and &amp;", r"\<b> and \&amp;"),
        ("`a`", r"\`a\`"),
        ("C:\\dir", "C:\\\\dir"),
        ("# One", r"\# One"),
        ("- One", r"\- One"),
        ("1986. A year", r"1986\. A year"),
        ("1) One", r"1\) One"),
        ("> One", r"\> One"),
        ("---", r"\---"),
        ("* * *", r"\* * *"),
        ("===", r"\==="),
        ("~~~", r"\~~~"),
        ("a~~b~~", r"a\~\~b\~\~"),
    ],
)
def test_words_that_look_like_marks_are_escaped(text: str, escaped: str) -> None:
    assert markdown_of_text(text) == escaped
    assert words_read_from(escaped) == text.split()


def test_an_exclamation_mark_before_a_link_makes_no_picture() -> None:
    assert markdown("<p>Look!<a href=/x>One</a></p>") == r"Look\![One](/x)"


def test_a_headline_is_one_row_of_level_1() -> None:
    assert render_headline("Bridge *to* close\nfor good #") == r"# Bridge \*to\* close for good \#"


@pytest.mark.parametrize(
    ("title", "body", "written"),
    [
        ("Bridge reopens", "It *did*.", "# Bridge reopens\n\nIt *did*.\n"),
        (None, "It *did*.", "It *did*.\n"),
        ("Bridge reopens", "", "# Bridge reopens\n"),
        (None, "", ""),
    ],
)
def test_an_article_is_its_headline_a_blank_line_and_its_body(title: str | None, body: str, written: str) -> None:
    assert article_markdown(title, body) == written


# Texts without HTML.


def test_each_line_of_a_text_is_a_paragraph() -> None:
    assert markdown_of_text("The bridge reopened.\nIt had been shut.\n\nMore soon.") == (
        "The bridge reopened.\n\nIt had been shut.\n\nMore soon."
    )


def test_rows_of_a_hard_wrapped_text_stay_rows_of_one_paragraph() -> None:
    text = "The council voted seven to two\non Monday to close the bridge,\nofficials said.\n\nIt reopened later."
    assert markdown_of_text(text) == text


# Pages that nobody wrote.


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 50_000 + "One",
        "<span>" * 50_000 + "<p>One",
        "<ul><li>" * 50_000 + "One",
        "<blockquote>" * 50_000 + "One",
    ],
    ids=["blocks", "inline elements", "lists", "quotations"],
)
def test_a_page_nested_50_000_deep_gives_its_words(html: str) -> None:
    assert words_read_from(markdown(html)) == ["One"]


def test_lists_nested_deeper_than_readers_of_markdown_go_keep_their_words() -> None:
    assert words_read_from(markdown("<ul><li>One" * 300)) == ["One"] * 300


@pytest.mark.parametrize("element", ["<b>One</b> ", "<a href=/x>One</a> ", "<i>One<b>two</b></i>"])
def test_a_line_of_100_000_inline_elements_keeps_its_words(element: str) -> None:
    walked = walk_page(turbohtml.parse(element * 100_000), keep_nodes=True)
    (line,) = read_markup(walked)
    assert re.sub(r"[*`]|\[|\]\(/x\)", "", line.text) == walked.texts[0]


# Lines that another extractor chose.


def test_lines_chosen_from_a_page_take_their_form_from_it() -> None:
    html = "<h2>More</h2><p>One</p><ul><li>Two<li>Three</ul><h2>More</h2>"
    walked = walk_page(turbohtml.parse(html), keep_nodes=True)
    texts = ["One", "Two", "Two and a half", "Three", "More"]
    assert render_markdown(pick_markup(texts, walked.texts, read_markup(walked))) == (
        "One\n\n- Two\n\nTwo and a half\n\n- Three\n\n## More"
    )


# Whatever the page, a reader of Markdown shows the words of its lines.

TEXTS = st.text('ab c1.,*_`[]()!<>&;#-+=~|:\\"“”(€é橋。 \t\n', max_size=8).map(escape)
INLINE_TAGS = st.sampled_from(["b", "strong", "i", "em", "code", "span", "a href=/x", "a href='y z'", "small"])


def tagged(tags: st.SearchStrategy[str], content: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(tags, content).map(lambda pair: f"<{pair[0]}>{pair[1]}</{pair[0].split()[0]}>")


def several(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(parts, max_size=5).map("".join)


INLINES = st.recursive(TEXTS | st.just("<br>"), lambda parts: tagged(INLINE_TAGS, several(parts)), max_leaves=8)
ROWS = tagged(st.sampled_from(["p", "h1", "h3", "div", "pre"]), several(INLINES))
BLOCK_TAGS = st.sampled_from(
    ["ul", "ol", "ol start=7", "li", "blockquote", "div", "table", "tr", "td", "th", "b", "a href=/x"]
)
PAGES = several(st.recursive(ROWS | INLINES, lambda parts: tagged(BLOCK_TAGS, several(parts)), max_leaves=12))
TABLES = several(
    tagged(
        st.just("tr"), several(tagged(st.sampled_from(["td", "th", "td colspan=2", "td rowspan=2"]), several(INLINES)))
    )
).map(lambda rows: f"<table>{rows}</table>")


@settings(max_examples=150)
@given(PAGES | TABLES, st.integers(0))
def test_the_words_of_a_page_come_back_from_its_markdown(html: str, kept: int) -> None:
    walked = walk_page(turbohtml.parse(html), keep_nodes=True)
    markup = read_markup(walked, "https://herald.test/")
    numbers = [number for number in range(len(markup)) if not kept >> number & 1]
    text = "\n\n".join(walked.texts[number] for number in numbers)
    assert words_read_from(render_markdown([markup[number] for number in numbers])) == text.split()


@settings(max_examples=200)
@given(st.text('ab c1.,*_`[]()!<>&;#-+=~|:\\"“”(€é橋。 \t\n\n'))
def test_the_words_of_a_text_come_back_from_its_markdown(text: str) -> None:
    assert words_read_from(markdown_of_text(text)) == text.split()
