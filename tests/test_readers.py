"""Telling kinds, finding inputs, cutting and parsing records."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from cleaner.errors import DocumentError, InputError, UsageError
from cleaner.readers import jsonl, streams
from cleaner.readers.jsonl import cut_blocks, cut_slow_blocks, parse_record
from cleaner.readers.kinds import tell_kind
from cleaner.readers.sources import find_sources
from cleaner.readers.streams import as_utf8, decompressed, read_ahead


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("story.txt", b"The bridge reopened.\n", "text"),
        ("story", b"", "text"),
        ("story.html", b"<p>The bridge reopened.</p>", "html"),
        ("STORY.HTM.GZ", b"<!-- page --><p>The bridge</p>", "html"),
        ("story.txt", b"<!DOCTYPE html><title>Bridge</title>", "html"),
        ("story", b"\xef\xbb\xbf\n<?xml version='1.0'?>\n<!-- a -->\n<html lang=en>", "html"),
        ("story.txt", "<html><body>".encode("utf-16"), "html"),
        ("story.html", b"The bridge reopened on Monday.", "text"),
        ("story.html", b"", "text"),
        ("story.txt", b"<We> wrote that 3 < 4.", "text"),
        ("stories.jsonl", b"", "jsonl"),
        ("stories.ndjson.zst", b"not JSON at all", "jsonl"),
        ("-", b'{"text": "a"}\n{"text": "b"}\n', "jsonl"),
        ("-", b'\n\n{"text": "a"}', "jsonl"),
        ("-", b'{"text": "' + b"a" * 70_000, "jsonl"),
        ("stories.txt", b'{"text": "a"}\n', "jsonl"),
        ("stories.json", b'{"text": "a"}\n{"text": "b"}\n', "jsonl"),
        ("-", b"{the bridge} reopened\n", "text"),
        ("-", b'{"text": broken\n{"text": "b"}\n{"text": "c"}\n', "jsonl"),
        ("-", b'{the bridge} reopened\n\n{"text": "b"} is what it said.\n\nIt was shut.\n', "text"),
        ("stories.csv", b"no head at all", "csv"),
        ("stories.TSV.gz", b"", "csv"),
        ("-", b"id,text\r\n1,The bridge reopened.\r\n", "csv"),
        ("-", b"In a text, a comma, and html; no head", "text"),
        ("stories.parquet", b"", "parquet"),
        ("-", b"PAR1\x15\x00", "parquet"),
        ("crawl.warc.gz", b"", "warc"),
        ("crawl", b"WARC/1.0\r\nWARC-Type: warcinfo\r\n", "warc"),
        ("crawl.warc.wet.gz", b"", "wet"),
        ("crawl.warc", b"WARC/1.0\r\nWARC-Type: conversion\r\n", "wet"),
        ("pages.tgz", b"", "tar"),
        ("pages.tar.zst", b"", "tar"),
        ("-", b"pages/".ljust(257, b"\0") + b"ustar", "tar"),
        ("pages.zip", b"PK\x03\x04", "zip"),
        ("story.docx", b"PK\x03\x04", "text"),
        ("story", b'{\n  "text": "a",\n  "tags": [\n    {"id": 1}\n  ]\n}\n', "text"),
    ],
)
def test_name_and_content_tell_what_an_input_is(name: str, head: bytes, kind: str) -> None:
    assert tell_kind(name, head) == kind


@pytest.mark.parametrize(
    ("name", "head", "told"),
    [
        ("stories.json", b'[{"text": "a"}]', "JSON Lines"),
        ("stories.json", b'{\n  "text": "a"\n}\n', "JSON Lines"),
        ("-", b'[{"text": "a"}]\n', "JSON Lines"),
    ],
)
def test_json_that_is_no_json_lines_is_wrong_usage_that_says_so(name: str, head: bytes, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        tell_kind(name, head)


def names(*arguments: str | Path) -> list[str]:
    return [source.name for source in find_sources([str(argument) for argument in arguments]).sources]


def touch(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("A line.")


def test_a_folder_stands_for_its_files_in_the_order_of_their_paths(tmp_path: Path) -> None:
    touch(tmp_path, "b.txt", "a/z.html", "a/b/c", "c.bin")
    assert names(tmp_path) == ["b.txt", "c.bin", "a/z.html", "a/b/c"]


def test_hidden_files_are_no_inputs(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt", ".hidden", ".git/config", "_notes.txt")
    assert names(tmp_path) == ["_notes.txt", "a.txt"]


RUN_FILES = (
    *("_SUCCESS", "_removed.jsonl", "_errors.jsonl", "_run/run.json", "_run/report.json", "_run/report.html"),
    *("_run/ledger.sqlite", "_run/ledger.sqlite-wal", "_errors/part-00000-1f.json", "stories.jsonl.errors.jsonl"),
)


@pytest.mark.parametrize("arguments", [(".",), ("*",), ("**",), ("./**/*",), ("out",), ("out", "out/_run", "out/*")])
def test_what_a_run_says_of_itself_is_counted_and_no_input_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    touch(tmp_path, *(f"out/{name}" for name in RUN_FILES), "out/part-00000.jsonl", "out/_run/a.txt", "out/run.json")
    monkeypatch.chdir(tmp_path)
    found = find_sources(arguments)
    assert sorted(Path(source.path).name for source in found.sources) == ["a.txt", "part-00000.jsonl", "run.json"]
    assert (found.n_run_files, found.is_one_document) == (len(RUN_FILES), False)


@pytest.mark.parametrize("argument", ["_SUCCESS", "_run", "_run/run.json"])
def test_an_argument_that_leads_to_the_account_of_a_run_alone_is_an_error(tmp_path: Path, argument: str) -> None:
    touch(tmp_path, *RUN_FILES)
    with pytest.raises(InputError, match="nothing but what a run says of itself"):
        names(tmp_path / argument)


def test_a_glob_that_the_shell_left_alone_is_expanded(tmp_path: Path) -> None:
    touch(tmp_path, "b.txt", "a.txt", "c.html", "sub/d.txt")
    assert names(tmp_path / "*.txt") == ["a.txt", "b.txt"]
    assert names(tmp_path / "**" / "*.txt") == ["a.txt", "b.txt", "d.txt"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    touch(tmp_path, "a[1].txt", "a1.txt")
    assert names(tmp_path / "a[1].txt") == ["a[1].txt"]


def test_files_of_one_name_in_two_folders_keep_names_of_their_own(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.txt", "y/a.txt")
    assert names(tmp_path / "x", tmp_path / "y") == ["x/a.txt", "y/a.txt"]


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt", "b.txt")
    assert names(tmp_path / "b.txt", tmp_path, tmp_path / "." / "b.txt") == ["b.txt", "a.txt"]


@pytest.mark.parametrize("argument", ["missing.txt", "*.txt", "empty"])
def test_an_argument_that_leads_to_no_file_is_an_error(tmp_path: Path, argument: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=argument.replace("*", r"\*")):
        names(tmp_path / argument)


PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
}


def in_pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


@pytest.mark.parametrize("packed_as", PACKERS)
def test_members_that_were_packed_one_by_one_unpack_as_one_text(packed_as: str) -> None:
    pack = PACKERS[packed_as]
    content = pack(b"The bridge ") + pack(b"") + pack(b"reopened.")
    assert b"".join(decompressed(in_pieces(content, 7))) == b"The bridge reopened."


@pytest.mark.parametrize("packed_as", PACKERS)
def test_packed_data_that_ends_early_is_an_error_and_no_short_text(packed_as: str) -> None:
    content = PACKERS[packed_as](b"The bridge reopened. " * 50)
    with pytest.raises(InputError, match="ends early"):
        list(decompressed([content[:-9]]))


@pytest.mark.parametrize("packed_as", PACKERS)
def test_damaged_packed_data_is_an_error_that_names_the_packing(packed_as: str) -> None:
    content = bytearray(PACKERS[packed_as](bytes(range(256)) * 50))
    content[6:40] = b"\xff" * 34
    with pytest.raises(InputError, match=packed_as):
        list(decompressed([bytes(content)]))


def test_zeros_behind_packed_data_are_padding() -> None:
    assert b"".join(decompressed([gzip.compress(b"A line.") + bytes(600)])) == b"A line."


def test_a_text_that_begins_like_bzip2_is_a_text() -> None:
    assert list(decompressed([b"BZh is how the file starts"])) == [b"BZh is how the file starts"]


def test_what_fails_in_the_reading_thread_is_raised_to_who_reads() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"first"
        raise InputError("the pipe broke")

    ahead = (chunk for chunk in read_ahead(chunks()) if chunk is not None)
    assert next(ahead) == b"first"
    with pytest.raises(InputError, match="the pipe broke"):
        next(ahead)


def cut(content: bytes, size: int = 5) -> list[tuple[int, int, bytes | None]]:
    return [record for block in cut_blocks(in_pieces(content, size)) for record in block.records()]


@given(st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=20), st.integers(1, 40))
def test_records_are_the_same_however_the_stream_is_chopped(lines: list[bytes], size: int) -> None:
    expected = [line for line in lines if line.strip()]
    assert [line for _, _, line in cut(b"\n".join(lines), size)] == expected


def test_blank_lines_are_no_records_but_count_as_lines() -> None:
    assert cut(b"\r\n{1}\r\n \n{2}") == [(0, 2, b"{1}\r"), (1, 4, b"{2}")]


def test_numbers_go_on_from_block_to_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "BLOCK_LINES", 2)
    blocks = list(cut_blocks([b"a\n\nb\nc\nd\n"]))
    assert [(block.first_record, block.first_line, len(block.lines)) for block in blocks] == [
        (0, 1, 2),
        (1, 3, 2),
        (3, 5, 1),
    ]


def test_a_line_beyond_the_limit_is_left_out_and_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE_BYTES", 10)
    assert cut(b"short\n" + b"x" * 30 + b"\nnext\n") == [(0, 1, b"short"), (1, 2, None), (2, 3, b"next")]


def test_a_pipe_that_pauses_gives_what_it_has() -> None:
    chunks = iter([b'{"text": "a"}\n{"te', None, None, b'xt": "b"}\n'])
    blocks = cut_slow_blocks(chunks, wait_s=0.0)
    assert [block.lines if block else None for block in blocks] == [[b'{"text": "a"}'], None, None, [b'{"text": "b"}']]


def test_lines_before_a_break_in_the_stream_are_still_given() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a\nb\nhal"
        raise InputError("cut short")

    blocks = cut_blocks(chunks())
    assert next(blocks).lines == [b"a", b"b"]
    with pytest.raises(InputError):
        next(blocks)


def test_records_in_utf_16_are_read() -> None:
    content = '{"text": "Brücke"}\n{"text": "橋"}\n'.encode("utf-16")
    assert [record[2] for record in cut(b"".join(as_utf8(in_pieces(content, 3))))] == [
        '{"text": "Brücke"}'.encode(),
        '{"text": "橋"}'.encode(),
    ]


def test_records_are_read_from_whatever_file_like_thing_stands_for_a_pipe() -> None:
    assert list(streams.read_chunks(io.BytesIO(b"abcde"), 2)) == [b"ab", b"cd", b"e"]


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 10**400, 7])
def test_integers_of_any_length_keep_their_value(number: int) -> None:
    fields = parse_record(json.dumps({"n": number, "deep": [{"n": number}]}).encode()).fields
    assert fields == {"n": number, "deep": [{"n": number}]}
    assert type(fields["n"]) is int


def test_nan_and_infinity_are_read_and_marked_for_an_exact_writer() -> None:
    record = parse_record(b'{"score": NaN, "more": [Infinity]}')
    assert math.isnan(record.fields["score"])
    assert record.is_exact


def test_a_large_float_stays_a_float() -> None:
    assert repr(parse_record(b'{"n": 1e22}').fields["n"]) == "1e+22"


def test_lone_surrogates_become_replacement_characters_and_are_counted() -> None:
    record = parse_record(rb'{"text": "a\ud800b", "k\udfff": ["\ud83d\ude00 \udc00"]}')
    assert record.fields == {"text": "a\ufffdb", "k\ufffd": ["😀 \ufffd"]}
    assert record.n_surrogates == 3


def test_in_a_line_that_is_not_utf_8_the_document_stays_bytes_to_be_decoded() -> None:
    record = parse_record('{"text": "Brücke – „neu“", "paper": "Zürcher “Bote”"}'.encode("cp1252"))
    assert record.fields == {"text": "Brücke – „neu“".encode("cp1252"), "paper": "Zürcher “Bote”"}


def test_a_byte_order_mark_in_front_of_a_record_is_no_error() -> None:
    assert parse_record(b'\xef\xbb\xbf{"text": "a"}').fields == {"text": "a"}


def test_of_a_name_that_stands_twice_the_last_value_counts_in_both_parsers() -> None:
    assert parse_record(b'{"a": 1, "a": 2}').fields == parse_record(b'{"a": NaN, "a": 2}').fields == {"a": 2}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"text": ', "character 9"),
        (b'["text"]', "an array"),
        (b"12", "a number"),
        (b"null", "null"),
        (b'{"text": "a"} trailing', "Extra data"),
        (b'{"n": ' + b"9" * 5000 + b"}", "4300"),
        (b'{"n": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"n": ' + b"[" * 900 + b"1" + b"]" * 900 + b"}", "nested too deeply"),
    ],
)
def test_a_line_that_is_no_object_is_rejected_with_what_was_found(line: bytes, told: str) -> None:
    with pytest.raises(DocumentError, match=told) as caught:
        parse_record(line)
    assert caught.value.reason == "invalid_json"
