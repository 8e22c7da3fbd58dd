"""What a run of the quality benchmark measures, and on what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from cleaner import Article, Cleaner, Page
from cleaner.options import Mode

MODES: tuple[str, ...] = ("balanced", *(mode for mode in get_args(Mode) if mode != "balanced"))
"""The default first."""


@dataclass(frozen=True)
class Setting:
    """What a run measures; per_source and n_resamples are small in a quick one. plot: where one of scores goes."""

    corpora: Path
    labels: Path
    model: str
    n_resamples: int = 1000
    per_source: int | None = None
    plot: Path | None = None

    def cleaner(self, **options: Any) -> Cleaner:
        return Cleaner(self.model, **options)


def clean_pages(cleaner: Cleaner, pages: Iterable[Page]) -> Iterator[Article | None]:
    """One article a page, None for a page that was rejected."""
    for outcome in cleaner.clean_many(pages):
        yield outcome if isinstance(outcome, Article) else None


def clean_texts(cleaner: Cleaner, pages: Iterable[Page]) -> tuple[list[str], int]:
    """The clean text of each page, "" for a rejected one, and how many were rejected."""
    outcomes = list(clean_pages(cleaner, pages))
    return [article.text if article else "" for article in outcomes], sum(article is None for article in outcomes)
