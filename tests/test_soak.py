"""The soak itself: two runs that fail alike are not the same run."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import soak

WHOLE = {"_SUCCESS": "", "part-00000.jsonl": "{}\n"}


def write_run(folder: Path, n_cleaned: int, n_rejected: int, files: dict[str, str]) -> Path:
    (folder / "_run").mkdir(parents=True)
    (folder / "_run" / "run.json").write_text(json.dumps({"counts": {"cleaned": n_cleaned, "rejected": n_rejected}}))
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("code", "counts", "files", "told"),
    [
        (1, (9, 1), WHOLE, "left with 1"),
        (0, (9, 1), WHOLE, "left with 0"),
        (3, (9, 1), {"part-00000.jsonl": "{}\n"}, "no _SUCCESS"),
        (3, (8, 2), WHOLE, "cleaned 8"),
        (3, (9, 1), {"_SUCCESS": "", "part-00000.jsonl": ""}, "no records"),
    ],
)
def test_a_run_that_did_not_come_to_its_end_proves_nothing(
    tmp_path: Path, code: int, counts: tuple[int, int], files: dict[str, str], told: str
) -> None:
    assert told in (soak.failure(code, write_run(tmp_path / "out", *counts, files), 10, 1) or "")


def test_a_run_that_cleaned_all_that_is_not_broken_succeeded(tmp_path: Path) -> None:
    assert soak.failure(3, write_run(tmp_path / "out", 9, 1, WHOLE), 10, 1) is None


def test_a_command_that_always_fails_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "command", lambda *_: [sys.executable, "-c", "raise SystemExit(1)"])
    inputs = soak.Inputs(tmp_path / "in", 1, 10, 1)
    assert not soak.soak_kills(tmp_path, inputs, 2, random.Random(1))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows kills no process at once")
def test_a_run_that_was_killed_holds_and_one_whose_output_was_touched_does_not(tmp_path: Path) -> None:
    inputs = soak.Inputs(tmp_path / "in", 1, 1_000, 2)
    assert soak.soak_kills(tmp_path, inputs, 2, random.Random(1))
    out, whole = tmp_path / "out", tmp_path / "whole-0"
    assert soak.difference(inputs, 3, out, whole) is None
    (out / "000.txt.txt").write_text("another")
    assert soak.difference(inputs, 3, out, whole) == "DIFFERS in 000.txt.txt"
