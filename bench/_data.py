"""What is measured on: labelled documents, and pages with gold text."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench._page_text import page_text as page_text
from cleaner.labels import LABEL_INDEX
from cleaner.learn.pages import read_suspects

OWN_PAGES = Path(__file__).resolve().parent.parent / "data" / "own-pages.jsonl"
"""Pages of our own writing: articles, and what a crawler gets in place of one."""

GOLD_SOURCES = ("aed", "irdata", "daniel", "fundus-tests", "turing", "wcxb", "xmu", "crf", "magichtml")
"""Sources of pages whose gold is the full body of an article, in the order of the tables."""

SEGMENT_SOURCE = "trafilatura-eval"
"""Its gold is a few segments that must be in the text and a few that must not."""

NEWS_SOURCES = ("aed", "fundus-tests", "irdata", "turing", "daniel")
"""Those of news sites whose gold was made or checked by people."""

BODY_SOURCES = (
    *NEWS_SOURCES, "wcxb", "xmu", "magichtml", "zhhand", "crf", "cleanportal", "ftr", "canola", "pankaj", "postlight",
    "readability",
)  # fmt: skip
"""Every source of pages with a gold body, also those that draw the border of an article elsewhere than we do."""


@dataclass(frozen=True)
class LabelledDocument:
    """labels: int64, shape (n_lines,), indices into LABELS. site: where it came from, else its own id."""

    id: str
    kind: str
    site: str
    lines: list[str]
    labels: npt.NDArray[np.int64]
    title: str | None

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True)
class GoldPage:
    """A page and what should come out of it; marked: its gold is suspect, or a reader found it at fault."""

    id: str
    source: str
    site: str
    lang: str
    url: str | None
    html: str
    body: str
    with_segments: tuple[str, ...]
    without_segments: tuple[str, ...]
    marked: bool


def read_labelled(path: Path, split: str | None = None, sites: dict[str, str] | None = None) -> list[LabelledDocument]:
    """Documents of a label file, of one split or of all; sites: site by ``page_id`` for those without a host.

    Raises ValueError for a document whose lines and labels do not match.
    """
    documents = []
    with path.open(encoding="utf-8") as file:
        for record in map(json.loads, file):
            if split is not None and record.get("split") != split:
                continue
            lines, labels = record["lines"], record["labels"]
            if len(lines) != len(labels):
                raise ValueError(f"{path}, document {record['id']}: {len(lines)} lines, {len(labels)} labels")
            site = site_of(record.get("host")) or (sites or {}).get(record.get("page_id", "")) or record["id"]
            documents.append(
                LabelledDocument(
                    id=record["id"],
                    kind=record.get("kind", "scraped"),
                    site=site,
                    lines=lines,
                    labels=np.array([LABEL_INDEX[label] for label in labels], dtype=np.int64),
                    title=record.get("title"),
                )
            )
    return documents


def site_of(host: str | None) -> str | None:
    """The host without ``www.``, which stands for the site where no registered domain is given."""
    return host.lower().removeprefix("www.") if host else None


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Records of a JSON Lines file, compressed or not."""
    if path.suffix != ".zst":
        with path.open(encoding="utf-8") as plain:
            yield from map(json.loads, plain)
        return
    import zstandard

    with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as stream:
        yield from map(json.loads, io.TextIOWrapper(stream, encoding="utf-8"))


def read_marked(*paths: Path) -> frozenset[str]:
    """Ids of the pages whose gold was read and found at fault; a table that is not there names none."""
    return frozenset().union(*(read_suspects(path) for path in paths if path.exists()))


def read_pages(
    corpora: Path,
    sources: Iterable[str],
    split: str = "dev",
    per_source: int | None = None,
    suspects: Iterable[Path] = (),
    with_suspect: bool = False,
) -> list[GoldPage]:
    """Pages of a split from ``pages-SOURCE.jsonl.zst``, at most ``per_source`` each.

    suspects: tables like gold_checked.tsv, beside that one, of pages to be marked. with_suspect: gold_suspect pages
    come too, marked; else they are left out. Raises FileNotFoundError for a source that is not there.
    """
    marked = read_marked(corpora / "gold_checked.tsv", *suspects)
    pages: list[GoldPage] = []
    for source in sources:
        records = [
            record
            for record in read_records(corpora / f"pages-{source}.jsonl.zst")
            if record.get("split") == split and (with_suspect or not record.get("gold_suspect"))
        ]
        # Spread over the file: neighbours are often of one site.
        step = -(-len(records) // per_source) if per_source else 1
        pages += [
            _gold_page(record, bool(record.get("gold_suspect")) or record["id"] in marked)
            for record in records[:: max(step, 1)]
        ]
    return pages


def _gold_page(record: dict[str, Any], is_marked: bool) -> GoldPage:
    return GoldPage(
        id=record["id"],
        source=record["source"],
        site=record.get("domain") or site_of(record.get("host")) or record["id"],
        lang=record.get("lang") or "",
        url=record.get("url"),
        html=record["html"],
        body=record.get("body") or "",
        with_segments=tuple(record.get("with_segments") or ()),
        without_segments=tuple(record.get("without_segments") or ()),
        marked=is_marked,
    )


def read_page_sites(corpora: Path, page_ids: Iterable[str]) -> dict[str, str]:
    """Site of each page of these ids, from all files of pages; costs a pass over them."""
    wanted = set(page_ids)
    sites: dict[str, str] = {}
    for path in sorted(corpora.glob("pages-*.jsonl.zst")):
        if not wanted:
            break
        for record in read_records(path):
            if record["id"] in wanted:
                wanted.discard(record["id"])
                sites[record["id"]] = record.get("domain") or site_of(record.get("host")) or record["id"]
    return sites
