"""The cleaner as one of the systems of a table: pages in HTML to the text of their articles."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench._data import GoldPage
from bench._setting import clean_texts
from cleaner import Cleaner, Page
from cleaner.errors import UsageError

EXTRACTORS = ("lines", "trafilatura", "both")
"""The one that this benchmark is about first, whatever the default is."""


@dataclass
class Ours:
    """n_rejected: how many pages came back without an article; they count as empty."""

    cleaner: Cleaner
    n_rejected: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        return f"ours ({self.cleaner.options.extractor})"

    def texts(self, pages: Sequence[GoldPage]) -> list[str]:
        """The text of each page's article, "" for a rejected page; rejections are counted."""
        texts, n_rejected = clean_texts(self.cleaner, [Page(page.html, "html", url=page.url) for page in pages])
        self.n_rejected += n_rejected
        return texts

    def cpu_s(self, pages: Sequence[GoldPage]) -> float:
        """CPU seconds from the bytes of these pages to the finished articles, in one call of ``clean_many``."""
        documents = [Page(page.html.encode("utf-8", "replace"), "html", url=page.url) for page in pages]
        begun = time.process_time()
        for _ in self.cleaner.clean_many(documents):
            pass
        return time.process_time() - begun


def ours(model: str) -> list[Ours]:
    """The cleaner with each extractor that it has."""
    found = []
    for extractor in EXTRACTORS:
        try:
            found.append(Ours(Cleaner(model, extractor=extractor)))
        except UsageError:  # not one of its extractors
            continue
    return found
