"""Training a page model from files to folder: what ``cleaner train-pages`` does, as a function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cleaner.errors import InputError, UsageError
from cleaner.learn.corpus import read_rows
from cleaner.learn.line_labels import NOTHING_READ, read_line_labels
from cleaner.learn.package import DataFile, hash_file
from cleaner.learn.page_corpus import LabelledPage, read_labelled_pages
from cleaner.learn.page_package import count_lines, write_page_model
from cleaner.learn.page_train import Log, fit_pages
from cleaner.learn.pages import read_suspects
from cleaner.learn.plan import PageTrainingPlan
from cleaner.learn.workflow import expand_paths, name_and_version, read_table
from cleaner.model.artefact import load_model
from cleaner.model.page_artefact import PageJudge


def train_page_model(
    pages: Sequence[Path],
    output: Path,
    *,
    teacher: str | Path,
    plan: PageTrainingPlan | None = None,
    split: str = "train",
    line_labels: Path | None = None,
    suspects: Sequence[Path] = (),
    licences: Path | None = None,
    examples: Path | None = None,
    name: str | None = None,
    log: Log = lambda _: None,
) -> PageJudge:
    """Reads pages, fits a page model, writes its folder and comes back with the model in it.

    pages: files, or folders of ``pages-*.jsonl.zst``. teacher: the model of plain text that names classes of debris.
    examples: JSON Lines of ``id, html``, pages of one's own for the manifest. What cannot be used is told to ``log``.
    Raises InputError, ModelError, UsageError (too little to learn from), OutputError.
    """
    plan = plan or PageTrainingPlan()
    licence_of = read_table(licences) if licences else {}
    marked = {page for path in suspects for page in read_suspects(path)}
    read = read_line_labels(line_labels) if line_labels else NOTHING_READ
    files: list[DataFile] = []
    labelled: list[LabelledPage] = []
    for path in expand_paths(pages, "pages-*.jsonl.zst"):
        found, skipped = read_labelled_pages(path, split, marked, read)
        labelled += found
        licence = licence_of.get(path.name, "not stated")
        files.append(DataFile(path.name, hash_file(path), len(found), count_lines(found), licence))
        log(f"{path.name}: {len(found)} pages, {count_lines(found)} lines, {len(skipped)} not used")
    if not labelled:
        raise UsageError(f"no usable page of split {split!r} in {', '.join(map(str, pages))}")
    if not any(page.is_whole for page in labelled):
        raise UsageError(
            f"none of {len(labelled)} pages has a gold text that its lines make up; a model's thresholds are measured "
            "on such pages"
        )
    fitted = fit_pages(labelled, load_model(teacher), plan, log)
    model_name, version = name_and_version(output, name)
    return write_page_model(
        fitted,
        output,
        name=model_name,
        version=version,
        data_files=files,
        examples=_read_examples(examples) if examples else [],
        plan=plan,
    )


def _read_examples(path: Path) -> list[tuple[str, str]]:
    import orjson

    try:
        records = [orjson.loads(row) for row in read_rows(path) if row.strip()]
        return [(str(record["id"]), str(record["html"])) for record in records]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: a row is not JSON with id and html ({error})") from error
