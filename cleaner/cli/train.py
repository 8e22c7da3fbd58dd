"""``cleaner train``: labelled documents and pages with gold text in, a model folder out."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cleaner.errors import UsageError


def train(
    labels: Annotated[
        list[Path],
        typer.Option("--labels", help="Labelled documents, JSON Lines with lines and labels. May be given often."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new model, such as models/NAME-1.")],
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="NAME|PATH",
            help="Teach this model the new lines, in a minute and without its data; --labels then also take CSV.",
        ),
    ] = None,
    pages: Annotated[
        list[Path] | None,
        typer.Option("--pages", help="Pages with gold text, JSON Lines with html and body, plain or .zst."),
    ] = None,
    documents: Annotated[
        Path | None,
        typer.Option("--documents", help="Documents (JSON Lines: id, lines) whose classes stand in --document-labels."),
    ] = None,
    document_labels: Annotated[
        Path | None,
        typer.Option("--document-labels", help="Table (tabs; id, digest, labels, doubtful) for --documents."),
    ] = None,
    suspects: Annotated[
        list[Path] | None,
        typer.Option(
            "--suspects",
            help="Table (tabs; id and verdict) of pages whose gold is wrong; they are left out. May be often.",
        ),
    ] = None,
    line_labels: Annotated[
        Path | None,
        typer.Option(
            "--line-labels",
            help="Table (tabs; id, line, digest, label, sure) of lines of --pages, as read.",
        ),
    ] = None,
    page_model: Annotated[
        str | None,
        typer.Option(
            "--page-model",
            metavar="NAME|PATH",
            help="Learn from --pages without a whole gold text too, from the lines of which this page model is sure.",
        ),
    ] = None,
    left_by: Annotated[
        list[str] | None,
        typer.Option(
            "--left-by",
            metavar="EXTRACTOR",
            help="Learn from what it leaves of --pages too: trafilatura, resiliparse, readability-lxml, boilerpy3 or "
            "newspaper4k. May be given often.",
        ),
    ] = None,
    left_labels: Annotated[
        Path | None,
        typer.Option(
            "--left-labels",
            help="Table (tabs; id|EXTRACTOR, digest, labels, doubtful) of what extractors left of --pages, read whole: "
            "learned from, but no figure or threshold is measured on it.",
        ),
    ] = None,
    synthetic: Annotated[
        list[Path] | None,
        typer.Option(
            "--synthetic",
            help="Labelled documents that were made up: learned from, but no figure or threshold is measured on them.",
        ),
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option("--vectors", help="Vectors of words by `cleaner train-vectors`; else the shipped model's."),
    ] = None,
    licences: Annotated[
        Path | None, typer.Option("--licences", help="Table (tabs; file name and licence) for the model card.")
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option("--examples", help="Documents of your own whose scores `cleaner models verify` will check."),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Train on the documents of this split alone.")] = "train",
    name: Annotated[str | None, typer.Option("--name", help="Name in the manifest; else from the folder's.")] = None,
    processes: Annotated[int, typer.Option("--processes", min=1, help="How many nets are fitted at once.")] = 1,
    quick: Annotated[
        bool, typer.Option("--quick", help="A small model in seconds, to try out labels; its figures are worse.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Same data and seed, same bytes.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")] = False,
) -> None:
    """Fit a model to labelled documents and to pages with gold text.

    Cross-validates by site on the way: the thresholds and figures in the manifest are those of documents whose site
    the judging model had not seen. The documents of other splits are never looked at.

    With --base a fitted model is moved towards the new lines instead, and what it decided before and after is told for
    new sites, for a sample of the old lines, and for --examples. JSON Lines (a label may be null) or CSV (text,label).
    """
    from cleaner.learn.plan import TrainingPlan
    from cleaner.learn.workflow import TrainingFiles, train_model

    if not labels:
        raise UsageError("train needs at least one --labels FILE")
    if (documents is None) != (document_labels is None):
        raise UsageError("--documents and --document-labels go together: the one has the lines, the other the classes")

    def note(message: str) -> None:
        if not quiet:
            print(message, file=sys.stderr, flush=True)

    if base is not None:
        from cleaner.learn.retrain import retrain_model

        given = {
            "--pages": pages,
            "--documents": documents,
            "--suspects": suspects,
            "--line-labels": line_labels,
            "--page-model": page_model,
            "--left-by": left_by,
            "--left-labels": left_labels,
            "--synthetic": synthetic,
            "--vectors": vectors,
            "--licences": licences,
            "--quick": quick,
            "--seed": seed,
        }
        _refuse_with_base([option for option, value in given.items() if value])
        model = retrain_model(labels, base, output, split=split, examples=examples, name=name, log=note)
        note(f"{output}: {model.full_name}, from {model.manifest['base']}")
        return
    plan = TrainingPlan.quick(seed) if quick else TrainingPlan(seed=seed)
    plan = replace(plan, n_processes=processes)
    files = TrainingFiles(
        labels,
        pages or [],
        split,
        documents=documents,
        document_labels=document_labels,
        suspects=suspects or (),
        line_labels=line_labels,
        licences=licences,
        left_by=left_by or (),
        page_model=page_model,
        synthetic=synthetic or (),
        left_labels=left_labels,
    )
    model = train_model(files, output, plan=plan, vectors=vectors, examples=examples, name=name, log=note)
    balanced = model.manifest["thresholds"]["balanced"]["article"]
    note(
        f"{output}: {model.full_name}; out of fold it finds {100 * balanced['debris_lines_found']:.0f} % of the debris "
        f"in articles and loses {100 * balanced['article_lines_lost']:.2f} % of their own lines"
    )


def _refuse_with_base(options: list[str]) -> None:
    if options:
        raise UsageError(f"{', '.join(options)}: not with --base, which learns from --labels alone")
