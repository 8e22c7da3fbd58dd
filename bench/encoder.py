"""What a sentence encoder, asked about every line, would add to the model's judgement, and what that costs.

    python bench/encoder.py --corpora ../shared [--plan small|medium|full]

The encoder is all-MiniLM-L6-v2 (`cleaner.learn.vectors.SentenceEncoder`). Boosted trees judge the lines of labelled
documents anew, out of fold by site: from what the model said of the line and its neighbours out of fold and the line's
place; from that and cosines of the line to its story, to likely debris, to neighbours, title and first line; and from
48 axes of the encoder beside. Prints its table and, with the plan medium or full, replaces its section of
bench/RESULTS.md. Intervals are 95 %, by drawing sites.
"""

from __future__ import annotations

import os

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[_name] = "1"

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import _report
from bench._score import Interval
from bench._training import PLANS, BenchPlan, CrossValidation, Weights, shipped_vectors, training_files
from cleaner.learn.corpus import LabelledDocument
from cleaner.learn.evaluate import average_precision, bootstrap_interval, drop_prf, threshold_at_loss
from cleaner.learn.vectors import SentenceEncoder
from cleaner.learn.workflow import read_training_data
from cleaner.model.artefact import DEFAULT_DROPPED

FloatArray = npt.NDArray[np.float64]

N_AXES, N_TREES, N_FOLDS, MAX_LOSS = 48, 200, 5, 0.01
_N_RESAMPLES = 300
_MAX_CHARS = 300
_AXES_SAMPLE = 8000


@dataclass(frozen=True)
class Views:
    """What the trees see of each line. judged: (n_lines, 18). cosines: (n_lines, 7). axes: (n_lines, N_AXES)."""

    judged: FloatArray
    cosines: FloatArray
    axes: FloatArray


def encode_lines(documents: Sequence[LabelledDocument]) -> tuple[dict[str, FloatArray], float]:
    """The encoder's unit vector of each distinct line and title, and how many of them it does a CPU second."""
    texts = sorted({text for document in documents for text in (*document.lines, document.title or "") if text})
    encoder = SentenceEncoder()
    begun = time.process_time()
    vectors = np.concatenate([encoder.encode(texts[start : start + 2000]) for start in range(0, len(texts), 2000)])
    spent = time.process_time() - begun
    return dict(zip(texts, vectors.astype(np.float64), strict=True)), len(texts) / spent


def judged_view(document: LabelledDocument, weights: Weights) -> tuple[FloatArray, FloatArray]:
    """What the model said of each line, and the probability that it is debris."""
    shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)
    debris = shares[:, DEFAULT_DROPPED].sum(axis=1)
    odds = np.log(np.clip(debris, 1e-6, 1 - 1e-6)) - np.log(np.clip(1 - debris, 1e-6, 1))
    n_lines = len(document.lines)
    sizes = np.minimum([len(line) for line in document.lines], _MAX_CHARS)
    columns = [
        odds,
        *np.log(np.clip(shares, 1e-5, 1)).T,
        np.concatenate([[0], odds[:-1]]),
        np.concatenate([odds[1:], [0]]),
        np.log1p(sizes),
        np.arange(n_lines) / n_lines,
    ]
    return np.column_stack(columns), debris


def cosine_view(vectors: FloatArray, title: FloatArray | None, debris: FloatArray, sizes: FloatArray) -> FloatArray:
    """How much a line says the same as the rest of its story, likely debris, the closest line, neighbours, title, and
    first line; NaN where there is none. vectors: unit, shape (n_lines, n_axes)."""
    n_lines = len(vectors)
    likeness = vectors @ vectors.T
    others = np.where(np.eye(n_lines, dtype=bool) | (debris >= 0.3), -1, likeness)

    def to_rest(weights: FloatArray) -> FloatArray:
        own = vectors * weights[:, None]
        rest = own.sum(axis=0) - own
        rest /= np.linalg.norm(rest, axis=1, keepdims=True) + 1e-6
        cosines: FloatArray = (vectors * rest).sum(axis=1)
        return cosines

    beside = np.diagonal(likeness, 1)
    first = likeness[0].copy()
    first[0] = np.nan
    return np.column_stack(
        [
            to_rest((1 - debris) * sizes),
            to_rest(debris * sizes),
            others.max(axis=1),
            np.concatenate([[np.nan], beside]),
            np.concatenate([beside, [np.nan]]),
            np.full(n_lines, np.nan) if title is None else vectors @ title,
            first,
        ]
    )


def look(
    documents: Sequence[LabelledDocument], weights: Sequence[Weights], vectors: dict[str, FloatArray]
) -> tuple[Views, FloatArray]:
    """All lines in the three views, and their probability of debris."""
    sample = np.array(list(vectors.values())[:: max(len(vectors) // _AXES_SAMPLE, 1)])
    axes = np.linalg.svd(sample - sample.mean(axis=0), full_matrices=False)[2][:N_AXES].T
    judged, cosines, projected, all_debris = [], [], [], []
    for document, of_lines in zip(documents, weights, strict=True):
        view, debris = judged_view(document, of_lines)
        own = np.array([vectors[line] for line in document.lines])
        sizes = np.minimum([float(len(line)) for line in document.lines], _MAX_CHARS)
        judged.append(view)
        cosines.append(cosine_view(own, vectors.get(document.title or ""), debris, sizes))
        projected.append(own @ axes)
        all_debris.append(debris)
    return Views(*map(np.concatenate, (judged, cosines, projected))), np.concatenate(all_debris)


def judge_anew(inputs: FloatArray, drops: npt.NDArray[np.bool_], sites: npt.NDArray[np.int64]) -> FloatArray:
    """Probability of debris of each line by trees that saw nothing of its site."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import GroupKFold

    scores = np.zeros(len(drops))
    for learn, test in GroupKFold(N_FOLDS).split(inputs, drops, sites):
        trees = HistGradientBoostingClassifier(
            max_iter=N_TREES, learning_rate=0.05, max_leaf_nodes=12, min_samples_leaf=60, l2_regularization=5
        )
        scores[test] = trees.fit(inputs[learn], drops[learn]).predict_proba(inputs[test])[:, 1]
    return scores


def measure(
    documents: Sequence[LabelledDocument], weights: Sequence[Weights], groups: Sequence[int]
) -> list[list[str]]:
    """Rows of the table: each judge's figures on scraped documents, and their difference to the model's."""
    vectors, speed = encode_lines(documents)
    views, debris = look(documents, weights, vectors)
    sizes = [len(document.lines) for document in documents]
    drops = np.concatenate([document.drops for document in documents])
    sites = np.repeat(np.asarray(groups), sizes)
    with_cosines = np.concatenate([views.judged, views.cosines], axis=1)
    with_axes = judge_anew(np.concatenate([with_cosines, views.axes], axis=1), drops, sites)
    judges = {
        "the model": debris,
        "trees over its judgement": judge_anew(views.judged, drops, sites),
        "and the encoder's cosines": judge_anew(with_cosines, drops, sites),
        f"and {N_AXES} of its axes": with_axes,
        "mean of the last and the model": (with_axes + debris) / 2,
    }
    is_scraped = np.array([document.kind == "scraped" for document in documents])
    chosen = np.repeat(is_scraped, sizes)
    doc_ids = np.repeat(np.arange(int(is_scraped.sum())), np.array(sizes)[is_scraped])
    keep = ~drops[chosen]

    def figures(of_documents: FloatArray) -> FloatArray:
        rows = []
        for scores in judges.values():
            score = scores[chosen]
            threshold = threshold_at_loss(score, keep, doc_ids, MAX_LOSS, doc_weights=of_documents)
            by_line = of_documents[doc_ids]
            rows.append([average_precision(score, ~keep, by_line), drop_prf(~keep, score >= threshold, by_line)[2]])
        return np.array(rows)

    scraped_groups = [group for group, scraped in zip(groups, is_scraped, strict=True) if scraped]
    every = np.ones(len(scraped_groups))
    values = figures(every)
    gaps = values - values[0]
    lows, highs = bootstrap_interval(scraped_groups, lambda drawn: _to_first(figures(drawn)), _N_RESAMPLES)
    table = []
    for number, name in enumerate(judges):
        cells = [_report.share(value) for value in values[number]]
        if number:
            cells += [
                _report.gap(Interval(float(gap), float(low), float(high)))
                for gap, low, high in zip(gaps[number], lows[number], highs[number], strict=True)
            ]
        table.append([name, *cells, *([] if number else ["", ""])])
    return [*table, ["lines the encoder does a CPU second", f"{speed:,.0f}", "", "", ""]]


def _to_first(values: FloatArray) -> FloatArray:
    differences: FloatArray = values - values[0]
    return differences


def render(rows: Sequence[Sequence[str]], n_documents: int, plan: BenchPlan) -> str:
    return "\n\n".join(
        [
            f"## A sentence encoder as a second opinion\n\nBy `bench/encoder.py`, {plan}. {_report.environment()}.",
            f"Out-of-fold judgement of {n_documents:,} scraped documents, and that of boosted trees to which a "
            "sentence encoder tells what each line says. In brackets 95 % intervals of the difference to the model by "
            f"bootstrap over sites ({_N_RESAMPLES} draws); bold where they leave out 0.",
            _report.table(["", "AP", "F1 at 1 % lost", "AP, change", "F1, change"], rows),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder that holds corpora/ and labels/")
    parser.add_argument("--plan", choices=PLANS, default="medium", help="how models are fitted")
    chosen = parser.parse_args(arguments)
    plan = PLANS[chosen.plan]
    log = partial(print, flush=True)
    data = plan.choose_data(read_training_data(training_files(chosen.corpora, "train"), log))
    models = CrossValidation(data.labelled, data.pages, plan.plan, log, shipped_vectors(), data.leftovers)
    fitted = models.run()
    rows = measure(fitted.documents, fitted.weights, fitted.groups.tolist())
    section = render(rows, sum(document.kind == "scraped" for document in fitted.documents), plan)
    print(f"\n{section}")
    if plan.is_telling:
        _report.write_section("encoder", section)


if __name__ == "__main__":
    main()
