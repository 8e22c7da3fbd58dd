"""`cleaner explain`: every line of one document with its class, score, fate and the features that decided it."""

from __future__ import annotations

import errno
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from cleaner.cli.phrases import read_phrases
from cleaner.errors import DocumentError, InputError, OutputError, UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from cleaner.readers.kinds import SourceKind
    from cleaner.readers.sources import Source
    from cleaner.types import ExplainedLine, Explanation, Kind, Page, Reason

# Narrower terminals get a line's number, class and score above its text instead of beside it.
NARROW_COLUMNS = 84
# Longer rows than this are hard to read, however wide the window is.
WIDEST_COLUMNS = 140
BAR_CELLS = 8

# What would move the cursor, colour the terminal or break a row. Letters of right-to-left scripts and their marks
# stay: terminals set them themselves.
_ESCAPED: dict[int, str] = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_ESCAPED |= {ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_ESCAPED |= {code: f"\\u{code:04x}" for code in range(0xD800, 0xE000)}


def explain(
    input_: Annotated[
        str, typer.Argument(metavar="INPUT", help="A text, an HTML page or JSON Lines; - is standard input.")
    ],
    html: Annotated[
        str | None,
        typer.Option(
            "--html", metavar="PAGE", help="Write a self-contained page in HTML instead; - is standard output."
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="KIND", help="What the input is: text, html or jsonl; told if absent."),
    ] = None,
    record: Annotated[
        int | None, typer.Option("--record", min=0, metavar="N", help="Which record of JSON Lines, from 0 (default).")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME|PATH", help="A packaged model or a model folder.")
    ] = None,
    page_model: Annotated[
        str | None, typer.Option("--page-model", metavar="NAME|PATH", help="The same as --model, for pages in HTML.")
    ] = None,
    extractor: Annotated[
        str, typer.Option("--extractor", metavar="NAME", help="What reads a page: lines, trafilatura or both.")
    ] = "lines",
    cut: Annotated[
        str,
        typer.Option("--cut", metavar="WHAT", help="lines: whole lines; spans: also debris glued to a paragraph."),
    ] = "lines",
    mode: Annotated[
        str, typer.Option("--mode", metavar="MODE", help="Which threshold decides: balanced, precision or recall.")
    ] = "balanced",
    keep: Annotated[
        str | None,
        typer.Option("--keep", metavar="CLASSES", help="Classes to keep: body,title,caption sets, +caption changes."),
    ] = None,
    drop_like: Annotated[
        Path | None,
        typer.Option("--drop-like", metavar="FILE", help="Phrases of your own, one a line, that mark debris."),
    ] = None,
    keep_like: Annotated[
        Path | None,
        typer.Option("--keep-like", metavar="FILE", help="Phrases of your own, one a line, that mark the story."),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=0, metavar="N", help="At most so many reasons a line.")] = 5,
) -> None:
    """Show every line of a document with its class, its score, and what decided whether it stays.

    On a terminal in colour; otherwise a row a line, its fields parted by tabs: line, state, class, score, text,
    reasons.
    """
    options = {
        "mode": mode,
        "keep": keep,
        "extractor": extractor,
        "cut": cut,
        "drop_like": read_phrases(drop_like),
        "keep_like": read_phrases(keep_like),
        **({"page_model": page_model} if page_model else {}),
    }
    try:
        page, name = read_one_page(input_, from_, record)
        explanation = explain_page(page, model, options)
    except DocumentError as error:
        print(f"cleaner: {visible(input_)}: {error.reason}: {error}", file=sys.stderr)
        raise typer.Exit(3) from None
    if html is None:
        print_explanation(explanation, name, mode, top)
        return
    from cleaner.web.explain_page import render_page

    write_page(html, render_page(explanation, source=name, mode=mode, top=top))


def read_one_page(argument: str, kind: str | None, record: int | None) -> tuple[Page, str]:
    """The document that the arguments name, and how to call it.

    Raises UsageError where they name several files, InputError where a file or record is missing, DocumentError
    where the record is no document.
    """
    from cleaner.readers.kinds import SINGLE_KINDS, parse_kind
    from cleaner.readers.sources import find_sources
    from cleaner.types import Page

    found = find_sources([argument], parse_kind(kind) if kind else None)
    if len(found.sources) != 1:
        raise UsageError(f"{argument}: {len(found.sources):,} files; explain takes one document, name one of them")
    (source,) = found.sources
    if source.kind is None:
        raise InputError(source.problem or f"{source.path}: cannot be read")
    name = "standard input" if source.path == "-" else source.path
    if source.kind in SINGLE_KINDS:
        if record is not None:
            raise UsageError(f"--record chooses among records, but {name} is {_named(source.kind)}; see --from")
        body_kind: Kind = "html" if source.kind == "html" else "text"
        return Page(b"".join(source.chunks()), body_kind, source=source.name), name
    page, number = _read_record(source, record)
    return page, f"{name}, record {number}"


def _named(kind: SourceKind) -> str:
    return "a page in HTML" if kind == "html" else "a text"


def _read_record(source: Source, wanted: int | None) -> tuple[Page, int]:
    """The record of that number, or the first that is a document, and its number."""
    from cleaner.batch.read import read_task
    from cleaner.batch.tasks import Reading, cut_tasks
    from cleaner.types import Rejected, Skipped

    tasks = (task for task in cut_tasks([source], Reading()) if task is not None)
    pages = (document.page for task in tasks for document in read_task(task, Reading()))
    n_records = 0
    for page in pages:
        number, n_records = n_records, n_records + 1
        if isinstance(page, Skipped) if wanted is None else number != wanted:
            continue
        if wanted is None and next(pages, None):
            print(f"cleaner: this is record {number} of several; --record N chooses another", file=sys.stderr)
        if isinstance(page, Skipped):
            raise DocumentError("no_text", f"this record is no document ({page.reason}); --record N chooses another")
        if isinstance(page, Rejected):
            raise DocumentError(page.reason, page.message)
        return page, number
    raise InputError(f"{source.path}: no record {wanted or 0}; it has {n_records:,}, counted from 0")


def explain_page(page: Page, model: str | None, options: dict[str, Any]) -> Explanation:
    """The explanation of one page by a model (None: the packaged one)."""
    from cleaner.pipeline import Cleaner

    cleaner = Cleaner(model, **options) if model else Cleaner(**options)
    url = page.url if isinstance(page.url, str) else None
    if page.kind == "html":
        return cleaner.explain(html=page.body, url=url, title=page.title)
    return cleaner.explain(page.body, url=url, title=page.title)


def print_explanation(explanation: Explanation, name: str, mode: str, top: int) -> None:
    """Prints to standard output: in colour on a terminal that shows colours, else as plain rows."""
    with _standard_output() as stdout:
        _print(stdout, explanation, name, mode, top)


def _print(stdout: TextIO, explanation: Explanation, name: str, mode: str, top: int) -> None:
    if stdout.isatty():
        from rich.console import Console

        console = Console(file=stdout, highlight=False)
        # rich knows NO_COLOR, TERM=dumb and old consoles of Windows.
        if not (console.no_color or console.is_dumb_terminal or console.options.ascii_only):
            console.width = min(console.width, WIDEST_COLUMNS)
            print_coloured(console, explanation, name, mode, top)
            return
    for row in plain_rows(explanation, name, mode, top):
        stdout.write(row + "\n")


@contextmanager
def _standard_output() -> Iterator[TextIO]:
    """Standard output; a pipe that its reader has closed ends the writing quietly, anything else is an OutputError."""
    try:
        yield sys.stdout
        sys.stdout.flush()
    except OSError as error:
        # What is still in the buffer would fail once more, and be told by Python itself, when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # Windows says EINVAL of a closed pipe.
        if error.errno != errno.EPIPE and not (os.name == "nt" and error.errno == errno.EINVAL):
            raise OutputError(f"standard output cannot be written: {error.strerror or error}") from error


def visible(text: str) -> str:
    """Text that stays in its row and cannot steer a terminal; control characters come out as \\x1b and the like."""
    return text.translate(_ESCAPED)


def plain_rows(explanation: Explanation, name: str, mode: str, top: int) -> Iterator[str]:
    """Rows for grep, cut and awk: two of facts that begin with #, the names of the fields, then one a line."""
    from cleaner.web.explain_page import removed_numbers

    removed = removed_numbers(explanation)
    facts = _facts(explanation, mode)
    yield f"# {visible(name)}: {facts[0]}"
    yield f"# {facts[1]}"
    yield "line\tstate\tclass\tscore\ttext\treasons"
    for row in explanation.lines:
        line = row.line
        state = "dropped" if line.line in removed else "kept"
        reasons = "; ".join(_notes(row, removed.get(line.line)) + [_reason(reason) for reason in row.reasons[:top]])
        yield f"{line.line}\t{state}\t{line.label}\t{line.score:.4f}\t{visible(line.text)}\t{reasons}"


def _facts(explanation: Explanation, mode: str) -> tuple[str, str]:
    from cleaner.web.explain_page import describe_thresholds, removed_numbers

    article = explanation.article
    n_lines, n_removed = len(explanation.lines), len(removed_numbers(explanation))
    n_cut = sum(len(row.cuts) for row in explanation.lines)
    cut = f", {n_cut} piece{'s' if n_cut > 1 else ''} cut off" if n_cut else ""
    return (
        f"{n_lines - n_removed} of {n_lines} lines kept, {n_removed} dropped{cut}; "
        f"verdict {article.verdict}, quality {article.quality:.2f}",
        f"threshold {describe_thresholds(explanation)} ({mode}), model {article.model}",
    )


def _notes(row: ExplainedLine, special: str | None) -> list[str]:
    """What decided beside the features."""
    notes = ["a second copy of the headline"] if special == "repeat" else []
    notes += [f"cut off as {cut.label} ({cut.score:.4f}): “{visible(cut.text.strip())}”" for cut in row.cuts]
    return notes + ([f"your phrase “{visible(row.hint)}” tipped this"] if row.hint is not None else [])


def _reason(reason: Reason) -> str:
    return f"{reason.push:+.2f} {visible(reason.feature)}"


def print_coloured(console: Console, explanation: Explanation, name: str, mode: str, top: int) -> None:
    """The document as it reads, dropped lines struck out in the colour of their class, reasons below each line."""
    from rich.text import Text

    from cleaner.web.explain_page import removed_numbers

    removed = removed_numbers(explanation)
    facts = _facts(explanation, mode)
    console.print(Text(visible(name), style="bold"))
    console.print(Text(facts[1], style="dim"))
    n_digits = len(str(max(len(explanation.lines) - 1, 0)))
    print_row = _print_narrow if console.width < NARROW_COLUMNS else _print_wide
    for row in explanation.lines:
        is_removed = row.line.line in removed
        about = _about(row, is_removed, n_digits)
        console.print()
        print_row(
            console,
            about,
            _body(row, is_removed),
            _reasons(row, is_removed, removed.get(row.line.line), row.reasons[:top]),
        )
    console.print()
    console.print(Text(facts[0], style="bold"))
    if removed:
        console.print(_dropped_classes([row for row in explanation.lines if row.line.line in removed]))


def _style(label: str) -> str:
    from cleaner.web.explain_page import COLOURS

    return COLOURS[label][2]


def _about(row: ExplainedLine, is_removed: bool, n_digits: int) -> Text:
    """Number, fate, class and score of a line, in columns of fixed width."""
    from rich.text import Text

    line, style = row.line, _style(row.line.label)
    about = Text(f"{line.line:>{n_digits}}  ", style="dim")
    about.append(f"{'dropped' if is_removed else 'kept':<7}  ", "bold not dim" if is_removed else "")
    about.append(f"{line.label:<9}  ", f"bold not dim {style}" if is_removed else "")
    n_filled = round(line.score * BAR_CELLS)
    bar_style = f"not dim {style}" if is_removed else "not dim"
    full, empty = _bar(row.threshold)
    about.append(full[:n_filled], bar_style).append(empty[n_filled:])
    about.append(f" {line.score:.2f}", "bold not dim" if is_removed else "")
    return about


def _bar(threshold: float) -> tuple[str, str]:
    """A full and an empty bar of scores; both bear the threshold's mark in the cell that it falls into."""
    mark = min(int(threshold * BAR_CELLS), BAR_CELLS - 1)
    n_after = BAR_CELLS - mark - 1
    return "━" * mark + "┿" + "━" * n_after, "─" * mark + "┼" + "─" * n_after


def _body(row: ExplainedLine, is_removed: bool) -> Text:
    from rich.text import Text

    label = row.line.label
    style = f"strike {_style(label)}" if is_removed else "bold" if label == "title" else ""
    # A span and not the style of the whole, or the stroke would run on to the edge of the window.
    body = Text(overflow="fold")
    for text, cut in row.parts():
        body.append(visible(text), style if cut is None else f"strike {_style(cut.label)}")
    return body


def _reasons(row: ExplainedLine, is_removed: bool, special: str | None, reasons: Sequence[Reason]) -> Text:
    from rich.text import Text

    parts = [Text(note, style="bold") for note in _notes(row, special)]
    for reason in reasons:
        part = Text(style="dim")
        part.append(
            f"{reason.push:+.2f}", f"not dim {_style(row.line.label)}" if reason.push > 0 and is_removed else ""
        )
        parts.append(part.append(f" {visible(reason.feature)}"))
    return (
        Text(" · ", style="dim", overflow="fold").join(parts)
        if parts
        else Text("no single feature stood out", style="dim")
    )


def _print_wide(console: Console, about: Text, body: Text, reasons: Text) -> None:
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(width=about.cell_len, no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_row(about, body)
    grid.add_row("", reasons)
    console.print(grid)


def _print_narrow(console: Console, about: Text, body: Text, reasons: Text) -> None:
    from rich.padding import Padding

    console.print(about, overflow="fold")
    console.print(Padding(body, (0, 0, 0, 2)))
    console.print(Padding(reasons, (0, 0, 0, 2)))


def _dropped_classes(rows: Sequence[ExplainedLine]) -> Text:
    from rich.text import Text

    counts = Counter(row.line.label for row in rows)
    return Text("  ").join(Text(f"{label} {n_lines}", style=_style(label)) for label, n_lines in counts.most_common())


def write_page(path: str, page: str) -> None:
    """Writes the page in UTF-8, whole or not at all, and says so on standard error; - is standard output.

    Raises OutputError where it cannot be written.
    """
    content = page.encode()
    if path == "-":
        with _standard_output() as stdout:
            stdout.buffer.write(content)
        return
    from cleaner.writers.files import WholeFile

    file = WholeFile(Path(path))
    try:
        # As bytes, since the page's policy names the script by the hash of its bytes, line ends included.
        file.write(content)
        file.finish()
    except BaseException:
        file.discard()
        raise
    print(f"cleaner: {path} written", file=sys.stderr)
