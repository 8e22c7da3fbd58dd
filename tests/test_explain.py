"""`cleaner explain`: what the terminal and the page say about each line. The values explained here are invented."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import turbohtml
from browser import Browser, find_chromium
from rich.console import Console

from cleaner.assemble import assemble
from cleaner.cli import main
from cleaner.cli.explain import plain_rows, print_coloured, print_explanation, read_one_page, write_page
from cleaner.cli.phrases import read_phrases
from cleaner.errors import DocumentError, InputError, OutputError, UsageError
from cleaner.extract.text import split_text
from cleaner.labels import LABEL_INDEX, LABELS
from cleaner.types import ExplainedLine, Explanation, Judged, Page, Reason
from cleaner.web.explain_page import COLOURS, is_close, render_page

THRESHOLD = 0.5
Row = tuple[str, str, float]

BRIDGE: list[Row] = [
    ("Bridge reopens after two years", "title", 0.03),
    ("Share Tweet Print", "interface", 0.99),
    ("The council voted 7-2 on Monday.", "body", 0.02),
    ("More news: Striker signs for rivals", "teaser", 0.97),
    ("Mayor Ruiz said she would sign.", "body", 0.04),
]


def explain_rows(
    rows: Sequence[Row],
    *,
    text: str | None = None,
    reasons: Sequence[Reason] = (Reason("ends as a sentence does", -1.25), Reason("three words long", 0.5)),
    hints: dict[int, str] | None = None,
    title: str | None = None,
) -> Explanation:
    """What `Cleaner.explain` would give for these lines, classes and scores."""
    text = text if text is not None else "\n\n".join(row[0] for row in rows)
    lines = split_text(text)
    judged = Judged(
        lines,
        [LABEL_INDEX[label] for _, label, _ in rows],
        [score for _, _, score in rows],
        [score < THRESHOLD for _, _, score in rows],
    )
    article = assemble(Page(text, title=title), judged, model="news-1", options_hash="0" * 12)
    explained = tuple(
        ExplainedLine(line, tuple(reasons), THRESHOLD, ("nav", 0.01), (hints or {}).get(line.line))
        for line in judged.to_lines()
    )
    return Explanation(article, explained, THRESHOLD)


def page_of(explanation: Explanation, source: str = "bridge.txt") -> turbohtml.Document:
    return turbohtml.parse(render_page(explanation, source=source, mode="balanced"))


def plain(explanation: Explanation, top: int = 5) -> list[list[str]]:
    """The rows of the lines, each cut into its fields."""
    return [row.split("\t") for row in plain_rows(explanation, "bridge.txt", "balanced", top)][3:]


def coloured(explanation: Explanation, width: int) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system="truecolor", highlight=False)
    print_coloured(console, explanation, "bridge.txt", "balanced", 5)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def without_styles(printed: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", printed)


# The page


def test_each_line_of_the_document_stands_in_the_page_once_and_in_order() -> None:
    page = page_of(explain_rows(BRIDGE))
    assert [element.text for element in page.select(".lines .text")] == [text for text, _, _ in BRIDGE]
    source = render_page(explain_rows(BRIDGE), source="bridge.txt")
    assert [source.count(text) for text, _, _ in BRIDGE] == [1] * len(BRIDGE)


def test_removed_lines_are_marked_as_deleted_and_kept_ones_are_not() -> None:
    page = page_of(explain_rows(BRIDGE))
    assert [element.text for element in page.select("del")] == [
        "Share Tweet Print",
        "More news: Striker signs for rivals",
    ]
    assert [row.attrs["id"] for row in page.select(".lines > li.kept")] == ["line-0", "line-2", "line-4"]


def test_a_second_copy_of_the_headline_is_shown_as_removed_with_that_reason() -> None:
    copied = [*BRIDGE, ("BRIDGE reopens after two years", "title", 0.1)]
    row = page_of(explain_rows(copied)).select_one("#line-5.gone")
    assert row is not None
    assert "a second copy of the headline" in row.text


def test_the_page_is_well_formed() -> None:
    rows = [*BRIDGE, ("5 < 6 & \"7\" > '3'", "body", 0.1), ("اقرأ أيضا", "teaser", 0.9)]
    source = render_page(explain_rows(rows, hints={1: "<share>"}), source='a "b" <c>.txt', mode="balanced")
    assert turbohtml.parse(source).errors == []


@pytest.mark.parametrize(
    "text",
    ["</script><script>alert(1)</script>", "</style><img src=x onerror=alert(1)>", "<!-- a", "]]>", "&lt;b&gt; &amp;"],
)
def test_markup_in_a_line_or_a_reason_or_a_name_is_shown_and_not_obeyed(text: str) -> None:
    explanation = explain_rows([(text, "offtopic", 0.9)], reasons=[Reason(text, 2.0)], hints={0: text}, title=text)
    page = page_of(explanation, source=text)
    assert len(page.select("script")) == 1
    assert not page.select("img")
    assert [element.text for element in page.select(".lines .text, .why li bdi, h1, .from-head")] == [text] * 4


def test_control_characters_of_a_line_are_shown_as_pictures() -> None:
    page = page_of(explain_rows([("a bell\x07 and a form\x0cfeed and nothing\x00", "body", 0.1)]))
    assert [element.text for element in page.select(".text")] == ["a bell␇ and a form␌feed and nothing␀"]


def test_the_page_asks_the_network_for_nothing() -> None:
    source = render_page(explain_rows(BRIDGE), source="bridge.txt")
    assert not re.search(r"https?:|//[a-z]|url\(|@import|\bsrc=|fetch\(|XMLHttpRequest", source)
    assert "default-src 'none'" in source


def test_the_reasons_of_a_line_stand_beside_it_heaviest_first_up_to_top() -> None:
    reasons = [Reason("opens like a pointer", 3.4), Reason("ends without a stop", 0.9), Reason("in the story", -0.5)]
    explanation = explain_rows(BRIDGE, reasons=reasons)
    page = turbohtml.parse(render_page(explanation, source="bridge.txt", top=2))
    why = page.select_one("#why-3")
    assert why is not None
    assert [reason.text for reason in why.select("li")] == ["opens like a pointer+3.40", "ends without a stop+0.90"]


def test_a_phrase_of_the_users_own_that_tipped_a_line_is_named() -> None:
    why = page_of(explain_rows(BRIDGE, hints={3: "more news"})).select_one("#why-3")
    assert why is not None
    assert "Your phrase “more news” tipped this." in why.text


def test_the_legend_names_all_classes_and_counts_their_lines() -> None:
    labels = page_of(explain_rows(BRIDGE)).select(".classes label")
    counts = dict(label.text.split() for label in labels)
    assert list(counts) == list(LABELS)
    assert {name: n for name, n in counts.items() if n != "0"} == {
        "title": "1",
        "body": "2",
        "interface": "1",
        "teaser": "1",
    }


def test_the_threshold_is_told_and_drawn() -> None:
    page = page_of(explain_rows(BRIDGE))
    assert "0.5 (balanced)" in [fact.text for fact in page.select(".facts dd")]
    assert [line.attrs["y1"] for line in page.select(".strip line")] == ["50.0"]


def test_a_title_from_the_input_heads_the_clean_article_where_no_line_is_a_headline() -> None:
    rows = BRIDGE[1:]
    assert [h.text for h in page_of(explain_rows(rows, title="Bridge opens")).select(".from-head")] == ["Bridge opens"]
    assert page_of(explain_rows(BRIDGE, title="Bridge opens")).select(".from-head") == []


def test_neighbours_without_a_blank_row_between_them_stay_close_in_the_clean_article() -> None:
    rows: list[Row] = [("One row,", "body", 0.1), ("Share", "interface", 0.9), ("its next.", "body", 0.1)]
    close = page_of(explain_rows(rows, text="One row,\nShare\nits next."))
    apart = page_of(explain_rows(rows, text="One row,\n\nShare\nits next."))
    assert [row.attrs["id"] for row in close.select(".kept.para")] == []
    assert [row.attrs["id"] for row in apart.select(".kept.para")] == ["line-2"]


def test_a_document_without_lines_gives_a_page_without_lines() -> None:
    assert page_of(explain_rows([], text="")).select(".lines > li") == []


def test_a_crawl_of_lines_shares_the_bars_of_the_overview() -> None:
    rows: list[Row] = [(f"Line {number}.", "body", 0.1) for number in range(2000)]
    rows[1234] = ("Share", "interface", 0.9)
    page = page_of(explain_rows(rows))
    assert len(page.select(".lines > li")) == 2000
    assert len(page.select(".strip a")) <= 480
    assert page.select(".strip a[href='#line-1234']")


def _luminance(colour: Sequence[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: Sequence[float], other: Sequence[float]) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _rgb(colour: str) -> list[float]:
    return [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_struck_out_lines_of_every_class_can_be_read(label: str, theme: int) -> None:
    style = render_page(explain_rows([]), source="")
    papers = [_rgb(colour) for colour in re.findall(r"--paper: (#[0-9a-f]{6})", style)[:2]]
    tints = [int(tint) / 100 for tint in re.findall(r"--tint: (\d+)%", style)]
    ink, paper, tint = _rgb(COLOURS[label][theme]), papers[theme], tints[theme]
    tinted = [tint * i + (1 - tint) * p for i, p in zip(ink, paper, strict=True)]
    assert min(_contrast(ink, paper), _contrast(ink, tinted)) >= 4.5


def test_no_two_classes_share_a_colour() -> None:
    assert len({light for light, _, _ in COLOURS.values()}) == len({dark for _, dark, _ in COLOURS.values()}) == 13


def test_a_score_near_the_threshold_is_a_close_call() -> None:
    assert [is_close(score, 0.9) for score in (0.95, 0.85, 0.5, 0.999)] == [True, True, False, False]


# The terminal


def test_away_from_a_terminal_each_line_is_one_row_without_colour(capsys: pytest.CaptureFixture[str]) -> None:
    print_explanation(explain_rows(BRIDGE), "bridge.txt", "balanced", 5)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert printed.splitlines()[:3] == [
        "# bridge.txt: 3 of 5 lines kept, 2 dropped; verdict article, quality 0.97",
        "# threshold 0.5 (balanced), model news-1",
        "line\tstate\tclass\tscore\ttext\treasons",
    ]
    assert printed.splitlines()[6] == (
        "3\tdropped\tteaser\t0.9700\tMore news: Striker signs for rivals\t"
        "-1.25 ends as a sentence does; +0.50 three words long"
    )


def test_a_long_line_is_not_cut_off_in_plain_rows() -> None:
    text = "The council voted. " * 500
    assert plain(explain_rows([(text.strip(), "body", 0.1)]))[0][4] == text.strip()


def test_a_line_cannot_steer_the_terminal_or_break_its_row() -> None:
    (row,) = plain(explain_rows([("red \x1b[31m, tab\t, feed\x0c, separator\u2028, next\x85.", "body", 0.1)]))
    assert row[4] == "red \\x1b[31m, tab\\t, feed\\x0c, separator\\u2028, next\\x85."
    assert "\x1b[31m" not in coloured(explain_rows([("red \x1b[31m", "body", 0.1)]), 100)


def test_phrases_and_repeats_are_among_the_reasons() -> None:
    rows = plain(explain_rows([*BRIDGE, BRIDGE[0]], hints={3: "more news"}), top=0)
    assert rows[3][5] == "your phrase “more news” tipped this"
    assert rows[5][1:3] + rows[5][5:] == ["dropped", "title", "a second copy of the headline"]


@pytest.mark.parametrize("width", [30, 60, 84, 120, 400])
def test_a_terminal_of_any_width_shows_every_word(width: int) -> None:
    printed = without_styles(coloured(explain_rows(BRIDGE), width))
    words = printed.split()
    for text, label, _ in BRIDGE:
        assert label in words
        assert set(text.split()) <= set(words)
    assert max(map(len, printed.splitlines())) <= width


def test_on_a_terminal_only_dropped_lines_are_struck_out() -> None:
    printed = coloured(explain_rows(BRIDGE), 100)
    struck = [text for style, text in re.findall(r"\x1b\[([0-9;]*)m([^\x1b]*)", printed) if "9" in style.split(";")]
    assert struck == ["Share Tweet Print", "More news: Striker signs for rivals"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colour_gets_plain_rows(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    printed = []
    for _ in range(2):
        terminal = Terminal()
        monkeypatch.setattr("sys.stdout", terminal)
        print_explanation(explain_rows(BRIDGE), "bridge.txt", "balanced", 5)
        printed.append(terminal.getvalue())
        monkeypatch.setenv(variable, value)
    assert "\x1b[" in printed[0]
    assert "\x1b[" not in printed[1]
    assert "\n3\tdropped\tteaser\t" in printed[1]


def test_a_reader_that_stops_listening_ends_the_rows_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        print_explanation(explain_rows(BRIDGE), "bridge.txt", "balanced", 5)


# The command


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `cleaner explain` with these arguments, whatever the model says; its exit code, output and messages."""
    monkeypatch.setattr("cleaner.cli.explain.explain_page", lambda page, model, options: explain_rows(BRIDGE))

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["explain", *arguments])
        out, err = capsysbinary.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out.decode(), err.decode()

    return run


@pytest.fixture
def bridge(tmp_path: Path) -> str:
    path = tmp_path / "bridge.txt"
    path.write_text("\n\n".join(text for text, _, _ in BRIDGE))
    return str(path)


def test_the_command_prints_a_row_for_each_line(run: Callable[..., tuple[int, str, str]], bridge: str) -> None:
    code, out, _ = run(bridge)
    assert code == 0
    assert [row.split("\t")[:3] for row in out.splitlines()[3:]] == [
        ["0", "kept", "title"],
        ["1", "dropped", "interface"],
        ["2", "kept", "body"],
        ["3", "dropped", "teaser"],
        ["4", "kept", "body"],
    ]


def test_the_command_writes_the_page_instead_where_one_is_named(
    run: Callable[..., tuple[int, str, str]], bridge: str, tmp_path: Path
) -> None:
    target = tmp_path / "page.html"
    code, out, err = run(bridge, "--html", str(target))
    assert (code, out) == (0, "")
    assert f"{target} written" in err
    assert len(turbohtml.parse(target.read_text(encoding="utf-8")).select("del")) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bridge.txt", "page.html"]


def test_the_page_goes_to_standard_output_for_a_dash(run: Callable[..., tuple[int, str, str]], bridge: str) -> None:
    assert run(bridge, "--html", "-")[1] == render_page(explain_rows(BRIDGE), source=bridge, mode="balanced", top=5)


@pytest.mark.parametrize(
    ("name", "content", "options", "code", "message"),
    [
        ("a.jsonl", "{oops\n", [], 3, "invalid_json"),
        ("a.jsonl", '{"text": "One."}\n', ["--record", "3"], 1, "no record 3"),
        ("a.txt", "One.", ["--record", "0"], 2, "--record chooses among records"),
        ("a.txt", "One.", ["--from", "papyrus"], 2, "papyrus"),
        ("a.txt", "One.", ["--drop-like", "missing.txt"], 1, "missing.txt"),
    ],
)
def test_the_exit_code_tells_a_bad_document_from_a_missing_one_and_from_wrong_usage(
    run: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    name: str,
    content: str,
    options: list[str],
    code: int,
    message: str,
) -> None:
    (tmp_path / name).write_text(content)
    ended, out, err = run(str(tmp_path / name), *options)
    assert (ended, out) == (code, "")
    assert message in err


# What is read, and what is written


def test_a_record_of_json_lines_is_chosen_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "pages.jsonl"
    path.write_text('{"text": "One."}\n\n{"html": "<p>Two.", "title": "T"}\n')
    page, name = read_one_page(str(path), None, 1)
    assert (page.body, page.kind, page.title) == ("<p>Two.", "html", "T")
    assert name == f"{path}, record 1"


def test_without_a_number_the_first_record_is_taken_and_the_others_are_mentioned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pages.jsonl"
    path.write_text('{"text": "One."}\n{"text": "Two."}\n')
    page, _ = read_one_page(str(path), None, None)
    assert page.body == "One."
    assert "--record N chooses another" in capsys.readouterr().err


def test_a_record_that_is_not_there_is_an_error_that_says_how_many_there_are(tmp_path: Path) -> None:
    path = tmp_path / "pages.jsonl"
    path.write_text('{"text": "One."}\n')
    with pytest.raises(InputError, match=r"no record 7; it has 1, counted from 0"):
        read_one_page(str(path), None, 7)


@pytest.mark.parametrize(
    ("row", "reason"), [("{oops", "invalid_json"), ('{"id": 1}', "no_text"), ('{"text": 1}', "bad_type")]
)
def test_a_record_that_is_no_document_is_told_with_its_reason(tmp_path: Path, row: str, reason: str) -> None:
    path = tmp_path / "pages.jsonl"
    path.write_text(row + "\n")
    with pytest.raises(DocumentError) as raised:
        read_one_page(str(path), None, None)
    assert raised.value.reason == reason


def test_a_folder_of_pages_is_not_one_document(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A.")
    (tmp_path / "b.txt").write_text("B.")
    with pytest.raises(UsageError, match="explain takes one document"):
        read_one_page(str(tmp_path), None, None)


def test_a_record_number_for_a_plain_text_is_wrong_usage(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("The council voted.")
    with pytest.raises(UsageError, match="--record chooses among records"):
        read_one_page(str(path), None, 0)


def test_phrases_are_read_one_a_line_without_blank_ones(tmp_path: Path) -> None:
    path = tmp_path / "phrases.txt"
    path.write_bytes(b"\xef\xbb\xbfmore news\r\n\r\n  follow us \n")
    assert read_phrases(path) == ("more news", "follow us")


def test_a_page_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"page\.html"):
        write_page(str(tmp_path / "missing" / "page.html"), "<p>")


# In a browser


def test_in_chromium_reasons_show_on_hover_focus_and_touch_and_the_legend_filters(tmp_path: Path) -> None:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("Chromium is not installed; `make check-all` installs it")
    path = tmp_path / "page.html"
    write_page(str(path), render_page(explain_rows(BRIDGE), source="bridge.txt", mode="balanced"))
    shown_rows = "[...document.querySelectorAll('.lines > li')].filter(e => e.checkVisibility()).map(e => e.id)"
    shown_reasons = "[...document.querySelectorAll('.why')].filter(e => e.checkVisibility()).map(e => e.id)"

    with Browser(chromium, path.as_uri()) as browser:
        assert browser.run(shown_reasons) == []
        browser.point_at("#line-3 .text")
        assert browser.run(shown_reasons) == ["why-3"]
        browser.point_at("h1")
        browser.run("document.querySelector('#line-0 button').focus()")
        assert browser.run(shown_reasons) == ["why-0"]
        browser.press("n")
        assert browser.run(shown_reasons) == ["why-1"]
        browser.press("ArrowDown")
        assert browser.run(shown_reasons) == ["why-2"]
        browser.press("Escape")
        assert browser.run(shown_reasons) == []
        browser.run("document.querySelector('#only-teaser').click()")
        assert browser.run(shown_rows) == ["line-3"]
        browser.run("document.querySelector('#only-teaser').click()")
        browser.run("document.querySelector('#view-clean').click()")
        assert browser.run(shown_rows) == ["line-0", "line-2", "line-4"]
        # The data: address is the empty icon that keeps a browser from asking for one.
        assert [url for url in browser.requests if not url.startswith("data:")] == [path.as_uri()]

    with Browser(chromium, path.as_uri(), width=390, height=844, touch=True) as browser:
        assert browser.run("document.documentElement.scrollWidth") == 390
        browser.tap("#line-3 .text")
        assert browser.run(shown_reasons) == ["why-3"]
        browser.tap("#line-3 .text")
        assert browser.run(shown_reasons) == []
