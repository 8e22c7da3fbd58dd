"""What the page model sees of a line: its place in the tree, and what stands in the containers around it."""

from __future__ import annotations

import re
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_pages import assert_same_bits, links, paragraphs, random_html, random_metadata, walk

from cleaner.features.chars import build_char_tables
from cleaner.features.dom import DOM_NAMES, TAGS
from cleaner.features.headline import _fold_words
from cleaner.features.ngrams import Bag
from cleaner.features.pages import PageBatch, PageFeatures, page_features
from cleaner.features.paths import path_bag
from cleaner.types import Metadata

TABLES = build_char_tables()
PROSE = "The council voted seven to two on Monday to close the old bridge for good, officials said."
LONGER = "Mayor Ana Ruiz told reporters that she would sign the decision before the end of the week, come what may."


def featured(*pages: str, metadata: Metadata | None = None) -> PageFeatures:
    batch = PageBatch([walk(html) for html in pages], [metadata or Metadata()] * len(pages))
    return page_features(batch, TABLES)


def feature(name: str, *pages: str, metadata: Metadata | None = None) -> list[float]:
    """A column of the table by its name, rounded; the lines of all pages one after another."""
    dense = featured(*pages, metadata=metadata).dense
    return [round(float(value), 3) for value in dense[:, DOM_NAMES.index(name)]]


# --- the line itself ------------------------------------------------------------------------------------------------


def test_the_share_of_a_line_in_links_and_in_bold_type_is_known() -> None:
    html = "<p><a href=/>Rovers</a> win 3</p><p>The vote</p><p><b><a href=/>Share</a></b></p>"
    assert feature("link_share", html) == [0.5, 0.0, 1.0]
    assert feature("is_link", html) == [0, 0, 1]
    assert feature("strong_share", html) == [0.0, 0.0, 1.0]


def test_white_space_within_a_link_makes_no_share_above_one() -> None:
    assert feature("link_share", f"<p><a href=/>Rovers{' ' * 50}win</a></p>") == [1.0]


def test_an_ideograph_weighs_as_much_as_three_letters() -> None:
    chinese, letters = "市议会周一投票决定关闭旧桥", "x" * 39
    assert feature("is_cjk", f"<p>{chinese}<p>{letters}") == [1, 0]
    one, other = feature("mass", f"<p>{chinese}<p>{letters}")
    assert one == other


def test_a_paragraph_is_prose_and_neither_a_headline_nor_a_row_of_links_is() -> None:
    html = f"<p>{PROSE}</p><h2>Old bridge to close</h2><p><a href=/>{PROSE}</a></p>"
    assert feature("is_prose", html) == [1, 0, 0]


def test_a_line_after_a_break_is_told_from_the_first_of_a_block() -> None:
    assert feature("after_break", "<p>The vote<br>Rain</p><p>Sun") == [0, 1, 0]


# --- tags and place -------------------------------------------------------------------------------------------------


def test_the_tags_on_the_path_of_a_line_and_that_of_its_own_container_are_known() -> None:
    html = f"<nav><ul>{links('Home')}</ul></nav><article><p>{PROSE}</p></article><x-box>Rain</x-box>"
    assert feature("in_nav", html) == [1, 0, 0]
    assert feature("in_li", html) == [1, 0, 0]
    assert feature("in_article", html) == [0, 1, 0]
    assert feature("is_p", html) == [0, 1, 0]
    assert feature("is_other_tag", html) == [0, 0, 1]
    assert feature("depth", html) == [5, 4, 3]


def test_place_counts_from_the_first_line_of_each_page() -> None:
    assert feature("place", "<p>a<p>b<p>c<p>d", "<p>e<p>f") == [0.0, 0.25, 0.5, 0.75, 0.0, 0.5]
    assert feature("lines_above", "<p>a<p>b", "<p>c<p>d") == [0, 1, 0, 1]
    assert feature("lines_below", "<p>a<p>b", "<p>c<p>d") == [1, 0, 1, 0]


def test_the_prose_above_a_line_is_a_share_of_its_page() -> None:
    html = paragraphs(PROSE, "Share", PROSE)
    assert feature("prose_place", html, html) == [0.0, 0.5, 0.5] * 2
    assert feature("page_prose", html) == [round(2 * len(PROSE) / (2 * len(PROSE) + len("Share")), 3)] * 3


def test_neighbours_are_those_of_the_same_page() -> None:
    pages = ["<p>a<p><a href=/>b</a>", "<p><a href=/>c</a><p>d"]
    assert feature("link_share_at_1", *pages) == [1, 0, 0, 0]
    assert feature("link_share_at_-1", *pages) == [0, 0, 0, 1]
    assert feature("outside_at_1", *pages) == [0, 1, 0, 1]
    assert feature("outside_at_-2", *pages) == [1, 1, 1, 1]


# --- containers -----------------------------------------------------------------------------------------------------


def test_what_a_container_holds_is_known_to_each_of_its_lines() -> None:
    html = f"<div><p>{PROSE}</p><p><a href=/>{PROSE}</a></p></div><div>Rain</div>"
    assert feature("links_0_up", html) == [0.0, 1.0, 0.0]
    assert feature("links_1_up", html) == [0.5, 0.5, round(len(PROSE) / (2 * len(PROSE) + 4), 3)]
    assert feature("prose_of_page_0_up", html) == [1.0, 0.0, 0.0]
    assert feature("place_1_up", html) == [0.0, 0.5, round(2 / 3, 3)]


def test_a_container_counts_the_lines_below_it_too() -> None:
    deep = f"<div><section>{paragraphs('a', 'b', 'c')}</section></div>"
    assert feature("lines_0_up", deep) == [1, 1, 1]
    assert feature("lines_1_up", deep) == [2, 2, 2]  # log2(1 + 3)


MAIN = (
    f"<nav>{links('Home', 'News', tag='p')}</nav><main><div class=body>{paragraphs(PROSE, LONGER)}"
    "<div><p>Deeper</p></div></div><p>Share</p></main><footer><p>©</p></footer>"
)


def test_the_smallest_container_with_the_pages_prose_is_the_main_one() -> None:
    assert feature("main90_in", MAIN) == [0, 0, 1, 1, 1, 0, 0]
    assert feature("main90_direct", MAIN) == [0, 0, 1, 1, 0, 0, 0]
    assert feature("main90_depth", MAIN) == [0, 0, 1, 1, 2, 0, 0]
    assert feature("main90_place", MAIN) == [0, 0, 0, round(1 / 3, 3), round(2 / 3, 3), 0, 0]


def test_lines_before_and_after_the_main_container_know_how_far_away_it_is() -> None:
    before, after = feature("main90_before", MAIN), feature("main90_after", MAIN)
    assert before[0] > before[1] > 0 and before[2:] == [0] * 5
    assert after[6] > after[5] > 0 and after[:5] == [0] * 5


def test_half_of_the_prose_has_a_smaller_main_container_than_all_of_it() -> None:
    html = f"<div><section>{paragraphs(PROSE, PROSE)}</section><p>{LONGER}</p></div>"
    assert feature("main50_in", html) == [1, 1, 0]
    assert feature("main90_in", html) == [1, 1, 1]


def test_each_page_of_a_batch_has_a_main_container_of_its_own() -> None:
    assert feature("main75_in", MAIN, MAIN) == feature("main75_in", MAIN) * 2


def test_a_page_without_prose_has_features_all_the_same() -> None:
    dense = featured("<p>Home</p><div>Share</div>").dense
    assert np.isfinite(dense).all()


# --- lines that look alike, copies ----------------------------------------------------------------------------------


def test_lines_in_containers_of_one_look_are_counted_together() -> None:
    lists = f"<ul class=menu>{links('Home', 'News')}</ul><p>Rain</p><ul class=menu>{links('Sport')}</ul>"
    assert feature("look_lines", lists) == [2, 2, 1, 2]  # log2(1 + 3) and log2(1 + 1)
    assert feature("siblings_lines", lists) == [round(1.625, 3)] * 2 + [1, 1]


def test_cells_at_one_depth_below_rows_of_one_look_are_cousins() -> None:
    table = "<table><tr><td>Rovers<td>41</tr><tr><td>United<td>38</tr></table><p>Rain"
    assert feature("cousins_lines", table)[:4] == [round(float(np.round(np.log2(5) * 8) / 8), 3)] * 4
    assert feature("siblings_lines", table)[:4] == [round(float(np.round(np.log2(3) * 8) / 8), 3)] * 4


def test_lines_of_one_look_on_two_pages_are_not_counted_together() -> None:
    page = "<ul class=menu><li>Home</ul>"
    assert feature("look_lines", page, page) == [1, 1]
    assert feature("cousins_lines", page, page) == [1, 1]


def test_copies_of_a_line_are_counted_within_its_page_and_the_first_is_marked() -> None:
    pages = ["<p>Rain<p>Sun<p>Rain<p>Rain", "<p>Rain<p>Sun"]
    assert feature("copies", *pages) == [round(float(np.round(np.log2(3) * 8) / 8), 3), 0, 1.625, 1.625, 0, 0]
    assert feature("first_copy", *pages) == [1, 0, 0, 0, 0, 0]


# --- headline -------------------------------------------------------------------------------------------------------

DECLARED = Metadata(
    titles=("Old bridge to close",),
    head_title="Old bridge to close - Valley Herald",
    descriptions=("Seven of nine members of the council want a new one upstream.",),
)
HEADED = (
    "<p>Valley Herald</p><p>Rain floods the harbour</p><h2>Old Bridge to Close!</h2>"
    f"<p>Seven of nine members of the council want a new one upstream.</p><p>{LONGER}</p>"
)


def test_the_line_that_says_a_declared_title_is_known_whatever_its_case_and_marks() -> None:
    assert feature("is_title", HEADED, metadata=DECLARED) == [0, 0, 1, 0, 0]
    assert feature("is_headline", HEADED, metadata=DECLARED) == [0, 0, 1, 0, 0]
    assert feature("like_title", HEADED, metadata=DECLARED)[2] == 1.0


def test_a_line_that_opens_or_ends_the_title_in_the_head_is_told_where_no_other_is_declared() -> None:
    assert feature("in_head_title", HEADED, metadata=Metadata(head_title=DECLARED.head_title)) == [1, 0, 1, 0, 0]


@given(st.text(st.characters(max_codepoint=0x17F)) | st.text(st.characters(max_codepoint=0x7F)))
def test_a_line_has_the_same_words_whether_or_not_its_letters_are_ascii(text: str) -> None:
    assert _fold_words(text) == re.findall(r"\w+", text.casefold())


def test_the_standfirst_is_like_the_declared_description() -> None:
    assert feature("is_description", HEADED, metadata=DECLARED) == [0, 0, 0, 1, 0]
    assert feature("like_description", HEADED, metadata=DECLARED)[3] == 1.0


def test_a_description_that_is_cut_short_is_still_that_of_its_standfirst() -> None:
    cut = Metadata(titles=("Bridge",), descriptions=("Seven of nine members of the council want a new one …",))
    assert feature("is_description", HEADED, metadata=cut) == [0, 0, 0, 1, 0]


def test_lines_know_how_far_above_or_below_the_headline_they_stand() -> None:
    above, below = (feature(f"{side}_headline", HEADED, metadata=DECLARED) for side in ("above", "below"))
    assert above[0] > above[1] > above[2] == 0 == below[2] < below[3] < below[4]


def test_of_two_headlines_the_last_above_the_story_is_known_too() -> None:
    html = f"<nav><p>Old bridge to close</p></nav><h1>Old bridge to close</h1>{paragraphs(PROSE, LONGER)}"
    assert feature("is_headline", html, metadata=DECLARED) == [1, 0, 0, 0]
    assert feature("is_last_headline", html, metadata=DECLARED) == [0, 1, 0, 0]


def test_a_headline_among_the_teasers_below_the_story_is_not_the_last_one() -> None:
    html = f"<h1>Old bridge to close</h1>{paragraphs(PROSE, LONGER)}<aside><p>Old bridge to close</p></aside>"
    assert feature("is_last_headline", html, metadata=DECLARED) == [1, 0, 0, 0]


def test_without_a_line_that_says_the_title_the_first_in_an_h1_is_the_headline() -> None:
    html = f"<p>Rain</p><h1><span>Bridge</span> closes</h1><p>{PROSE}</p>"
    assert feature("is_headline", html, metadata=Metadata()) == [0, 1, 0]


def test_where_no_headline_is_known_no_line_stands_above_or_below_it() -> None:
    names = [name for name in DOM_NAMES if name.endswith(("headline", "headline_known"))]
    assert len(names) >= 8
    for name in names:
        assert feature(name, paragraphs("Rain", PROSE)) == [0, 0]


# --- words of tags --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["article body", "article-body", "article_body", "articleBody", "Article  Body", "ARTICLE.BODY"]
)
def test_words_of_a_class_are_the_same_however_they_are_joined(name: str) -> None:
    expected = path_bag(["article body"], TABLES)
    found = path_bag([name], TABLES)
    np.testing.assert_array_equal(found.buckets, expected.buckets)


def test_each_name_has_its_own_words_and_an_empty_one_none() -> None:
    bag = path_bag(["story", "", "story list"], TABLES)
    assert bag.counts.tolist() == [1, 0, 2]
    assert bag.buckets[0] == bag.buckets[1]


# --- whole tables ---------------------------------------------------------------------------------------------------


def test_each_feature_has_a_name_of_its_own() -> None:
    assert len(set(DOM_NAMES)) == len(DOM_NAMES)
    assert len(set(TAGS)) == len(TAGS) < 63  # a bit each of an integer


@pytest.mark.parametrize("pages", [[], [""], ["", "<p>Rain", ""]])
def test_pages_without_lines_have_no_rows(pages: list[str]) -> None:
    features = featured(*pages)
    assert features.dense.shape == (sum(map(bool, pages)), len(DOM_NAMES))
    assert features.dense.dtype == np.float32


pages = st.lists(st.tuples(random_html, random_metadata), min_size=1, max_size=5)


@given(random_html, random_metadata)
def test_shares_of_any_page_lie_between_none_and_all(html: str, metadata: Metadata) -> None:
    dense = page_features(PageBatch([walk(html)], [metadata]), TABLES).dense
    assert np.isfinite(dense).all()
    shares = ("share", "place", "links", "prose_of_page", "like_title", "prose")
    columns = [
        number for number, name in enumerate(DOM_NAMES) if name.split("_at_")[0].split("_0_up")[0].endswith(shares)
    ]
    assert len(columns) > 20
    assert dense[:, columns].min(initial=0) >= 0 and dense[:, columns].max(initial=0) <= 1


def bags_by_name(bag: Bag, names: list[str]) -> dict[str, list[int]]:
    """The buckets of each name, sorted; names are numbered in the order in which a batch meets them."""
    return {
        name: bag.buckets[start:end].tolist()
        for name, start, end in zip(names, bag.starts[:-1], bag.starts[1:], strict=True)
    }


@given(pages)
def test_a_page_has_the_same_features_to_the_last_bit_alone_as_among_others(drawn: list[tuple[str, Metadata]]) -> None:
    walked, metadata = [walk(html) for html, _ in drawn], [entry for _, entry in drawn]
    together = page_features(PageBatch(walked, metadata), TABLES)
    starts = [0, *accumulate(len(page.texts) for page in walked)]
    for number, page in enumerate(walked):
        alone = page_features(PageBatch([page], [metadata[number]]), TABLES)
        rows = slice(starts[number], starts[number + 1])
        assert_same_bits(together.dense[rows], alone.dense)
        assert_same_bits(together.masses.mass[rows], alone.masses.mass)
        first, last = together.grams.starts[rows.start], together.grams.starts[rows.stop]
        assert_same_bits(together.grams.buckets[first:last], alone.grams.buckets)
        everywhere = bags_by_name(together.looks, together.trees.look_names)
        assert bags_by_name(alone.looks, alone.trees.look_names).items() <= everywhere.items()
