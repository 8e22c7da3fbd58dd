"""The figures that we report: metrics, bootstrap, line rules, page text, and the file of results; invented data."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import _data, _pages, _reliability, _report, _rules, _score, quality, speed
from bench._peers import Peer
from bench.retrain import draw_documents
from cleaner.labels import LABEL_INDEX
from cleaner.learn.corpus import LabelledDocument as LearnedDocument
from cleaner.learn.evaluate import (
    LOSS_CAP,
    articles_with_debris,
    average_precision,
    bootstrap_interval,
    decision_report,
    drop_prf,
    exact_documents,
    expected_calibration_error,
    lines_lost,
    per_class_f1,
    shingle_counts,
    shingle_f1,
    shingles,
    text_report,
    threshold_at_loss,
    words,
)

BODY, TEASER, TITLE, LEGAL = (LABEL_INDEX[name] for name in ("body", "teaser", "title", "legal"))


# --- lines ---


def test_average_precision_is_one_when_all_debris_scores_above_the_story() -> None:
    assert average_precision([0.9, 0.8, 0.2, 0.1], [True, True, False, False]) == 1.0


def test_average_precision_of_one_teaser_behind_one_paragraph_is_one_half() -> None:
    assert average_precision([0.9, 0.8], [False, True]) == 0.5


def test_lines_of_equal_score_fall_together_so_their_order_changes_nothing() -> None:
    assert average_precision([0.5, 0.5], [True, False]) == average_precision([0.5, 0.5], [False, True]) == 0.5


@settings(deadline=None)  # the first example pays for the import of scikit-learn
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 2)), min_size=1, max_size=30))
def test_average_precision_is_that_of_scikit_learn(lines: list[tuple[int, bool, int]]) -> None:
    from sklearn.metrics import average_precision_score

    scores, is_debris, weights = (np.array(column) for column in zip(*lines, strict=True))
    if not (is_debris & (weights > 0)).any():
        return
    expected = average_precision_score(is_debris, scores, sample_weight=weights)
    assert average_precision(scores, is_debris, weights) == pytest.approx(expected)


def test_a_line_that_weighs_two_counts_like_the_line_given_twice() -> None:
    scores, debris, dropped = [0.9, 0.7, 0.6, 0.1], [True, False, True, False], [True, True, False, False]
    twice = [0, 1, 1, 2, 3]
    weights = [1, 2, 1, 1]
    again = [[values[i] for i in twice] for values in (scores, debris, dropped)]
    assert average_precision(scores, debris, weights) == pytest.approx(average_precision(again[0], again[1]))
    assert drop_prf(debris, dropped, weights) == drop_prf(again[1], again[2])


def test_one_right_and_one_wrong_drop_with_one_teaser_missed() -> None:
    assert drop_prf([True, True, False], [True, False, True]) == (0.5, 0.5, 0.5)


def test_dropping_nothing_scores_zero_and_divides_by_nothing() -> None:
    assert drop_prf([True, False], [False, False]) == (0.0, 0.0, 0.0)


def test_film_credits_that_are_lost_whole_count_only_up_to_the_cap() -> None:
    keep = np.ones(200, dtype=bool)
    doc_ids = np.repeat([0, 1], 100)
    dropped = doc_ids == 0
    assert lines_lost(keep, dropped, doc_ids) == LOSS_CAP / 200
    assert lines_lost(keep, dropped, doc_ids, cap=1000) == 100 / 200


def test_dropped_debris_is_no_loss() -> None:
    assert lines_lost([True, False], [False, True], [0, 0]) == 0.0


def test_the_threshold_at_a_loss_lies_between_the_lines_that_go_and_those_that_stay() -> None:
    scores = [0.9, 0.8, 0.6, 0.4, 0.2]
    keep = [False, True, False, True, True]
    threshold = threshold_at_loss(scores, keep, [0] * 5, max_loss=1 / 3)
    assert threshold == pytest.approx(0.5)  # half way between the teaser at .6 and the paragraph at .4


def test_a_document_beyond_its_cap_no_longer_holds_the_threshold_up() -> None:
    credits, story = [0.9] * 10, [0.3] * 10
    scores, doc_ids = credits + story + [0.5], [0] * 10 + [1] * 11
    keep = [True] * 20 + [False]
    assert threshold_at_loss(scores, keep, doc_ids, max_loss=0.1, cap=2) < 0.5
    assert threshold_at_loss(scores, keep, doc_ids, max_loss=0.1, cap=10) > 0.9


_documents = st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40)


@settings(deadline=None)
@given(_documents, st.sampled_from([0.0, 0.05, 0.1, 0.3]), st.integers(1, 3))
def test_no_lower_threshold_keeps_the_loss_within_its_bound(
    lines: list[tuple[int, bool, int]], max_loss: float, cap: int
) -> None:
    scores, keep, doc_ids = (np.array(column) for column in zip(*lines, strict=True))
    threshold = threshold_at_loss(scores, keep, doc_ids, max_loss, cap)

    def loss(at: float) -> float:
        return lines_lost(keep, scores >= at, doc_ids, cap)

    assert loss(threshold) <= max_loss + 1e-9
    lower = [score for score in scores if score < threshold]
    assert not lower or loss(max(lower)) > max_loss


def test_a_document_with_one_wrong_line_is_not_exact() -> None:
    keep, dropped = [True, False, True, False], [False, True, True, True]
    assert exact_documents(keep, dropped, [0, 0, 1, 1]) == 0.5


def test_an_index_page_is_no_article_and_its_debris_counts_for_none() -> None:
    labels = [BODY, TEASER, TEASER, BODY, TEASER]
    dropped = [False, True, False, False, False]
    assert articles_with_debris(labels, dropped, [0, 0, 1, 2, 2]) == 0.5


def test_a_rare_class_gets_no_f1() -> None:
    labels = [BODY] * 30 + [LEGAL] * 3
    assert per_class_f1(labels, labels, min_lines=20) == {"body": 1.0}


def test_a_class_taken_for_another_lowers_the_f1_of_both() -> None:
    labels, predicted = [BODY, BODY, TEASER, TEASER], [BODY, BODY, TEASER, BODY]
    assert per_class_f1(labels, predicted, min_lines=1) == pytest.approx({"body": 4 / 5, "teaser": 2 / 3})


def test_scores_that_say_as_often_as_it_happens_have_no_calibration_error() -> None:
    assert expected_calibration_error([0.25] * 4, [True, False, False, False]) == pytest.approx(0.0)


def test_a_certain_score_that_is_wrong_half_the_time_is_off_by_one_half() -> None:
    assert expected_calibration_error([1.0, 1.0], [True, False]) == pytest.approx(0.5)


def test_errors_in_two_bins_do_not_cancel_out() -> None:
    assert expected_calibration_error([0.0, 1.0], [True, False]) == pytest.approx(1.0)


def test_a_bin_of_scores_tells_their_mean_and_how_many_of_its_lines_are_debris() -> None:
    found = _reliability.Reliability.of([0.02, 0.04, 0.91, 1.0], [False, False, True, True])
    first, last = found.bins[0], found.bins[-1]
    assert first is not None and (first.n_lines, first.share, first.score) == (2, 0.0, pytest.approx(0.03))
    assert last is not None and (last.n_lines, last.share, last.score) == (2, 1.0, pytest.approx(0.955))
    assert found.bins[1:-1] == [None] * 8


def test_the_table_and_the_plot_of_reliability_show_each_kind_and_leave_out_empty_bins() -> None:
    kinds = {"scraped": _reliability.Reliability.of([0.02, 0.91], [False, True])}
    rows = _reliability.table(kinds).splitlines()
    assert rows[2].startswith("| .0 to .1  | 1: .020 → .000 [.000, ")
    assert "–" in rows[3] and rows[-1].startswith("| all lines | 2: error .055")
    plot = ElementTree.fromstring(_reliability.plot(kinds))
    assert len(plot.findall("{*}circle")) == 2


# --- uncertainty ---


def test_a_single_site_has_an_interval_of_no_width() -> None:
    values = np.array([0.0, 1.0, 1.0])
    assert bootstrap_interval(["herald.example"] * 3, lambda w: float(w @ values / w.sum())) == (2 / 3, 2 / 3)


def test_pages_of_one_site_are_drawn_together() -> None:
    sites = ["a.example", "a.example", "b.example"]
    drawn: list[np.ndarray] = []
    bootstrap_interval(sites, lambda weights: drawn.append(weights) or 0.0, n_resamples=50)  # type: ignore[func-returns-value]
    assert all(weights[0] == weights[1] and weights[0] + weights[2] == 2 for weights in drawn)


def test_the_interval_is_the_same_in_every_run() -> None:
    sites, values = list(range(20)), np.arange(20.0)
    first, second = (bootstrap_interval(sites, lambda w: float(w @ values), n_resamples=50) for _ in range(2))
    assert first == second


def test_the_interval_of_a_mean_over_many_sites_has_the_width_that_theory_gives() -> None:
    values = np.random.default_rng(1).normal(size=400)
    low, high = bootstrap_interval(range(400), lambda w: float(w @ values / w.sum()), n_resamples=2000)
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.1)


def test_two_equal_systems_differ_by_nothing_whatever_sites_are_drawn() -> None:
    counts = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]])
    gap = _score.difference(counts, counts, ["a.example", "b.example"], n_resamples=50)
    assert (gap.value, gap.low, gap.high) == (0.0, 0.0, 0.0)
    assert not gap.is_clear


# --- reports ---


def test_the_report_of_a_perfect_model_says_so_and_goes_into_json() -> None:
    labels = [np.array([TITLE, BODY, BODY, TEASER])] * 10
    scores = [np.array([0.1, 0.0, 0.2, 0.9])] * 10
    report = text_report(
        labels, scores, labels, list("aabbccddee"), {"balanced": [s > 0.5 for s in scores]}, n_resamples=20
    )
    again = json.loads(json.dumps(report))
    assert again["average_precision"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert again["modes"]["balanced"]["f1"]["value"] == again["at_loss"]["0.01"]["f1"]["value"] == 1.0
    assert again["modes"]["balanced"]["exact_documents"]["value"] == 1.0
    assert again["class_f1"] == {"body": {"value": 1.0, "low": 1.0, "high": 1.0}}  # 10 titles, 10 teasers: too few
    assert (again["n_documents"], again["n_lines"], again["n_article_lines"], again["n_sites"]) == (10, 40, 30, 5)


def test_a_report_counts_the_headline_as_part_of_the_article() -> None:
    report = decision_report([[TITLE, BODY]], [[True, False]], ["a.example"], n_resamples=5)
    assert report["lost"]["value"] == 0.5
    assert report["precision"]["value"] == 0.0


def test_a_report_on_scores_that_miss_a_line_names_the_document() -> None:
    with pytest.raises(ValueError, match="document 1"):
        text_report([[BODY], [BODY, TEASER]], [[0.1], [0.2]], [[BODY], [BODY, TEASER]], ["a", "b"])


def test_a_report_needs_a_site_for_every_document() -> None:
    with pytest.raises(ValueError, match="2 documents have 1 groups"):
        decision_report([[BODY], [BODY]], [[False], [False]], ["a"])


# --- whole texts ---


def test_a_word_is_a_run_of_letters_and_digits_and_each_character_in_scripts_without_spaces() -> None:
    assert words("Mayor's 2nd vote—done.") == ["Mayor", "s", "2nd", "vote", "done"]
    assert words("市长 said はい。") == ["市", "长", "said", "は", "い"]
    assert words("ไทย ខ្មែរ မြန်")[:3] == ["ไ", "ท", "ย"]
    assert all(len(word) == 1 for word in words("ไทย ខ្មែរ မြန်"))


def test_a_shingle_that_stands_twice_counts_twice() -> None:
    assert shingles("a b c d a b c d")[("a", "b", "c", "d")] == 2


def test_a_text_of_fewer_than_four_words_is_one_shingle_and_an_empty_one_none() -> None:
    assert list(shingles("Storm hits")) == [("Storm", "hits")]
    assert not shingles(" … ")


def test_an_article_found_whole_with_as_much_debris_has_half_precision() -> None:
    gold, found = "one two three four five", "one two three four five six seven"
    assert shingle_counts(gold, found) == (0.5, 0.5, 0.0)


def test_a_short_page_weighs_as_much_as_a_long_one() -> None:
    long_gold = " ".join(f"w{i}" for i in range(500))
    assert shingle_f1([long_gold, "storm hits the coast"], [long_gold, "accept all our cookies"]) == 2 / 3


def test_a_body_printed_twice_is_not_right_twice() -> None:
    body = "The council voted on Monday night."
    assert shingle_f1([body], [f"{body} {body}"]) < 0.6


def test_segments_are_found_across_line_breaks_and_unwanted_ones_count_against() -> None:
    text = "The river rose\novernight.\nSubscribe now"
    counts = _score.segment_counts(text, ["river rose overnight", "bridge"], ["Subscribe now", "Imprint"])
    assert counts == (1.0, 1.0, 1.0)
    assert _score.segment_f1(np.array([counts])) == 0.5


# --- what is measured on ---


def test_page_text_ends_lines_at_blocks_and_breaks_and_leaves_scripts_out() -> None:
    html = (
        "<head><title>Head</title></head><body><nav><a>Home</a> <a>World</a></nav>"
        "<p>The  mayor\n<b>re</b>opened it.<br>She smiled.</p><script>track()</script><noscript>JS off</noscript>tail"
    )
    assert _data.page_text(html).split("\n") == ["Home World", "The mayor reopened it.", "She smiled.", "tail"]


def test_page_text_reads_a_page_that_nests_ten_thousand_deep() -> None:
    assert _data.page_text("<div>" * 10_000 + "deep" + "</div>" * 10_000) == "deep"


def _write_jsonl(path: Path, records: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_labelled_documents_of_the_other_split_stay_out_and_a_site_is_a_host_without_www(tmp_path: Path) -> None:
    path = _write_jsonl(
        tmp_path / "lines.jsonl",
        [
            {"id": "a", "host": "WWW.herald.example", "split": "dev", "lines": ["x"], "labels": ["body"]},
            {"id": "b", "split": "train", "lines": ["x"], "labels": ["body"]},
            {"id": "c", "page_id": "p1", "split": "dev", "lines": ["x"], "labels": ["nav"]},
            {"id": "d", "split": "dev", "lines": ["x"], "labels": ["ad"]},
        ],
    )
    documents = _data.read_labelled(path, "dev", {"p1": "coast.example"})
    assert [document.site for document in documents] == ["herald.example", "coast.example", "d"]


def test_a_labelled_document_with_a_label_too_few_is_refused_by_name(tmp_path: Path) -> None:
    path = _write_jsonl(tmp_path / "lines.jsonl", [{"id": "a7", "lines": ["x", "y"], "labels": ["body"]}])
    with pytest.raises(ValueError, match=r"a7: 2 lines, 1 labels"):
        _data.read_labelled(path)


def _write_pages(folder: Path, records: list[dict[str, object]], source: str = "invented") -> None:
    import zstandard

    rows = "".join(json.dumps({"source": source, "html": "<p>x</p>", "body": "x"} | r) + "\n" for r in records)
    (folder / f"pages-{source}.jsonl.zst").write_bytes(zstandard.compress(rows.encode()))


def test_suspect_gold_is_left_out_and_gold_that_a_reader_refuted_is_marked(tmp_path: Path) -> None:
    _write_pages(
        tmp_path,
        [
            {"id": "good", "split": "dev", "domain": "a.example"},
            {"id": "suspect", "split": "dev", "domain": "a.example", "gold_suspect": True},
            {"id": "cut", "split": "dev", "domain": "b.example"},
            {"id": "ok", "split": "dev", "host": "www.c.example"},
            {"id": "seen", "split": "train", "domain": "d.example"},
        ],
    )
    (tmp_path / "gold_checked.tsv").write_text(
        "id\tsplit\tprototype_f1\tverdict\ncut\tdev\t0.5\tgold_cut\nok\tdev\t0.6\tgold_ok\n", encoding="utf-8"
    )
    pages = _data.read_pages(tmp_path, ["invented"])
    assert [(page.id, page.site, page.marked) for page in pages] == [
        ("good", "a.example", False),
        ("cut", "b.example", True),
        ("ok", "c.example", False),
    ]


def test_a_quick_run_takes_pages_from_all_over_the_file(tmp_path: Path) -> None:
    _write_pages(tmp_path, [{"id": str(i), "split": "dev"} for i in range(10)])
    assert [page.id for page in _data.read_pages(tmp_path, ["invented"], per_source=4)] == ["0", "3", "6", "9"]


def test_a_quick_run_prints_the_figures_of_lines_and_of_page_text_and_writes_no_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_report, "RESULTS", tmp_path / "RESULTS.md")
    lines = ["Mayor opens bridge", "The mayor opened the bridge on Monday.", "Share on Facebook Tweet Email"]
    labels = ["title", "body", "interface"]
    (tmp_path / "labels").mkdir()
    (tmp_path / "corpora").mkdir()
    records: list[dict[str, object]] = [
        {"id": f"d{i}", "kind": "scraped", "split": "dev", "lines": lines, "labels": labels} for i in range(3)
    ]
    _write_jsonl(tmp_path / "labels" / "lines.jsonl", records)
    html = "".join(f"<p>{line}</p>" for line in lines)
    for source in _data.GOLD_SOURCES:
        page: dict[str, object] = {
            "id": source,
            "split": "dev",
            "domain": f"{source}.example",
            "html": html,
            "body": lines[1],
        }
        _write_pages(tmp_path / "corpora", [page], source)
    quality.main(["--corpora", str(tmp_path), "--quick", "--parts", "labels", "text"])
    printed = capsys.readouterr().out
    sizes = next(row for row in printed.splitlines() if "documents / lines / sites" in row)
    assert "3 / 9 / 3" in sizes
    # All text holds the 7 words of the body among 15: 4 right shingles, 8 wrong ones.
    everything = next(row for row in printed.splitlines() if row.startswith("| all, marked ones too"))
    assert ".500 (.333/1.000)" in everything
    assert not (tmp_path / "RESULTS.md").exists()


# --- rules and peers beside us ---


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("The mayor signed it.", True),
        ("Read the full story here...", False),
        ("Mayor signs bridge bill", False),
        ("Really so?", False),
        ("Please enable JavaScript to read this.", False),
        ("This site uses cookies to work well.", False),
    ],
)
def test_the_c4_rule_wants_a_sentence_of_three_words_without_policy(line: str, kept: bool) -> None:
    assert _rules.c4_keeps(line) is kept


def test_c4_without_punctuation_keeps_a_headline() -> None:
    assert _rules.c4_keeps_without_punctuation("Mayor signs bridge bill")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("The mayor signed it.", True),
        ("BREAKING NEWS from the COAST", False),
        ("12 likes", False),
        ("1.2K shares", False),
        ("12 likes were not enough for the mayor.", True),
        ("2019 2020", False),
        ("Share", False),
    ],
)
def test_the_refinedweb_rule_drops_shouting_counters_digits_and_single_words(line: str, kept: bool) -> None:
    assert _rules.refinedweb_keeps(line) is kept


def _gold_page(page_id: str, html: str) -> _data.GoldPage:
    return _data.GoldPage(page_id, "invented", page_id, "en", None, html, "", (), (), False)


def test_a_peer_that_fails_on_a_page_gives_no_text_and_the_failure_is_counted(tmp_path: Path) -> None:
    def extract(html: str, lang: str) -> str:
        if "broken" in html:
            raise RuntimeError("cannot read this")
        return html.upper()

    pages = [_gold_page("good", "storm"), _gold_page("bad", "broken")]
    for _ in range(2):  # the second time from the cache
        peer = Peer("invented", "pytest", extract)
        assert peer.texts(pages, tmp_path / "cache") == ["STORM", ""]
        assert peer.failures == {"bad"}


def test_what_a_peer_gave_is_kept_out_of_git_and_not_asked_for_again(tmp_path: Path) -> None:
    asked: list[str] = []

    def extract(html: str, lang: str) -> str:
        asked.append(html)
        return html

    for _ in range(2):
        Peer("invented", "pytest", extract).texts([_gold_page("a", "storm")], tmp_path / "cache")
    assert asked == ["storm"]
    assert (tmp_path / "cache" / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_a_peer_that_is_not_installed_has_no_version() -> None:
    assert Peer("nobody", "no-such-distribution-anywhere", lambda html, lang: "").version is None


# --- the file of results, and the speed benchmark ---


def test_each_benchmark_replaces_its_own_section_and_leaves_the_other(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    _report.write_section("quality", "F1 \\1 .81", results)
    _report.write_section("speed", "fast", results)
    _report.write_section("quality", "F1 \\1 .84", results)
    text = results.read_text(encoding="utf-8")
    assert text.count("F1 \\1 .84") == text.count("fast") == 1
    assert ".81" not in text
    assert text.index("F1") < text.index("fast")


def test_figures_are_printed_short_with_their_interval() -> None:
    entry = {"value": 0.8124, "low": -0.003, "high": 1.0}
    assert _report.figure(entry) == ".812 [-.003, 1.000]"
    assert _report.figure({"value": 0.0049, "low": 0.004, "high": 0.01}, as_percent=True) == "0.49 % [0.40, 1.00]"
    assert _report.figure(None) == "–"


def test_speed_is_measured_on_texts_of_thirty_lines_that_do_not_repeat_at_once() -> None:
    labelled = [[f"line {i}" for i in range(70)]]
    texts = [text for text, _ in zip(speed.documents_of(labelled, 30), range(6), strict=False)]
    assert all(len(text.split("\n\n")) == 30 for text in texts)
    assert len(set(texts)) == 6


def test_prepared_batches_hold_every_line_once_and_split_no_document() -> None:
    texts = list(zip(*[speed.documents_of([[f"line {i}" for i in range(300)]], 30)] * 10, strict=True).__next__())
    batches = speed.prepared_batches(texts, n_lines=90)
    assert sum(batch.n_lines for batch in batches) == 300
    assert all((np.diff(batch.page_starts) == 30).all() for batch in batches)
    assert [line for batch in batches for line in batch.texts] == [
        line for text in texts for line in text.split("\n\n")
    ]


def test_a_child_that_fails_says_with_what_words() -> None:
    child = speed.run([sys.executable, "-c", "import sys; sys.exit('no such model')"])
    assert child.returncode == 1
    assert child.message == "exit code 1: no such model"


def test_the_peak_of_a_small_child_is_not_that_of_the_process_that_measures_it() -> None:
    held = np.ones(25_000_000)  # 200 MB, touched
    peak_mb = speed.run([sys.executable, "-c", "pass"]).peak_mb
    if peak_mb is not None:  # Windows does not tell
        assert peak_mb < held.nbytes / 1_000_000 / 2


def test_documents_that_teach_a_model_are_not_those_it_is_judged_on() -> None:
    documents = [
        LearnedDocument(str(number), ("Ferry runs aground",) * 7, np.zeros(7, dtype=np.int64)) for number in range(20)
    ]
    taught, others = draw_documents(documents, 30, seed=1)
    assert len(taught) == 5 and {entry.id for entry in [*taught, *others]} == {str(number) for number in range(20)}
    assert [entry.id for entry in taught] != [entry.id for entry in draw_documents(documents, 30, seed=2)[0]]


def test_the_perfect_choice_of_lines_is_those_that_the_gold_has() -> None:
    text = "Share this\nThe ferry ran aground.\n\nNobody was hurt, it was said.\nRead more: Rovers win"
    assert _pages._gold_lines(text, "The ferry ran aground.\nNobody was hurt, it was said.") == (
        "The ferry ran aground.\nNobody was hurt, it was said."
    )
