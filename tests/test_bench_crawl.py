"""The bench of crawl dumps: what it writes is accounted for, and what is missing would be seen."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import crawl


def corpora(folder: Path) -> Path:
    """A few made pages, as the corpora hold them."""
    rows = [{"id": f"p{n}", "html": f"<p>The bridge number {n} reopened on Monday.</p>"} for n in range(7)]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (folder / "corpora").mkdir()
    (folder / "corpora" / "pages-made.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(content))
    return folder


def test_every_record_of_a_made_dump_is_accounted_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crawl.run_bench(corpora(tmp_path), 60, 0, tmp_path)
    told = capsys.readouterr().out
    assert "| pages | 60 | 60 | cleaned |" in told
    assert "All accounted for." in told


def test_a_page_that_is_missing_or_doubled_is_seen(tmp_path: Path) -> None:
    dump = crawl.Dump({"a": "page", "b": "page", "c": "redirect", "d": "error"}, Counter())
    pq.write_table(pa.table({"id": ["a", "a"]}), tmp_path / "out.parquet")
    (tmp_path / "errors.jsonl").write_text("{}\n")
    problems = crawl.account_for(dump, tmp_path / "out.parquet", tmp_path / "errors.jsonl", {"skipped": {}})
    assert problems == [
        "a came out 2 times",
        "1 pages did not come out",
        "0 skipped as redirect of 1",
        "3 of 4 answers are accounted for",
    ]
