"""Why a line was judged as it was: what its score would be with one kind of evidence taken away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cleaner.features.chars import encode_lines
from cleaner.features.context import PLACE_NAMES, STORY_NAMES
from cleaner.features.lines import DENSE_NAMES, line_features
from cleaner.features.meaning import MEANING_NAMES
from cleaner.features.ngrams import gram_bag
from cleaner.features.shape import SHAPE_NAMES, FloatArray
from cleaner.model.artefact import Model
from cleaner.model.line_model import LINE_NAMES, STAGE_ONE_NAMES, LineModel
from cleaner.model.nets import exponentials
from cleaner.types import Lines, Reason

FloatRows = npt.NDArray[np.float64]

_MIN_PUSH = 0.05  # logits; less than this decides nothing
_MAX_LOGIT = 12.0
_REPEAT_NAMES = ("same_line", "same_opening", "same_first_word")
_TITLE_NAMES = ("like_title", "title_in_line", "title_known", "like_first_line")


@dataclass(frozen=True)
class Group:
    """Inputs that are taken away together, and how their values read."""

    columns: list[int]
    describe: Callable[[int], str]


Explained = tuple[list[tuple[Reason, ...]], list[tuple[int, float]]]


def explain_lines(
    model: Model, lines: Lines, is_dropped: npt.NDArray[np.bool_], evidence: npt.NDArray[np.int8] | None
) -> Explained:
    """For each line of one text its reasons, heaviest first, and its second most probable class with the probability.

    A reason's push is how far the log odds of "debris" fall when that evidence is replaced by the average line's
    (occlusion; Zeiler and Fergus 2014). Pushes do not add up to the score: kinds of evidence work together.
    """
    line_model = model.line_model
    inputs = line_model.line_inputs(lines, evidence)
    windows = Windows.around(inputs)

    def judge(rows: FloatArray, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return exponentials(line_model.net.logits(rows, starts))

    reasons = weigh_evidence(windows, judge, _groups(line_model, lines), is_dropped)
    return reasons, runners_up(judge(inputs, lines.page_starts))


NEAR_LINES = 8  # before and after a line, by which its reasons are told: each line is judged once a reason
Judge = Callable[[FloatArray, npt.NDArray[np.int64]], npt.NDArray[np.int64]]
"""Inputs of lines and where each document begins, to weights of classes."""


@dataclass(frozen=True)
class Windows:
    """For each line the lines around it as a document of their own, since taking evidence from one must leave the rest.

    inputs: float32, shape (n_lines, n_places * n_in), of the places from NEAR_LINES before a line to NEAR_LINES after
    it. present: bool, shape (n_lines, n_places), which of these are within the document.
    """

    inputs: FloatArray
    present: npt.NDArray[np.bool_]

    @classmethod
    def around(cls, inputs: FloatArray) -> Windows:
        """Windows of the lines of one document. inputs: float32, shape (n_lines, n_in)."""
        offsets = np.arange(-NEAR_LINES, NEAR_LINES + 1)
        places = np.arange(len(inputs))[:, None] + offsets
        present = (places >= 0) & (places < len(inputs))
        return cls(inputs[np.clip(places, 0, len(inputs) - 1)].reshape(len(inputs), -1), present)

    @property
    def n_lines(self) -> int:
        """Lines of the document."""
        return len(self.present)

    def without(self, group: Group) -> Windows:
        """The windows with the average line's values in place of the group's."""
        reduced = self.inputs.copy()
        reduced[:, group.columns] = 0
        return replace(self, inputs=reduced)

    def weigh(self, judge: Judge) -> npt.NDArray[np.int64]:
        """Weights of the classes of each line amid its window."""
        n_rows = self.present.shape[1]
        starts = np.concatenate([[0], np.cumsum(self.present.sum(axis=1))])
        weights = judge(self.inputs.reshape(self.n_lines, n_rows, -1)[self.present], starts)
        return weights[starts[:-1] + self.present[:, :NEAR_LINES].sum(axis=1)]


def own_columns(names: Sequence[str], all_names: Sequence[str]) -> list[int]:
    """Columns of a window's inputs that are the line's own, by their names among all inputs of a line."""
    return [NEAR_LINES * len(all_names) + all_names.index(name) for name in names]


def columns_beside(first: int, last: int, n_inputs: int) -> list[int]:
    """Columns of a window's inputs that are those of the lines from one offset to another."""
    return list(range((NEAR_LINES + first) * n_inputs, (NEAR_LINES + last + 1) * n_inputs))


def weigh_evidence(
    windows: Windows, judge: Judge, groups: Sequence[Group], is_dropped: npt.NDArray[np.bool_]
) -> list[tuple[Reason, ...]]:
    """What taking away each group of inputs changes; see `explain_lines`."""
    odds = _log_odds(windows.weigh(judge), is_dropped)
    without = [_log_odds(windows.without(group).weigh(judge), is_dropped) for group in groups]
    pushes = odds[:, None] - np.stack(without, axis=1)
    reasons = []
    for line in range(windows.n_lines):
        order = np.argsort(-np.abs(pushes[line]), kind="stable")
        reasons.append(
            tuple(
                Reason(groups[group].describe(line), round(float(pushes[line, group]), 2))
                for group in order.tolist()
                if abs(pushes[line, group]) >= _MIN_PUSH
            )
        )
    return reasons


def runners_up(weights: npt.NDArray[np.int64]) -> list[tuple[int, float]]:
    """The second most probable class of each line with its probability. weights: of classes, shape (n_lines, 13)."""
    shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)
    second = np.argsort(-shares, axis=1, kind="stable")[:, 1]
    return [(int(label), round(float(shares[line, label]), 4)) for line, label in enumerate(second.tolist())]


def _log_odds(weights: npt.NDArray[np.int64], is_dropped: npt.NDArray[np.bool_]) -> FloatRows:
    dropped = weights[:, is_dropped].sum(axis=1).astype(np.float64)
    kept = weights[:, ~is_dropped].sum(axis=1).astype(np.float64)
    return np.clip(np.log(dropped + 1) - np.log(kept + 1), -_MAX_LOGIT, _MAX_LOGIT)


def _groups(model: LineModel, lines: Lines) -> list[Group]:
    features = line_features(lines, model.tables)
    dense = dict(zip(DENSE_NAMES, features.dense.T, strict=True))
    words = [_telling_words(model, text) for text in lines.texts]

    def columns(names: Sequence[str]) -> list[int]:
        return own_columns(names, LINE_NAMES)

    def neighbours(first: int, last: int) -> list[int]:
        return columns_beside(first, last, len(LINE_NAMES))

    def share(name: str, line: int) -> str:
        return f"{100 * float(dense[name][line]):.0f} %"

    story = [name for name in STORY_NAMES if name not in _REPEAT_NAMES + _TITLE_NAMES]
    return [
        Group(columns(STAGE_ONE_NAMES), lambda line: f"wording: {words[line]}" if words[line] else "wording"),
        Group(columns(SHAPE_NAMES), lambda line: f"form: {_form(lines.texts[line])}"),
        Group(columns(PLACE_NAMES), lambda line: f"place: line {line + 1} of {lines.n_lines}"),
        Group(columns(story), lambda line: f"{share('story_words', line)} of its words stand elsewhere in the story"),
        Group(
            columns(MEANING_NAMES), lambda line: f"meaning: {share('about_prose', line)} like the story's paragraphs"
        ),
        Group(columns(_TITLE_NAMES), lambda line: f"{share('like_title', line)} of its words stand in the title"),
        Group(columns(_REPEAT_NAMES), lambda line: "repeats: " + _repeats(dense, line)),
        Group(columns(["hint"]), lambda _: "your own words"),
        Group(neighbours(-1, -1), lambda _: "the line before"),
        Group(neighbours(1, 1), lambda _: "the line after"),
        Group(neighbours(-NEAR_LINES, -2), lambda _: "lines further up"),
        Group(neighbours(2, NEAR_LINES), lambda _: "lines further down"),
    ]


def _form(text: str) -> str:
    n_words = len(text.split())
    return f"{n_words} word{'s' if n_words != 1 else ''}, ends in “{text[-1]}”"


def _repeats(dense: dict[str, FloatArray], line: int) -> str:
    if dense["same_line"][line] > 0:
        return "the same line stands here again"
    if dense["same_opening"][line] > 0:
        return "other lines open with the same words"
    return "other lines open with the same word" if dense["same_first_word"][line] > 0 else "none"


def _telling_words(model: LineModel, text: str, n_words: int = 3) -> str:
    """The words of a line whose 4-grams weigh most for debris or for article, as a reader sees them."""
    words = text.split()[:40]
    if not words:
        return ""
    shown = " ".join(words)[:250]
    buckets = gram_bag(encode_lines([shown], model.tables.chars)).buckets
    pulls = model.grams.weights[buckets, STAGE_ONE_NAMES.index("words_like_debris")].astype(np.float64)
    # The n-th window ends in the n-th character; a word gets the windows that end in it.
    totals, place = [], 0
    for word in shown.split(" "):
        totals.append((abs(float(pulls[place : place + len(word)].sum())), word))
        place += len(word) + 1
    best = sorted(totals, key=lambda entry: -entry[0])[:n_words]
    kept = [word for _, word in best]
    return ", ".join(f"“{word}”" for word in shown.split(" ") if word in kept and not kept.remove(word))  # type: ignore[func-returns-value]
