from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleaner.features.chars import CJK, DIGIT, SHOWN_CHARS, UPPER, build_char_tables, encode_lines
from cleaner.features.context import STORY_NAMES
from cleaner.features.lines import DENSE_NAMES, FeatureTables, line_features
from cleaner.features.meaning import N_DIMENSIONS, VECTOR_BITS, WordVectors
from cleaner.features.ngrams import PrefixHash, find_tokens, gram_bag
from cleaner.features.sums import sum_rows
from cleaner.types import Lines

VECTORS = WordVectors(np.random.default_rng(3).integers(-9, 10, (1 << VECTOR_BITS, N_DIMENSIONS)).astype(np.int8))
TABLES = FeatureTables(build_char_tables(), np.full(1 << 14, 100, dtype=np.uint8), VECTORS)


def as_lines(*documents: list[str], titles: list[str] | None = None) -> Lines:
    texts = [line for document in documents for line in document]
    starts = np.cumsum([0, *(len(document) for document in documents)])
    return Lines(texts, starts, titles or [""] * len(documents))


def feature(name: str, *documents: list[str], titles: list[str] | None = None) -> list[float]:
    dense = line_features(as_lines(*documents, titles=titles), TABLES).dense
    return [round(float(value), 3) for value in dense[:, DENSE_NAMES.index(name)]]


texts = st.text(min_size=1, max_size=300).map(str.strip).filter(bool)
documents = st.lists(st.lists(texts, max_size=6), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(documents, st.data())
def test_a_document_has_the_same_features_alone_as_among_others(docs: list[list[str]], data: st.DataObject) -> None:
    chosen = data.draw(st.integers(0, len(docs) - 1))
    together = line_features(as_lines(*docs), TABLES)
    alone = line_features(as_lines(docs[chosen]), TABLES)
    start = sum(map(len, docs[:chosen]))
    np.testing.assert_array_equal(together.dense[start : start + len(docs[chosen])], alone.dense)
    starts = together.grams.starts
    first, last = starts[start], starts[start + len(docs[chosen])]
    np.testing.assert_array_equal(together.grams.buckets[first:last], alone.grams.buckets)


def test_grams_of_neighbouring_lines_do_not_mix() -> None:
    both, one = gram_bag(encode_lines(["ab", "cd"], TABLES.chars)), gram_bag(encode_lines(["ab"], TABLES.chars))
    assert both.counts.tolist() == [5, 5]
    np.testing.assert_array_equal(both.buckets[:5], one.buckets)


def test_of_a_long_line_head_and_tail_are_read_and_its_length_known() -> None:
    characters = encode_lines(["a" * 5000 + "z", "b"], TABLES.chars)
    assert (characters.ends - characters.starts).tolist() == [SHOWN_CHARS, 1]
    assert characters.lengths.tolist() == [5001, 1]
    assert chr(characters.folds[characters.ends[0] - 1]) == "z"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("More news: Striker signs", ["More", "news", "Striker", "signs"]),
        ("don't", ["don", "t"]),
        ("相关阅读", ["相", "关", "阅", "读"]),
        ("iPhone新品", ["iPhone", "新", "品"]),
        ("Читайте также", ["Читайте", "также"]),
        ("— * —", []),
        ("𝒳 😀", []),
    ],
)
def test_words_are_runs_of_letters_or_single_ideographs(line: str, words: list[str]) -> None:
    characters = encode_lines([line], TABLES.chars)
    tokens = find_tokens(characters, PrefixHash(characters.folds))
    offset = int(characters.starts[0])
    found = [line[s - offset : e - offset] for s, e in zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True)]
    assert found == words


def test_the_same_word_has_the_same_hash_wherever_it_stands_and_whatever_its_case() -> None:
    characters = encode_lines(["Bridge of x", "the BRIDGE", "bridges"], TABLES.chars)
    hashes = find_tokens(characters, PrefixHash(characters.folds)).hashes
    assert hashes[0] == hashes[4] != hashes[5]


def test_digits_of_any_script_fold_to_one_and_capitals_to_small_letters() -> None:
    characters = encode_lines(["A9٣"], TABLES.chars)
    assert [chr(fold) for fold in characters.folds[3:6]] == ["a", "0", "0"]
    assert characters.classes_at(np.array([3, 4, 5])).tolist() == [UPPER, DIGIT, DIGIT]


def test_an_ideograph_beyond_the_basic_plane_is_an_ideograph() -> None:
    assert encode_lines(["𠮷"], TABLES.chars).classes_at(np.array([3])).tolist() == [CJK]


def test_a_line_of_the_story_shares_its_words_with_other_lines_and_a_teaser_does_not() -> None:
    story = ["Bridge reopens after flood", "The bridge was shut by the flood", "Striker joins Madrid club"]
    shares = feature("story_words", story)
    assert shares[0] == 0.5 and shares[2] == 0.0


def test_words_of_another_document_do_not_count_as_words_of_the_story() -> None:
    assert feature("story_words", ["Bridge reopens"], ["Bridge closes"]) == [0.0, 0.0]


def test_likeness_to_the_title_counts_shared_words() -> None:
    shares = feature("like_title", ["Bridge reopens today", "Nothing of it"], titles=["Bridge reopens"])
    assert shares == [0.667, 0.0]
    assert feature("title_known", ["Bridge"], ["Bridge"], titles=["Bridge", ""]) == [1.0, 0.0]


def test_lines_of_the_same_words_point_the_same_way_and_others_elsewhere() -> None:
    story = ["The mayor opened the bridge", "the bridge, the mayor: opened!", "Striker signs for rivals"]
    _, same, other = feature("about_previous", story)
    assert same == pytest.approx(1, abs=0.02)
    assert abs(other) < 0.8
    assert feature("about_first_line", story)[0] == 0


def test_a_line_without_words_points_nowhere() -> None:
    assert feature("about_rest", ["***", "The mayor opened the bridge", "She said so"])[0] == 0


def test_the_only_line_of_a_document_has_nothing_to_be_like() -> None:
    assert feature("about_rest", ["Share this story"]) == [0]


def test_lines_that_open_alike_are_counted_within_their_document() -> None:
    assert feature("same_opening", ["More news: A", "More news: B", "Other"], ["More news: C"]) == [1.0, 1.0, 0.0, 0.0]


def test_the_neighbour_before_the_first_line_of_a_document_is_none() -> None:
    assert feature("words_before", ["Bridge"], ["Bridge", "Bridge"])[1:] == [0.0, 1.0]


def test_shares_of_the_story_lie_between_none_and_all() -> None:
    dense = line_features(as_lines(["word " * 200] * 3, ["x"]), TABLES).dense
    shares = dense[:, [DENSE_NAMES.index(name) for name in STORY_NAMES[:2]]]
    assert shares.min() >= 0 and shares.max() <= 1


def test_documents_without_lines_have_no_features() -> None:
    assert line_features(as_lines([], []), TABLES).dense.shape == (0, len(DENSE_NAMES))
    assert line_features(as_lines([], ["one"], []), TABLES).dense.shape == (1, len(DENSE_NAMES))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(0, 9), st.integers(1, 70))
def test_sums_of_rows_in_pieces_equal_plain_sums(sizes: list[int], offset: int, piece: int) -> None:
    rng = np.random.default_rng(len(sizes))
    table = rng.integers(0, 1000, size=(50, 2), dtype=np.uint64)
    starts = offset + np.cumsum([0, *sizes[:-1]])
    index = rng.integers(0, 50, size=offset + sum(sizes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cleaner.features.sums._PIECE", piece)
        sums = sum_rows(table.view("V16")[:, 0], index, starts)
    plain = [table[index[start : start + size]].sum(axis=0) for start, size in zip(starts, sizes, strict=True)]
    np.testing.assert_array_equal(sums, plain)
