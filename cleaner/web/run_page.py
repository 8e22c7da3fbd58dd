"""The report of a run -> one self-contained page in HTML with its counts and plots.

No script and no address in it: styles and plots (SVG) stand in the page, and its policy forbids all the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from cleaner.labels import LABELS
from cleaner.web.explain_page import COLOURS, read_asset, visible

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_MOST_LINES = 40
_MOST_SITES = 25


def render_run(report: Mapping[str, Any]) -> str:
    """The whole page, for a report as `cleaner.batch.report.report_record` makes it."""
    return "".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n',
            "<title>Report of a run</title>\n",
            f'<style>\n{read_asset("run_page.css")}{_colour_rules()}</style>\n</head>\n<body>\n<main class="frame">\n',
            *_sections(report),
            "</main>\n</body>\n</html>\n",
        )
    )


def _sections(report: Mapping[str, Any]) -> Iterator[str]:
    counts = report["counts"]
    yield from _heading(report)
    yield _whole(counts)
    yield '<div class="pair">'
    yield _reasons(
        "Rejected, by reason",
        "Each of them stands in the errors file.",
        counts["rejected_by_reason"],
        "bad",
        "No document was rejected.",
    )
    yield _reasons(
        "Skipped, by reason",
        "Records of archives that are no pages.",
        counts["skipped_by_reason"],
        "other",
        "No record was skipped.",
    )
    yield "</div>\n"
    yield _classes(report["lines_by_class"])
    yield _qualities(report["quality"])
    yield _sites(report["sites"], report["missed_at_most"]["sites"])
    yield _lines(report["removed_lines"], report["missed_at_most"]["removed_lines"])
    yield (
        f"<footer>cleaner {_text(report['cleaner'])} · models {_text(report['model'])} (texts), "
        f"{_text(report['page_model'])} (pages)</footer>\n"
    )


def _pieces_fact(pieces: Mapping[str, int]) -> list[tuple[str, str, str]]:
    """What was cut off lines that stayed, where anything was."""
    named = ", ".join(f"{label} {_number(n)}" for label, n in pieces.items())
    return [("Pieces cut off lines", _number(sum(pieces.values())), named)] if pieces else []


def _heading(report: Mapping[str, Any]) -> Iterator[str]:
    counts, speed = report["counts"], report["speed"]
    share = counts["lines_removed"] / max(counts["lines_in"], 1)
    facts = [
        ("Documents cleaned", _number(counts["cleaned"]), f"of {_number(counts['records'])} records"),
        ("Rejected", _number(counts["rejected"]), _share(counts["rejected"], counts["records"])),
        ("Skipped", _number(counts["skipped"]), _share(counts["skipped"], counts["records"])),
        ("Lines removed", _number(counts["lines_removed"]), f"{share:.1%} of {_number(counts['lines_in'])}"),
        *_pieces_fact(report["pieces_cut"]),
        ("Read", f"{report['bytes_read'] / 1e6:,.1f} MB", f"from {_count(report['n_inputs'], 'input')}"),
    ]
    if speed:
        rate = f"{speed['documents_per_s']:,.0f} a second"
        facts.append(("Speed", rate, f"{speed['megabytes_per_s']:,.2f} MB/s, {_duration(report['seconds'])}"))
    else:
        facts.append(("Speed", "not known", f"cut short and continued, {_count(report['n_sessions'], 'session')}"))
    yield '<p class="mark">cleaner</p>\n<h1>Report of a run</h1>\n<dl class="facts">\n'
    for name, value, more in facts:
        yield f"<div><dt>{name}</dt><dd>{value}<small>{more}</small></dd></div>\n"
    yield "</dl>\n"


def _whole(counts: Mapping[str, Any]) -> str:
    """Where every record went, as one bar of parts that make up the whole."""
    verdicts = counts["verdicts"]
    parts = [("article", verdicts.get("article", 0), "good")]
    parts += [(name, n, "rest") for name, n in verdicts.items() if name != "article"]
    parts += [("rejected", counts["rejected"], "bad"), ("skipped", counts["skipped"], "other")]
    parts += [("not in the sample", counts["left_out"], "track")]
    parts = [part for part in parts if part[1]]
    return (
        "<section>\n<h2>Where every record went</h2>\n"
        f'<p class="note">The parts add up to {_count(counts["records"], "record")}.</p>\n'
        f"{_stack([(n, f'var(--{colour})') for _, n, colour in parts], counts['records'], 'whole')}"
        '<ul class="keys">'
        + "".join(
            f'<li style="--c:var(--{colour})">{_text(name.replace("_", " "))} <b>{_number(n)}</b></li>'
            for name, n, colour in parts
        )
        + "</ul>\n</section>\n"
    )


def _stack(parts: Sequence[tuple[int, str]], total: int, name: str) -> str:
    """Bars end to end in percent of a total, each in its colour."""
    drawn, at = [], 0.0
    for n, colour in parts:
        width = 100 * n / max(total, 1)
        drawn.append(f'<rect x="{at:.3f}%" width="{width:.3f}%" height="100%" style="fill:{colour}"/>')
        at += width
    return f'<svg class="{name}" aria-hidden="true">{"".join(drawn)}</svg>'


def _reasons(title: str, note: str, counts: Mapping[str, int], colour: str, none: str) -> str:
    if not counts:
        return f'<section>\n<h2>{title}</h2>\n<p class="note">{none}</p>\n</section>\n'
    most = max(counts.values())
    rows = "".join(
        f'<tr style="--c:var(--{colour})"><th scope="row" class="name">{_text(reason)}</th>'
        f'<td class="bar">{_bar(0, n, most)}</td><td class="n">{_number(n)}</td></tr>\n'
        for reason, n in counts.items()
    )
    return f'<section>\n<h2>{title}</h2>\n<p class="note">{note}</p>\n<table>{rows}</table>\n</section>\n'


def _bar(n_kept: int, n_gone: int, most: int) -> str:
    kept, gone = (100 * n / max(most, 1) for n in (n_kept, n_gone))
    return (
        '<svg aria-hidden="true"><rect class="track" width="100%" height="100%"/>'
        f'<rect class="gone" width="{gone:.3f}%" height="100%"/>'
        f'<rect class="kept" x="{gone:.3f}%" width="{kept:.3f}%" height="100%"/></svg>'
    )


def _classes(classes: Mapping[str, Mapping[str, int]]) -> str:
    most = max((row["lines"] for row in classes.values()), default=0)
    rows = "".join(
        f'<tr class="c-{label}"><th scope="row" class="name tag">{label}</th>'
        f'<td class="bar">{_bar(row["lines"] - row["removed"], row["removed"], most)}</td>'
        f'<td class="n">{_number(row["removed"])}</td><td class="n">{_number(row["lines"])}</td></tr>\n'
        for label, row in classes.items()
    )
    return (
        "<section>\n<h2>Lines by class</h2>\n"
        '<p class="note">In colour the lines that were removed, in grey those that stayed.</p>\n'
        '<table><thead><tr><th scope="col" class="name">class</th><td class="bar"></td>'
        '<th scope="col" class="n">removed</th><th scope="col" class="n">lines</th></tr></thead>\n'
        f"<tbody>{rows}</tbody></table>\n</section>\n"
    )


def _qualities(qualities: Sequence[int]) -> str:
    """Documents by tenth of their quality, as columns."""
    width, height, top, n_bins = 640, 150, 18, len(qualities)
    most, step = max(max(qualities, default=0), 1), width / n_bins
    drawn = []
    for tenth, n in enumerate(qualities):
        tall = (height - top) * n / most
        x = tenth * step
        drawn.append(f'<rect x="{x + 4:.1f}" y="{height - tall:.1f}" width="{step - 8:.1f}" height="{tall:.1f}"/>')
        middle = x + step / 2
        drawn.append(f'<text x="{middle:.1f}" y="{height + 16}">.{tenth}–{_upper(tenth, n_bins)}</text>')
        if n:
            drawn.append(f'<text x="{middle:.1f}" y="{height - tall - 5:.1f}">{_number(n)}</text>')
    shares = ", ".join(f"{n:,} from {tenth / n_bins:.1f}" for tenth, n in enumerate(qualities) if n)
    return (
        "<section>\n<h2>Documents by quality</h2>\n"
        '<p class="note">The share of the lines in a document\'s output that is expected to be right.</p>\n'
        f'<svg class="columns" viewBox="0 0 {width} {height + 22}" role="img" aria-label="{shares or "none"}">'
        f'<line x1="0" x2="{width}" y1="{height}" y2="{height}"/>{"".join(drawn)}</svg>\n</section>\n'
    )


def _upper(tenth: int, n_bins: int) -> str:
    return "1" if tenth + 1 == n_bins else f".{tenth + 1}"


def _sites(sites: Sequence[Mapping[str, Any]], missed: int) -> str:
    shown = sites[:_MOST_SITES]
    if not any(site["site"] for site in shown):
        return '<section>\n<h2>Sites</h2>\n<p class="note">No document has a url.</p>\n</section>\n'
    most = max((site["lines"] for site in shown), default=0)
    rows = "".join(
        f'<tr><th scope="row" class="name">{_text(site["site"] or "no url")}</th>'
        f'<td class="bar">{_bar(max(site["lines"] - site["removed"], 0), site["removed"], most)}</td>'
        f'<td class="n">{_number(site["removed"])}</td><td class="n">{_number(site["lines"])}</td>'
        f'<td class="n">{_number(site["documents"])}</td></tr>\n'
        for site in shown
    )
    return (
        "<section>\n<h2>Sites with most lines removed</h2>\n"
        f'<p class="note">In colour the lines that were removed, in grey those that stayed.{_bound(missed)}</p>\n'
        '<table class="sites"><thead><tr><th scope="col" class="name">site</th><td class="bar"></td>'
        '<th scope="col" class="n">removed</th><th scope="col" class="n">lines</th>'
        '<th scope="col" class="n">documents</th></tr></thead>\n'
        f"<tbody>{rows}</tbody></table>\n</section>\n"
    )


def _lines(lines: Sequence[Mapping[str, Any]], missed: int) -> str:
    title = "<section>\n<h2>Lines removed most often</h2>\n"
    if not lines:
        return f'{title}<p class="note">No line was removed twice.</p>\n</section>\n'
    rows = "".join(
        f'<tr class="c-{line["label"]}"><td class="n">{_number(line["count"])}</td>'
        f'<td class="line"><bdi>{_text(line["text"])}</bdi></td><td class="tag">{_text(line["label"])}</td></tr>\n'
        for line in lines[:_MOST_LINES]
    )
    return (
        f'{title}<p class="note">A sentence of an article among them would be worth a look.{_bound(missed)}</p>\n'
        f'<table class="lines"><tbody>{rows}</tbody></table>\n</section>\n'
    )


def _bound(missed: int) -> str:
    return f" Counts may be too low by {_number(missed)}: only the most frequent are kept in mind." if missed else ""


def _colour_rules() -> str:
    """Each class's colour, on light and on dark paper."""
    light = "".join(f".c-{label}{{--c:{COLOURS[label][0]}}}" for label in LABELS)
    dark = "".join(f".c-{label}{{--c:{COLOURS[label][1]}}}" for label in LABELS)
    return f"{light}\n@media screen and (prefers-color-scheme: dark){{{dark}}}\n"


def _text(value: Any) -> str:
    return escape(visible(str(value)))


def _number(n: int) -> str:
    return f"{n:,}"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _share(n: int, total: int) -> str:
    return f"{n / max(total, 1):.2%}"


def _duration(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    words: Iterable[str] = (f"{hours} h", f"{minutes} min") if hours else (f"{minutes} min", f"{left} s")
    return " ".join(words) if hours or minutes else f"{seconds:.1f} s"
