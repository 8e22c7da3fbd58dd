"""How inputs are cut into tasks that have names."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from command_line import write_records

from cleaner.batch.read import read_task
from cleaner.batch.tasks import Reading, Task, cut_tasks, read_again
from cleaner.readers.sources import Source, find_sources


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    """A text, two blocks of records, two pages that share a task."""
    (tmp_path / "a.txt").write_text("The bridge reopened.")
    write_records(tmp_path / "b.jsonl", [{"id": number, "text": "The bridge."} for number in range(1500)])
    for name in ("c.html", "d.html"):
        (tmp_path / name).write_text("<p>The bridge reopened.</p>")
    return find_sources([str(tmp_path)]).sources


def cut(sources: list[Source]) -> list[Task]:
    return [task for task in cut_tasks(sources, Reading()) if task is not None]


def test_a_task_is_named_by_its_source_and_by_its_block(sources: list[Source]) -> None:
    tasks = cut(sources)
    assert [task.key for task in tasks] == [(0, 0), (1, 0), (1, 1), (2, 0)]
    assert [task.is_last for task in tasks] == [True, False, True, True]
    assert [task.name for task in tasks] == ["a.txt", "b.jsonl", "b.jsonl", "c.html"]


def test_the_same_inputs_are_cut_into_the_same_tasks(sources: list[Source]) -> None:
    assert cut(sources) == cut(sources)


def test_a_task_can_be_read_again_by_its_key(sources: list[Source]) -> None:
    for task in cut(sources):
        assert read_again(sources, task.key, Reading()) == task
    with pytest.raises(KeyError):
        read_again(sources, (1, 2), Reading())


def test_sources_that_are_not_wanted_are_left_out_and_the_others_keep_their_keys(sources: list[Source]) -> None:
    assert [task.key for task in cut_tasks(sources, Reading(), skip={0, 1}) if task] == [(2, 0)]


def test_a_task_that_was_sent_to_a_worker_holds_the_same_documents(sources: list[Source]) -> None:
    for task in cut(sources):
        sent = pickle.loads(pickle.dumps(task))
        assert list(read_task(sent, Reading())) == list(read_task(task, Reading()))
