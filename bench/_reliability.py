"""Whether scores say how often a line is debris: a table of bins, and a plot of them in SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench import _report
from cleaner.learn.evaluate import expected_calibration_error, wilson_interval

N_BINS = 10


@dataclass(frozen=True)
class Bin:
    """Lines whose scores lie between low and high. score: their mean; n_debris: how many of them are debris."""

    low: float
    high: float
    n_lines: int
    n_debris: int
    score: float

    @property
    def share(self) -> float:
        return self.n_debris / self.n_lines

    @property
    def interval(self) -> tuple[float, float]:
        return wilson_interval(self.n_debris, self.n_lines)


@dataclass(frozen=True)
class Reliability:
    """Scores beside what the lines were. bins: of equal width, None where no score lies in one."""

    bins: Sequence[Bin | None]
    n_lines: int
    error: float

    @classmethod
    def of(cls, scores: npt.ArrayLike, is_debris: npt.ArrayLike, n_bins: int = N_BINS) -> Reliability:
        scores, is_debris = np.asarray(scores, dtype=np.float64), np.asarray(is_debris, dtype=np.bool_)
        places = np.minimum((scores * n_bins).astype(np.int64), n_bins - 1)
        bins: list[Bin | None] = []
        for number in range(n_bins):
            here = places == number
            n_lines = int(here.sum())
            ends = number / n_bins, (number + 1) / n_bins
            bins.append(
                Bin(*ends, n_lines, int(is_debris[here].sum()), float(scores[here].mean())) if n_lines else None
            )
        return cls(bins, len(scores), expected_calibration_error(scores, is_debris))


def table(by_kind: Mapping[str, Reliability]) -> str:
    """A row for each bin of scores: lines, their mean score → share of debris with its interval."""

    def cell(entry: Bin | None) -> str:
        if entry is None:
            return "–"
        low, high = entry.interval
        found = f"{_report.share(entry.score)} → {_report.share(entry.share)}"
        return f"{entry.n_lines:,}: {found} [{_report.share(low)}, {_report.share(high)}]"

    some = next(iter(by_kind.values()))
    rows = []
    for number in range(len(some.bins)):
        low, high = (_report.share(edge / len(some.bins), 1) for edge in (number, number + 1))
        rows.append([f"{low} to {high}", *(cell(each.bins[number]) for each in by_kind.values())])
    rows.append(["all lines", *(f"{each.n_lines:,}: error {_report.share(each.error)}" for each in by_kind.values())])
    return _report.table(["score", *by_kind], rows)


_SIDE, _LEFT, _TOP, _GAP = 220, 52, 34, 34


def plot(by_kind: Mapping[str, Reliability]) -> str:
    """The same as an SVG: a panel for each kind, mean score to the right, share of debris upwards.

    A dot is a bin, larger where it holds more lines, its bar the interval of 95 %; on the dashed line a score says as
    often as it happens.
    """
    width, height = _LEFT + len(by_kind) * (_SIDE + _GAP), _TOP + _SIDE + 48
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, (kind, each) in enumerate(by_kind.items()):
        parts += _panel(_LEFT + number * (_SIDE + _GAP), kind, each)
    middle = _TOP + _SIDE / 2
    parts.append(
        f'<text transform="translate(14 {middle:.0f}) rotate(-90)" text-anchor="middle">share of debris</text>'
    )
    return "\n".join([*parts, "</svg>", ""])


def _panel(left: int, kind: str, each: Reliability) -> list[str]:
    def x(value: float) -> float:
        return left + _SIDE * value

    def y(value: float) -> float:
        return _TOP + _SIDE * (1 - value)

    bottom = _TOP + _SIDE
    parts = [
        f'<text x="{left}" y="{_TOP - 12}" font-weight="bold">{kind}</text>',
        f'<text x="{left + _SIDE}" y="{_TOP - 12}" text-anchor="end">{each.n_lines:,} lines, calibration error '
        f"{_report.share(each.error)}</text>",
        f'<rect x="{left}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#888"/>',
        f'<path d="M{left} {bottom}L{left + _SIDE} {_TOP}" stroke="#888" stroke-dasharray="4 4"/>',
        f'<text x="{left + _SIDE / 2:.0f}" y="{bottom + 34}" text-anchor="middle">score</text>',
    ]
    for tick in (0.0, 0.5, 1.0):
        parts.append(f'<text x="{x(tick):.0f}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{left - 6}" y="{y(tick) + 4:.0f}" text-anchor="end">{tick:g}</text>')
    for entry in each.bins:
        if entry is None:
            continue
        low, high = entry.interval
        place, radius = x(entry.score), 1.5 + math.log10(entry.n_lines) * 1.5
        parts += [
            f'<path d="M{place:.1f} {y(low):.1f}L{place:.1f} {y(high):.1f}" stroke="#1f6fb4"/>',
            f'<circle cx="{place:.1f}" cy="{y(entry.share):.1f}" r="{radius:.1f}" fill="#1f6fb4">'
            f"<title>{entry.n_lines:,} lines: {_report.share(entry.share)}</title></circle>",
        ]
    return parts
