"""An article as plain text."""

from __future__ import annotations

from cleaner.types import Article
from cleaner.writers.markdown import article_markdown


def article_text(article: Article) -> str:
    """Title, blank line, body; nothing where the article has neither. As Markdown where that was asked for."""
    if article.markdown is not None:
        return article_markdown(article.title, article.markdown)
    parts = [part for part in (article.title, article.text) if part]
    return "\n\n".join(parts) + "\n" if parts else ""
