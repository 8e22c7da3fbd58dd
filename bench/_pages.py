"""The cleaner on pages with gold text: their full text, the pages in HTML beside the peers, what scrapers leave."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from bench import _data, _report, _score
from bench._data import GoldPage
from bench._page_scores import segment_counts, segments_table
from bench._peers import PEERS, RESIDUE_PEER, Peer
from bench._rules import RULES, keep_by
from bench._score import Counts
from bench._setting import Setting, clean_texts
from cleaner import Cleaner, Page
from cleaner.learn.align import align
from cleaner.learn.evaluate import shingle_counts
from cleaner.options import Extractor


@dataclass(frozen=True)
class PageSet:
    """Pages with gold bodies, and the order of the tables' rows: each source, then all of them."""

    pages: list[GoldPage]

    @property
    def rows(self) -> dict[str, npt.NDArray[np.int64]]:
        """Numbers of the pages of each source without the marked ones, then of all; then with the marked ones."""
        sources = np.array([page.source for page in self.pages])
        good = np.array([not page.marked for page in self.pages], dtype=np.bool_)
        rows = {source: np.flatnonzero((sources == source) & good) for source in dict.fromkeys(sources.tolist())}
        return rows | {"all": np.flatnonzero(good), "all, marked ones too": np.arange(len(self.pages))}

    def sites(self, chosen: npt.NDArray[np.int64]) -> list[str]:
        return [self.pages[i].site for i in chosen]

    def counts(self, texts: Sequence[str]) -> Counts:
        """Shingle counts, float64, shape (n_pages, 3)."""
        return np.array(
            [shingle_counts(page.body, text) for page, text in zip(self.pages, texts, strict=True)], dtype=np.float64
        ).reshape(-1, 3)


def _read_gold_pages(setting: Setting) -> PageSet:
    return PageSet(_data.read_pages(setting.corpora, _data.GOLD_SOURCES, "dev", setting.per_source))


_GOLD_NOTE = (
    "F1 (precision / recall) of 4-word shingles, each page weighing the same; gold bodies hold no headline, so `text` "
    "alone is scored. Pages whose gold was read and found at fault (gold_checked.tsv) are out, but for the last row; "
    "suspect ones are out everywhere."
)


def _scores_table(pages: PageSet, systems: Mapping[str, Counts], first: str, n_resamples: int) -> str:
    """One row a source: the first system with its interval, the others without."""
    rows = []
    for name, chosen in pages.rows.items():
        if not len(chosen):
            continue
        interval = _score.page_f1(systems[first][chosen], pages.sites(chosen), n_resamples)
        row = [name, str(len(chosen)), str(len(set(pages.sites(chosen))))]
        for system, counts in systems.items():
            precision, recall, f1 = _score.page_prf(counts[chosen])
            cell = f"{_report.share(f1)} ({_report.share(precision)}/{_report.share(recall)})"
            if system == first:
                cell += f" [{_report.share(interval.low)}, {_report.share(interval.high)}]"
            row.append(cell)
        rows.append(row)
    return _report.table(["source", "pages", "sites", *systems], rows)


def _differences_table(pages: PageSet, systems: Mapping[str, Counts], first: str, n_resamples: int) -> str:
    """One row a source: F1 of the first system less that of each other one, paired; clear ones are marked."""
    others = [system for system in systems if system != first]
    rows = []
    for name, chosen in pages.rows.items():
        if not len(chosen):
            continue
        gaps = [
            _score.difference(systems[first][chosen], systems[other][chosen], pages.sites(chosen), n_resamples)
            for other in others
        ]
        rows.append([name, *map(_report.gap, gaps)])
    return _report.table(["source", *others], rows)


def full_page_text(setting: Setting) -> str:
    """The section on pages as plain text, menus and all."""
    pages = _read_gold_pages(setting)
    texts = [_data.page_text(page.html) for page in pages.pages]
    ours, n_rejected = clean_texts(setting.cleaner(), [Page(text) for text in texts])
    systems = {"ours": pages.counts(ours), "all text": pages.counts(texts)}
    for name, keeps in RULES.items():
        systems[name] = pages.counts([keep_by(keeps, text) for text in texts])
    parts = [
        "### Full text of pages, without HTML",
        f"All text of the page, one line a block (bench/_data.py, `page_text`), cleaned as plain text. {_GOLD_NOTE}",
        _scores_table(pages, systems, "ours", setting.n_resamples),
    ]
    if n_rejected:
        parts.append(f"{n_rejected} pages were rejected and count as empty.")
    return "\n\n".join(parts)


def pages_in_html(setting: Setting) -> str:
    """The section on pages in HTML: ours by each extractor, the peers, and paired differences."""
    pages = _read_gold_pages(setting)
    segment_pages = _data.read_pages(setting.corpora, [_data.SEGMENT_SOURCE], "dev", setting.per_source)
    systems: dict[str, Counts] = {}
    segments: dict[str, Counts] = {}
    notes: list[str] = []

    def add(name: str, give: Callable[[Sequence[GoldPage]], list[str]]) -> None:
        systems[name] = pages.counts(give(pages.pages))
        segments[name] = segment_counts(segment_pages, give(segment_pages))

    default = setting.cleaner().options.extractor
    first = f"ours ({default})"
    for extractor in (default, *(name for name in get_args(Extractor) if name != default)):
        add(f"ours ({extractor})", _cleaned_html(setting.cleaner(extractor=extractor), notes))
    for peer in PEERS:
        if peer.version is None:
            notes.append(f"{peer.name}: not installed.")
            continue
        print(f"… {peer.name}", file=sys.stderr, flush=True)
        add(peer.name, peer.texts)
        if peer.failures:
            notes.append(f"{peer.name} raised an error on {len(peer.failures)} pages, which count as empty.")
    systems["all text"] = pages.counts([_data.page_text(page.html) for page in pages.pages])
    return "\n\n".join(
        [
            "### Pages in HTML",
            f"{_GOLD_NOTE} Comments are left out of trafilatura's output, as gold bodies hold none.",
            _scores_table(pages, systems, first, setting.n_resamples),
            f"F1 of {first} less the peer's, paired over sites; bold where the interval leaves 0 out:",
            _differences_table(pages, systems, first, setting.n_resamples),
            f"Segments of {_data.SEGMENT_SOURCE}: 2tp/(2tp+fp+fn) over segments that must be in the text and that "
            "must not:",
            segments_table(segment_pages, segments, setting.n_resamples),
            *notes,
        ]
    )


def _cleaned_html(cleaner: Cleaner, notes: list[str]) -> Callable[[Sequence[GoldPage]], list[str]]:
    def give(pages: Sequence[GoldPage]) -> list[str]:
        texts, n_rejected = clean_texts(cleaner, [Page(page.html, "html", url=page.url) for page in pages])
        if n_rejected:
            notes.append(f"ours ({cleaner.options.extractor}) rejected {n_rejected} pages, which count as empty.")
        return texts

    return give


def scraped_residue(setting: Setting) -> str:
    """The section on what scrapers leave: F1 as left and after cleaning it as plain text."""
    pages = _read_gold_pages(setting)
    cleaner = setting.cleaner()
    parts = [
        "### What scrapers leave, cleaned as text",
        "F1 of 4-word shingles as the extractor left the text → after cleaning it as plain text; the gain is paired "
        "over sites, bold where its interval leaves 0 out. Perfect: had just the lines outside the gold text been "
        "dropped; of the way: how much of what that would gain was gained.",
    ]
    notes: list[str] = []
    rows = []
    for peer in (RESIDUE_PEER, *(peer for peer in PEERS if " " not in peer.name)):
        if peer.version is None:
            notes.append(f"{peer.name}: not installed.")
            continue
        rows += _residue_rows(pages, peer, cleaner, setting.n_resamples)
    head = ["left by", "source", "pages", "as left", "cleaned", "gain", "perfect", "of the way"]
    return "\n\n".join([*parts, _report.table(head, rows), *notes])


def _residue_rows(pages: PageSet, peer: Peer, cleaner: Cleaner, n_resamples: int) -> list[list[str]]:
    left = peer.texts(pages.pages)
    after, _ = clean_texts(cleaner, [Page(text) for text in left])
    perfect = [_gold_lines(text, page.body) for text, page in zip(left, pages.pages, strict=True)]
    before_counts, after_counts, perfect_counts = pages.counts(left), pages.counts(after), pages.counts(perfect)
    rows = []
    for name, chosen in pages.rows.items():
        # Every source for the extractor that is asked about, the sum for the others.
        if not len(chosen) or (peer is not RESIDUE_PEER and name != "all"):
            continue
        sites = pages.sites(chosen)
        counts = (before_counts, after_counts, perfect_counts)
        before, cleaned, best = (_score.page_prf(each[chosen])[2] for each in counts)
        gain = _score.difference(after_counts[chosen], before_counts[chosen], sites, n_resamples)
        way = f"{(cleaned - before) / (best - before):.0%}" if best > before else "–"
        figures = (_report.share(before), _report.share(cleaned), _report.gap(gain), _report.share(best), way)
        rows.append([peer.name, name, str(len(chosen)), *figures])
    return rows


def _gold_lines(text: str, body: str) -> str:
    """The lines of a text that its gold has."""
    lines = [line for line in text.split("\n") if line.strip()]
    keep = align(lines, body).keep
    return "\n".join(line for line, kept in zip(lines, keep, strict=True) if kept)
