"""Links, stress and code in the lines of a page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote, urljoin

from turbohtml import Element, Node, Text

from cleaner.markdown.inline import Span, SpanKind

_STRONG = frozenset({"b", "strong"})
_EM = frozenset({"em", "i"})
_CODE = frozenset({"code", "kbd", "samp", "tt"})
_UNSTRESSED = re.compile(r"font-weight\s*:\s*(?:normal|[1-4]00)|font-style\s*:\s*normal")

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_SCHEMES = frozenset({"http", "https", "mailto", "tel", "sms", "ftp"})
# What browsers take out of an address before they look at its scheme.
_AROUND_ADDRESS = "".join(map(chr, range(0x21)))
_IN_ADDRESS = dict.fromkeys(map(ord, "\t\n\r"))
# What would end an address in Markdown, or begin something else there.
_UNSAFE = re.compile(r"[\s\x00-\x1f\x7f()<>\\`|]")
_ENTITY = re.compile(r"&(?=#|[A-Za-z][A-Za-z0-9]*;)")


class _Context(NamedTuple):
    """What the elements around a text say of it. link, code: numbers that tell elements apart, -1 without one."""

    link: int = -1
    target: str = ""
    code: int = -1
    is_strong: bool = False
    is_em: bool = False


class Style:
    """Links, stress and code, from the elements around texts; each element is looked at once."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._contexts: dict[Node, _Context] = {}
        self._targets: dict[str, str] = {}

    def read_spans(self, text: str, nodes: Iterable[Node]) -> list[Span]:
        """The spans of a line, whose text is that of the nodes with white space collapsed."""
        found: dict[SpanKind, list[list[int]]] = {"link": [], "strong": [], "em": [], "code": []}
        targets: dict[int, str] = {}
        end = 0
        is_apart = False
        for node in nodes:
            if end == len(text):
                break  # blank rows of preformatted text behind the line
            assert isinstance(node, Text)
            words = node.data.split()
            if not words:
                is_apart = True
                continue
            start = end + (end > 0 and (is_apart or node.data[0].isspace()))
            end = start + len(" ".join(words))
            is_apart = node.data[-1].isspace()
            context = self._find_context(node.parent)
            targets[context.link] = context.target
            _add_part(found["link"], context.link, start, end)
            _add_part(found["strong"], 0 if context.is_strong else -1, start, end)
            _add_part(found["em"], 0 if context.is_em else -1, start, end)
            _add_part(found["code"], context.code, start, end)
        return [
            Span(kind, start, end, targets[key] if kind == "link" else "")
            for kind, parts in found.items()
            for key, start, end in parts
        ]

    def _find_context(self, node: Node | None) -> _Context:
        path: list[Element] = []
        while isinstance(node, Element) and node not in self._contexts:
            path.append(node)
            node = node.parent
        context = self._contexts[node] if isinstance(node, Element) else _Context()
        for element in reversed(path):
            self._contexts[element] = context = self._enter(element, context)
        return context

    def _enter(self, element: Element, context: _Context) -> _Context:
        tag = element.tag
        if tag == "a" and context.link < 0:
            target = self._find_target(element.attr("href"))
            return context._replace(link=len(self._contexts), target=target) if target else context
        if tag in _CODE and context.code < 0:
            return context._replace(code=len(self._contexts))
        # Editors on the web wrap whole texts into <b style="font-weight:normal">.
        if tag in _STRONG and not _UNSTRESSED.search(element.attr("style") or ""):
            return context._replace(is_strong=True)
        if tag in _EM and not _UNSTRESSED.search(element.attr("style") or ""):
            return context._replace(is_em=True)
        return context

    def _find_target(self, href: str | None) -> str:
        if not href:
            return ""
        if href not in self._targets:
            self._targets[href] = _resolve(href, self._base)
        return self._targets[href]


def _add_part(parts: list[list[int]], key: int, start: int, end: int) -> None:
    """Adds characters to the marked ones; to those before them where they have the same key, -1 for none."""
    if key < 0:
        return
    if parts and parts[-1][0] == key and start - parts[-1][2] <= 1:
        parts[-1][2] = end
    else:
        parts.append([key, start, end])


def find_base(node: Node, url: str | None) -> str:
    """What the addresses of a page are resolved against: the page's own base, itself resolved; "" where unknown."""
    while node.parent is not None:
        node = node.parent
    declared = next((base.attr("href") for base in node.find_all("base") if base.attr("href")), None)
    address = url or ""
    with suppress(ValueError):
        address = urljoin(address, (declared or "").strip(_AROUND_ADDRESS))
    scheme = _SCHEME.match(address)
    return address if scheme and scheme[1].lower() in ("http", "https") else ""


def _resolve(href: str, base: str) -> str:
    """The address of a link, ready for Markdown; "" for one that leads nowhere from there."""
    href = href.strip(_AROUND_ADDRESS).translate(_IN_ADDRESS)
    if not href or href.startswith("#"):
        return ""
    try:
        address = urljoin(base, href) if base else href
    except ValueError:
        return ""
    scheme = _SCHEME.match(address)
    if scheme and scheme[1].lower() not in _SCHEMES:
        return ""
    return _ENTITY.sub("&amp;", _UNSAFE.sub(lambda match: quote(match[0], safe=""), address))
