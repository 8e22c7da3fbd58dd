"""Debris glued to paragraphs (``--cut spans``) on the dev split: what is cut, and how much of it rightly.

    python bench/spans.py --corpora ../shared [--model NAME|PATH] [--documents N]

Made lines: debris of one site glued to paragraphs of another. Real lines: whatever is cut out of the dev documents as
they are, judged by data/labels/spans.tsv; what nobody read is told. Prints its tables and replaces its section of
bench/RESULTS.md. Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import _report
from bench._setting import clean_pages
from cleaner import Cleaner, Page
from cleaner.features.borders import Piece
from cleaner.labels import BODY
from cleaner.learn.corpus import LabelledDocument, join_labels, read_labels
from cleaner.learn.evaluate import wilson_interval
from cleaner.learn.pages import read_pages, read_suspects
from cleaner.learn.spans import (
    UNSURE,
    Seam,
    SpanLabels,
    choose_articles,
    glue_debris,
    label_by_reading,
    read_span_labels,
)
from cleaner.model.artefact import DEFAULT_MODEL, load_model
from cleaner.types import Removed

DATA = Path(__file__).resolve().parent.parent / "data" / "labels"
PAGE_SOURCES = ("aed", "crf", "daniel", "fundus-tests", "irdata", "turing", "wcxb", "zhhand")


@dataclass(frozen=True)
class CutPiece:
    """A piece that was cut out of a line of a document."""

    document: int
    removed: Removed
    line: str

    @property
    def piece(self) -> Piece:
        assert self.removed.start is not None and self.removed.end is not None
        return Piece(self.removed.start, self.removed.end, "")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder that holds corpora/ and labels/")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of a packaged model, or path of a model folder")
    parser.add_argument("--documents", type=int, default=4000, help="how many documents to make; fewer write nothing")
    parser.add_argument("--show", action="store_true", help="print each cut of real lines, to be read")
    chosen = parser.parse_args(arguments)
    cleaner = Cleaner(chosen.model, cut="spans")
    stocks = {
        "labelled documents": choose_articles(read_texts(chosen.corpora)),
        "full text of pages": choose_articles(read_gold_pages(chosen.corpora)),
    }
    read = read_span_labels(DATA / "spans.tsv")
    made = [
        row
        for name, documents in stocks.items()
        for row in _made_rows(cleaner, name, documents, read, chosen.documents)
    ]
    real = [_real_row(cleaner, name, documents, read, chosen.show) for name, documents in stocks.items()]
    section = "\n\n".join(
        [
            f"## Debris glued to paragraphs\n\nModel {load_model(chosen.model).full_name}, dev split, `--cut spans`. "
            f"{_report.environment()}.\nIn brackets 95 % intervals (Wilson).",
            "Made lines, debris of one site glued to paragraphs of another. Found: of the lines that the model keeps.",
            _report.table(("", "lines", "cut rightly", "wrongly", "precision", "found"), made),
            "Real lines, as they are. Right and wrong by reading; unread ones count as wrong.",
            _report.table(("", "lines of body", "cut rightly", "wrongly", "unread", "doubtful", "precision"), real),
        ]
    )
    print(section)
    if chosen.documents >= parser.get_default("documents"):
        _report.write_section("spans", section)


def read_texts(corpora: Path) -> list[LabelledDocument]:
    """The labelled texts of the dev split."""
    documents, _ = read_labels(corpora / "labels" / "lines.jsonl")
    others, _ = join_labels(corpora / "corpora" / "scraped-text-unlabelled.jsonl.zst", DATA / "texts.tsv")
    return [document for document in [*documents, *others] if document.split == "dev"]


def read_gold_pages(corpora: Path) -> list[LabelledDocument]:
    """The lines of the dev pages, labelled by their gold text."""
    marked = read_suspects(corpora / "corpora" / "gold_checked.tsv")
    paths = [corpora / "corpora" / f"pages-{source}.jsonl.zst" for source in PAGE_SOURCES]
    return [document for path in paths for document in read_pages(path, {"dev"}, marked).documents]


def find_cuts(
    cleaner: Cleaner, documents: Sequence[LabelledDocument]
) -> Iterator[tuple[int, list[CutPiece], set[int]]]:
    """Of each document its number, what is cut out of its lines, and the lines that are kept."""
    pages = [Page("\n\n".join(document.lines), title=document.title) for document in documents]
    for number, (document, article) in enumerate(zip(documents, clean_pages(cleaner, pages), strict=True)):
        if article is None or article.judged is None:
            raise RuntimeError(f"document {document.id} was rejected")
        cuts = [
            CutPiece(number, removed, document.lines[removed.line])
            for removed in article.removed
            if removed.start is not None
        ]
        yield number, cuts, {line for line, kept in enumerate(article.judged.kept) if kept}


def _made_rows(
    cleaner: Cleaner, name: str, documents: Sequence[LabelledDocument], read: SpanLabels, n_made: int
) -> Iterator[tuple[str, ...]]:
    made, seams = glue_debris(
        load_model(cleaner._judges.model.path), documents, n_made, np.random.default_rng(11), read
    )
    counts: dict[str, Counter[str]] = {side: Counter() for side in ("tails", "heads")}
    for number, cuts, kept in find_cuts(cleaner, made):
        for line in kept:
            if (number, line) in seams:
                counts["heads" if seams[number, line].is_head else "tails"]["kept"] += 1
        for cut in cuts:
            seam = seams.get((number, cut.removed.line))
            if seam is not None:
                counts["heads" if cut.piece.is_head else "tails"][_outcome(seam, cut.piece)] += 1
    for side, found in counts.items():
        yield (
            f"{name}, {side}",
            f"{found['kept']:,}",
            f"{found['right']:,}",
            f"{found['wrong']:,}",
            _precision(found["right"], found["wrong"]),
            _report.share(found["right"] / max(found["kept"], 1)),
        )


def _outcome(seam: Seam, piece: Piece) -> str:
    return "wrong" if seam.label_of(piece) == BODY else "right"


def _real_row(
    cleaner: Cleaner, name: str, documents: Sequence[LabelledDocument], read: SpanLabels, show: bool
) -> tuple[str, ...]:
    found: Counter[str] = Counter()
    for number, cuts, _ in find_cuts(cleaner, documents):
        document = documents[number]
        for cut in cuts:
            if document.labels[cut.removed.line] != BODY:
                continue  # the line is debris as a whole, or half of it
            said = label_by_reading(cut.piece, cut.line, read.get((document.id, cut.removed.line), {}))
            outcome = {None: "unread", BODY: "wrong", UNSURE: "doubtful"}.get(said, "right")
            found[outcome] += 1
            if show:
                place = "\t".join(map(str, (document.id, cut.removed.line, cut.removed.start, cut.removed.end)))
                print(f"{place}\t{outcome}\t{cut.removed.label}\t{cut.removed.score}\t{cut.piece.text(cut.line)}")
    n_body = sum(int((document.labels == BODY).sum()) for document in documents)
    counts = (f"{found[outcome]:,}" for outcome in ("right", "wrong", "unread", "doubtful"))
    return name, f"{n_body:,}", *counts, _precision(found["right"], found["wrong"] + found["unread"])


def _precision(n_right: int, n_wrong: int) -> str:
    low, high = wilson_interval(n_right, n_right + n_wrong)
    share = f"{_report.share(n_right / (n_right + n_wrong))} " if n_right + n_wrong else ""
    return f"{share}[{_report.share(low)}, {_report.share(high)}]"


if __name__ == "__main__":
    main()
