"""Fitting what a model folder holds for ``--cut spans``; the cases come from `cleaner.learn.spans`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cleaner.errors import UsageError
from cleaner.labels import BODY
from cleaner.learn.corpus import LabelledDocument, assign_folds, group_documents
from cleaner.learn.evaluate import wilson_interval
from cleaner.learn.fit import fit_net, quantise_net
from cleaner.learn.package import hash_contents, manifest_bytes, render_card, to_npz, write_files
from cleaner.learn.spans import UNSURE, Cases, SpanLabels, choose_articles, made_cases, real_cases
from cleaner.model.artefact import CARD, DEFAULT_DROPPED, MANIFEST, Model, decide, load_model, pack_nets
from cleaner.model.nets import Net, exponentials, sum_logits
from cleaner.model.span_artefact import SPAN_WEIGHTS

MIN_PRECISION = 0.98
SOURCES = ("made", "texts", "pages")
MADE, TEXTS, PAGES = range(3)
"""Where a case is from: a line that debris was glued to, a line of a labelled text, a line of a page with gold text."""

SIDES = ("tail", "head")
_NEVER = 1.01


@dataclass(frozen=True)
class SpanPlan:
    """How pieces are learned; the defaults are those of the shipped model.

    n_made: documents with debris glued in, of labelled documents and of pages each. real_weight, read_weight: of a
    piece of a real line beside one of a made line, and of one that was read. With both at 1 twenty of the surest
    fifty real cuts were wrong, with these weights ten (cross-validation by site).
    """

    seed: int = 0
    n_folds: int = 5
    n_made: int = 6000
    real_weight: float = 3.0
    read_weight: float = 30.0
    hidden: tuple[int, ...] = (16,)
    penalty: float = 1.0
    n_epochs: int = 20
    n_nets: int = 3

    @classmethod
    def quick(cls, seed: int = 0) -> SpanPlan:
        """A plan of seconds, for tests."""
        return cls(seed, n_folds=2, n_made=300, n_epochs=8, n_nets=1)


@dataclass(frozen=True)
class Outcomes:
    """The surest piece of each end of a line; arrays of n ends.

    scores: out of fold. right: the piece is debris; wrong: it holds a part of the paragraph; neither where a reader
    doubted. is_head, read: as in `Cases`. sources: indices into SOURCES.
    """

    scores: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]
    wrong: npt.NDArray[np.bool_]
    is_head: npt.NDArray[np.bool_]
    sources: npt.NDArray[np.int64]
    read: npt.NDArray[np.bool_]


def train_spans(
    model: Model,
    labelled: Sequence[LabelledDocument],
    pages: Sequence[LabelledDocument],
    read: SpanLabels,
    plan: SpanPlan | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> Model:
    """Fits the judge of pieces to a model, writes it into the model's folder, and comes back with the model in it.

    read: labels of pieces of these documents. The same input gives the same bytes. Raises UsageError where there is
    too little to learn from, OutputError.
    """
    plan = plan or SpanPlan()
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        cases, folds, sources, n_ends = _collect(model, labelled, pages, read, plan, log)
        scores = np.zeros(len(folds))
        for fold in range(plan.n_folds):
            here = folds == fold
            nets = _fit(cases, sources, ~here, plan)
            scores[here] = _score(nets, cases.inputs[here])
            log(f"pieces judged without fold {fold + 1} of {plan.n_folds}")
        nets = _fit(cases, sources, np.ones(len(folds), dtype=np.bool_), plan)
    outcomes = choose_surest(cases, scores, sources)
    thresholds = {side: measure_side(outcomes, side, n_ends[side]) for side in SIDES}
    for side, figures in thresholds.items():
        log(f"{side}: {describe_side(figures)}")
    return _write(model, nets, thresholds)


def _collect(
    model: Model,
    labelled: Sequence[LabelledDocument],
    pages: Sequence[LabelledDocument],
    read: SpanLabels,
    plan: SpanPlan,
    log: Callable[[str], None],
) -> tuple[Cases, npt.NDArray[np.int64], npt.NDArray[np.int64], dict[str, int]]:
    """All cases, the fold and the source of each, and how many ends of lines had debris glued to them.

    The debris that is glued to the lines of a fold comes from the same fold.
    """
    stocks = [choose_articles(documents) for documents in (labelled, pages)]
    groups = group_documents([document for documents in stocks for document in documents])
    all_folds = assign_folds(groups, plan.n_folds)
    parts: list[tuple[Cases, npt.NDArray[np.int64], int]] = []
    first = 0
    for source, documents in zip((TEXTS, PAGES), stocks, strict=True):
        if not documents:
            continue
        folds = all_folds[first : first + len(documents)]
        first += len(documents)
        cases = real_cases(model, documents, read)
        parts.append((cases, folds[cases.documents], source))
        for fold in range(plan.n_folds):
            chosen = [documents[number] for number in np.flatnonzero(folds == fold).tolist()]
            rng = np.random.default_rng([plan.seed, source, fold])
            made = made_cases(model, chosen, plan.n_made // plan.n_folds, rng, read)
            parts.append((made, np.full(len(made.labels), fold), MADE))
        log(f"pieces of the lines of {len(documents)} documents, {int(cases.read.sum())} of them read")
    cases = _join([part for part, _, _ in parts])
    if not (cases.labels > BODY).any():
        raise UsageError("no debris could be glued to any paragraph; train-spans needs more labelled documents")
    sources = np.concatenate([np.full(len(part.labels), source) for part, _, source in parts])
    n_ends = {side: sum(part.n_ends[side == "tail"] for part, _, _ in parts) for side in SIDES}
    return cases, np.concatenate([folds for _, folds, _ in parts]), sources, n_ends


def _join(parts: Sequence[Cases]) -> Cases:
    """All the cases, with numbers of documents and lines that tell those of different parts apart."""
    lines: list[npt.NDArray[np.int64]] = []
    documents: list[npt.NDArray[np.int64]] = []
    for part in parts:
        lines.append(part.lines + (lines[-1].max(initial=0) + 2 if lines else 0))
        documents.append(part.documents + (documents[-1].max(initial=0) + 1 if documents else 0))
    return Cases(
        np.concatenate([part.inputs for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.read for part in parts]),
        np.concatenate(documents),
        np.concatenate(lines),
        np.concatenate([part.is_head for part in parts]),
    )


def _fit(
    cases: Cases, sources: npt.NDArray[np.int64], chosen: npt.NDArray[np.bool_], plan: SpanPlan
) -> tuple[Net, ...]:
    learn = chosen & (cases.labels != UNSURE)
    weights = np.where(sources == MADE, 1.0, np.where(cases.read, plan.read_weight, plan.real_weight)).astype(
        np.float32
    )
    inputs, labels = cases.inputs[learn], cases.labels[learn]
    rng = np.random.default_rng(plan.seed)
    some = inputs[rng.integers(len(inputs), size=20_000)]
    phases = ((_RATE, plan.n_epochs),)
    return tuple(
        quantise_net(
            fit_net(inputs, labels, weights[learn], plan.hidden, phases, plan.penalty, plan.seed + number), some
        )
        for number in range(plan.n_nets)
    )


_RATE = 1.5e-3


def _score(nets: tuple[Net, ...], inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return decide(exponentials(sum_logits(nets, inputs)), DEFAULT_DROPPED, 1.0).scores


def choose_surest(cases: Cases, scores: npt.NDArray[np.float64], sources: npt.NDArray[np.int64]) -> Outcomes:
    """At each end of a line the piece with the highest score, which is the one that would be cut."""
    order = np.lexsort((-scores, cases.lines))
    _, firsts = np.unique(cases.lines[order], return_index=True)
    surest = order[firsts]
    labels = cases.labels[surest]
    # A part of debris that was glued on is debris too; a part of a piece that a reader doubted is as doubtful.
    right = (labels > BODY) | ((sources[surest] == MADE) & (labels == UNSURE))
    return Outcomes(scores[surest], right, labels == BODY, cases.is_head[surest], sources[surest], cases.read[surest])


def measure_side(outcomes: Outcomes, side: str, n_ends: int) -> dict[str, Any]:
    """The threshold of heads or tails, and what it cuts out of fold.

    The lowest, in hundredths from .5 on, from which at least MIN_PRECISION of the cuts are right, in made lines and in
    real lines of texts. A real piece that nobody read counts as wrong. Pages with gold text are told beside: they are
    full of guides and catalogues, whose lines are seldom what a scraper leaves.
    """
    here = outcomes.is_head == (side == "head")
    for threshold in [*np.arange(0.5, 1.0, 0.01).round(2).tolist(), _NEVER]:
        cut = here & (outcomes.scores >= threshold)
        figures: dict[str, Any] = {"threshold": threshold}
        figures |= {name: _count(outcomes, cut & (outcomes.sources == at)) for at, name in enumerate(SOURCES)}
        if all(figures[name]["right"] >= MIN_PRECISION * _n_judged(figures[name]) for name in ("made", "texts")):
            break
    figures["made"]["n_glued"] = n_ends
    return figures


def _count(outcomes: Outcomes, cut: npt.NDArray[np.bool_]) -> dict[str, Any]:
    n_right, n_wrong = int((cut & outcomes.right).sum()), int((cut & outcomes.wrong).sum())
    low, high = wilson_interval(n_right, n_right + n_wrong)
    return {
        "right": n_right,
        "wrong": n_wrong,
        "doubtful": int(cut.sum()) - n_right - n_wrong,
        "unread": int((cut & outcomes.wrong & ~outcomes.read & (outcomes.sources != MADE)).sum()),
        "precision": [round(n_right / max(n_right + n_wrong, 1), 4), round(low, 4), round(high, 4)],
    }


def _n_judged(counts: Mapping[str, Any]) -> int:
    return int(counts["right"] + counts["wrong"])


def describe_side(figures: Mapping[str, Any]) -> str:
    """One line on what is cut at one end of lines, for people."""
    counts = [
        f"{name}: {figures[name]['right']} right, {figures[name]['wrong']} wrong ({figures[name]['unread']} unread), "
        f"{figures[name]['doubtful']} doubtful"
        for name in SOURCES
    ]
    return f"from a score of {figures['threshold']:.2f} on; {'; '.join(counts)}; {figures['made']['n_glued']} glued"


def _write(model: Model, nets: tuple[Net, ...], thresholds: Mapping[str, Any]) -> Model:
    weights = to_npz(pack_nets(nets))
    manifest = dict(model.manifest)
    manifest["sha256"] = {**manifest["sha256"], **hash_contents({SPAN_WEIGHTS: weights})}
    manifest["spans"] = {"min_precision": MIN_PRECISION, "thresholds": dict(thresholds)}
    write_files(
        model.path,
        {SPAN_WEIGHTS: weights, MANIFEST: manifest_bytes(manifest), CARD: render_span_card(manifest).encode()},
    )
    return load_model(model.path)


def render_span_card(manifest: Mapping[str, Any]) -> str:
    """The model card with the section on pieces of lines."""
    rows = "\n".join(
        f"| {side} | {figures['threshold']:.2f} | "
        + " | ".join(
            f"{kind['right']} / {kind['wrong']} | {kind['precision'][0]:.3f} "
            f"[{kind['precision'][1]:.3f}, {kind['precision'][2]:.3f}]"
            for kind in (figures[name] for name in SOURCES)
        )
        + f" | {figures['made']['right'] / max(figures['made']['n_glued'], 1):.2f} |"
        for side, figures in manifest["spans"]["thresholds"].items()
    )
    return f"""{render_card(manifest)}
## Pieces of lines (`--cut spans`)

One more small net judges what is glued to the head or tail of a kept paragraph. Out of fold (cross-validation by
site), right and wrong cuts in lines that debris was glued to, and in real lines of texts and of pages, by reading; of
the first the share found.

| end | threshold | made: right / wrong | precision | texts | precision | pages | precision | found |
|---|---|---|---|---|---|---|---|---|
{rows}
"""
