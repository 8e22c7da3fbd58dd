"""What a user can choose about cleaning: one frozen object."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Literal, get_args

from cleaner.errors import UsageError
from cleaner.labels import KEPT, parse_keep

Mode = Literal["balanced", "precision", "recall"]
CutDetail = Literal["lines", "spans"]
Extractor = Literal["lines", "trafilatura", "both"]
MetadataDetail = Literal["fast", "full"]
RemovedDetail = Literal["full", "labels", "none"]


@dataclass(frozen=True)
class CleanOptions:
    """How to clean.

    mode: which of the model's thresholds decides. ``balanced`` loses at most .5 % of the lines of a scraped article,
        ``recall`` less and keeps more debris, ``precision`` drops more of both. What each loses on pages stands in the
        manifest of the page model.
    keep: classes of lines that stay; any form that `cleaner.labels.parse_keep` reads.
    extractor: how pages in HTML become lines. ``lines``: all visible lines, judged by the page model. ``trafilatura``:
        what trafilatura chooses, judged as text. ``both``: as ``lines``, and trafilatura decides on doubtful ones.
    metadata: ``fast`` reads what a page declares; ``full`` asks trafilatura for what is missing then.
    markdown: also give each article in HTML as Markdown.
    removed: how much of each removed line the record out carries.
    cut: ``lines``: what goes are whole lines. ``spans``: also debris that is glued to the head or tail of a paragraph,
        in documents that are judged as text.
    annotate: remove nothing and report every line with its class and score instead.
    drop_like, keep_like: phrases of the user's own, seen as strong evidence for or against a line
        (see `cleaner.features.hints`).
    max_chars: a document longer than this is rejected as ``too_large``; code points.

    Raises UsageError for a value that is not one of these.
    """

    mode: Mode = "balanced"
    keep: frozenset[str] = field(default=KEPT)
    extractor: Extractor = "lines"
    metadata: MetadataDetail = "fast"
    markdown: bool = False
    cut: CutDetail = "lines"
    removed: RemovedDetail = "full"
    annotate: bool = False
    drop_like: tuple[str, ...] = ()
    keep_like: tuple[str, ...] = ()
    max_chars: int = 100_000_000

    def __post_init__(self) -> None:
        for name, choices in (
            ("mode", Mode),
            ("extractor", Extractor),
            ("metadata", MetadataDetail),
            ("cut", CutDetail),
            ("removed", RemovedDetail),
        ):
            value = getattr(self, name)
            if value not in get_args(choices):
                raise UsageError(f"{name}={value!r} is not one of {', '.join(get_args(choices))}")
        try:
            object.__setattr__(self, "keep", parse_keep(self.keep))
        except ValueError as error:
            raise UsageError(f"keep: {error}") from None
        for name in ("drop_like", "keep_like"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise UsageError(f"{name} is a list of phrases, not one string")
            object.__setattr__(self, name, tuple(value))

    @property
    def max_bytes(self) -> int:
        """Size of the largest document that is read; no encoding spends more than four bytes on a character."""
        return 4 * self.max_chars + 4  # a byte order mark is no character of the text

    def hash(self) -> str:
        """Twelve hexadecimal digits that name everything here that can change a record out."""
        values = asdict(self) | {"keep": sorted(self.keep)}
        del values["markdown"]  # no record out shows it
        if self.cut == "lines":
            del values["cut"]  # so that outputs of before there was a choice keep their hash
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:12]
