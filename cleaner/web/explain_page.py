"""Explanation -> one self-contained page in HTML that shows what was taken out of a document, and why.

The page names no address: styles and script stand in it, and its Content-Security-Policy forbids all the rest.
Each line of the document stands in it once; the clean article is the same rows with the removed ones hidden.
It works without the script, which adds keys, tapping and a count.
"""

from __future__ import annotations

import hashlib
import math
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from cleaner.labels import LABELS, TITLE
from cleaner.types import ExplainedLine, Explanation, Reason

# Light page, dark page, terminal. The first two were fitted in OKLCH so that each passes 4.5:1 (WCAG AA) on the
# page and on its own tint (tests/test_explain.py), the third reads on black and on white terminals. Neighbours in
# hue differ in lightness too, for those who tell few hues apart; the name of the class always stands beside.
COLOURS: dict[str, tuple[str, str, str]] = {
    "title": ("#1d1b18", "#f4f1ea", "default"),
    "body": ("#66615a", "#a09b93", "default"),
    "byline": ("#0465af", "#75baff", "#2c90e8"),
    "caption": ("#017160", "#11cdb1", "#0ca38c"),
    "teaser": ("#b43d01", "#ffa07f", "#da6438"),
    "interface": ("#4745b3", "#949dfe", "#777feb"),
    "promo": ("#ab3782", "#fd97d2", "#cd5ea2"),
    "ad": ("#855904", "#e8a63d", "#bb7e05"),
    "legal": ("#606301", "#b0b63f", "#8f9407"),
    "comment": ("#036819", "#67bb6b", "#40a449"),
    "bio": ("#8446b2", "#d3a1ff", "#a76ed6"),
    "nav": ("#016f82", "#00c9ea", "#079db6"),
    "offtopic": ("#9a0b2c", "#f17f85", "#dc5c66"),
}

# A line within one logit of the threshold would change sides at odds of 2.7 to 1: worth a look.
CLOSE_LOGITS = 1.0
# Longer lines scroll in a box of their own, so that one of 50 MB does not bury the next.
LONG_LINE_CHARS = 6000
# More bars than this are thinner than a pixel on a laptop.
MAX_BARS = 480

# U+0000 to U+001F have pictures at U+2400 on; an HTML parser would drop or alter the characters themselves.
_SHOWN: dict[int, str] = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"}
_SHOWN |= {0x7F: "\u2421"} | dict.fromkeys((*range(0x80, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "\ufffd")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


def render_page(explanation: Explanation, *, source: str, mode: str | None = None, top: int | None = None) -> str:
    """The whole page, as text to be written in UTF-8 with its line ends as they are.

    source: how the document is called in the page's heading. mode: which threshold decided, if it shall be named.
    top: at most so many reasons a line, heaviest first; None shows all.
    """
    script = read_asset("explain.js")
    return "".join(
        (
            '<!doctype html>\n<html lang="en">\n',
            _head(source, script),
            "<body>\n",
            _heading(explanation, source, mode),
            _tools(explanation),
            '<main class="frame">\n',
            _hint(),
            _title_from_head(explanation),
            _rows(explanation, top),
            '<p class="empty">No line is of this kind.</p>\n</main>\n',
            f"<script>{script}</script>\n</body>\n</html>\n",
        )
    )


def removed_numbers(explanation: Explanation) -> dict[int, str | None]:
    """The numbers of the lines that are not in the output, each with its special reason (``repeat``) or None."""
    dropped: dict[int, str | None] = {row.line.line: None for row in explanation.lines if not row.line.kept}
    return dropped | {line.line: line.reason for line in explanation.article.removed if line.start is None}


def describe_thresholds(explanation: Explanation) -> str:
    """The scores from which lines go: one, or that of the page model and that of the model of plain text."""
    thresholds = {row.threshold for row in explanation.lines} or {explanation.threshold}
    return " and ".join(f"{threshold:.4g}" for threshold in sorted(thresholds))


def verdict_sentence(row: ExplainedLine, removed: bool, reason: str | None = None) -> str:
    """Why a line went or stayed, in one plain sentence without the features."""
    if reason == "repeat":
        return "Removed: a second copy of the headline."
    outcome = "Removed" if removed else "Kept"
    return f"{outcome}: {_percent(row.line.score)} likely to be debris, the limit is {_percent(row.threshold)}."


def is_close(score: float, threshold: float) -> bool:
    """Whether a score lies within `CLOSE_LOGITS` of the threshold."""
    return abs(_logit(score) - _logit(threshold)) < CLOSE_LOGITS


def _logit(probability: float) -> float:
    # Scores carry four digits, so 0 and 1 stand for anything beyond.
    bounded = min(max(probability, 5e-5), 1 - 5e-5)
    return math.log(bounded / (1 - bounded))


def _percent(share: float) -> str:
    """A probability as a reader says it; .9996 is not 100 %."""
    if 0 < share < 0.001:
        return "under 0.1\u00a0%"
    if 0.999 < share < 1:
        return "over 99.9\u00a0%"
    return f"{100 * share:.1f}".removesuffix(".0") + "\u00a0%"


def _short(score: float) -> str:
    return f"{score:.2f}".removeprefix("0")


def read_asset(name: str) -> str:
    """A style sheet or script of this room."""
    return files("cleaner.web").joinpath(name).read_text(encoding="utf-8")


def visible(text: str) -> str:
    """The text with pictures in place of characters that an HTML parser would drop or alter."""
    return text.translate(_SHOWN)


def _escape(text: str) -> str:
    """Text that an HTML parser gives back as a reader should see it, also inside a double-quoted attribute."""
    return escape(visible(text))


def _head(source: str, script: str) -> str:
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"script-src 'sha256-{digest}'"
    )
    return (
        '<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n'
        # Without it a browser asks the server, if there is one, for /favicon.ico.
        '<link rel="icon" href="data:,">\n'
        f"<title>{_escape(source)}, line by line</title>\n"
        f"<style>\n{read_asset('explain.css')}{_class_rules()}</style>\n</head>\n"
    )


def _class_rules() -> str:
    """Rules that depend on the classes: their colours, and which rows a ticked class leaves."""
    light = "".join(f".c-{label} {{ --c: {colours[0]}; }}\n" for label, colours in COLOURS.items())
    dark = "".join(f".c-{label} {{ --c: {colours[1]}; }}\n" for label, colours in COLOURS.items())
    filtered = ":root:has(.classes :checked):not(:has(#view-clean:checked))"
    others = "".join(
        f"{filtered}:not(:has(#only-{label}:checked)) .lines > li.c-{label} {{ display: none; }}\n" for label in LABELS
    )
    return f"{light}@media screen and (prefers-color-scheme: dark) {{\n{dark}}}\n{others}"


def _heading(explanation: Explanation, source: str, mode: str | None) -> str:
    article = explanation.article
    n_lines = len(explanation.lines)
    n_removed = len(removed_numbers(explanation))
    facts = [
        ("Lines kept", f"{n_lines - n_removed} of {n_lines}"),
        ("Removed", str(n_removed)),
        ("Verdict", article.verdict.replace("_", " ")),
        ("Quality", f"{article.quality:.2f}"),
        ("Threshold", describe_thresholds(explanation) + (f" ({mode})" if mode else "")),
        ("Language", article.lang or ""),
        ("Encoding", article.encoding or ""),
        ("Lines told by", article.extractor or ""),
        ("Model", article.model),
    ]
    listed = "".join(f"<div><dt>{name}</dt><dd>{_escape(value)}</dd></div>" for name, value in facts if value)
    return (
        '<header class="head frame">\n<p class="mark">What the cleaner took out, and why</p>\n'
        f'<h1 dir="auto">{_escape(source)}</h1>\n<dl class="facts">{listed}</dl>\n{_strip(explanation)}</header>\n'
    )


def _strip(explanation: Explanation) -> str:
    """A bar a line, as high as its score, with the threshold across; the shape of the document at a glance."""
    rows = explanation.lines
    if not rows:
        return ""
    removed = removed_numbers(explanation)
    bars = _worst_of_each_bin(rows)
    # Few lines would make bars like towers.
    width = max(len(bars), 72)
    drawn = "".join(_bar(at, row, row.line.line in removed) for at, row in enumerate(bars))
    level = 100 - 100 * explanation.threshold
    return (
        '<figure class="strip" aria-hidden="true">'
        f'<svg viewBox="0 0 {width} 100" preserveAspectRatio="none">{drawn}'
        f'<line x1="0" x2="{width}" y1="{level:.1f}" y2="{level:.1f}"/></svg>'
        f'<span class="at" style="bottom:{100 * explanation.threshold:.1f}%">'
        f"threshold {_short(explanation.threshold)}</span></figure>\n"
    )


def _worst_of_each_bin(rows: Sequence[ExplainedLine]) -> list[ExplainedLine]:
    size = math.ceil(len(rows) / MAX_BARS)
    return [max(rows[at : at + size], key=lambda row: row.line.score) for at in range(0, len(rows), size)]


def _bar(at: int, row: ExplainedLine, is_removed: bool) -> str:
    line = row.line
    height = max(2.0, 100 * line.score)
    state = "gone" if is_removed else "kept"
    return (
        f'<a href="#line-{line.line}" tabindex="-1"><title>line {line.line}: {line.label}, {_short(line.score)}</title>'
        f'<rect x="{at}" y="0" width="1" height="100"/>'
        f'<rect class="{state} c-{line.label}" x="{at + 0.12:.2f}" y="{100 - height:.1f}" width=".76" '
        f'height="{height:.1f}"/></a>'
    )


def _tools(explanation: Explanation) -> str:
    """The legend, which filters, and the choice of views; radio buttons and boxes, so that no script is needed."""
    removed = removed_numbers(explanation)
    counts = Counter(row.line.label for row in explanation.lines)
    kept = Counter(row.line.label for row in explanation.lines if row.line.line not in removed)
    n_close = sum(is_close(row.line.score, row.threshold) for row in explanation.lines)
    views = [
        ("marked", "All lines", ""),
        ("removed", "Removed", f" {len(removed)}"),
        ("close", "Close calls", f" {n_close}"),
        ("clean", "Clean article", ""),
    ]
    radios = "".join(
        f'<label><input type="radio" name="view" id="view-{name}"{" checked" if name == "marked" else ""}>'
        f"<span>{text}{count}</span></label>"
        for name, text, count in views
    )
    boxes = "".join(_legend_entry(label, counts[label], kept[label]) for label in LABELS)
    return (
        '<form class="tools"><div class="frame">'
        f'<fieldset class="views"><legend class="sr">View</legend>{radios}</fieldset>'
        f'<fieldset class="classes"><legend class="sr">Show only these classes</legend>{boxes}</fieldset>'
        '<output class="shown sr"></output></div></form>\n'
    )


def _legend_entry(label: str, n_lines: int, n_kept: int) -> str:
    marks = f"c-{label}" + ("" if n_lines else " none") + (" all-kept" if n_kept == n_lines else "")
    told = "no such line" if not n_lines else f"{n_lines - n_kept} removed, {n_kept} kept; tick to show only these"
    return (
        f'<label class="{marks}" title="{told}"><input type="checkbox" id="only-{label}"'
        f'{"" if n_lines else " disabled"}>{label} <span class="count">{n_lines}</span></label>'
    )


def _hint() -> str:
    return (
        '<p class="hint">Point at a line or tap it to see what decided.'
        '<span class="keys"> With the keyboard: <kbd>Tab</kbd> into the list, <kbd>↑</kbd> <kbd>↓</kbd> from line to '
        "line, <kbd>n</kbd> <kbd>p</kbd> to the next and previous removed one, <kbd>Enter</kbd> pins, "
        "<kbd>Esc</kbd> closes.</span></p>\n"
    )


def _headline(explanation: Explanation) -> int | None:
    """The number of the line that became the article's title."""
    removed = removed_numbers(explanation)
    for row in explanation.lines:
        line = row.line
        if line.label == LABELS[TITLE] and line.line not in removed and line.text == explanation.article.title:
            return line.line
    return None


def _title_from_head(explanation: Explanation) -> str:
    """The title for the clean view where no line gave it, but the input or the page's head."""
    title = explanation.article.title
    if not title or _headline(explanation) is not None:
        return ""
    return f'<h2 class="from-head" dir="auto">{_escape(title)}</h2>\n'


def _rows(explanation: Explanation, top: int | None) -> str:
    removed, headline = removed_numbers(explanation), _headline(explanation)
    # Pushes are drawn on one scale all over the page, or a line without evidence would look as sure as any.
    scale = max((abs(reason.push) for row in explanation.lines for reason in row.reasons[:top]), default=0.0) or 1.0
    language = explanation.article.lang or ""
    lang = f' lang="{language}"' if _LANGUAGE.fullmatch(language) else ""
    parts = [f'<ol class="lines" role="list" style="--t:{100 * explanation.threshold:.2f}%"{lang}>\n']
    for row, (gap, paragraph) in zip(explanation.lines, _spacing(explanation, removed, headline), strict=True):
        number = row.line.line
        marks = ["gone" if number in removed else "kept", f"c-{row.line.label}"]
        marks += [
            name
            for name, holds in (
                ("gap", gap),
                ("para", paragraph),
                ("headline", number == headline),
                ("close", is_close(row.line.score, row.threshold)),
            )
            if holds
        ]
        own = "" if row.threshold == explanation.threshold else f' style="--t:{100 * row.threshold:.2f}%"'
        parts.append(_row(row, marks, own, removed, row.reasons[:top], scale))
    parts.append("</ol>\n")
    return "".join(parts)


def _spacing(
    explanation: Explanation, removed: dict[int, str | None], headline: int | None
) -> Iterator[tuple[bool, bool]]:
    """For each line: whether a blank row stands before it in the input, and in the clean text."""
    judged = explanation.article.judged
    gaps = judged.page_lines.gaps if judged else [True] * len(explanation.lines)
    since_last_kept = False
    for row, gap in zip(explanation.lines, gaps, strict=True):
        since_last_kept = since_last_kept or gap
        yield gap, since_last_kept
        if row.line.line not in removed and row.line.line != headline:
            since_last_kept = False


def _row(
    row: ExplainedLine,
    marks: list[str],
    style: str,
    removed: dict[int, str | None],
    reasons: Sequence[Reason],
    scale: float,
) -> str:
    line = row.line
    number, is_removed = line.line, line.line in removed
    tag = "del" if is_removed else "div"
    long = " long" if len(line.text) > LONG_LINE_CHARS else ""
    return (
        f'<li id="line-{number}" class="{" ".join(marks)}"{style}><div class="meta">'
        f'<a class="n" href="#line-{number}" tabindex="-1"><span class="sr">line </span>{number}</a>'
        f'<button type="button" aria-expanded="false" aria-describedby="why-{number}">'
        f'<span class="sr">{"removed" if is_removed else "kept"}: </span>{line.label}</button>'
        f'<span class="bar" style="--s:{100 * line.score:.1f}%"></span>'
        f'<span class="s">{_short(line.score)}</span></div>'
        f'<{tag} class="text{long}" dir="auto">{_text(row)}</{tag}>'
        f'<div class="why" id="why-{number}" lang="en">'
        f"{_why(row, is_removed, removed.get(number), reasons, scale)}</div></li>\n"
    )


def _text(row: ExplainedLine) -> str:
    """The line, its pieces that were cut off marked in the colours of their classes."""
    return "".join(
        _escape(text)
        if cut is None
        else f'<del class="piece c-{cut.label}" title="cut off: {cut.label}, {_short(cut.score)}">{_escape(text)}</del>'
        for text, cut in row.parts()
    )


def _why(
    row: ExplainedLine,
    is_removed: bool,
    special: str | None,
    reasons: Sequence[Reason],
    scale: float,
) -> str:
    runner_up, chance = row.runner_up
    parts = [
        f'<p class="verdict">{verdict_sentence(row, is_removed, special)}</p>'
        f'<p class="soft">Class <b>{row.line.label}</b>, then {_escape(runner_up)} ({_percent(chance)}).</p>'
    ]
    parts += [f'<p class="soft">Cut off: <b>{cut.label}</b>, {_percent(cut.score)} likely.</p>' for cut in row.cuts]
    if row.hint is not None:
        parts.append(f'<p class="hinted">Your phrase <bdi>“{_escape(row.hint)}”</bdi> tipped this.</p>')
    if not reasons:
        parts.append('<p class="soft">No single feature stood out.</p>')
        return "".join(parts)
    parts.append('<p class="words"><span><i>story</i><i>debris</i></span></p><ul>')
    parts += [
        f'<li class="{"debris" if reason.push > 0 else "story"}"><bdi>{_escape(reason.feature)}</bdi>'
        f'<span class="push" style="--w:{50 * abs(reason.push) / scale:.1f}%"></span>'
        f'<span class="by">{reason.push:+.2f}</span></li>'
        for reason in reasons
    ]
    parts.append("</ul>")
    return "".join(parts)
