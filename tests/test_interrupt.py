"""Ctrl-C and SIGTERM: a run ends soon, leaves nobody and nothing behind, and goes on to the same bytes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from command_line import write_records

from cleaner.batch.interrupt import Shield, interrupts_held

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signals to one process")

ROOT = Path(__file__).parent.parent
# Longer than any machine needs for what takes a second.
PATIENCE_S = 60


def start(*command: str, folder: Path) -> subprocess.Popen[str]:
    """A process at the head of a session, as a terminal or a scheduler starts it; ``folder`` takes temporary files."""
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    return subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def wait_until(is_so: Callable[[], object]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.02)


def session_of(pid: int) -> list[int]:
    """Processes that still run in the session of a process."""
    return [process.pid for process in psutil.process_iter() if is_alive_in(process, pid)]


def is_alive_in(process: psutil.Process, session: int) -> bool:
    try:
        return os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


def digests(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and "_run" not in path.parts]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of many blocks, and what an undisturbed run makes of it."""
    folder = tmp_path_factory.mktemp("crawl")
    story = "\n\n".join(["The bridge over the Lenn reopened on Monday, the mayor said.", "Share on Facebook"] * 4)
    write_records(folder / "in.jsonl", [{"text": f"{story} {number}"} for number in range(10_000)])
    assert run_into(folder, folder / "whole").wait() == 0
    return folder


def run_into(crawl: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    command = ("-m", "cleaner", "clean", str(crawl / "in.jsonl"), "-o", f"{out}/", "--shard-size", "1M")
    return start(*command, *options, folder=out.parent / "tmp")


@pytest.mark.slow
@pytest.mark.parametrize("send", [os.kill, os.killpg])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("limits", [(), ("--timeout", "60", "--max-memory", "2G")])
def test_an_interrupted_run_ends_leaves_nothing_behind_and_goes_on_to_the_same_bytes(
    crawl: Path, tmp_path: Path, send: Callable[[int, int], None], number: int, limits: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    process = run_into(crawl, out, "--workers", "2", *limits)
    wait_until(lambda: list(out.glob(".part-*")) or process.poll() is not None)
    send(process.pid, number)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, told
    assert told.startswith("cleaner: interrupted, what was finished is kept: ")
    assert len(told.splitlines()) == 1
    wait_until(lambda: not session_of(process.pid))
    assert os.listdir(tmp_path / "tmp") == []
    assert list(out.rglob(".*")) == []
    assert sorted(path.name for path in (out / "_run").iterdir()) == ["ledger.sqlite"]
    assert not (out / "_SUCCESS").exists()
    assert run_into(crawl, out, "--workers", "2", *limits).wait() == 0
    assert digests(out) == digests(crawl / "whole")


@pytest.mark.slow
def test_a_run_is_interrupted_before_it_has_begun_to_clean(crawl: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = run_into(crawl, out, "--workers", "2")
    wait_until(lambda: (out / "_run").exists())
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE_S) == 130
    wait_until(lambda: not session_of(process.pid))
    assert run_into(crawl, out, "--workers", "2").wait() == 0
    assert digests(out) == digests(crawl / "whole")


SLOW_TO_KEEP = """
import sys, time
from cleaner.batch.interrupt import Shield
shield = Shield()
try:
    print("cleaning", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    print("keeping", flush=True)
    time.sleep(float(sys.argv[1]))
print("kept", flush=True)
"""


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return (line.strip() for line in process.stdout)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_interrupt_stops_at_once(tmp_path: Path, number: int) -> None:
    process = start("-c", SLOW_TO_KEEP, "600", folder=tmp_path)
    lines = lines_of(process)
    assert next(lines) == "cleaning"
    process.send_signal(number)
    assert next(lines) == "keeping"
    time.sleep(0.6)
    process.send_signal(number)
    assert process.wait(timeout=PATIENCE_S) == 130
    assert list(lines) == []


def test_an_interrupt_that_comes_twice_at_a_time_is_one(tmp_path: Path) -> None:
    process = start("-c", SLOW_TO_KEEP, "0.3", folder=tmp_path)
    lines = lines_of(process)
    assert next(lines) == "cleaning"
    process.send_signal(signal.SIGTERM)
    assert next(lines) == "keeping"
    process.send_signal(signal.SIGTERM)
    assert (process.wait(timeout=PATIENCE_S), list(lines)) == (0, ["kept"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_the_end_of_a_write(number: int) -> None:
    shield, written = Shield(), []
    try:
        with pytest.raises(KeyboardInterrupt), shield:
            os.kill(os.getpid(), number)
            written.append("the whole record")
    finally:
        shield.remove()
    assert written == ["the whole record"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_a_worker_is_started_is_not_lost_and_not_heard_by_the_worker(
    tmp_path: Path, number: int
) -> None:
    shield = Shield()  # takes SIGTERM for an interrupt, as every run does
    try:
        with pytest.raises(KeyboardInterrupt), interrupts_held():
            worker = start("-c", "import time; print('started', flush=True); time.sleep(600)", folder=tmp_path)
            os.kill(os.getpid(), number)
            os.kill(worker.pid, number)
            assert next(lines_of(worker)) == "started"
        assert worker.poll() is None
    finally:
        shield.remove()
        worker.kill()
        worker.communicate()
