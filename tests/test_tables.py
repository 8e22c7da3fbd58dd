"""CSV and Parquet in, Parquet out: rows, types, and what does not fit."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import clean, read_records, write_records
from hypothesis import given
from hypothesis import strategies as st

from cleaner.batch.tables import Layout
from cleaner.errors import InputError
from cleaner.readers import csv as our_csv
from cleaner.readers.csv import Row, sniff_delimiter

TEXT = "The bridge reopened on Monday."


# --- CSV --------------------------------------------------------------------------------------------------------------


def rows(content: str | bytes, *, piece: int = 7, max_bytes: int = 10_000, is_tsv: bool = False) -> list[Row]:
    data = content.encode() if isinstance(content, str) else content
    chunks = (data[start : start + piece] for start in range(0, len(data), piece))
    return [
        row for block in our_csv.cut_blocks(chunks, ("text", "html"), max_bytes, is_tsv=is_tsv) for row in block.rows
    ]


def cells(content: str | bytes, **settings: int) -> list[list[str]]:
    return [row.cells for row in rows(content, **settings)]  # type: ignore[arg-type]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_cells_are_parted_as_the_head_shows(delimiter: str, end: str) -> None:
    content = end.join(delimiter.join(row) for row in (["id", "text"], ["1", TEXT], ["2", '"a,b;c|d\te"'])) + end
    assert cells(content) == [["1", TEXT], ["2", "a,b;c|d\te"]]


def test_a_head_of_one_column_is_one() -> None:
    assert sniff_delimiter("text\n") == ","
    assert cells("text\nThe bridge\n") == [["The bridge"]]


def test_a_cell_in_quotes_holds_lines_and_quotes() -> None:
    assert cells('id,text\n1,"One\nTwo ""three"""\n') == [["1", 'One\nTwo "three"']]


def test_a_ragged_row_is_told_with_its_line_and_costs_no_other() -> None:
    content = 'id,text\n1,a\n2,a,b\n3\n\n4,"two\nlines"\n5,c\n'
    found = rows(content)
    assert [row.cells for row in found if row.problem is None] == [["1", "a"], ["4", "two\nlines"], ["5", "c"]]
    assert [row.problem for row in found if row.problem] == [
        ("invalid_csv", "line 3: 3 cells, the head has 2"),
        ("invalid_csv", "line 4: 1 cell, the head has 2"),
    ]
    assert [row.line for row in found] == [2, 3, 4, 6, 8]


def test_a_quotation_mark_that_is_never_closed_costs_its_line_alone() -> None:
    found = rows('id,text\n1,"open\n2,b\n3,"c"\n')
    assert [(row.line, row.cells, row.problem and row.problem[1]) for row in found] == [
        (2, [], "line 2: ',' expected after '\"'"),
        (3, ["2", "b"], None),
        (4, ["3", "c"], None),
    ]
    assert [row.cells for row in rows('id,text\n1,"open\n2,b\n3,c\n')] == [[], ["2", "b"], ["3", "c"]]


def test_a_row_that_is_too_long_is_told_and_the_next_is_read() -> None:
    found = rows(f"id,text\n1,{'a' * 5000}\n2,b\n", max_bytes=1000)
    assert [(row.line, row.cells, row.problem and row.problem[0]) for row in found] == [
        (2, [], "too_large"),
        (3, ["2", "b"], None),
    ]


def test_a_cell_of_megabytes_comes_through_whole() -> None:
    assert cells(f"id,text\n1,{'a' * 3_000_000}\n", piece=1 << 16, max_bytes=10_000_000)[0][1] == "a" * 3_000_000


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    assert cells("\ufefftext,id\na,1\n") == [["a", "1"]]


@pytest.mark.parametrize("head", ["id,words\n1,a\n", "text,text\na,b\n"])
def test_a_head_without_a_text_or_with_a_name_twice_is_an_error(head: str) -> None:
    with pytest.raises(InputError, match="head"):
        rows(head)


@pytest.mark.parametrize("content", ["", "\n\n", "text\n"])
def test_a_file_without_rows_is_empty(content: str) -> None:
    assert rows(content) == []


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")), min_size=2, max_size=2),
        max_size=8,
    )
)
def test_what_the_standard_library_writes_comes_back(table: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["id", "text"], *table])
    assert cells(file.getvalue(), max_bytes=100_000) == table


@given(st.binary(max_size=300))
def test_any_bytes_are_rows_or_told(content: bytes) -> None:
    for row in rows(b"id,text\n" + content):
        assert (row.problem is None) == (len(row.cells) == 2)


def test_csv_from_the_command_line_passes_all_columns_through(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(f'id,text,paper,n,title\n,"{TEXT}",Herald,007,\nb,x,y\n')
    finished = clean(tmp_path / "in.csv")
    assert finished.code == 3
    (record,) = finished.records
    assert (record["id"], record["text"], record["paper"], record["n"]) == ("in.csv#0", TEXT, "Herald", "007")
    assert [(error["id"], error["reason"], error["position"]) for error in finished.errors] == [
        ("in.csv#1", "invalid_csv", 1)
    ]


def test_csv_in_an_old_encoding_is_read(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes("text;ort\nDie Brücke ist offen, sagt sie – endlich.;Köln\n".encode("cp1252"))
    (record,) = clean(tmp_path / "in.csv").records
    assert (record["text"], record["ort"]) == ("Die Brücke ist offen, sagt sie – endlich.", "Köln")


# --- Parquet in -------------------------------------------------------------------------------------------------------

GIVEN = pa.table(
    {
        "id": pa.array([1, 2, 2, None], pa.int64()),
        "text": [TEXT, None, "The harbour closed.", "The mill burnt."],
        "seen": pa.array([1, 2, 3, None], pa.timestamp("ns", "UTC")),
        "price": pa.array([Decimal("1.50"), None, None, None], pa.decimal128(10, 2)),
        "tags": pa.array([["a"], [], None, ["b", "c"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
        "raw": pa.array([b"\xff\x00", b"ok", None, b""], pa.binary()),
        "score": pa.array([0.5, None, 1.0, 2.0], pa.float32()),
        "verdict": pa.array([True, False, None, True]),
    }
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Four rows in two row groups; the second has no text."""
    pq.write_table(GIVEN, tmp_path / "in.parquet", row_group_size=2)
    return tmp_path / "in.parquet"


def test_columns_of_a_table_pass_through_with_type_and_value(table: Path, tmp_path: Path) -> None:
    assert clean(table, "-o", tmp_path / "out.parquet").code == 3
    written = pq.read_table(tmp_path / "out.parquet")
    kept = GIVEN.take([0, 2, 3])
    for name in ("seen", "price", "tags", "raw", "score"):
        assert written.column(name).type == GIVEN.schema.field(name).type
        assert written.column(name).combine_chunks() == kept.column(name).combine_chunks()
    assert written.column("input_verdict").to_pylist() == [True, None, True]
    assert written.column("id").to_pylist() == [1, 2, None]
    assert written.column("text").to_pylist()[0] == TEXT
    (error,) = read_records(tmp_path / "out.parquet.errors.jsonl")
    assert (error["id"], error["reason"], error["position"]) == (2, "no_text", 1)


def test_a_table_comes_out_as_json_lines_with_what_json_can_hold(table: Path) -> None:
    first, second, third = clean(table).records
    assert (first["id"], second["id"], third["id"]) == (1, 2, "in.parquet#3")
    assert first["seen"].startswith("1970-01-01 00:00:00.000000001")
    assert (first["price"], first["tags"], first["raw"]) == ("1.50", ["a"], "/wA=")
    assert (first["score"], first["input_verdict"]) == (0.5, True)


def test_a_table_without_a_text_is_told_with_the_columns_it_has(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "words": ["a"]}), tmp_path / "in.parquet")
    finished = clean(tmp_path / "in.parquet", "-o", tmp_path / "out.parquet")
    assert finished.code == 1
    assert "neither a column 'text' nor 'html', but 'id', 'words'" in finished.err
    assert not (tmp_path / "out.parquet").exists()


def test_a_table_without_rows_gives_one_without_rows(tmp_path: Path) -> None:
    pq.write_table(GIVEN.slice(0, 0), tmp_path / "in.parquet")
    assert clean(tmp_path / "in.parquet", "-o", tmp_path / "out.parquet").code == 0
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0


def test_a_row_group_that_is_damaged_costs_its_rows_alone(table: Path, tmp_path: Path) -> None:
    content = bytearray(table.read_bytes())
    start = content.index(b"The harbour closed.") - 40
    content[start : start + 60] = bytes(60)
    table.write_bytes(bytes(content))
    finished = clean(table)
    assert finished.code == 3
    assert [record["id"] for record in finished.records] == [1]
    assert [error["position"] for error in finished.errors] == [1, 2, 3]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1nonsensePAR1", b"nonsense"])
def test_what_is_no_parquet_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in.parquet").write_bytes(content)
    finished = clean(tmp_path / "in.parquet", "-o", tmp_path / "out.parquet")
    assert finished.code == 1
    assert "in.parquet: no readable Parquet" in finished.err


def test_a_table_on_standard_input_is_read(table: Path) -> None:
    assert [record["id"] for record in clean("-", stdin=table.read_bytes()).records] == [1, 2, "-#3"]


# --- Parquet out ------------------------------------------------------------------------------------------------------


def test_records_become_rows_of_fixed_types(tmp_path: Path) -> None:
    path = write_records(tmp_path / "in.jsonl", [{"id": "a", "text": TEXT, "n": 1, "tags": ["x"]}])
    clean(path, "-o", tmp_path / "out.parquet")
    schema = pq.read_schema(tmp_path / "out.parquet")
    assert schema.field("quality").type == pa.float64()
    assert schema.field("lines_in").type == pa.int64()
    assert pa.types.is_list(schema.field("removed").type)
    assert (schema.field("n").type, schema.field("tags").type) == (pa.int64(), pa.list_(pa.string()))


def test_what_does_not_fit_into_a_column_stands_in_the_rest(tmp_path: Path) -> None:
    records: list[dict[str, object]] = [{"id": n, "text": TEXT, "n": n, "where": {"x": n}} for n in range(1500)]
    records += [{"id": "z", "text": TEXT, "n": "many", "where": {"x": 1, "y": 2}, "new": [1]}]
    clean(write_records(tmp_path / "in.jsonl", records), "-o", tmp_path / "out.parquet")
    last = pq.read_table(tmp_path / "out.parquet").to_pylist()[-1]
    assert (last["id"], last["n"], last["where"]) == ("z", None, None)
    assert last["input_other"] == '{"n":"many","where":{"x":1,"y":2},"new":[1]}'


def test_shards_of_inputs_with_other_fields_have_one_schema(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_records(tmp_path / "in" / "a.jsonl", [{"text": TEXT, "n": 1}])
    write_records(tmp_path / "in" / "b.jsonl", [{"text": TEXT, "n": 1.5, "paper": "Herald"}])
    (tmp_path / "in" / "c.csv").write_text(f"text,place\n{TEXT},Lenn\n")
    assert clean(tmp_path / "in", "-o", tmp_path / "out", "--to", "parquet").code == 0
    shards = sorted((tmp_path / "out").glob("part-*.parquet"))
    assert len(shards) == 3
    assert len({str(pq.read_schema(shard)) for shard in shards}) == 1
    assert pq.read_table(shards).column("n").to_pylist() == [1.0, 1.5, None]


def test_tables_whose_columns_cannot_be_one_are_wrong_usage(tmp_path: Path) -> None:
    for name, values in (("a", [1]), ("b", ["x"])):
        pq.write_table(pa.table({"text": [TEXT], "n": values}), tmp_path / f"{name}.parquet")
    finished = clean(tmp_path / "a.parquet", tmp_path / "b.parquet", "-o", tmp_path / "out.parquet")
    assert finished.code == 2
    assert "column 'n'" in finished.err


def test_the_same_inputs_give_the_same_bytes(table: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        clean(table, "-o", tmp_path / f"{name}.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_dates_of_python_need_no_pandas(tmp_path: Path) -> None:
    given = pa.table({"text": [TEXT], "day": [datetime.date(2024, 5, 6)], "wait": [datetime.timedelta(seconds=5)]})
    pq.write_table(given, tmp_path / "in.parquet")
    (record,) = clean(tmp_path / "in.parquet").records
    assert (record["day"], record["wait"]) == ("2024-05-06", "0:00:05")


def test_a_text_that_no_row_can_hold_is_rejected_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    for name in "abc":
        (tmp_path / "in" / name).write_text(f"The bridge {name} reopened on Monday.")
    pack = Layout.pack

    def refuse_b(layout: Layout, records: Sequence[Any], given: Any = None) -> Any:
        if any("bridge b" in record["text"] for record in records):
            raise OverflowError("too long a bridge")
        return pack(layout, records, given)

    monkeypatch.setattr(Layout, "pack", refuse_b)
    finished = clean(tmp_path / "in", "-o", tmp_path / "out.parquet")
    assert finished.code == 3
    assert pq.read_table(tmp_path / "out.parquet").column("id").to_pylist() == ["a#0", "c#0"]
    (error,) = read_records(tmp_path / "out.parquet.errors.jsonl")
    assert (error["id"], error["reason"]) == ("b#0", "internal")
