"""Runs the command line in this process, with the model of conftest.py, whose decisions stand in the text."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from conftest import MarkedModel

from cleaner.batch.work import load_cleaner
from cleaner.cli import main

ARTICLE = "title| Bridge reopens\n\nThe bridge reopened on Monday.\n\nteaser| More news: harbour closes\n"
ARTICLE_CLEAN = b"title| Bridge reopens\n\nThe bridge reopened on Monday.\n"


@dataclass(frozen=True)
class Finished:
    code: int
    out: bytes
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The rejections told on standard error."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]


def run(*arguments: str | Path, stdin: bytes = b"", encoding: str = "utf-8") -> Finished:
    """What `cleaner ARGUMENTS` prints and leaves with; ``encoding`` is that of the console."""
    streams = [io.TextIOWrapper(io.BytesIO(content), encoding=encoding) for content in (stdin, b"", b"")]
    load_cleaner.cache_clear()
    with (
        mock.patch.multiple(sys, stdin=streams[0], stdout=streams[1], stderr=streams[2]),
        mock.patch("cleaner.pipeline.load_model", lambda _: MarkedModel()),
    ):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = exit_.code
    load_cleaner.cache_clear()
    out, err = [stream.detach().getvalue() for stream in (flushed(stream) for stream in streams[1:])]  # type: ignore[attr-defined]
    assert isinstance(code, int)
    return Finished(code, out, err.decode())


def flushed(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    stream.flush()
    return stream


def clean(*arguments: str | Path, stdin: bytes = b"", encoding: str = "utf-8") -> Finished:
    return run("clean", *arguments, stdin=stdin, encoding=encoding)


def start(*arguments: str | Path, **settings: Any) -> subprocess.Popen[bytes]:
    """`cleaner clean ARGUMENTS` in a process of its own, with the packaged model."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-m", "cleaner", "clean", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **settings)


def read_records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def write_records(path: Path, records: Sequence[Any]) -> Path:
    """A file of JSON Lines; a record given as bytes is written as it is."""
    path.write_bytes(
        b"".join(
            (record if isinstance(record, bytes) else json.dumps(record, ensure_ascii=False).encode()) + b"\n"
            for record in records
        )
    )
    return path


def lines_of(record: dict[str, Any]) -> list[str]:
    """All lines that a record accounts for, whatever became of them, sorted."""
    lines = [line.strip() for line in record["text"].split("\n") if line.strip()]
    lines += [removed["text"] for removed in record["removed"]]
    if len(lines) < record["lines_in"]:
        lines.append(record["title"])
    return sorted(lines)
