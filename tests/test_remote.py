"""URLs, in and out, by the file system in memory."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import fsspec
import pyarrow.parquet as pq
import pytest
from command_line import clean, write_records
from made_warc import archive, page

STORY = {"id": "a", "text": "The bridge reopened on Monday."}


@pytest.fixture
def store() -> Iterator[Any]:
    """An empty store."""
    file_system = fsspec.filesystem("memory")
    file_system.store.clear()
    yield file_system
    file_system.store.clear()


def put(store: Any, path: str, content: bytes) -> str:
    store.pipe_file(path, content)
    return f"memory:/{path}"


def test_a_file_behind_a_url_is_read(store: Any) -> None:
    url = put(store, "/in/a.jsonl.gz", gzip.compress(json.dumps(STORY).encode()))
    (record,) = clean(url).records
    assert record["text"] == STORY["text"]


def test_a_folder_and_a_glob_behind_a_url_stand_for_their_files(store: Any) -> None:
    put(store, "/in/sub/b.txt", b"The harbour closed.")
    put(store, "/in/a.txt", b"The bridge reopened.")
    put(store, "/in/_SUCCESS", b"")
    put(store, "/in/.hidden/c.txt", b"x")
    assert [record["id"] for record in clean("memory://in").records] == ["a.txt#0", "sub/b.txt#0"]
    assert [record["id"] for record in clean("memory://in/*.txt", "--to", "jsonl").records] == ["a.txt#0"]


def test_archives_and_tables_behind_a_url_are_read(store: Any, tmp_path: Path) -> None:
    put(store, "/in/a.warc.gz", archive([page(1), page(2)]))
    path = write_records(tmp_path / "in.jsonl", [STORY])
    assert clean(path, "-o", "memory://in/b.parquet").code == 0
    assert len(clean("memory://in").records) == 3


@pytest.mark.parametrize("url", ["memory://missing.txt", "memory://nothing/*.txt"])
def test_a_url_that_leads_to_no_file_is_told(store: Any, url: str) -> None:
    finished = clean(url)
    assert (finished.code, finished.out) == (1, b"")
    assert url in finished.err


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs"), ("simplecache::s3", "s3fs")])
def test_a_store_whose_package_is_missing_is_told_with_what_to_install(scheme: str, package: str) -> None:
    with mock.patch.dict(sys.modules, {package: None}):
        finished = clean(f"{scheme}://bucket/a.txt")
    assert finished.code == 1
    assert f"pip install {package}" in finished.err


def test_without_fsspec_a_url_is_told_with_what_to_install() -> None:
    with mock.patch.dict(sys.modules, {"fsspec": None, "fsspec.core": None}):
        finished = clean("memory://in/a.txt")
    assert finished.code == 1
    assert "pip install 'line-cleaner[cloud]'" in finished.err


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".parquet", ".warc.wet.gz"])
def test_a_folder_behind_a_url_is_written_and_success_comes_last(store: Any, tmp_path: Path, ending: str) -> None:
    path = write_records(tmp_path / "in.jsonl", [STORY])
    order: list[str] = []
    write = store.__class__._open

    def noted(self: Any, path: str, mode: str = "rb", **settings: Any) -> Any:
        order.extend([path] if "w" in mode else [])
        return write(self, path, mode, **settings)

    with mock.patch.object(store.__class__, "_open", noted):
        assert clean(path, "-o", "memory://out/run/", "--to", ending.removeprefix(".warc").removeprefix(".")).code == 0
    assert order == [f"/out/run/part-00000{ending}", "/out/run/_SUCCESS"]


def test_texts_are_mirrored_behind_a_url(store: Any, tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "a.txt").write_text("The bridge reopened.")
    assert clean(tmp_path / "in", "-o", "memory://out/").code == 0
    assert store.cat_file("/out/sub/a.txt.txt") == b"The bridge reopened.\n"
    assert store.exists("/out/_removed.jsonl")


def test_errors_stand_beside_a_file_behind_a_url(store: Any, tmp_path: Path) -> None:
    path = write_records(tmp_path / "in.jsonl", [STORY, {"id": "b"}])
    assert clean(path, "-o", "memory://out/clean.parquet").code == 3
    assert pq.read_table(store.open("/out/clean.parquet")).column("id").to_pylist() == ["a"]
    assert json.loads(store.cat_file("/out/clean.parquet.errors.jsonl"))["id"] == "b"
    write_records(path, [STORY])
    assert clean(path, "-o", "memory://out/clean.parquet").code == 0
    assert not store.exists("/out/clean.parquet.errors.jsonl")


def test_a_store_that_refuses_leaves_with_1_and_no_half_file(store: Any, tmp_path: Path) -> None:
    path = write_records(tmp_path / "in.jsonl", [STORY])

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    with mock.patch.object(store.__class__, "_open", refuse):
        finished = clean(path, "-o", "memory://out/a.jsonl")
    assert finished.code == 1
    assert "memory://out/a.jsonl: cannot be written: Permission denied" in finished.err
    assert not store.exists("/out/a.jsonl")
