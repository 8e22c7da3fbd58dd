"""The model on documents labelled line by line, beside line rules."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import _data, _reliability, _report
from bench._data import LabelledDocument
from bench._rules import RULES
from bench._setting import MODES, Setting, clean_pages
from cleaner import Page
from cleaner.learn.evaluate import MIN_CLASS_LINES, decision_report, text_report
from cleaner.model.nets import IS_KEPT


@dataclass(frozen=True)
class Decided:
    """What the cleaner said of documents: one array of lines each, dropped by name of the mode."""

    scores: list[npt.NDArray[np.float64]]
    classes: list[npt.NDArray[np.int64]]
    dropped: dict[str, list[npt.NDArray[np.bool_]]]


def decide(setting: Setting, documents: Sequence[LabelledDocument]) -> Decided:
    """Scores and classes as the balanced mode gives them, decisions of every mode; all through the public way."""
    decided = Decided([], [], {})
    for mode in MODES:
        pages = [Page(document.text, id=document.id, title=document.title) for document in documents]
        articles = clean_pages(setting.cleaner(mode=mode), pages)
        decided.dropped[mode] = []
        for document, article in zip(documents, articles, strict=True):
            judged = article.judged if article else None
            if judged is None or len(judged.kept) != len(document.lines):
                found = "was rejected" if judged is None else f"came back with {len(judged.kept)} lines"
                raise RuntimeError(f"labelled document {document.id} of {len(document.lines)} lines {found}")
            decided.dropped[mode].append(~np.array(judged.kept, dtype=np.bool_))
            if mode == MODES[0]:
                decided.scores.append(np.array(judged.scores, dtype=np.float64))
                decided.classes.append(np.array(judged.labels, dtype=np.int64))
    return decided


def labelled_documents(setting: Setting) -> str:
    """The section on lines: the model's figures by kind of document, its classes, and the rules beside it."""
    documents = _read_dev_documents(setting)
    decided = decide(setting, documents)
    kinds = {"all": list(range(len(documents)))}
    for kind in ("scraped", "residue", "page"):
        kinds[kind] = [i for i, document in enumerate(documents) if document.kind == kind]
    reports = {kind: _report_of(documents, decided, chosen, setting) for kind, chosen in kinds.items() if chosen}
    columns = {f"dev {kind}": report for kind, report in reports.items()} | _cross_validation(setting)
    reliability = {
        kind: _reliability.Reliability.of(
            np.concatenate([decided.scores[i] for i in chosen]),
            ~IS_KEPT[np.concatenate([documents[i].labels for i in chosen])],
        )
        for kind, chosen in kinds.items()
        if chosen
    }
    if setting.plot:
        setting.plot.write_text(_reliability.plot(reliability), encoding="utf-8")
    return "\n\n".join(
        [
            "### Labelled documents, line by line",
            "AP: average precision of the drop score. Lost: share of article lines (title, body) dropped, a document "
            "counting at most 5. Exact: documents with every line decided rightly. Debris left: articles in which a "
            "line of debris stays. `at 1 % lost` is the threshold chosen on these documents themselves, `balanced` "
            "and the other modes are the model's own.",
            _figures_table(columns),
            f"F1 by class (classes with at least {MIN_CLASS_LINES} lines):",
            _classes_table(columns),
            "Reliability of scores on the dev split: lines in each bin, their mean score → the share of them that is "
            "debris (95 % intervals, Wilson).",
            _reliability.table(reliability),
            *([f"![Share of debris by score]({setting.plot.name})"] if setting.plot else []),
            "Line rules on the same documents:",
            _rules_table(documents, kinds, reports, setting),
        ]
    )


def _read_dev_documents(setting: Setting) -> list[LabelledDocument]:
    documents = _data.read_labelled(setting.labels, "dev")
    # A document without a host may still have a page with one: the pages are read only if so.
    with setting.labels.open(encoding="utf-8") as file:
        without_host = [
            record["page_id"]
            for record in map(json.loads, file)
            if record.get("split") == "dev" and not record.get("host") and record.get("page_id")
        ]
    if not without_host:
        return documents
    return _data.read_labelled(setting.labels, "dev", _data.read_page_sites(setting.corpora, without_host))


def _report_of(
    documents: Sequence[LabelledDocument], decided: Decided, chosen: Sequence[int], setting: Setting
) -> dict[str, Any]:
    return text_report(
        [documents[i].labels for i in chosen],
        [decided.scores[i] for i in chosen],
        [decided.classes[i] for i in chosen],
        [documents[i].site for i in chosen],
        {mode: [dropped[i] for i in chosen] for mode, dropped in decided.dropped.items()},
        n_resamples=setting.n_resamples,
    )


def _cross_validation(setting: Setting) -> dict[str, Mapping[str, Any]]:
    """Reports of cross-validation that the trainer left in the model's manifest: one, or one for each kind."""
    manifest = Path(setting.cleaner()._judges.model.path) / "manifest.json"
    if not manifest.exists():
        return {}
    stored = json.loads(manifest.read_text(encoding="utf-8")).get("figures", {}).get("cv") or {}
    if "average_precision" in stored:
        return {"cv all": stored}
    return {
        f"cv {kind}": report
        for kind, report in stored.items()
        if isinstance(report, dict) and "average_precision" in report
    }


_NAMES = {
    "f1": "drop F1",
    "precision": "precision",
    "recall": "recall",
    "lost": "lost",
    "exact_documents": "exact",
    "articles_with_debris": "debris left",
}


def _figures_table(columns: Mapping[str, Mapping[str, Any]]) -> str:
    def row(name: str, *path: str) -> list[str]:
        return [
            name,
            *(_report.figure(_find(report, path), as_percent=path[-1] == "lost") for report in columns.values()),
        ]

    sizes = [" / ".join(f"{r.get(n, 0):,}" for n in ("n_documents", "n_lines", "n_sites")) for r in columns.values()]
    rows = [["documents / lines / sites", *sizes], row("AP", "average_precision")]
    for loss in dict.fromkeys(loss for report in columns.values() for loss in report.get("at_loss", {})):
        for name in ("f1", "precision", "recall"):
            rows.append(row(f"{_NAMES[name]} at {100 * float(loss):g} % lost", "at_loss", loss, name))
    for mode in MODES:
        rows += [row(f"{mode}: {shown}", "modes", mode, name) for name, shown in _NAMES.items()]
    rows.append(row("calibration error", "expected_calibration_error"))
    rows.append(row("macro-F1 of classes", "macro_f1"))
    return _report.table(["", *columns], rows)


def _find(report: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The value under these keys, None where one of them is missing: older manifests hold fewer figures."""
    value: Any = report
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _classes_table(columns: Mapping[str, Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for report in columns.values() for name in report.get("class_f1", {})))
    rows = [[name, *(_report.figure(r.get("class_f1", {}).get(name)) for r in columns.values())] for name in names]
    return _report.table(["class", *columns], rows)


def _rules_table(
    documents: Sequence[LabelledDocument],
    kinds: Mapping[str, Sequence[int]],
    reports: Mapping[str, Mapping[str, Any]],
    setting: Setting,
) -> str:
    def cells(report: Mapping[str, Any]) -> list[str]:
        return [_report.figure(report[name], as_percent=name == "lost") for name in _NAMES]

    rows = []
    for kind in ("all", "scraped"):
        chosen = [documents[i] for i in kinds[kind]]
        if not chosen:
            continue
        rows.append([kind, f"ours, {MODES[0]}", *cells(reports[kind]["modes"][MODES[0]])])
        for name, keeps in RULES.items():
            dropped = [np.array([not keeps(line) for line in document.lines]) for document in chosen]
            report = decision_report(
                [document.labels for document in chosen],
                dropped,
                [document.site for document in chosen],
                setting.n_resamples,
            )
            rows.append([kind, name, *cells(report)])
    return _report.table(["documents", "", *_NAMES.values()], rows)
