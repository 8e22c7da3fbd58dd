"""The walk over a page: its lines, and the containers that they stand in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import turbohtml
from hypothesis import given
from hypothesis import strategies as st
from turbohtml import Element, Node, Text

from cleaner.errors import DocumentError
from cleaner.extract.html import HIDDEN, INLINE, MAX_DEPTH, WalkedPage, walk_page
from cleaner.extract.page import MAX_LINES, page_lines, read_page


def walk(html: str) -> WalkedPage:
    return walk_page(turbohtml.parse(html))


def paths(walked: WalkedPage) -> list[str]:
    """For each line the tags of its containers below body, outermost first, joined by blanks."""
    found = []
    for container in walked.containers:
        tags = []
        while container:
            tags.append(walked.tags[container])
            container = walked.parents[container]
        found.append(" ".join(tags[::-1]).removeprefix("html body").strip())
    return found


# --- lines ----------------------------------------------------------------------------------------------------------


def test_text_around_a_line_break_is_two_lines_of_one_container() -> None:
    walked = walk("<p>The council voted.<br>She will sign.<br><br>Rain fell.</p>")
    assert walked.texts == ["The council voted.", "She will sign.", "Rain fell."]
    assert walked.after_break == [False, True, True]
    assert len(set(walked.containers)) == 1


def test_a_block_after_a_line_break_begins_by_itself() -> None:
    walked = walk("<div>The council voted.<br><p>She will sign.</p><br>Rain fell.</div>")
    assert list(zip(walked.texts, walked.after_break, strict=True)) == [
        ("The council voted.", False),
        ("She will sign.", False),
        ("Rain fell.", True),
    ]


def test_rows_of_preformatted_text_are_lines_after_breaks() -> None:
    walked = walk("<pre>Rovers   2\n\nUnited   1\n</pre><p>Half\ntime</p>")
    assert walked.texts == ["Rovers 2", "United 1", "Half time"]
    assert walked.after_break == [False, True, False]
    assert paths(walked) == ["pre", "pre", "p"]


def test_a_row_of_preformatted_text_may_hold_several_elements() -> None:
    assert walk("<pre><b>Rovers</b> <i>2</i>\n<b>United</b>\n<i>1</i></pre>").texts == ["Rovers 2", "United", "1"]


def test_a_word_that_is_partly_marked_up_stays_one_word() -> None:
    assert walk("<p>The <b>coun</b>cil <a href=/>vo<i>ted</i></a><sup>1</sup>.").texts == ["The council voted1."]


def test_white_space_between_words_in_elements_of_their_own_is_kept_as_one_blank() -> None:
    assert walk("<p>\n <b>The</b>\n\t<i>council</i> \u00a0 <u>voted</u> </p>").texts == ["The council voted"]


def test_white_space_alone_is_no_line_and_makes_no_container() -> None:
    walked = walk("<div> <p>\n</p> <section>\u00a0<b> </b></section></div><p>The council voted.</p>")
    assert (walked.texts, walked.tags) == (["The council voted."], ["", "html", "body", "p"])


def test_text_before_between_and_after_blocks_stands_in_the_outer_block() -> None:
    walked = walk("<div>Before<p>Inside</p>between<section>Within</section>after</div>")
    assert walked.texts == ["Before", "Inside", "between", "Within", "after"]
    assert paths(walked) == ["div", "div p", "div", "div section", "div"]


def test_an_element_of_unknown_name_is_a_block() -> None:
    assert paths(walk("<x-teaser>Rain</x-teaser><story>The vote</story>")) == ["x-teaser", "story"]


def test_what_no_reader_sees_is_no_line() -> None:
    html = (
        "<title>The Herald</title><style>p {}</style><p>Seen.<!-- not --></p><script>not()</script>"
        "<template><p>not</p></template><svg><text>not</text></svg><select><option>not</select>"
        "<textarea>not</textarea><noscript><p>not</p></noscript><video><p>not</p></video><math><mi>not</mi></math>"
        "<button>Share</button><details><summary>Read more</summary>Folded</details>"
    )
    assert walk(html).texts == ["Seen.", "Share", "Read more", "Folded"]


def test_a_page_without_text_has_the_document_for_its_only_container() -> None:
    walked = walk("<!DOCTYPE html><html><body><div><img src=a.jpg alt='A bridge'></div></body></html>")
    assert (walked.texts, walked.containers, walked.tags, walked.parents) == ([], [], [""], [0])


# --- links, bold type, names ----------------------------------------------------------------------------------------


def test_characters_in_links_and_in_bold_type_are_counted_by_line() -> None:
    walked = walk("<p>The <a href=/>council</a> <b>voted</b><p><strong>No <a href=/>link</a></strong><p>Rain.")
    assert walked.link_chars == [len("council"), len("link"), 0]
    assert walked.strong_chars == [len("voted"), len("No link"), 0]


def test_a_link_around_blocks_counts_in_each_of_their_lines() -> None:
    walked = walk("<a href=/><h3>Rain</h3><p>It <b>rained</b>.</p></a><p>The council voted.")
    assert walked.texts == ["Rain", "It rained.", "The council voted."]
    assert walked.link_chars == [4, 10, 0]
    assert walked.strong_chars == [0, 6, 0]


def test_an_element_in_bold_type_within_another_is_counted_once() -> None:
    assert walk("<p><b>The <strong>council</strong></b> voted").strong_chars == [len("The council")]


def test_a_link_that_is_never_closed_ends_where_the_parser_ends_it() -> None:
    walked = walk("<p><a href=/>Rain</p><p>The council</a> voted.</p>")
    assert walked.link_chars == [4, len("The council")]


def test_names_of_inline_elements_stand_with_their_line_and_times_by_their_tag() -> None:
    walked = walk("<p><span class='author name'>Ana Ruiz</span> <time>Monday</time></p><p>The council voted.</p>")
    assert walked.inline == ["author name time", ""]


def test_of_very_many_names_in_one_line_the_first_few_are_read() -> None:
    names = " ".join(f"n{number}" for number in range(8))
    line = "".join(f"<i class=n{number}>x</i>" for number in range(500))
    assert walk(f"<p>{line}</p>").inline == [names]


def test_a_container_is_known_by_class_id_and_what_else_tells_its_use() -> None:
    walked = walk(
        "<div class='story main' id=s1><p id=p1 style='x'>a</p><p class=c itemprop=articleBody data-testid=t>b</p>"
        "<p role=note>c</p><p class=''>d</p></div>"
    )
    assert walked.looks[3:] == ["div story main s1", "p p1", "p c articleBody t", "p  note", "p"]


def test_an_element_of_a_role_looks_other_than_one_of_that_class() -> None:
    by_role, by_class = walk("<p role=note>a</p><p class=note>b</p>").looks[3:]
    assert by_role.split() == by_class.split() and by_role != by_class


# --- containers -----------------------------------------------------------------------------------------------------


def test_only_containers_with_lines_are_there_in_the_order_in_which_they_begin() -> None:
    walked = walk("<nav><ul></ul></nav><main><div><img></div><article><p>The vote</p></article></main><footer>©")
    assert walked.tags == ["", "html", "body", "main", "article", "p", "footer"]
    assert walked.parents == [0, 0, 1, 2, 3, 4, 2]
    assert walked.depths == [0, 1, 2, 3, 4, 5, 3]
    assert walked.first_lines == [0, 0, 0, 0, 0, 0, 1]


TAGS = ("div", "p", "ul", "li", "pre", "section", "span", "a", "b", "br", "script", "table", "td", "x-y", "img")
pieces = st.sampled_from(["a", " ", "b c", "\n", "d\n\ne", "\u00a0", "&amp;", "", "f ", " g"])


def element(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda tag, name, inside: f"<{tag}{name}>{''.join(inside)}</{tag}>",
        st.sampled_from(TAGS),
        st.sampled_from(["", " class=k", " id=i role=r"]),
        st.lists(children, max_size=4),
    )


trees = st.lists(st.recursive(pieces, element, max_leaves=25), max_size=6).map("".join)


def plain_walk(node: Node, path: tuple[str, ...] = (), in_pre: bool = False) -> Iterator[tuple[str, ...] | str]:
    """Texts, and before each the tags it stands in; "\\n" alone where a line ends. Calls itself, as it may here."""
    for child in node:
        if isinstance(child, Text):
            for number, part in enumerate(child.data.split("\n") if in_pre else [child.data]):
                if number:
                    yield "\n"
                yield path
                yield part.replace("\n", " ")
        elif isinstance(child, Element) and child.tag == "br":
            yield "\n"
        elif isinstance(child, Element) and child.tag in INLINE:
            yield from plain_walk(child, path, in_pre)
        elif isinstance(child, Element) and child.tag not in HIDDEN:
            yield "\n"
            yield from plain_walk(child, (*path, child.tag), in_pre or child.tag == "pre")
            yield "\n"


def plain_lines(html: str) -> list[tuple[str, str]]:
    """The lines of a page and the paths of their containers, told the plain way."""
    rows: list[tuple[str, str]] = [("", "")]
    path: tuple[str, ...] = ()
    for part in plain_walk(turbohtml.parse(html)):
        if isinstance(part, tuple):
            path = part
        elif part == "\n":
            rows.append(("", ""))
        else:
            rows[-1] = rows[-1][0] + part, " ".join(path).removeprefix("html body").strip()
    return [(" ".join(text.split()), path) for text, path in rows if text.strip()]


@given(trees)
def test_any_page_has_the_lines_and_paths_that_a_plain_walk_finds(html: str) -> None:
    walked = walk(html)
    assert list(zip(walked.texts, paths(walked), strict=True)) == plain_lines(html)


@given(trees)
def test_columns_of_any_page_fit_its_lines_and_containers(html: str) -> None:
    walked = walk(html)
    by_line = (walked.containers, walked.link_chars, walked.strong_chars, walked.inline, walked.after_break)
    by_container = (walked.parents, walked.depths, walked.first_lines, walked.tags, walked.looks)
    assert {len(column) for column in by_line} == {len(walked.texts)}
    assert {len(column) for column in by_container} == {len(walked.tags)}


@given(trees)
def test_in_any_page_parents_come_first_and_depths_count_from_the_document(html: str) -> None:
    walked = walk(html)
    assert walked.parents[0] == walked.depths[0] == 0
    for container in range(1, len(walked.tags)):
        parent = walked.parents[container]
        assert parent < container
        assert walked.depths[container] == walked.depths[parent] + 1


@given(trees)
def test_in_any_page_the_first_line_of_a_container_is_the_first_that_stands_in_it(html: str) -> None:
    walked = walk(html)
    first: dict[int, int] = {}
    for line, container in enumerate(walked.containers):
        while container not in first:
            first[container] = line
            container = walked.parents[container]
    assert walked.first_lines == [first.get(container, 0) for container in range(len(walked.tags))]
    assert walked.first_lines == sorted(walked.first_lines)


@given(trees)
def test_any_page_has_the_same_lines_whether_its_nodes_are_kept_or_not(html: str) -> None:
    document = turbohtml.parse(html)
    kept = walk_page(document, keep_nodes=True)
    assert replace(kept, nodes=[]) == walk_page(document)
    assert len(kept.nodes) == len(kept.texts) and all(kept.nodes)


@given(trees.filter(lambda html: "<pre" not in html))
def test_the_nodes_of_a_line_are_those_that_hold_its_text(html: str) -> None:
    kept = walk_page(turbohtml.parse(html), keep_nodes=True)
    assert [" ".join("".join(node.data for node in nodes).split()) for nodes in kept.nodes] == kept.texts  # type: ignore[attr-defined]


# --- hostile trees --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["div", "b", "ul", "x-y"])
def test_a_tree_of_depth_50_000_is_walked_and_its_path_cut(tag: str) -> None:
    document = turbohtml.parse("<p>The council voted.</p>")
    node = document.find("body")
    assert node is not None
    # The parser would not nest so deep by itself; another version of it may.
    for _ in range(50_000):
        inner = Element(tag)
        node.append(inner)
        node = inner
    node.append(Text("Bridge closed."))
    walked = walk_page(document)
    assert walked.texts == ["The council voted.", "Bridge closed."]
    assert max(walked.depths) <= MAX_DEPTH


def test_lines_below_the_greatest_depth_stand_in_the_last_container_that_is_known() -> None:
    document = turbohtml.parse("")
    node = document.find("body")
    assert node is not None
    for level in range(MAX_DEPTH + 50):
        node.append(Text(f"Level {level}."))
        inner = Element("div")
        node.append(inner)
        node = inner
    walked = walk_page(document)
    assert len(walked.texts) == MAX_DEPTH + 50
    assert walked.containers == [min(level + 2, MAX_DEPTH) for level in range(MAX_DEPTH + 50)]


def test_tags_that_are_never_closed_lose_no_text() -> None:
    assert walk("<div><p>One<b>two<p>three<ul><li>four<li><a>five<table><tr><td>six<").texts == [
        "Onetwo", "three", "four", "five", "six<",
    ]  # fmt: skip


# --- from page to lines ---------------------------------------------------------------------------------------------


def test_a_page_that_is_read_has_its_walk_and_offsets_into_its_joined_lines() -> None:
    lines = read_page("<title>Herald</title><h1>Old bridge to close</h1><p>The council\nvoted.</p>")
    assert (lines.extractor, lines.texts) == ("lines", ["Old bridge to close", "The council voted."])
    assert lines.walked is not None and lines.walked.texts == lines.texts
    assert lines.metadata.head_title == "Herald"
    joined = "\n\n".join(lines.texts)
    assert [joined[start:end] for start, end in zip(lines.starts, lines.ends, strict=True)] == lines.texts


def test_a_text_in_place_of_a_page_has_no_walk_and_its_entities_are_characters() -> None:
    lines = read_page("Old bridge to close\n\nMayor &amp; council agree; 5 < 7")
    assert (lines.walked, lines.extractor) == (None, None)
    assert lines.texts == ["Old bridge to close", "Mayor & council agree; 5 < 7"]
    assert lines.gaps == [False, True]


def test_a_page_of_too_many_lines_is_refused_with_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cleaner.extract.page.MAX_LINES", 3)
    assert len(read_page("<p>a<p>b<p>c").texts) == 3
    with pytest.raises(DocumentError, match="4 lines; a page may have 3") as caught:
        read_page("<p>a<p>b<p>c<p>d")
    assert caught.value.reason == "too_large"
    assert MAX_LINES >= 50_000  # live blogs and court files are long


def test_no_lines_have_no_offsets() -> None:
    lines = page_lines([])
    assert (lines.starts, lines.ends, lines.gaps) == ([], [], [])
