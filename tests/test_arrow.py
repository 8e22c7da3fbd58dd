"""Arrow tables in, Arrow tables out: a row for each row, types that do not depend on the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cleaner import Cleaner, CleanOptions
from cleaner.arrow import ERROR_FIELDS, TableColumns, clean_table, cleaned_schema
from cleaner.errors import UsageError
from cleaner.record import article_record
from cleaner.types import RECORD_FIELDS, Article

pa = pytest.importorskip("pyarrow")

MakeCleaner = Callable[..., Cleaner]

TEXTS = [
    "Old bridge to close\n\nThe council voted on Monday.\n\nMore news: Rain",
    None,
    "",
    "Share\r\nTweet",
    "市议会周一投票决定关闭旧桥。",
]


def test_each_row_comes_out_at_its_place(marked: MakeCleaner) -> None:
    table = pa.table({"id": [7, 8, 9], "text": ["The vote.\n\nad|Buy", "ad|Buy", "Rain."]})
    out = marked().clean_table(table)
    assert out.column("id").to_pylist() == [7, 8, 9]
    assert out.column("text").to_pylist() == ["The vote.", "", "Rain."]
    assert out.column("verdict").to_pylist() == ["article", "no_article", "article"]
    assert out.column("removed").to_pylist()[0] == [
        {"line": 1, "label": "ad", "score": 0.9, "text": "ad|Buy", "start": None, "end": None, "reason": None}
    ]


def test_a_row_without_text_stays_and_says_why(marked: MakeCleaner) -> None:
    table = pa.table({"id": [1, 2], "text": [None, "Rain."], "html": pa.nulls(2), "n": [10, 20]})
    row, good = marked().clean_table(table).to_pylist()
    assert (row["id"], row["n"], row["error_reason"]) == (1, 10, "no_text")
    assert row["error_message"] == "the record has neither 'text' nor 'html'"
    assert {row[name] for name in ("text", "verdict", "quality", "removed", "lines_in", "model")} == {None}
    assert (good["text"], good["error_reason"]) == ("Rain.", None)


def test_bytes_that_are_no_text_are_an_error_of_their_row(marked: MakeCleaner) -> None:
    table = pa.table({"text": pa.array([bytes(range(32)), "für".encode("cp1252")], pa.binary())})
    out = marked().clean_table(table)
    assert out.column("error_reason").to_pylist() == ["undecodable", None]
    assert out.column("text").to_pylist() == [None, "für"]
    assert out.column("encoding").to_pylist() == [None, "windows-1252"]


def test_a_table_gives_what_single_documents_give(cleaner: Cleaner) -> None:
    records = [{"id": str(number), "text": text, "title": "Rain", "n": number} for number, text in enumerate(TEXTS)]
    rows = cleaner.clean_table(pa.Table.from_pylist(records)).to_pylist()
    for row, outcome in zip(rows, cleaner.clean_many(records), strict=True):
        if isinstance(outcome, Article):
            record = article_record(outcome, cleaner.options)
            for removed in record["removed"]:
                removed.update({name: removed.get(name) for name in ("start", "end", "reason")})
            assert {name: row[name] for name in record} == record
        else:
            assert (row["error_reason"], row["error_message"]) == (outcome.reason, outcome.message)


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_each_arrow_type_of_string_or_bytes_gives_the_same_texts(cleaner: Cleaner, kind: Any) -> None:
    plain = pa.chunked_array([pa.array(TEXTS, pa.string())])
    if pa.types.is_dictionary(kind):
        other = plain.dictionary_encode()
    else:
        other = pa.chunked_array(
            [
                pa.array(
                    [value if value is None or "binary" not in str(kind) else value.encode() for value in TEXTS], kind
                )
            ]
        )
    given = cleaner.clean_table(pa.table({"text": other}))
    expected = cleaner.clean_table(pa.table({"text": plain}))
    assert given.drop_columns("encoding").equals(expected.drop_columns("encoding"))


def test_chunks_and_slices_change_nothing(cleaner: Cleaner) -> None:
    whole = pa.table({"id": list(range(40)), "text": TEXTS * 8})
    expected = cleaner.clean_table(whole).to_pylist()
    chunked = pa.concat_tables([whole.slice(start, 3) for start in range(0, 40, 3)])
    assert cleaner.clean_table(chunked).to_pylist() == expected
    assert cleaner.clean_table(whole.slice(7, 11)).to_pylist() == expected[7:18]
    assert cleaner.clean_table(whole.combine_chunks().to_batches()[0]).to_pylist() == expected


def test_rows_beyond_one_part_keep_their_order(marked: MakeCleaner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cleaner.arrow._ROWS", 3)
    out = marked().clean_table(pa.table({"text": [f"Rain {number}." for number in range(10)]}))
    assert out.column("text").to_pylist() == [f"Rain {number}." for number in range(10)]


def test_a_table_without_rows_has_the_same_schema(marked: MakeCleaner) -> None:
    table = pa.table({"id": ["a"], "text": ["Rain."], "n": pa.array([1], pa.int8())})
    full, empty = marked().clean_table(table), marked().clean_table(table.slice(0, 0))
    assert (empty.num_rows, empty.schema) == (0, full.schema)


def test_the_schema_is_known_before_the_first_row(marked: MakeCleaner) -> None:
    table = pa.table({"id": [1], "text": ["Rain."], "title": ["Rain"], "tags": [["a"]]})
    for options in (CleanOptions(), CleanOptions(removed="none"), CleanOptions(annotate=True)):
        assert marked(options=options).clean_table(table).schema == cleaned_schema(table.schema, options)


def test_columns_stand_in_the_order_of_the_contract_then_the_inputs_then_errors(marked: MakeCleaner) -> None:
    out = marked().clean_table(pa.table({"n": [1], "text": ["Rain."], "lang": ["de"]}))
    assert tuple(out.column_names) == (*RECORD_FIELDS, "n", "input_lang", *ERROR_FIELDS)


def test_columns_that_are_not_read_keep_type_and_values(marked: MakeCleaner) -> None:
    extra = {
        "n": pa.array([1, None], pa.uint8()),
        "when": pa.array([0, 1], pa.timestamp("us", "UTC")),
        "tags": pa.array([[{"a": 1}], None]),
        "label": pa.array(["x", "y"]).dictionary_encode(),
    }
    out = marked().clean_table(pa.table({"text": ["Rain.", "Sun."], **extra}))
    for name, values in extra.items():
        assert out.column(name).combine_chunks() == values


def test_a_column_with_one_of_our_names_comes_out_as_input(marked: MakeCleaner) -> None:
    table = pa.table(
        {"text": ["Rain."], "title": ["Wet"], "quality": [5], "input_title": ["old"], "error_reason": ["x"]}
    )
    (row,) = marked().clean_table(table).to_pylist()
    assert (row["title"], row["input_title"], row["input_input_title"]) == ("Wet", "old", "Wet")
    assert (row["quality"], row["input_quality"]) == (0.9, 5)
    assert (row["error_reason"], row["input_error_reason"]) == (None, "x")


def test_documents_come_out_again_only_when_asked_for(marked: MakeCleaner) -> None:
    table = pa.table({"text": ["Rain.\nad|Buy"], "html": [""]})
    out = marked().clean_table(table)
    assert not {"html", "input_text"} & set(out.column_names)
    (row,) = marked().clean_table(table, keep_input=True).to_pylist()
    assert (row["text"], row["input_text"], row["html"]) == ("Rain.", "Rain.\nad|Buy", "")


def test_html_wins_where_it_is_filled(marked: MakeCleaner) -> None:
    table = pa.table({"text": ["Text."] * 3, "html": ["<p>Page.", "", None]})
    # What trafilatura hands over is judged by the model of texts, which is the marked one here.
    out = marked(extractor="trafilatura").clean_table(table)
    assert out.column("text").to_pylist() == ["Page.", "Text.", "Text."]


def test_columns_of_other_names_are_read(marked: MakeCleaner) -> None:
    table = pa.table({"body": ["The vote."], "head": ["Rain"], "key": [b"k"], "id": [1]})
    out = clean_table(marked(), table, text_column="body", title_column="head", id_column="key")
    (row,) = out.to_pylist()
    assert (row["text"], row["title"], row["id"], row["key"], row["input_id"]) == ("The vote.", "Rain", b"k", b"k", 1)
    columns = TableColumns(text="body", title="head", id="key")
    assert out.schema == cleaned_schema(table.schema, CleanOptions(), columns)


def test_removed_lines_keep_one_type_whatever_the_detail(marked: MakeCleaner) -> None:
    table = pa.table({"text": ["ad|Buy"]})
    labels = marked(removed="labels").clean_table(table)
    assert labels.column("removed").to_pylist() == [
        [{"line": 0, "label": "ad", "score": 0.9, "text": None, "start": None, "end": None, "reason": None}]
    ]
    assert labels.schema == marked().clean_table(table).schema
    assert "removed" not in marked(removed="none").clean_table(table).column_names


def test_annotated_lines_point_into_the_text(marked: MakeCleaner) -> None:
    (row,) = marked(annotate=True).clean_table(pa.table({"text": ["\r\nRain.\r\n ad|Buy"]})).to_pylist()
    assert [row["text"][line["start"] : line["end"]] for line in row["lines"]] == ["Rain.", "ad|Buy"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"body": ["Rain."]}), "neither a column 'text' nor 'html', but 'body'"),
        (pa.table({}), "but none at all"),
        (pa.table({"text": [1, 2]}), "column 'text' holds int64"),
        (pa.table({"text": [["Rain."]]}), "column 'text' holds list"),
        (pa.Table.from_arrays([["a"], ["b"]], names=["text", "text"]), "more than one column named 'text'"),
        ([{"text": "Rain."}], "takes an Arrow Table, not list"),
    ],
)
def test_a_table_that_holds_no_documents_is_wrong_use(cleaner: Cleaner, table: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cleaner.clean_table(table)
