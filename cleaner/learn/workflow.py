"""Training from files to folder: what ``cleaner train`` does, as a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cleaner.errors import InputError, UsageError
from cleaner.features.chars import build_char_tables
from cleaner.learn.corpus import BadRow, LabelledDocument, join_labels, read_labels, read_rows
from cleaner.learn.judged_pages import PageLabeller
from cleaner.learn.leftovers import check_extractors, read_whole_labels
from cleaner.learn.line_labels import NOTHING_READ, read_line_labels
from cleaner.learn.package import DataFile, hash_file, write_model
from cleaner.learn.pages import read_pages, read_suspects
from cleaner.learn.plan import TrainingPlan
from cleaner.learn.train import Log, fit
from cleaner.learn.vectors import choose_texts, fit_to_encoder, read_vectors, write_vectors
from cleaner.model.artefact import DEFAULT_MODEL, WEIGHTS, Model, find_model
from cleaner.model.page_artefact import load_page_model

_SHOWN_BAD_ROWS = 10
N_EXAMPLES = 4
"""Documents whose scores stand in a manifest."""


@dataclass(frozen=True)
class TrainingFiles:
    """Where the documents and pages to learn from lie, and which of them are taken.

    labels, pages: files, or folders of ``*.jsonl`` and ``pages-*.jsonl.zst``. documents, document_labels: documents
    whose classes stand in a table of their own (`cleaner.learn.corpus.join_labels`). suspects: pages to leave out.
    line_labels: lines of the pages labelled by reading (`cleaner.learn.line_labels`). licences: file
    name and licence, for the card. left_by: extractors whose text of the pages is learned from too
    (`cleaner.learn.leftovers`). page_model: by which pages without a whole gold text are labelled
    (`cleaner.learn.judged_pages`). synthetic: labelled documents that were made up. left_labels: classes of all lines
    that extractors left of some pages, by reading (`cleaner.learn.leftovers.read_whole_labels`).
    """

    labels: Sequence[Path]
    pages: Sequence[Path] = ()
    split: str = "train"
    documents: Path | None = None
    document_labels: Path | None = None
    suspects: Sequence[Path] = ()
    line_labels: Path | None = None
    licences: Path | None = None
    left_by: Sequence[str] = ()
    page_model: str | Path | None = None
    synthetic: Sequence[Path] = ()
    left_labels: Path | None = None


def train_model(
    files: TrainingFiles,
    output: Path,
    *,
    plan: TrainingPlan | None = None,
    vectors: Path | None = None,
    examples: Path | None = None,
    name: str | None = None,
    log: Log = lambda _: None,
) -> Model:
    """Reads labelled documents and pages, fits a model, writes its folder and comes back with the model in it.

    examples: labelled documents of one's own for the manifest; four are taken. Rows that cannot be used are told to
    ``log`` with their number, the others are used. vectors: of words (`cleaner.learn.vectors`); those of the shipped
    model without them. Raises InputError, UsageError (too little to learn from), OutputError.
    """
    plan = plan or TrainingPlan()
    data = read_training_data(files, log)
    # The shipped vectors serve a model of other features too, so the shipped model need not be one of this version.
    word_vectors = read_vectors(vectors or find_model(DEFAULT_MODEL) / WEIGHTS)
    fitted = fit(data.labelled, data.pages, plan, log, word_vectors, data.leftovers)
    model_name, version = name_and_version(output, name)
    return write_model(
        fitted,
        output,
        name=model_name,
        version=version,
        data_files=data.files,
        examples=spread(read_labels(examples)[0], N_EXAMPLES) if examples else [],
        plan=plan,
        leftovers=data.leftovers,
        judged_by=data.judged_by,
    )


def train_vectors(files: TrainingFiles, output: Path, *, log: Log = lambda _: None) -> None:
    """Fits vectors of words to the lines that `train_model` would learn from, and writes them to an npz file.

    Raises InputError, UsageError, OutputError, and CleanerError where the encoder is not installed.
    """
    data = read_training_data(files, log)
    texts = choose_texts(data.labelled, data.pages)
    write_vectors(fit_to_encoder(texts, build_char_tables(), log=log), output)


@dataclass(frozen=True)
class TrainingData:
    """What a model is fitted to.

    files: what was read, for its card. leftovers: what extractors left of the pages. judged_by: the page model
    that labelled pages without a whole gold text.
    """

    labelled: list[LabelledDocument]
    pages: list[LabelledDocument]
    files: list[DataFile]
    leftovers: list[LabelledDocument] = field(default_factory=list)
    judged_by: str | None = None


def read_training_data(files: TrainingFiles, log: Log) -> TrainingData:
    """The documents and pages of one split. Raises InputError, UsageError, MissingExtraError."""
    whole_labels = read_whole_labels(files.left_labels) if files.left_labels else {}
    check_extractors([*files.left_by, *{name for by_name in whole_labels.values() for name in by_name}])
    licence_of = read_table(files.licences) if files.licences else {}
    marked = {page for path in files.suspects for page in read_suspects(path)}
    read = read_line_labels(files.line_labels) if files.line_labels else NOTHING_READ
    page_model = files.page_model
    labeller = PageLabeller(load_page_model(page_model), marked, read) if page_model is not None else None
    data = TrainingData([], [], [], judged_by=labeller.judge.full_name if labeller else None)

    def note_file(path: Path, found: Sequence[LabelledDocument], bad: Sequence[BadRow], what: str) -> None:
        n_lines = sum(len(document.lines) for document in found)
        n_judged = sum(document.is_judged for document in found)
        n_synthetic = sum(document.is_synthetic for document in found)
        n_chosen = sum(document.is_chosen for document in found)
        licence = licence_of.get(path.name, "not stated")
        data.files.append(
            DataFile(path.name, hash_file(path), len(found), n_lines, licence, n_judged, n_synthetic, n_chosen)
        )
        by_model = f", {n_judged} of them labelled by {data.judged_by}" if n_judged else ""
        not_used = f", {len(bad)} not used" if bad else ""
        log(f"{path.name}: {len(found)} {what}, {n_lines} lines{by_model}{not_used}")

    def note_labelled(
        path: Path, found: Sequence[LabelledDocument], bad: Sequence[BadRow], what: str = "labelled documents"
    ) -> None:
        for row in bad[:_SHOWN_BAD_ROWS]:
            log(f"{row.path}, row {row.row}: {row.problem}; not used")
        if len(bad) > _SHOWN_BAD_ROWS:
            log(f"{path}: {len(bad) - _SHOWN_BAD_ROWS} more rows not used")
        chosen = [document for document in found if document.split == files.split]
        data.labelled.extend(chosen)
        note_file(path, chosen, bad, what)

    for path in expand_paths(files.labels, "*.jsonl"):
        note_labelled(path, *read_labels(path))
    if files.documents and files.document_labels:
        note_labelled(files.documents, *join_labels(files.documents, files.document_labels))
    for path in files.synthetic:
        made_up, bad = read_labels(path)
        note_labelled(path, [replace(document, is_synthetic=True) for document in made_up], bad, "synthetic documents")
    chosen: list[LabelledDocument] = []
    stale: list[BadRow] = []
    for path in expand_paths(files.pages, "pages-*.jsonl.zst"):
        corpus = read_pages(path, {files.split}, marked, read, files.left_by, labeller, whole_labels)
        data.pages.extend(corpus.documents)
        data.leftovers.extend(corpus.leftovers)
        chosen.extend(corpus.whole)
        stale.extend(corpus.stale)
        note_file(path, corpus.documents, corpus.skipped, "pages")
    if files.left_labels:
        note_labelled(files.left_labels, chosen, stale, "leftovers read whole")
    if not any(document.is_measured for document in data.labelled):
        raise UsageError(f"no usable labelled document of split {files.split!r} in {', '.join(map(str, files.labels))}")
    return data


def spread(documents: Sequence[LabelledDocument], n: int) -> list[LabelledDocument]:
    """Some of the documents, from all parts of their file: a file is often sorted by language."""
    return list(documents[:: max(len(documents) // n, 1)][:n])


def expand_paths(paths: Sequence[Path], pattern: str) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: there is no such file")
        files += sorted(path.glob(pattern)) if path.is_dir() else [path]
    return files


def read_table(path: Path) -> dict[str, str]:
    rows = (row.decode("utf-8").rstrip("\r\n").split("\t") for row in read_rows(path))
    return {row[0]: row[1] for row in rows if len(row) > 1}


def name_and_version(output: Path, name: str | None) -> tuple[str, str]:
    """Of ``models/news-1`` the name news and the version 1; a folder without a number is version 1."""
    stem, _, version = output.name.rpartition("-")
    if stem and version.isdigit():
        return name or stem, version
    return name or output.name, "1"
