"""A crawl dump of many pages, with all that lies between pages in one: is every record accounted for, and how fast?

    python bench/crawl.py --corpora ../shared [--pages 10000] [--timed-pages 3000] [--folder DIR]

Makes a WARC of the pages of the corpora, some packed as servers pack them, with requests, redirects, pictures, revisits
and broken records in between; cleans it; and looks for each answer among the records out, the errors and the counts of
what was skipped. Then it times cleaning alone against reading, cleaning and writing, and two workers against one: from
Parquet to Parquet, both packed by zstd, and from an archive to Parquet. Prints its tables; leaves with 1 where a record
is not accounted for.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[_name] = "1"

import argparse
import base64
import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._data import read_records
from cleaner.batch.read import read_task
from cleaner.batch.tasks import Reading, cut_tasks
from cleaner.pipeline import Cleaner
from cleaner.readers.sources import find_sources
from cleaner.readers.warc import BLOCK_RECORDS
from cleaner.record import article_record
from cleaner.types import Article, Page

# Longer pages are few, and would make the figure one about them.
_PAGE_BYTES = 500_000
_PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(4000)


@dataclass
class Dump:
    """What was written into the archive. fates: for each record with an answer in it, its id and what should become of
    it: ``page``, a reason of `cleaner.errors.SKIPS`, or ``error``. others: how many records without one, and how often
    there is garbage between two."""

    fates: dict[str, str] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)


def read_html(corpora: Path) -> Iterator[tuple[str, bytes]]:
    """Address and page, once each, from all files of pages."""
    for path in sorted((corpora / "corpora").glob("pages-*.jsonl.zst")):
        for record in read_records(path):
            html = record.get("html")
            if html and len(html) < _PAGE_BYTES:
                yield (
                    record.get("url") or f"https://{record.get('host') or 'herald.example'}/{record['id']}",
                    html.encode(),
                )


def record_id(number: int) -> str:
    return f"<urn:uuid:00000000-0000-4000-8000-{number:012}>"


def warc_record(
    number: int, kind: str, url: str, block: bytes, length: int | None = None, digest: bytes | None = None
) -> bytes:
    """A record, plain. length and digest: what it says of itself where that is not true."""
    sha1 = base64.b32encode(hashlib.sha1(block if digest is None else digest).digest()).decode()
    content_type = "application/warc-fields" if kind == "warcinfo" else f"application/http; msgtype={kind}"
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: {record_id(number)}\r\nWARC-Target-URI: {url}\r\n"
        f"WARC-Date: 2024-05-06T07:08:09Z\r\nWARC-Block-Digest: sha1:{sha1}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(block) if length is None else length}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def answer(
    body: bytes, status: str = "200 OK", content_type: str = "text/html; charset=utf-8", **headers: str
) -> bytes:
    lines = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def chunked(body: bytes) -> bytes:
    pieces = (body[start : start + 8000] for start in range(0, len(body), 8000))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def packed_answer(number: int, page: bytes) -> bytes:
    """A page as one server of three packs it."""
    if number % 3 == 1:
        return answer(gzip.compress(page, 6, mtime=0), Content_Encoding="gzip")
    if number % 3 == 2:
        return answer(chunked(page), Transfer_Encoding="chunked")
    return answer(page)


def _flipped(record: bytes) -> bytes:
    member = bytearray(gzip.compress(record, 6, mtime=0))
    member[len(member) // 2] ^= 0xFF
    return bytes(member)


def _cut_short(record: bytes) -> bytes:
    member = _packed(record)
    return member[: len(member) * 2 // 3]


def _packed(record: bytes) -> bytes:
    return gzip.compress(record, 6, mtime=0)


Making = Callable[[int], bytes]
Breaking = Callable[[int, str, bytes], bytes]
BREAKINGS: dict[str, Breaking] = {
    "damaged packing": lambda number, url, page: _flipped(warc_record(number, "response", url, answer(page))),
    "packing cut short": lambda number, url, page: _cut_short(warc_record(number, "response", url, answer(page))),
    "absurd length": lambda number, url, page: _packed(warc_record(number, "response", url, answer(page), 10**15)),
    "length too small": lambda number, url, page: _packed(warc_record(number, "response", url, answer(page), 200)),
    "wrong digest": lambda number, url, page: _packed(
        warc_record(number, "response", url, answer(page), digest=b"another")
    ),
    "chunks of garbage": lambda number, url, page: _packed(
        warc_record(number, "response", url, answer(b"\0garbage\r\n" + page, Transfer_Encoding="chunked"))
    ),
    "compression of garbage": lambda number, url, page: _packed(
        warc_record(number, "response", url, answer(b"\x1f\x8b\x08garbage" + page, Content_Encoding="gzip"))
    ),
    "a bomb": lambda number, url, page: _packed(
        warc_record(number, "response", url, answer(_bomb(), Content_Encoding="gzip"))
    ),
}


def _bomb() -> bytes:
    """Half a megabyte that unpacks to more than a document can have."""
    return b"".join([gzip.compress(bytes(50_000_000), mtime=0)] * 10)


def _response(url: str, block: bytes) -> Making:
    return lambda number: _packed(warc_record(number, "response", url, block))


def entries_of(at: int, url: str, page: bytes) -> Iterator[tuple[str, Making]]:
    """The records that a crawler writes around one page, each with what should become of it."""
    yield "request", lambda number: _packed(warc_record(number, "request", url, b"GET / HTTP/1.1\r\n\r\n"))
    yield "page", _response(url, packed_answer(at, page))
    if at % 10 == 3:
        yield "redirect", _response(url, answer(b"", "301 Moved", Location="/"))
    if at % 8 == 5:
        yield "not_html", _response(url, answer(_PICTURE, content_type="image/png"))
    if at % 20 == 7:
        yield "status", _response(url, answer(page[:2000], "404 Not Found"))
    if at % 15 == 9:
        yield "revisit", lambda number: _packed(warc_record(number, "revisit", url, answer(b"")))
    if at % 25 == 11:
        breaking = list(BREAKINGS.values())[at // 25 % len(BREAKINGS)]
        yield "error", lambda number: breaking(number, url, page)
    if at % 500 == 17:
        yield "garbage", lambda number: b"garbage between two records\r\n" * 9


def write_dump(file: BinaryIO, pages: Iterable[tuple[str, bytes]], *, is_whole: bool = False) -> Dump:
    """Writes the archive, a member each record, and tells what is in it. is_whole: without broken records, as the ten
    bombs among a thousand pages would be most of the time."""
    dump = Dump()
    info: Making = lambda number: _packed(warc_record(number, "warcinfo", "", b"software: bench\r\n"))  # noqa: E731
    last: Making = lambda number: _response("https://herald.example/", answer(bytes(9000)))(number)[:-30]  # noqa: E731
    around = (entry for at, (url, page) in enumerate(pages) for entry in entries_of(at, url, page))
    entries = chain([("warcinfo", info)], around, [("error", last)])
    if is_whole:
        entries = chain([("warcinfo", info)], (entry for entry in around if entry[0] not in ("error", "garbage")))
    for number, (fate, make) in enumerate(entries):
        file.write(make(number))
        if fate in ("warcinfo", "request", "revisit", "garbage"):
            dump.others[fate] += 1
        else:
            dump.fates[record_id(number)] = fate
    return dump


@dataclass(frozen=True)
class Run:
    """How a run of the command line went."""

    seconds: float
    cpu_s: float
    code: int
    summary: dict[str, Any]


def run_cleaner(*arguments: str) -> Run:
    before, started_s = _children_cpu_s(), time.perf_counter()
    command = [sys.executable, "-m", "cleaner", "clean", *arguments, "--log-format", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    seconds, cpu_s = time.perf_counter() - started_s, _children_cpu_s() - before
    lines = [line for line in done.stderr.splitlines() if line.startswith('{"event": "summary"')]
    if not lines:
        raise SystemExit(done.stderr)
    return Run(seconds, cpu_s, done.returncode, json.loads(lines[-1]))


def _children_cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def account_for(dump: Dump, out: Path, errors: Path, summary: dict[str, Any]) -> list[str]:
    """What does not add up, in words; nothing where every record is accounted for."""
    import pyarrow.parquet as pq

    cleaned = Counter(pq.read_table(out, columns=["id"]).column("id").to_pylist())
    rejected = [json.loads(line) for line in errors.read_text(encoding="utf-8").splitlines()]
    skipped = Counter(summary["skipped"])
    by_fate = Counter(dump.fates.values())
    problems = [f"{name} came out {n} times" for name, n in cleaned.items() if n > 1]
    pages = {name for name, fate in dump.fates.items() if fate == "page"}
    problems += [f"{len(pages - cleaned.keys()):,} pages did not come out"] if pages - cleaned.keys() else []
    problems += [f"{name} came out, and is no page" for name in cleaned.keys() - pages]
    n_errors = by_fate["error"] + dump.others["garbage"]
    if len(rejected) != n_errors:
        problems.append(f"{len(rejected):,} errors for {n_errors:,} things that are broken")
    for fate, n in (by_fate + dump.others).items():
        if fate not in ("page", "error", "garbage") and skipped[fate] != n:
            problems.append(f"{skipped[fate]:,} skipped as {fate} of {n:,}")
    n_told = sum(cleaned.values()) + len(rejected) - dump.others["garbage"] + sum(skipped[fate] for fate in by_fate)
    if n_told != len(dump.fates):
        problems.append(f"{n_told:,} of {len(dump.fates):,} answers are accounted for")
    return problems


def account_table(dump: Dump, summary: dict[str, Any]) -> str:
    by_fate = Counter(dump.fates.values())
    skipped = Counter(summary["skipped"])
    rows = [("pages", by_fate["page"], sum(summary["verdicts"].values()), "cleaned")]
    for fate in ("redirect", "not_html", "status", "request", "revisit", "warcinfo"):
        rows.append((fate, by_fate[fate] + dump.others[fate], skipped[fate], "skipped"))
    n_broken, n_rejected = by_fate["error"] + dump.others["garbage"], sum(summary["rejected"].values())
    rows.append(("broken records, garbage between", n_broken, n_rejected, "in the errors file"))
    lines = [f"| {name} | {n:,} | {n_told:,} | {where} |" for name, n, n_told, where in rows]
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in sorted(summary["rejected"].items()))
    return "\n".join(
        ["| in the archive | written | told | as |", "|---|---|---|---|", *lines, "", f"Errors: {reasons}."]
    )


def clean_alone(path: Path) -> tuple[int, float, float]:
    """Number of the documents of an archive, and the seconds and CPU seconds that it takes to make records out of them
    once they are read, one thread."""
    source = find_sources([str(path)]).sources
    reading = Reading()
    documents = [
        document.page
        for task in cut_tasks(source, reading)
        if task is not None
        for document in read_task(task, reading)
        if isinstance(document.page, Page)
    ]
    cleaner = Cleaner()
    list(cleaner.clean_many(documents[:50]))
    n_records = 0
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    for outcome in cleaner.clean_many(documents):
        if isinstance(outcome, Article):
            article_record(outcome, cleaner.options)
            n_records += 1
    return n_records, time.perf_counter() - started_s, time.process_time() - started_cpu_s


def measure_speed(path: Path, small: Callable[[int], Path], folder: Path) -> str:
    """Cleaning alone, and the whole way with one worker and with two. By the clock, which is fair on an idle machine
    alone, and by CPU seconds; what it takes to start is measured on a page for each worker and taken off.

    small: writes an input of that kind with a page for each of so many workers.
    """
    n_documents, alone_s, alone_cpu_s = clean_alone(path)
    rows = [f"| cleaning alone | {n_documents / alone_s:,.1f} | {n_documents / alone_cpu_s:,.1f} |"]
    speeds, cpu_speeds = {}, {}
    for n_workers in (1, 2):
        options = ("--workers", str(n_workers), "--timeout", "600")  # a limit of time needs workers, for one page too
        start = run_cleaner(str(small(n_workers)), "-o", str(folder / "small.parquet"), *options)
        done = run_cleaner(str(path), "-o", str(folder / "timed.parquet"), *options)
        speeds[n_workers] = n_documents / (done.seconds - start.seconds)
        cpu_speeds[n_workers] = n_documents / (done.cpu_s - start.cpu_s)
        shown = f"{speeds[n_workers]:,.1f} | {cpu_speeds[n_workers]:,.1f}"
        rows.append(f"| read, clean, write: --workers {n_workers} | {shown} |")
    return "\n".join(
        [
            f"| {n_documents:,} pages | pages/s | pages/CPU s |",
            "|---|---|---|",
            *rows,
            "",
            f"With reading and writing {speeds[1] * alone_s / n_documents:.0%} of the speed of cleaning alone, "
            f"{cpu_speeds[1] * alone_cpu_s / n_documents:.0%} by CPU time (wanted: 80 %); "
            f"2 workers {speeds[2] / speeds[1]:.2f} x one (wanted: 1.8 x).",
        ]
    )


def _one_page() -> bytes:
    """A page which takes all that any page takes: with a list of links for an article, about which trafilatura is
    asked too."""
    links = "".join(f"<li><a href='/{at}'>Section {at} of the herald</a></li>" for at in range(100))
    return f"<html><body><nav><ul>{links}</ul></nav><p>The bridge reopened on Monday.</p></body></html>".encode()


def _small_dump(folder: Path, n_workers: int) -> Path:
    """So many blocks of one page."""
    path = folder / "small.warc.gz"
    filler = _packed(warc_record(0, "request", "https://herald.example/", b"GET / HTTP/1.1\r\n\r\n"))
    story = _packed(warc_record(1, "response", "https://herald.example/a/1", answer(_one_page())))
    path.write_bytes((story + filler * (BLOCK_RECORDS - 1)) * n_workers)
    return path


def _small_table(folder: Path, n_workers: int) -> Path:
    return write_table(folder / "small-pages.parquet", [("https://herald.example/a/1", _one_page())] * n_workers, 1)


def write_table(path: Path, pages: Iterable[tuple[str, bytes]], n_group_rows: int = 500) -> Path:
    """The pages as Parquet, packed by zstd: addresses, and HTML as text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    urls, pages_html = zip(*pages, strict=True)
    table = pa.table({"url": urls, "html": [html.decode() for html in pages_html]})
    pq.write_table(table, path, compression="zstd", row_group_size=n_group_rows)
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpora", type=Path, required=True, help="folder with corpora/pages-*.jsonl.zst in it")
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--timed-pages", type=int, default=3000)
    parser.add_argument("--folder", type=Path, help="where the archives are made; absent: a temporary folder")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        if not run_bench(chosen.corpora, chosen.pages, chosen.timed_pages, folder):
            raise SystemExit(1)


def run_bench(corpora: Path, n_pages: int, n_timed: int, folder: Path) -> bool:
    """Whether every record is accounted for; prints both tables."""
    # The corpora hold fewer pages than a dump: they come round again.
    pages = islice(chain.from_iterable(read_html(corpora) for _ in iter(int, 1)), n_pages)
    path, out = folder / "dump.warc.gz", folder / "clean.parquet"
    with path.open("wb") as file:
        dump = write_dump(file, pages)
    done = run_cleaner(str(path), "-o", str(out), "--workers", "2")
    problems = account_for(dump, out, folder / "clean.parquet.errors.jsonl", done.summary)
    print(f"## Account of {len(dump.fates):,} answers ({path.stat().st_size / 1e6:,.0f} MB)\n")
    print(account_table(dump, done.summary))
    print(
        f"\n{'All accounted for.' if not problems else 'NOT ACCOUNTED FOR: ' + '; '.join(problems[:20])}\n", flush=True
    )
    if n_timed:
        timed = folder / "timed.warc.gz"
        with timed.open("wb") as file:
            write_dump(file, islice(read_html(corpora), n_timed), is_whole=True)
        table = write_table(folder / "pages.parquet", islice(read_html(corpora), n_timed))
        print(f"## Speed: Parquet to Parquet\n\n{measure_speed(table, partial(_small_table, folder), folder)}\n")
        print(f"## Speed: WARC to Parquet\n\n{measure_speed(timed, partial(_small_dump, folder), folder)}")
    return not problems


if __name__ == "__main__":
    main()
