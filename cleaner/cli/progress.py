"""What a run says of itself on standard error: a bar on a terminal, events, the summary."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cleaner.batch.target import Target
    from cleaner.batch.work import Done, Tally
    from cleaner.readers.sources import Source

# Shorter runs are over before a bar helps anyone, and rich takes a while to import.
_BAR_BYTES = 4 << 20
# A machine that reads the log hears so often how far the run is.
_EVENT_S = 10.0


def tell(line: str) -> None:
    """A line on standard error; nobody may be listening any more (2>&1 | head), which changes nothing about the run."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


class Log:
    """Words for people, or a line of JSON an event for machines, on standard error."""

    def __init__(self, log_format: str, is_quiet: bool, started_s: float) -> None:
        self.is_json = log_format == "json"
        self._is_quiet = is_quiet
        self._started_s = started_s

    def say(self, event: str, **facts: Any) -> None:
        if self.is_json:
            import json

            tell(json.dumps({"event": event, **facts}, ensure_ascii=False))
        else:
            tell(f"cleaner: {event} " + " ".join(f"{name}={value}" for name, value in facts.items()))

    def note(self, words: str, event: str, **facts: Any) -> None:
        """Something that happens once; ``words`` for people, the rest for machines."""
        if self._is_quiet:
            return
        if self.is_json:
            self.say(event, **facts)
        else:
            tell(f"cleaner: {words}")

    def summary(self, event: str, tally: Tally, target: Target, errors_place: str | None) -> None:
        if self._is_quiet:
            return
        seconds = time.monotonic() - self._started_s
        if self.is_json:
            self.say(
                event,
                documents=tally.n_documents,
                verdicts=dict(tally.verdicts),
                rejected=dict(tally.reasons),
                skipped=dict(tally.skipped),
                left_out=tally.n_left_out,
                lines_in=tally.n_lines_in,
                lines_out=tally.n_lines_out,
                surrogates_replaced=tally.n_surrogates,
                seconds=round(seconds, 3),
                out=target.path,
                errors=errors_place if tally.n_rejected else None,
            )
            return
        prefix = "" if event == "summary" else f"{event}, what was finished is kept: "
        tell(f"cleaner: {prefix}{summarise(tally, errors_place)}, {seconds:.1f} s")


def summarise(tally: Tally, errors_place: str | None) -> str:
    """The counts of a run in one sentence."""
    n_cleaned = sum(tally.verdicts.values())
    parts = [f"{n_cleaned:,} document{'' if n_cleaned == 1 else 's'} cleaned"]
    others = [f"{n:,} {verdict}" for verdict, n in sorted(tally.verdicts.items()) if verdict != "article"]
    if others:
        parts[0] += f" ({', '.join(others)})"
    parts.append(f"{tally.n_lines_out:,} of {tally.n_lines_in:,} lines kept")
    if tally.n_surrogates:
        parts.append(f"{tally.n_surrogates:,} lone surrogate{'' if tally.n_surrogates == 1 else 's'} replaced")
    if tally.n_rejected:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in sorted(tally.reasons.items()))
        parts.append(f"{tally.n_rejected:,} rejected ({reasons}; see {errors_place or 'above'})")
    if tally.skipped:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in sorted(tally.skipped.items()))
        parts.append(f"{sum(tally.skipped.values()):,} skipped ({reasons})")
    if tally.n_left_out:
        parts.append(f"{tally.n_left_out:,} not in the sample")
    return ", ".join(parts)


class Progress:
    """Rate and time left: a bar on a terminal for runs that last, an event now and then in a log for machines."""

    def __init__(self, sources: Iterable[Source], log: Log, shown: bool) -> None:
        self._log = log
        self._n_bytes = sum(source.size_bytes for source in sources)
        self._has_bar = shown and not log.is_json and sys.stderr.isatty() and self._n_bytes >= _BAR_BYTES
        self._has_events = shown and log.is_json
        self._started_s = self._told_s = time.monotonic()
        self._n_documents = self._n_done_bytes = 0
        self._bar: Any = None

    def __enter__(self) -> Progress:
        if self._has_bar:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("cleaning"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[documents]:,} documents, {task.fields[rate]:,.0f}/s, left"),
                TimeRemainingColumn(compact=True),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._row = self._bar.add_task("", total=self._n_bytes, documents=0, rate=0.0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, done: Done) -> None:
        self._n_documents += done.tally.n_documents
        self._n_done_bytes += done.n_bytes
        if self._bar is not None:
            rate = self._n_documents / max(time.monotonic() - self._started_s, 1e-3)
            self._bar.update(self._row, advance=done.n_bytes, documents=self._n_documents, rate=rate)
        elif self._has_events and time.monotonic() - self._told_s >= _EVENT_S:
            self._tell()

    def _tell(self) -> None:
        self._told_s = time.monotonic()
        seconds = self._told_s - self._started_s
        rate = self._n_done_bytes / seconds
        left = (self._n_bytes - self._n_done_bytes) / rate if rate and self._n_bytes else None
        self._log.say(
            "progress",
            documents=self._n_documents,
            documents_per_s=round(self._n_documents / seconds, 1),
            bytes=self._n_done_bytes,
            bytes_total=self._n_bytes,
            seconds=round(seconds, 1),
            seconds_left=None if left is None else round(max(left, 0.0)),
        )
