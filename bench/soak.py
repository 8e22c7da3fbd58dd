"""Runs that are killed again and again, and memory over long runs: what takes too long for the tests.

    python bench/soak.py [--kills 200] [--documents 1000000] [--only kills|memory]

Kills a run into a folder at random moments and starts it again until it ends, over and over, until so many kills are
done: what was written must be that of an undisturbed run, byte for byte, with no process left behind. Then cleans
10,000 and a million short documents and compares the peaks of memory of the run and of its workers. A run that does not
come to its end with the records that there are proves nothing, and counts as failed. Leaves with 1 where something does
not hold.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
LINES = (
    "The bridge over the Lenn reopened on Monday, two years after flood {} carried away its middle arch.",
    "Share on Facebook",
    "Read more: Harbour tunnel {} to close for repairs",
    "“We have waited long enough,” said the mayor, who walked across it with {} residents.",
)
# Peaks of memory may differ by so much between a short and a long run.
MOST_GROWTH = 0.10
# A record in so many is broken off, which a run tells by its exit code.
BROKEN_EVERY = 1000
EXIT_REJECTED = 3
# Processes of a soak are known by this name in their environment, which they inherit.
MARK = "CLEANER_SOAK"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--only", choices=("kills", "memory"))
    given = parser.parse_args()
    holds = True
    with tempfile.TemporaryDirectory(prefix="cleaner-soak-") as folder:
        if given.only != "memory":
            holds &= soak_kills(Path(folder), Inputs(Path(folder) / "in"), given.kills, random.Random(given.seed))
        if given.only != "kills":
            holds &= soak_memory(Path(folder), given.documents)
    return 0 if holds else 1


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "cleaner", "clean", *map(str, arguments), "--quiet"]


def start(arguments: list[str], mark: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(arguments, stderr=subprocess.DEVNULL, env={**os.environ, MARK: mark})


def write_documents(path: Path, n_documents: int, repeats: int = 1) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(n_documents):
            text = "\n\n".join(line.format(number) for line in LINES * repeats)
            url = f"https://www.site{number % 997}.example/{number}"
            row = json.dumps({"id": number, "url": url, "text": text}, ensure_ascii=False)
            file.write((row if number % BROKEN_EVERY != BROKEN_EVERY - 1 else row[:40]) + "\n")


def digests(folder: Path) -> dict[str, str]:
    """Hash of each file that a run wrote, but for what it says of itself."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and "_run" not in path.parts]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def failure(code: int, folder: Path, n_documents: int, n_broken: int) -> str | None:
    """Why a run into a folder proves nothing; None where it came to its end, and cleaned all that is not broken.

    Two runs that fail alike leave the same files.
    """
    expected = EXIT_REJECTED if n_broken else 0
    if code != expected:
        return f"left with {code} instead of {expected}"
    if not (folder / "_SUCCESS").is_file():
        return "wrote no _SUCCESS"
    counts = json.loads((folder / "_run" / "run.json").read_text(encoding="utf-8"))["counts"]
    if (counts["cleaned"], counts["rejected"]) != (n_documents - n_broken, n_broken):
        return f"cleaned {counts['cleaned']:,} and rejected {counts['rejected']:,} of {n_documents:,} documents"
    if not sum(path.stat().st_size for path in folder.glob("part-*")):
        return "wrote no records"
    return None


@dataclass(frozen=True)
class Inputs:
    """Files of records, some of them broken off, and texts."""

    folder: Path
    n_files: int = 3
    n_records: int = 8_000
    n_texts: int = 100

    def write(self) -> None:
        self.folder.mkdir()
        for number in range(self.n_files):
            write_documents(self.folder / f"{number}.jsonl", self.n_records, repeats=3)
        for number in range(self.n_texts):
            text = "\n\n".join(line.format(number) for line in LINES)
            (self.folder / f"{number:03}.txt").write_text(text, encoding="utf-8")

    def failure(self, code: int, out: Path) -> str | None:
        n_broken = self.n_files * (self.n_records // BROKEN_EVERY)
        return failure(code, out, self.n_files * self.n_records + self.n_texts, n_broken)


def soak_kills(folder: Path, inputs: Inputs, n_kills: int, dice: random.Random) -> bool:
    inputs.write()
    forms: Sequence[tuple[str, ...]] = ((), ("--to", "jsonl", "--shard-size", "4M"), ("--to", "parquet"))
    wholes = []
    for number, form in enumerate(forms):
        whole = folder / f"whole-{number}"
        started_s = time.monotonic()
        code = start(command(inputs.folder, "-o", f"{whole}/", *form), str(folder)).wait()
        wholes.append((form, whole, time.monotonic() - started_s))
        if problem := inputs.failure(code, whole):
            print(f"the undisturbed run {' '.join(form)} {problem}", flush=True)
            return False
    n_done, holds = 0, True
    while n_done < n_kills:
        for form, whole, seconds in wholes:
            if n_done < n_kills:
                n_more, code = kill_until_done(folder, inputs, form, n_kills - n_done, seconds, dice)
                n_done += n_more
                problem = difference(inputs, code, folder / "out", whole) or left_behind(str(folder))
                print(f"{n_done} kills, {' '.join(form) or 'texts and records'}: {problem or 'same'}", flush=True)
                holds = holds and problem is None
    return holds


def kill_until_done(
    folder: Path, inputs: Inputs, form: tuple[str, ...], most_kills: int, seconds: float, dice: random.Random
) -> tuple[int, int]:
    """How often the run was killed before it came to its end, and the exit code of the last one. seconds: how long an
    undisturbed one takes."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    n_kills = 0
    while True:
        process = start(command(inputs.folder, "-o", f"{out}/", "--workers", "2", *form), str(folder))
        try:
            return n_kills, process.wait(timeout=dice.uniform(0.2, 0.6 * seconds) if n_kills < most_kills else None)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            n_kills += 1


def difference(inputs: Inputs, code: int, out: Path, whole: Path) -> str | None:
    """What is wrong with the run that was killed; None where it wrote what the undisturbed one did."""
    if problem := inputs.failure(code, out):
        return f"the run that was killed {problem}"
    ours, expected = digests(out), digests(whole)
    names = sorted(name for name in {*ours, *expected} if ours.get(name) != expected.get(name))
    return f"DIFFERS in {', '.join(names[:5])}" if names else None


def left_behind(mark: str) -> str | None:
    """Which processes of the soak are still there; each worker must have seen that it has no parent."""
    time.sleep(1)
    pids = [process.pid for process in psutil.process_iter() if mark_of(process) == mark]
    return f"LEFT BEHIND: processes {pids}" if pids else None


def mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def soak_memory(folder: Path, n_documents: int) -> bool:
    peaks: dict[int, int] = {}
    for n in (10_000, n_documents):
        path, out = folder / f"{n}.jsonl", folder / f"memory-{n}"
        write_documents(path, n)
        started_s = time.monotonic()
        process = start(command(path, "-o", f"{out}/", "--workers", "2"), str(folder))
        peaks[n] = peak_of(process)
        print(f"{n:,} documents: peak {peaks[n] / 1e6:.0f} MB in {time.monotonic() - started_s:.0f} s", flush=True)
        if problem := failure(process.wait(), out, n, n // BROKEN_EVERY):
            print(f"the run {problem}", flush=True)
            return False
        path.unlink()
    growth = peaks[n_documents] / peaks[10_000] - 1
    print(f"growth: {growth:+.1%}")
    return growth <= MOST_GROWTH


def peak_of(process: subprocess.Popen[bytes]) -> int:
    """The most memory that a run and its workers held together, in bytes, when it has come to its end."""
    family = psutil.Process(process.pid)
    peak = 0
    while process.poll() is None:
        try:
            members = [family, *family.children(recursive=True)]
            peak = max(peak, sum(member.memory_info().rss for member in members))
        except psutil.Error:
            pass
        time.sleep(0.05)
    return peak


if __name__ == "__main__":
    sys.exit(main())
