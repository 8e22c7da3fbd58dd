"""A run into a folder goes on where it was ended, to the same bytes; and what it says of itself adds up."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import ARTICLE, Finished, clean, read_records, start, write_records

from cleaner.batch.ledger import Ledger
from cleaner.readers import jsonl


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "BLOCK_LINES", 2)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Two files of records, one of them broken in the middle, and two texts."""
    folder = tmp_path / "in"
    folder.mkdir()
    stories = [
        {"id": number, "url": f"https://www.site{number % 2}.co.uk/{number}", "text": ARTICLE} for number in range(9)
    ]
    write_records(folder / "a.jsonl", [*stories[:4], b'{"id": 4, "te', *stories[5:]])
    write_records(folder / "b.jsonl", stories[:3])
    (folder / "c.txt").write_text(ARTICLE)
    (folder / "d.txt").write_text(ARTICLE)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """What a run wrote, but for what it says of itself."""
    paths = [path for path in folder.rglob("*") if path.is_file() and "_run" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def told(folder: Path, name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "_run" / name).read_text())
    return record


class PowerCut(BaseException):
    """Ends a run as nothing else would."""


@pytest.mark.parametrize(
    "to", [(), ("--to", "jsonl"), ("--to", "parquet", "--shard-size", "2K"), ("--to", "jsonl", "--shard-size", "1")]
)
@pytest.mark.parametrize("is_written", [True, False])
def test_a_run_that_was_cut_off_at_any_block_goes_on_to_the_same_bytes(
    inputs: Path,
    tmp_path: Path,
    small_blocks: None,
    monkeypatch: pytest.MonkeyPatch,
    to: tuple[str, ...],
    is_written: bool,
) -> None:
    assert clean(inputs, "-o", tmp_path / "whole", *to).code == 3
    for n_blocks in range(8):
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "add", cut_off_after(n_blocks, Ledger.add, is_written))
            with pytest.raises(PowerCut):
                clean(inputs, "-o", tmp_path / "out", *to)
        assert clean(inputs, "-o", tmp_path / "out", *to).code == 3
        assert content(tmp_path / "out") == content(tmp_path / "whole")
        assert told(tmp_path / "out", "run.json")["counts"] == told(tmp_path / "whole", "run.json")["counts"]
        shutil.rmtree(tmp_path / "out")


def cut_off_after(n_blocks: int, add: Callable[..., None], is_written: bool) -> Callable[..., None]:
    n_left = n_blocks

    def add_or_end(*arguments: Any) -> None:
        nonlocal n_left
        if n_left == 0 and not is_written:
            raise PowerCut
        add(*arguments)
        if n_left == 0:
            raise PowerCut
        n_left -= 1

    return add_or_end


def test_what_is_finished_is_not_cleaned_again(
    inputs: Path, tmp_path: Path, small_blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "add", cut_off_after(3, Ledger.add, True))
        with pytest.raises(PowerCut):
            clean(inputs, "-o", tmp_path / "out")
    cleaned = []
    from cleaner.batch import run

    whole = run.clean_task
    monkeypatch.setattr(run, "clean_task", lambda job, task, care: cleaned.append(task.key) or whole(job, task, care))
    clean(inputs, "-o", tmp_path / "out")
    assert cleaned == [(0, 4), (1, 0), (1, 1), (2, 0)]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows kills no process at once")
def test_kill_9_at_any_moment_leaves_a_run_that_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    story = "\n\n".join(["The bridge over the Lenn reopened on Monday, the mayor said.", "Share on Facebook"] * 4)
    path = write_records(tmp_path / "in.jsonl", [{"text": f"{story} {number}"} for number in range(12_000)])
    assert start(path, "-o", tmp_path / "whole").wait() == 0
    dice = random.Random(7)
    for _ in range(4):
        process = start(path, "-o", tmp_path / "out", "--workers", 2)
        try:
            process.communicate(timeout=dice.uniform(1.0, 4.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    assert start(path, "-o", tmp_path / "out", "--workers", 2).wait() == 0
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_a_finished_run_is_not_done_again_and_leaves_with_its_exit_code(inputs: Path, tmp_path: Path) -> None:
    first = clean(inputs, "-o", tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    second = clean(inputs, "-o", tmp_path / "out")
    assert (first.code, second.code) == (3, 3)
    assert "finished; --restart cleans again" in second.err
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("is_packed", [False, True])
def test_the_output_of_a_run_is_an_input_of_another_and_its_account_is_not(
    inputs: Path, tmp_path: Path, is_packed: bool
) -> None:
    clean(inputs, "-o", tmp_path / "out", *(() if is_packed else ("--to", "jsonl")))
    given, out = tmp_path / "out", tmp_path / "again"
    if is_packed:
        (given / "part-00000.jsonl").unlink()
        (given / "part-00001.jsonl").unlink()
        given = Path(shutil.make_archive(str(given), "gztar", given))
    finished = clean(given, "-o", out, "--to", "jsonl")
    articles = [record["id"] for path in sorted(out.glob("part-*")) for record in read_records(path)]
    counts = told(out, "run.json")["counts"]
    n_run_files = 7 if is_packed else 6  # with _removed.jsonl, which texts have
    assert (finished.code, len(articles), counts["cleaned"]) == (0, *(2 * [2 if is_packed else 13]))
    assert (counts["skipped_by_reason"], counts["records"]) == ({"run_file": n_run_files}, len(articles) + n_run_files)
    assert f"{n_run_files} skipped ({n_run_files} run_file)" in finished.err
    assert clean(given, "-o", out, "--to", "jsonl").code == 0
    assert told(out, "run.json")["counts"] == counts


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("--mode", "recall"), "mode was balanced and is recall"),
        (("--keep", "+caption"), "keep was"),
        (("--removed", "none"), "removed was full and is none"),
        (("--timeout", "5"), "timeout was absent and is 5.0"),
        (("--model", "pages"), "model"),
    ],
)
def test_another_setting_is_refused_and_named(
    inputs: Path, tmp_path: Path, change: tuple[str, ...], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean(inputs, "-o", tmp_path / "out")
    before = content(tmp_path / "out")
    if change[0] == "--model":
        monkeypatch.setattr("cleaner.batch.report._model_fact", lambda model: "other-1@0123456789ab")
        change = ()
    finished = clean(inputs, "-o", tmp_path / "out", *change)
    assert finished.code == 2
    assert named in finished.err
    assert "--restart" in finished.err
    assert content(tmp_path / "out") == before


def touched(inputs: Path) -> None:
    os.utime(inputs / "b.jsonl", (1, 1))


def longer(inputs: Path) -> None:
    (inputs / "b.jsonl").write_text('{"text": "x"}\n')


def gone(inputs: Path) -> None:
    (inputs / "c.txt").unlink()


def joined(inputs: Path) -> None:
    (inputs / "e.txt").write_text(ARTICLE)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (touched, "b.jsonl has changed"),
        (longer, "b.jsonl has changed"),
        (gone, "c.txt is no longer among the inputs"),
        (joined, "e.txt is new among the inputs"),
    ],
)
def test_another_input_is_refused_and_named(
    inputs: Path, tmp_path: Path, change: Callable[[Path], None], named: str
) -> None:
    clean(inputs, "-o", tmp_path / "out")
    change(inputs)
    finished = clean(inputs, "-o", tmp_path / "out")
    assert finished.code == 2
    assert named in finished.err


def test_a_restart_leaves_nothing_of_the_earlier_run(inputs: Path, tmp_path: Path) -> None:
    clean(inputs, "-o", tmp_path / "out")
    (tmp_path / "out" / "notes.md").write_text("mine")
    (inputs / "a.jsonl").unlink()
    (inputs / "c.txt").unlink()
    assert clean(inputs, "-o", tmp_path / "out", "--restart").code == 0
    assert sorted(content(tmp_path / "out")) == [
        "_SUCCESS",
        "_removed.jsonl",
        "d.txt.txt",
        "notes.md",
        "part-00000.jsonl",
    ]


def test_a_shard_that_was_removed_from_a_finished_run_is_told(inputs: Path, tmp_path: Path) -> None:
    clean(inputs, "-o", tmp_path / "out")
    (tmp_path / "out" / "part-00001.jsonl").unlink()
    finished = clean(inputs, "-o", tmp_path / "out")
    assert finished.code == 2
    assert "part-00001.jsonl is no longer as it was written" in finished.err


def test_two_runs_into_one_folder_at_a_time_are_kept_apart(inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    ledger = Ledger(tmp_path / "out")
    finished = clean(inputs, "-o", tmp_path / "out")
    ledger.close()
    assert finished.code == 1
    assert "another run is writing there" in finished.err


def test_the_counts_of_a_run_add_up(inputs: Path, tmp_path: Path) -> None:
    clean(inputs, "-o", tmp_path / "out", "--sample", "60%")
    run, report = told(tmp_path / "out", "run.json"), told(tmp_path / "out", "report.json")
    counts = run["counts"]
    assert counts == report["counts"]
    assert counts["records"] == 14
    assert counts["records"] == sum(counts[name] for name in ("cleaned", "rejected", "skipped", "left_out"))
    assert counts["cleaned"] == sum(counts["verdicts"].values())
    assert counts["rejected"] == sum(counts["rejected_by_reason"].values())
    assert counts["lines_in"] == counts["lines_kept"] + counts["lines_removed"]
    assert counts["lines_in"] == sum(row["lines"] for row in report["lines_by_class"].values())
    assert counts["cleaned"] == sum(report["quality"])
    assert [entry["size_bytes"] for entry in run["inputs"]] == [
        path.stat().st_size for path in sorted(inputs.iterdir())
    ]


def test_the_report_tells_the_sites_and_the_lines_that_went_most_often(inputs: Path, tmp_path: Path) -> None:
    clean(inputs, "-o", tmp_path / "out", "--to", "jsonl")
    report = told(tmp_path / "out", "report.json")
    assert report["removed_lines"] == [{"label": "teaser", "text": "teaser| More news: harbour closes", "count": 13}]
    assert [(site["site"], site["documents"], site["removed"]) for site in report["sites"]] == [
        ("site0.co.uk", 6, 6),
        ("site1.co.uk", 5, 5),
        (None, 2, 2),
    ]
    assert report["speed"]["documents_per_s"] > 0


def documents(finished: Finished) -> list[Any]:
    return [record["id"] for record in finished.records]


@pytest.mark.parametrize("n_lines", [1, 2, 3, 4096])
def test_a_limit_takes_the_first_documents_however_they_are_cut(
    inputs: Path, monkeypatch: pytest.MonkeyPatch, n_lines: int
) -> None:
    monkeypatch.setattr(jsonl, "BLOCK_LINES", n_lines)
    assert documents(clean(inputs, "--limit", "6")) == [0, 1, 2, 3, 5]
    assert documents(clean(inputs, "--limit", "11")) == [0, 1, 2, 3, 5, 6, 7, 8, 0, 1]
    assert documents(clean(inputs, "--limit", "0")) == []
    assert len(documents(clean(inputs, "--limit", "99"))) == 13


def test_a_sample_is_the_same_documents_whatever_lies_around_them(tmp_path: Path) -> None:
    records = [{"id": number, "text": ARTICLE} for number in range(400)]
    path = write_records(tmp_path / "in.jsonl", records)
    sampled = documents(clean(path, "--sample", "10%"))
    assert 20 <= len(sampled) <= 60
    assert documents(clean(path, "--sample", "0.1")) == sampled
    write_records(path, records[:200])
    assert documents(clean(path, "--sample", "10%")) == [number for number in sampled if number < 200]
    assert documents(clean(path, "--sample", "10%", "--limit", "3")) == sampled[:3]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--sample", "0"),
        ("--sample", "150%"),
        ("--max-memory", "much"),
        ("--max-memory", "0"),
        ("--shard-size", "0", "-o", "out/"),
        ("--shard-size", "0.2", "-o", "out/"),
        ("--limit", "2", "--unordered"),
        ("--timeout", "0"),
        ("--timeout", "nan"),
        ("--restart",),
    ],
)
def test_amounts_that_make_no_sense_are_wrong_usage(inputs: Path, arguments: tuple[str, ...]) -> None:
    assert clean(inputs, *arguments).code == 2


def test_a_dry_run_tells_what_it_would_do_and_writes_nothing(inputs: Path, tmp_path: Path) -> None:
    finished = clean(inputs, "-o", tmp_path / "out", "--dry-run")
    assert (finished.code, finished.out, (tmp_path / "out").exists()) == (0, b"", False)
    assert f"path={inputs}/a.jsonl kind=jsonl" in finished.err


def test_a_run_that_reads_a_pipe_keeps_no_ledger(tmp_path: Path) -> None:
    finished = clean("-", "-o", tmp_path / "out", "--from", "jsonl", stdin=json.dumps({"text": ARTICLE}).encode())
    assert finished.code == 0
    assert sorted(path.name for path in (tmp_path / "out" / "_run").iterdir()) == [
        "report.html",
        "report.json",
        "run.json",
    ]


def test_an_output_that_cannot_be_written_keeps_the_ledger_for_a_later_run(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean(inputs, "-o", tmp_path / "whole")
    (tmp_path / "out" / "part-00001.jsonl").mkdir(parents=True)
    assert clean(inputs, "-o", tmp_path / "out").code == 1
    (tmp_path / "out" / "part-00001.jsonl").rmdir()
    assert clean(inputs, "-o", tmp_path / "out").code == 3
    assert content(tmp_path / "out") == content(tmp_path / "whole")


@pytest.mark.slow
def test_freed_from_their_order_the_documents_are_the_same_in_one_row_of_shards(
    inputs: Path, tmp_path: Path, small_blocks: None
) -> None:
    finished = clean(inputs, "-o", tmp_path / "out", "--to", "jsonl", "--workers", "2", "--unordered")
    assert (finished.code, sorted(content(tmp_path / "out"))[1:]) == (3, ["_errors.jsonl", "part-00000.jsonl"])
    ids = [record["id"] for record in read_records(tmp_path / "out" / "part-00000.jsonl")]
    assert sorted(map(str, ids)) == sorted(map(str, documents(clean(inputs))))
