"""How models are fitted: what is made of the data, and which nets learn from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from cleaner.errors import UsageError
from cleaner.learn.recurrent import NetPlan
from cleaner.learn.trees import TreePlan
from cleaner.learn.window import WindowPlan


@dataclass(frozen=True)
class LookPlan:
    """What is asked about lines in doubt.

    low, high: the leads of debris, in logits, between which a line is in doubt. n_windows: how many nets are asked.
    share: of the logits, theirs beside all that was asked before. trees: what judges beside all of it, and tree_share
    of the log odds of debris.
    """

    low: float
    high: float
    n_windows: int
    share: float
    trees: TreePlan | None = None
    tree_share: float = 0.4


def plan_looks(n_windows: int = 2, trees: TreePlan | None = None) -> tuple[LookPlan, ...]:
    """A look by one window, then one by more of them and by trees."""
    # At debris scores between about .007 and .993, two lines in five, and between .2 and .95, one in nine. Asked about
    # every line the first changed average precision by .0005 out of fold on scraped texts, and no decision; between .03
    # and .98, one line in four, it would cost .003. The second changed no figure between .05 and .97.
    return LookPlan(-5.0, 5.0, 1, 0.4), LookPlan(-1.5, 3.0, n_windows, 0.4, trees or TreePlan())


@dataclass(frozen=True)
class TrainingPlan:
    """How a model is fitted; the defaults are those of the shipped one.

    n_inserted, n_cropped, n_whole: made documents (articles with debris set in, pages cut down, whole pages).
    n_left: of what extractors left of pages. kind_weights: of a line of each of these, labelled documents before the
    last, synthetic ones and those chosen by a model's doubts after it. page_line_weight: in stage one, of a line of a
    page or synthetic document.
    net, n_nets: of which size the nets are that read lines in order, and how many judge together. looks: what is
    asked about lines in doubt, one look after the other. window: of which size its windows are. n_processes: how many
    folds' nets are fitted at once; changes no byte of the model.
    """

    seed: int = 0
    n_folds: int = 5
    n_inserted: int = 10_000
    n_cropped: int = 3500
    n_whole: int = 400
    n_left: int = 7000
    gram_epochs: int = 5
    net: NetPlan = field(default_factory=lambda: NetPlan(sees_mean=True))
    n_nets: int = 1
    window: WindowPlan = field(default_factory=WindowPlan)
    looks: tuple[LookPlan, ...] = field(default_factory=plan_looks)
    page_line_share: float = 0.35
    page_line_weight: float = 0.3
    # Chosen documents have more lines than the labelled ones, and are nearly all of one kind. Average precision out of
    # fold on scraped texts and residue (windows alone): at .6 .923 and .962, at 1.5 .916 and .963, at 4 .915 and .965.
    kind_weights: tuple[float, ...] = (1.0, 0.5, 0.25, 4.0, 0.5, 0.5, 1.0)
    hint_share: float = 0.15
    n_scored_pages: int = 400
    n_threads: int = 1
    n_processes: int = 1

    def __post_init__(self) -> None:
        if self.n_folds < 3:
            raise UsageError(
                f"n_folds={self.n_folds}: stage two is fitted on the folds that stage one left out, by three"
            )

    @classmethod
    def quick(cls, seed: int = 0) -> TrainingPlan:
        """A plan of seconds, for tests and for trying out labels."""
        net = NetPlan(n_inner=32, n_units=16, n_last=16, n_epochs=20, rate=4e-3, dropout=0.1, sees_mean=True)
        window = WindowPlan((16, 16), ((3e-3, 8),), batch_lines=256)
        return cls(seed, 3, 600, 100, 20, net=net, window=window, looks=QUICK_LOOKS, n_scored_pages=60)


QUICK_LOOKS = plan_looks(1, TreePlan(n_trees=10, depth=3))
"""Fitted in seconds, for plans that are tried out."""


@dataclass(frozen=True)
class PageTrainingPlan:
    """How a page model is fitted; the defaults are those of the shipped one.

    max_site_pages: a site with more pages counts as if it had so many. phases: learning rates of the nets that judge
    lines alone with the number of epochs at each. order: the net that reads pages in their order. class_share: of the
    far lines of pages, how many the net for classes learns from.
    """

    seed: int = 0
    n_folds: int = 5
    path_penalty: float = 50.0
    gram_epochs: int = 4
    hidden: tuple[int, ...] = (48, 24)
    class_hidden: tuple[int, ...] = (24,)
    n_nets: int = 2
    net_penalty: float = 1.0
    batch_lines: int = 1024
    phases: tuple[tuple[float, int], ...] = ((2e-3, 4), (7e-4, 2), (2e-4, 1))
    order: NetPlan = field(default_factory=lambda: NetPlan(n_epochs=10, batch_lines=6000))
    max_site_pages: int = 20
    hint_share: float = 0.1
    class_share: float = 0.3
    n_processes: int = 1

    @classmethod
    def quick(cls, seed: int = 0) -> PageTrainingPlan:
        """A plan of seconds, for tests."""
        order = NetPlan(n_inner=24, n_units=16, n_last=16, n_epochs=8, batch_lines=600)
        return cls(
            seed, 3, gram_epochs=3, hidden=(16,), class_hidden=(16,), batch_lines=128, phases=((3e-3, 12),), order=order
        )
