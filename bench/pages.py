"""Articles out of pages in HTML: the cleaner beside other extractors, on the same pages in the same run.

    python bench/pages.py --corpora ../shared [--model NAME|PATH] [--split dev|train] [--sources a,b] [--limit N]
                          [--parts bodies segments speed] [--per-page FILE]

Prints its tables and, after a full run on the dev split, replaces its section of bench/RESULTS.md. What the peers
give is kept in bench/.cache; the first run takes minutes for them, later ones do not. Peers that are no dependency of
ours are installed there too, into environments of their own. One thread throughout. Intervals are 95 %, by drawing
sites.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

# Before numpy is loaded, which reads them then; children inherit them.
if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[_name] = "1"

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import _data, _page_scores, _page_speed, _report, _score
from bench._ours import Ours, ours
from bench._page_scores import ALL, NEWS, Comparison
from bench._peers import PEERS
from bench._system import System, TextMaker
from bench._venv_peer import VenvPeer
from cleaner.model.artefact import DEFAULT_MODEL

PARTS = ("bodies", "segments", "speed")
SUSPECTS = ROOT / "data" / "labels" / "suspects.tsv"
SPEED_PAGES = 250

CHROMERAG = VenvPeer("chromerag", "chromerag", "0.1.4", "_chromerag.py")
CHROMERAG_NOTE = (
    "chromerag says of itself that it was trained on the development pages of WCXB, which wcxb consists of."
)
BESIDE: tuple[System, ...] = (*(peer for peer in PEERS if peer.name != "boilerpy3"), CHROMERAG)


@dataclass(frozen=True)
class Choice:
    """What a run measures, and on what."""

    corpora: Path
    model: str
    split: str
    sources: tuple[str, ...]
    limit: int | None
    parts: tuple[str, ...]
    per_page: Path | None
    n_resamples: int = 1000

    @property
    def is_full(self) -> bool:
        return (
            self.split == "dev"
            and self.limit is None
            and set(self.sources) == {*_data.BODY_SOURCES, _data.SEGMENT_SOURCE}
            and set(self.parts) == set(PARTS)
        )

    def body_pages(self) -> list[_data.GoldPage]:
        """Pages with a gold body, marked ones too."""
        sources = [source for source in self.sources if source != _data.SEGMENT_SOURCE]
        return _data.read_pages(self.corpora, sources, self.split, self.limit, [SUSPECTS], with_suspect=True)

    def segment_pages(self) -> list[_data.GoldPage]:
        sources = [source for source in self.sources if source == _data.SEGMENT_SOURCE]
        return _data.read_pages(self.corpora, sources, self.split, self.limit)


def main(arguments: Sequence[str] | None = None, beside: Sequence[System] = BESIDE) -> None:
    choice = _parse(arguments)
    cleaners = ours(choice.model)
    peers = [peer for peer in beside if peer.version is not None]
    makers: list[TextMaker] = [*cleaners, *peers]
    notes = [CHROMERAG_NOTE] if CHROMERAG in peers else []
    notes += [f"{peer.name}: not available, {peer.why_missing}." for peer in beside if peer not in peers]
    sections = [_heading(choice, cleaners[0].cleaner.model_name, peers)]
    print(sections[0], flush=True)
    bodies = choice.body_pages() if {"bodies", "speed"} & set(choice.parts) else []
    segments = choice.segment_pages() if "segments" in choice.parts else []
    measures = {
        "bodies": lambda: body_sections(choice, bodies, makers),
        "segments": lambda: segment_section(choice, segments, makers),
        "speed": lambda: speed_section(choice, bodies, makers),
    }
    try:
        for part in PARTS:
            if part in choice.parts and (segments if part == "segments" else bodies):
                begun = time.perf_counter()
                sections.append(measures[part]())
                print(f"\n{sections[-1]}\n\n({part}: {time.perf_counter() - begun:.0f} s)", flush=True)
    finally:
        for peer in peers:
            peer.close()
    notes += _mishaps(cleaners, peers)
    print("\n" + "\n\n".join(notes))
    if choice.is_full:
        _report.write_section("pages", "\n\n".join([*sections, *notes]))
        print(f"\nWritten to {_report.RESULTS.name}.")


def _parse(arguments: Sequence[str] | None) -> Choice:
    every = (*_data.BODY_SOURCES, _data.SEGMENT_SOURCE)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder that holds corpora/")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of a packaged model, or path of a model folder")
    parser.add_argument("--split", choices=("dev", "train"), default="dev", help="train: training saw these sites")
    parser.add_argument("--sources", default=",".join(every), help="these only, with commas; of %(default)s")
    parser.add_argument("--limit", type=int, help="at most so many pages a source")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="measure these only")
    parser.add_argument("--per-page", type=Path, help="a table (tabs) of F1 by page and system goes to this file")
    chosen = parser.parse_args(arguments)
    sources = tuple(chosen.sources.split(","))
    unknown = set(sources) - set(every)
    if unknown:
        parser.error(f"--sources: {', '.join(sorted(unknown))} is none of {', '.join(every)}")
    if chosen.limit is not None and chosen.limit < 1:
        parser.error("--limit: at least 1")
    folder = chosen.corpora / "corpora"
    missing = [source for source in sources if not (folder / f"pages-{source}.jsonl.zst").exists()]
    if missing:
        parser.error(f"{folder}: there is no pages-{missing[0]}.jsonl.zst in it; give the folder that holds corpora/")
    parts = tuple(chosen.parts)
    return Choice(folder, chosen.model, chosen.split, sources, chosen.limit, parts, chosen.per_page)


def _heading(choice: Choice, model: str, peers: Sequence[System]) -> str:
    versions = ", ".join(
        [_report.environment(), *dict.fromkeys(f"{peer.distribution} {peer.version}" for peer in peers)]
    )
    sites = "sites that training never saw" if choice.split == "dev" else "training saw these sites: no measure of ours"
    return (
        f"## Pages\n\nModel {model}, {choice.split} split ({sites}). {versions}.\n"
        f"In brackets 95 % intervals by bootstrap over sites ({choice.n_resamples:,} draws)."
    )


def body_sections(choice: Choice, pages: Sequence[_data.GoldPage], makers: Sequence[TextMaker]) -> str:
    """The tables on pages with a gold body."""
    systems = {}
    for system in makers:
        _tell(system.name)
        systems[system.name] = _page_scores.score_pages(pages, system.texts(pages))
    comparison = Comparison(pages, systems, choice.n_resamples)
    if choice.per_page:
        choice.per_page.write_text(_page_scores.per_page_table(comparison), encoding="utf-8")
    rows = _page_scores.source_rows(pages)
    parts = [
        "F1 of 4-word shingles, each page weighing the same (`shingle_f1` in cleaner/learn/evaluate.py); gold bodies "
        "hold no headline, so `text` alone is scored, and comments are left out of trafilatura's output. exact: share "
        f"of pages with the same words as the gold. F1 < {_report.share(_page_scores.FAILED_F1, 1)}: pages lost "
        "whole. empty: pages for which nothing came back. Pages whose gold is suspect, or was read and found at fault, "
        f"are out unless a table says otherwise. No interval is given over fewer than {_score.MIN_SITES} sites. "
        "Every system gets the page as decoded text, justext and newspaper4k its language too, ours and chromerag "
        "its address."
    ]
    for name in (NEWS, ALL):
        if name in rows:
            n_pages, n_sites = comparison.size(rows[name])
            parts += [
                f"### {_TITLES[name]}: {n_pages} pages, {n_sites} sites",
                _page_scores.systems_table(comparison, rows[name]),
            ]
    parts += ["### By source", *_page_scores.scores_and_gaps(comparison, rows)]
    parts += ["Exact pages · pages lost whole · empty ones:", _page_scores.failures_table(comparison, rows)]
    marked = _page_scores.source_rows(pages, with_marked=True)
    if marked:
        n_marked = sum(page.marked for page in pages)
        parts += [
            f"### With the {n_marked} pages whose gold is doubtful",
            *_page_scores.scores_and_gaps(comparison, marked),
        ]
    languages = _page_scores.language_rows(pages)
    if languages:
        parts += ["### By language", *_page_scores.scores_and_gaps(comparison, languages, "language")]
    return "\n\n".join(parts)


_TITLES = {
    NEWS: f"News, gold by people ({', '.join(_data.NEWS_SOURCES)})",
    ALL: "All sources",
}


def segment_section(choice: Choice, pages: Sequence[_data.GoldPage], makers: Sequence[TextMaker]) -> str:
    """The table on pages whose gold is a few segments."""
    counts = {system.name: _page_scores.segment_counts(pages, system.texts(pages)) for system in makers}
    return (
        f"### Segments of {_data.SEGMENT_SOURCE}\n\n2tp/(2tp+fp+fn) over segments that must be in the text and that "
        f"must not.\n\n{_page_scores.segments_table(pages, counts, choice.n_resamples)}"
    )


def speed_section(choice: Choice, pages: Sequence[_data.GoldPage], systems: Sequence[TextMaker]) -> str:
    """The table on pages a CPU second."""
    batches = _page_speed.spread_batches(pages, SPEED_PAGES)
    sample = [page for batch in batches for page in batch]
    n_kb = sum(len(page.html) for page in sample) / len(sample) / 1000
    _tell("speed")
    spent = _page_speed.cpu_in_turns(systems, batches)
    by_name = {system.name: spent[i] for i, system in enumerate(systems)}
    return (
        f"### Speed\n\n{len(sample)} pages of {n_kb:.0f} kB on average, each once, one thread. The systems take turns "
        f"at batches of {len(batches[0])} pages; ours gets bytes and gives finished articles, batch by batch, the "
        "others get decoded text, page by page. In brackets 95 % intervals by bootstrap over batches.\n\n"
        f"{_page_speed.speed_table(by_name, len(sample), choice.n_resamples)}"
    )


def _mishaps(cleaners: Sequence[Ours], peers: Sequence[System]) -> list[str]:
    notes = [
        f"{each.name} rejected {each.n_rejected} pages, which count as empty." for each in cleaners if each.n_rejected
    ]
    return notes + [
        f"{peer.name} raised an error on {len(peer.failures)} pages, which count as empty."
        for peer in peers
        if peer.failures
    ]


def _tell(what: str) -> None:
    print(f"… {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
