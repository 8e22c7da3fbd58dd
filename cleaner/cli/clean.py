"""`cleaner clean`: documents in, clean articles out."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cleaner.cli import EXIT_INTERRUPTED
from cleaner.cli.phrases import read_phrases
from cleaner.errors import InputError, UsageError

if TYPE_CHECKING:
    from cleaner.batch.outputs import Target
    from cleaner.batch.work import Done, Tally
    from cleaner.readers.sources import Found

EXIT_REJECTED = 3

# Shorter runs are over before a bar helps anyone, and rich takes a while to import.
_BAR_BYTES = 4 << 20


def _read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Makes the values of the file the defaults of the options; what the command line says goes before them."""
    if path is not None:
        context.default_map = {**(context.default_map or {}), **read_config(path, _option_names(context))}
    return path


def _option_names(context: typer.Context) -> dict[str, str]:
    """Names of the options as a configuration file has them, and of the parameters that they set."""
    names: dict[str, str] = {}
    for parameter in context.command.params:
        for option in parameter.opts:
            if option.startswith("--") and option != "--config":
                names[option[2:]] = parameter.name or ""
    return names


def read_config(path: Path, names: dict[str, str]) -> dict[str, Any]:
    """The options of a TOML file by parameter; they stand at its top, or in its table [clean], which goes before.

    Other tables are for other commands.

    Raises UsageError for a file that is not there, not TOML, or has a name that is no option.
    """
    import tomllib

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"--config {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path}: not TOML: {error}") from error
    ours = table.get("clean", {})
    if not isinstance(ours, dict):
        raise UsageError(f"--config {path}: clean is a table, [clean] with options below it, not a value")
    own = {key: value for key, value in table.items() if not isinstance(value, dict)} | ours
    options: dict[str, Any] = {}
    for key, value in own.items():
        name = names.get(key.replace("_", "-"))
        if name is None:
            raise UsageError(f"--config {path}: {key!r} is no option of clean; the options are {', '.join(names)}")
        # Lists are what one would write for classes: keep = ["body", "title"].
        options[name] = ",".join(map(str, value)) if isinstance(value, list) else value
    return options


def clean(
    context: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT...", help="Files, folders, globs; - is standard input.", show_default=False),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "-o", "--out", metavar="OUT", help="A .jsonl, .txt or .md file (.gz, .zst behind it packs), or a folder."
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="KIND", help="What the inputs are: text, html or jsonl; told if absent."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="KIND", help="What comes out: jsonl, text or markdown; by -o if absent."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME|PATH", help="A packaged model or a model folder.")
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option("--keep", metavar="CLASSES", help="Classes to keep: body,title,caption sets, +caption changes."),
    ] = None,
    mode: Annotated[
        str, typer.Option("--mode", metavar="MODE", help="Which threshold decides: balanced, precision or recall.")
    ] = "balanced",
    removed: Annotated[
        str, typer.Option("--removed", metavar="DETAIL", help="What records tell of removed lines: full, labels, none.")
    ] = "full",
    annotate: Annotated[
        bool, typer.Option("--annotate", help="Remove nothing; give each line with its class and score.")
    ] = False,
    text_column: Annotated[str, typer.Option(metavar="NAME", help="Field of a record that holds its text.")] = "text",
    html_column: Annotated[str, typer.Option(metavar="NAME", help="Field of a record that holds its page.")] = "html",
    title_column: Annotated[str, typer.Option(metavar="NAME", help="Field that holds its title.")] = "title",
    id_column: Annotated[str, typer.Option(metavar="NAME", help="Field that holds its id.")] = "id",
    extractor: Annotated[
        str, typer.Option("--extractor", metavar="NAME", help="What reads pages: lines, trafilatura or both.")
    ] = "lines",
    page_model: Annotated[
        str | None, typer.Option("--page-model", metavar="NAME|PATH", help="The same as --model, for pages in HTML.")
    ] = None,
    metadata: Annotated[
        str, typer.Option("--metadata", metavar="DETAIL", help="fast: what pages declare; full: trafilatura fills in.")
    ] = "fast",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Processes; absent: 1 for one input, else the cores.", show_default=False
        ),
    ] = None,
    errors: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Where rejected documents go; absent: beside -o, or standard error."),
    ] = None,
    max_errors: Annotated[
        str, typer.Option(metavar="N|P%", help="Exit with 0 though so many documents were rejected.")
    ] = "0",
    keep_input: Annotated[bool, typer.Option("--keep-input", help="Records carry text and html as they came in.")] = (
        False
    ),
    drop_like: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Phrases of your own, one a line, that mark debris.")
    ] = None,
    keep_like: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Phrases of your own, one a line, that mark the story.")
    ] = None,
    files_from: Annotated[
        str | None, typer.Option(metavar="FILE", help="More inputs, one a line; - is standard input.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", callback=_read_config, is_eager=True, help="Options in TOML; no other file is read."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No bar and no summary.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say more on standard error.")] = False,
    log_format: Annotated[
        str, typer.Option(metavar="FORMAT", help="Summary and messages as text or, a line each, as json.")
    ] = "text",
) -> None:
    """Clean documents: the debris goes, the article stays, every removed line is accounted for.

    One text or page without -o comes out as plain text on standard output; all else as JSON Lines, a record each.
    """
    started_s = time.monotonic()
    if log_format not in ("text", "json"):
        raise UsageError(f"--log-format {log_format}: it is text or json")
    allowed = parse_max_errors(max_errors)

    from cleaner.batch.outputs import Errors, choose_target, open_output, parse_out_kind
    from cleaner.batch.read import Columns
    from cleaner.batch.run import choose_workers, run
    from cleaner.batch.tasks import count_parts
    from cleaner.batch.work import Job, Tally, load_cleaner
    from cleaner.model.artefact import DEFAULT_MODEL, DEFAULT_PAGE_MODEL
    from cleaner.options import CleanOptions
    from cleaner.readers.kinds import parse_kind
    from cleaner.readers.sources import find_sources

    options = CleanOptions(
        mode=mode,  # type: ignore[arg-type]
        removed=removed,  # type: ignore[arg-type]
        extractor=extractor,  # type: ignore[arg-type]
        metadata=metadata,  # type: ignore[arg-type]
        annotate=annotate,
        drop_like=read_phrases(drop_like),
        keep_like=read_phrases(keep_like),
        **({"keep": keep} if keep is not None else {}),  # type: ignore[arg-type]
    )
    kind = parse_kind(from_) if from_ else None
    out_kind = parse_out_kind(to) if to else None
    if files_from == "-" and "-" in (inputs or []):
        raise UsageError("standard input (-) cannot be an input and the list of --files-from")
    arguments = [*(inputs or []), *_read_list(files_from)]
    found = find_sources(arguments, kind, skip=_written(out, errors))
    target = choose_target(out, out_kind, found, annotate)
    if target.is_markdown:
        options = replace(options, markdown=True)
    _refuse_overwriting(found, target, errors)
    columns = Columns(text_column, html_column, title_column, id_column)
    job = Job(model or DEFAULT_MODEL, options, columns, keep_input, target.as_texts, page_model or DEFAULT_PAGE_MODEL)
    n_workers = choose_workers(found.sources, workers)
    # A model that cannot be loaded should be known before anything is written, and not from a worker.
    model_name = load_cleaner(job.model, job.options, job.page_model).model_name
    log = _Log(log_format, quiet, started_s)
    if verbose:
        log.say("start", model=model_name, options_hash=options.hash(), inputs=len(found.sources), workers=n_workers)
        for source in found.sources[:100]:
            log.say("input", path=source.path, kind=source.kind or "unreadable")

    account = Errors(errors, target.errors_path, sys.stderr.buffer)
    output = open_output(target, sys.stdout.buffer, count_parts(found.sources, job.as_texts))
    tally = Tally()
    try:
        with _Bar(found, shown=not quiet and log_format == "text") as bar:
            run(job, found.sources, output, account, tally, n_workers=n_workers, on_done=bar.advance)
    except KeyboardInterrupt:
        log.summary("interrupted", tally, target, account.place)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        _let_go_of_stdout()
    log.summary("summary", tally, target, account.place)
    if not allowed(tally):
        raise typer.Exit(EXIT_REJECTED)


def parse_max_errors(value: str) -> Callable[[Tally], bool]:
    """Whether a run stayed within ``--max-errors``: a number of documents, or a share of them with % behind."""
    match = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)\s*%", value.strip())
    if match is None:
        raise UsageError(f"--max-errors {value}: a number such as 10, or a share such as 0.5%")
    if match[1]:
        most = int(match[1])
        return lambda tally: tally.n_rejected <= most
    share = float(match[2]) / 100
    return lambda tally: tally.n_rejected <= share * tally.n_documents


def _read_list(path: str | None) -> list[str]:
    """The inputs that a file names, one a line; a name is taken as it stands, white space included."""
    if path is None:
        return []
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"--files-from {path}: {error.strerror or error}") from error
    names = [os.fsdecode(row.removesuffix(b"\r")) for row in content.split(b"\n")]
    names = [name for name in names if name]
    if not names:
        raise InputError(f"--files-from {path}: it names no input")
    return names


def _written(*paths: str | None) -> list[str]:
    """What this run writes, which therefore is no input even where it lies in an input folder."""
    return [path for path in paths if path is not None and path != "-"]


def _refuse_overwriting(found: Found, target: Target, errors: str | None) -> None:
    paths = [os.path.abspath(path) for path in _written(errors, target.path if target.place == "file" else None)]
    written = set(paths)
    if len(written) < len(paths):
        raise UsageError(f"-o and --errors both name {errors}; the articles need a file of their own")
    for source in found.sources:
        if os.path.abspath(source.path) in written:
            raise UsageError(f"{source.path} is both input and output; write to another file")


def _let_go_of_stdout() -> None:
    """Where the reader of our pipe has gone, Python would complain about it once more on its way out."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(line: str) -> None:
    # Nobody may be listening any more (2>&1 | head), which changes nothing about the run.
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


class _Log:
    """Words for people, or a line of JSON an event for machines, on standard error."""

    def __init__(self, log_format: str, is_quiet: bool, started_s: float) -> None:
        self._is_json = log_format == "json"
        self._is_quiet = is_quiet
        self._started_s = started_s

    def say(self, event: str, **facts: Any) -> None:
        if self._is_json:
            import json

            _tell(json.dumps({"event": event, **facts}, ensure_ascii=False))
        else:
            _tell(f"cleaner: {event} " + " ".join(f"{name}={value}" for name, value in facts.items()))

    def summary(self, event: str, tally: Tally, target: Target, errors_place: str | None) -> None:
        if self._is_quiet:
            return
        seconds = time.monotonic() - self._started_s
        if self._is_json:
            self.say(
                event,
                documents=tally.n_documents,
                verdicts=dict(tally.verdicts),
                rejected=dict(tally.reasons),
                lines_in=tally.n_lines_in,
                lines_out=tally.n_lines_out,
                surrogates_replaced=tally.n_surrogates,
                seconds=round(seconds, 3),
                out=target.path,
                errors=errors_place if tally.n_rejected else None,
            )
            return
        prefix = "" if event == "summary" else f"{event}, what was finished is kept: "
        _tell(f"cleaner: {prefix}{summarise(tally, errors_place)}, {seconds:.1f} s")


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
    return ", ".join(parts)


class _Bar:
    """Progress on a terminal, for runs that last; nothing anywhere else."""

    def __init__(self, found: Found, shown: bool) -> None:
        self._n_bytes = sum(source.size_bytes for source in found.sources)
        self._is_shown = shown and sys.stderr.isatty() and self._n_bytes >= _BAR_BYTES
        self._progress: Any = None
        self._n_documents = 0

    def __enter__(self) -> _Bar:
        if self._is_shown:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._progress = Progress(
                TextColumn("cleaning"),
                BarColumn(),
                TextColumn("{task.fields[documents]:,} documents"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task("", total=self._n_bytes, documents=0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def advance(self, done: Done) -> None:
        if self._progress is not None:
            self._n_documents += done.tally.n_documents
            self._progress.update(self._task, advance=done.n_bytes, documents=self._n_documents)
