"""Teasers of unseen forms, and the cross-validation behind it; on documents made here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_documents import MICRO, NAV, STORY, TEASER, document, own_documents

from bench import triggers
from bench._training import CrossValidation
from bench.triggers import Opening, find_triggers, group_triggers, make_pointers, without_openings
from cleaner.learn.workflow import TrainingData


def test_a_phrase_that_teasers_of_two_sites_open_with_is_a_trigger_and_that_of_one_site_is_none() -> None:
    documents = [
        document(*STORY, "teaser| Also tonight: Striker signs", site="a.example"),
        document(*STORY, "teaser| ALSO TONIGHT – Bridge closed", "teaser| Harbour diary: Tides", site="b.example"),
    ]
    assert [trigger.name for trigger in find_triggers(documents, [0, 1])] == ["also tonight"]


def test_words_that_articles_open_with_as_well_are_no_trigger() -> None:
    pointers = [document(*STORY, "teaser| The mayor: Her first year", site=f"{n}.example") for n in range(2)]
    article = document("body| The mayor: a portrait", "body| The mayor — who came late — left early.")
    assert find_triggers([*pointers, article], [0, 1, 2]) == []


def test_a_line_counts_for_its_longest_phrase_and_a_site_for_five_lines() -> None:
    documents = [
        document("promo| Sign up for our letter of the day today", site="a.example"),
        document(*["promo| Sign up for our letter of the week"] * 7, site="b.example"),
    ]
    (trigger,) = find_triggers(documents, [0, 1])
    assert trigger.name == "sign up for" and not trigger.is_marked
    assert trigger.lines == [(0, 0), *((1, line) for line in range(5))]


def test_phrases_that_share_a_word_are_held_out_together() -> None:
    names = ["read more", "more", "most read", "related", "elsewhere"]
    found = [triggers.Trigger(tuple(name.split()), name, True, [(n, 0)]) for n, name in enumerate(names)]
    groups = [{trigger.name for trigger in group} for group in group_triggers(found, 2)]
    assert groups == [{"read more", "more", "most read"}, {"related", "elsewhere"}]


@pytest.mark.parametrize(
    ("line", "goes"),
    [
        ("teaser| More: Striker signs", True),
        ("interface| More", True),
        ("teaser| More from the harbour and the coast", True),
        ("body| More than 500 came to see the ferry.", False),
        ("body| No more ferries: the harbour closes", False),
    ],
)
def test_lines_that_open_with_a_phrase_are_taken_out_but_no_sentence_that_happens_to(line: str, goes: bool) -> None:
    cut = without_openings(document(*STORY, line), {("more",)})
    assert len(cut.lines) == len(cut.labels) == (2 if goes else 3)


def test_a_date_before_a_dash_is_no_phrase() -> None:
    assert Opening.of("4 March – Bridge closed").marked == ()
    assert Opening.of("Related – Bridge closed on 4 March").marked == ("related",)


def test_a_made_pointer_stands_inside_a_clean_article_and_names_a_story_of_another_site() -> None:
    documents = [
        document(*STORY, *STORY, site="a.example", title="Ferry runs aground off Corvale"),
        document(*STORY, *STORY, "teaser| Related", site="b.example", title="Striker signs for Alderwick"),
    ]
    trigger = triggers.Trigger(("also", "tonight"), "Also tonight", True)
    made = list(make_pointers(documents, [trigger], 5, np.random.default_rng(1)))
    assert len(made) == 5
    for pointer in made:
        assert pointer.article == 0 and pointer.line >= 2
        assert pointer.document.lines[pointer.line] == "Also tonight: Striker signs for Alderwick"
        assert pointer.document.labels.tolist().count(TEASER) == 1


def test_lines_of_unseen_phrases_are_judged_in_their_documents_by_models_that_did_not_see_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[list[str]] = []
    run = CrossValidation.run

    def watch(self: CrossValidation) -> object:
        seen.append([line for entry in self.labelled for line in entry.lines])
        return run(self)

    monkeypatch.setattr(CrossValidation, "run", watch)
    documents = own_documents()
    groups, found, made = triggers.measure(TrainingData(documents, [], []), documents, MICRO, 2, 2)
    names = {trigger.name for group in groups for trigger in group}
    assert {"also tonight", "from the coast"} <= names and len(groups) == 2
    assert len(found) == sum(len(trigger.lines) for group in groups for trigger in group)
    for group, lines in zip(groups, seen[1:], strict=True):
        phrases = {trigger.phrase for trigger in group}
        assert any(Opening.of(line).marked in phrases for line in seen[0])
        assert not any(Opening.of(line).marked in phrases for line in lines)
    section = triggers.render(MICRO, groups, found, made)
    assert "plan `micro`" in section and "| `also tonight`" in section


# --- cross-validation ---


def test_another_version_of_a_document_is_judged_line_for_line() -> None:
    documents = own_documents(30)
    longer = replace(documents[4], lines=(*documents[4].lines, "More"), labels=np.append(documents[4].labels, NAV))
    models = CrossValidation(documents, [], MICRO.plan, whole={4: longer})
    fitted = models.run()
    assert [len(weights) for weights in fitted.weights] == [len(entry.lines) for entry in documents]
    assert {number: len(weights) for number, weights in models.whole_weights.items()} == {4: len(longer.lines)}
    assert [len(weights) for weights in models.judge(longer)] == [len(longer.lines)] * 3


def test_pages_are_drawn_from_all_over_and_the_same_each_time() -> None:
    pages = [document(*STORY, name=str(number)) for number in range(20)]
    leftovers = [replace(page, id=f"{page.id}|resiliparse", page_id=page.id) for page in pages]
    data = TrainingData([], pages, [], leftovers)
    chosen = MICRO.choose_data(data)
    ids = [page.id for page in chosen.pages]
    assert len(ids) == 5 and ids == [page.id for page in MICRO.choose_data(data).pages]
    assert [left.page_id for left in chosen.leftovers] == ids
    few = TrainingData([], pages[:3], [], leftovers[:3])
    assert MICRO.choose_data(few) is few
