"""Fitting the nets of a page model to the inputs of its lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cleaner.features.shape import FloatArray
from cleaner.labels import BODY, LABEL_INDEX
from cleaner.learn.fit import SAMPLE_LINES, IntArray, fit_net, quantise_net, rows_of_pages, sample_pages
from cleaner.learn.plan import PageTrainingPlan
from cleaner.learn.recurrent import NetPlan, fit_recurrent, quantise_nets
from cleaner.learn.train import simulate_hint
from cleaner.model.document_net import DocumentNet
from cleaner.model.nets import MAX_STEPS, Net

OTHER = LABEL_INDEX["nav"]
"""Stands for all that is not article text where only two sides are told apart."""


@dataclass(frozen=True)
class PageNets:
    """As in `PageModel`; order_net: None in the first round, which only asks what is plain."""

    text_nets: tuple[Net, ...]
    order_net: DocumentNet | None
    class_nets: tuple[Net, ...]


def fit_page_nets(
    inputs: FloatArray,
    labels: IntArray,
    weights: FloatArray,
    page_starts: IntArray,
    pages: IntArray,
    plan: PageTrainingPlan,
    order: NetPlan | None,
    without: int | None,
) -> PageNets:
    """The nets fitted to some pages, by their numbers. weights: of each line, 0 where nothing is known of it."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng([plan.seed, 7, 99 if without is None else without])
    rows, starts = rows_of_pages(pages, page_starts)
    chosen, line_weights = inputs[rows], weights[rows]
    is_known = line_weights > 0
    evidence, targets = _simulate_hints(rng, labels[rows], is_known, plan.hint_share)
    chosen[:, -1] = evidence * np.float32(MAX_STEPS)
    is_other = targets != BODY
    two_sides = np.where(is_other, OTHER, BODY)
    sample = chosen[rng.choice(np.flatnonzero(is_known), size=SAMPLE_LINES)]

    def fit(
        number: int, hidden: tuple[int, ...], learn: npt.NDArray[np.bool_], wanted: IntArray, by: FloatArray
    ) -> Net:
        fitted = fit_net(
            chosen[learn],
            wanted[learn],
            by[learn],
            hidden,
            plan.phases,
            plan.net_penalty,
            plan.seed + number,
            plan.batch_lines,
        )
        return quantise_net(fitted, sample)

    with threadpool_limits(limits=1):
        text_nets = tuple(fit(number, plan.hidden, is_known, two_sides, line_weights) for number in range(plan.n_nets))
        order_net = None
        if order is not None:
            net = fit_recurrent(chosen, two_sides, line_weights, starts, order, plan.seed)
            some_rows, some_starts = sample_pages(starts)
            order_net = quantise_nets([net], chosen[some_rows], some_starts)
        # Menus are three quarters of the other lines: by mass they weigh little, here a line is a line, but rarer.
        some = is_known & is_other & ((line_weights > 0.3) | (rng.random(len(targets)) < plan.class_share))
        class_nets = (fit(0, plan.class_hidden, some, targets, np.ones(len(targets), dtype=np.float32)),)
    return PageNets(text_nets, order_net, class_nets)


def _simulate_hints(
    rng: np.random.Generator, labels: IntArray, is_known: npt.NDArray[np.bool_], share: float
) -> tuple[npt.NDArray[np.int8], IntArray]:
    """The word of users on some lines, and the labels that they then have."""
    evidence = np.zeros(len(labels), dtype=np.int8)
    labels = labels.copy()
    for line in np.flatnonzero(is_known & (rng.random(len(labels)) < share * 0.1)).tolist():
        simulate_hint(rng, line, labels, evidence)
    return evidence, labels
