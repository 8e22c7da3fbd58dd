"""Verdicts on pages in HTML, and second opinions: articles that are called none, other pages that are found.

    python bench/verdicts.py --corpora ../shared [--split dev|train] [--model NAME|PATH] [--limit N]
    python bench/verdicts.py --corpora ../shared --fit [--text-model NAME|PATH]

Prints its tables; those of the shipped model on all of dev go into bench/RESULTS.md. With --fit it chooses the weights
of cleaner/verdict.py anew: two page models, each fitted without the sites that it judges, stand for what a model does
on pages that it never saw; that takes two minutes. What was worked out for a page is kept in bench/.cache until the
code or the model changes. One thread throughout.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[_name] = "1"

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import _report
from bench._data import OWN_PAGES, read_marked, read_records
from bench._system import CACHE, keep_out_of_git
from cleaner import Article, Cleaner, Page
from cleaner.extract.html import walk_page
from cleaner.extract.page import parse_page
from cleaner.features.pages import PageBatch
from cleaner.learn.evaluate import shingle_counts
from cleaner.learn.leftovers import EXTRACTORS
from cleaner.learn.line_labels import read_line_labels
from cleaner.learn.page_corpus import label_page
from cleaner.learn.page_train import fit_pages
from cleaner.learn.pages import holds_none
from cleaner.learn.plan import PageTrainingPlan
from cleaner.model.artefact import DEFAULT_MODEL, DEFAULT_PAGE_MODEL, load_model
from cleaner.model.page_model import PageModel
from cleaner.pipeline import MIN_ARTICLE_MASS, _Extracted, _is_left_empty
from cleaner.types import Rejected
from cleaner.verdict import PAGE_FEATURES, describe_page, holds_article, text_mass

GOLD_SOURCES = ("aed", "fundus-tests", "daniel", "irdata", "turing", "wcxb", "crf", "magichtml")
"""Sources whose pages are articles, but for those that a reader found to be none."""

NO_ARTICLES = ("read", "listing", "collection", "product")
"""Kinds of pages that are no article: called so by a reader, or by their source."""

UNCLEAR = ("service", "documentation", "forum")
"""Kinds that may hold one text each; they are counted, and chose nothing."""

OWN_KINDS = ("own article", "own none")
"""Kinds of the pages of our own writing: articles, and what a crawler gets in place of one. They choose no weights."""

LINE_LABELS = ROOT / "data" / "labels" / "pages.tsv"
SUSPECTS = ROOT / "data" / "labels" / "suspects.tsv"
LOST_SHARE = 0.0015
"""Share of the articles that the fitted bias may lose: half of what is allowed, as other pages differ from these."""

_LIMIT = 500
_ALMOST_EMPTY = 300  # below this a second opinion is looked at, to see where it begins to be the worse one
_PLAN = PageTrainingPlan(n_folds=2, gram_epochs=3, hidden=(32, 16), class_hidden=(16,), phases=((2e-3, 3), (5e-4, 1)))


@dataclass(frozen=True)
class Row:
    """What became of a page.

    kind: its source, or what it is instead of an article. features: of `describe_page`; none where the model of texts
    judged it. first: the verdict on the lines of the page; mass: of its text. f1, other_f1: against gold, null without.
    asked, taken: of trafilatura's opinion; other_mass: null where it was not looked at. final: what the cleaner says.
    """

    id: str
    kind: str
    features: tuple[float, ...]
    first: str
    mass: int
    f1: float | None
    asked: bool
    taken: bool
    other_mass: int | None
    other_f1: float | None
    final: str

    @property
    def is_article(self) -> bool:
        return self.kind in GOLD_SOURCES


@dataclass(frozen=True)
class Choice:
    """What a run measures: pages of a split, at most ``limit`` of each source with gold (spread over the file), and
    those of our own of the same split."""

    corpora: Path
    split: str
    limit: int

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Pages with their kinds; those that nobody knows the kind of have the name of their source."""
        no_article = _read_no_articles(self.corpora)
        doubtful = read_marked(self.corpora / "gold_checked.tsv", SUSPECTS) - _cut_gold(self.corpora)
        doubtful |= _read_verdicts(self.corpora / "gold_checked.tsv", {"unread", "unclear"})
        for path in sorted(self.corpora.glob("pages-*.jsonl.zst")):
            source = path.name.removeprefix("pages-").removesuffix(".jsonl.zst")
            records = [record for record in read_records(path) if record["split"] == self.split]
            others = [record for record in records if record["id"] in no_article]
            rest = [record for record in records if record["id"] not in no_article]
            if source in GOLD_SOURCES:
                rest = [record for record in rest if not record.get("gold_suspect") and record["id"] not in doubtful]
            elif source != "wcxb-other" and self.split == "train":
                rest = []  # on the dev split they show how often a second opinion is asked for
            if source != "wcxb-other":
                rest = rest[:: max(-(-len(rest) // self.limit), 1)]
            yield from (("read", record) for record in others)
            yield from ((str(record.get("page_type") if source == "wcxb-other" else source), record) for record in rest)
        yield from read_own(self.split)


def read_own(split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The pages of our own of one split, with their kinds."""
    for record in read_records(OWN_PAGES):
        if record["split"] == split:
            yield OWN_KINDS[holds_none(record)], record


def _read_verdicts(path: Path, wanted: set[str]) -> set[str]:
    head, *rows = (row.split("\t") for row in path.read_text(encoding="utf-8").splitlines())
    page, verdict = head.index("id"), head.index("verdict")
    return {row[page] for row in rows if row[verdict] in wanted}


def _cut_gold(corpora: Path) -> set[str]:
    """Pages whose gold lacks a part or holds too much: articles all the same."""
    return set().union(
        *(_read_verdicts(path, {"gold_cut", "gold_extra"}) for path in (corpora / "gold_checked.tsv", SUSPECTS))
    )


def _read_no_articles(corpora: Path) -> set[str]:
    """Ids of the pages of which a reader said that they are no article."""
    read = read_line_labels(LINE_LABELS).verdicts
    return _read_verdicts(corpora / "gold_checked.tsv", {"no_article"}) | {
        page for page, verdict in read.items() if verdict == "no_article"
    }


# --- what becomes of a page ---


class FirstOpinion(Cleaner):
    """A cleaner that asks nobody else; what it would hear is looked at apart."""

    def _ask_again(self, entry: _Extracted, article: Article) -> Article:
        return article

    def ask(self, entry: _Extracted, article: Article) -> Article:
        """What the cleaner makes of the page in the end."""
        return super()._ask_again(entry, article)


def measure(cleaner: FirstOpinion, kind: str, record: dict[str, Any]) -> Row | None:
    """What the cleaner makes of a page; nothing for one that it rejects."""
    entry = cleaner._extract(Page(record["html"], "html", url=record.get("url")))
    if isinstance(entry, Rejected):
        return None
    first = next(cleaner._judge_and_assemble([entry]))
    is_page = entry.lines.walked is not None
    final = cleaner.ask(entry, first) if is_page else first
    mass = text_mass(first.text)
    page_mass = sum(map(text_mass, entry.lines.texts))
    looked_at = is_page and mass < _ALMOST_EMPTY and page_mass >= 2 * MIN_ARTICLE_MASS
    other = cleaner._clean_by_trafilatura(entry) if looked_at else None
    body = record.get("body")
    judged = first.judged
    assert judged is not None
    return Row(
        id=record["id"],
        kind=kind,
        features=describe_page(judged) if judged.page_lines.walked is not None else (),
        first=first.verdict,
        mass=mass,
        f1=_f1(body, first.text),
        asked=is_page and _is_left_empty(entry.lines, first),
        taken=final is not first,
        other_mass=_mass_of_article(other) if looked_at else None,
        other_f1=_f1(body, other.text if other else "") if looked_at else None,
        final=final.verdict,
    )


def _mass_of_article(article: Article | None) -> int:
    return text_mass(article.text) if article and article.verdict == "article" else 0


def _f1(gold: str | None, text: str) -> float | None:
    if not gold:
        return None
    right, surplus, missing = shingle_counts(gold, text)
    return round(2 * right / max(2 * right + surplus + missing, 1), 4)


def measure_all(
    choice: Choice, cleaner: FirstOpinion, key: str, prepare: Callable[[str], None] = lambda _: None
) -> list[Row]:
    """Rows of all pages; those of an earlier run with the same code, model and ``key`` come from the cache."""
    path = CACHE / f"verdicts-{_hash_code(cleaner, key)}.jsonl"
    known = _read_rows(path)
    rows: list[Row] = []
    keep_out_of_git(path.parent)
    with path.open("a", encoding="utf-8") as file:
        for kind, record in choice.records():
            row = known.get(record["id"])
            if row is None:
                prepare(record["id"])
                row = measure(cleaner, kind, record)
                if row is None:
                    continue
                file.write(json.dumps(asdict(row)) + "\n")
            rows.append(row)
    return rows


def _read_rows(path: Path) -> dict[str, Row]:
    if not path.exists():
        return {}
    with path.open(encoding="utf-8") as file:
        rows = [Row(**{**entry, "features": tuple(entry["features"])}) for entry in map(json.loads, file)]
    return {row.id: row for row in rows}


def _hash_code(cleaner: FirstOpinion, key: str) -> str:
    digest = sha256(f"{cleaner.model_name} {cleaner._judges.page_judge.full_name} {key}".encode())
    for path in sorted((ROOT / "cleaner").rglob("*.py")):
        if path.parent.name not in ("cli", "web", "batch", "readers", "writers"):
            digest.update(path.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:12]


# --- tables ---


def verdict_table(rows: Sequence[Row]) -> str:
    """By kind of page: how many are called no article, at first and after second opinions."""
    kinds = [*GOLD_SOURCES, *NO_ARTICLES, *UNCLEAR, *OWN_KINDS]
    groups = {kind: [row for row in rows if row.kind == kind] for kind in kinds}
    table = []
    for name, members in (
        *((kind, (kind,)) for kind in GOLD_SOURCES),
        ("all articles", GOLD_SOURCES),
        *((kind, (kind,)) for kind in NO_ARTICLES),
        ("all that are none", NO_ARTICLES),
        *((f"{kind} (unclear)", (kind,)) for kind in UNCLEAR),
        *((kind, (kind,)) for kind in OWN_KINDS),
    ):
        chosen = [row for kind in members for row in groups[kind]]
        if not chosen:
            continue
        no_text = sum(not row.mass for row in chosen)
        by_features = sum(bool(row.features) and row.mass > 0 and row.first == "no_article" for row in chosen)
        final = sum(row.final != "article" for row in chosen)
        table.append(
            [name, *map(str, (len(chosen), no_text, by_features, final)), _report.percent(final / len(chosen))]
        )
    return _report.table(
        ["pages", "n", "no text kept", "text, but no article", "no article in the end", "share"], table
    )


def opinions_table(rows: Sequence[Row]) -> str:
    """By source: how often trafilatura was asked and taken, and whether that was right."""
    table = []
    names = [
        *dict.fromkeys(row.kind for row in rows if row.kind not in (*NO_ARTICLES, *UNCLEAR, *OWN_KINDS)),
        *NO_ARTICLES,
        *UNCLEAR,
        *OWN_KINDS,
    ]
    for name in names:
        chosen = [row for row in rows if row.kind == name]
        taken = [row for row in chosen if row.taken]
        scored = [(row.f1, row.other_f1) for row in taken if row.f1 is not None and row.other_f1 is not None]
        better = sum(other > own for own, other in scored)
        means = (
            [_report.share(float(np.mean(column))) for column in zip(*scored, strict=True)] if scored else ["–", "–"]
        )
        became = sum(row.first != "article" and row.final == "article" for row in taken)
        counts = (len(chosen), sum(row.asked for row in chosen), len(taken), better, len(scored) - better)
        table.append([name, *map(str, counts), *means, str(became)])
    return _report.table(
        ["pages", "n", "asked", "taken", "better", "not better", "F1 before", "F1 after", "became articles"], table
    )


def text_table(cleaner: Cleaner, split: str) -> str:
    """The pages of our own as plain text: all of a page's text, and what trafilatura leaves of it."""
    counts: dict[tuple[str, str], list[float]] = {}
    for kind, record in read_own(split):
        whole = "\n".join(walk_page(parse_page(record["html"])).texts)
        left = EXTRACTORS["trafilatura"](record["html"], record["lang"])
        for name, text in (("all text", whole), ("trafilatura, recall", left)):
            if text.strip():
                article = cleaner.clean(text)
                found = _f1(record.get("body"), article.text) or 0.0
                figures = (1, article.verdict == "no_article", len(text), len(article.text), found)
                sums = counts.setdefault((kind, name), [0.0] * len(figures))
                sums[:] = [have + more for have, more in zip(sums, figures, strict=True)]
    table = [
        [kind, name, str(int(n)), str(int(none)), _report.percent(kept / size), _report.share(f1 / n) if f1 else "–"]
        for (kind, name), (n, none, size, kept, f1) in sorted(counts.items())
    ]
    return _report.table(["pages", "as", "n", "no article", "characters kept", "F1"], table)


def bounds_table(rows: Sequence[Row]) -> str:
    """By how much text the page model kept: whether trafilatura's is better, and other pages that it calls articles."""
    table = []
    for low, high in ((0, 1), (1, 50), (50, 100), (100, 150), (150, 200), (200, 250), (250, _ALMOST_EMPTY)):
        here = [row for row in rows if row.other_mass is not None and low <= row.mass < high]
        found = [row for row in here if row.other_mass is not None and row.other_mass >= MIN_ARTICLE_MASS]
        scored = [(row.f1, row.other_f1) for row in found if row.kind not in (*NO_ARTICLES, *UNCLEAR, *OWN_KINDS)]
        gaps = [other - own for own, other in scored if own is not None and other is not None]
        n_others = sum(row.kind in (*NO_ARTICLES, *UNCLEAR) for row in here)
        n_called = sum(row.kind in (*NO_ARTICLES, *UNCLEAR) for row in found)
        counts = (len(gaps), sum(gap > 0.01 for gap in gaps), sum(gap < -0.01 for gap in gaps))
        gain = f"{sum(gaps):+.2f}"
        table.append([f"{low}–{high - 1}", *map(str, counts), gain, f"{n_called} of {n_others}"])
    return _report.table(
        ["text kept", "gold pages", "trafilatura better", "worse", "sum of gains in F1", "no articles called one"],
        table,
    )


# --- weights ---


class OutOfFold:
    """A page model that answers for the page named last as a model that saw no page of its site."""

    def __init__(self, full: PageModel, odds: dict[str, npt.NDArray[np.int64]]) -> None:
        self._full, self._odds = full, odds
        self.page_id = ""

    def name_page(self, page_id: str) -> None:
        self.page_id = page_id

    def exponentials(self, batch: PageBatch, evidence: npt.NDArray[np.int8] | None = None) -> npt.NDArray[np.int64]:
        odds = self._odds.get(self.page_id)
        return odds if odds is not None and len(odds) == len(batch.texts) else self._full.exponentials(batch, evidence)


def fit_out_of_fold(choice: Choice) -> OutOfFold:
    """Page models over the articles of the choice; all other pages are new to them."""
    read, marked = read_line_labels(LINE_LABELS), read_marked(choice.corpora / "gold_checked.tsv", SUSPECTS)
    pages = [
        page
        for kind, record in choice.records()
        if kind in GOLD_SOURCES and not isinstance(page := label_page(record, marked, read), str)
    ]
    fitted = fit_pages(pages, load_model(DEFAULT_MODEL), _PLAN, lambda note: print(note, file=sys.stderr, flush=True))
    odds = {page.id: odds for page, odds in zip(fitted.pages, fitted.odds, strict=True)}
    return OutOfFold(fitted.model, odds)


def fit_weights(rows: Sequence[Row]) -> tuple[float, tuple[float, ...]]:
    """Bias and weights of a logistic regression over pages of which text was kept; see LOST_SHARE."""
    from sklearn.linear_model import LogisticRegression

    chosen = [row for row in rows if row.features and row.mass and row.kind in (*GOLD_SOURCES, *NO_ARTICLES)]
    values = np.array([row.features for row in chosen])
    is_article = np.array([row.is_article for row in chosen])
    scales = np.maximum(values.std(axis=0), 1e-9)
    model = LogisticRegression(class_weight="balanced", max_iter=1000).fit(values / scales, is_article)
    weights = (model.coef_[0] / scales).round(2)
    bias = -np.quantile(values[is_article] @ weights, LOST_SHARE, method="lower")
    n_articles, n_others = int(is_article.sum()), int((~is_article).sum())
    print(f"Fitted to {n_articles} articles and {n_others} other pages of which text was kept.")
    return math.ceil(100 * float(bias)) / 100, tuple(weights.tolist())


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = _parse(arguments)
    choice = Choice(chosen.corpora / "corpora", "train" if chosen.fit else chosen.split, chosen.limit)
    cleaner = FirstOpinion(chosen.text_model, page_model=chosen.model)
    if not chosen.fit:
        rows = measure_all(choice, cleaner, "")
        sections = [
            f"## Verdicts\n\nModel {cleaner._judges.page_judge.full_name}, {choice.split} split. `own` are pages of "
            "our own writing (data/own-pages.jsonl): articles, and walls, errors and lists that stand in place of one.",
            verdict_table(rows),
            f"### Pages of our own as plain text\n\n{text_table(cleaner, choice.split)}",
            f"### Second opinions\n\n{opinions_table(rows)}",
            bounds_table(rows),
        ]
        print("\n\n".join(sections))
        if (chosen.split, chosen.model, chosen.limit) == ("dev", DEFAULT_PAGE_MODEL, _LIMIT):
            _report.write_section("verdicts", "\n\n".join(sections))
        return
    rows = measure_all_out_of_fold(choice, cleaner)
    bias, weights = fit_weights(rows)
    print(f"_WEIGHTS = {weights}  # {', '.join(PAGE_FEATURES)}\n_BIAS = {bias}\n")
    refitted = [with_verdict(row, bias, weights) for row in rows]
    print(f"Train split, each page judged by a model that saw no page of its site:\n\n{verdict_table(refitted)}")
    print(f"\n{bounds_table(rows)}")


def measure_all_out_of_fold(choice: Choice, cleaner: FirstOpinion) -> list[Row]:
    """Rows as `measure_all` gives them, by page models that saw no page of the same site."""
    model: OutOfFold | None = None
    judge = cleaner._judges.page_judge

    def prepare(page_id: str) -> None:
        nonlocal model
        if model is None:  # only where a page is not in the cache
            model = fit_out_of_fold(choice)
            cleaner._judges.__dict__["page_judge"] = replace(judge, page_model=model)  # type: ignore[arg-type]
        model.name_page(page_id)

    return measure_all(choice, cleaner, f"out of fold, {_PLAN}, {choice.limit}", prepare)


def with_verdict(row: Row, bias: float, weights: tuple[float, ...]) -> Row:
    """The row with the verdicts that other weights give."""
    if not row.features or not row.mass or row.first == "spam":
        return row
    first = "article" if holds_article(row.features, bias, weights) else "no_article"
    return replace(row, first=first, final=row.final if row.taken else first)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder that holds corpora/")
    parser.add_argument("--model", default=DEFAULT_PAGE_MODEL, help="name of a packaged page model, or path of one")
    parser.add_argument("--text-model", default=DEFAULT_MODEL, help="likewise, of plain text")
    parser.add_argument("--split", choices=("dev", "train"), default="dev", help="train: training saw these articles")
    parser.add_argument("--limit", type=int, default=_LIMIT, help="at most so many pages of a source (%(default)s)")
    parser.add_argument("--fit", action="store_true", help="choose the weights anew, on the train split")
    chosen = parser.parse_args(arguments)
    if not (chosen.corpora / "corpora" / "gold_checked.tsv").exists():
        parser.error(
            f"{chosen.corpora}: there is no corpora/gold_checked.tsv in it; give the folder that holds corpora/"
        )
    return chosen


if __name__ == "__main__":
    main()
