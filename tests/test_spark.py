"""Spark gives the same rows as a run on one machine: tables, web archives, and what cannot be cleaned."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cleaner import Cleaner
from cleaner.cli import main

pytest.importorskip("pyspark", reason="pyspark is not installed (extra spark)")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("java") is None and "JAVA_HOME" not in os.environ, reason="Spark needs Java 17 or newer"
    ),
]

STORIES = {
    "id": [f"story-{number}" for number in range(40)] + ["empty", "nothing"],
    "url": [f"https://news.example/{number}" for number in range(42)],
    "text": [
        f"Bridge {number} reopens\n\nThe bridge reopened on Monday, the mayor said.\n\nRead more: Harbour closes\n"
        for number in range(40)
    ]
    + ["", None],
    "paper": list(range(42)),
}
PAGE = (
    "<html><head><title>Mill reopens</title></head><body><p>The mill on the Lenn grinds flour again.</p></body></html>"
)


def spark(*arguments: str | Path) -> tuple[int, str]:
    """Exit code and standard error of `cleaner spark ARGUMENTS` on two cores, in this process, which keeps its JVM."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), pytest.raises(SystemExit) as left:
        main(["spark", *map(str, arguments), "--master", "local[2]"])
    return int(left.value.code or 0), told.getvalue()


def rows_of(path: Path) -> list[dict[str, Any]]:
    return sorted(pq.read_table(path).to_pylist(), key=lambda row: row["id"])


def errors_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for part in path.glob("part-*") for line in part.read_text().splitlines()]


def test_a_table_gives_the_same_rows_as_the_arrow_function_on_one_machine(tmp_path: Path) -> None:
    table = pa.table(STORIES)
    (tmp_path / "in").mkdir()
    for number in range(3):
        pq.write_table(table.slice(number * 14, 14), tmp_path / "in" / f"{number}.parquet")
    code, told = spark(tmp_path / "in", "-o", tmp_path / "out")
    assert code == 3, told
    expected = Cleaner().clean_table(table)
    kept = expected.filter(pa.compute.is_null(expected["error_reason"])).drop(["error_reason", "error_message"])
    assert rows_of(tmp_path / "out") == sorted(kept.to_pylist(), key=lambda row: row["id"])
    assert [error["reason"] for error in errors_of(tmp_path / "out" / "_errors")] == ["no_text"]
    assert "41 documents cleaned (1 no_article)" in told
    assert (tmp_path / "out" / "_SUCCESS").exists()


def warc_record(number: int, status: str, body: str) -> bytes:
    answer = f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{body}".encode()
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{number}>\r\n"
        f"WARC-Target-URI: https://mill.example/{number}\r\nWARC-Date: 2024-05-01T00:00:00Z\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(answer)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + answer + b"\r\n\r\n")


def test_errors_and_rows_without_an_id_of_tables_are_those_of_the_local_run(tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("a.parquet", "sub/b c%20.parquet", "sub/ü#[1]*.parquet"):
        texts = [None if number % 7 == 3 else f"Bridge {number} reopened on Monday." for number in range(20)]
        # A column of each name that could be taken for one of ours.
        table = pa.table({"text": texts, "skipped": ["no"] * 20, "_metadata": ["x"] * 20, "error_source": ["y"] * 20})
        pq.write_table(table, tmp_path / "in" / name, row_group_size=6)
    code, told = spark(tmp_path / "in", "-o", tmp_path / "out")
    command = [sys.executable, "-m", "cleaner", "clean", str(tmp_path / "in"), "-o", str(tmp_path / "local")]
    local = subprocess.run([*command, "--to", "parquet"], capture_output=True, text=True)
    assert (code, local.returncode) == (3, 3), told
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "local")
    errors = [json.loads(line) for line in (tmp_path / "local" / "_errors.jsonl").read_text().splitlines()]
    assert len(errors) == 9
    assert sorted(errors_of(tmp_path / "out" / "_errors"), key=str) == sorted(errors, key=str)


def test_errors_of_tables_that_spark_finds_itself_have_file_and_row(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"id": [7, 8], "text": ["The bridge reopened.", None]}), tmp_path / "in" / "a.parquet")
    assert spark("--from", "parquet", tmp_path / "in", "-o", tmp_path / "out")[0] == 3
    (error,) = errors_of(tmp_path / "out" / "_errors")
    assert (error["id"], error["source"], error["position"]) == (8, f"{tmp_path}/in/a.parquet", 1)


def test_a_table_that_spark_would_pass_over_without_a_word_is_told(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.parquet", "_b.parquet"):
        pq.write_table(pa.table({"text": ["The bridge reopened."]}), tmp_path / "in" / name)
    code, told = spark(tmp_path / "in", "-o", tmp_path / "out")
    assert (code, "_b.parquet: Spark passes over" in told) == (2, True)


def test_web_archives_are_split_by_file_and_give_the_records_of_the_local_run(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "ab":
        records = [warc_record(0, "200 OK", PAGE), warc_record(1, "301 Moved", ""), warc_record(2, "200 OK", PAGE)]
        (tmp_path / "in" / f"{name}.warc.gz").write_bytes(b"".join(records))
    (tmp_path / "in" / "c.warc.gz").write_bytes(warc_record(3, "200 OK", PAGE)[:150])
    code, told = spark(tmp_path / "in", "-o", tmp_path / "out")
    local = subprocess.run(
        [sys.executable, "-m", "cleaner", "clean", str(tmp_path / "in"), "-o", str(tmp_path / "local.jsonl")],
        capture_output=True,
        text=True,
    )
    assert (code, local.returncode) == (3, 3), told
    records = [json.loads(line) for line in (tmp_path / "local.jsonl").read_text().splitlines()]
    simple = ("id", "url", "title", "text", "verdict", "quality", "encoding", "lines_in", "lines_out", "options_hash")
    assert sorted([row[name] for name in simple] for row in rows_of(tmp_path / "out")) == sorted(
        [record[name] for name in simple] for record in records
    )
    errors = [json.loads(line) for line in (tmp_path / "local.jsonl.errors.jsonl").read_text().splitlines()]
    assert errors_of(tmp_path / "out" / "_errors") == errors
    assert "2 skipped (2 redirect)" in told


def test_a_folder_that_holds_something_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    pq.write_table(pa.table(STORIES).slice(0, 4), tmp_path / "in.parquet")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "part-0.parquet").write_bytes(b"")
    code, told = spark(tmp_path / "in.parquet", "-o", tmp_path / "out")
    assert (code, "out" in told.splitlines()[-1]) == (1, True)
    assert spark(tmp_path / "in.parquet", "-o", tmp_path / "out", "--restart")[0] == 0
    assert len(rows_of(tmp_path / "out")) == 4
