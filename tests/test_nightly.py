"""What docs/nightly.md recommends is run: commands, counts, crontab line, script and the Airflow task.

Its absolute paths are moved below a folder of the test; ``date`` and ``sleep`` are replaced, so that yesterday is
2024-05-01 and nobody waits.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from command_line import write_records
from test_readme import assert_shows, blocks_of, commands_of, run_shell

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("bash") is None, reason="the recipes are written for a POSIX shell"
)
needs_flock = pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock(1) here")

DAY = "2024-05-01"
BLOCKS = list(blocks_of("docs/nightly.md"))
(CRON,) = (block.text for block in BLOCKS if block.language == "cron")
(SCRIPT,) = (block.text for block in BLOCKS if block.text.startswith("#!/bin/sh"))
(DAG,) = (block.text for block in BLOCKS if block.language == "python")
GOOD = {"text": "The bridge over the Lenn reopened on Monday, the mayor said."}
CLEANER = f'exec "{sys.executable}" -m cleaner "$@"'


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of its own: the crawl of a day, the script and the cleaner that it calls."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    for folder in ("var/lock", "var/log", f"crawl/{DAY}", "clean"):
        (tmp_path / folder).mkdir(parents=True)
    write_program(tmp_path / "opt/clean/.venv/bin/cleaner", CLEANER)
    write_program(tmp_path / "opt/clean/nightly.sh", placed(SCRIPT, tmp_path))
    write_program(tmp_path / "bin/date", f'test "$*" = "-d yesterday +%F" && echo {DAY}')
    write_program(tmp_path / "bin/sleep", f'echo "$@" >> "{tmp_path}/slept"')
    return tmp_path


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def placed(text: str, root: Path) -> str:
    """The text with its absolute paths below the root."""
    return re.sub(r"(?<![\w./])/(?=(?:crawl|clean|opt|var)/)", f"{root}/", text)


def write_crawl(root: Path, n_good: int, n_broken: int) -> None:
    write_records(root / "crawl" / DAY / "a.jsonl", [GOOD] * n_good + [b'{"text": "The har'] * n_broken)


def run_script(root: Path) -> tuple[int, int]:
    """Exit code of the script, and how often it waited."""
    done = subprocess.run([root / "opt/clean/nightly.sh"], env=cron_environment(root), capture_output=True)
    slept = root / "slept"
    return done.returncode, len(slept.read_text().splitlines()) if slept.exists() else 0


def cron_environment(root: Path) -> dict[str, str]:
    """As poor as that of cron, but for what this checkout and this test need."""
    return {"PATH": f"{root}/bin:/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parent.parent)}


def test_every_kind_of_block_in_the_recipe_is_known_here() -> None:
    assert [block.language for block in BLOCKS] == ["console", "console", "cron", "sh", "python", "console", "sh"]


def test_the_commands_clean_a_day_and_their_counts_add_up(root: Path) -> None:
    write_crawl(root, 5, 0)
    for block in BLOCKS[:2]:
        for command, shown in commands_of(block):
            assert_shows(shown or "…\n", run_shell(placed(command, root), root))
    assert (root / "clean" / DAY / "_SUCCESS").exists()


def test_the_counts_are_those_of_the_rows_and_of_the_lines_of_errors(root: Path) -> None:
    write_crawl(root, 5, 2)
    assert run_script(root) == (3, 0)
    out = root / "clean" / DAY
    counts = json.loads((out / "_run" / "run.json").read_text())["counts"]
    assert counts["cleaned"] == sum(pq.read_table(path).num_rows for path in out.glob("part-*")) == 5
    assert counts["rejected"] == len((out / "_errors.jsonl").read_text().splitlines()) == 2
    assert counts["lines_in"] == counts["lines_kept"] + counts["lines_removed"]


def test_a_night_with_a_handful_of_broken_records_is_a_success(root: Path) -> None:
    write_crawl(root, 399, 2)
    assert run_script(root) == (0, 0)


def test_a_run_that_was_killed_is_started_again_and_goes_on(root: Path) -> None:
    write_crawl(root, 5, 0)
    write_program(root / "opt/clean/.venv/bin/cleaner", f'mkdir "{root}/tried" && kill -9 $$\n{CLEANER}')
    assert run_script(root) == (0, 1)
    assert (root / "clean" / DAY / "_SUCCESS").exists()


def test_a_crawl_that_is_not_there_is_tried_three_times_and_told(root: Path) -> None:
    (root / "crawl" / DAY).rmdir()
    assert run_script(root) == (1, 3)


def test_a_second_run_into_the_folder_of_another_crawl_is_not_tried_again(root: Path) -> None:
    write_crawl(root, 5, 0)
    assert run_script(root) == (0, 0)
    write_crawl(root, 6, 0)
    assert run_script(root) == (2, 0)


@needs_flock
def test_the_line_of_crontab_runs_the_script_and_writes_a_log_for_machines(root: Path) -> None:
    write_crawl(root, 5, 0)
    assert run_cron(root) == 0
    (event,) = [json.loads(line) for line in (root / "var/log/clean.log").read_text().splitlines()]
    assert (event["event"], event["documents"], event["rejected"]) == ("summary", 5, {})


@needs_flock
def test_a_night_that_is_still_going_on_is_left_alone(root: Path) -> None:
    write_crawl(root, 5, 0)
    holder = subprocess.Popen(
        ["flock", "-n", root / "var/lock/clean.lock", "sh", "-c", "echo held; read _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    assert run_cron(root) == 1
    holder.communicate(b"\n")
    assert not (root / "clean" / DAY).exists()


def run_cron(root: Path) -> int:
    """Exit code of the command in the crontab."""
    line = next(line for line in CRON.splitlines() if not line.startswith("#"))
    command = line.split(maxsplit=5)[5]
    assert "%" not in command, "cron makes line ends of them"
    return subprocess.run(["sh", "-c", placed(command, root)], env=cron_environment(root)).returncode


class FailError(Exception):
    """Stands for the one by which Airflow gives up."""


def airflow_task(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The function that the recipe makes a task of, with an Airflow that hands it out."""
    tasks: list[Any] = []

    def mark_task(**settings: Any) -> Callable[[Any], Any]:
        assert settings == {"retries": 3}
        return lambda function: lambda: tasks.append(function)

    sdk, exceptions = ModuleType("airflow.sdk"), ModuleType("airflow.sdk.exceptions")
    sdk.__dict__.update(dag=lambda **_: lambda function: function, task=mark_task)
    exceptions.__dict__.update(AirflowFailException=FailError)
    for module in (ModuleType("airflow"), sdk, exceptions):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(placed(DAG, root), "nightly.py", "exec"), {"__name__": "nightly"})
    (function,) = tasks
    run = SimpleNamespace(logical_date=None, run_after=datetime(2024, 5, 2, 2, tzinfo=UTC))
    return lambda: function(dag_run=run)


def test_the_airflow_task_cleans_the_day_before(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_crawl(root, 5, 0)
    airflow_task(root, monkeypatch)()
    assert (root / "clean" / DAY / "_SUCCESS").exists()


def test_the_airflow_task_gives_up_where_trying_again_does_not_help(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_crawl(root, 5, 2)
    with pytest.raises(FailError, match="left with 3"):
        airflow_task(root, monkeypatch)()
    shutil.rmtree(root / "crawl" / DAY)
    with pytest.raises(RuntimeError, match="left with 1"):
        airflow_task(root, monkeypatch)()
