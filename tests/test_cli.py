"""`cleaner clean` as a user types it: outputs, exit codes, streams, interrupts."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import ARTICLE, ARTICLE_CLEAN, Finished, clean, lines_of, read_records, run, start, write_records

from cleaner import __version__
from cleaner.cli import COMMANDS
from cleaner.types import RECORD_FIELDS

PAGE = (
    f"<!doctype html><html><head><title>Bridge</title></head><body><p>{'The bridge reopened. ' * 9}</p></body></html>"
)


@pytest.fixture
def story(tmp_path: Path) -> Path:
    path = tmp_path / "story.txt"
    path.write_text(ARTICLE)
    return path


@pytest.fixture
def stories(tmp_path: Path) -> Path:
    return write_records(
        tmp_path / "stories.jsonl", [{"id": "a", "text": ARTICLE}, {"text": ARTICLE, "paper": "Herald"}]
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two texts, a page and records, one below the other."""
    inputs = tmp_path / "in"
    (inputs / "sub").mkdir(parents=True)
    (inputs / "a.txt").write_text(ARTICLE)
    (inputs / "sub" / "b.txt.gz").write_bytes(gzip.compress(ARTICLE.encode()))
    (inputs / "sub" / "page.html").write_text(PAGE)
    write_records(inputs / "sub" / "stories.jsonl", [{"text": ARTICLE}, {"text": ARTICLE}])
    return inputs


def listing(folder: Path) -> list[str]:
    """The files of a folder, but for those that tell of the run."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if not name.startswith("_run/"))


def test_the_version_is_told() -> None:
    assert run("--version") == Finished(0, f"cleaner {__version__}\n".encode(), "")


def test_help_lists_the_commands() -> None:
    text = run("--help").out.decode()
    assert all(f"\n  {name} " in text for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_help_lists_can_be_asked_for_its_own_help(name: str) -> None:
    finished = run(name, "--help")
    assert (finished.code, finished.err) == (0, "")
    assert f"cleaner {name}" in finished.out.decode()


def test_one_text_comes_out_as_plain_text(story: Path) -> None:
    finished = clean(story)
    assert (finished.code, finished.out) == (0, ARTICLE_CLEAN)
    assert "2 of 3 lines kept" in finished.err


def test_a_text_on_standard_input_comes_out_as_plain_text() -> None:
    assert clean("-", stdin=ARTICLE.encode()).out == ARTICLE_CLEAN


def test_a_page_comes_out_as_plain_text(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    assert b"The bridge reopened." in clean(tmp_path / "page.html").out
    assert b"<" not in clean(tmp_path / "page.html").out


def test_records_come_out_as_records_with_their_own_fields(stories: Path) -> None:
    finished = clean(stories)
    first, second = finished.records
    assert (finished.code, first["id"], second["id"], second["paper"]) == (0, "a", "stories.jsonl#1", "Herald")
    assert first["text"] == "The bridge reopened on Monday."
    assert [removed["text"] for removed in first["removed"]] == ["teaser| More news: harbour closes"]


def test_the_fields_of_a_record_stand_in_the_order_of_the_contract(stories: Path) -> None:
    assert tuple(clean(stories).records[1]) == (*RECORD_FIELDS, "paper")


def test_several_texts_come_out_as_records_in_their_order(folder: Path, story: Path) -> None:
    finished = clean(story, folder / "a.txt")
    assert [record["id"] for record in finished.records] == ["story.txt#0", "a.txt#0"]


def test_a_folder_with_one_text_still_gives_records(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text(ARTICLE)
    assert [record["id"] for record in clean(tmp_path / "in").records] == ["a.txt#0"]


def test_ids_are_paths_below_the_input_folder_and_numbers_of_records(folder: Path) -> None:
    assert [record["id"] for record in clean(folder).records] == [
        "a.txt#0",
        "sub/b.txt.gz#0",
        "sub/page.html#0",
        "sub/stories.jsonl#0",
        "sub/stories.jsonl#1",
    ]


def test_the_ending_of_the_output_says_what_is_written(stories: Path, story: Path, tmp_path: Path) -> None:
    assert clean(stories, "-o", tmp_path / "out.jsonl.gz").out == b""
    assert len(gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()).splitlines()) == 2
    clean(story, "-o", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_bytes() == ARTICLE_CLEAN
    clean(story, "-o", tmp_path / "one.jsonl")
    assert read_records(tmp_path / "one.jsonl")[0]["id"] == "story.txt#0"


@pytest.mark.parametrize("out", ["out", "out/", "out/run/1"])
def test_a_folder_mirrors_texts_and_shards_records(folder: Path, tmp_path: Path, out: str) -> None:
    assert clean(folder, "-o", f"{tmp_path}/{out}").code == 0
    written = tmp_path / out
    assert listing(written) == [
        "_SUCCESS",
        "_removed.jsonl",
        "a.txt.txt",
        "part-00000.jsonl",
        "sub/b.txt.gz.txt",
        "sub/page.html.txt",
    ]
    assert (written / "a.txt.txt").read_bytes() == ARTICLE_CLEAN
    assert [record["id"] for record in read_records(written / "part-00000.jsonl")] == [
        "sub/stories.jsonl#0",
        "sub/stories.jsonl#1",
    ]


def test_what_was_removed_stands_beside_mirrored_texts(folder: Path, tmp_path: Path) -> None:
    clean(folder, "-o", tmp_path / "out")
    account = read_records(tmp_path / "out" / "_removed.jsonl")[0]
    assert account["id"] == "a.txt#0"
    assert account["removed"][0]["text"] == "teaser| More news: harbour closes"
    assert "text" not in account


def test_each_input_of_records_gets_its_own_shard(stories: Path, tmp_path: Path) -> None:
    other = write_records(tmp_path / "more.jsonl", [{"id": "x", "text": ARTICLE}])
    empty = write_records(tmp_path / "none.jsonl", [])
    clean(stories, empty, other, "-o", tmp_path / "out/")
    assert listing(tmp_path / "out") == ["_SUCCESS", "part-00000.jsonl", "part-00001.jsonl", "part-00002.jsonl"]
    assert [record["id"] for record in read_records(tmp_path / "out" / "part-00002.jsonl")] == ["x"]


def test_texts_go_into_shards_where_records_are_asked_for(folder: Path, tmp_path: Path) -> None:
    clean(folder, "-o", tmp_path / "out", "--to", "jsonl")
    assert listing(tmp_path / "out") == ["_SUCCESS", "part-00000.jsonl", "part-00001.jsonl"]
    assert len(read_records(tmp_path / "out" / "part-00000.jsonl")) == 3


def test_shards_of_an_earlier_run_are_not_mixed_with_new_ones(stories: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "part-00001.jsonl").write_text("{}\n")
    finished = clean(stories, "-o", tmp_path / "out")
    assert finished.code == 1
    assert "part-00001.jsonl of another run" in finished.err


def test_an_output_inside_the_input_folder_is_no_input(folder: Path) -> None:
    for _ in range(2):
        clean(folder, "-o", folder / "clean")
    assert "a.txt.txt" in listing(folder / "clean")
    assert "clean/a.txt.txt.txt" not in listing(folder / "clean")


def test_the_text_of_a_record_can_stand_in_a_field_of_another_name(tmp_path: Path) -> None:
    row = {"key": 7, "content": ARTICLE, "text": "a note", "head": "Bridge opens again"}
    path = write_records(tmp_path / "rows.jsonl", [row])
    (record,) = clean(path, "--text-column", "content", "--id-column", "key", "--title-column", "head").records
    assert (record["id"], record["lines_in"], record["input_text"]) == (7, 3, "a note")
    assert record["text"] == "The bridge reopened on Monday."


def test_keep_input_gives_the_document_back_as_it_came(stories: Path, story: Path) -> None:
    assert clean(stories, "--keep-input").records[0]["input_text"] == ARTICLE
    assert clean(story, "--keep-input", "--to", "jsonl").records[0]["input_text"] == ARTICLE


def test_html_is_not_copied_unless_asked(tmp_path: Path) -> None:
    path = write_records(tmp_path / "pages.jsonl", [{"html": PAGE, "text": ""}])
    assert "html" not in clean(path).records[0]
    assert clean(path, "--keep-input").records[0]["html"] == PAGE


def test_removed_lines_can_be_told_by_class_alone_or_not_at_all(stories: Path) -> None:
    assert clean(stories, "--removed", "labels").records[0]["removed"] == [{"line": 2, "label": "teaser", "score": 0.9}]
    assert "removed" not in clean(stories, "--removed", "none").records[0]


def test_annotate_removes_nothing_and_gives_every_line_its_place(story: Path) -> None:
    (record,) = clean(story, "--annotate").records
    assert [ARTICLE[line["start"] : line["end"]] for line in record["lines"]] == ARTICLE.strip().split("\n\n")
    assert record["removed"] == []


def test_classes_to_keep_can_be_changed(story: Path) -> None:
    assert b"More news" in clean(story, "--keep", "+teaser").out
    assert clean(story, "--keep", "teaser").out == b"teaser| More news: harbour closes\n"


def test_options_come_from_the_named_file_and_the_command_line_goes_before(story: Path, tmp_path: Path) -> None:
    config = tmp_path / "news.toml"
    config.write_text('removed = "labels"\nto = "jsonl"\n\n[clean]\nkeep = ["body", "teaser"]\n\n[train]\nfolds = 3\n')
    (record,) = clean(story, "--config", config).records
    assert record["removed"] == [{"line": 0, "label": "title", "score": 0.9}]
    assert clean(story, "--config", config, "--to", "text", "--keep", "body").out == b"The bridge reopened on Monday.\n"


def test_inputs_can_be_listed_in_a_file(story: Path, stories: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_text(f"{story}\r\n\n{stories}\n")
    assert len(clean("--files-from", listed).records) == 3
    assert len(clean("--files-from", "-", stdin=listed.read_bytes()).records) == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "no input given"),
        (["-", "-"], "only once"),
        (["-", "--wrong"], "--wrong"),
        (["-", "--from", "docx"], "text, html, jsonl"),
        (["-", "--to", "docx"], "jsonl, parquet, wet, text"),
        (["-", "--to", "parquet"], "Parquet is no stream"),
        (["-", "-o", "out.parquet"], "a pipe cannot be read twice"),
        (["-", "-o", "out.parquet.gz"], "packed"),
        (["-", "-o", "out.jsonl", "--shard-size", "1M"], "--shard-size is for an output folder"),
        (["-", "-o", "out.pdf"], ".parquet, .wet, .txt or .md"),
        (["-", "-o", ""], "-o names nothing"),
        (["-", "-o", "out.txt", "--to", "jsonl"], "--to"),
        (["-", "-o", "out.md", "--to", "text"], "--to"),
        (["-", "-o", "out.txt", "--annotate"], "--annotate needs records"),
        (["-", "--to", "markdown", "--annotate"], "--annotate needs records"),
        (["-", "--mode", "best"], "balanced, precision, recall"),
        (["-", "--keep", "headline"], "headline"),
        (["-", "--max-errors", "few"], "0.5%"),
        (["-", "--workers", "0"], "--workers"),
        (["-", "--log-format", "xml"], "text or json"),
        (["-", "--config", "missing.toml"], "missing.toml"),
        (["-", "--files-from", "-"], "--files-from"),
        (["-", "-o", "out.jsonl", "--errors", "./out.jsonl"], "a file of their own"),
    ],
)
def test_wrong_usage_leaves_with_2_and_says_what_is_wrong(arguments: list[str], told: str) -> None:
    finished = clean(*arguments, stdin=ARTICLE.encode())
    assert (finished.code, finished.out) == (2, b"")
    assert told in finished.err


def test_a_word_in_the_configuration_that_is_no_option_is_wrong_usage(story: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('modus = "recall"')
    finished = clean(story, "--config", tmp_path / "c.toml")
    assert finished.code == 2
    assert "'modus' is no option" in finished.err


def test_a_configuration_whose_clean_is_no_table_is_wrong_usage(story: Path, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("clean = 5\n")
    finished = clean(story, "--config", tmp_path / "own.toml")
    assert (finished.code, finished.out) == (2, b"")
    assert "[clean]" in finished.err


def test_phrases_that_are_not_there_leave_with_1_and_their_name(story: Path, tmp_path: Path) -> None:
    finished = clean(story, "--drop-like", tmp_path / "phrases.txt")
    assert (finished.code, finished.out) == (1, b"")
    assert "phrases.txt" in finished.err


def test_several_documents_into_one_text_is_wrong_usage(
    story: Path, stories: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.txt"
    assert clean(story, folder / "a.txt", "-o", out).code == 2
    assert clean(stories, "-o", out).code == 2
    assert clean(stories, "--to", "text").code == 2
    assert not out.exists()


def test_a_page_comes_out_as_markdown(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE.replace("The bridge", "The <a href=/bridge><b>bridge</b></a>", 1))
    finished = clean(tmp_path / "page.html", "--to", "markdown")
    assert (finished.code, finished.out[:28]) == (0, b"The [**bridge**](/bridge) re")
    clean(tmp_path / "page.html", "-o", tmp_path / "page.md")
    assert (tmp_path / "page.md").read_bytes() == finished.out


def test_the_title_of_a_text_is_the_headline_of_its_markdown() -> None:
    article = b"title| *Bridge* reopens\n\n2. The bridge reopened.\n"
    assert clean("-", "--to", "markdown", stdin=article).out == (
        b"# title| \\*Bridge\\* reopens\n\n2\\. The bridge reopened.\n"
    )


def test_a_folder_mirrors_single_documents_as_markdown(folder: Path, tmp_path: Path) -> None:
    (folder / "sub" / "stories.jsonl").unlink()
    assert clean(folder, "-o", tmp_path / "out", "--to", "markdown").code == 0
    assert listing(tmp_path / "out") == [
        "_SUCCESS",
        "_removed.jsonl",
        "a.txt.md",
        "sub/b.txt.gz.md",
        "sub/page.html.md",
    ]
    assert (tmp_path / "out" / "a.txt.md").read_bytes() == b"# " + ARTICLE_CLEAN


def test_several_documents_into_one_markdown_is_wrong_usage(
    story: Path, stories: Path, folder: Path, tmp_path: Path
) -> None:
    assert clean(story, folder / "a.txt", "-o", tmp_path / "out.md").code == 2
    assert clean(stories, "-o", tmp_path / "out.md").code == 2
    assert clean(stories, "--to", "markdown").code == 2
    assert not (tmp_path / "out.md").exists()


def test_an_input_is_never_overwritten(stories: Path) -> None:
    before = stories.read_bytes()
    assert clean(stories, "-o", stories).code == 2
    assert clean(stories, "--errors", stories).code == 2
    assert stories.read_bytes() == before


def test_a_model_that_is_not_there_leaves_with_1(story: Path) -> None:
    process = start(story, "--model", "nosuchmodel")
    assert b"nosuchmodel" in process.communicate()[1]
    assert process.returncode == 1


def test_rejections_go_where_the_user_says_or_beside_the_output(tmp_path: Path) -> None:
    path = write_records(tmp_path / "in.jsonl", [{"text": ARTICLE}, {"id": "b"}])
    expected = [{"id": "b", "source": str(path), "position": 1, "reason": "no_text"}]

    def told(records: list[dict[str, object]]) -> list[dict[str, object]]:
        return [{name: record[name] for name in ("id", "source", "position", "reason")} for record in records]

    assert told(clean(path).errors) == expected
    clean(path, "-o", tmp_path / "out.jsonl")
    assert told(read_records(tmp_path / "out.jsonl.errors.jsonl")) == expected
    clean(path, "-o", tmp_path / "folder")
    assert told(read_records(tmp_path / "folder" / "_errors.jsonl")) == expected
    clean(path, "--errors", tmp_path / "bad.jsonl")
    assert told(read_records(tmp_path / "bad.jsonl")) == expected


def test_a_dash_sends_rejections_to_standard_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_records(tmp_path / "in.jsonl", [{"id": "bad"}])
    finished = clean("in.jsonl", "-o", "out.jsonl", "--errors", "-")
    assert [error["id"] for error in finished.errors] == ["bad"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_an_errors_file_of_an_earlier_run_does_not_outlive_its_output(stories: Path, tmp_path: Path) -> None:
    stale = tmp_path / "out.jsonl.errors.jsonl"
    stale.write_text("{}\n")
    clean(stories, "-o", tmp_path / "out.jsonl")
    assert not stale.exists()


@pytest.mark.parametrize(("allowed", "code"), [("0", 3), ("1", 0), ("24%", 3), ("25%", 0), ("100%", 0)])
def test_max_errors_decides_between_0_and_3(tmp_path: Path, allowed: str, code: int) -> None:
    path = write_records(tmp_path / "in.jsonl", [{"text": "a"}, {"text": "b"}, {"text": "c"}, {}])
    assert clean(path, "--max-errors", allowed).code == code


def test_quiet_leaves_standard_error_empty(story: Path) -> None:
    assert clean(story, "--quiet").err == ""


def test_machines_get_the_summary_as_json(stories: Path) -> None:
    summary = json.loads(clean(stories, "--log-format", "json").err)
    assert (summary["event"], summary["documents"], summary["lines_in"], summary["lines_out"]) == ("summary", 2, 6, 4)


def test_texts_are_utf_8_whatever_the_console(tmp_path: Path) -> None:
    (tmp_path / "story.txt").write_text("Brücke – 橋\n", encoding="utf-8")
    assert clean(tmp_path / "story.txt", encoding="cp1252").out == "Brücke – 橋\n".encode()


def test_every_line_of_every_document_is_accounted_for(folder: Path) -> None:
    for record in clean(folder).records:
        if record["id"] != "sub/page.html#0":
            assert lines_of(record) == sorted(filter(None, ARTICLE.split("\n")))


def test_workers_give_the_same_bytes_as_one_process(folder: Path, tmp_path: Path) -> None:
    written = []
    for n_workers in (1, 2):
        out = tmp_path / f"out{n_workers}"
        process = start(folder, "-o", out, "--workers", n_workers)
        assert (process.communicate(), process.returncode)[1] == 0
        written.append({name: (out / name).read_bytes() for name in listing(out)})
    assert written[0] == written[1]


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_pipe_of_records_is_answered_before_it_ends(n_workers: int) -> None:
    process = start("-", "--workers", str(n_workers), stdin=-1, bufsize=0)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps({"id": 1, "text": ARTICLE}).encode() + b"\n")
    assert json.loads(process.stdout.readline())["id"] == 1
    process.stdin.write(json.dumps({"id": 2, "text": ARTICLE}).encode() + b"\n")
    assert json.loads(process.stdout.readline())["id"] == 2
    process.communicate()
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("out", ["out.jsonl", "out"])
def test_an_interrupt_keeps_what_is_finished_and_leaves_with_130(tmp_path: Path, out: str) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    process = start(pipe, "-o", tmp_path / out, "--log-format", "json", "-v")
    with pipe.open("wb", buffering=0) as writer:
        # So many that they leave the file's buffer; the last one stays unfinished.
        writer.write(b"".join(b'{"id": %d, "text": "The bridge reopened."}\n' % number for number in range(300)))
        writer.write(b'{"id": 300, "te')
        shown = tmp_path / out if out.endswith("l") else tmp_path / out / "part-00000.jsonl"
        unfinished = f".{shown.name}.*"
        wait_until(lambda: any(path.stat().st_size for path in shown.parent.glob(unfinished)), process)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert process.returncode == 130
    assert json.loads(told.splitlines()[-1])["event"] == "interrupted"
    assert [record["id"] for record in read_records(shown)] == list(range(300))
    assert not (tmp_path / out / "_SUCCESS").exists()


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not is_so():
        assert process.poll() is None, "the process ended before that"
        time.sleep(0.05)
