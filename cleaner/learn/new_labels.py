"""Label files that people write to teach a model: what can be used of them, and what is wrong with the rest.

JSON Lines as `cleaner.learn.corpus` reads them, except that one line without a usable label costs that line and not
its document; and CSV with the columns ``text,label``, each row a line that came without its document.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cleaner.errors import InputError
from cleaner.labels import BODY, LABEL_INDEX, LABELS
from cleaner.learn.corpus import BadRow, LabelledDocument, document_from_record, read_rows

UNLABELLED = -1
"""Label of a line that stands in a new document and teaches nothing."""


@dataclass(frozen=True)
class NewDocument:
    """A document to learn from. document: its labels may be UNLABELLED. row: where it stands in its file, from 0.

    in_context: whether its lines stood together; a line that came alone says nothing of neighbours.
    """

    document: LabelledDocument
    path: Path
    row: int
    in_context: bool


def read_new_labels(paths: Sequence[Path], split: str) -> tuple[list[NewDocument], list[BadRow]]:
    """The documents of one split out of label files, and what of them cannot be used: conflicting, unknown or missing.

    A row without a split counts to any. Raises InputError where a file cannot be read at all.
    """
    found: list[NewDocument] = []
    bad: list[BadRow] = []
    for path in paths:
        read = _read_csv if path.name.lower().removesuffix(".zst").endswith(".csv") else _read_json_lines
        for entry in read(path):
            if isinstance(entry, BadRow):
                bad.append(entry)
            elif entry.document.split in ("", split):
                found.append(entry)
    documents, conflicts = _drop_conflicts(found)
    return [entry for entry in documents if (entry.document.labels != UNLABELLED).any()], bad + conflicts


def _read_json_lines(path: Path) -> Iterator[NewDocument | BadRow]:
    import orjson

    for row, line in enumerate(read_rows(path)):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
            if not isinstance(record, dict):
                raise ValueError("not an object with a list of lines")
            labels, problems = _check_labels(record)
            # Without an id and a split of its own a record is a document of its own, of whatever split is asked for.
            own = {"id": record.get("id") or f"{path.name}#{row}", "split": record.get("split") or ""}
            document = document_from_record({**record, **own, "labels": labels})
        except (ValueError, TypeError) as error:
            yield BadRow(str(path), row, str(error))
            continue
        yield from (BadRow(str(path), row, problem) for problem in problems.values())
        known = document.labels.copy()
        known[list(problems)] = UNLABELLED
        yield NewDocument(replace(document, labels=known), path, row, in_context=True)


def _check_labels(record: dict[str, Any]) -> tuple[list[Any], dict[int, str]]:
    """The labels of a record with a stand-in for those of no use, and what is wrong with these by number of line."""
    labels = record.get("labels")
    if not isinstance(labels, list):
        raise ValueError("it has no list of labels")
    problems = {number: _label_problem(label) for number, label in enumerate(labels) if label not in LABELS}
    usable = [LABELS[BODY] if number in problems else label for number, label in enumerate(labels)]
    return usable, {number: f"line {number}: {problem}" for number, problem in problems.items()}


def _label_problem(label: object) -> str:
    if label is None or label == "":
        return "its label is missing"
    return f"unknown class {str(label)!r}; the classes are {', '.join(LABELS)}"


def _read_csv(path: Path) -> Iterator[NewDocument | BadRow]:
    """Each row a document of one line; columns ``text`` and ``label``, and where there is one ``host``."""
    try:
        text = b"".join(read_rows(path)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error}); save the table as UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if not {"text", "label"} <= set(reader.fieldnames or ()):
        found = ", ".join(reader.fieldnames or ()) or "nothing"
        raise InputError(f"{path}: a CSV of labels needs a head with the columns text and label; its head is {found}")
    try:
        for row, cells in enumerate(reader):
            yield _row_document(path, row, cells)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from error


def _row_document(path: Path, row: int, cells: dict[str, str | None]) -> NewDocument | BadRow:
    text, label = (cells["text"] or "").strip(), (cells["label"] or "").strip()
    if not text or "\n" in text or "\r" in text:
        return BadRow(str(path), row, "its text is not one line" if text else "it has no text")
    if label not in LABEL_INDEX:
        return BadRow(str(path), row, _label_problem(label))
    document = LabelledDocument(
        id=f"{path.name}#{row}",
        lines=(text,),
        labels=np.array([LABEL_INDEX[label]], dtype=np.int64),
        site=cells.get("host") or None,
    )
    return NewDocument(document, path, row, in_context=False)


def _drop_conflicts(entries: Sequence[NewDocument]) -> tuple[list[NewDocument], list[BadRow]]:
    """Each text once. Lines of one text that were labelled in two ways lose their label, and each row is told."""
    by_text: dict[tuple[str, ...], list[NewDocument]] = defaultdict(list)
    for entry in entries:
        by_text[entry.document.lines].append(entry)
    documents: list[NewDocument] = []
    bad: list[BadRow] = []
    for same in by_text.values():
        merged, conflicts = _merge(same)
        documents.append(merged)
        bad += conflicts
    return documents, bad


def _merge(same: Sequence[NewDocument]) -> tuple[NewDocument, list[BadRow]]:
    labels = same[0].document.labels.copy()
    bad: list[BadRow] = []
    for line in range(len(labels)):
        given = sorted({int(entry.document.labels[line]) for entry in same} - {UNLABELLED})
        labels[line] = given[0] if len(given) == 1 else UNLABELLED
        if len(given) > 1:
            bad += _conflict(same, line)
    first = same[0]
    in_context = any(entry.in_context for entry in same)
    return replace(first, document=replace(first.document, labels=labels), in_context=in_context), bad


def _conflict(same: Iterable[NewDocument], line: int) -> list[BadRow]:
    rows = [(entry, int(entry.document.labels[line])) for entry in same if entry.document.labels[line] != UNLABELLED]
    said = " and ".join(f"{LABELS[label]} ({entry.path.name}, row {entry.row})" for entry, label in rows)
    return [BadRow(str(entry.path), entry.row, f"line {line}: the same text is labelled {said}") for entry, _ in rows]
