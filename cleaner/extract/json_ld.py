"""The objects of a page's JSON-LD that describe its article."""

from __future__ import annotations

import json
import re
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from turbohtml import Document

Node = dict[str, Any]

_MAX_SCRIPTS = 50
# The longest script of 2,730 has 840,919 characters, a live blog; the next 105,886.
_MAX_CHARS = 1_000_000
_MAX_NODES = 2000
_MAX_TYPES = 20
# Types of an article; a page has others beside it (its organisation, a video).
_ARTICLE = re.compile(r"Article|BlogPosting|Report|LiveBlog", re.IGNORECASE)
# What else a page may be. Of 1,002 articles with JSON-LD 6 name one of these and no article, of 240 shops, forums,
# services and lists 127.
_OTHER = frozenset({
    "Product", "ProductGroup", "ItemPage", "OfferCatalog", "CollectionPage", "SearchResultsPage", "QAPage",
    "DiscussionForumPosting", "ProfilePage", "ContactPage", "AboutPage", "CheckoutPage", "Event", "JobPosting",
    "LocalBusiness", "RealEstateListing", "Service", "SoftwareApplication", "MobileApplication",
})  # fmt: skip
# The brackets of "<![CDATA[" begin nothing.
_START = re.compile(r"(?<!<!)(?<!CDATA)[\[{]")
_START_CHARS = 200
_LONE_SURROGATE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_LENIENT = json.JSONDecoder(strict=False)


def read_json_ld(document: Document) -> list[Node]:
    """The objects of the page's JSON-LD, outermost first: those of its scripts, of @graph and of mainEntity.

    At most 2,000, from the first 1,000,000 characters; what cannot be parsed tells nothing.
    """
    waiting: deque[Any] = deque()
    n_chars = 0
    for script in document.find_all("script", type="application/ld+json", limit=_MAX_SCRIPTS):
        text = script.text
        n_chars += len(text)
        if n_chars > _MAX_CHARS:
            break
        waiting.append(_parse(text))
    nodes: list[Node] = []
    # With a queue of its own: nothing says how deep the objects nest.
    for _ in range(_MAX_NODES):
        if not waiting:
            break
        node = waiting.popleft()
        if isinstance(node, list):
            waiting.extend(islice(node, _MAX_NODES))
        elif isinstance(node, dict):
            nodes.append(node)
            waiting.extend(node[key] for key in ("@graph", "mainEntity") if key in node)
    return nodes


def _parse(text: str) -> Any:
    """What a script says, null where nothing can be read.

    Of 2,730 scripts 97 were no JSON: half of them stood in CDATA, a fifth had line breaks within strings, others a
    second value or a semicolon at the end.
    """
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    text = _LONE_SURROGATE.sub(r"\\ufffd", text)
    start = _START.search(text, 0, _START_CHARS)
    if start is None:
        return None
    try:
        return _LENIENT.raw_decode(text, start.start())[0]
    except (ValueError, RecursionError):
        return None


def choose_articles(nodes: list[Node]) -> list[Node]:
    """The objects that stand for the page's article, those of the article itself before those of its web page."""
    articles, pages = [], []
    for node in nodes:
        for name in _type_names(node):
            if _ARTICLE.search(name):
                articles.append(node)
                break
            if "webpage" in name.lower():
                pages.append(node)
                break
    return articles + pages


def tell_article(nodes: list[Node]) -> bool | None:
    """Whether the objects say that the page is an article: True, False for another kind of page, else None."""
    names = [name for node in nodes for name in _type_names(node)]
    if any(map(_ARTICLE.search, names)):
        return True
    return False if any(name.rsplit("/", 1)[-1] in _OTHER for name in names) else None


def _type_names(node: Node) -> list[str]:
    types = node.get("@type")
    return [name for name in (types if isinstance(types, list) else [types])[:_MAX_TYPES] if isinstance(name, str)]
