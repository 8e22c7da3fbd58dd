"""``cleaner train-vectors``: labelled documents and pages in, vectors of words out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cleaner.errors import UsageError


def train_vectors(
    labels: Annotated[list[Path], typer.Option("--labels", help="As for `cleaner train`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write, such as words.npz.")],
    pages: Annotated[list[Path] | None, typer.Option("--pages", help="As for `cleaner train`.")] = None,
    documents: Annotated[Path | None, typer.Option("--documents", help="As for `cleaner train`.")] = None,
    document_labels: Annotated[Path | None, typer.Option("--document-labels", help="As for `cleaner train`.")] = None,
    suspects: Annotated[list[Path] | None, typer.Option("--suspects", help="As for `cleaner train`.")] = None,
    line_labels: Annotated[Path | None, typer.Option("--line-labels", help="As for `cleaner train`.")] = None,
    split: Annotated[str, typer.Option("--split", help="Take the lines of this split alone.")] = "train",
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")] = False,
) -> None:
    """Fit vectors of words to a sentence encoder over the lines that a model would be trained on.

    Takes some ten minutes and the packages of the encoder (the error says which). A model keeps its vectors, so that
    this is needed only for new languages or fields. No class of a line is looked at.
    """
    from cleaner.learn.workflow import TrainingFiles
    from cleaner.learn.workflow import train_vectors as fit_and_write

    if not labels:
        raise UsageError("train-vectors needs at least one --labels FILE")
    fit_and_write(
        TrainingFiles(labels, pages or [], split, documents, document_labels, suspects or (), line_labels),
        output,
        log=lambda message: None if quiet else print(message, file=sys.stderr, flush=True),
    )
