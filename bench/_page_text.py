"""One fixed way from a page to its plain text."""

from __future__ import annotations

import re
from typing import Any

_UNSEEN = frozenset({"head", "script", "style", "noscript", "template"})
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "br", "button", "caption", "center", "dd", "details",
    "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "frameset", "h1", "h2",
    "h3", "h4", "h5", "h6", "header", "hr", "html", "iframe", "legend", "li", "main", "menu", "nav", "ol", "option",
    "p", "pre", "section", "select", "summary", "table", "tbody", "td", "textarea", "tfoot", "th", "thead", "tr",
    "ul", "video",
})  # fmt: skip
_SPACE = re.compile(r"\s+")


def page_text(html: str) -> str:
    """All text of a page, one line for each block or part of it between ``<br>``, white space collapsed.

    Fixed, so that figures stay comparable: what hides behind style sheets or scripts counts as visible. Walks
    without recursion: pages nest as deep as they like.
    """
    import turbohtml

    lines: list[str] = []
    pieces: list[str] = []

    def end_line() -> None:
        line = _SPACE.sub(" ", "".join(pieces)).strip()
        if line:
            lines.append(line)
        pieces.clear()

    # None on the stack marks the end of a block.
    stack: list[Any] = [turbohtml.parse(html)]
    while stack:
        node = stack.pop()
        if node is None:
            end_line()
        elif isinstance(node, turbohtml.Text):
            pieces.append(node.data)
        elif isinstance(node, turbohtml.Element):
            if node.tag in _UNSEEN:
                continue
            if node.tag in _BLOCKS:
                end_line()
                stack.append(None)
            stack.extend(reversed(node.children))
        elif isinstance(node, turbohtml.Document):
            stack.extend(reversed(node.children))
    end_line()
    return "\n".join(lines)
