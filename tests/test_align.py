from __future__ import annotations

from cleaner.learn.align import align

STORY = [
    "The council of Brackwater voted on Monday to rebuild the old pier before the summer season starts.",
    "“We have waited nine years for this,” said the harbour master, Ines Okafor, after the vote.",
    "Work begins in March.",
    "The pier burned down in a storm in 2017 and has been closed to visitors and boats ever since.",
]
GOLD = "\n".join(STORY)


def kept(lines: list[str], gold: str = GOLD) -> list[int]:
    return [number for number, keep in enumerate(align(lines, gold).keep) if keep]


def test_the_lines_of_the_gold_are_kept_and_all_others_dropped() -> None:
    lines = ["Home", "News", *STORY[:2], "Share this story", *STORY[2:], "More: Ferry runs aground", "© Herald"]
    assert kept(lines) == [2, 3, 5, 6]


def test_a_copy_of_the_standfirst_in_the_menu_is_not_taken_for_the_article() -> None:
    lines = [STORY[0], "Sport", "Weather", "Ferry runs aground off the coast", *STORY]
    assert kept(lines) == [4, 5, 6, 7]


def test_of_two_copies_of_the_whole_article_only_one_is_kept() -> None:
    assert len(kept([*STORY, "Print version", *STORY])) == 4


def test_a_short_line_is_kept_only_at_its_place_in_the_story() -> None:
    lines = ["Work begins in March.", "Menu", *STORY, "Work begins in March."]
    assert kept(lines) == [2, 3, 4, 5]


def test_a_paragraph_with_a_few_words_more_or_less_than_the_gold_is_kept() -> None:
    changed = STORY[0].replace("on Monday ", "") + " Read more"
    assert kept([changed, *STORY[1:]]) == [0, 1, 2, 3]


def test_a_line_that_shares_only_common_words_with_the_story_is_dropped() -> None:
    teaser = "The council of Brackwater sells its town hall to a hotel chain from abroad for nine million"
    assert kept([teaser, *STORY]) == [1, 2, 3, 4]


def test_a_standfirst_that_the_page_shows_after_the_first_picture_is_kept() -> None:
    assert kept([STORY[1], "Picture: K. Lund", STORY[0], *STORY[2:]]) == [0, 2, 3, 4]


def test_chinese_paragraphs_are_matched_character_by_character() -> None:
    story = [
        "市议会周一投票决定在夏季之前重建旧码头。",
        "港务长说，他们已经等了九年。",
        "工程将于三月开始，预计明年五月完工。",
    ]
    assert kept(["首页", *story[:2], "分享到微信", story[2], "相关阅读：渡轮搁浅"], "\n".join(story)) == [1, 2, 4]


def test_a_line_without_words_follows_the_article_it_stands_in() -> None:
    assert kept(["* * *", *STORY[:2], "* * *", *STORY[2:], "* * *"]) == [1, 2, 3, 4, 5]


def test_recall_tells_how_much_of_the_gold_the_page_holds() -> None:
    assert align(STORY, GOLD).recall == 1.0
    assert 0.4 < align(STORY[:2], GOLD).recall < 0.8
    assert align(["Nothing of it here"], GOLD).recall == 0.0


def test_empty_gold_and_empty_pages_are_no_error() -> None:
    assert kept(STORY, "") == []
    assert align([], GOLD).keep.shape == (0,)
