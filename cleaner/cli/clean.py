"""`cleaner clean`: documents in, clean articles out."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cleaner.batch.interrupt import EXIT_INTERRUPTED
from cleaner.cli.amounts import parse_max_errors, parse_share, parse_size
from cleaner.cli.options import read_options
from cleaner.cli.progress import Log, Progress
from cleaner.errors import InputError, UsageError
from cleaner.remote import is_url

if TYPE_CHECKING:
    from cleaner.batch.folder import FolderRun
    from cleaner.batch.run import Plan
    from cleaner.batch.target import Target
    from cleaner.batch.work import Job
    from cleaner.readers.sources import Found

EXIT_REJECTED = 3
# A page takes a few thousandths of a second, the longest text that is read some twenty seconds.
DEFAULT_TIMEOUT_S = 120.0
UNORDERED_SHARD_BYTES = 256 << 20


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
        typer.Argument(
            metavar="INPUT...", help="Files, folders, globs, URLs; - is standard input.", show_default=False
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT",
            help="A .jsonl, .parquet, .wet, .txt or .md file (.gz, .zst behind it packs), or a folder.",
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="KIND",
            help="What the inputs are: text, html, jsonl, csv, parquet, warc, wet, tar or zip.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="KIND", help="What comes out: jsonl, parquet, wet, text or markdown; by -o if absent."
        ),
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
    cut: Annotated[
        str,
        typer.Option("--cut", metavar="WHAT", help="lines: whole lines; spans: also debris glued to a paragraph."),
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
    unordered: Annotated[
        bool, typer.Option("--unordered", help="Documents come out as they are finished; no slow one holds others up.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(min=0.001, metavar="SECONDS", help="For one document; absent: 120.", show_default=False),
    ] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Of a worker, such as 2G; absent: its share of the machine's."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=0, metavar="N", help="Only the first N documents.")] = None,
    sample: Annotated[
        str | None, typer.Option(metavar="P%", help="Only a share of the documents, always the same ones.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget what the output folder holds of an earlier run; begin anew.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be read and written, and do nothing.")] = (
        False
    ),
    shard_size: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Of the shards in a folder, such as 256M; absent: a shard each input."),
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

    from cleaner.batch.outputs import Errors, open_output
    from cleaner.batch.run import Account, run
    from cleaner.batch.target import choose_form, choose_target, find_folder_names, refuse_overwriting
    from cleaner.batch.tasks import count_parts
    from cleaner.batch.work import Job, Tally, load_cleaner
    from cleaner.model.artefact import DEFAULT_MODEL, DEFAULT_PAGE_MODEL
    from cleaner.readers.kinds import parse_kind
    from cleaner.readers.sources import find_sources
    from cleaner.record import Columns

    options = read_options(
        mode=mode,
        keep=keep,
        removed=removed,
        annotate=annotate,
        extractor=extractor,
        cut=cut,
        metadata=metadata,
        drop_like=drop_like,
        keep_like=keep_like,
    )
    kind = parse_kind(from_) if from_ else None
    shard_bytes = None if shard_size is None else parse_size(shard_size, "--shard-size")
    if files_from == "-" and "-" in (inputs or []):
        raise UsageError("standard input (-) cannot be an input and the list of --files-from")
    arguments = [*(inputs or []), *_read_list(files_from)]
    found = find_sources(arguments, kind, skip=_written(out, errors))
    target = choose_target(out, to, found, annotate, shard_bytes)
    if unordered and target.place == "folder" and target.shard_bytes is None:
        # Documents of several inputs come by turns, so that no input can have a shard of its own.
        target = replace(target, shard_bytes=UNORDERED_SHARD_BYTES)
    if target.is_markdown:
        options = replace(options, markdown=True)
    refuse_overwriting(target, found.sources, errors)
    columns = Columns(text_column, html_column, title_column, id_column)
    job = Job(
        model or DEFAULT_MODEL,
        options,
        columns,
        keep_input,
        target.as_texts,
        page_model or DEFAULT_PAGE_MODEL,
        None if sample is None else parse_share(sample, "--sample"),
        with_findings=_keeps_account(target),
        text_ending=target.text_ending,
        folder_names=find_folder_names(target, found.sources),
    )
    job = replace(job, form=choose_form(target, found.sources, job))
    memory = None if max_memory is None else parse_size(max_memory, "--max-memory")
    plan = _plan(found, workers, timeout, memory, not unordered, limit)
    # A model that cannot be loaded should be known before anything is written, and not from a worker.
    model_name = load_cleaner(job.model, job.options, job.page_model).model_name
    log = Log(log_format, quiet, started_s)
    if verbose or dry_run:
        _tell_plan(log, found, target, plan, model_name, options.hash(), len(found.sources) if dry_run else 100)
    if dry_run:
        return
    if restart and target.place != "folder":
        raise UsageError("--restart is for a run into a folder; name it with -o OUT/")

    account = Account(Tally(skipped=+Counter(run_file=found.n_run_files)))
    named_limits = {"timeout": timeout, "max_memory": memory, "unordered": unordered}
    recorded = _open_run(found, target, job, plan, named_limits, restart)
    place = target.errors_path
    try:
        with recorded or nullcontext(), Progress(found.sources, log, shown=not quiet) as progress:
            tally = recorded.finished_tally if recorded else None
            if tally is not None:
                account.tally = tally
                log.note(f"{target.path} holds this run, finished; --restart cleans again", "finished", out=target.path)
            else:
                rejections = Errors(errors, target.errors_path, sys.stderr.buffer)
                place = rejections.place
                output = open_output(
                    target,
                    sys.stdout.buffer,
                    count_parts(found.sources, job.as_texts),
                    job.form,
                    recorded.n_shards if recorded else 0,
                )
                if recorded:
                    from cleaner.web.run_page import render_run

                    recorded.clean(job, output, rejections, account, plan, progress.advance, render_run)
                else:
                    run(job, found.sources, output, rejections, account, plan=plan, on_done=progress.advance)
    except KeyboardInterrupt:
        log.summary("interrupted", account.tally, target, place)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        _let_go_of_stdout()
    log.summary("summary", account.tally, target, place)
    if not allowed(account.tally):
        raise typer.Exit(EXIT_REJECTED)


def _plan(
    found: Found, workers: int | None, timeout: float | None, memory: int | None, is_ordered: bool, limit: int | None
) -> Plan:
    """How the run is done: small inputs and pipes in this process, unless workers or a limit are asked for."""
    from cleaner.batch.run import Plan, choose_workers, is_worth_a_worker

    if timeout is not None and math.isnan(timeout):
        raise UsageError(f"--timeout {timeout}: seconds, such as 60 or 0.5")
    n_workers = choose_workers(found.sources, workers)
    if not is_ordered and limit is not None:
        raise UsageError("--limit takes the first documents, so it needs their order; leave --unordered out")
    is_asked = timeout is not None or memory is not None or n_workers > 1
    if not is_asked and not is_worth_a_worker(found.sources):
        return Plan(n_workers, None, is_ordered, limit)
    from cleaner.batch.pool import Limits, default_memory

    return Plan(n_workers, Limits(timeout or DEFAULT_TIMEOUT_S, memory or default_memory(n_workers)), is_ordered, limit)


def _keeps_account(target: Target) -> bool:
    """Whether the run gets a ledger and a report: in a folder of this machine."""
    return target.place == "folder" and target.path is not None and not is_url(target.path)


def _open_run(
    found: Found, target: Target, job: Job, plan: Plan, named_limits: dict[str, Any], restart: bool
) -> FolderRun | None:
    if not _keeps_account(target):
        return None
    assert target.path is not None
    from cleaner.batch.folder import open_run
    from cleaner.batch.report import run_facts

    facts = run_facts(job, plan, {"to": target.shown_form(), "shard_size": target.shard_bytes, **named_limits})
    return open_run(Path(target.path), found.sources, facts, restart=restart, text_ending=target.text_ending)


def _tell_plan(
    log: Log, found: Found, target: Target, plan: Plan, model: str, options_hash: str, n_inputs: int
) -> None:
    n_bytes = sum(source.size_bytes for source in found.sources)
    log.say(
        "start",
        model=model,
        options_hash=options_hash,
        inputs=len(found.sources),
        bytes=n_bytes,
        workers=plan.n_workers,
        out=target.path or "-",
    )
    for source in found.sources[:n_inputs]:
        log.say("input", path=source.path, kind=source.kind or "unreadable", bytes=source.size_bytes)


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


def _let_go_of_stdout() -> None:
    """Where the reader of our pipe has gone, Python would complain about it once more on its way out."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
