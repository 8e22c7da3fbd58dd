"""Spark on two cores beside a run in one process, on the same Parquet: how fast, and whether the rows are the same.

    python bench/spark.py --corpora ../shared [--pages 3000]

Session and first task (the start of Spark and of its Python processes) are timed apart from the cleaning.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from itertools import chain, islice
from pathlib import Path

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[_name] = "1"
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pyarrow as pa
import pyarrow.parquet as pq

from bench._data import read_records
from cleaner import Cleaner
from cleaner.integrations.spark import SparkJob, clean_frame, open_session, read_tables, write_cleaned
from cleaner.options import CleanOptions

# As many files as a crawl of that size would have on several cores.
_FILES = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--pages", type=int, default=3000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cleaner-spark-") as folder:
        return compare(Path(folder), write_pages(given.corpora, Path(folder) / "in", given.pages))


def write_pages(corpora: Path, folder: Path, n_pages: int) -> int:
    folder.mkdir()
    paths = sorted((corpora / "corpora").glob("pages-*.jsonl.zst"))
    pages = islice(chain.from_iterable(map(read_records, paths)), n_pages)
    rows = [{"id": number, "url": page.get("url"), "html": page.get("html")} for number, page in enumerate(pages)]
    table = pa.Table.from_pylist(
        rows, schema=pa.schema([("id", pa.int64()), ("url", pa.string()), ("html", pa.string())])
    )
    size = -(-len(rows) // _FILES)
    for number in range(_FILES):
        part = table.slice(number * size, size)
        pq.write_table(part, folder / f"{number}.parquet", compression="zstd", row_group_size=256)
    return len(rows)


def compare(folder: Path, n_pages: int) -> int:
    started_s = time.perf_counter()
    cleaner = Cleaner()
    parts = [cleaner.clean_table(pq.read_table(path)) for path in sorted((folder / "in").glob("*.parquet"))]
    serial = pa.concat_tables(parts)
    pq.write_table(serial, folder / "serial.parquet", compression="zstd")
    serial_s = time.perf_counter() - started_s

    started_s = time.perf_counter()
    session = open_session("local[2]")
    job = SparkJob.of(CleanOptions())
    frame = clean_frame(read_tables(session, [str(folder / "in")]), job)
    frame.limit(1).collect()
    start_s = time.perf_counter() - started_s
    started_s = time.perf_counter()
    write_cleaned(frame, str(folder / "out"))
    spark_s = time.perf_counter() - started_s
    session.stop()

    kept = serial.filter(pa.compute.is_null(serial["error_reason"])).drop(["error_reason", "error_message"])
    same = kept.sort_by("id").to_pylist() == pq.read_table(folder / "out").sort_by("id").to_pylist()
    print(f"{n_pages:,} pages in {_FILES} files of Parquet")
    print(f"one process     {serial_s:6.1f} s  {n_pages / serial_s:6.0f} pages/s")
    print(f"Spark local[2]  {spark_s:6.1f} s  {n_pages / spark_s:6.0f} pages/s  ({start_s:.0f} s to start)")
    print(f"{serial_s / spark_s:.2f} times as fast; rows {'the same' if same else 'DIFFER'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
