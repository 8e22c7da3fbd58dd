"""A fitted model -> its folder: weights, manifest, card; and the check of a folder against its own manifest."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cleaner import __version__
from cleaner.errors import OutputError
from cleaner.features import FEATURE_VERSION
from cleaner.features.hints import Hints
from cleaner.labels import LABELS
from cleaner.learn.corpus import LabelledDocument
from cleaner.learn.evaluate import f_beta, lines_lost, text_report, threshold_at_loss
from cleaner.learn.leftovers import count_leftovers
from cleaner.learn.plan import TrainingPlan
from cleaner.learn.replay import REPLAY, pack_replay
from cleaner.learn.train import Fitted
from cleaner.model.artefact import (
    CARD,
    DEFAULT_DROPPED,
    FORMAT_VERSION,
    INPUT_KINDS,
    MANIFEST,
    SCORE_DIGITS,
    WEIGHTS,
    Model,
    Verdicts,
    decide,
    input_kinds,
    load_model,
    pack_weights,
    read_hashed,
)
from cleaner.model.span_artefact import SPAN_WEIGHTS, load_span_model
from cleaner.types import Lines

MODE_LOSSES: dict[str, float] = {"balanced": 0.005, "recall": 0.001, "precision": 0.02}
"""Share of article lines that each mode may lose, measured out of fold on the labelled documents."""


@dataclass(frozen=True)
class DataFile:
    """A file that a model was trained on. licence: as its source states it. n_judged: documents that a page model
    labelled (`cleaner.learn.judged_pages`). n_synthetic: documents that were made up. n_chosen: documents that were
    chosen for reading by a model's doubts."""

    name: str
    sha256: str
    n_documents: int
    n_lines: int
    licence: str = "not stated"
    n_judged: int = 0
    n_synthetic: int = 0
    n_chosen: int = 0


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


Thresholds = dict[str, dict[str, dict[str, float]]]


def measure_thresholds(fitted: Fitted) -> Thresholds:
    """For each mode and kind of input its threshold, and what it lost and found out of fold.

    The lowest threshold that loses no more article lines than the mode may. A page, menus and all, is another trade:
    it is nearly all debris, and its threshold is the one with the best F of characters kept, against gold text. So is
    what is half debris, where text that is lost weighs twice as much.
    """
    labelled = list(zip(fitted.documents, fitted.weights, strict=True))
    pages = [entry for entry in zip(fitted.pages, fitted.page_weights, strict=True) if input_kind(entry[1]) == "page"]
    of_pages = FlatJudgement(pages) if len(pages) >= _MIN_DOCUMENTS else None
    thresholds: Thresholds = {mode: {} for mode in MODE_LOSSES}
    for kind in INPUT_KINDS:
        chosen = [entry for entry in labelled if input_kind(entry[1]) == kind]
        # Of a kind that the training set hardly has, what is known of all documents must do.
        judged = FlatJudgement(chosen if len(chosen) >= _MIN_DOCUMENTS else labelled)
        for mode, max_loss in MODE_LOSSES.items():
            if kind in _BETAS and of_pages is not None:
                threshold = of_pages.best_threshold(_BETAS[kind][mode])
                measured = of_pages if kind == "page" else judged
                thresholds[mode][kind] = {"threshold": threshold, **measured.measure(threshold)}
            else:
                threshold = _round_up(threshold_at_loss(judged.scores, judged.keep, judged.doc_ids, max_loss))
                limit = {"threshold": threshold, "max_article_lines_lost": max_loss}
                thresholds[mode][kind] = limit | judged.measure(threshold)
    return thresholds


_BETAS = {
    "half": {"balanced": 2.0, "recall": 4.0, "precision": 1.0},
    "page": {"balanced": 1.0, "recall": 2.0, "precision": 0.5},
}
_MIN_DOCUMENTS = 30


class FlatJudgement:
    """Judged documents as flat arrays: score of each line, whether it is to be kept, its document, its length."""

    def __init__(self, judged: Sequence[tuple[LabelledDocument, npt.NDArray[np.int64]]]) -> None:
        self.scores = np.concatenate([decide(weights, DEFAULT_DROPPED, 1.0).scores for _, weights in judged])
        self.keep = np.concatenate([~document.drops for document, _ in judged])
        self.doc_ids = np.repeat(np.arange(len(judged)), [len(weights) for _, weights in judged])
        self.sizes = np.array([len(line) for document, _ in judged for line in document.lines], dtype=np.float64)

    def measure(self, threshold: float) -> dict[str, float]:
        """What a threshold loses and finds."""
        dropped = self.scores >= threshold
        found = int((dropped & ~self.keep).sum())
        return {
            "article_lines_lost": round(lines_lost(self.keep, dropped, self.doc_ids), 5),
            "debris_lines_found": round(found / max(int((~self.keep).sum()), 1), 4),
            "right_of_dropped": round(found / max(int(dropped.sum()), 1), 4),
            "n_documents": len(set(self.doc_ids.tolist())),
        }

    def best_threshold(self, beta: float) -> float:
        """The highest threshold, in hundredths, whose F (beta weighs recall) of kept characters is next to the best.

        Next to: less than .005 below it. F hardly changes over a wide range, in which lines of the article are lost.
        What is right, surplus and missing is a share of each document (as in `cleaner.learn.page_package`): over all
        characters at once a few long pages decided.
        """
        thresholds = np.arange(0.05, 1.0, 0.01).round(2)
        counts = []
        for kept in self.scores < thresholds[:, None]:
            chosen = (self.keep & kept, ~self.keep & kept, self.keep & ~kept)
            parts = np.stack([np.bincount(self.doc_ids, self.sizes * lines) for lines in chosen])
            counts.append((parts / np.maximum(parts.sum(axis=0), 1.0)).sum(axis=1))
        f_scores = f_beta(np.array(counts), beta)
        return float(thresholds[f_scores >= f_scores.max() - 0.005].max())


def input_kind(weights: npt.NDArray[np.int64]) -> str:
    """Which kind of input the lines of a document look like, by their class weights; one of INPUT_KINDS."""
    return INPUT_KINDS[int(input_kinds(weights, np.array([0, len(weights)]))[0])]


def _decide_document(weights: npt.NDArray[np.int64], by_kind: Mapping[str, Mapping[str, float]]) -> Verdicts:
    return decide(weights, DEFAULT_DROPPED, by_kind[input_kind(weights)]["threshold"])


def _round_up(threshold: float) -> float:
    """To the digits that scores have; upwards, so that no more is lost than was measured."""
    unit = 10**SCORE_DIGITS
    return min(float(np.ceil(threshold * unit - 1e-9) / unit), 1.0)


def report_out_of_fold(fitted: Fitted, thresholds: Thresholds, n_resamples: int) -> dict[str, Any]:
    """Figures of the out-of-fold judgement, over all labelled documents and by kind."""
    kinds = ["all", *sorted({document.kind for document in fitted.documents})]
    figures = {}
    for kind in kinds:
        chosen = [index for index, document in enumerate(fitted.documents) if kind in ("all", document.kind)]
        weights = [fitted.weights[index] for index in chosen]
        by_mode = {
            mode: [_decide_document(values, by_kind) for values in weights] for mode, by_kind in thresholds.items()
        }
        figures[kind] = text_report(
            [fitted.documents[index].labels for index in chosen],
            [verdict.scores for verdict in by_mode["balanced"]],
            [verdict.labels for verdict in by_mode["balanced"]],
            [int(fitted.groups[index]) for index in chosen],
            {mode: [~verdict.kept for verdict in verdicts] for mode, verdicts in by_mode.items()},
            n_resamples=n_resamples,
        )
    return figures


def write_model(
    fitted: Fitted,
    path: Path,
    *,
    name: str,
    version: str,
    data_files: Sequence[DataFile],
    examples: Sequence[LabelledDocument],
    plan: TrainingPlan,
    leftovers: Sequence[LabelledDocument] = (),
    judged_by: str | None = None,
    n_resamples: int = 200,
) -> Model:
    """Writes the folder of a model and comes back with the model read from it.

    examples: documents of our own whose scores go into the manifest, for `verify_model`. leftovers: of which the
    manifest tells who left them. judged_by: the page model that labelled some of the pages. The same input gives the
    same bytes: nothing here looks at the clock. Raises OutputError.
    """
    thresholds = measure_thresholds(fitted)
    files = {WEIGHTS: to_npz(pack_weights(fitted.model)), REPLAY: pack_replay(fitted.replay)}
    manifest: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "feature_version": FEATURE_VERSION,
        "cleaner_version": __version__,
        "name": name,
        "version": version,
        "classes": list(LABELS),
        "thresholds": thresholds,
        "calibration": {"method": "temperature", "temperature": round(fitted.temperature, 4)},
        "sha256": hash_contents(files),
        "training": {
            "plan": {key: value for key, value in asdict(plan).items() if key != "n_processes"},
            "data": [asdict(entry) for entry in data_files],
            "judged_by": judged_by,
            "left_by": count_leftovers(leftovers),
        },
        "figures": {"cv": report_out_of_fold(fitted, thresholds, n_resamples)},
        "examples": [],
    }
    model = Model(path, manifest, fitted.model)
    manifest["examples"] = [score_example(model, entry.id, entry.lines, entry.title) for entry in examples]
    write_folder(path, files, manifest, render_card(manifest))
    return load_model(path)


def hash_contents(files: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 of each file that a manifest names, in hexadecimal digits."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def to_npz(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The bytes of an npz file with the arrays, which runs no code when it is loaded."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def write_folder(folder: Path, files: Mapping[str, bytes], manifest: Mapping[str, Any], card: str) -> None:
    """The folder of a model: the files that its manifest names, manifest and card; raises OutputError.

    All files beside their places first, then renamed: who loads a model meanwhile gets the old one or the new.
    """
    write_files(folder, {**files, MANIFEST: manifest_bytes(manifest), CARD: card.encode()})


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as its file holds it."""
    return (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode()


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Files of a model, none in its place before all are written; raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / f"{name}.part").write_bytes(content)
        for name in contents:
            (folder / f"{name}.part").replace(folder / name)
    except OSError as error:
        raise OutputError(f"{folder}: {error.strerror or error}") from error


def judge_document(model: Model, lines: Sequence[str], title: str | None, mode: str = "balanced") -> Verdicts:
    """Verdicts on the lines of one document, under the default classes to keep."""
    document = Lines(list(lines), np.array([0, len(lines)]), [title or ""])
    return model.judge(document, DEFAULT_DROPPED, mode, Hints())


def score_example(model: Model, name: str, lines: Sequence[str], title: str | None) -> dict[str, Any]:
    """A document with its scores, for the manifest."""
    scores = judge_document(model, lines, title).scores
    return {"id": name, "title": title, "lines": list(lines), "scores": scores.tolist()}


def verify_model(path: str | Path) -> list[str]:
    """What is wrong with a model folder: hashes, versions, and scores of its own examples; empty where nothing is.

    Raises ModelError where it cannot be loaded at all, or a file is not the one that the manifest names.
    """
    model = load_model(path)
    for name in model.manifest["sha256"]:
        read_hashed(model.path, model.manifest, name)
    problems = []
    if SPAN_WEIGHTS in model.manifest["sha256"]:
        load_span_model(model)
    for example in model.manifest["examples"]:
        found = judge_document(model, example["lines"], example["title"]).scores.tolist()
        if found != example["scores"]:
            line = next(
                (i for i, pair in enumerate(zip(found, example["scores"], strict=False)) if pair[0] != pair[1]), 0
            )
            problems.append(
                f"{model.path}: line {line} of example {example['id']} scores {found[line]}, "
                f"the manifest says {example['scores'][line]}"
            )
    return problems


def render_card(manifest: Mapping[str, Any]) -> str:
    """The model card: what it is for, what it learned from, what it was measured to do."""
    data = manifest["training"]["data"]
    rows = "\n".join(
        f"| `{entry['name']}` | {entry['n_documents']:,} | {entry['n_lines']:,} | {entry['licence']} |"
        for entry in data
    )
    modes = "\n".join(
        f"| {mode} | {kind} | {entry['threshold']:.4f} | {100 * entry['article_lines_lost']:.2f} % | "
        f"{100 * entry['debris_lines_found']:.1f} % | {100 * entry['right_of_dropped']:.1f} % |"
        for mode, by_kind in manifest["thresholds"].items()
        for kind, entry in by_kind.items()
    )
    overall = manifest["figures"]["cv"]["all"]
    left = manifest["training"].get("left_by", [])
    leftovers = ", ".join(f"{entry['name']} {entry['version']} ({entry['n_documents']:,})" for entry in left)
    learned = f"\nBeside the pages it learned from what extractors leave of them: {leftovers}." if left else ""
    n_judged = sum(entry.get("n_judged", 0) for entry in data)
    judged_by = manifest["training"].get("judged_by")
    if n_judged:
        learned += f"\nThe lines of {n_judged:,} pages that have no whole gold text were labelled by {judged_by}."
    n_synthetic = sum(entry.get("n_synthetic", 0) for entry in data)
    if n_synthetic:
        learned += f"\n{n_synthetic:,} documents were made up for it; no threshold or figure is measured on them."
    n_chosen = sum(entry.get("n_chosen", 0) for entry in data)
    if n_chosen:
        learned += f"\n{n_chosen:,} were chosen for reading by a model's doubts; nothing is measured on these either."
    return f"""# {manifest["name"]} {manifest["version"]}

A classifier of the lines of scraped news. It gives each line the probabilities of {len(LABELS)} classes; a line whose
probabilities of the dropped classes add up to the threshold of the mode goes.

Two stages: hashed character 4-grams in a linear model, fitted with scikit-learn; then its scores with dense features
of each line in a small net that reads the lines of a document in their order, forwards and backwards. About lines in
doubt others are asked: nets that see a line amid its neighbours and the mean of its document, and boosted trees. Run
with numpy in whole numbers. The weights stand over hashes: no sentence of the training data can be read from them.

## Trained on

| file | documents | lines | licence of the source |
|---|---|---|---|
{rows}

Only the `train` split. Texts belong to their publishers and are not part of the model.{learned}

## Thresholds

Measured out of fold (cross-validation by site) on the {overall["n_documents"]:,} labelled documents
({overall["n_lines"]:,} lines). Loss is capped at {overall["loss_cap"]} lines a document. The model tells by itself
whether a document is an article with some debris or a page that is mostly menus and lists.

| mode | document | threshold | article lines lost | debris lines found | right of the dropped |
|---|---|---|---|---|---|
{modes}

Average precision of the debris score {overall["average_precision"]["value"]:.3f}
[{overall["average_precision"]["low"]:.3f}, {overall["average_precision"]["high"]:.3f}]; calibration error
{overall["expected_calibration_error"]["value"]:.3f}. All figures by kind of document stand in `manifest.json`.

## Limits

Labelled documents are mostly English; other languages learn from pages with gold text and from what extractors leave of
pages. Captions that read like
sentences, biographies and headlines of other stories on the same topic are missed most. Poetry, tables, film credits
and code are not news.
"""
