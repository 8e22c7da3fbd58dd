"""What a page declares about itself: headlines, author, date, language, summaries."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from itertools import islice
from typing import TYPE_CHECKING, Any

from cleaner.extract.dates import day_in_url, precision, to_iso_date
from cleaner.extract.json_ld import Node, choose_articles, read_json_ld, tell_article
from cleaner.extract.language import to_language_tag
from cleaner.extract.names import fold_name, is_full_name, is_person, split_names
from cleaner.types import Metadata

if TYPE_CHECKING:
    from turbohtml import Document, Element

# fmt: off
# Names of <meta>, best first. A name of a date stands here if it agreed with the article's date on nine training pages
# of ten; article:modified_time, og:updated_time and last-modified did on six.
_TITLES = ("og:title", "twitter:title", "dc.title", "headline")
_DESCRIPTIONS = ("og:description", "description", "twitter:description")
_AUTHORS = (
    "author", "parsely-author", "sailthru.author", "cxenseparse:author", "article:author", "og:article:author",
    "article:author_name", "dc.creator", "dcterms.creator", "byl", "byline", "authors", "article_author", "bt:author",
)
_DATES = (
    "article:published_time", "datepublished", "date", "parsely-pub-date", "sailthru.date", "dc.date.issued",
    "dc.date", "dcterms.created", "dcterms.issued", "og:article:published_time", "weibo: article:create_at", "pubdate",
    "cxenseparse:recs:publishtime", "cxenseparse:publishtime", "publishdate", "article:published", "pub_date",
    "published", "content_publisheddate", "datecreated",
)
# WordPress says "Written by" here, in the language of the site.
_LABEL, _LABELLED = "twitter:label1", "twitter:data1"
_LANGS = ("og:locale", "content-language", "dc.language", "language")
_SITE = "og:site_name"
_ADDRESS = "og:url"
_KIND = "og:type"
_WANTED = frozenset((*_TITLES, *_DESCRIPTIONS, *_AUTHORS, *_DATES, *_LANGS, _SITE, _ADDRESS, _KIND, _LABEL, _LABELLED))
_SITE_TYPES = ("Organization", "NewsMediaOrganization", "WebSite")

# How a body marks its author, most reliable first, and how often a full name there was the author on training pages
# whose head names a person. A selector that begins with a tag takes 4 us a page, another one 30 to 60.
_AUTHOR_MARKS = (
    # 105 of 109
    ('span[itemprop~="author"]', 'div[itemprop~="author"]', 'p[itemprop~="author"]', 'a[itemprop~="author"]'),
    ('a[rel~="author"]',),  # 152 of 156
    ("span.fn", "a.fn"),  # 22 of 22
    ("div.byline", "p.byline", "span.byline"),  # 30 of 30
    ("div.author-name", "span.author-name"),  # 19 of 19
    ('a[href*="/aut"]',),  # 169 of 175, of those whose address is one of _AUTHOR_PAGE
)
# Elements that hold the day of publication and nothing else: 413 of 422 by itemprop, 183 of 187 by class.
_DATE_MARKS = (
    'span[itemprop~="datePublished"]', 'div[itemprop~="datePublished"]', "abbr.published", "span.published",
    "span.time",
)
# fmt: on
_WRITTEN_BY = re.compile(r"written|verfasst|geschrieben|escrito|écrit|scritto|geschreven|autor", re.IGNORECASE)
_AUTHOR_PAGE = re.compile(r"/(?:authors?|autor|autoren)/")
_STORY_KIND = re.compile(r"article|news|story|post", re.IGNORECASE)
_FRONT_PAGE = re.compile(r"https?://[^/?#]+/?(?:index\.(?:html?|php))?(?:#.*)?", re.IGNORECASE)
_PUBLISHED = re.compile(r"publish|entry-date|posted", re.IGNORECASE)

# Pages have 29 <meta> on average.
_MAX_METAS = 300
_MAX_H1 = 5
_MAX_ELEMENTS = 12
_MAX_TIMES = 20
_MAX_AUTHORS = 20
_MAX_ARTICLES = 20
_MAX_CHARS = 500
_MAX_DESCRIPTION_CHARS = 2_000
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,31});")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_BLOCK_TAG = re.compile(r"</?(?:p|div|br|h[1-6]|li|ul|ol|blockquote|section|tr|table|figure)\b[^<>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Head:
    """What the head of a page declares: contents of <meta> by name in lower case, and the objects of its JSON-LD."""

    metas: dict[str, list[str]]
    nodes: list[Node]
    articles: list[Node]

    def values(self, names: Iterable[str]) -> Iterator[str]:
        """The first content of each <meta> of these names."""
        return (self.metas[name][0] for name in names if name in self.metas)


def read_metadata(document: Document, url: Any = None) -> Metadata:
    """The metadata of a parsed page: each value from the first place that has it, null where none does.

    Titles come best first: the only h1, og:title and its like, then h1 where there are several. <title> stands
    apart, as it carries the name of the site or of its section more often than not. url: where the page was found, if
    that is a string; one with a day in its path dates a page that declares no date.
    """
    nodes = read_json_ld(document)
    head = _Head(_read_metas(document), nodes, choose_articles(nodes)[:_MAX_ARTICLES])
    sites = _read_sites(head)
    head_titles = (_squeeze(element.text) for element in document.find_all("title", limit=1))
    return Metadata(
        titles=_read_titles(document, head),
        head_title=next(filter(None, head_titles), None),
        lang=_read_lang(document, head),
        author=_read_author(document, head, set(map(fold_name, sites))),
        date=_read_date(document, head, url),
        descriptions=_read_descriptions(head),
        site_name=next(iter(sites), None),
        says_article=_says_article(head, url),
    )


def _read_metas(document: Document) -> dict[str, list[str]]:
    metas: dict[str, list[str]] = {}
    for meta in document.find_all("meta", limit=_MAX_METAS):
        read = meta.attr
        name = read("property") or read("name") or read("itemprop") or read("http-equiv")
        if name and (name := name.strip().lower()) in _WANTED and (content := read("content")):
            metas.setdefault(name, []).append(content)
    return metas


def _read_titles(document: Document, head: _Head) -> tuple[str, ...]:
    headings = [text for heading in document.find_all("h1", limit=_MAX_H1) if (text := _squeeze(heading.text))]
    declared = [*map(_squeeze, head.values(_TITLES)), *(_text(node.get("headline")) for node in head.articles)]
    # With several h1 the first is as often the name of the site as the headline.
    titles = [*headings, *declared] if len(headings) == 1 else [*declared, *headings]
    return tuple(dict.fromkeys(title for title in titles if title))


def _read_descriptions(head: _Head) -> tuple[str, ...]:
    found = [*head.values(_DESCRIPTIONS), *(node.get("description") for node in head.articles)]
    parts = (_strip_tags(value[: 4 * _MAX_DESCRIPTION_CHARS]) for value in found if isinstance(value, str))
    texts = (_squeeze(part, _MAX_DESCRIPTION_CHARS) for part in parts)
    return tuple(dict.fromkeys(text for text in texts if text))


def _strip_tags(text: str) -> str:
    # Entities first: where there are tags, they are mostly escaped.
    text = _decode_entities(text)
    return _TAG.sub("", _BLOCK_TAG.sub("\n", text)).strip() if "<" in text else text.strip()


def _says_article(head: _Head, url: Any) -> bool | None:
    """Whether the page declares to be an article, by og:type and JSON-LD; the front page of a site never is one."""
    # og:url will not do: six articles of 3,029 stand elsewhere and name the front page there.
    if isinstance(url, str) and _FRONT_PAGE.fullmatch(url.strip()):
        return False
    said = tell_article(head.nodes)
    kind = next(head.values((_KIND,)), "").strip().lower()
    if said or _STORY_KIND.search(kind):
        return True
    return False if kind.startswith("product") else said


def _read_sites(head: _Head) -> dict[str, None]:
    """Names of the site, best first."""
    publishers = [node.get("publisher") for node in head.articles]
    found: list[Any] = [
        *head.values((_SITE,)),
        *(publisher.get("name") for publisher in publishers if isinstance(publisher, dict)),
        *(node.get("name") for node in head.nodes if node.get("@type") in _SITE_TYPES),
    ]
    return dict.fromkeys(name for value in found[:_MAX_ARTICLES] if (name := _text(value)))


def _read_lang(document: Document, head: _Head) -> str | None:
    root = document.root
    declared: list[Any] = [root.attr("lang"), root.attr("xml:lang")] if root is not None else []
    declared += head.values(_LANGS)
    declared += [node.get("inLanguage") for node in head.articles]
    tags = (to_language_tag(value) for value in declared if isinstance(value, str))
    return next(filter(None, tags), None)


def _read_author(document: Document, head: _Head, sites: Container[str]) -> str | None:
    """Names from the first place that names a person; where none does, the first name of anybody."""
    other = None
    for values in _declared_authors(head):
        names = split_names(values)
        if names and is_person(names[0], sites):
            return ", ".join(names)
        other = other or next(iter(names), None)
    return ", ".join(_author_in_body(document, sites)) or other


def _declared_authors(head: _Head) -> Iterator[Iterable[str]]:
    people = {node["@id"]: node for node in head.nodes if isinstance(node.get("@id"), str) and "name" in node}
    for node in head.articles:
        if "author" in node:
            yield islice(_author_names(node["author"], people), _MAX_AUTHORS)
    for name in _AUTHORS:
        if name in head.metas:
            yield head.metas[name][:_MAX_AUTHORS]
    if any(map(_WRITTEN_BY.search, head.values((_LABEL,)))):
        yield head.values((_LABELLED,))


def _author_names(value: Any, people: dict[str, Node]) -> Iterator[str]:
    """Names of the author or authors in JSON-LD: a string, an object with a name or the id of one, or a list."""
    for item in (value if isinstance(value, list) else [value])[:_MAX_AUTHORS]:
        if isinstance(item, dict) and "name" not in item and isinstance(item.get("@id"), str):
            item = people.get(item["@id"], item)
        name = item.get("name") if isinstance(item, dict) else item
        yield from (part for part in (name if isinstance(name, list) else [name]) if isinstance(part, str))


def _author_in_body(document: Document, sites: Container[str]) -> list[str]:
    """The full names that all elements with one mark of an author agree on; none where they do not."""
    for selectors in _AUTHOR_MARKS:
        elements = [element for selector in selectors for element in islice(_select(document, selector), _MAX_ELEMENTS)]
        names = _agreed_names(elements) if elements else []
        if names and all(is_full_name(name) and is_person(name, sites) for name in names):
            return names
    return []


def _select(document: Document, selector: str) -> Iterator[Element]:
    for element in document.select(selector):
        if "href" not in selector or _AUTHOR_PAGE.search(element.attr("href") or ""):
            yield element


def _agreed_names(elements: list[Element]) -> list[str]:
    """The names that the elements say, if all that name anybody name the same."""
    agreed: list[str] = []
    for element in elements:
        names = split_names([_read_name(element)])
        if agreed and names and names != agreed:
            return []
        agreed = agreed or names
    return agreed


def _read_name(element: Element) -> str:
    if element.attr("itemprop"):
        element = next(iter(element.find_all(itemprop="name", limit=1)), element)
    return (element.attr("content") or element.text)[:_MAX_CHARS]


def _read_date(document: Document, head: _Head, url: Any) -> str | None:
    declared = [*(node.get("datePublished") for node in head.articles), *head.values(_DATES)]
    dates = [date for value in declared if isinstance(value, str) and (date := to_iso_date(value))]
    if dates:
        return _most_exact(dates, dates[0])
    addresses = (address for address in (url, *head.values((_ADDRESS,))) if isinstance(address, str))
    day = next(filter(None, map(day_in_url, addresses)), None)
    times = [(time, date) for time in document.find_all("time", limit=_MAX_TIMES) if (date := _stamp(time))]
    if day:
        return _most_exact([day, *(date for _, date in times)], day)
    return _date_of_times(times) or _date_of_marks(document)


def _most_exact(dates: list[str], first: str) -> str:
    """Of the dates that name the day of the first, the one that says most."""
    return max((date for date in dates if date[:10] == first[:10]), key=precision)


def _date_of_times(times: list[tuple[Element, str]]) -> str | None:
    """The date that all <time> of one place agree on: those marked as published, in headers, in articles, all."""
    places = (
        [date for time, date in times if "datePublished" in (time.attr("itemprop") or "")],
        [date for time, date in times if _PUBLISHED.search(time.attr("class") or "")],
        [date for time, date in times if time.closest("header")],
        [date for time, date in times if time.closest("article")],
        [date for _, date in times],
    )
    return next((dates[0] for dates in places if len({date[:10] for date in dates}) == 1), None)


def _date_of_marks(document: Document) -> str | None:
    """The date in elements made for it, where they agree on the day."""
    elements = (element for selector in _DATE_MARKS for element in document.select(selector)[:_MAX_ELEMENTS])
    dates = [date for element in elements if (date := _stamp(element))]
    return dates[0] if len({date[:10] for date in dates}) == 1 else None


def _stamp(element: Element) -> str | None:
    """The date that an element says by attribute or text."""
    said = (element.attr("datetime"), element.attr("content"), element.text)
    return next(filter(None, (to_iso_date(value) for value in said if value)), None)


def _text(value: Any) -> str | None:
    return (_squeeze(value) or None) if isinstance(value, str) else None


def _squeeze(text: str, max_chars: int = _MAX_CHARS) -> str:
    return _decode_entities(" ".join(text[: 4 * max_chars].split())[:max_chars])


def _decode_entities(text: str) -> str:
    # Pages escape twice; html.unescape alone would read entities without a semicolon in "cats&notes".
    return _ENTITY.sub(lambda match: unescape(match[0]), text) if "&" in text else text
