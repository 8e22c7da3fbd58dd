"""What a model learns from: labelled documents, and pages whose gold text labels their lines."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cleaner.errors import InputError
from cleaner.labels import LABEL_INDEX

DocumentKind = Literal["scraped", "residue", "page"]
UNKNOWN_DEBRIS = -1
"""Label of a line that gold text shows to be debris without saying of which class."""

# Beyond this a page is a list or a dump, and its lines would outweigh whole sites.
MAX_PAGE_LINES = 1500


@dataclass(frozen=True)
class LabelledDocument:
    """A document with a class for every line.

    labels: int64, shape (n_lines,), index into LABELS or UNKNOWN_DEBRIS.
    site: registered domain or host; None where unknown. kind: how the lines came about (labels README). Good enough
    to learn from, but not to measure by, are those labelled by a model (is_judged), those made up (is_synthetic), and
    those that a model's doubts chose for reading (is_chosen).
    """

    id: str
    lines: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    kind: DocumentKind = "scraped"
    site: str | None = None
    lang: str | None = None
    title: str | None = None
    split: str = "train"
    source: str = ""
    page_id: str | None = None
    is_judged: bool = False
    is_synthetic: bool = False
    is_chosen: bool = False

    @property
    def is_measured(self) -> bool:
        """Whether figures and thresholds are taken on it, where it is among the labelled documents."""
        return not (self.is_judged or self.is_synthetic or self.is_chosen)

    @property
    def drops(self) -> npt.NDArray[np.bool_]:
        """Lines that go under the default classes to keep; bool, shape (n_lines,)."""
        return (self.labels != LABEL_INDEX["title"]) & (self.labels != LABEL_INDEX["body"])

    def article_lines(self) -> list[str]:
        """The lines of class body."""
        return [self.lines[line] for line in np.flatnonzero(self.labels == LABEL_INDEX["body"]).tolist()]


@dataclass(frozen=True)
class BadRow:
    """A row of a labels file that was not used, and why."""

    path: str
    row: int
    problem: str


def read_labels(path: Path) -> tuple[list[LabelledDocument], list[BadRow]]:
    """The labelled documents of a JSON Lines file, and the rows that could not be used.

    Raises InputError where the file cannot be read at all.
    """
    import orjson

    documents: list[LabelledDocument] = []
    bad: list[BadRow] = []
    for row, line in enumerate(read_rows(path)):
        if not line.strip():
            continue
        try:
            documents.append(document_from_record(orjson.loads(line)))
        except (ValueError, TypeError, KeyError) as error:
            bad.append(BadRow(str(path), row, str(error)))
    return documents, bad


def join_labels(documents: Path, table: Path) -> tuple[list[LabelledDocument], list[BadRow]]:
    """Documents of a JSON Lines file (``id, lines``) with their classes out of a table, and rows of no use.

    The table has a head line and the columns ``id, digest, labels, doubtful``, by tabs: ``digest`` as `digest_lines`
    gives it, ``labels`` runs of classes (``title body*14 teaser``). Documents that it does not name are left out.
    Raises InputError where a file cannot be read.
    """
    import orjson

    labels = read_label_table(table)
    joined: list[LabelledDocument] = []
    bad: list[BadRow] = []
    for row, line in enumerate(read_rows(documents)):
        try:
            record = orjson.loads(line)
            digest, classes = labels.get(str(record["id"]), ("", []))
            if not digest:
                continue
            if digest_lines(record["lines"]) != digest:
                raise ValueError("its lines are not those that were labelled")
            joined.append(document_from_record({**record, "labels": classes}))
        except (ValueError, TypeError, KeyError) as error:
            bad.append(BadRow(str(documents), row, str(error)))
    return joined, bad


def digest_lines(lines: Sequence[str]) -> str:
    """Eight hexadecimal digits that stand for the lines of a document; too few to tell what they said."""
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def read_label_table(path: Path) -> dict[str, tuple[str, list[str]]]:
    """By id the digest and the classes of documents, as `join_labels` describes the table. Raises InputError."""
    table: dict[str, tuple[str, list[str]]] = {}
    for number, row in enumerate(read_rows(path)):
        if number == 0 or not row.strip():
            continue
        try:
            name, digest, runs, _ = row.decode("utf-8").rstrip("\r\n").split("\t")
            table[name] = digest, [label for run in runs.split(" ") for label in _unroll(run)]
        except ValueError as error:
            raise InputError(f"{path}, row {number}: {error}") from None
    return table


def _unroll(run: str) -> list[str]:
    label, _, count = run.partition("*")
    return [label] * int(count or 1)


def document_from_record(record: Any) -> LabelledDocument:
    """The document of one JSON object with ``lines`` and ``labels``; raises ValueError with what is wrong."""
    if not isinstance(record, Mapping) or not isinstance(record.get("lines"), list):
        raise ValueError("not an object with a list of lines")
    lines, labels = record["lines"], record.get("labels")
    if not isinstance(labels, list) or len(labels) != len(lines):
        raise ValueError(f"{len(lines)} lines but {len(labels) if isinstance(labels, list) else 'no'} labels")
    unknown = sorted({str(label) for label in labels} - set(LABEL_INDEX))
    if unknown:
        raise ValueError(f"unknown class {', '.join(unknown)}")
    if not all(isinstance(line, str) and line.strip() for line in lines):
        raise ValueError("a line is empty or no string")
    kind = record.get("kind", "scraped")
    if kind not in ("scraped", "residue", "page"):
        raise ValueError(f"unknown kind {kind!r}")
    return LabelledDocument(
        id=str(record.get("id", "")),
        lines=tuple(line.strip() for line in lines),
        labels=np.array([LABEL_INDEX[label] for label in labels], dtype=np.int64),
        kind=kind,
        site=record.get("host"),
        lang=record.get("lang"),
        title=record.get("title"),
        split=record.get("split", "train"),
        source=str(record.get("source", "")),
        page_id=record.get("page_id"),
    )


def read_rows(path: Path) -> Iterator[bytes]:
    """The lines of a file as bytes, unpacked where its name ends in .zst."""
    try:
        with path.open("rb") as raw:
            if path.suffix == ".zst":
                import zstandard

                with zstandard.ZstdDecompressor().stream_reader(raw) as stream:
                    yield from io.BufferedReader(stream)
            else:
                yield from raw
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def site_of(host: str | None) -> str | None:
    """A host without ``www``, by which documents of one site are told; a whole address counts by its host."""
    if not host:
        return None
    match = re.match(r"(?:\w+://)?(?:www\d?\.)?([^/:?#]+)", host.lower())
    return match.group(1) if match else None


def group_documents(documents: Sequence[LabelledDocument]) -> npt.NDArray[np.int64]:
    """A number for each document, equal for those that may not be parted between training and test.

    These are documents of one site, of one page, and, since many have no known site, those that share a line of
    debris or a headline: such a line would be learned on one side and asked for on the other. int64, shape
    (n_documents,).
    """
    parents = list(range(len(documents)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    seen: dict[tuple[str, str], int] = {}
    for index, document in enumerate(documents):
        for key in group_keys(document):
            other = seen.setdefault(key, index)
            parents[root(index)] = root(other)
    return np.array([root(index) for index in range(len(documents))], dtype=np.int64)


_ADDRESS_LINE = re.compile(r"https?://\S+$")
_MIN_SHARED_CHARS = 12  # shorter lines ("Share", "Advertisement") are the same on every site


def group_keys(document: LabelledDocument) -> Iterator[tuple[str, str]]:
    """What `group_documents` knows a document by: documents that share one of these may not be parted."""
    site = site_of(document.site)
    if site:
        yield "site", site
    yield "page", document.page_id or document.id
    body = LABEL_INDEX["body"]
    for line, label in zip(document.lines, document.labels.tolist(), strict=True):
        if _ADDRESS_LINE.match(line):
            address = site_of(line)
            if address:
                yield "site", address
        elif document.kind == "scraped" and label != body and len(line) >= _MIN_SHARED_CHARS:
            yield "line", line


def assign_folds(
    groups: npt.NDArray[np.int64], n_folds: int, weights: Iterable[float] | None = None
) -> npt.NDArray[np.int64]:
    """A fold for each document, whole groups together, folds of about equal weight; int64, shape (n_documents,).

    The largest group goes first, each to the lightest fold: the same input gives the same folds.
    """
    weight = np.ones(len(groups)) if weights is None else np.fromiter(weights, dtype=np.float64, count=len(groups))
    names, inverse = np.unique(groups, return_inverse=True)
    sizes = np.bincount(inverse, weights=weight)
    loads = np.zeros(n_folds)
    fold_of_group = np.zeros(len(names), dtype=np.int64)
    for group in np.lexsort((np.arange(len(names)), -sizes)):
        fold = int(loads.argmin())
        fold_of_group[group] = fold
        loads[fold] += sizes[group]
    return fold_of_group[inverse]
