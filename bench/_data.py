"""What is measured on: labelled documents, pages with gold text, and one fixed way from page to plain text."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cleaner.labels import LABEL_INDEX

GOLD_SOURCES = ("aed", "irdata", "daniel", "fundus-tests", "turing", "wcxb", "xmu", "crf", "magichtml")
"""Sources of pages whose gold is the full body of an article, in the order of the tables."""

SEGMENT_SOURCE = "trafilatura-eval"
"""Its gold is a few segments that must be in the text and a few that must not."""

BAD_GOLD = frozenset({"gold_wrong", "gold_cut", "gold_extra", "page_lacks", "no_article"})
"""Verdicts of gold_checked.tsv that say that the gold, not an extractor, is at fault."""


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
    """A page and what should come out of it; marked: a reader found its gold at fault (BAD_GOLD)."""

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


def read_marked(path: Path) -> frozenset[str]:
    """Ids of the pages whose gold was read and found at fault; empty where the file is not there."""
    if not path.exists():
        return frozenset()
    rows = (line.rstrip("\n").split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:])
    return frozenset(row[0] for row in rows if row[-1] in BAD_GOLD)


def read_pages(
    corpora: Path, sources: Iterable[str], split: str = "dev", per_source: int | None = None
) -> list[GoldPage]:
    """Pages of a split from ``pages-SOURCE.jsonl.zst``, at most ``per_source`` each; gold_suspect ones are left out.

    Raises FileNotFoundError for a source that is not there.
    """
    marked = read_marked(corpora / "gold_checked.tsv")
    pages: list[GoldPage] = []
    for source in sources:
        records = [
            record
            for record in read_records(corpora / f"pages-{source}.jsonl.zst")
            if record.get("split") == split and not record.get("gold_suspect")
        ]
        # Spread over the file: neighbours are often of one site.
        step = -(-len(records) // per_source) if per_source else 1
        pages += [_gold_page(record, record["id"] in marked) for record in records[::step]]
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


# --- from page to plain text ----------------------------------------------------------------------------------------

_UNSEEN = frozenset({"head", "script", "style", "noscript", "template"})
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "br", "button", "caption", "center", "dd", "details",
    "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "frameset", "h1", "h2",
    "h3", "h4", "h5", "h6", "header", "hr", "html", "iframe", "legend", "li", "main", "menu", "nav", "ol", "option",
    "p", "pre", "section", "select", "summary", "table", "tbody", "td", "textarea", "tfoot", "th", "thead", "tr",
    "ul", "video",
})  # fmt: skip
_SPACE = re.compile(r"\s+")


def page_text(html: str) -> str:
    """All text of a page, one line for each block or part of it between ``<br>``, white space collapsed.

    Fixed, so that figures stay comparable: what hides behind style sheets or scripts counts as visible. Walks
    without recursion: pages nest as deep as they like.
    """
    import turbohtml

    lines: list[str] = []
    pieces: list[str] = []

    def end_line() -> None:
        line = _SPACE.sub(" ", "".join(pieces)).strip()
        if line:
            lines.append(line)
        pieces.clear()

    # None on the stack marks the end of a block.
    stack: list[Any] = [turbohtml.parse(html)]
    while stack:
        node = stack.pop()
        if node is None:
            end_line()
        elif isinstance(node, turbohtml.Text):
            pieces.append(node.data)
        elif isinstance(node, turbohtml.Element):
            if node.tag in _UNSEEN:
                continue
            if node.tag in _BLOCKS:
                end_line()
                stack.append(None)
            stack.extend(reversed(node.children))
        elif isinstance(node, turbohtml.Document):
            stack.extend(reversed(node.children))
    end_line()
    return "\n".join(lines)
