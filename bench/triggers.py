"""Teasers and promotion whose opening words were never seen in training: how many are found all the same.

    python bench/triggers.py --corpora ../shared [--plan small|medium|full] [--groups N]

Phrases that lines of class teaser or promo open with ("Read more:", "Related") are found by counting, in any language,
and parted into groups that share no word. For each group models are fitted, by site, to documents out of which every
line that opens with one of its phrases was taken; then they judge those lines, in their whole documents, beside the
ordinary models. A second table is of made documents: pointers "PHRASE: headline of another site" set into articles of
the dev split. Prints its tables and, with the plans medium and full, replaces its section of bench/RESULTS.md; small is
to try things out. Intervals are 95 %, by drawing sites.
"""

from __future__ import annotations

import os

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[_name] = "1"

import argparse
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import _report
from bench._training import PLANS, BenchPlan, CrossValidation, Weights, shipped_vectors, training_files
from cleaner.labels import LABEL_INDEX
from cleaner.learn.corpus import LabelledDocument, group_documents
from cleaner.learn.evaluate import bootstrap_interval, threshold_at_loss
from cleaner.learn.package import FlatJudgement, input_kind, judge_document, measure_thresholds
from cleaner.learn.train import Fitted
from cleaner.learn.workflow import TrainingData, read_training_data
from cleaner.model.artefact import DEFAULT_DROPPED, DEFAULT_MODEL, INPUT_KINDS, decide, load_model

WANTED, GOAL = 0.8, 0.9
"""Share of lines of unseen phrases to be found."""

POINTERS = (LABEL_INDEX["teaser"], LABEL_INDEX["promo"])

_MARK = re.compile(r"\s*(?:[:：|»›>…]|\s[-–—]\s|[–—]|\.\.\.)")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_MAX_WORDS = 5
_MIN_SITES, _SHOWN_SITES = 2, 4
_MAX_ARTICLE_SHARE = 0.2
# A site repeats its phrase in every document; more lines of it say nothing new.
_MAX_LINES_OF_SITE = 5

Phrase = tuple[str, ...]


@dataclass
class Trigger:
    """A phrase and the lines of class teaser or promo that open with it, as (document, line). shown: as it is written.

    A line belongs to the longest of its phrases.
    """

    phrase: Phrase
    shown: str
    is_marked: bool
    lines: list[tuple[int, int]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return " ".join(self.phrase)


@dataclass(frozen=True)
class Opening:
    """The words that a line may be known by, folded. marked: those before a colon or dash, or all of a short line.

    first: the first words of the line, or of what stands before the mark, three at most.
    """

    marked: Phrase
    first: Phrase

    @classmethod
    def of(cls, line: str) -> Opening:
        mark = _MARK.search(line)
        head = line[: mark.start()] if mark else line
        words = _fold(head)
        is_phrase = 0 < len(words) <= _MAX_WORDS and not any(character.isdigit() for character in head)
        return cls(words if is_phrase else (), words[:3])

    def phrases(self) -> set[Phrase]:
        """What the line may be known by; one word alone only where something marks it off."""
        return {self.marked, self.first[:2], self.first} - {(), self.first[:1]} | ({self.marked} - {()})

    def opens_with(self, phrases: set[Phrase], is_debris: bool) -> bool:
        """Whether the line opens with one of the phrases.

        In a line of an article a single word must be marked off: "More than 500 came" is no pointer.
        """
        if self.marked in phrases or self.first[:2] in phrases or self.first in phrases:
            return True
        return is_debris and self.first[:1] in phrases


def _fold(text: str) -> Phrase:
    return tuple(_WORD.findall(text.casefold()))


def find_triggers(documents: Sequence[LabelledDocument], sites: Sequence[int]) -> list[Trigger]:
    """The phrases that teasers and promotion of at least two sites open with, and article lines hardly ever.

    sites: a number for each document. The phrases with most lines first.
    """
    at_sites: dict[Phrase, set[int]] = defaultdict(set)
    debris, article = Counter[Phrase](), Counter[Phrase]()
    openings = [[Opening.of(line) for line in document.lines] for document in documents]
    for number, document in enumerate(documents):
        for opening, label, drop in zip(openings[number], document.labels.tolist(), document.drops, strict=True):
            for phrase in opening.phrases():
                (debris if drop else article)[phrase] += 1
                if label in POINTERS:
                    at_sites[phrase].add(sites[number])
    chosen = {
        phrase
        for phrase, found in at_sites.items()
        if len(found) >= _MIN_SITES and article[phrase] <= _MAX_ARTICLE_SHARE * (article[phrase] + debris[phrase])
    }
    triggers: dict[Phrase, Trigger] = {}
    for number, document in enumerate(documents):
        for line, label in enumerate(document.labels.tolist()):
            known = openings[number][line].phrases() & chosen
            if label not in POINTERS or not known:
                continue
            phrase = max(known, key=lambda known: (len(known), known))
            is_marked = phrase == openings[number][line].marked
            shown = _MARK.split(document.lines[line])[0].strip() if is_marked else " ".join(phrase)
            trigger = triggers.setdefault(phrase, Trigger(phrase, shown, is_marked))
            if sum(sites[other] == sites[number] for other, _ in trigger.lines) < _MAX_LINES_OF_SITE:
                trigger.lines.append((number, line))
    return sorted(triggers.values(), key=lambda trigger: (-len(trigger.lines), trigger.phrase))


def group_triggers(triggers: Sequence[Trigger], n_groups: int) -> list[list[Trigger]]:
    """The triggers in groups of about as many lines each; those that share a word of three letters stay together."""
    parents = list(range(len(triggers)))

    def root(index: int) -> int:
        while parents[index] != index:
            index = parents[index]
        return index

    first_with: dict[str, int] = {}
    for index, trigger in enumerate(triggers):
        for word in trigger.phrase:
            if len(word) >= 3 or len(trigger.phrase) == 1:
                parents[root(index)] = root(first_with.setdefault(word, index))
    families: dict[int, list[Trigger]] = defaultdict(list)
    for index, trigger in enumerate(triggers):
        families[root(index)].append(trigger)
    groups: list[list[Trigger]] = [[] for _ in range(n_groups)]
    for family in sorted(families.values(), key=lambda family: -_n_lines(family)):
        min(groups, key=_n_lines).extend(family)
    return [group for group in groups if group]


def _n_lines(triggers: Sequence[Trigger]) -> int:
    return sum(len(trigger.lines) for trigger in triggers)


def without_openings(document: LabelledDocument, phrases: set[Phrase]) -> LabelledDocument:
    """The document without the lines that open with one of the phrases; itself where it has none."""
    left = [
        line
        for line, (text, drop) in enumerate(zip(document.lines, document.drops.tolist(), strict=True))
        if not Opening.of(text).opens_with(phrases, drop)
    ]
    if len(left) == len(document.lines):
        return document
    return replace(document, lines=tuple(document.lines[line] for line in left), labels=document.labels[left])


# --- models ---


@dataclass(frozen=True)
class Judge:
    """Models of a cross-validation and what they decide by. at_loss: the threshold at 1 % of article lines lost."""

    models: CrossValidation
    by_kind: Mapping[str, float]
    at_loss: float

    @classmethod
    def of(cls, models: CrossValidation, fitted: Fitted) -> Judge:
        balanced = measure_thresholds(fitted)["balanced"]
        flat = FlatJudgement(list(zip(fitted.documents, fitted.weights, strict=True)))
        by_kind = {kind: balanced[kind]["threshold"] for kind in INPUT_KINDS}
        return cls(models, by_kind, threshold_at_loss(flat.scores, flat.keep, flat.doc_ids, 0.01))

    def finds(self, weights: Weights) -> npt.NDArray[np.bool_]:
        """For each line of a document whether it goes, as balanced and at 1 % lost; bool, shape (n_lines, 2)."""
        scores = decide(weights, DEFAULT_DROPPED, 1.0).scores
        return np.stack([scores >= self.by_kind[input_kind(weights)], scores >= self.at_loss], axis=1)


def fit_judge(
    documents: Sequence[LabelledDocument],
    pages: Sequence[LabelledDocument],
    plan: BenchPlan,
    phrases: set[Phrase],
    whole: Sequence[int],
) -> tuple[Judge, dict[int, Weights]]:
    """Models that have never seen a line which opens with one of the phrases, and class weights of whole documents.

    whole: numbers of the documents that are to be judged with all their lines. One of which nothing is left without
    such lines is judged by nobody.
    """
    kept, numbers = [], []
    for number, document in enumerate(documents):
        cut = without_openings(document, phrases)
        if cut.lines:
            kept.append(cut)
            numbers.append(number)
    cut_pages = [page for page in (without_openings(page, phrases) for page in pages) if page.lines]
    wanted = set(whole)
    to_judge = {place: documents[number] for place, number in enumerate(numbers) if number in wanted}
    models = CrossValidation(kept, cut_pages, plan.plan, _note, shipped_vectors(), whole=to_judge)
    judge = Judge.of(models, models.run())
    return judge, {numbers[place]: weights for place, weights in models.whole_weights.items()}


_note = partial(print, flush=True)


# --- measuring ---


@dataclass(frozen=True)
class Found:
    """What became of a line: whether the ordinary models find it, and those without its phrase.

    ordinary, held_out: bool, shape (2,): as balanced, at 1 % lost.
    """

    group: int
    phrase: str
    site: int
    ordinary: npt.NDArray[np.bool_]
    held_out: npt.NDArray[np.bool_]


def measure(
    data: TrainingData, dev: Sequence[LabelledDocument], plan: BenchPlan, n_groups: int, n_made: int
) -> tuple[list[list[Trigger]], list[Found], list[Found]]:
    """The groups, what became of their lines, and of made pointers in dev articles."""
    documents, pages = data.labelled, plan.choose_data(data).pages
    real = [document for document in documents if document.is_measured]  # the others come last
    sites = group_documents(real).tolist()
    groups = group_triggers(find_triggers(real, sites), n_groups)
    _note(f"{sum(map(len, groups))} phrases, {sum(map(_n_lines, groups))} lines in {len(groups)} groups")
    tested = [number for group in groups for trigger in group for number, _ in trigger.lines]
    ordinary, ordinary_weights = fit_judge(documents, pages, plan, set(), tested)
    # To guess the classes of the pages' debris anew each time would double the time of stage one for nothing.
    pages = ordinary.models.pages_as_guessed()
    found, found_made = [], []
    for number, group in enumerate(groups):
        _note(f"without group {number + 1} of {len(groups)}")
        phrases = {trigger.phrase for trigger in group}
        whole = [document for trigger in group for document, _ in trigger.lines]
        held_out, weights = fit_judge(documents, pages, plan, phrases, whole)
        for trigger in group:
            for document, line in trigger.lines:
                if document in weights:
                    both = [
                        judge.finds(by[document])[line]
                        for judge, by in ((ordinary, ordinary_weights), (held_out, weights))
                    ]
                    found.append(Found(number, trigger.name, sites[document], *both))
        found_made += _judge_made(number, group, dev, ordinary, held_out, n_made)
    return groups, found, found_made


def _judge_made(
    number: int,
    group: Sequence[Trigger],
    dev: Sequence[LabelledDocument],
    ordinary: Judge,
    held_out: Judge,
    n_made: int,
) -> Iterator[Found]:
    sites = group_documents(dev).tolist()
    for made in make_pointers(dev, group, n_made, np.random.default_rng([number, 31])):
        every = [
            [judge.finds(weights)[made.line] for weights in judge.models.judge(made.document)]
            for judge in (ordinary, held_out)
        ]
        yield from (Found(number, made.phrase, sites[made.article], *both) for both in zip(*every, strict=True))


@dataclass(frozen=True)
class MadePointer:
    """A document with a pointer set in: in which article of the given ones, at which line, and with which phrase."""

    document: LabelledDocument
    article: int
    line: int
    phrase: str


def make_pointers(
    documents: Sequence[LabelledDocument], triggers: Sequence[Trigger], n_made: int, rng: np.random.Generator
) -> Iterator[MadePointer]:
    """Clean articles with a line "PHRASE: headline of another site" set in.

    Nothing where there are no clean articles of at least four lines, fewer than two headlines, or no phrases that
    were marked off where they were seen.
    """
    clean = [index for index, document in enumerate(documents) if len(document.lines) > 3 and not document.drops.any()]
    titled = [index for index, document in enumerate(documents) if document.title and len(document.title) > 15]
    marked = [trigger for trigger in triggers if trigger.is_marked]
    if not clean or len(titled) < 2 or not marked:
        return
    for _ in range(n_made):
        index = int(rng.choice(clean))
        document = documents[index]
        others = [other for other in titled if other != index and documents[other].site != document.site]
        if not others:
            continue
        headline = documents[int(rng.choice(others))].title
        trigger = marked[int(rng.integers(len(marked)))]
        line = int(rng.integers(2, len(document.lines) + 1))
        lines = (*document.lines[:line], f"{trigger.shown}: {headline}", *document.lines[line:])
        labels = np.insert(document.labels, line, POINTERS[0])
        yield MadePointer(replace(document, lines=lines, labels=labels), index, line, trigger.name)


# --- report ---


def render(plan: BenchPlan, groups: Sequence[Sequence[Trigger]], found: Sequence[Found], made: Sequence[Found]) -> str:
    """The section with its tables."""
    shown = [f"{models}, {decided}" for decided in ("balanced", "1 % lost") for models in ("ordinary", "held out")]
    head = ["", "lines", "sites", *shown]
    rows = []
    for number, group in enumerate(groups):
        common = [trigger.name for trigger in group if _n_sites(found, trigger) >= _SHOWN_SITES][:4]
        name = f"group {number + 1}, {len(group)} phrases" + (f" ({', '.join(common)})" if common else "")
        rows.append([name, *_cells([entry for entry in found if entry.group == number])])
    rows.append(["all", *_cells(found)])
    rows.append(["all, each phrase weighing the same", *_cells(found, by_phrase=True)])
    of_phrase = defaultdict(list)
    for entry in found:
        of_phrase[entry.phrase].append(entry)
    phrases = [
        [f"`{phrase}`", *_cells(entries)]
        for phrase, entries in sorted(of_phrase.items(), key=lambda item: -len(item[1]))
        if len({entry.site for entry in entries}) >= _SHOWN_SITES
    ]
    made_rows = [
        [f"group {number + 1}", *_cells([entry for entry in made if entry.group == number])]
        for number in sorted({entry.group for entry in made})
    ]
    return "\n\n".join(
        [
            f"## Teasers of unseen forms\n\nBy `bench/triggers.py`, {plan}. {_report.environment()}.\n"
            "In brackets 95 % intervals by bootstrap over sites.",
            "Lines of class teaser or promo of the train split that open with a phrase seen at two sites or more, at "
            f"most {_MAX_LINES_OF_SITE} of a phrase and site, in their documents, by models that saw nothing of the "
            "site. Held out: by models that saw no line which opens with a phrase of the group either. The share of "
            f"the lines that is found; wanted are {_report.share(WANTED, 2)} of lines of unseen phrases, the goal is "
            f"{_report.share(GOAL, 2)}. Each model decides by its own thresholds.",
            _report.table(head, rows),
            f"Phrases of at least {_SHOWN_SITES} sites:",
            _report.table(head, phrases),
            "Pointers `PHRASE: headline of another site` set into dev articles without debris, counted for each "
            "fold's models:",
            _report.table(head, [*made_rows, ["all", *_cells(made)]]),
        ]
    )


def _tell_shipped(dev: Sequence[LabelledDocument], groups: Sequence[Sequence[Trigger]], n_made: int) -> str:
    """What the shipped model, which has seen the phrases, finds of the same made pointers."""
    model = load_model(DEFAULT_MODEL)
    found = []
    for number, group in enumerate(groups):
        for made in make_pointers(dev, group, n_made, np.random.default_rng([number, 31])):
            found.append(not judge_document(model, made.document.lines, made.document.title).kept[made.line])
    share = _report.share(float(np.mean(found))) if found else "–"
    return (
        f"{model.full_name}, trained on these phrases too, finds {share} of {len(found):,} of these pointers, balanced."
    )


def _n_sites(found: Sequence[Found], trigger: Trigger) -> int:
    return len({entry.site for entry in found if entry.phrase == trigger.name})


def _cells(found: Sequence[Found], by_phrase: bool = False) -> list[str]:
    """Lines, sites, and the shares found with their intervals."""
    if not found:
        return ["0", "0", "–", "–", "–", "–"]
    outcomes = np.array([[*entry.ordinary, *entry.held_out] for entry in found], dtype=np.float64)
    sizes = Counter(entry.phrase for entry in found)
    weights = np.array([1 / sizes[entry.phrase] if by_phrase else 1.0 for entry in found])

    def shares(drawn: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        both = drawn * weights
        return (both @ outcomes) / max(float(both.sum()), 1e-9)

    sites = [entry.site for entry in found]
    values = shares(np.ones(len(found)))
    lows, highs = bootstrap_interval(sites, shares)
    columns = [
        f"{_report.share(float(values[i]))} [{_report.share(float(lows[i]))}, {_report.share(float(highs[i]))}]"
        for i in (0, 2, 1, 3)
    ]
    return [f"{len(found):,}", f"{len(set(sites)):,}", *columns]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder that holds corpora/ and labels/")
    parser.add_argument("--plan", choices=PLANS, default="medium", help="how models are fitted")
    parser.add_argument("--groups", type=int, default=5, help="groups of phrases, each of which costs a training")
    parser.add_argument("--made", type=int, default=200, help="documents to make for each group")
    chosen = parser.parse_args(arguments)
    plan = PLANS[chosen.plan]
    data = read_training_data(training_files(chosen.corpora, "train", left_by=()), _note)
    dev = read_training_data(training_files(chosen.corpora, "dev", with_pages=False), _note).labelled
    groups, found, made = measure(data, dev, plan, chosen.groups, chosen.made)
    section = f"{render(plan, groups, found, made)}\n\n{_tell_shipped(dev, groups, chosen.made)}"
    print(f"\n{section}")
    if plan.is_telling:
        _report.write_section("triggers", section)


if __name__ == "__main__":
    main()
