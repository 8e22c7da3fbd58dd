"""What the head of a page declares about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cleaner.types import Metadata

if TYPE_CHECKING:
    from turbohtml import Document

_SPACE = re.compile(r"\s+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TITLES = ("og:title", "twitter:title", "dc.title", "headline")
_AUTHORS = ("author", "article:author", "dc.creator", "dcterms.creator", "parsely-author", "byl")
_DATES = ("article:published_time", "datepublished", "date", "dc.date", "dcterms.created", "parsely-pub-date")
_LANGS = ("og:locale", "content-language", "dc.language")
# Types of JSON-LD that stand for the page's own article; others (an organisation, a video beside it) do not.
_ARTICLE_TYPES = re.compile(r"Article|BlogPosting|Report|LiveBlog|WebPage", re.IGNORECASE)
_MAX_JSON_NODES = 2000
_MAX_AUTHORS = 20
_MAX_CHARS = 500


def read_metadata(document: Document) -> Metadata:
    """The metadata of a parsed page: each value from the first place that has it, null where none does.

    Titles come best first: the only h1, og:title and its like, then h1 where there are several. <title> stands
    apart, as it carries the name of the site or of its section more often than not.
    """
    metas = _metas(document)
    nodes = list(_json_nodes(document))
    articles = [node for node in nodes if _is_article(node)]
    people = {node["@id"]: node for node in nodes if isinstance(node.get("@id"), str) and "name" in node}
    headings = [text for heading in document.find_all("h1", limit=5) if (text := _squeeze(heading.text))]
    heads = [_squeeze(element.text) for element in document.find_all("title", limit=1)]
    declared = [metas.get(name) for name in _TITLES] + [_text(node.get("headline")) for node in articles]
    # With several h1 the first is as often the name of the site as the headline.
    titles = [*headings, *declared] if len(headings) == 1 else [*declared, *headings]
    return Metadata(
        titles=tuple(dict.fromkeys(title for title in titles if title)),
        head_title=next(filter(None, heads), None),
        lang=_lang(document, metas),
        author=_first(
            [*(_author(node.get("author"), people) for node in articles), *(metas.get(name) for name in _AUTHORS)]
        ),
        date=_date([*(_text(node.get("datePublished")) for node in articles), *(metas.get(name) for name in _DATES)]),
    )


def _metas(document: Document) -> dict[str, str]:
    """Content of the page's <meta> by name or property in lower case; the first of a name counts."""
    metas: dict[str, str] = {}
    for meta in document.find_all("meta", limit=300):
        name = meta.attr("property") or meta.attr("name") or meta.attr("itemprop") or meta.attr("http-equiv")
        content = meta.attr("content")
        if name and content and (value := _squeeze(content)):
            metas.setdefault(name.strip().lower(), value)
    return metas


def _json_nodes(document: Document) -> Iterator[dict[str, Any]]:
    """The objects of the page's JSON-LD, outermost first; a bounded number, walked without recursion."""
    try:
        waiting: list[Any] = list(document.json_ld())
    except (ValueError, RecursionError):
        return  # what does not parse tells nothing
    for _ in range(_MAX_JSON_NODES):
        if not waiting:
            return
        node = waiting.pop(0)
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            yield node
            waiting.extend(node[key] for key in ("@graph", "mainEntity") if key in node)


def _is_article(node: dict[str, Any]) -> bool:
    types = node.get("@type")
    names = types if isinstance(types, list) else [types]
    return any(isinstance(name, str) and _ARTICLE_TYPES.search(name) for name in names)


def _author(value: Any, people: dict[str, Any]) -> str | None:
    """Names of the author or authors in JSON-LD: a string, an object with a name or the id of one, or a list."""
    names: list[str | None] = []
    for item in (value if isinstance(value, list) else [value])[:_MAX_AUTHORS]:
        if isinstance(item, dict) and "name" not in item and isinstance(item.get("@id"), str):
            item = people.get(item["@id"], item)
        name = item.get("name") if isinstance(item, dict) else item
        names += map(_text, name[:_MAX_AUTHORS] if isinstance(name, list) else [name])
    return ", ".join(dict.fromkeys(name for name in names if name)) or None


def _first(values: Iterable[str | None]) -> str | None:
    # An address of a profile is no name.
    return next((value for value in values if value and not value.startswith(("http://", "https://"))), None)


def _date(values: Iterable[str | None]) -> str | None:
    """The first value that begins like an ISO date, as it stands there."""
    return next((value for value in values if value and _DATE.match(value)), None)


def _lang(document: Document, metas: dict[str, str]) -> str | None:
    root = document.root
    declared = (root.attr("lang") or root.attr("xml:lang")) if root is not None else None
    value = declared or next((metas[name] for name in _LANGS if name in metas), None)
    return (value.strip().replace("_", "-")[:35] or None) if value else None


def _text(value: Any) -> str | None:
    return (_squeeze(value) or None) if isinstance(value, str) else None


def _squeeze(text: str) -> str:
    return _SPACE.sub(" ", text[: 4 * _MAX_CHARS]).strip()[:_MAX_CHARS]
