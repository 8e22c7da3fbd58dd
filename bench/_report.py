"""Tables in Markdown, and the file of results in which each benchmark keeps its own section."""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from bench._score import Interval

RESULTS = Path(__file__).parent / "RESULTS.md"
_TITLE = (
    "# Results\n\nWritten by the benchmarks of `bench/`, each its own section; see there for what each figure means.\n"
)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown whose columns also line up when read as plain text."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def share(value: float, digits: int = 3) -> str:
    """.812, 1.000, -.003"""
    return f"{value:.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{digits}f}"


def percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def figure(entry: Mapping[str, Any] | None, as_percent: bool = False) -> str:
    """``.812 [.790, .835]`` for ``{value, low, high}``; a dash for a figure that is not there."""
    if entry is None:
        return "–"
    if as_percent:
        return f"{percent(entry['value'])} [{100 * entry['low']:.2f}, {100 * entry['high']:.2f}]"
    return f"{share(entry['value'])} [{share(entry['low'])}, {share(entry['high'])}]"


def ends(entry: Interval) -> str:
    """`` [.790, .835]``, or nothing where the interval is not known."""
    return "" if math.isnan(entry.low) else f" [{share(entry.low)}, {share(entry.high)}]"


def with_interval(entry: Interval) -> str:
    """``.812 [.790, .835]``"""
    return share(entry.value) + ends(entry)


def gap(entry: Interval) -> str:
    """``**+.012** [.003, .020]`` for a difference; bold where its interval leaves 0 out."""
    mark = "**" if entry.is_clear else ""
    sign = "+" if entry.value >= 0 else ""
    return f"{mark}{sign}{share(entry.value)}{mark}{ends(entry)}"


def write_section(name: str, body: str, path: Path | None = None) -> None:
    """Puts the section between its markers in the file, in place of an earlier one; other sections stay.

    path: the file, RESULTS where none is given.
    """
    path = path or RESULTS
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n{body.strip()}\n{end}"
    text = path.read_text(encoding="utf-8") if path.exists() else _TITLE
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    text = pattern.sub(lambda _: section, text) if pattern.search(text) else f"{text.rstrip()}\n\n{section}\n"
    path.write_text(text, encoding="utf-8")


def environment(*distributions: str) -> str:
    """One line on what ran: Python, the machine's kind, and versions of distributions."""
    versions = []
    for name in distributions:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join([f"Python {platform.python_version()}", f"{platform.system()} {platform.machine()}", *versions])
