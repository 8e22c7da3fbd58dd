"""The benchmark of articles out of HTML: what makes a row, what is exact or lost, who is asked; invented data."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import _data, _page_scores, _page_speed, _report, _score, _venv_peer, pages, verdicts
from bench._data import GoldPage
from bench._page_scores import Comparison, score_pages
from bench._peers import Peer
from bench._venv_peer import VenvPeer

STORY = "The mayor opened the bridge on Monday."


def gold(
    page_id: str = "a", source: str = "aed", lang: str = "en", body: str = STORY, marked: bool = False
) -> GoldPage:
    html = f"<h1>Bridge</h1><p>{body}</p>"
    return GoldPage(page_id, source, f"{page_id}.example", lang, None, html, body, (), (), marked)


# --- figures of a page ---


def test_a_page_whose_words_all_came_out_is_exact_whatever_the_lines() -> None:
    assert score_pages([gold()], ["The mayor opened\nthe bridge, on Monday"]).is_exact.tolist() == [True]


def test_a_page_with_its_caption_left_in_is_not_exact() -> None:
    assert score_pages([gold()], [f"{STORY} Photo: agency"]).is_exact.tolist() == [False]


def test_shingles_that_agree_do_not_make_a_page_exact_when_its_paragraphs_are_turned_round() -> None:
    turned = score_pages(
        [gold(body="the rain it came the rain it went the rain it")], ["the rain it went the rain it came the rain it"]
    )
    assert turned.f1.tolist() == [1.0]
    assert turned.is_exact.tolist() == [False]


def test_a_page_of_which_the_sidebar_was_taken_is_lost_whole_but_not_empty() -> None:
    scores = score_pages([gold()], ["Most read today: five other stories"])
    assert (scores.has_failed.tolist(), scores.is_empty.tolist()) == ([True], [False])


def test_a_page_for_which_only_dashes_came_back_is_empty() -> None:
    assert score_pages([gold()], [" – \n"]).is_empty.tolist() == [True]


# --- comparison of systems ---


def test_comparing_all_at_once_gives_the_figures_that_each_pair_has_alone() -> None:
    sites = [f"{i % 7}.example" for i in range(30)]
    random = np.random.default_rng(1)
    ours, theirs = random.dirichlet((8, 1, 1), 30), random.dirichlet((6, 2, 2), 30)
    compared = _score.compare({"ours": ours, "theirs": theirs}, sites, n_resamples=40)
    alone = _score.difference(ours, theirs, sites, n_resamples=40)
    assert compared["theirs"].gap is not None
    assert compared["theirs"].gap.value == pytest.approx(alone.value)
    assert (compared["theirs"].gap.low, compared["theirs"].gap.high) == pytest.approx((alone.low, alone.high))


def test_the_first_system_is_not_compared_with_itself() -> None:
    counts = np.array([[1.0, 0.0, 0.0]])
    assert _score.compare({"ours": counts}, ["a.example"], n_resamples=5)["ours"].gap is None


def test_pages_of_four_sites_get_a_figure_without_interval_and_nothing_in_bold() -> None:
    counts = {"ours": np.tile([1.0, 0.0, 0.0], (4, 1)), "theirs": np.tile([0.5, 0.5, 0.0], (4, 1))}
    gap = _score.compare(counts, ["a", "b", "c", "d"], n_resamples=20)["theirs"].gap
    assert gap is not None
    assert _report.gap(gap) == "+.333"


def test_a_difference_whose_interval_leaves_zero_out_is_bold() -> None:
    assert _report.gap(_score.Interval(0.012, 0.003, 0.02)) == "**+.012** [.003, .020]"
    assert _report.gap(_score.Interval(-0.012, -0.03, 0.02)) == "-.012 [-.030, .020]"


# --- which pages make a row ---


def test_doubtful_gold_is_out_of_every_row_but_those_that_say_so() -> None:
    given = [gold("a"), gold("b", marked=True), gold("c", source="wcxb")]
    assert {name: rows.tolist() for name, rows in _page_scores.source_rows(given).items()} == {
        "aed": [0],
        "wcxb": [2],
        "news by people": [0],
        "all": [0, 2],
    }
    assert {name: rows.tolist() for name, rows in _page_scores.source_rows(given, with_marked=True).items()} == {
        "aed": [0, 1],
        "news by people": [0, 1],
        "all": [0, 1, 2],
    }


def test_a_source_with_doubtful_pages_only_has_no_row() -> None:
    assert _page_scores.source_rows([gold(marked=True)]) == {}


def test_languages_are_told_apart_within_the_sources_in_several() -> None:
    given = [gold("a", "daniel", "pl"), gold("b", "daniel", "ru"), gold("c", "daniel", "ru"), gold("d", "aed", "it")]
    rows = _page_scores.language_rows(given)
    assert {name: numbers.tolist() for name, numbers in rows.items()} == {"daniel ru": [1, 2], "daniel pl": [0]}


def test_pages_named_in_a_table_of_our_own_are_marked_too(tmp_path: Path) -> None:
    write_pages(tmp_path, "aed", [{"id": "a"}, {"id": "b"}, {"id": "c", "gold_suspect": True}])
    ours = tmp_path / "suspects.tsv"
    ours.write_text("id\tsplit\tprototype_f1\tverdict\nb\tdev\t0.5\tgold_extra\n", encoding="utf-8")
    read = _data.read_pages(tmp_path, ["aed"], suspects=[ours, tmp_path / "missing.tsv"], with_suspect=True)
    assert [(page.id, page.marked) for page in read] == [("a", False), ("b", True), ("c", True)]


# --- tables ---


def test_the_table_of_systems_counts_exact_lost_and_empty_pages() -> None:
    given = [gold("a"), gold("b"), gold("c"), gold("d")]
    systems = {"ours": score_pages(given, [STORY, STORY, "", "Read more"])}
    (row,) = _page_scores.systems_table(Comparison(given, systems, 5), np.arange(4)).splitlines()[2:]
    assert [cell.strip() for cell in row.split("|")][5:8] == [".500", "2", "1"]


def test_figures_by_page_hold_ids_and_no_text() -> None:
    given = [gold("a"), gold("b", marked=True)]
    table = _page_scores.per_page_table(Comparison(given, {"ours": score_pages(given, [STORY, ""])}, 5))
    assert table.splitlines() == [
        "id\tsource\tsite\tlang\tmarked\tours",
        "a\taed\ta.example\ten\t0\t1.0000",
        "b\taed\tb.example\ten\t1\t0.0000",
    ]


# --- speed ---


def test_batches_hold_pages_from_all_over_and_each_once() -> None:
    given = [gold(str(i)) for i in range(100)]
    batches = _page_speed.spread_batches(given, 60)
    ids = [int(page.id) for batch in batches for page in batch]
    assert len(set(ids)) == len(ids) == 50
    assert all(len(batch) <= _page_speed.BATCH_PAGES and int(batch[-1].id) > 80 for batch in batches)


def test_systems_take_turns_and_the_one_that_goes_first_changes() -> None:
    calls: list[str] = []

    class Clock:
        def __init__(self, name: str) -> None:
            self.name = name

        def texts(self, pages: Sequence[GoldPage]) -> list[str]:
            return []

        def cpu_s(self, pages: Sequence[GoldPage]) -> float:
            calls.append(self.name)
            return float(len(pages))

    spent = _page_speed.cpu_in_turns([Clock("a"), Clock("b")], [[gold()] * 4, [gold()] * 2])
    assert calls[2:] == ["a", "b", "b", "a"]  # after one call each to warm up
    assert spent.tolist() == [[4.0, 2.0], [4.0, 2.0]]


def test_half_the_time_is_twice_the_speed() -> None:
    base = np.array([2.0, 4.0, 2.0])
    times = _page_speed.ratio(base, base / 2, n_resamples=10)
    assert (times.value, times.low, times.high) == (2.0, 2.0, 2.0)


# --- peers in environments of their own ---

WORKER = """
import json, sys
for row in sys.stdin:
    html = json.loads(row)["html"]
    if "dies" in html:
        sys.exit(1)
    print(json.dumps({"text": None if "fails" in html else html.upper(), "cpu_s": 0.25}), flush=True)
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VenvPeer:
    """A peer whose environment is that of the tests."""
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER, encoding="utf-8")
    monkeypatch.setattr(_venv_peer, "installed", lambda *asked: (Path(sys.executable), None))
    return VenvPeer("invented", "invented", "1.0", str(worker))


def in_html(html: str) -> GoldPage:
    return GoldPage(html, "aed", "a.example", "en", None, html, "", (), (), False)


def test_a_child_tells_the_text_and_what_it_cost(child: VenvPeer) -> None:
    try:
        assert child.run(in_html("überschwemmt")) == ("ÜBERSCHWEMMT", 0.25)
        assert child.cpu_s([in_html("storm"), in_html("rain")]) == 0.5
    finally:
        child.close()


def test_a_child_that_dies_on_a_page_fails_there_and_reads_the_next_one(child: VenvPeer) -> None:
    try:
        assert child.texts([in_html("it dies"), in_html("it fails"), in_html("storm")], cache=None) == ["", "", "STORM"]
        assert child.failures == {"it dies", "it fails"}
    finally:
        child.close()


def test_a_peer_that_pip_cannot_install_says_what_pip_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "WARNING: slow\nERROR: No matching distribution found for invented==1.0\n"

    def refuse(command: Sequence[str]) -> None:
        raise subprocess.CalledProcessError(1, list(command), stderr=said)

    monkeypatch.setattr(_venv_peer, "_call", refuse)
    monkeypatch.setattr(_venv_peer, "CACHE", tmp_path)
    monkeypatch.setattr("venv.create", lambda home, **options: Path(home).mkdir(parents=True))
    peer = VenvPeer("invented", "invented", "1.0", "worker.py")
    assert peer.version is None
    assert peer.why_missing == "invented==1.0 could not be installed: No matching distribution found for invented==1.0"
    assert not (tmp_path / "venvs" / "invented-1.0").exists()


# --- the whole run ---


def write_pages(folder: Path, source: str, records: Sequence[dict[str, object]]) -> None:
    import zstandard

    filled = [
        {
            "source": source,
            "split": "dev",
            "domain": f"{record['id']}.example",
            "html": f"<p>{STORY}</p>",
            "body": STORY,
        }
        | record
        for record in records
    ]
    rows = "".join(json.dumps(record) + "\n" for record in filled)
    (folder / f"pages-{source}.jsonl.zst").write_bytes(zstandard.compress(rows.encode()))


@pytest.fixture
def corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds corpora/ with one page a source; results would go beside it."""
    monkeypatch.setattr(_report, "RESULTS", tmp_path / "RESULTS.md")
    (tmp_path / "corpora").mkdir()
    for source in _data.BODY_SOURCES:
        write_pages(tmp_path / "corpora", source, [{"id": source}])
    segments: dict[str, object] = {"id": "s", "with_segments": ["opened the bridge"], "without_segments": ["Read more"]}
    write_pages(tmp_path / "corpora", _data.SEGMENT_SOURCE, [segments])
    return tmp_path


class Uncached(Peer):
    def texts(self, pages: Iterable[GoldPage], cache: Path | None = None) -> list[str]:
        return super().texts(pages, None)


PEERS = (
    Uncached("trafilatura", "pytest", lambda html, lang: f"{STORY} Read more"),
    Uncached("nobody", "no-such-distribution-anywhere", lambda html, lang: ""),
)


def test_a_full_run_writes_its_section_and_names_the_peer_that_is_not_there(corpora: Path) -> None:
    pages.main(["--corpora", str(corpora)], PEERS)
    written = (corpora / "RESULTS.md").read_text(encoding="utf-8")
    assert "nobody: not available, not installed." in written
    assert written.index("### By source") < written.index("### Segments of") < written.index("### Speed")


def test_a_run_on_some_pages_prints_their_figures_and_writes_nothing(
    corpora: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages.main(["--corpora", str(corpora), "--sources", "aed", "--parts", "bodies"], PEERS)
    peer_row = next(row for row in capsys.readouterr().out.splitlines() if row.startswith("| trafilatura "))
    # Four shingles of the story, and two more with what the peer left in.
    assert peer_row.split("|")[2].strip() == ".800"
    assert not (corpora / "RESULTS.md").exists()


def test_a_source_that_nobody_knows_is_wrong_usage(corpora: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        pages.main(["--corpora", str(corpora), "--sources", "aed,gazette"])
    assert "gazette is none of aed," in capsys.readouterr().err


def test_the_bench_of_verdicts_tells_what_becomes_of_a_page_with_and_without_a_second_opinion() -> None:
    records = [json.loads(row) for row in verdicts.OWN_PAGES.read_text(encoding="utf-8").splitlines()]
    article = next(record for record in records if record["page_type"] == "article")
    cleaner = verdicts.FirstOpinion()
    row = verdicts.measure(cleaner, "own article", article)
    assert row is not None and row.first == row.final == "article" and not row.asked and row.f1 and row.f1 > 0.8
    table = verdicts.verdict_table([row, replace(row, kind="own none", first="no_article", final="no_article")])
    assert [line.split("|")[5].strip() for line in table.splitlines()[2:]] == ["0", "1"]
