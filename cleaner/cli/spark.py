"""`cleaner spark`: the same job on Spark, for more than one machine."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from cleaner.cli.amounts import parse_max_errors
from cleaner.cli.clean import EXIT_REJECTED
from cleaner.cli.options import read_options
from cleaner.cli.progress import summarise, tell
from cleaner.errors import UsageError


def spark(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Parquet, WARC, WET, texts or pages; folders of them, URLs.")
    ],
    out: Annotated[str, typer.Option("-o", "--out", metavar="OUT", help="A folder, which gets Parquet.")],
    from_: Annotated[
        str | None, typer.Option("--from", metavar="KIND", help="parquet, warc, wet, text or html; told if absent.")
    ] = None,
    master: Annotated[
        str | None, typer.Option(metavar="URL", help="Absent: as spark-submit says, else all cores of this machine.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="As for clean; it travels with the job.")] = (
        None
    ),
    page_model: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="The same, for pages in HTML.")] = None,
    keep: Annotated[str | None, typer.Option(metavar="CLASSES", help="Classes to keep, as for clean.")] = None,
    mode: Annotated[str, typer.Option(metavar="MODE", help="balanced, precision or recall.")] = "balanced",
    removed: Annotated[str, typer.Option(metavar="DETAIL", help="full, labels or none.")] = "full",
    annotate: Annotated[bool, typer.Option("--annotate", help="Remove nothing; give each line its class.")] = False,
    extractor: Annotated[str, typer.Option(metavar="NAME", help="lines, trafilatura or both.")] = "lines",
    cut: Annotated[str, typer.Option(metavar="WHAT", help="lines or spans.")] = "lines",
    metadata: Annotated[str, typer.Option(metavar="DETAIL", help="fast or full.")] = "fast",
    text_column: Annotated[str, typer.Option(metavar="NAME", help="Column that holds the text.")] = "text",
    html_column: Annotated[str, typer.Option(metavar="NAME", help="Column that holds the page.")] = "html",
    title_column: Annotated[str, typer.Option(metavar="NAME", help="Column that holds the title.")] = "title",
    id_column: Annotated[str, typer.Option(metavar="NAME", help="Column that holds the id.")] = "id",
    keep_input: Annotated[bool, typer.Option("--keep-input", help="Text and html come out as they came in.")] = False,
    drop_like: Annotated[Path | None, typer.Option(metavar="FILE", help="Phrases that mark debris.")] = None,
    keep_like: Annotated[Path | None, typer.Option(metavar="FILE", help="Phrases that mark the story.")] = None,
    max_errors: Annotated[str, typer.Option(metavar="N|P%", help="Exit with 0 though so many were rejected.")] = "0",
    restart: Annotated[bool, typer.Option("--restart", help="Overwrite what the output folder holds.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No summary.")] = False,
) -> None:
    """Clean on Spark: the same rows as `cleaner clean`, on as many machines as Spark has.

    Rejected documents go to OUT/_errors. Spark repeats what a lost machine was at; there is no ledger.
    """
    started_s = time.monotonic()
    allowed = parse_max_errors(max_errors)
    from cleaner.integrations.spark import SparkJob, open_session, write_cleaned
    from cleaner.model.artefact import DEFAULT_MODEL, DEFAULT_PAGE_MODEL
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
    job = SparkJob.of(
        options,
        Columns(text_column, html_column, title_column, id_column),
        keep_input=keep_input,
        model=model or DEFAULT_MODEL,
        page_model=page_model or DEFAULT_PAGE_MODEL,
    )
    session = open_session(master)
    try:
        cleaned, n_run_files = _cleaned(session, inputs, from_, out, job)
        tally = write_cleaned(cleaned, out, overwrite=restart)
        tally.skipped += Counter(run_file=n_run_files)
    finally:
        session.stop()
    if not quiet:
        tell(f"cleaner: {summarise(tally, f'{out}/_errors')}, {time.monotonic() - started_s:.1f} s")
    if not allowed(tally):
        sys.exit(EXIT_REJECTED)


def _cleaned(session: Any, inputs: list[str], kind: str | None, out: str, job: Any) -> tuple[Any, int]:
    """The cleaned frame: of tables, which Spark reads itself, or of files, which our readers read; and how many files
    were passed over because an earlier run says in them what it did."""
    from cleaner.integrations.spark import FILE_KINDS, clean_files, clean_frame, read_files, read_tables
    from cleaner.readers.kinds import parse_kind
    from cleaner.readers.sources import find_sources

    if kind == "parquet":
        # Spark knows file systems that we do not.
        return clean_frame(read_tables(session, inputs), job), 0
    found = find_sources(inputs, parse_kind(kind) if kind else None, skip=[out])
    kinds = {source.kind for source in found.sources}
    if kinds == {"parquet"}:
        return clean_frame(read_files(session, found.sources), job, found.sources), found.n_run_files
    others = sorted(kind for kind in kinds if kind and kind not in FILE_KINDS)
    if others:
        raise UsageError(
            f"{', '.join(others)}: on Spark the inputs are Parquet alone, or {', '.join(FILE_KINDS)}; "
            "clean_frame() of cleaner.integrations.spark takes any frame that Spark reads"
        )
    return clean_files(session, found.sources, job), found.n_run_files
