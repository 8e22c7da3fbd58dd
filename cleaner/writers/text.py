"""An article as plain text."""

from __future__ import annotations

from cleaner.types import Article


def article_text(article: Article) -> str:
    """Title, blank line, body; nothing where the article has neither."""
    parts = [part for part in (article.title, article.text) if part]
    return "\n\n".join(parts) + "\n" if parts else ""
