"""Speed and memory of the shipped model, beside trafilatura, jusText and C4's line filter in the same run.

    python bench/speed.py [--corpora ../shared] [--model NAME|PATH] [--quick]

One thread throughout. Times are CPU seconds (user and system) of this process or of the child that ran, start-up is
wall time of the whole process. Without --corpora the documents are our own invented ones in data/. Prints its tables
and, unless --quick, replaces its section of bench/RESULTS.md.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

# Before numpy is loaded, which reads them then; children inherit them.
if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[_name] = "1"

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np
import orjson

from bench import _data, _report
from bench._peers import PEERS
from bench._system import CACHE
from bench._venv_peer import installed
from cleaner import Article, Cleaner, Page
from cleaner.features.hints import Hints
from cleaner.model.artefact import DEFAULT_DROPPED, DEFAULT_MODEL
from cleaner.pipeline import BATCH_LINES
from cleaner.record import article_record
from cleaner.types import Lines

LINES_PER_DOCUMENT = 30
N_ROUNDS = 3
N_STARTS = 15
SPEED_PEERS = ("trafilatura", "justext")
DATATROVE = "0.10.1"


@dataclass(frozen=True)
class Child:
    """What a child process cost; cpu_s and peak_mb are None where the system does not tell (Windows)."""

    returncode: int
    wall_s: float
    cpu_s: float | None
    peak_mb: float | None
    message: str


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, help="folder that holds corpora/ and labels/; else data/ is used")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of a packaged model, or path of a model folder")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work; nothing is written")
    chosen = parser.parse_args(arguments)
    source = (chosen.corpora / "labels" if chosen.corpora else ROOT / "data") / "lines.jsonl"
    if not source.exists():
        parser.error(f"{source.parent.name}/lines.jsonl is not there; give --corpora FOLDER that holds labels/")
    n_documents = 2_000 if chosen.quick else 20_000
    cleaner = Cleaner(chosen.model)
    labelled = [document.lines for document in _data.read_labelled(source)]
    documents = list(islice(documents_of(labelled, LINES_PER_DOCUMENT), n_documents))

    sections = [
        f"## Speed\n\nModel {cleaner.model_name}, one thread. {_report.environment('numpy', 'orjson', *SPEED_PEERS)}, "
        f"{processor()}.\nTexts: {'labels/' if chosen.corpora else 'data/'}lines.jsonl."
    ]
    print(sections[0], flush=True)
    model = str(Path(chosen.model).resolve()) if Path(chosen.model).is_dir() else chosen.model
    pages = speed_pages(chosen.corpora, labelled, 40 if chosen.quick else 200)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measures: list[Callable[[], str]] = [
            lambda: text_lane(cleaner, model, documents, labelled, folder),
            lambda: memory(model, documents, folder),
            lambda: start_up(model, documents[0], folder),
            lambda: beside_peers(cleaner, pages),
            lambda: beside_line_filter(cleaner, documents[: len(documents) // 10], folder),
        ]
        for measure in measures:
            sections.append(measure())
            print(f"\n{sections[-1]}", flush=True)
    if not chosen.quick:
        _report.write_section("speed", "\n\n".join(sections))
        print(f"\nWritten to {_report.RESULTS.name}.")


def processor() -> str:
    """Name of the processor where the system tells it."""
    try:
        rows = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        rows = []
    names = [row.split(":", 1)[1].strip() for row in rows if row.startswith("model name")]
    return f"{names[0]} × {len(names)}" if names else f"{os.cpu_count()} processors"


def documents_of(labelled: Sequence[Sequence[str]], n_lines: int) -> Iterator[str]:
    """Texts of n_lines lines each, cut from the documents' lines in order, round and round for ever.

    Each round starts one line further on, so that no text comes twice within n_lines rounds.
    """
    lines = list(chain.from_iterable(labelled))
    if len(lines) < n_lines:
        raise ValueError(f"{len(lines)} lines are too few for a text of {n_lines}")
    while True:
        for start in range(0, len(lines) - n_lines + 1, n_lines):
            yield "\n\n".join(lines[start : start + n_lines])
        lines = lines[1:] + lines[:1]


def cpu_seconds(work: Callable[[], object], n_rounds: int = N_ROUNDS) -> float:
    """The median over rounds of the CPU seconds that the work takes in this process."""
    times = []
    for _ in range(n_rounds):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return statistics.median(times)


# --- the text lane --------------------------------------------------------------------------------------------------


def write_records(documents: Sequence[str], path: Path) -> None:
    path.write_bytes(b"".join(orjson.dumps({"id": i, "text": text}) + b"\n" for i, text in enumerate(documents)))


def clean_file(cleaner: Cleaner, source: Path, target: Path) -> None:
    """JSON Lines to JSON Lines through the library: parse, clean, serialise."""
    with source.open("rb") as lines, target.open("wb") as out:
        for outcome in cleaner.clean_many(map(orjson.loads, lines)):
            if not isinstance(outcome, Article):
                raise RuntimeError(f"document {outcome.id} was rejected: {outcome.message}")
            out.write(orjson.dumps(article_record(outcome, cleaner.options)) + b"\n")


def text_lane(
    cleaner: Cleaner, model: str, documents: Sequence[str], labelled: Sequence[Sequence[str]], folder: Path
) -> str:
    """Documents and lines a CPU second: model alone, library, command line."""
    n_lines = len(documents) * LINES_PER_DOCUMENT
    own = ["\n\n".join(lines) for lines in labelled]
    own_lines = sum(map(len, labelled))
    source, own_source, target = folder / "in.jsonl", folder / "own.jsonl", folder / "out.jsonl"
    write_records(documents, source)
    write_records(own, own_source)

    rows = []

    def add(name: str, n_documents: int, lines: int, seconds: float) -> None:
        rows.append(
            [name, f"{n_documents:,}", f"{seconds:.2f}", f"{n_documents / seconds:,.0f}", f"{lines / seconds:,.0f}"]
        )

    batches = prepared_batches(documents)
    judge_all(cleaner, batches[:1])  # what is built on first use is not speed
    add("model alone, lines prepared", len(documents), n_lines, cpu_seconds(lambda: judge_all(cleaner, batches)))
    add(
        f"library, JSONL → JSONL, {LINES_PER_DOCUMENT} lines a document",
        len(documents),
        n_lines,
        cpu_seconds(lambda: clean_file(cleaner, source, target)),
    )
    add(
        f"library, JSONL → JSONL, documents as they are ({own_lines / len(own):.0f} lines on average)",
        len(own),
        own_lines,
        cpu_seconds(lambda: clean_file(cleaner, own_source, target)),
    )
    child = run(command(model, source, target))
    if child.returncode:
        rows.append(["command line, JSONL → JSONL", f"failed: {child.message}", "", "", ""])
    else:
        seconds = child.wall_s if child.cpu_s is None else child.cpu_s
        add("command line, JSONL → JSONL, start-up included", len(documents), n_lines, seconds)
    head = ["text lane", "documents", "CPU s", "documents / CPU s", "lines / CPU s"]
    return f"### Text\n\n{_report.table(head, rows)}"


def prepared_batches(documents: Sequence[str], n_lines: int = BATCH_LINES) -> list[Lines]:
    """The lines of whole documents in batches of at least n_lines, as the pipeline hands them to the model."""
    batches = []
    per_batch = max(1, -(-n_lines // LINES_PER_DOCUMENT))
    for start in range(0, len(documents), per_batch):
        pages = [text.split("\n\n") for text in documents[start : start + per_batch]]
        texts = list(chain.from_iterable(pages))
        batches.append(
            Lines(
                texts=texts,
                page_starts=np.array([0, *accumulate(map(len, pages))], dtype=np.int64),
                titles=[""] * len(pages),
            )
        )
    return batches


def judge_all(cleaner: Cleaner, batches: Sequence[Lines]) -> None:
    for lines in batches:
        cleaner._judges.model.judge(lines, DEFAULT_DROPPED, cleaner.options.mode, Hints())


# --- children: memory and start-up ----------------------------------------------------------------------------------


def command(model: str, source: Path, target: Path | None = None) -> list[str]:
    """The command line that cleans a file in one process, to a file or to standard output."""
    output = [] if target is None else ["-o", str(target)]
    return [*program(), "clean", str(source), *output, "--model", model, "--workers", "1", "--quiet"]


def program() -> list[str]:
    """The installed command beside this Python, else the module."""
    installed = Path(sys.executable).parent / ("cleaner.exe" if os.name == "nt" else "cleaner")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "cleaner"]


def run(arguments: Sequence[str]) -> Child:
    """Runs a process to its end and tells what it alone cost; see bench/_child.py for why it is started from there."""
    launcher = [sys.executable, str(ROOT / "bench" / "_child.py"), *arguments]
    done = subprocess.run(launcher, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    child = Child(**orjson.loads(done.stdout))
    return replace(child, message=child.message.replace(f"{ROOT}{os.sep}", ""))


def memory(model: str, documents: Sequence[str], folder: Path) -> str:
    """Peak memory of the command line at three sizes of input, and what each further document adds to it."""
    # The first batches grow buffers that are then used again: growth is told between the two larger sizes.
    sizes = (len(documents) // 8, len(documents) // 2, len(documents))
    rows, peaks = [], []
    for size in sizes:
        source = folder / f"memory-{size}.jsonl"
        write_records(documents[:size], source)
        child = run(command(model, source, folder / "memory-out.jsonl"))
        if child.returncode:
            rows.append([f"{size:,}", child.message])
        elif child.peak_mb is None:
            rows.append([f"{size:,}", "not told by this system"])
        else:
            peaks.append(child.peak_mb)
            rows.append([f"{size:,}", f"{child.peak_mb:.0f} MB"])
    text = f"### Memory\n\n{_report.table(['documents (command line, JSONL → JSONL)', 'peak'], rows)}"
    if len(peaks) == len(sizes):
        growth = 1024 * (peaks[-1] - peaks[-2]) / (sizes[-1] - sizes[-2])
        text += f"\n\nFrom {sizes[-2]:,} documents on each further one adds {growth:.2f} kB to the peak."
    return text


def start_up(model: str, text: str, folder: Path) -> str:
    """Wall time of whole processes, median of N_STARTS after a first one that fills the caches."""
    small = folder / "small.txt"
    small.write_text(text, encoding="utf-8")
    rows = []
    for name, arguments in (
        ("python -c pass", [sys.executable, "-c", "pass"]),
        ("cleaner --help", [*program(), "--help"]),
        (f"cleaner clean FILE ({LINES_PER_DOCUMENT} lines)", command(model, small)),
    ):
        first = run(arguments)
        if first.returncode:
            rows.append([name, first.message, ""])
            continue
        times = sorted(run(arguments).wall_s for _ in range(N_STARTS))
        rows.append([name, f"{statistics.median(times):.3f} s", f"{times[0]:.3f}–{times[-1]:.3f} s"])
    return f"### Start-up\n\n{_report.table(['whole process, wall time', 'median', 'range'], rows)}"


# --- beside the peers -----------------------------------------------------------------------------------------------


def speed_pages(corpora: Path | None, labelled: Sequence[Sequence[str]], n_pages: int) -> list[_data.GoldPage]:
    """Real pages of the dev split, spread over the sources; without them our own documents as minimal HTML."""
    if corpora:
        per_source = -(-n_pages // len(_data.GOLD_SOURCES))
        return _data.read_pages(corpora / "corpora", _data.GOLD_SOURCES, "dev", per_source)
    return [
        _data.GoldPage(str(i), "data", str(i), "en", None, as_html(lines), "", (), (), False)
        for i, lines in enumerate(labelled[:n_pages])
    ]


def as_html(lines: Sequence[str]) -> str:
    """A page that holds the lines as paragraphs."""
    from html import escape

    paragraphs = "\n".join(f"<p>{escape(line)}</p>" for line in lines)
    return f"<!DOCTYPE html><html><head><title>{escape(lines[0])}</title></head><body>{paragraphs}</body></html>"


def beside_peers(cleaner: Cleaner, pages: Sequence[_data.GoldPage]) -> str:
    """Pages a CPU second of each system, and how many times trafilatura's that is."""
    texts = [_data.page_text(page.html) for page in pages]
    n_kb = sum(len(page.html) for page in pages) / len(pages) / 1000

    def clean(documents: Sequence[Page]) -> None:
        for _ in cleaner.clean_many(documents):
            pass

    systems: dict[str, Callable[[], None] | None] = {
        f"ours, pages in HTML (extractor {cleaner.options.extractor})": lambda: clean(
            [Page(page.html, "html", url=page.url) for page in pages]
        ),
        "ours, full text of the same pages": lambda: clean([Page(text) for text in texts]),
    }
    for peer in PEERS:
        if peer.name in SPEED_PEERS:
            systems[peer.name] = None if peer.version is None else _extract_all(peer.texts, pages)
    seconds = {name: cpu_seconds(work) if work else None for name, work in systems.items()}
    base = seconds["trafilatura"]
    rows = []
    for name, spent in seconds.items():
        if spent is None:
            rows.append([name, "not installed", "", ""])
            continue
        ratio = f"{base / spent:.2f}" if base else ""
        rows.append([name, f"{len(pages) / spent:,.1f}", f"{1000 * spent / len(pages):.2f}", ratio])
    return (
        f"### Beside the peers\n\n{len(pages)} pages of {n_kb:.0f} kB on average, each system in turn, median of "
        f"{N_ROUNDS} rounds.\n\n{_report.table(['', 'pages / CPU s', 'CPU ms a page', 'times trafilatura'], rows)}"
    )


def beside_line_filter(cleaner: Cleaner, documents: Sequence[str], folder: Path) -> str:
    """JSON Lines to JSON Lines through the library, and through datatrove's C4 filter, on the same documents."""
    python, problem = installed(
        "datatrove", DATATROVE, CACHE / "venvs", extra="[io]", beside=("spacy==3.8.18", "regex", "pandas")
    )
    head = ["JSONL → JSONL", "documents", "CPU s", "documents / CPU s", "times C4"]
    if python is None:
        return f"### Beside a line filter\n\ndatatrove's C4QualityFilter is not available: {problem}"
    source, target = folder / "c4-in.jsonl", folder / "c4-out.jsonl"
    write_records(documents, source)
    worker = ROOT / "bench" / "_c4.py"
    arguments = [str(python), "-I", "-X", "utf8", str(worker), str(source), str(target)]
    # In turns, each round against its own: from one minute to the next the processor's speed changes by a third.
    rounds = []
    for _ in range(N_ROUNDS):
        ours_s = cpu_seconds(lambda: clean_file(cleaner, source, target))
        done = subprocess.run(arguments, capture_output=True, check=True)
        rounds.append((ours_s, float(orjson.loads(done.stdout)["cpu_s"])))
    times = sorted(theirs_s / ours_s for ours_s, theirs_s in rounds)
    ours = f"{statistics.median(times):.1f} ({times[0]:.1f}–{times[-1]:.1f})"
    names = ("ours, library", ours), (f"datatrove {DATATROVE}, C4QualityFilter", "1.0")
    rows = [
        [name, f"{len(documents):,}", f"{spent:.2f}", f"{len(documents) / spent:,.0f}", ratio]
        for (name, ratio), spent in zip(names, map(statistics.median, zip(*rounds, strict=True)), strict=True)
    ]
    note = f"Medians of {N_ROUNDS} rounds, in turns; of the ratio the range of the rounds too."
    return f"### Beside a line filter\n\n{note}\n\n{_report.table(head, rows)}"


def _extract_all(texts: Callable[..., list[str]], pages: Sequence[_data.GoldPage]) -> Callable[[], None]:
    def extract() -> None:
        texts(pages, cache=None)

    return extract


if __name__ == "__main__":
    main()
