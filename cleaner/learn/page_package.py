"""A fitted page model -> its folder: weights, manifest, card; and the check of a folder against its own manifest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cleaner import __version__
from cleaner.extract.page import read_page
from cleaner.features.hints import Hints
from cleaner.features.pages import HEAD_CHARS, PAGE_FEATURE_VERSION, PageBatch
from cleaner.labels import BODY, LABELS
from cleaner.learn.evaluate import f_beta, shingle_counts, shingle_prf
from cleaner.learn.package import DataFile, hash_contents, to_npz, write_folder
from cleaner.learn.page_corpus import LabelledPage
from cleaner.learn.page_train import FittedPages
from cleaner.learn.plan import PageTrainingPlan
from cleaner.model.artefact import (
    DEFAULT_DROPPED,
    FORMAT_VERSION,
    PAGE_KIND,
    WEIGHTS,
    Verdicts,
    decide,
)
from cleaner.model.page_artefact import PageJudge, load_page_model, pack_page_weights

MODE_BETAS: dict[str, float] = {"balanced": 1.0, "recall": 2.0, "precision": 0.5}
"""What each mode's threshold makes best on pages out of fold: F with so much weight on recall."""

_THRESHOLDS = np.arange(0.1, 0.9001, 0.01).round(2)


def measure_page_thresholds(fitted: FittedPages) -> dict[str, dict[str, float]]:
    """For each mode its threshold, and what it lost and found out of fold on the pages with whole gold.

    Of the thresholds whose F of characters is within .0005 of the best the one nearest to one half. F is the field's:
    what is right, surplus and missing is a share of each page, so that a long page counts no more than a short one.
    """
    whole = [index for index, page in enumerate(fitted.pages) if page.is_whole]
    counts = np.zeros((len(_THRESHOLDS), 3))
    lost = np.zeros(len(_THRESHOLDS))
    found = np.zeros(len(_THRESHOLDS))
    n_article = n_debris = 0
    for index in whole:
        verdicts = _decide(fitted, index, 1.0)
        page = fitted.pages[index]
        sizes = np.array([len(text) for text in page.walked.texts], dtype=np.float64)
        is_article = page.labels == BODY
        n_article += int(is_article.sum())
        n_debris += int((~is_article).sum())
        kept = in_text(verdicts.labels, verdicts.scores, _THRESHOLDS)
        right, missing = kept @ (sizes * is_article), ~kept @ (sizes * is_article)
        surplus = kept @ (sizes * ~is_article)
        total = np.maximum(right + surplus + missing, 1.0)
        counts += np.stack([right / total, surplus / total, missing / total], axis=1)
        lost += (~kept & is_article).sum(axis=1)
        found += (~kept & ~is_article).sum(axis=1)
    thresholds = {}
    for mode, beta in MODE_BETAS.items():
        f_scores = f_beta(counts, beta)
        near = np.flatnonzero(f_scores >= f_scores.max() - 0.0005)
        best = int(near[np.argmin(np.abs(_THRESHOLDS[near] - 0.5))])
        thresholds[mode] = {
            "threshold": float(_THRESHOLDS[best]),
            "article_lines_lost": round(float(lost[best]) / max(n_article, 1), 5),
            "debris_lines_found": round(float(found[best]) / max(n_debris, 1), 4),
            "n_pages": len(whole),
        }
    return thresholds


def in_text(
    labels: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], thresholds: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Which lines stand in the text at each threshold; bool, shape (n_thresholds, n_lines).

    labels: most probable class of those that are kept. A headline is kept, but does not stand in the text.
    """
    return (scores < thresholds[:, None]) & (labels == BODY)


def _decide(fitted: FittedPages, index: int, threshold: float) -> Verdicts:
    return decide(fitted.odds[index], DEFAULT_DROPPED, threshold)


def report_pages(fitted: FittedPages, threshold: float) -> dict[str, Any]:
    """F1, precision and recall by shingles, out of fold, by source: the text of the lines against the gold text."""
    counts: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for index, page in enumerate(fitted.pages):
        if page.body is None:
            continue
        verdicts = _decide(fitted, index, threshold)
        text = "\n".join(
            line
            for line, label, kept in zip(page.walked.texts, verdicts.labels.tolist(), verdicts.kept, strict=True)
            if kept and label == BODY
        )
        counts[page.source].append(shingle_counts(page.body, text))
    figures = {}
    for source, rows in sorted(counts.items()):
        precision, recall, f1 = shingle_prf(np.array(rows))
        figures[source] = {
            "n_pages": len(rows),
            "f1": round(f1, 4),
            "precision": round(precision, 4),
            "recall": round(recall, 4),
        }
    return figures


def write_page_model(
    fitted: FittedPages,
    path: Path,
    *,
    name: str,
    version: str,
    data_files: Sequence[DataFile],
    examples: Sequence[tuple[str, str]],
    plan: PageTrainingPlan,
) -> PageJudge:
    """Writes the folder of a page model and comes back with the model read from it.

    examples: ids and HTML of pages of our own whose scores go into the manifest. The same input gives the same bytes.
    Raises OutputError.
    """
    files = {WEIGHTS: to_npz(pack_page_weights(fitted.model))}
    thresholds = measure_page_thresholds(fitted)
    manifest: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "kind": PAGE_KIND,
        "feature_version": PAGE_FEATURE_VERSION,
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
        },
        "figures": {"cv": report_pages(fitted, thresholds["balanced"]["threshold"])},
        "examples": [],
    }
    judge = PageJudge(path, manifest, fitted.model)
    manifest["examples"] = [
        {"id": page_id, "html": html, "scores": judge_html(judge, html).scores.tolist()} for page_id, html in examples
    ]
    write_folder(path, files, manifest, render_page_card(manifest))
    return load_page_model(path)


def judge_html(judge: PageJudge, html: str, mode: str = "balanced") -> Verdicts:
    """Verdicts on the lines of one page, under the default classes to keep."""
    lines = read_page(html)
    batch = PageBatch([lines.walked] if lines.walked else [], [lines.metadata] if lines.walked else [])
    return judge.judge(batch, DEFAULT_DROPPED, mode, Hints())


def verify_page_model(path: str | Path) -> list[str]:
    """What is wrong with a page model's folder: scores of its own examples; empty where nothing is.

    Raises ModelError where it cannot be loaded at all.
    """
    judge = load_page_model(path)
    return [
        f"{judge.path}: the lines of example {example['id']} score otherwise than the manifest says"
        for example in judge.manifest["examples"]
        if judge_html(judge, example["html"]).scores.tolist() != example["scores"]
    ]


def count_lines(pages: Sequence[LabelledPage]) -> int:
    """Lines of the pages that have a label."""
    return sum(int((page.labels >= -1).sum()) for page in pages)


def render_page_card(manifest: Mapping[str, Any]) -> str:
    """The model card: what it is for, what it learned from, what it was measured to do."""
    rows = "\n".join(
        f"| `{entry['name']}` | {entry['n_documents']:,} | {entry['n_lines']:,} | {entry['licence']} |"
        for entry in manifest["training"]["data"]
    )
    figures = "\n".join(
        f"| {source} | {entry['n_pages']:,} | {entry['f1']:.3f} | {entry['precision']:.3f} | {entry['recall']:.3f} |"
        for source, entry in manifest["figures"]["cv"].items()
    )
    modes = "\n".join(
        f"| {mode} | {entry['threshold']:.2f} | {100 * entry['article_lines_lost']:.1f} % | "
        f"{100 * entry['debris_lines_found']:.1f} % |"
        for mode, entry in manifest["thresholds"].items()
    )
    return f"""# {manifest["name"]} {manifest["version"]}

A classifier of the lines of pages in HTML. It gives each visible line the probabilities of {len(LABELS)} classes; a
line whose probabilities of the dropped classes add up to the threshold of the mode goes. To this model a standfirst is
`body`; `title` is the page's headline and every copy of it.

Two linear stages (words of the tags and classes around a line; 4-grams of its first {HEAD_CHARS} characters), then
small nets over their scores, the line's place in the page's tree, and what the first stage says of the lines beside
it, in its containers and of its look: some judge each line alone, one reads the lines in their order. Run with numpy in
whole numbers. The weights stand over hashes: no sentence of the training data can be read from them.

## Trained on

| file | pages | lines with a label | licence of the source |
|---|---|---|---|
{rows}

Only the `train` split. Texts belong to their publishers and are not part of the model. Lines that gold texts and
earlier models disagreed on, and doubtful lines of pages without gold, were labelled by reading (`data/labels/`).

## Thresholds

A page is another trade than a scraped text: most of it is debris, and gold texts disagree on some lines of every
twentieth page. So each mode takes the threshold with the best F of characters out of fold; recall weighs twice as much
in `recall`, half as much in `precision`.

| mode | threshold | gold lines lost | other lines dropped |
|---|---|---|---|
{modes}

## Figures

F1 of 4-word shingles out of fold (cross-validation by site), against gold texts as they are:

| source | pages | F1 | precision | recall |
|---|---|---|---|---|
{figures}

Lines of partly read pages that the model was sure of in a first round count among the training lines of the second.

## Limits

Gold texts differ on captions, lists and boxes within articles. Reader comments in the article's own markup, disclaimers
below it and fact boxes are wrong most. Shops, forums and documentation were not what it learned from.
"""
