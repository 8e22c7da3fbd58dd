"""``cleaner train-pages``: pages with gold text or labelled lines in, a page model's folder out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cleaner.errors import UsageError


def train_pages(
    pages: Annotated[
        list[Path],
        typer.Option("--pages", help="Pages in JSON Lines with html, and body where there is gold text. May be often."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new model, such as models/NAME-1.")],
    teacher: Annotated[
        str | None, typer.Option("--teacher", help="Model of plain text that names the classes of debris.")
    ] = None,
    line_labels: Annotated[
        Path | None, typer.Option("--line-labels", help="Table (tabs; id, line, digest, label, sure) of lines read.")
    ] = None,
    suspects: Annotated[
        list[Path] | None,
        typer.Option("--suspects", help="Table (tabs; id and verdict) of pages whose gold is wrong. May be often."),
    ] = None,
    licences: Annotated[
        Path | None, typer.Option("--licences", help="Table (tabs; file name and licence) for the model card.")
    ] = None,
    examples: Annotated[
        Path | None, typer.Option("--examples", help="Pages of your own that `cleaner models verify` will check.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Train on the pages of this split alone.")] = "train",
    name: Annotated[str | None, typer.Option("--name", help="Name in the manifest; else from the folder's.")] = None,
    processes: Annotated[int, typer.Option("--processes", min=1, help="How many nets are fitted at once.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="A small model in seconds; its figures are worse.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Same data and seed, same bytes.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")] = False,
) -> None:
    """Fit a model of the lines of pages in HTML.

    Cross-validates by site on the way: the thresholds and figures in the manifest are those of pages whose site the
    judging model had not seen. The pages of other splits are never looked at.
    """
    from dataclasses import replace

    from cleaner.learn.page_workflow import train_page_model
    from cleaner.learn.plan import PageTrainingPlan
    from cleaner.model.artefact import DEFAULT_MODEL

    if not pages:
        raise UsageError("train-pages needs at least one --pages FILE")

    def note(message: str) -> None:
        if not quiet:
            print(message, file=sys.stderr, flush=True)

    plan = PageTrainingPlan.quick(seed) if quick else PageTrainingPlan(seed=seed)
    judge = train_page_model(
        pages,
        output,
        teacher=teacher or DEFAULT_MODEL,
        plan=replace(plan, n_processes=processes),
        split=split,
        line_labels=line_labels,
        suspects=suspects or (),
        licences=licences,
        examples=examples,
        name=name,
        log=note,
    )
    for source, figures in judge.manifest["figures"]["cv"].items():
        note(f"{source}: F1 {figures['f1']:.3f} out of fold on {figures['n_pages']} pages")
    note(f"{output}: {judge.full_name}")
