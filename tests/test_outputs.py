"""What comes out of a run: shards, archives of texts, and nothing by halves."""

from __future__ import annotations

import errno
import gzip
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow.parquet as pq
import pytest
import zstandard
from command_line import ARTICLE, clean, read_records, start, write_records
from fastwarc.warc import ArchiveIterator
from made_warc import answer, archive, page, record, record_id

from cleaner.cli.explain import read_one_page
from cleaner.errors import DocumentError
from cleaner.writers import files

TEXT = "The bridge reopened on Monday."


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def shards(folder: Path) -> list[str]:
    return [name for name in listing(folder) if name.startswith("part-")]


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    """An archive of three pages, with a redirect and a broken record between them."""
    records = [page(1), record(2, answer(b"", "301 Moved")), record(3, answer(), length=10**15), page(4), page(5)]
    (tmp_path / "crawl.warc.gz").write_bytes(archive(records))
    return tmp_path / "crawl.warc.gz"


# --- web archives from end to end -------------------------------------------------------------------------------------


def test_each_record_of_an_archive_is_in_the_output_in_the_errors_or_counted(crawl: Path, tmp_path: Path) -> None:
    finished = clean(crawl, "-o", tmp_path / "out.jsonl")
    assert finished.code == 3
    assert [record["id"] for record in read_records(tmp_path / "out.jsonl")] == [
        record_id(1),
        record_id(4),
        record_id(5),
    ]
    (error,) = read_records(tmp_path / "out.jsonl.errors.jsonl")
    assert (error["id"], error["position"], error["reason"]) == (record_id(3), 2, "invalid_warc")
    assert "1 skipped (1 redirect)" in finished.err


def test_skipped_records_alone_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.warc").write_bytes(record(1, answer(b"", "301 Moved")))
    assert (clean(tmp_path / "a.warc").code, clean(tmp_path / "a.warc").out) == (0, b"")


def test_the_charset_of_the_head_decides_how_a_page_is_read(tmp_path: Path) -> None:
    story = "<p>Die Brücke ist seit Montag wieder offen, sagt die Bürgermeisterin.</p>".encode("cp1252")
    block = answer(story, content_type="text/html; charset=ISO-8859-1")
    (tmp_path / "a.warc").write_bytes(record(1, block))
    (result,) = clean(tmp_path / "a.warc").records
    assert (result["encoding"], "Brücke" in result["text"]) == ("windows-1252", True)


def test_a_page_of_an_archive_comes_out_with_its_input_where_that_is_asked(crawl: Path) -> None:
    assert "page 1" in clean(crawl, "--keep-input").records[0]["html"]


def test_without_fastwarc_an_archive_is_told_with_what_to_install(crawl: Path) -> None:
    with mock.patch.dict("sys.modules", {"fastwarc": None}):
        finished = clean(crawl)
    assert finished.code == 1
    assert "pip install 'line-cleaner[warc]'" in finished.err


def test_explain_takes_a_page_of_an_archive(crawl: Path) -> None:
    page, name = read_one_page(str(crawl), None, 3)
    assert (page.id, name) == (record_id(4), f"{crawl}, record 3")
    assert read_one_page(str(crawl), None, None)[0].id == record_id(1)
    with pytest.raises(DocumentError, match="redirect"):
        read_one_page(str(crawl), None, 1)


# --- archives of texts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.wet", "out.warc.wet.gz", "out.wet.zst"])
def test_articles_become_an_archive_that_others_and_we_can_read(crawl: Path, tmp_path: Path, name: str) -> None:
    clean(crawl, "-o", tmp_path / name)
    with (tmp_path / name).open("rb") as file:
        written = [
            (entry.headers["WARC-Refers-To"], entry.headers["WARC-Target-URI"], entry.verify_block_digest())
            for entry in ArchiveIterator(file)
        ]
    assert written == [(record_id(n), f"https://herald.example/{n}", True) for n in (1, 4, 5)]
    again = clean(tmp_path / name)
    assert [record["text"] for record in again.records] == [f"This is page {n} of the archive." for n in (1, 4, 5)]
    assert again.records[0]["warc_date"] == "2024-05-06T07:08:09Z"


def test_an_archive_of_texts_is_the_same_each_time(crawl: Path, tmp_path: Path) -> None:
    for name in ("a.wet.gz", "b.wet.gz"):
        clean(crawl, "-o", tmp_path / name)
    assert (tmp_path / "a.wet.gz").read_bytes() == (tmp_path / "b.wet.gz").read_bytes()


# --- shards -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def stories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of records of several blocks each."""
    monkeypatch.setattr("cleaner.readers.jsonl.BLOCK_LINES", 50)
    (tmp_path / "in").mkdir()
    for name in "abc":
        write_records(tmp_path / "in" / f"{name}.jsonl", [{"id": f"{name}{n}", "text": TEXT} for n in range(400)])
    return tmp_path / "in"


@pytest.mark.parametrize("to", ["jsonl", "jsonl.zst", "parquet", "wet.gz"])
def test_shards_of_a_set_size_hold_each_record_once_and_in_order(stories: Path, tmp_path: Path, to: str) -> None:
    assert clean(stories, "-o", tmp_path / "out", "--to", to, "--shard-size", "40K").code == 0
    names = shards(tmp_path / "out")
    assert len(names) > 3
    assert names == [f"part-{number:05d}{names[0][10:]}" for number in range(len(names))]
    if to != "wet.gz":
        ids = [
            entry["id"]
            for name in names
            for entry in clean(tmp_path / "out" / name, "--from", to.split(".")[0]).records
        ]
        assert ids == [f"{name}{n}" for name in "abc" for n in range(400)]


def test_shards_are_the_same_whatever_the_number_of_workers(stories: Path, tmp_path: Path) -> None:
    written = []
    for n_workers in (1, 2):
        out = tmp_path / f"out{n_workers}"
        options = ("--to", "parquet", "--shard-size", "100K", "--workers", n_workers)
        assert start(stories / "a.jsonl", stories / "b.jsonl", "-o", out, *options).wait() == 0
        written.append({name: (out / name).read_bytes() for name in shards(out)})
    assert written[0] == written[1]


def test_shards_of_an_earlier_run_are_not_mixed_with_those_of_a_set_size(stories: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "part-00003.parquet").write_bytes(b"")
    finished = clean(stories, "-o", tmp_path / "out", "--shard-size", "1M")
    assert finished.code == 1
    assert "part-00003.parquet of another run" in finished.err


def test_a_shard_packed_as_asked_is_whole(stories: Path, tmp_path: Path) -> None:
    clean(stories / "a.jsonl", "-o", tmp_path / "z", "--to", "jsonl.zst")
    clean(stories / "a.jsonl", "-o", tmp_path / "g", "--to", "jsonl.gz")
    packed = (tmp_path / "z" / "part-00000.jsonl.zst").read_bytes()
    content = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    assert content == gzip.decompress((tmp_path / "g" / "part-00000.jsonl.gz").read_bytes())
    assert content.count(b"\n") == 400


# --- a full disk ------------------------------------------------------------------------------------------------------


class FullDisk:
    """A file that takes so many bytes and no more."""

    def __init__(self, file: Any, n_bytes: int) -> None:
        self._file, self._n_bytes = file, n_bytes

    def write(self, content: bytes) -> int:
        self._n_bytes -= len(content)
        if self._n_bytes < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return int(self._file.write(content))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.parametrize("n_bytes", [0, 3, 100])
@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.jsonl.zst", "out.parquet", "out.wet.gz", "out/"])
def test_a_disk_that_fills_up_leaves_with_1_and_no_half_file(tmp_path: Path, name: str, n_bytes: int) -> None:
    path = write_records(tmp_path / "in.jsonl", [{"id": n, "text": f"{n} {ARTICLE}"} for n in range(50)])
    with mock.patch.object(files, "open", lambda path, mode: FullDisk(open(path, mode), n_bytes), create=True):
        finished = (
            clean(path, "-o", f"{tmp_path}/{name}", "--to", "jsonl")
            if name == "out/"
            else clean(path, "-o", tmp_path / name)
        )
    assert finished.code == 1
    assert "No space left on device" in finished.err
    assert [path for path in listing(tmp_path) if not path.startswith("out/_run")] == ["in.jsonl"]


def test_a_table_that_an_interrupt_cut_short_is_whole_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_records(tmp_path / "in.jsonl", [{"id": n, "text": TEXT} for n in range(9)])
    with mock.patch("cleaner.batch.run._Writer.write", side_effect=KeyboardInterrupt):
        assert clean(path, "-o", tmp_path / "out.parquet").code == 130
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0
