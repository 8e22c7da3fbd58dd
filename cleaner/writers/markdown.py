"""An article as Markdown."""

from __future__ import annotations

from cleaner.markdown.blocks import render_headline


def article_markdown(title: str | None, body: str) -> str:
    """The title as the only headline of level 1, blank line, body; nothing where the article has neither."""
    parts = [part for part in (render_headline(title) if title else "", body) if part]
    return "\n\n".join(parts) + "\n" if parts else ""
