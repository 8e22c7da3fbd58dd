"""Which pages hold an article: how their lines stand, what they declare, and who else is asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import turbohtml
from made_pages import STORY, TITLE, paragraphs, walk

from cleaner import Article, Cleaner
from cleaner.assemble import assemble
from cleaner.extract.metadata import read_metadata
from cleaner.extract.page import read_page
from cleaner.features.hints import Hints
from cleaner.features.pages import PageBatch
from cleaner.judging import Decision, _follow
from cleaner.labels import LABEL_INDEX
from cleaner.model.artefact import Verdicts
from cleaner.types import Judged, Page
from cleaner.verdict import PAGE_FEATURES, describe_page, tell_verdict, text_mass

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import verdicts

MENU = f"<nav>{paragraphs(*(f'nav|Section number {number} of the Valley Herald' for number in range(30)))}</nav>"
CARD = "<div><h3>teaser|{0} wins</h3><p>The club of {0} won its match on Sunday, and its fans sang all night.</p></div>"
TOWNS = ("Tannau", "Port Ann", "Lenz", "Oberau", "Riedt", "Sommen", "Wald", "Zell")
FRONT_PAGE = MENU + "".join(f"<div>{CARD.format(town)}</div>" for town in TOWNS)
SHORT_NEWS = MENU + (
    "<article><h1>title|Ferry aground</h1><p>A ferry with eighty passengers ran aground off Port Ann on Sunday.</p>"
    "<p>Nobody was hurt, the coast guard said.</p></article>" + MENU
)


def judge(html: str, url: str | None = None) -> Judged:
    """The page as a model judges it that believes its lines: ``teaser|Rain`` goes, and what has no mark is body."""
    lines = read_page(html, url)
    marks = [text.split("|")[0] if "|" in text else "body" for text in lines.texts]
    kept = [mark in ("title", "body") for mark in marks]
    return Judged(lines, [LABEL_INDEX[mark] for mark in marks], [0.05 if keep else 0.95 for keep in kept], kept)


def feature(name: str, html: str) -> float:
    return describe_page(judge(html))[PAGE_FEATURES.index(name)]


# --- verdicts ---


def test_a_front_page_whose_teasers_were_kept_is_no_article() -> None:
    assert tell_verdict(judge(FRONT_PAGE)) == "no_article"


def test_a_page_that_is_no_article_keeps_the_text_of_its_lines() -> None:
    article = assemble(Page("", "html"), judge(FRONT_PAGE), model="m", options_hash="h")
    assert (article.verdict, article.text.count("won its match")) == ("no_article", 8)


def test_a_list_of_shoes_is_no_article() -> None:
    shoe = "<li><div><h2>Boot {0}</h2><p>interface|Add to basket</p><p>Brown leather, lined with wool.</p></div></li>"
    assert tell_verdict(judge(MENU + "".join(map(shoe.format, "ABCDEFGH")) + MENU)) == "no_article"


def test_a_list_of_threads_is_no_article() -> None:
    thread = "<tr><td>How do I mend plank {0}?</td><td>byline|user{0}</td><td>interface|12 replies</td></tr>"
    assert tell_verdict(judge(f"{MENU}<table>{''.join(map(thread.format, range(9)))}</table>{MENU}")) == "no_article"


def test_a_page_whose_only_kept_line_is_an_apology_among_menus_is_no_article() -> None:
    assert (
        tell_verdict(judge(f"{MENU}<h1>title|Error</h1><div><p>Page not found.</p></div>{MENU}{MENU}")) == "no_article"
    )


def test_a_page_of_which_only_the_headline_is_kept_is_no_article() -> None:
    assert tell_verdict(judge(f"{MENU}<h1>title|{TITLE}</h1><p>promo|Subscribe now to read on.")) == "no_article"


def test_a_whole_story_is_an_article_though_its_page_declares_nothing() -> None:
    assert tell_verdict(judge(f"{MENU}<h1>title|{TITLE}</h1>{paragraphs(*STORY)}{MENU}")) == "article"


def test_news_of_two_sentences_among_menus_is_an_article() -> None:
    assert tell_verdict(judge(SHORT_NEWS)) == "article"


@pytest.mark.parametrize(
    "story",
    [
        "周日晚上，一艘载有八十名乘客的渡轮在安港外搁浅。海岸警卫队说，没有人受伤，所有乘客都乘小船上了岸。",
        "日曜日の夕方、乗客八十人を乗せたフェリーがアン港沖で座礁した。海上保安庁によると、けが人はなかった。",
    ],
)
def test_news_of_two_sentences_in_ideographs_is_an_article(story: str) -> None:
    assert tell_verdict(judge(f"{MENU}<div><h1>title|渡轮</h1><p>{story}</p></div>{MENU}")) == "article"


def test_a_declared_article_may_be_shorter_than_one_that_is_not() -> None:
    html = f"{MENU}<div><p>The ferry is afloat.</p></div>{MENU}"
    declared = f"<meta property=og:type content=article><meta name=author content='Ana Ruiz'>{html}"
    assert [tell_verdict(judge(page)) for page in (html, declared)] == ["no_article", "article"]


def test_a_few_sentences_on_what_declares_to_be_a_product_are_no_article() -> None:
    product = f"<script type='application/ld+json'>{json.dumps({'@type': 'Product'})}</script>"
    assert tell_verdict(judge(product + SHORT_NEWS)) == "no_article"


def test_a_few_sentences_on_the_front_page_of_a_site_are_no_article() -> None:
    addresses = ("https://herald.example/2024/ferry", "https://herald.example/")
    assert [tell_verdict(judge(SHORT_NEWS, url)) for url in addresses] == ["article", "no_article"]


@pytest.mark.parametrize(
    ("doubt", "n_paragraphs", "verdict"),
    [(0.39, 3, "article"), (0.4, 3, "no_article"), (0.9, 20, "article")],
)
def test_a_short_text_that_reads_like_debris_is_a_wall_wherever_it_stands(
    doubt: float, n_paragraphs: int, verdict: str
) -> None:
    wall = "<p>We and our partners keep what you read, for as long as you let us, and tell others of it.</p>"
    page = judge(f"{MENU}<article><h1>title|Ferry aground</h1>{wall * n_paragraphs}</article>")
    assert tell_verdict(replace(page, text_doubt=doubt)) == verdict


@pytest.mark.parametrize(("keeps", "model"), [(True, "pages+texts"), (False, "pages")])
def test_what_the_model_of_texts_doubts_is_told_whether_or_not_it_has_its_way(keeps: bool, model: str) -> None:
    page = judge(
        "<nav><p>nav|Home</p></nav><article><p>A line of thirty characters or so.</p><p>Ten chars.</p></article>"
    )
    rows, scores = np.array([1, 2]), np.array([0.5, 0.25])
    of_text = Verdicts(np.full(2, LABEL_INDEX["body"]), scores, np.full(2, keeps), np.full(2, 0.7 if keeps else 0.1))
    sizes = [len(page.page_lines.texts[row]) for row in rows]
    decision = _follow(Decision("pages", page, np.full(3, 0.5), rows[:0]), rows, of_text, "texts")
    assert decision.model == model
    assert decision.judged.text_doubt == pytest.approx(sizes @ scores / sum(sizes))


def test_what_both_models_doubt_is_doubted_more_unless_a_second_extractor_overruled_the_doubt() -> None:
    page = judge(f"<article>{paragraphs(*STORY[:3])}</article>")
    page = replace(page, scores=[0.2, 0.4, 0.6])
    rows = np.arange(3)
    of_text = Verdicts(np.full(3, LABEL_INDEX["body"]), np.full(3, 0.5), np.full(3, True), np.full(3, 0.65))
    decision = _follow(Decision("pages", page, np.full(3, 0.5), rows[:0]), rows, of_text, "texts")
    assert decision.judged.scores == pytest.approx([0.6, 0.7, 0.5])
    assert decision.judged.kept == [True, False, True]


def test_a_text_with_a_line_of_story_is_an_article_wherever_the_line_stands() -> None:
    page = judge(FRONT_PAGE)
    as_text = replace(page, page_lines=replace(page.page_lines, walked=None))
    assert tell_verdict(as_text) == "article"


# --- features ---


def test_paragraphs_side_by_side_stand_in_one_box_and_cards_do_not() -> None:
    assert feature("in_one_box", f"<div>{paragraphs(*STORY)}</div>") == 1.0
    assert feature("in_one_box", FRONT_PAGE) < 0.2


def test_a_caption_between_paragraphs_costs_the_story_no_more_than_its_length() -> None:
    with_caption = f"<p>{STORY[0]}<p>caption|The bridge.<p>{STORY[1]}"
    whole, lost = np.expm1(feature("story", paragraphs(*STORY[:2]))), len("caption|The bridge.")
    assert np.expm1(feature("story", with_caption)) == pytest.approx(whole - 0.9 * lost)


def test_debris_outside_a_story_costs_it_nothing() -> None:
    story = paragraphs(*STORY[:2])
    assert feature("story", MENU + story + MENU) == pytest.approx(feature("story", story))


def test_an_ideograph_says_as_much_as_three_letters() -> None:
    assert [text_mass(text) for text in ("ferry", "渡轮", "フェリー", "café – 渡", "")] == [5, 6, 12, 10, 0]


# --- what a page declares ---


def says(head: str, url: str | None = None) -> bool | None:
    return read_metadata(turbohtml.parse(f"<head>{head}</head><p>Bridge closed.", positions=False), url).says_article


def json_ld(*types: Any) -> str:
    return f"<script type='application/ld+json'>{json.dumps([{'@type': kind} for kind in types])}</script>"


@pytest.mark.parametrize(
    "head",
    [
        "<meta property=og:type content=article>",
        "<meta name=og:type content='News'>",
        json_ld("NewsArticle"),
        json_ld(["Thing", "https://schema.org/BlogPosting"]),
        json_ld("Product", "Article"),
        "<meta property=og:type content=website>" + json_ld("WebPage", "ReportageNewsArticle"),
    ],
)
def test_a_page_says_that_it_is_an_article(head: str) -> None:
    assert says(head) is True


@pytest.mark.parametrize(
    "head",
    [
        "<meta property=og:type content=product.item>",
        json_ld("WebSite", "Product"),
        json_ld("http://schema.org/CollectionPage"),
        "<meta property=og:type content=website>" + json_ld("DiscussionForumPosting"),
    ],
)
def test_a_page_says_that_it_is_something_else(head: str) -> None:
    assert says(head) is False


@pytest.mark.parametrize(
    "head", ["", "<meta property=og:type content=website>", json_ld("WebPage", 5, None, ["Person"])]
)
def test_a_page_says_nothing_of_the_kind(head: str) -> None:
    assert says(head) is None


@pytest.mark.parametrize(
    "url", ["https://herald.example", "http://herald.example/", "https://herald.example/index.html#top"]
)
def test_the_front_page_of_a_site_is_no_article_whatever_it_says(url: str) -> None:
    assert says("<meta property=og:type content=article>", url) is False


@pytest.mark.parametrize("url", ["https://herald.example/?id=7", "https://herald.example/index", "herald.example", ""])
def test_other_addresses_say_nothing(url: str) -> None:
    assert says("", url) is None


# --- second opinions ---


class BelievingJudge:
    """A page model that believes its lines as `judge` does, but takes ``lost|…``, which is text, for a menu."""

    full_name = "pages-believing"

    def judge(self, batch: PageBatch, is_dropped: np.ndarray, mode: str, hints: Hints, witness: object) -> Verdicts:
        marks = [text.split("|")[0].replace("lost", "nav") if "|" in text else "body" for text in batch.texts]
        labels = np.array([LABEL_INDEX[mark] for mark in marks], dtype=np.int64)
        kept = ~is_dropped[labels]
        return Verdicts(labels, np.where(kept, 0.05, 0.95), kept, np.full(len(marks), 0.5))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pages about which trafilatura was asked; it keeps every line that ends like a sentence."""
    pages: list[str] = []

    def keep_sentences(html: str, url: object) -> list[str]:
        pages.append(html)
        return [text for text in walk(html).texts if text.endswith(".")]

    monkeypatch.setattr("cleaner.extract.trafilatura._ask_trafilatura", keep_sentences)
    return pages


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, marked: Callable[..., Cleaner]) -> Callable[[str], Article]:
    """Cleans a page by models that believe its lines."""
    monkeypatch.setattr("cleaner.model.page_artefact.load_page_model", lambda _: BelievingJudge())
    return lambda html: marked().clean(html=html)


LOST_STORY = f"{MENU}<div>{paragraphs(*(f'lost|{text}' for text in STORY))}</div>"


def test_a_story_that_the_page_model_took_for_a_menu_comes_from_trafilatura(
    clean: Callable[[str], Article], asked: list[str]
) -> None:
    article = clean(LOST_STORY)
    assert (article.verdict, article.extractor, len(asked)) == ("article", "trafilatura", 1)
    assert article.text.startswith(f"lost|{STORY[0]}")


def test_teasers_that_trafilatura_keeps_here_and_there_do_not_make_an_article(
    clean: Callable[[str], Article], asked: list[str]
) -> None:
    article = clean(FRONT_PAGE.replace("<p>The", "<p>lost|The"))
    assert (article.verdict, article.extractor, article.text, len(asked)) == ("no_article", "lines", "", 1)


def test_trafilatura_is_not_asked_about_what_declares_to_be_a_product(
    clean: Callable[[str], Article], asked: list[str]
) -> None:
    assert clean(json_ld("Product") + LOST_STORY).verdict == "no_article"
    assert not asked


def test_trafilatura_is_not_asked_where_forty_ideographs_are_kept(
    clean: Callable[[str], Article], asked: list[str]
) -> None:
    story = "周日晚上，一艘载有八十名乘客的渡轮在安港外搁浅。没有人受伤，所有乘客都乘小船上了岸。"
    assert clean(f"{LOST_STORY}<div><p>{story}</p></div>").text == story
    assert not asked


# --- the benchmark ---


def row(kind: str, *features: float, final: str = "article", taken: bool = False) -> verdicts.Row:
    return verdicts.Row(kind, kind, features, "article", 500, 0.9, taken, taken, None, None, final)


def test_weights_are_fitted_so_that_lists_are_told_from_articles() -> None:
    articles = [row("aed", 1.0, 0.0, 0.9 - number / 100, 7.0, 5.0) for number in range(20)]
    lists = [row("listing", 0.0, 0.0, 0.1 + number / 100, 5.0, 8.0) for number in range(20)]
    bias, weights = verdicts.fit_weights([*articles, *lists])
    told = [verdicts.with_verdict(each, bias, weights).final for each in (*articles, *lists)]
    assert told == ["article"] * 20 + ["no_article"] * 20


def test_a_second_opinion_that_was_taken_outlasts_new_weights() -> None:
    weights = (0.0,) * len(PAGE_FEATURES)
    assert verdicts.with_verdict(row("aed", *weights, taken=True), -1.0, weights).final == "article"


def test_an_article_called_none_stands_in_the_table_of_its_source() -> None:
    table = verdicts.verdict_table([row("aed", final="no_article"), row("aed"), row("listing", final="no_article")])
    cells = {line.split("|")[1].strip(): line.split("|")[5].strip() for line in table.splitlines()}
    assert (cells["aed"], cells["all articles"], cells["listing"]) == ("1", "1", "1")
