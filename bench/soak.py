"""Runs that are killed again and again, and memory over long runs: what takes too long for the tests.

    python bench/soak.py [--kills 200] [--documents 1000000] [--only kills|memory]

Kills a run into a folder at random moments and starts it again until it ends, over and over, until so many kills are
done: what was written must be that of an undisturbed run, byte for byte, with no process left behind. Then cleans
10,000 and a million short documents and compares the peaks of memory of the run and of its workers. Leaves with 1 where
something does not hold.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
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
            holds &= soak_kills(Path(folder), given.kills, random.Random(given.seed))
        if given.only != "kills":
            holds &= soak_memory(Path(folder), given.documents)
    return 0 if holds else 1


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "cleaner", "clean", *map(str, arguments), "--quiet"]


def write_documents(path: Path, n_documents: int, repeats: int = 1) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(n_documents):
            text = "\n\n".join(line.format(number) for line in LINES * repeats)
            url = f"https://www.site{number % 997}.example/{number}"
            # A record in a thousand is broken off.
            row = json.dumps({"id": number, "url": url, "text": text}, ensure_ascii=False)
            file.write((row if number % 1000 != 999 else row[:40]) + "\n")


def digests(folder: Path) -> dict[str, str]:
    """Hash of each file that a run wrote, but for what it says of itself."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and "_run" not in path.parts]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def soak_kills(folder: Path, n_kills: int, dice: random.Random) -> bool:
    inputs = folder / "in"
    inputs.mkdir()
    for number in range(3):
        write_documents(inputs / f"{number}.jsonl", 8_000, repeats=3)
    for number in range(100):
        (inputs / f"{number:03}.txt").write_text("\n\n".join(line.format(number) for line in LINES), encoding="utf-8")
    forms: Sequence[tuple[str, ...]] = ((), ("--to", "jsonl", "--shard-size", "4M"), ("--to", "parquet"))
    n_done, holds = 0, True
    while n_done < n_kills:
        for form in forms:
            if n_done < n_kills:
                n_more, same = kill_until_done(folder, inputs, form, n_kills - n_done, dice)
                n_done, holds = n_done + n_more, holds and same
                print(
                    f"{n_done} kills, {' '.join(form) or 'texts and records'}: {'same' if same else 'DIFFERS'}",
                    flush=True,
                )
    return holds


def kill_until_done(
    folder: Path, inputs: Path, form: tuple[str, ...], most_kills: int, dice: random.Random
) -> tuple[int, bool]:
    """How often the run was killed before it came to its end, and whether it wrote what an undisturbed one does."""
    whole = folder / f"whole-{'-'.join(form).strip('-')}"
    started_s = time.monotonic()
    if not whole.exists():
        subprocess.run(command(inputs, "-o", f"{whole}/", *form), check=False)
        (folder / "seconds").write_text(str(time.monotonic() - started_s))
    seconds = float((folder / "seconds").read_text())
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    n_kills = 0
    while True:
        process = subprocess.Popen(command(inputs, "-o", f"{out}/", "--workers", "2", *form), stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=dice.uniform(0.2, 0.6 * seconds) if n_kills < most_kills else None)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            n_kills += 1
            continue
        time.sleep(1)
        return n_kills, digests(out) == digests(whole) and not left_behind()


def left_behind() -> list[int]:
    """Workers without a parent; each must have seen that it has none."""
    return [
        process.pid
        for process in psutil.process_iter(["ppid", "cmdline"])
        if process.info["ppid"] == 1 and "LokyProcess" in " ".join(process.info["cmdline"] or ())
    ]


def soak_memory(folder: Path, n_documents: int) -> bool:
    peaks: dict[int, int] = {}
    for n in (10_000, n_documents):
        path = folder / f"{n}.jsonl"
        write_documents(path, n)
        peaks[n], seconds = peak_of(command(path, "-o", f"{folder}/memory-{n}/", "--workers", "2"))
        print(f"{n:,} documents: peak {peaks[n] / 1e6:.0f} MB in {seconds:.0f} s", flush=True)
        path.unlink()
    growth = peaks[n_documents] / peaks[10_000] - 1
    print(f"growth: {growth:+.1%}")
    return growth <= MOST_GROWTH


def peak_of(arguments: list[str]) -> tuple[int, float]:
    """The most memory that a run and its workers held together, in bytes, and how long it took."""
    started_s = time.monotonic()
    process = subprocess.Popen(arguments)
    family = psutil.Process(process.pid)
    peak = 0
    while process.poll() is None:
        try:
            members = [family, *family.children(recursive=True)]
            peak = max(peak, sum(member.memory_info().rss for member in members))
        except psutil.Error:
            pass
        time.sleep(0.05)
    return peak, time.monotonic() - started_s


if __name__ == "__main__":
    sys.exit(main())
