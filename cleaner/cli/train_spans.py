"""``cleaner train-spans``: a model folder and what it was trained on in, what ``--cut spans`` needs into the folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cleaner.errors import UsageError


def train_spans(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder of the model, or the name of a packaged one.")],
    labels: Annotated[list[Path], typer.Option("--labels", help="As for train. May be given often.")],
    pages: Annotated[list[Path] | None, typer.Option("--pages", help="As for train. May be given often.")] = None,
    documents: Annotated[Path | None, typer.Option("--documents", help="As for train.")] = None,
    document_labels: Annotated[Path | None, typer.Option("--document-labels", help="As for train.")] = None,
    suspects: Annotated[list[Path] | None, typer.Option("--suspects", help="As for train. May be given often.")] = None,
    line_labels: Annotated[Path | None, typer.Option("--line-labels", help="As for train.")] = None,
    spans: Annotated[
        Path | None,
        typer.Option("--spans", help="Table (tabs; id, line, start, end, digest, label) of pieces of lines, as read."),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Train on the documents of this split alone.")] = "train",
    quick: Annotated[bool, typer.Option("--quick", help="In seconds; its figures are worse.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Same data and seed, same bytes.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")] = False,
) -> None:
    """Fit to a model what tells debris that is glued to a paragraph, and how sure it must be.

    Cross-validates by site on the way. To be run again whenever the model was trained anew.
    """
    from cleaner.learn.span_train import SpanPlan
    from cleaner.learn.span_train import train_spans as fit
    from cleaner.learn.spans import read_span_labels
    from cleaner.learn.workflow import TrainingFiles, read_training_data
    from cleaner.model.artefact import load_model

    if (documents is None) != (document_labels is None):
        raise UsageError("--documents and --document-labels go together: the one has the lines, the other the classes")

    def note(message: str) -> None:
        if not quiet:
            print(message, file=sys.stderr, flush=True)

    loaded = load_model(model)
    files = TrainingFiles(labels, pages or [], split, documents, document_labels, suspects or (), line_labels)
    data = read_training_data(files, note)
    read = read_span_labels(spans) if spans else {}
    fit(loaded, data.labelled, data.pages, read, SpanPlan.quick(seed) if quick else SpanPlan(seed=seed), note)
