"""Lines of pages that were labelled by reading: a table that holds no text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cleaner.assemble import normalise
from cleaner.errors import InputError
from cleaner.labels import BODY, LABEL_INDEX, TITLE
from cleaner.learn.corpus import read_rows

OF_NO_USE = "no article, or of no use, by reading"
"""Why a page with a verdict is left out."""

_NO_PAGE = frozenset({"no_article", "unusable"})


@dataclass(frozen=True)
class LineLabel:
    """What a reader said of a line. digest: of the line's text, so that a label never lands on another line."""

    line: int
    digest: str
    label: str
    is_sure: bool

    def class_in_page(self, is_headline: bool) -> int:
        """The class as an index into LABELS. Who reads calls a standfirst title too, but that is the article's own."""
        label = LABEL_INDEX[self.label]
        return BODY if label == TITLE and not is_headline else label


@dataclass(frozen=True)
class ReadLabels:
    """Lines labelled by reading, by page; and pages whose gold or text is of no use, with the verdict."""

    lines: Mapping[str, Sequence[LineLabel]] = field(default_factory=dict)
    verdicts: Mapping[str, str] = field(default_factory=dict)

    def of_page(self, page_id: str, texts: Sequence[str]) -> Iterator[LineLabel]:
        """The labels of a page's lines whose text is still the one that was read."""
        for entry in self.lines.get(page_id, ()):
            if 0 <= entry.line < len(texts) and digest_line(texts[entry.line]) == entry.digest:
                yield entry


NOTHING_READ = ReadLabels()


def digest_line(text: str) -> str:
    """Six hexadecimal digits that stand for a line; too few to tell which text it was."""
    return hashlib.sha256(normalise(text).encode("utf-8", "surrogatepass")).hexdigest()[:6]


def read_line_labels(path: Path) -> ReadLabels:
    """Labels from a table of ``id, line, digest, label, sure`` with a head line, by tabs. Raises InputError.

    A row without a line number is about its whole page: ``no_article`` or ``unusable``.
    """
    lines: dict[str, list[LineLabel]] = {}
    verdicts: dict[str, str] = {}
    for number, row in enumerate(read_rows(path)):
        if number == 0 or not row.strip():
            continue
        try:
            page, line, digest, label, sure = row.decode("utf-8").rstrip("\r\n").split("\t")
            if label not in (LABEL_INDEX if line else _NO_PAGE):
                raise ValueError(f"unknown {'class' if line else 'verdict'} {label!r}")
            if line:
                lines.setdefault(page, []).append(LineLabel(int(line), digest, label, sure == "1"))
            else:
                verdicts[page] = label
        except ValueError as error:
            raise InputError(f"{path}, row {number}: {error}") from None
    return ReadLabels(lines, verdicts)
