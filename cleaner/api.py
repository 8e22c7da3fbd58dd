"""`clean` and `clean_many` with the packaged model, for those who need no options."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from cleaner.pipeline import Cleaner, Document
from cleaner.types import Article, Outcome, Rejected


@cache
def _default_cleaner() -> Cleaner:
    return Cleaner()


def clean(
    text: str | bytes | None = None,
    *,
    html: str | bytes | None = None,
    url: str | None = None,
    title: str | None = None,
) -> Article:
    """The clean article of one document, by the packaged model; see `Cleaner.clean`."""
    return _default_cleaner().clean(text, html=html, url=url, title=title)


def clean_many(documents: Iterable[Document | Rejected]) -> Iterator[Outcome]:
    """One Article or Rejected for each document, by the packaged model; see `Cleaner.clean_many`."""
    return _default_cleaner().clean_many(documents)
