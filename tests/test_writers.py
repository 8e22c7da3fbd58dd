"""Records as lines, articles as texts, files that appear whole."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import math
from pathlib import Path

import pytest
import zstandard

from cleaner import Cleaner
from cleaner.errors import OutputError
from cleaner.types import Article
from cleaner.writers.files import WholeFile
from cleaner.writers.jsonl import record_line
from cleaner.writers.text import article_text


def article(title: str | None, text: str) -> Article:
    return Article("a", None, title, text, "article", 1.0, 1, 1, (), "model", "hash")


def test_a_record_is_one_line_of_utf_8() -> None:
    assert record_line({"text": "Brücke\n\n橋\u2028"}) == '{"text":"Brücke\\n\\n橋\u2028"}\n'.encode()


@pytest.mark.parametrize("value", [2**70, [-(2**64)], {"deep": 10**300}])
def test_integers_beyond_64_bits_are_written_in_full(value: object) -> None:
    assert json.loads(record_line({"n": value}))["n"] == value


def test_an_exact_record_keeps_nan_and_its_other_values() -> None:
    line = record_line({"score": math.nan, "n": 1e22, "text": "Brücke"}, is_exact=True)
    assert line == '{"score":NaN,"n":1e+22,"text":"Brücke"}\n'.encode()


def test_a_lone_surrogate_cannot_break_a_line() -> None:
    assert json.loads(record_line({"message": "a\ud800b"})) == {"message": "a\ufffdb"}


def test_a_record_nested_three_hundred_deep_is_written() -> None:
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    assert json.loads(record_line({"deep": deep})) == {"deep": deep}


@pytest.mark.parametrize(
    ("title", "text", "written"),
    [
        ("Bridge reopens", "It reopened.", "Bridge reopens\n\nIt reopened.\n"),
        (None, "It reopened.", "It reopened.\n"),
        ("Bridge reopens", "", "Bridge reopens\n"),
        (None, "", ""),
    ],
)
def test_a_text_is_the_title_a_blank_line_and_the_body(title: str | None, text: str, written: str) -> None:
    assert article_text(article(title, text)) == written


def test_the_packaged_model_keeps_the_text_of_a_plain_paragraph(cleaner: Cleaner) -> None:
    paragraph = "The council voted seven to two on Monday to reopen the bridge over the river, the mayor said."
    assert article_text(cleaner.clean(paragraph)) == paragraph + "\n"


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    file = WholeFile(path)
    file.write(b"new")
    assert path.read_text() == "old"
    file.finish()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_discarded_file_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl.gz"
    path.write_text("old")
    file = WholeFile(path)
    file.write(b"new")
    file.discard()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


UNPACKERS = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": lambda packed: zstandard.ZstdDecompressor().decompressobj().decompress(packed),
    "": bytes,
}


@pytest.mark.parametrize("ending", UNPACKERS)
def test_the_ending_packs_the_file_and_the_same_content_gives_the_same_bytes(tmp_path: Path, ending: str) -> None:
    written = []
    for name in ("a", "b"):
        file = WholeFile(tmp_path / f"{name}.jsonl{ending}")
        file.write(b"one\n")
        file.write(b"two\n")
        file.finish()
        written.append(file.path.read_bytes())
    assert written[0] == written[1]
    assert UNPACKERS[ending](written[0]) == b"one\ntwo\n"


def test_a_file_in_a_folder_that_does_not_exist_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="missing does not exist"):
        WholeFile(tmp_path / "missing" / "out.jsonl")
