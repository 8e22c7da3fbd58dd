"""``cleaner models``: which there are, and whether one is whole."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def _models() -> None:
    """List the models; check one against its own manifest."""


@app.command("list")
def list_models() -> None:
    """The packaged models: name, trained with, out-of-fold figures of the default mode."""
    from cleaner.model.artefact import list_models as packaged
    from cleaner.model.artefact import models_dir, read_manifest

    for name in packaged():
        manifest = read_manifest(models_dir() / name)
        balanced = manifest["thresholds"]["balanced"]["article"]
        n_lines = manifest["figures"]["cv"]["all"]["n_lines"]
        print(
            f"{name}\t{n_lines:,} labelled lines\t{100 * balanced['debris_lines_found']:.1f} % of debris found\t"
            f"{100 * balanced['article_lines_lost']:.2f} % of article lines lost"
        )


@app.command("verify")
def verify(
    model: Annotated[str, typer.Argument(help="Name of a packaged model or path of a model folder.")] = "",
) -> None:
    """Check hashes, versions and the scores of the model's own examples; exit code 1 where something is wrong."""
    from cleaner.learn.package import verify_model
    from cleaner.model.artefact import DEFAULT_MODEL, load_model

    chosen = model or DEFAULT_MODEL
    problems = verify_model(chosen)
    for problem in problems:
        print(problem)
    if problems:
        raise typer.Exit(1)
    manifest = load_model(chosen).manifest
    print(f"{chosen}: whole; {len(manifest['examples'])} examples score as they should")
