"""What extractors leave of pages with gold text: documents as a scraper hands them on, labelled by that gold.

Articles with debris set in and pages cut down are made to look like these, and are not these: which lines of a page an
extractor takes for article is what the model will meet.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from cleaner.errors import MissingExtraError, UsageError
from cleaner.extract.html import walk_page
from cleaner.extract.page import parse_page
from cleaner.labels import BODY
from cleaner.learn.align import align
from cleaner.learn.corpus import (
    UNKNOWN_DEBRIS,
    LabelledDocument,
    digest_lines,
    document_from_record,
    read_label_table,
)
from cleaner.learn.evaluate import shingle_counts

Extract = Callable[[str, str], str]

WholeLabels = Mapping[str, Mapping[str, tuple[str, Sequence[str]]]]
"""Of pages, by id, what each extractor left: its digest and the class of each line, as somebody read it."""

PER_PAGE = 3
"""So many extractors are asked about each page: all five say much the same, and take a tenth of a second."""

_LEAST_LINES, _MOST_LINES = 3, 400
# The gold must be half there, and what is taken for it nothing else, or the labels would be chance.
_MOST_SURPLUS, _MOST_MISSING = 0.05, 0.5


def _trafilatura(html: str, _lang: str) -> str:
    return import_module("trafilatura").extract(html, include_comments=False, favor_recall=True) or ""


def _resiliparse(html: str, _lang: str) -> str:
    extract = import_module("resiliparse.extract.html2text").extract_plain_text
    return str(extract(html, main_content=True, alt_texts=False, list_bullets=False))


def _readability(html: str, _lang: str) -> str:
    summary = import_module("readability").Document(html).summary(html_partial=True)
    return "\n".join(walk_page(parse_page(summary)).texts)


def _boilerpy(html: str, _lang: str) -> str:
    return str(import_module("boilerpy3.extractors").ArticleExtractor().get_content(html))


def _newspaper(html: str, lang: str) -> str:
    code = lang.split("-")[0].lower()
    known = {entry[0] for entry in import_module("newspaper.languages").valid_languages()}
    options: dict[str, Any] = {"language": code} if code in known else {}
    # Without a page to fetch and pictures to look at it never reaches for the network.
    article = import_module("newspaper").Article("http://page.invalid/", fetch_images=False, **options)
    article.download(input_html=html)
    article.parse()
    return str(article.text)


EXTRACTORS: Mapping[str, Extract] = {
    "trafilatura": _trafilatura,
    "resiliparse": _resiliparse,
    "readability-lxml": _readability,
    "boilerpy3": _boilerpy,
    "newspaper4k": _newspaper,
}
"""By the names that pip has for them. trafilatura is asked in its recall mode."""

_MODULES = {"readability-lxml": "readability", "newspaper4k": "newspaper"}


def check_extractors(names: Sequence[str]) -> None:
    """Raises UsageError for an extractor that is not known, MissingExtraError for one that is not installed."""
    for name in names:
        if name not in EXTRACTORS:
            raise UsageError(f"--left-by {name}: that is none of {', '.join(EXTRACTORS)}")
        try:
            with _in_silence():
                import_module(_MODULES.get(name, name))
        except ImportError as error:
            raise MissingExtraError(name, "bench") from error


def count_leftovers(leftovers: Sequence[LabelledDocument]) -> list[dict[str, str | int]]:
    """What each extractor left, with its version, for the manifest of a model."""
    counts: list[dict[str, str | int]] = []
    for name in dict.fromkeys(document.source for document in leftovers):
        left = [document for document in leftovers if document.source == name]
        n_lines = sum(len(document.lines) for document in left)
        counts.append({"name": name, "version": version(name), "n_documents": len(left), "n_lines": n_lines})
    return sorted(counts, key=lambda entry: str(entry["name"]))


def read_leftovers(
    html: str,
    body: str,
    page: LabelledDocument,
    names: Sequence[str],
    turn: int,
    unsure: Collection[str] = (),
    done: Collection[str] = (),
) -> Iterator[LabelledDocument]:
    """The page as some of the extractors leave it, a document each; none where one gives up or strays from the gold.

    body: the gold text; empty for a page that holds no article, of which all that is left is debris. page: the same
    page with its labels, which hold for the lines that it shares with what was left; the others are told by alignment
    with the gold text. turn: a number of the page, by which the extractors take turns. unsure: lines of the page of
    which nothing is known; they are left out. done: extractors whose text of the page is learned from already.
    """
    known = dict(zip(page.lines, page.labels.tolist(), strict=True))
    gold = "\n".join(row.strip() for row in body.split("\n") if row.strip())
    step = max(len(names) // PER_PAGE, 1)
    for place in dict.fromkeys((turn + step * number) % len(names) for number in range(PER_PAGE) if names):
        if names[place] in done:
            continue
        lines = [line for line in _ask(EXTRACTORS[names[place]], html, page.lang or "en") if line not in unsure]
        if not _LEAST_LINES <= len(lines) <= _MOST_LINES:
            continue
        keep = align(lines, gold).keep if gold else np.zeros(len(lines), dtype=np.bool_)
        if gold and _strays(gold, "\n".join(line for line, kept in zip(lines, keep, strict=True) if kept)):
            continue
        labels = [known.get(line, BODY if kept else UNKNOWN_DEBRIS) for line, kept in zip(lines, keep, strict=True)]
        yield replace(
            page,
            id=f"{page.id}|{names[place]}",
            lines=tuple(lines),
            labels=np.array(labels, dtype=np.int64),
            kind="residue",
            source=names[place],
            page_id=page.id,
        )


def read_whole_labels(path: Path) -> WholeLabels:
    """Classes from a table as of `cleaner.learn.corpus.join_labels`, with ids such as ``page|trafilatura``.

    Raises InputError where it cannot be read, UsageError for an extractor that is not known.
    """
    found: dict[str, dict[str, tuple[str, Sequence[str]]]] = {}
    for name, labels in read_label_table(path).items():
        page, _, extractor = name.rpartition("|")
        if extractor not in EXTRACTORS:
            raise UsageError(f"{path}: {name} does not end in |EXTRACTOR, one of {', '.join(EXTRACTORS)}")
        found.setdefault(page, {})[extractor] = labels
    return found


def join_whole_labels(
    record: Mapping[str, Any], title: str | None, labels: Mapping[str, tuple[str, Sequence[str]]]
) -> Iterator[LabelledDocument | str]:
    """What extractors left of a page and somebody read, a document each, or why it cannot be used.

    record: the page, as `cleaner.learn.pages` reads it. labels: by extractor, as in `WholeLabels`.
    """
    for name, (digest, classes) in labels.items():
        lines = _ask(EXTRACTORS[name], record.get("html") or "", record.get("lang") or "en")
        if digest_lines(lines) != digest:
            yield f"{name} {version(name)} leaves other lines of page {record['id']} than were labelled"
            continue
        left = {
            "id": f"{record['id']}|{name}",
            "lines": lines,
            "labels": classes,
            "kind": "residue",
            "host": record.get("domain") or record.get("host"),
            "lang": record.get("lang"),
            "title": title,
            "split": record.get("split", "train"),
            "source": name,
            "page_id": str(record["id"]),
        }
        try:
            yield replace(document_from_record(left), is_chosen=True)
        except ValueError as error:
            yield f"page {record['id']} as {name} leaves it: {error}"


def _strays(gold: str, chosen: str) -> bool:
    found, surplus, missing = shingle_counts(gold, chosen)
    return not found or surplus > _MOST_SURPLUS * (found + surplus) or missing > _MOST_MISSING * (found + missing)


def _ask(extract: Extract, html: str, lang: str) -> list[str]:
    """The lines of the extractor's text, white space collapsed; none where it fails."""
    with _in_silence():
        try:
            text = extract(html, lang)
        except Exception:  # whatever an extractor raises on a page, it has left nothing to learn from
            return []
    rows = (" ".join(row.split()) for row in text.split("\n"))
    return list(islice(filter(None, rows), _MOST_LINES + 1))


@contextmanager
def _in_silence() -> Iterator[None]:
    """Neither what extractors log of pages that they cannot read, nor what they warn of."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
