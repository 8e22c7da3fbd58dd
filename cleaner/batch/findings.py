"""What a run found, in memory that does not grow with it: lines by class, sites, the lines removed most often."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cleaner.labels import LABELS
from cleaner.types import Article, removed_rows

# Of a run so many lines and sites are kept, of a block fewer; the account of a block travels and is stored.
RUN_NAMES = 4096
BLOCK_NAMES = 512
# Lines that begin alike for so long are the same line to a reader of the report.
_LINE_CHARS = 160
N_QUALITY_BINS = 10

_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//(?:[^/?#@]*@)?([^/?#:]+)", re.IGNORECASE)


@dataclass
class TopCounts:
    """How often each name was met, exact until there are more than twice ``most``; then the rarer half is dropped.

    A count is never too high, and too low by at most ``missed``: by the largest count dropped each time, about the
    number of names met over ``most``. After Misra and Gries, "Finding repeated elements", 1982, pruned in batches.
    The same names in the same order give the same counts.
    """

    most: int
    missed: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, n: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + n
        if len(self.counts) > 2 * self.most:
            self.prune()

    def add_each(self, names: Iterable[str]) -> None:
        for name in names:
            self.add(name)

    def prune(self) -> None:
        """Drops all but the ``most`` frequent; of equals those that come first by name stay."""
        if len(self.counts) <= self.most:
            return
        ranked = self.ranked()
        self.missed += ranked[self.most][1]
        self.counts = dict(ranked[: self.most])

    def ranked(self) -> list[tuple[str, int]]:
        # Two sorts of bare strings and numbers, the second of which keeps the order of equals, take a third of the time
        # of one by pairs; blocks of pages are pruned every few pages.
        counts = self.counts
        names = sorted(sorted(counts), key=counts.__getitem__, reverse=True)
        return [(name, counts[name]) for name in names]

    def merge(self, other: TopCounts) -> None:
        self.missed += other.missed
        for name, n in other.counts.items():
            self.add(name, n)

    def to_json(self) -> dict[str, Any]:
        return {"missed": self.missed, "counts": self.counts}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], most: int) -> TopCounts:
        return cls(most, value["missed"], dict(value["counts"]))


_COUNTERS = ("lines", "removed", "qualities", "pieces")
_TOPS = ("site_documents", "site_lines", "site_removed", "removed_lines")


@dataclass
class Findings:
    """Counts of articles. most: how many sites and lines are kept.

    lines, removed: by class, all lines and those taken out. qualities: articles by tenth of quality, as "0" to "9".
    pieces: by class, what was cut off lines that stayed (``cut="spans"``).
    site_documents, site_lines, site_removed: by site. removed_lines: by class, a tab and the line.
    """

    most: int = BLOCK_NAMES
    lines: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    qualities: Counter[str] = field(default_factory=Counter)
    pieces: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.site_documents = TopCounts(self.most)
        self.site_lines = TopCounts(self.most)
        self.site_removed = TopCounts(self.most)
        self.removed_lines = TopCounts(self.most)

    def count(self, article: Article) -> None:
        site = site_of(article.url)
        self.site_documents.add(site)
        self.site_lines.add(site, article.lines_in)
        rows = removed_rows(article.removed)
        whole = [(label, text) for _, label, _, text, _, start, _ in rows if start is None]
        self.site_removed.add(site, len(whole))
        self.qualities[str(min(N_QUALITY_BINS - 1, int(article.quality * N_QUALITY_BINS)))] += 1
        if article.judged is not None:
            for label, n in Counter(article.judged.labels).items():
                self.lines[LABELS[label]] += n
        if len(whole) < len(rows):
            self.pieces.update(label for _, label, _, _, _, start, _ in rows if start is not None)
        self.removed.update([label for label, _ in whole])
        self.removed_lines.add_each(f"{label}\t{text[:_LINE_CHARS]}" for label, text in whole)

    def merge(self, other: Findings) -> None:
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        for name in _TOPS:
            getattr(self, name).merge(getattr(other, name))

    def prune(self) -> None:
        """Brings every table down to its size, before it travels."""
        for name in _TOPS:
            getattr(self, name).prune()

    def to_json(self) -> dict[str, Any]:
        counters = {name: dict(getattr(self, name)) for name in _COUNTERS}
        return {**counters, **{name: getattr(self, name).to_json() for name in _TOPS}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], most: int = BLOCK_NAMES) -> Findings:
        findings = cls(most, *(Counter(value[name]) for name in _COUNTERS))
        for name in _TOPS:
            setattr(findings, name, TopCounts.from_json(value[name], most))
        return findings


def site_of(url: Any) -> str:
    """The registered domain of an address, as the public suffix list has it; the host where it has none; else ""."""
    match = _HOST.match(url.strip()) if isinstance(url, str) else None
    if match is None:
        return ""
    return _domain_of(match[1].lower())


# The pages of a crawl come site by site.
@lru_cache(maxsize=1024)
def _domain_of(host: str) -> str:
    from tld import get_fld

    return get_fld(f"https://{host}", fail_silently=True) or host
