"""A model taught newly labelled lines, without the data it was fitted to: ``cleaner train --base``, as a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cleaner import __version__
from cleaner.errors import UsageError
from cleaner.learn.adapt import Adapter, AdaptPlan, NewLines
from cleaner.learn.compare import MIN_GROUPS, Decisions, compare_decisions
from cleaner.learn.corpus import BadRow, LabelledDocument, assign_folds, group_documents, read_labels
from cleaner.learn.fit import gram_matrix
from cleaner.learn.new_labels import UNLABELLED, NewDocument, read_new_labels
from cleaner.learn.package import DataFile, hash_contents, hash_file, render_card, score_example, to_npz, write_folder
from cleaner.learn.replay import LABELLED_KIND, REPLAY, Replay, pack_replay, read_replay
from cleaner.learn.train import Log
from cleaner.learn.workflow import N_EXAMPLES, expand_paths, name_and_version, spread
from cleaner.model.artefact import (
    DEFAULT_DROPPED,
    WEIGHTS,
    Model,
    choose_thresholds,
    decide,
    load_model,
    pack_weights,
    read_hashed,
)
from cleaner.model.line_model import LineModel
from cleaner.model.nets import exponentials
from cleaner.model.span_artefact import SPAN_WEIGHTS
from cleaner.types import Lines

_N_FOLDS, _N_FOLDS_OF_MANY = 5, 3
_MANY_LINES = 2000  # from here on learning from a third fewer lines costs little, and each fit takes seconds
MIN_LINES = 30
"""With fewer labelled lines the nets stay as they are: what a dozen lines say of neighbours is chance."""


def retrain_model(
    labels: Sequence[Path],
    base: str | Path,
    output: Path,
    *,
    split: str = "train",
    examples: Path | None = None,
    name: str | None = None,
    plan: AdaptPlan | None = None,
    log: Log = lambda _: None,
) -> Model:
    """Moves a model towards newly labelled lines, writes its folder and comes back with the model in it.

    labels: JSON Lines and CSV (`cleaner.learn.new_labels`), or folders of ``*.jsonl``. base: name or folder of the
    model to start from. examples: labelled documents to tell before and after of. What cannot be used, and all
    figures, are told to ``log``; the figures stand in the manifest under ``figures.retraining``. The same input gives
    the same bytes. Raises InputError, ModelError (a base without a replay sample), UsageError (no usable label),
    OutputError.
    """
    plan = plan or AdaptPlan()
    old = load_model(base)
    replay = read_replay(old)
    paths = expand_paths(labels, "*.jsonl")
    documents, bad = read_new_labels(paths, split)
    _tell_bad_rows(bad, log)
    if not documents:
        raise UsageError(f"no usable label of split {split!r} in {', '.join(map(str, labels))}")
    from threadpoolctl import threadpool_limits

    # One thread: the order in which threads add up would change the last bits of the weights.
    with threadpool_limits(limits=1):
        lesson = Lesson(old, replay, documents, plan)
        taught = lesson.fit()
        figures = lesson.figures(taught, read_labels(examples)[0] if examples else [])
    for message in describe(figures):
        log(message)
    return _write(lesson, taught, figures, output, name, [_data_file(path, documents) for path in paths], examples)


def _tell_bad_rows(bad: Sequence[BadRow], log: Log) -> None:
    for row in bad:
        log(f"{row.path}, row {row.row}: {row.problem}; not used")


class Lesson:
    """What a model is taught, and what it knew before.

    groups: int64, shape (n_documents,), of what may not be parted between learning and judging; by_site: whether these
    are sites. is_enough: whether there are labels enough to move the nets and to compare.
    """

    def __init__(self, old: Model, replay: Replay, documents: Sequence[NewDocument], plan: AdaptPlan) -> None:
        self.old, self.replay, self.plan = old, replay, plan
        self.documents = [entry.document for entry in documents]
        self.groups, self.by_site = _find_groups(self.documents)
        sizes = [len(document.lines) for document in self.documents]
        n_groups = len(set(self.groups.tolist()))
        n_folds = _N_FOLDS if sum(sizes) < _MANY_LINES else _N_FOLDS_OF_MANY
        folds = assign_folds(self.groups, min(n_folds, n_groups), sizes)
        lines = lines_of(self.documents)
        in_context = np.array([entry.in_context for entry in documents])
        labels = np.concatenate([document.labels for document in self.documents])
        matrix = gram_matrix(lines.texts, old.line_model.tables.chars)
        self.new = NewLines(lines, labels, folds, in_context, matrix)
        self.n_lines = int((labels != UNLABELLED).sum())
        self.is_enough = self.n_lines >= MIN_LINES and n_groups >= MIN_GROUPS
        self._adapter = Adapter(old.line_model, replay, self.new, plan, move_net=self.is_enough)

    def fit(self) -> LineModel:
        """The model that has learned from all lines."""
        return self._adapter.fit()

    def figures(self, taught: LineModel, examples: Sequence[LabelledDocument]) -> dict[str, Any]:
        """Before and after: on new lines that the judging model had not seen, on old ones, on examples."""
        figures: dict[str, Any] = {
            "n_lines": self.n_lines,
            "n_documents": len(self.documents),
            "n_sites": len(set(self.groups.tolist())) if self.by_site else None,
            "is_enough": self.is_enough,
            "new": self._compare_new() if self.is_enough else None,
            "replay": self._compare_replay(taught),
        }
        if examples:
            lines = lines_of(examples)
            labels = np.concatenate([document.labels for document in examples])
            before, after = (self._decide(model, lines) for model in (self.old.line_model, taught))
            groups = group_documents(examples).tolist()
            figures["examples"] = compare_decisions(labels, lines.page_starts, groups, before, after)
        return figures

    def _compare_new(self) -> dict[str, Any]:
        """By models that were taught without the fold in which the document's site is."""
        before = self._decide(self.old.line_model, self.new.lines)
        kept, predicted = before.kept.copy(), before.predicted.copy()
        for fold in range(int(self.new.folds.max()) + 1):
            here = self.new.line_folds == fold
            decided = self._decide(self._adapter.fit(fold), self.new.lines)
            kept[here], predicted[here] = decided.kept[here], decided.predicted[here]
        after = Decisions(kept, predicted)
        return compare_decisions(self.new.labels, self.new.lines.page_starts, self.groups.tolist(), before, after)

    def _compare_replay(self, taught: LineModel) -> dict[str, Any]:
        """On the documents of the replay sample that people labelled; their stage-one scores are as they were."""
        chosen = self.replay.of_kind(LABELLED_KIND)
        inputs = chosen.inputs.astype(np.float32)
        before, after = (
            self._decide_weights(exponentials(model.net.logits(inputs, chosen.page_starts)), chosen.page_starts)
            for model in (self.old.line_model, taught)
        )
        labels, groups = chosen.labels.astype(np.int64), range(len(chosen.kinds))
        figures = compare_decisions(labels, chosen.page_starts, groups, before, after)
        # These lines took part in the teaching: a loss on them tells, a gain does not.
        return {**figures, "outcome": "no difference shown"} if figures["outcome"] == "better" else figures

    def _decide(self, model: LineModel, lines: Lines) -> Decisions:
        return self._decide_weights(model.exponentials(lines), lines.page_starts)

    def _decide_weights(self, weights: npt.NDArray[np.int64], page_starts: npt.NDArray[np.int64]) -> Decisions:
        thresholds = choose_thresholds(weights, page_starts, self.old.thresholds("balanced"))
        verdicts = decide(weights, DEFAULT_DROPPED, thresholds)
        return Decisions(verdicts.kept, verdicts.labels)


def _find_groups(documents: Sequence[LabelledDocument]) -> tuple[npt.NDArray[np.int64], bool]:
    """What may not be parted between training and test, and whether that are sites.

    Where there are few sites, or one has more than half of the lines, documents are parted: then the figures say how
    the model does on further documents of these sites, and nothing of others.
    """
    groups = group_documents(documents)
    n_lines = np.bincount(groups, [len(document.lines) for document in documents])
    if (n_lines > 0).sum() >= MIN_GROUPS and n_lines.max() <= n_lines.sum() / 2:
        return groups, True
    return np.arange(len(documents)), False


def lines_of(documents: Sequence[LabelledDocument]) -> Lines:
    """The lines of documents, each document a page."""
    starts = np.array([0, *accumulate(len(document.lines) for document in documents)])
    texts = [line for document in documents for line in document.lines]
    return Lines(texts, starts, [document.title or "" for document in documents])


def describe(figures: dict[str, Any]) -> list[str]:
    """The report: what was learned from, before and after on each set of lines, and what that allows to say."""
    if figures["n_sites"] is not None:
        parted = f"{figures['n_sites']} sites, each judged by a model that had not seen it"
    else:
        parted = "of few sites, or most of one: each document judged by a model that had not seen it, but knew its site"
    messages = [f"{figures['n_lines']:,} labelled lines of {figures['n_documents']:,} documents"]
    if figures["new"]:
        messages.append(f"new lines ({parted}): {_say_change(figures['new'])}")
    else:
        messages.append(
            f"too few labels to tell whether the model is better: give at least {MIN_LINES} lines of {MIN_GROUPS} "
            "documents, of many sites. Only the weights of words were moved; neighbours are judged as before"
        )
    messages.append(f"old lines (replay sample, the words' scores fixed): {_say_change(figures['replay'])}")
    if "examples" in figures:
        messages.append(f"examples: {_say_change(figures['examples'])}")
    return messages


def _say_change(figures: dict[str, Any]) -> str:
    before, after, change = figures["before"], figures["after"], figures["change"]
    shares = f"{100 * change['value']:+.2f} % of {figures['n_lines']:,} lines"
    if change["low"] is not None:
        shares += f" [{100 * change['low']:+.2f}, {100 * change['high']:+.2f}]"
    return (
        f"{before['wrong']:,} wrong before, {after['wrong']:,} after ({shares}): {figures['outcome']}; F1 of dropped "
        f"lines {before['drop_f1']:.3f} -> {after['drop_f1']:.3f}, article lines lost "
        f"{100 * before['article_lines_lost']:.2f} -> {100 * after['article_lines_lost']:.2f} %"
    )


def _data_file(path: Path, documents: Sequence[NewDocument]) -> DataFile:
    chosen = [entry.document for entry in documents if entry.path == path]
    return DataFile(path.name, hash_file(path), len(chosen), sum(len(document.lines) for document in chosen))


def _write(
    lesson: Lesson,
    taught: LineModel,
    figures: dict[str, Any],
    output: Path,
    name: str | None,
    data_files: Sequence[DataFile],
    examples: Path | None,
) -> Model:
    """The folder of the model that was taught: the base's thresholds and figures, and those of the retraining."""
    old = lesson.old.manifest
    files = {WEIGHTS: to_npz(pack_weights(taught)), REPLAY: pack_replay(lesson.replay)}
    if SPAN_WEIGHTS in old["sha256"]:
        # What --cut spans needs was fitted to the base, and takes data that who teaches a model does not have.
        files[SPAN_WEIGHTS] = read_hashed(lesson.old.path, old, SPAN_WEIGHTS)
    model_name, version = name_and_version(output, name)
    manifest: dict[str, Any] = {
        **old,
        "cleaner_version": __version__,
        "name": model_name,
        "version": version,
        "base": lesson.old.full_name,
        "sha256": hash_contents(files),
        "training": {
            **old["training"],
            "retraining": {"plan": asdict(lesson.plan), "data": [asdict(entry) for entry in data_files]},
        },
        "figures": {**old["figures"], "retraining": figures},
    }
    model = Model(output, manifest, taught)
    if examples:
        documents = [(entry.id, entry.lines, entry.title) for entry in spread(read_labels(examples)[0], N_EXAMPLES)]
    else:
        documents = [(entry["id"], entry["lines"], entry["title"]) for entry in old["examples"]]
    manifest["examples"] = [score_example(model, *document) for document in documents]
    write_folder(output, files, manifest, _render_card(manifest, describe(figures)))
    return load_model(output)


def _render_card(manifest: dict[str, Any], report: Sequence[str]) -> str:
    """The card of the base, with what was added to it at the top."""
    heading, rest = render_card(manifest).split("\n\n", 1)
    rows = "\n".join(
        f"| `{entry['name']}` | {entry['n_documents']:,} | {entry['n_lines']:,} |"
        for entry in manifest["training"]["retraining"]["data"]
    )
    figures = "\n".join(f"- {message}" for message in report)
    return f"""{heading}

## Retrained from {manifest["base"]}

Taught newly labelled lines; the thresholds, the data and the figures further down are those of the base.

| file | documents | lines |
|---|---|---|
{rows}

Lines wrongly kept or dropped in the mode `balanced`, in brackets 95 % intervals:

{figures}

## The base

{rest}"""
