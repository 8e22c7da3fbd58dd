"""Bad input from the command line: each case looks at the output, the account of errors and the exit code."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import math
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from command_line import ARTICLE, Finished, clean, lines_of, read_records, start, write_records
from made_pages import STORY, TITLE, paragraphs

from cleaner import Cleaner, DocumentError

GOOD = {"id": "good", "text": "The bridge reopened on Monday."}
needs_dev_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder with one good text, for others to be put beside it."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.txt").write_text("The bridge reopened on Monday.")
    return folder


def outcome(finished: Finished) -> tuple[int, list[str], list[tuple[str, str]]]:
    """Exit code, ids that were cleaned, ids that were rejected with their reasons."""
    return (
        finished.code,
        [record["id"] for record in finished.records],
        [(error["id"], error["reason"]) for error in finished.errors],
    )


@pytest.mark.parametrize("content", [b"", b"\n", b" \t\r\n\x0b\n\xef\xbb\xbf"[:6], "\ufeff\n\u3000\n".encode()])
def test_an_empty_text_is_an_empty_article(inputs: Path, content: bytes) -> None:
    (inputs / "empty.txt").write_bytes(content)
    finished = clean(inputs)
    assert outcome(finished) == (0, ["empty.txt#0", "good.txt#0"], [])
    assert (finished.records[0]["text"], finished.records[0]["verdict"]) == ("", "no_article")
    assert clean(inputs / "empty.txt").out == b""
    assert clean("-", stdin=content).code == 0


@pytest.mark.parametrize("name", ["page.html", "records.jsonl"])
def test_an_empty_file_of_another_kind_is_no_error(inputs: Path, name: str) -> None:
    (inputs / name).write_bytes(b"")
    assert outcome(clean(inputs))[0::2] == (0, [])


@pytest.mark.parametrize("name", ["photo.jpg", "story.txt"])
def test_a_binary_file_is_rejected_and_the_others_go_on(inputs: Path, name: str) -> None:
    (inputs / name).write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)) * 4)
    assert outcome(clean(inputs)) == (3, ["good.txt#0"], [(f"{name}#0", "undecodable")])


def test_a_binary_file_alone_gives_no_text_and_no_file(inputs: Path, tmp_path: Path) -> None:
    (inputs / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)) * 4)
    assert outcome(clean(inputs / "photo.jpg")) == (3, [], [("photo.jpg#0", "undecodable")])
    assert clean(inputs / "photo.jpg", "-o", tmp_path / "out.txt").code == 3
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Die Brücke ist offen – „endlich“, sagt Bürgermeisterin Höß.".encode("cp1252"), None),
        ("Die Brücke ist offen, sagt sie.".encode("utf-16"), "Die Brücke ist offen, sagt sie."),
        ("Die Brücke ist offen, sagt sie.".encode("utf-16-le"), "Die Brücke ist offen, sagt sie."),
        (
            "Die Brücke ist offen. ".encode() + "Schön, sagt sie.".encode("cp1252"),
            "Die Brücke ist offen. Schön, sagt sie.",
        ),
    ],
)
def test_a_text_in_another_encoding_is_read_and_the_encoding_told(
    inputs: Path, content: bytes, text: str | None
) -> None:
    (inputs / "bruecke.txt").write_bytes(content)
    finished = clean(inputs)
    assert outcome(finished) == (0, ["bruecke.txt#0", "good.txt#0"], [])
    assert finished.records[0]["text"] == (text or content.decode("cp1252"))
    assert finished.records[0]["encoding"]


def test_a_record_in_cp1252_among_others_in_utf_8_is_read(tmp_path: Path) -> None:
    text = "Die Brücke ist offen – „endlich“, sagt Bürgermeisterin Höß."
    path = write_records(
        tmp_path / "in.jsonl", [json.dumps({"id": 1, "text": text}, ensure_ascii=False).encode("cp1252"), GOOD]
    )
    finished = clean(path)
    assert outcome(finished) == (0, [1, "good"], [])
    assert finished.records[0]["text"] == text
    assert finished.records[0]["encoding"] == "windows-1252"


def test_a_nul_byte_in_a_text_does_not_stop_it(tmp_path: Path) -> None:
    (tmp_path / "story.txt").write_bytes(b"The bridge\0 reopened.\n\nIt was shut for two years.\n")
    finished = clean(tmp_path / "story.txt", "--to", "jsonl")
    assert finished.code == 0
    assert lines_of(finished.records[0]) == ["It was shut for two years.", "The bridge\0 reopened."]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_text_is_the_same_whatever_ends_its_lines(tmp_path: Path, ending: str) -> None:
    (tmp_path / "story.txt").write_bytes(ARTICLE.replace("\n", ending).encode())
    assert clean(tmp_path / "story.txt").out == clean("-", stdin=ARTICLE.encode()).out


@pytest.mark.parametrize("inner", ["\u2028", "\f", "\v", "\x85", "\x1c"])
def test_what_looks_like_a_line_end_to_others_stays_inside_its_line(tmp_path: Path, inner: str) -> None:
    line = f"The bridge{inner}reopened on Monday."
    path = write_records(tmp_path / "in.jsonl", [{"text": line}])
    (tmp_path / "story.txt").write_text(line, encoding="utf-8")
    assert clean(path).records[0]["text"] == line
    assert clean(tmp_path / "story.txt").out.decode() == line + "\n"


@pytest.mark.parametrize("size_mb", [1, pytest.param(50, marks=pytest.mark.slow)])
def test_a_line_of_many_megabytes_comes_through_whole(tmp_path: Path, size_mb: int) -> None:
    line = "bridge " * (size_mb * 150_000) + "end"
    path = write_records(tmp_path / "in.jsonl", [{"id": "long", "text": line}, GOOD])
    finished = clean(path)
    assert outcome(finished) == (0, ["long", "good"], [])
    assert lines_of(finished.records[0]) == [line]


@pytest.mark.parametrize("n_lines", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_text_of_very_many_lines_comes_through_whole(tmp_path: Path, n_lines: int) -> None:
    rows = [f"Line {number} of it." for number in range(n_lines)]
    (tmp_path / "story.txt").write_text("\n".join(rows))
    (record,) = clean(tmp_path / "story.txt", "--to", "jsonl").records
    assert lines_of(record) == sorted(rows)


def test_html_given_as_text_is_a_text_with_every_line_accounted_for(tmp_path: Path) -> None:
    page = "<html><body>\n<p>The bridge reopened.</p>\n</body></html>\n"
    (tmp_path / "page.html").write_text(page)
    path = write_records(tmp_path / "in.jsonl", [{"text": page}])
    for finished in (clean(tmp_path / "page.html", "--from", "text", "--to", "jsonl"), clean(path)):
        assert finished.code == 0
        assert lines_of(finished.records[0]) == sorted(page.splitlines())


def test_text_given_as_html_loses_nothing(tmp_path: Path) -> None:
    text = "The bridge reopened on Monday, the council said in the evening.\n\nIt had been shut for two years.\n"
    (tmp_path / "story.html").write_text(text)
    path = write_records(tmp_path / "in.jsonl", [{"html": text}])
    for finished in (
        clean(tmp_path / "story.html", "--to", "jsonl"),
        clean(tmp_path / "story.html", "--from", "html", "--to", "jsonl"),
        clean(path),
    ):
        assert finished.code == 0
        words = " ".join(lines_of(finished.records[0])).split()
        assert sorted(words) == sorted(text.split())


def test_a_broken_line_in_the_middle_is_told_with_its_place_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = write_records(
        tmp_path / "in.jsonl", [GOOD, b"", b'{"text": "The bri', {"id": "last", "text": "It was shut."}]
    )
    out = tmp_path / "out.jsonl"
    assert clean(path, "-o", out).code == 3
    assert [record["id"] for record in read_records(out)] == ["good", "last"]
    (error,) = read_records(tmp_path / "out.jsonl.errors.jsonl")
    assert list(error) == ["id", "source", "position", "reason", "message"]
    assert (error["id"], error["source"], error["position"], error["reason"]) == (
        "in.jsonl#1",
        str(path),
        1,
        "invalid_json",
    )
    assert "line 3" in error["message"]


def test_nan_and_huge_integers_pass_through_with_their_values(tmp_path: Path) -> None:
    record = (
        b'{"text": "The bridge reopened.", "score": NaN, "n": 123456789012345678901234567890, "deep": [-Infinity, 1]}'
    )
    (result,) = clean(write_records(tmp_path / "in.jsonl", [record])).records
    assert math.isnan(result["score"])
    assert (result["n"], result["deep"]) == (123456789012345678901234567890, [-math.inf, 1])


def test_lone_surrogates_become_replacement_characters_and_are_counted(tmp_path: Path) -> None:
    path = write_records(tmp_path / "in.jsonl", [rb'{"id": "\udc00", "text": "The \ud800bridge", "paper": "\udfff"}'])
    finished = clean(path, "--log-format", "json")
    (record,) = finished.records
    assert (record["id"], record["text"], record["paper"]) == ("\ufffd", "The \ufffdbridge", "\ufffd")
    assert json.loads(finished.err)["surrogates_replaced"] == 3


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"id": "bad", "title": "Bridge"}, "no_text"),
        ({"id": "bad", "text": None, "html": None}, "no_text"),
        ({"id": "bad", "text": 5}, "bad_type"),
        ({"id": "bad", "html": ["<p>"]}, "bad_type"),
    ],
)
def test_a_record_without_a_text_is_rejected_with_its_id(tmp_path: Path, record: object, reason: str) -> None:
    path = write_records(tmp_path / "in.jsonl", [GOOD, record, {**GOOD, "id": "after"}])
    assert outcome(clean(path)) == (3, ["good", "after"], [("bad", reason)])


def test_a_record_with_an_empty_text_is_an_empty_article(tmp_path: Path) -> None:
    (record,) = clean(write_records(tmp_path / "in.jsonl", [{"html": "", "text": ""}])).records
    assert (record["text"], record["verdict"]) == ("", "no_article")


@pytest.mark.parametrize("record", [[], "text", 5, None, True])
def test_a_line_that_is_json_but_no_record_is_rejected(tmp_path: Path, record: object) -> None:
    path = write_records(tmp_path / "in.jsonl", [GOOD, record])
    assert outcome(clean(path)) == (3, ["good"], [("in.jsonl#1", "invalid_json")])


def test_a_document_that_makes_us_fail_is_rejected_and_its_neighbours_are_not(tmp_path: Path) -> None:
    path = write_records(
        tmp_path / "in.jsonl", [GOOD, {"id": "bad", "text": "break the model"}, {**GOOD, "id": "after"}]
    )
    assert outcome(clean(path)) == (3, ["good", "after"], [("bad", "internal")])


def test_a_missing_path_stops_the_run_before_anything_is_cleaned(inputs: Path, tmp_path: Path) -> None:
    finished = clean(inputs, tmp_path / "missing.txt", "-o", tmp_path / "out")
    assert (finished.code, finished.out) == (1, b"")
    assert "missing.txt: no such file or folder" in finished.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["nothing/*.txt"], ["--files-from", "missing.lst"], ["empty"]])
def test_arguments_that_lead_to_no_file_are_an_error_and_no_empty_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    finished = clean(*arguments)
    assert (finished.code, finished.out) == (1, b"")
    assert arguments[-1] in finished.err


def test_of_several_files_one_that_cannot_be_read_is_rejected(inputs: Path) -> None:
    (inputs / "cut.txt.gz").write_bytes(b"\x1f\x8b\x08\x00\x00\x00")
    (inputs / "table.csv").write_text("id,words\n1,The bridge reopened.\n")
    assert outcome(clean(inputs)) == (
        3,
        ["good.txt#0"],
        [("cut.txt.gz#0", "unreadable"), ("table.csv#0", "unreadable")],
    )


def test_a_folder_that_cannot_be_looked_into_costs_no_other(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (inputs / "closed").mkdir()
    look_into = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return look_into(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert outcome(clean(inputs)) == (3, ["good.txt#0"], [("closed#0", "unreadable")])
    alone = clean(inputs / "closed")
    assert (alone.code, alone.err) == (1, f"cleaner: {inputs}/closed: the folder cannot be looked into\n")


def test_one_file_that_cannot_be_read_leaves_with_1(tmp_path: Path) -> None:
    (tmp_path / "cut.txt.gz").write_bytes(b"\x1f\x8b\x08\x00\x00\x00")
    finished = clean(tmp_path / "cut.txt.gz")
    assert (finished.code, finished.out) == (1, b"")
    assert "ends early" in finished.err


def test_records_before_a_break_in_the_file_are_kept(tmp_path: Path) -> None:
    content = b"".join(
        json.dumps({"id": number, "text": os.urandom(40).hex()}).encode() + b"\n" for number in range(99)
    )
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(content)[:-200])
    code, ids, errors = outcome(clean(tmp_path / "in.jsonl.gz"))
    assert (code, ids[:3], errors) == (3, [0, 1, 2], [(f"in.jsonl.gz#{len(ids)}", "unreadable")])


@pytest.mark.parametrize("out", ["missing/out.jsonl", "story.txt/out.jsonl", "story.txt/out"])
def test_an_output_that_cannot_be_written_leaves_with_1_and_says_where(tmp_path: Path, out: str) -> None:
    (tmp_path / "story.txt").write_text(ARTICLE)
    finished = clean(tmp_path / "story.txt", "-o", tmp_path / out)
    assert finished.code == 1
    assert str(tmp_path / out) in finished.err
    assert os.listdir(tmp_path) == ["story.txt"]


def test_an_errors_file_that_cannot_be_written_leaves_with_1(tmp_path: Path) -> None:
    path = write_records(tmp_path / "in.jsonl", [GOOD])
    finished = clean(path, "-o", tmp_path / "out.jsonl", "--errors", tmp_path / "missing" / "bad.jsonl")
    assert finished.code == 1
    assert os.listdir(tmp_path) == ["in.jsonl"]


@pytest.mark.parametrize("out", ["story", "story/"])
def test_an_output_folder_whose_name_is_that_of_a_file_is_told(tmp_path: Path, out: str) -> None:
    (tmp_path / "story").write_text(ARTICLE)
    finished = clean(tmp_path / "story", "-o", f"{tmp_path}/{out}")
    assert (finished.code, (tmp_path / "story").read_text()) == (1, ARTICLE)
    assert f"-o {tmp_path}/{out}: a file of that name is there" in finished.err


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("part-00000.jsonl", ()),
        ("part-00007.jsonl", ("--shard-size", "1M")),
        ("good.txt.txt", ()),
        ("good.txt.md", ("--to", "markdown")),
    ],
)
def test_a_run_does_not_write_over_its_own_inputs(inputs: Path, name: str, options: tuple[str, ...]) -> None:
    (inputs / name).write_text('{"text": "The harbour closed."}\n')
    finished = clean(inputs, "-o", inputs, "--from", "jsonl" if "part" in name else "text", *options)
    assert finished.code == 2
    assert f"{inputs / name} is both input and output" in finished.err
    assert sorted(os.listdir(inputs)) == sorted(["good.txt", name])


def test_texts_go_beside_their_inputs_where_that_is_asked_for(inputs: Path) -> None:
    assert clean(inputs, "-o", inputs).code == 0
    assert (inputs / "good.txt.txt").read_text() == "The bridge reopened on Monday.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="paths are shorter there")
def test_a_text_whose_name_is_too_long_for_its_ending_costs_no_other(inputs: Path, tmp_path: Path) -> None:
    names = ["x" * 247 + ".txt", "ü" * 124 + ".txt", "y" * 248 + ".txt"]
    for name in names:
        (inputs / name).write_text(ARTICLE)
    finished = clean(inputs, "-o", tmp_path / "out")
    errors = read_records(tmp_path / "out" / "_errors.jsonl")
    assert (finished.code, [(error["reason"], error["source"]) for error in errors]) == (
        3,
        [("unwritable", str(inputs / names[2])), ("unwritable", str(inputs / names[1]))],
    )
    assert (tmp_path / "out" / f"{names[0]}.txt").read_text() != ""
    assert (tmp_path / "out" / "good.txt.txt").exists()
    assert clean(inputs / names[1]).code == 0


@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--to", "markdown")])
def test_a_text_whose_name_is_that_of_a_folder_costs_no_other(
    inputs: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    ending = "md" if "markdown" in options else "txt"
    (inputs / f"x.{ending}").mkdir()
    for name in ("x", f"x.{ending}/story", "y", "z"):
        (inputs / name).write_text(ARTICLE)
    with tarfile.open(inputs / f"y.{ending}", "w") as pack:
        pack.add(inputs / "z", "page")
    finished = clean(inputs, "-o", tmp_path / "out", *options)
    errors = read_records(tmp_path / "out" / "_errors.jsonl")
    told = [(error["reason"], error["source"]) for error in errors]
    assert (finished.code, told) == (3, [("unwritable", str(inputs / name)) for name in "xy"])
    assert f"x.{ending} is the folder of other inputs" in errors[0]["message"]
    for name in (f"x.{ending}/story", f"y.{ending}/page", "z"):
        assert (tmp_path / "out" / f"{name}.{ending}").read_text() != ""


_GARBAGE = [b"\n", b"garbage\n" * 9, bytes(30) + b"x"]


@pytest.mark.parametrize("garbage", _GARBAGE)
@pytest.mark.parametrize("packing", [gzip, bz2, lzma])
def test_what_stands_behind_a_packed_text_is_told_and_the_text_is_cleaned(
    inputs: Path, tmp_path: Path, packing: Any, garbage: bytes
) -> None:
    (inputs / "a.txt.gz").write_bytes(packing.compress(ARTICLE.encode()) + garbage)
    finished = clean(inputs, "--to", "jsonl")
    assert outcome(finished) == (3, ["a.txt.gz#0", "good.txt#0"], [("a.txt.gz#1", "unreadable")])
    assert "data stands something else" in finished.errors[0]["message"]
    assert clean("-", stdin=(inputs / "a.txt.gz").read_bytes()).code == 3


@pytest.mark.parametrize("garbage", _GARBAGE)
def test_what_stands_behind_packed_records_costs_none_of_them(inputs: Path, garbage: bytes) -> None:
    path = inputs / "a.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(GOOD).encode()) + garbage)
    finished = clean(path, "--to", "jsonl")
    assert outcome(finished) == (3, ["good"], [("a.jsonl.gz#1", "unreadable")])
    assert "data stands something else" in finished.errors[0]["message"]


def test_packed_texts_in_a_row_and_padding_behind_them_are_one_text(inputs: Path) -> None:
    packed = gzip.compress(ARTICLE.encode())
    (inputs / "a.txt.gz").write_bytes(packed + packed + bytes(512))
    assert outcome(clean(inputs, "--to", "jsonl")) == (0, ["a.txt.gz#0", "good.txt#0"], [])


@needs_dev_full
def test_a_full_disk_leaves_with_1_and_says_so(tmp_path: Path) -> None:
    path = write_records(tmp_path / "in.jsonl", [GOOD])
    finished = clean(path, "-o", "/dev/full")
    assert finished.code == 1
    assert "No space left" in finished.err


@needs_dev_full
def test_a_full_disk_behind_standard_output_leaves_with_1_and_says_so_once(tmp_path: Path) -> None:
    path = write_records(tmp_path / "in.jsonl", [GOOD])
    with open("/dev/full", "wb") as full:
        finished = subprocess.run(
            [sys.executable, "-m", "cleaner", "clean", str(path)],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        )
    assert finished.returncode == 1
    assert finished.stderr.decode().splitlines() == [
        "cleaner: standard output cannot be written: No space left on device"
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is a POSIX one")
@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ("--version >&-", 1, "cleaner: standard output cannot be written: Bad file descriptor\n"),
        ("clean - <&-", 1, "cleaner: -: Bad file descriptor\n"),
        ("clean story.txt >&-", 1, "cleaner: standard output cannot be written: Bad file descriptor\n"),
        ("clean story.txt -q 2>&-", 0, ""),
    ],
)
def test_a_standard_stream_that_is_closed_is_told_and_no_crash(
    tmp_path: Path, arguments: str, code: int, told: str
) -> None:
    (tmp_path / "story.txt").write_text(ARTICLE)
    finished = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -m cleaner {arguments}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
    )
    assert (finished.returncode, finished.stderr) == (code, told)


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is a POSIX one")
def test_the_name_of_standard_output_means_it_even_where_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "story.txt").write_text(ARTICLE)
    process = start("story.txt", "-o", "/dev/stdout", "-q", cwd=tmp_path)
    expected, _ = process.communicate()
    with (tmp_path / "out").open("wb") as out:
        command = [sys.executable, "-m", "cleaner", "clean", "story.txt", "-o", "/dev/stdout", "-q"]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        assert subprocess.run(command, stdout=out, cwd=tmp_path, env=environment).returncode == 0
    assert (tmp_path / "out").read_bytes() == expected != b""


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode here")
def test_two_files_whose_names_are_not_utf_8_do_not_become_one(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, text in ((b"b\xfe.txt", "The bridge reopened."), (b"b\xff.txt", "The harbour closed.")):
        Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/" + name)).write_text(text)
    assert clean(tmp_path / "in", "-o", tmp_path / "out/").code == 0
    assert (tmp_path / "out" / "b\\xfe.txt.txt").read_text() == "The bridge reopened.\n"
    assert (tmp_path / "out" / "b\\xff.txt.txt").read_text() == "The harbour closed.\n"


def test_a_document_that_is_rejected_does_not_keep_the_text_of_an_earlier_run(tmp_path: Path) -> None:
    story, out, folder = tmp_path / "story.txt", tmp_path / "out.txt", tmp_path / "out"
    story.write_text(ARTICLE)
    assert [clean(story, "-o", place).code for place in (out, folder)] == [0, 0]
    story.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)) * 4)
    assert (clean(story, "-o", out).code, clean(story, "-o", folder, "--restart").code) == (3, 3)
    assert not out.exists()
    assert not (folder / "_removed.jsonl").exists()
    assert not (folder / "story.txt.txt").exists()


def test_the_message_about_a_damaged_file_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "story.txt.gz").write_bytes(gzip.compress(ARTICLE.encode())[:20])
    finished = clean(tmp_path / "story.txt.gz")
    assert (finished.code, finished.out) == (1, b"")
    assert "story.txt.gz: the gz data ends early" in finished.err


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is a POSIX one")
def test_a_reader_of_the_errors_that_leaves_early_changes_nothing_about_the_articles(tmp_path: Path) -> None:
    path = write_records(tmp_path / "in.jsonl", [*({"id": number} for number in range(20_000)), GOOD])
    process = start(path)
    assert process.stdout is not None and process.stderr is not None
    process.stderr.readline()
    process.stderr.close()
    assert json.loads(process.stdout.read())["id"] == "good"
    assert process.wait() == 3


def test_a_reader_that_leaves_early_ends_the_run_quietly(tmp_path: Path) -> None:
    path = write_records(
        tmp_path / "in.jsonl", [{"id": number, "text": "The bridge reopened."} for number in range(9000)]
    )
    process = start(path, "--quiet")
    assert process.stdout is not None and process.stderr is not None
    assert json.loads(process.stdout.readline())["id"] == 0
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


# --- hostile pages, by the packaged models --------------------------------------------------------------------------

NEWS = f"<h1>{TITLE}</h1><div class=article-body>{paragraphs(*STORY)}</div>"
HOSTILE = {
    "50,000 open divs": "<div>" * 50_000 + "Bridge closed.",
    "50,000 open bolds": "<b>" * 50_000 + "Bridge closed.",
    "50,000 open links": "<a href=x>" * 50_000 + "Bridge closed.",
    "20,000 lists within lists": "<ul><li>" * 20_000 + "Bridge closed.",
    "a million empty tags": "<i></i>" * 500_000 + "<div></div>" * 500_000,
    "a million breaks": "<br>" * 1_000_000,
    "100,000 attributes": f"<p {' '.join(f'a{number}=1' for number in range(100_000))}>Bridge closed.",
    "100,000 classes": f"<p class='{' '.join(f'a{number}' for number in range(100_000))}'>Bridge closed.",
    "100,000 inline elements in a line": "<p>" + "<span class=a>x</span> " * 100_000,
    "5,000 paragraphs in open bolds": "<b><p>x" * 5_000,
    "10,000 lines that stand twice": "".join(f"<p>Line {number} of it" for number in range(10_000)) * 2,
    "10,000 copies of the headline": f"<p>{TITLE}</p>" * 10_000,
    "300,000 metas": "<meta name=author content=x>" * 300_000,
    "JSON-LD that is never closed": f"<script type=application/ld+json>{'[' * 1_000_000}</script>",
    "unclosed everything": f"<article><p>{STORY[0]}<table><tr><td><ul><li><b><i><a href='x>" * 500 + "<",
    "NULs and controls": "<p>" + "".join(map(chr, range(0x20))) * 1_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_page_is_cleaned_and_keeps_the_lines_of_its_story(cleaner: Cleaner, name: str) -> None:
    article = cleaner.clean(html=NEWS + HOSTILE[name])
    assert article.extractor in ("lines", "trafilatura")
    assert set(STORY) <= {line.text for line in article.lines}
    assert article.lines_out + len(article.removed) == article.lines_in == len(article.lines)


def test_a_page_of_thirty_megabytes_is_cleaned(cleaner: Cleaner) -> None:
    page = NEWS + "".join(f"<p>{number}: {' '.join(STORY)}</p>" for number in range(45_000))
    assert len(page) > 30_000_000
    article = cleaner.clean(html=page)
    assert article.lines_in == 45_005
    assert len(article.text) + sum(len(line.text) for line in article.removed) > 0.99 * len(page) - 9 * 45_000


def test_a_line_of_thirty_megabytes_in_a_page_comes_through_whole(cleaner: Cleaner) -> None:
    line = "bridge " * 4_300_000 + "end"
    assert max(map(len, (entry.text for entry in cleaner.clean(html=f"{NEWS}<p>{line}").lines))) == len(line)


def test_a_page_of_200_000_lines_is_too_large_and_its_neighbours_are_not(cleaner: Cleaner) -> None:
    page = "".join(f"<p>Line {number}" for number in range(200_000))
    before, rejected, after = cleaner.clean_many([{"html": NEWS}, {"id": 7, "html": page}, {"html": NEWS}])
    assert (before.ok, rejected.ok, after.ok) == (True, False, True)
    assert (rejected.id, rejected.reason) == (7, "too_large")
    assert "200,000 lines" in rejected.message  # type: ignore[union-attr]
    with pytest.raises(DocumentError, match="200,000 lines"):
        cleaner.clean(html=page)


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("utf-8", "cp1252"), ("iso-8859-1", "utf-8"), ("utf-16", "utf-8"), ("shift_jis", "utf-8"), ("nonsense", "cp1252")],
)
def test_a_page_in_bytes_is_read_whatever_charset_it_declares(cleaner: Cleaner, declared: str, encoding: str) -> None:
    story = "Die Brücke ist offen – „endlich“, sagt Bürgermeisterin Höß und dankt den Ingenieuren für ihre Geduld."
    page = f"<html><head><meta charset={declared}></head><body><h1>Brücke wieder offen</h1>{paragraphs(story)}"
    article = cleaner.clean(html=page.encode(encoding))
    assert [line.text for line in article.lines] == ["Brücke wieder offen", story]


def test_lone_surrogates_of_a_page_become_replacement_characters_and_are_counted(cleaner: Cleaner) -> None:
    article = cleaner.clean(html=f"{NEWS}<p class='\ud800'>\ud800 bridge \udfff</p>", title="\udc00")
    assert article.n_replaced == 3
    assert "\ufffd bridge \ufffd" in [line.text for line in article.lines]
    article.text.encode()


def test_bytes_that_are_no_page_are_undecodable(cleaner: Cleaner) -> None:
    with pytest.raises(DocumentError) as caught:
        cleaner.clean(html=b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 50)
    assert caught.value.reason == "undecodable"


def test_a_page_cut_off_within_a_tag_loses_no_line_before_it(cleaner: Cleaner) -> None:
    for tail in ("<p", "<p class='a", "<!-- not closed", "<script>not closed", "&", "</"):
        assert set(STORY) <= {line.text for line in cleaner.clean(html=NEWS + tail).lines}
