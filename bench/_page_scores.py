"""How systems did on pages with gold: figures page by page, and the tables that are made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench import _report, _score
from bench._data import NEWS_SOURCES, GoldPage
from bench._score import Compared, Counts
from cleaner.learn.evaluate import shingle_counts, words

FAILED_F1 = 0.3
"""Below it a page is lost whole: mostly another block of the page was taken for the article."""

NEWS = "news by people"
ALL = "all"
LANGUAGE_SOURCES = ("daniel", "fundus-tests")

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PageScores:
    """One system, page by page. counts: float64, shape (n_pages, 3), see `shingle_counts`; the others (n_pages,)."""

    counts: Counts
    is_exact: npt.NDArray[np.bool_]
    is_empty: npt.NDArray[np.bool_]

    @property
    def f1(self) -> npt.NDArray[np.float64]:
        right, wrong, missed = self.counts.T
        either = 2 * right + wrong + missed
        return np.divide(2 * right, either, out=np.zeros_like(right), where=either > 0)

    @property
    def has_failed(self) -> npt.NDArray[np.bool_]:
        return self.f1 < FAILED_F1


def score_pages(pages: Sequence[GoldPage], texts: Sequence[str]) -> PageScores:
    """Scores of one text a page. Exact: the same words in the same order, whatever the lines and punctuation."""
    counts = [shingle_counts(page.body, text) for page, text in zip(pages, texts, strict=True)]
    is_exact = [
        right == 1 and words(page.body) == words(text)
        for page, text, (right, _, _) in zip(pages, texts, counts, strict=True)
    ]
    return PageScores(
        np.array(counts, dtype=np.float64).reshape(-1, 3),
        np.array(is_exact, dtype=np.bool_),
        np.array([not words(text) for text in texts], dtype=np.bool_),
    )


def segment_counts(pages: Sequence[GoldPage], texts: Sequence[str]) -> Counts:
    """Segments found, wrongly found and missed, float64, shape (n_pages, 3)."""
    counts = [
        _score.segment_counts(text, page.with_segments, page.without_segments)
        for page, text in zip(pages, texts, strict=True)
    ]
    return np.array(counts, dtype=np.float64).reshape(-1, 3)


# --- which pages make a row -----------------------------------------------------------------------------------------


def source_rows(pages: Sequence[GoldPage], with_marked: bool = False) -> dict[str, Rows]:
    """Numbers of the pages of each source, then of the news sources by people, then of all.

    with_marked: marked pages too, and only the rows that hold one; else they are out.
    """
    sources = np.array([page.source for page in pages], dtype=np.str_)
    marked = np.array([page.marked for page in pages], dtype=np.bool_)
    chosen = {source: sources == source for source in dict.fromkeys(sources.tolist())}
    chosen |= {NEWS: np.isin(sources, NEWS_SOURCES), ALL: np.ones(len(pages), dtype=np.bool_)}
    if with_marked:
        chosen = {name: is_in for name, is_in in chosen.items() if (is_in & marked).any()}
    else:
        chosen = {name: is_in & ~marked for name, is_in in chosen.items()}
    return _filled(chosen)


def language_rows(pages: Sequence[GoldPage]) -> dict[str, Rows]:
    """Numbers of the pages, not marked, of each language of the sources in several, most pages first."""
    rows: dict[str, Rows] = {}
    for source in LANGUAGE_SOURCES:
        by_lang: dict[str, list[int]] = {}
        for i, page in enumerate(pages):
            if page.source == source and not page.marked:
                by_lang.setdefault(page.lang or "?", []).append(i)
        for lang, numbers in sorted(by_lang.items(), key=lambda entry: (-len(entry[1]), entry[0])):
            rows[f"{source} {lang}"] = np.array(numbers, dtype=np.int64)
    return rows


def _filled(chosen: Mapping[str, npt.NDArray[np.bool_]]) -> dict[str, Rows]:
    return {name: np.flatnonzero(is_in) for name, is_in in chosen.items() if is_in.any()}


# --- tables; the first system is the one that the others are compared with -----------------------------------------


@dataclass(frozen=True)
class Comparison:
    """Systems on the same pages, and how often sites are drawn for the intervals."""

    pages: Sequence[GoldPage]
    systems: Mapping[str, PageScores]
    n_resamples: int

    @property
    def first(self) -> str:
        return next(iter(self.systems))

    def on(self, rows: Rows) -> dict[str, Compared]:
        counts = {name: scores.counts[rows] for name, scores in self.systems.items()}
        return _score.compare(counts, self.sites(rows), self.n_resamples)

    def sites(self, rows: Rows) -> list[str]:
        return [self.pages[i].site for i in rows]

    def size(self, rows: Rows) -> list[str]:
        return [str(len(rows)), str(len(set(self.sites(rows))))]


def systems_table(comparison: Comparison, rows: Rows) -> str:
    """One row a system: every figure on these pages."""
    table = []
    for name, figures in comparison.on(rows).items():
        scores = comparison.systems[name]
        table.append(
            [
                name,
                _report.with_interval(figures.f1),
                _report.share(figures.precision),
                _report.share(figures.recall),
                _report.share(float(scores.is_exact[rows].mean())),
                str(int(scores.has_failed[rows].sum())),
                str(int(scores.is_empty[rows].sum())),
                _report.gap(figures.gap) if figures.gap else "",
            ]
        )
    head = ["", "F1", "precision", "recall", "exact", f"F1 < {_report.share(FAILED_F1, 1)}", "empty",
            f"{comparison.first} less this"]  # fmt: skip
    return _report.table(head, table)


def scores_and_gaps(comparison: Comparison, rows: Mapping[str, Rows], of: str = "source") -> Iterator[str]:
    """Two tables with one row for each of ``rows``: F1 (precision / recall), then the paired differences."""
    scores, gaps = [], []
    for name, chosen in rows.items():
        figures = comparison.on(chosen)
        row = [name, *comparison.size(chosen)]
        for each in figures.values():
            prf = f"{_report.share(each.f1.value)} ({_report.share(each.precision)}/{_report.share(each.recall)})"
            row.append(prf if each.gap else prf + _report.ends(each.f1))
        scores.append(row)
        gaps.append([name, *(_report.gap(each.gap) for each in figures.values() if each.gap)])
    yield _report.table([of, "pages", "sites", *comparison.systems], scores)
    yield f"{comparison.first} less each, paired over sites; bold where the interval leaves 0 out:"
    yield _report.table([of, *list(comparison.systems)[1:]], gaps)


def failures_table(comparison: Comparison, rows: Mapping[str, Rows]) -> str:
    """One row for each of ``rows``: share of exact pages, and numbers of pages lost whole and of empty ones."""
    table = []
    for name, chosen in rows.items():
        cells = [
            f"{_report.share(float(scores.is_exact[chosen].mean()))} · {int(scores.has_failed[chosen].sum())} · "
            f"{int(scores.is_empty[chosen].sum())}"
            for scores in comparison.systems.values()
        ]
        table.append([name, *comparison.size(chosen), *cells])
    return _report.table(["source", "pages", "sites", *comparison.systems], table)


def segments_table(pages: Sequence[GoldPage], counts: Mapping[str, Counts], n_resamples: int) -> str:
    """One row a system: F1, precision and recall of segments, and the first system's F1 less its own."""
    figures = _score.compare(counts, [page.site for page in pages], n_resamples)
    first = next(iter(counts))
    rows = [
        [
            name,
            _report.with_interval(each.f1),
            _report.share(each.precision),
            _report.share(each.recall),
            _report.gap(each.gap) if each.gap else "",
        ]
        for name, each in figures.items()
    ]
    return _report.table(["", f"F1 ({len(pages)} pages)", "precision", "recall", f"{first} less this"], rows)


def per_page_table(comparison: Comparison) -> str:
    """Tab-separated: id, source, site, lang, marked, then each system's F1 of the page."""
    head = ["id", "source", "site", "lang", "marked", *comparison.systems]
    rows = [
        [page.id, page.source, page.site, page.lang, str(int(page.marked))]
        + [f"{scores.f1[i]:.4f}" for scores in comparison.systems.values()]
        for i, page in enumerate(comparison.pages)
    ]
    return "".join("\t".join(row) + "\n" for row in (head, *rows))
