"""The report of a run: counts that stay within their bounds, and a page that any browser shows without a network."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, find_chromium
from hypothesis import given
from hypothesis import strategies as st

from cleaner.batch.findings import TopCounts, site_of
from cleaner.web.run_page import render_run

CHROMIUM = find_chromium()


def report(**changes: Any) -> dict[str, Any]:
    counts = {
        "records": 1060,
        "cleaned": 811,
        "rejected": 37,
        "skipped": 212,
        "left_out": 0,
        "verdicts": {"article": 808, "no_article": 3},
        "rejected_by_reason": {"invalid_json": 30, "timeout": 7},
        "skipped_by_reason": {"redirect": 212},
        "lines_in": 5000,
        "lines_kept": 1200,
        "lines_removed": 3800,
        "surrogates_replaced": 0,
    }
    return {
        "cleaner": "1.0",
        "model": "news@0",
        "page_model": "pages@0",
        "n_sessions": 1,
        "n_inputs": 3,
        "bytes_read": 10**7,
        "seconds": 9.5,
        "speed": {"documents_per_s": 85.0, "lines_per_s": 500.0, "megabytes_per_s": 1.8},
        "counts": counts,
        "lines_by_class": {"body": {"lines": 1200, "removed": 0}, "nav": {"lines": 3800, "removed": 3800}},
        "pieces_cut": {"teaser": 12},
        "quality": [0, 0, 0, 0, 0, 0, 0, 11, 0, 800],
        "sites": [{"site": "herald.example", "documents": 800, "lines": 4000, "removed": 3000}],
        "removed_lines": [{"label": "nav", "text": "<script>alert(1)</script>" + "W" * 150, "count": 90}],
        "missed_at_most": {"sites": 0, "removed_lines": 3},
        **changes,
    }


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_asks_for_nothing_and_fits_its_window(tmp_path: Path, width: int) -> None:
    page = tmp_path / "report.html"
    page.write_text(render_run(report()), encoding="utf-8")
    assert CHROMIUM is not None
    with Browser(CHROMIUM, page.as_uri(), width=width) as browser:
        assert browser.requests == [page.as_uri()]
        assert browser.run("document.documentElement.scrollWidth") == width
        assert browser.run("document.querySelectorAll('script').length") == 0
        assert "<script>alert(1)</script>" in browser.run("document.body.innerText")
        assert browser.run("document.querySelectorAll('.whole rect').length") == 4


def test_a_run_that_found_nothing_has_a_page_too() -> None:
    empty = {name: 0 if isinstance(value, int) else {} for name, value in report()["counts"].items()}
    page = render_run(
        report(counts=empty, lines_by_class={}, quality=[0] * 10, sites=[], removed_lines=[], speed=None, n_sessions=2)
    )
    assert "No document was rejected." in page
    assert "cut short and continued, 2 sessions" in page


def test_lines_counted_together_are_counted_as_one_after_the_other() -> None:
    lines = [f"line {number * number % 17}" for number in range(200)]
    together, single = TopCounts(most=3), TopCounts(most=3)
    together.add_each(lines)
    for line in lines:
        single.add(line)
    assert together == single and together.missed and list(together.counts) == list(single.counts)


@given(st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=30), max_size=6))
def test_counts_of_lines_are_never_too_high_and_too_low_by_what_is_told_at_most(blocks: list[list[str]]) -> None:
    whole, exact = TopCounts(most=3), Counter[str]()
    for block in blocks:
        part = TopCounts(most=2)
        for name in block:
            part.add(name)
        part.prune()
        whole.merge(TopCounts.from_json(part.to_json(), 2))
        exact.update(block)
    for name, n in exact.items():
        assert n - whole.missed <= whole.counts.get(name, 0) <= n
    assert len(whole.counts) <= 6


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://www.news.herald.co.uk/a?b", "herald.co.uk"),
        ("//user@herald.example:80/", "herald.example"),
        ("http://10.0.0.1/a", "10.0.0.1"),
        ("herald", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_a_site_is_the_registered_domain(url: Any, site: str) -> None:
    assert site_of(url) == site
