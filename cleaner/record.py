"""Record in -> Page, and Article -> record out: one mapping a document, for JSON Lines, tables and Python alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cleaner.options import CleanOptions
from cleaner.types import RECORD_FIELDS, Article, Page, Rejected, removed_record, removed_rows

_OURS = frozenset(RECORD_FIELDS)


@dataclass(frozen=True)
class Columns:
    """Names of the fields of a record in that hold what the cleaner reads."""

    text: str = "text"
    html: str = "html"
    title: str = "title"
    id: str = "id"


def page_from_record(
    record: Mapping[str, Any],
    *,
    text_column: str = "text",
    html_column: str = "html",
    title_column: str = "title",
    id_column: str = "id",
    source: str | None = None,
    position: int | None = None,
) -> Page | Rejected:
    """The page of a record in: html wins where it is not empty, all other fields go to ``extra``.

    Null and NaN (which stands for null in data frames) count as missing. A record with neither field, or with one
    that is no string, comes back as Rejected. A title that is no string is no help and only passed through.
    """
    record_id = _value(record, id_column)
    html, text, title = _value(record, html_column), _value(record, text_column), _value(record, title_column)
    if html is None and text is None:
        message = f"the record has neither {text_column!r} nor {html_column!r}"
        return Rejected(record_id, "no_text", message, source, position)
    is_html = text is None or not (html is None or (isinstance(html, (str, bytes)) and not html.strip()))
    body = html if is_html else text
    if not isinstance(body, (str, bytes)):
        message = f"field {html_column if is_html else text_column!r} is {type(body).__name__}, not a string"
        return Rejected(record_id, "bad_type", message, source, position)
    if isinstance(title, bytes):
        title = title.decode("utf-8", "replace")
    # "id" and "url" come out as they are, other columns that are read under their own names beside our fields.
    read = {text_column, html_column, "url"} | ({"id"} if id_column == "id" else set())
    return Page(
        body=body,
        kind="html" if is_html else "text",
        id=record_id,
        url=record.get("url"),
        title=title if isinstance(title, str) else None,
        source=source,
        position=position,
        extra={name: value for name, value in record.items() if name not in read},
    )


def _value(record: Mapping[str, Any], name: str) -> Any:
    value = record.get(name)
    return None if isinstance(value, float) and value != value else value


def article_record(article: Article, options: CleanOptions, *, in_rows: bool = False) -> dict[str, Any]:
    """The record out: our fields in the contract's order, then the fields that the record in brought along.

    ``removed`` is left out with ``removed="none"`` and carries no texts with ``removed="labels"``; ``lines`` is
    null unless ``annotate``. What came in is never overwritten: see `passed_names`. in_rows: for a table, ``removed``
    is rows as `cleaner.types.removed_rows` gives them, with their texts.
    """
    record: dict[str, Any] = {
        "id": article.id,
        "url": article.url,
        "title": article.title,
        "text": article.text,
        "verdict": article.verdict,
        "duplicate_of": article.duplicate_of,
        "quality": article.quality,
        "lang": article.lang,
        "author": article.author,
        "date": article.date,
        "encoding": article.encoding,
        "extractor": article.extractor,
        "lines_in": article.lines_in,
        "lines_out": article.lines_out,
    }
    if options.removed != "none":
        with_text = options.removed == "full"
        rows = removed_rows(article.removed)
        record["removed"] = rows if in_rows else [removed_record(row, with_text) for row in rows]
    record["lines"] = [line.to_record() for line in article.lines] if options.annotate else None
    record["model"] = article.model
    record["options_hash"] = article.options_hash
    record.update(passed_fields(article.extra))
    return record


def passed_fields(extra: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record in that pass through, under the names they come out with, in their order."""
    if _OURS.isdisjoint(extra):
        return dict(extra)
    names = passed_names(extra)
    return {names[name]: value for name, value in extra.items()}


def passed_names(names: Iterable[str], ours: Iterable[str] = RECORD_FIELDS) -> dict[str, str]:
    """For each name of a field that came in the name it comes out with: ``input_NAME`` where NAME is ours.

    Where the input has an ``input_NAME`` of its own (our own output cleaned once more), that one stays and ours
    gets another ``input_`` in front, so that no value is lost.
    """
    given = dict.fromkeys(names)
    reserved = set(ours)
    taken = reserved.union(given)
    renamed: dict[str, str] = {}
    for name in given:
        out = name
        while name in reserved and out in taken:
            out = f"input_{out}"
        taken.add(out)
        renamed[name] = out
    return renamed
