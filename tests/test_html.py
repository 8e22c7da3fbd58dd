"""Pages in HTML into lines, by way of trafilatura."""

from __future__ import annotations

import subprocess
import sys

import pytest
import turbohtml

from cleaner.extract.html import walk_page
from cleaner.extract.trafilatura import extract_lines

STORY = [
    "The council voted seven to two on Monday to close the old bridge for good, officials said.",
    "Mayor Ana Ruiz told reporters that she would sign the decision before the end of the week.",
    "“We have waited long enough,” she said, and thanked the engineers for their patience.",
    "A new bridge will be built two miles upstream, where the river is narrower and the ground firm.",
]


def page_of(body: str, head: str = "") -> str:
    return f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>"


def paragraphs(*texts: str) -> str:
    return "".join(f"<p>{text}</p>" for text in texts)


def visible(html: str) -> list[str]:
    return walk_page(turbohtml.parse(html)).texts


def test_headline_and_paragraphs_of_an_article_are_lines() -> None:
    html = page_of(f"<nav>Home</nav><article><h1>Old bridge to close</h1>{paragraphs(*STORY)}</article>")
    assert extract_lines(html).texts == ["Old bridge to close", *STORY]


def test_the_seed_article_as_a_page_gives_every_line_of_its_text(seed_text: str) -> None:
    title, *others = seed_text.split("\n\n")
    lines = extract_lines(page_of(f"<h1>{title}</h1>{paragraphs(*others)}", "<title>Talks - The Herald</title>"))
    assert lines.texts == [title, *others]


@pytest.mark.parametrize(
    "html",
    [
        "<p>Bridge closed.</p>",
        "<p>Bridge closed.",
        page_of("<p>Bridge closed.</p>"),
        page_of("<div><div>Bridge closed.</div></div>"),
        "<div>Bridge closed.</div><script>let a = '<p>no</p>'</script>",
    ],
)
def test_a_page_of_one_short_paragraph_gives_its_line(html: str) -> None:
    assert extract_lines(html).texts == ["Bridge closed."]


def test_short_lines_of_a_short_page_are_lines_each_time() -> None:
    assert extract_lines(paragraphs("1", "1")).texts == ["1", "1"]


def test_a_standfirst_below_the_headline_is_handed_over() -> None:
    html = page_of(
        "<header><a href=/>The Herald</a></header><h1>Old bridge to close</h1>"
        "<div class=standfirst>Seven of nine members want a new one upstream.</div>"
        f"<div class=article-body>{paragraphs(*STORY)}</div><footer>© The Herald</footer>"
    )
    assert extract_lines(html).texts[:3] == [
        "Old bridge to close",
        "Seven of nine members want a new one upstream.",
        STORY[0],
    ]


def test_of_what_stands_between_headline_and_story_only_the_first_line_is_handed_over() -> None:
    html = page_of(
        "<h1>Old bridge to close</h1><div class=standfirst>Seven of nine members want a new one upstream.</div>"
        "<div class=meta><span>Listen to this story</span></div><div class=share>Share</div>"
        f"<div class=article-body>{paragraphs(*STORY)}</div>"
    )
    assert extract_lines(html).texts == [
        "Old bridge to close",
        "Seven of nine members want a new one upstream.",
        *STORY,
    ]


@pytest.mark.parametrize(
    "title", ["Old bridge to close - The Herald", "The Herald | Old bridge to close", "Old bridge to close"]
)
def test_a_headline_that_only_the_title_of_the_head_names_is_handed_over(title: str) -> None:
    html = page_of(
        f"<div><a href=/>The Herald</a></div><div>Old bridge to close</div><article>{paragraphs(*STORY)}</article>",
        f"<title>{title}</title>",
    )
    assert extract_lines(html).texts == ["Old bridge to close", *STORY]


def test_text_around_a_line_break_is_two_lines() -> None:
    html = page_of(f"<article><p>{STORY[0]}<br>{STORY[1]}<br><br>{STORY[2]}</p></article>")
    assert extract_lines(html).texts == STORY[:3]


def test_cells_of_a_table_are_lines_of_their_own() -> None:
    table = "<table><tr><th>Club</th><th>Points</th></tr><tr><td>Rovers</td><td>41</td></tr></table>"
    html = page_of(f"<article>{paragraphs(*STORY)}{table}</article>")
    assert extract_lines(html).texts[-4:] == ["Club", "Points", "Rovers", "41"]


def test_items_of_a_list_are_lines_without_marks_of_their_own() -> None:
    html = page_of(f"<article>{paragraphs(*STORY)}<ul><li>Built in 1931</li><li>Closed in 2019</li></ul></article>")
    assert extract_lines(html).texts[-2:] == ["Built in 1931", "Closed in 2019"]


def test_white_space_inside_a_line_is_collapsed_and_entities_are_characters() -> None:
    html = page_of(f"<article>{paragraphs(*STORY)}<p>Price:&nbsp;5\n   <b>&euro;</b> &amp; more</p></article>")
    assert extract_lines(html).texts[-1] == "Price: 5 € & more"


def test_offsets_count_in_the_lines_joined_by_blank_rows() -> None:
    lines = extract_lines(page_of(f"<article><h1>Old bridge to close</h1>{paragraphs(*STORY)}</article>"))
    text = "\n\n".join(lines.texts)
    assert [text[start:end] for start, end in zip(lines.starts, lines.ends, strict=True)] == lines.texts
    assert lines.gaps == [True] * len(lines.texts)


def test_a_page_that_trafilatura_reads_says_so() -> None:
    assert extract_lines(page_of(f"<article>{paragraphs(*STORY)}</article>")).extractor == "trafilatura"
    assert extract_lines("<p>Bridge closed.").extractor == "page"


def test_a_text_without_tags_in_place_of_a_page_is_split_like_a_text() -> None:
    lines = extract_lines("Old bridge to close\nMayor & council agree &ndash; at last\n\n5 < 7, they said")
    assert lines.texts == ["Old bridge to close", "Mayor & council agree – at last", "5 < 7, they said"]
    assert lines.gaps == [False, False, True]


@pytest.mark.parametrize(
    "html", ["", " \n ", "<html></html>", "<!-- nothing -->", "<script>var a</script>", "<p>&nbsp;"]
)
def test_a_page_without_text_has_no_lines_and_is_no_error(html: str) -> None:
    assert list(extract_lines(html).texts) == []


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 50_000 + "Bridge closed.",
        "<b>" * 50_000 + "Bridge closed.",
        "<table><tr><td>" * 3_000 + "Bridge closed.",
        "<ul><li>" * 3_000 + "Bridge closed.",
        "<i></i>" * 150_000 + "<p>Bridge closed.",
        f"<a {' '.join(f'a{number}=1' for number in range(20_000))}>Bridge closed.",
        f"<script type=application/ld+json>{'[' * 100_000}</script><p>Bridge closed.",
        "<!DOCTYPE html><html lang='" + "x" * 100_000 + "'><p>Bridge closed.",
    ],
    ids=["divs", "bolds", "tables", "lists", "empty_tags", "attributes", "json", "lang"],
)
def test_a_hostile_page_gives_its_text_all_the_same(html: str) -> None:
    assert extract_lines(html).texts == ["Bridge closed."]


def test_what_follows_deep_nesting_is_not_lost() -> None:
    # libxml2 stops at a depth of 256, and trafilatura does not notice.
    html = page_of(
        paragraphs(*STORY) + "<div>" * 300 + "Advertisement" + "</div>" * 300 + paragraphs("The end is near.")
    )
    assert extract_lines(html).texts == [*STORY, "Advertisement", "The end is near."]


def test_a_page_of_too_many_elements_is_read_without_trafilatura() -> None:
    # Lists in lists, 90 deep and 500 of them, took it 11 seconds.
    lines = extract_lines(page_of(paragraphs(*STORY) + "<i></i>" * 31_000))
    assert (lines.extractor, lines.texts) == ("page", STORY)


def test_nuls_and_broken_markup_do_no_harm() -> None:
    html = f"<article><p>{STORY[0]}\x00<p><b>{STORY[1]}</div></p></b><p a='>{STORY[2]}'>{STORY[2]}</i><p>{STORY[3]}<"
    assert [line.rstrip("<\ufffd") for line in extract_lines(html).texts] == STORY


def test_a_page_gives_the_same_lines_whatever_was_read_before_it() -> None:
    pages = [page_of(f"<article><h1>Day {day}</h1>{paragraphs(*STORY)}</article>") for day in range(4)]
    first = [extract_lines(html) for html in pages]
    again = [extract_lines(html) for html in (*pages[::-1], *pages)]
    assert again == [*first[::-1], *first]


def test_trafilatura_complains_of_a_page_to_its_own_log_only() -> None:
    code = (
        "from cleaner.extract.trafilatura import extract_lines;"
        "extract_lines('<p>' + 'one two three ' * 50, url='http://[bad')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_blocks_that_trafilatura_joins_are_cut_where_the_page_cuts_them() -> None:
    joined = "<div><span>Rain fell.</span><div>Wind blew.</div>Then it stopped.</div>"
    html = page_of(f"<article>{paragraphs(*STORY)}{joined}</article>")
    assert extract_lines(html).texts[-3:] == ["Rain fell.", "Wind blew.", "Then it stopped."]


def test_joined_blocks_stay_joined_once_too_much_of_the_page_was_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    joined = "<div><span>Rain fell.</span><div>Wind blew.</div>Then it stopped.</div>"
    monkeypatch.setattr("cleaner.extract.trafilatura._MAX_SCANNED", 1)
    texts = extract_lines(page_of(f"<article>{paragraphs(*STORY)}{joined * 2}</article>")).texts
    assert texts[4:] == ["Rain fell.", "Wind blew.", "Then it stopped.", "Rain fell.Wind blew.Then it stopped."]


def test_visible_lines_leave_out_what_no_reader_sees() -> None:
    html = (
        "<title>The Herald</title><style>p {}</style><p>Seen.<!-- not --></p><script>not()</script>"
        "<template>not</template><svg><text>not</text></svg><select><option>not</select><textarea>not</textarea>"
        "<noscript>not</noscript><button>Share</button>"
    )
    assert visible(html) == ["Seen.", "Share"]


def test_words_of_a_line_may_be_marked_up_without_being_torn_apart() -> None:
    assert visible("<p>The <b>coun</b>cil <a href=/>voted</a><sup>1</sup>.") == ["The council voted1."]


def test_rows_of_preformatted_text_are_lines() -> None:
    assert visible("<pre>Rovers  2\nUnited  1</pre><p>Half\ntime") == ["Rovers 2", "United 1", "Half time"]


def test_text_before_between_and_after_blocks_is_a_line_each() -> None:
    assert visible("<div>Before<p>Inside</p>between<x-box>Custom</x-box>after</div>") == [
        "Before",
        "Inside",
        "between",
        "Custom",
        "after",
    ]
