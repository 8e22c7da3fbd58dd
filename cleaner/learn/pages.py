"""Pages with gold text -> documents whose lines are labelled by alignment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cleaner.labels import BODY, TITLE
from cleaner.learn.align import align, split_words
from cleaner.learn.augment import strip_site_name
from cleaner.learn.corpus import MAX_PAGE_LINES, UNKNOWN_DEBRIS, BadRow, LabelledDocument, read_rows
from cleaner.learn.evaluate import shingle_counts
from cleaner.learn.leftovers import WholeLabels, join_whole_labels, read_leftovers
from cleaner.learn.line_labels import NOTHING_READ, OF_NO_USE, ReadLabels
from cleaner.types import Metadata

if TYPE_CHECKING:
    from cleaner.learn.judged_pages import PageLabeller

# Below this the gold is not made of the page's lines, and its labels would teach chance.
MIN_CHOICE_F1 = 0.93
_MIN_HEADLINE_CHARS = 12


@dataclass(frozen=True)
class PageCorpus:
    """documents: kind ``page``, debris of unknown class. skipped: pages left out, with the reason. leftovers: what
    extractors left of the pages (`cleaner.learn.leftovers`). whole: the same, labelled by reading. stale: rows of what
    was read that extractors leave no more."""

    documents: list[LabelledDocument]
    skipped: list[BadRow]
    leftovers: list[LabelledDocument] = field(default_factory=list)
    whole: list[LabelledDocument] = field(default_factory=list)
    stale: list[BadRow] = field(default_factory=list)


def read_pages(
    path: Path,
    splits: Collection[str],
    suspects: Collection[str] = (),
    read: ReadLabels = NOTHING_READ,
    left_by: Sequence[str] = (),
    labeller: PageLabeller | None = None,
    whole_labels: WholeLabels | None = None,
) -> PageCorpus:
    """The pages of a JSON Lines file (``id, html, body``, maybe ``title, headlines, domain, lang, split``).

    A page whose ``verdict`` is ``no_article`` needs no body: all of its lines are debris.
    splits: those to read; a page without one counts as ``train``. suspects: ids of pages whose gold is doubtful. read:
    what was said of lines by reading, which overrules the gold. left_by: extractors whose text of the pages is wanted.
    labeller: labels pages without a whole gold text, as far as it is sure. whole_labels: what extractors left of pages
    and somebody read, whatever becomes of the page itself.
    Raises InputError where the file cannot be read.
    """
    corpus = PageCorpus([], [])
    for row, record in read_page_records(path):
        if isinstance(record, str):
            corpus.skipped.append(BadRow(str(path), row, record))
            continue
        if record.get("split", "train") not in splits:
            continue
        was_read = (whole_labels or {}).get(str(record.get("id", "")), {})
        for entry in join_whole_labels(record, _own_title(record), was_read):
            if isinstance(entry, str):
                corpus.stale.append(BadRow(str(path), row, entry))
            else:
                corpus.whole.append(entry)
        problem = _find_problem(record, suspects, read)
        page = None if problem else label_page(record, read)
        unsure: frozenset[str] = frozenset()
        if page is not None:
            body = "" if holds_none(record) else record["body"]
        elif labeller is not None and (judged := labeller.label(record)):
            page, unsure = judged.document, judged.unsure
            body = "\n".join(page.article_lines())
        if page is None:
            corpus.skipped.append(BadRow(str(path), row, problem or "its lines do not make up its gold"))
            continue
        turn = len(corpus.documents)
        corpus.leftovers.extend(read_leftovers(record["html"], body, page, left_by, turn, unsure, was_read))
        corpus.documents.append(page)
    return corpus


def holds_none(record: Mapping[str, Any]) -> bool:
    """Whether a page is one that a reader is shown in place of an article, such as a wall or an error."""
    return record.get("verdict") == "no_article"


def _find_problem(record: dict[str, Any], suspects: Collection[str], read: ReadLabels) -> str | None:
    """Why a page cannot be labelled, as far as that is known without a look at its lines."""
    if not record.get("html") or not (record.get("body") or holds_none(record)):
        return "no html or no body"
    if record.get("gold_suspect") or record.get("id") in suspects:
        return "its gold is marked as doubtful"
    return OF_NO_USE if record.get("id") in read.verdicts else None


def read_page_records(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """The rows of a JSON Lines file with their number: a record (empty where a row holds no object), or what is wrong.

    Raises InputError where the file cannot be read.
    """
    import orjson

    for row, line in enumerate(read_rows(path)):
        try:
            record = orjson.loads(line)
        except ValueError as error:
            yield row, f"not JSON: {error}"
            continue
        yield row, record if isinstance(record, dict) else {}


def choose_gold_lines(lines: Sequence[str], body: str) -> npt.NDArray[np.bool_] | None:
    """Which of the lines make up a gold text; None where no choice among them comes near it. bool, (n_lines,)."""
    gold = "\n".join(row.strip() for row in body.split("\n") if row.strip())
    keep = align(lines, gold).keep
    found, surplus, missing = shingle_counts(
        gold, "\n".join(line for line, kept in zip(lines, keep, strict=True) if kept)
    )
    fits = found and 2 * found >= MIN_CHOICE_F1 * (2 * found + surplus + missing)
    return keep if fits else None


def label_page(record: dict[str, Any], read: ReadLabels = NOTHING_READ) -> LabelledDocument | None:
    """The page as a document, or None where no choice among its lines comes near the gold text."""
    import turbohtml

    from cleaner.extract.html import walk_page
    from cleaner.extract.metadata import read_metadata

    document = turbohtml.parse(record["html"], positions=False)
    lines = walk_page(document).texts[:MAX_PAGE_LINES]
    keep = np.zeros(len(lines), dtype=np.bool_) if holds_none(record) else choose_gold_lines(lines, record["body"])
    if keep is None or not lines:
        return None
    # The headline of what stands in place of an article is debris as all the rest.
    declared = Metadata() if holds_none(record) else read_metadata(document)
    title = _own_title(record) or declared_headline(declared)
    labels = np.where(keep, BODY, UNKNOWN_DEBRIS).astype(np.int64)
    of_head = strip_site_name(declared.head_title or "")
    headlines = _fold_headlines(
        (title, record.get("title"), *(record.get("headlines") or ()), *declared.titles, of_head)
    )
    for number, line in enumerate(lines):
        if not keep[number] and " ".join(split_words(line)) in headlines:
            labels[number] = TITLE
    for entry in read.of_page(str(record.get("id", "")), lines):
        labels[entry.line] = entry.class_in_page(bool(labels[entry.line] == TITLE))
    return LabelledDocument(
        id=str(record.get("id", "")),
        lines=tuple(lines),
        labels=labels,
        kind="page",
        site=record.get("domain") or record.get("host"),
        lang=record.get("lang"),
        title=title,
        split=record.get("split", "train"),
        source=str(record.get("source", "")),
    )


def declared_headline(metadata: Metadata) -> str | None:
    """The headline that a page names itself, without the site's name."""
    return strip_site_name(next(iter(metadata.titles), metadata.head_title) or "") or None


def _own_title(record: Mapping[str, Any]) -> str | None:
    return strip_site_name(record["title"]) if record.get("title") else None


def _fold_headlines(titles: Iterable[str | None]) -> set[str]:
    folded = {" ".join(split_words(title)) for title in titles if title}
    return {title for title in folded if len(title) >= _MIN_HEADLINE_CHARS}


def read_suspects(path: Path) -> set[str]:
    """Ids of pages whose gold was found to be wrong: a table of ``id, …, verdict`` with a head line, by tabs.

    Pages whose verdict says that the gold is right, or that nobody looked, are not among them.
    """
    rows = [row.decode("utf-8").rstrip("\r\n").split("\t") for row in read_rows(path)]
    head = rows[0]
    page, verdict = head.index("id") if "id" in head else 0, head.index("verdict")
    return {
        row[page] for row in rows[1:] if len(row) > verdict and row[verdict] not in ("gold_ok", "unread", "unclear")
    }
