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
    from cleaner.features.pages import PAGE_FEATURE_VERSION
    from cleaner.model.artefact import PAGE_KIND, models_dir, read_kind, read_manifest
    from cleaner.model.artefact import list_models as packaged

    for name in packaged():
        if read_kind(models_dir() / name) == PAGE_KIND:
            manifest = read_manifest(models_dir() / name, PAGE_KIND, PAGE_FEATURE_VERSION)
            balanced = manifest["thresholds"]["balanced"]
            print(
                f"{name}\tpages in HTML, {balanced['n_pages']:,} with whole gold\t"
                f"{100 * balanced['debris_lines_found']:.1f} % of debris found\t"
                f"{100 * balanced['article_lines_lost']:.2f} % of gold lines lost"
            )
            continue
        manifest = read_manifest(models_dir() / name)
        balanced = manifest["thresholds"]["balanced"]["article"]
        n_lines = manifest["figures"]["cv"]["all"]["n_lines"]
        print(
            f"{name}\t{n_lines:,} labelled lines\t{100 * balanced['debris_lines_found']:.1f} % of debris found\t"
            f"{100 * balanced['article_lines_lost']:.2f} % of article lines lost"
        )


@app.command("verify")
def verify(
    model: Annotated[
        str, typer.Argument(help="Name of a packaged model or path of a model folder; all packaged ones if absent.")
    ] = "",
) -> None:
    """Check hashes, versions and the scores of the model's own examples; exit code 1 where something is wrong."""
    from cleaner.model.artefact import PAGE_KIND, find_model, list_models, read_kind, read_raw_manifest

    for chosen in [model] if model else list_models():
        if read_kind(find_model(chosen)) == PAGE_KIND:
            from cleaner.learn.page_package import verify_page_model as verify_one
        else:
            from cleaner.learn.package import verify_model as verify_one
        problems = verify_one(chosen)
        for problem in problems:
            print(problem)
        if problems:
            raise typer.Exit(1)
        n_examples = len(read_raw_manifest(find_model(chosen))["examples"])
        print(f"{chosen}: whole; {n_examples} examples score as they should")
