"""Web archives: every record is a page, an error or counted as skipped, whatever is broken."""

from __future__ import annotations

import gzip
import random
import zlib
from collections import Counter
from collections.abc import Iterator

import brotli
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st
from made_warc import PACKERS, PAGE, answer, archive, in_pieces, page, record, record_id, sha1

from cleaner.readers.members import unpacked_members
from cleaner.readers.warc import WarcKind, cut_blocks
from cleaner.readers.warc_pages import Place, page_from_warc
from cleaner.types import Page, Rejected, Skipped

MAX_BYTES = 1_000_000


def read(
    content: bytes, kind: WarcKind = "warc", piece: int = 1 << 16, max_bytes: int = MAX_BYTES, is_sized: bool = True
) -> list[Page | Rejected | Skipped]:
    size = len(content) if is_sized else 0
    return [
        page_from_warc(raw, kind, Place("crawl/a.warc", "a.warc"), max_bytes)
        for block in cut_blocks(in_pieces(content, piece), kind, max_bytes, size)
        for raw in block.records
    ]


def told(content: bytes, **settings: object) -> list[str]:
    """What became of each record: the number in its id, the reason it was skipped, or the one it was rejected for."""
    return [
        entry.id[-13:-1].lstrip("0") or "0" if isinstance(entry, Page) else entry.reason
        for entry in read(content, **settings)  # type: ignore[arg-type]
    ]


def one(content: bytes, **settings: object) -> Page | Rejected | Skipped:
    (entry,) = read(archive([content]), **settings)  # type: ignore[arg-type]
    return entry


def body(block: bytes) -> bytes:
    entry = one(record(1, block))
    assert isinstance(entry, Page), entry
    assert isinstance(entry.body, bytes)
    return entry.body


def reason(block: bytes, **headers: str) -> str:
    entry = one(record(1, block, **headers))
    assert isinstance(entry, (Rejected, Skipped)), entry
    return entry.reason


# --- what a record is -------------------------------------------------------------------------------------------------


def test_a_page_has_the_id_address_date_and_charset_of_its_record() -> None:
    entry = one(record(7, answer(content_type="text/html; charset=Shift_JIS")))
    assert entry == Page(
        PAGE,
        "html",
        id=record_id(7),
        url="https://herald.example/7",
        encoding="Shift_JIS",
        source="crawl/a.warc",
        position=0,
        extra={"warc_date": "2024-05-06T07:08:09Z"},
    )


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("piece", [1, 13, 1 << 16])
def test_an_archive_is_read_packed_or_not_in_pieces_of_any_size(packing: str, piece: int) -> None:
    assert told(archive([page(1), page(2), page(3)], packing), piece=piece) == ["1", "2", "3"]


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_an_archive_that_was_packed_as_a_whole_is_read(packing: str) -> None:
    assert told(PACKERS[packing](page(1) + page(2) + page(3))) == ["1", "2", "3"]


def test_an_archive_packed_with_a_dictionary_of_its_own_is_read() -> None:
    samples = [page(number) for number in range(500)]
    dictionary = zstandard.train_dictionary(4096, samples)
    packer = zstandard.ZstdCompressor(dict_data=dictionary)
    for content in (dictionary.as_bytes(), zstandard.ZstdCompressor().compress(dictionary.as_bytes())):
        frame = b"\x5d\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content
        assert told(frame + packer.compress(page(1)) + packer.compress(page(2))) == ["1", "2"]


@pytest.mark.parametrize(
    ("kind", "skip"),
    [
        ("warcinfo", "warcinfo"),
        ("request", "request"),
        ("metadata", "metadata"),
        ("revisit", "revisit"),
        ("resource", "resource"),
        ("conversion", "conversion"),
        ("continuation", "continuation"),
        ("something", "unknown"),
    ],
)
def test_a_record_of_another_type_is_skipped_by_its_type(kind: str, skip: str) -> None:
    assert told(archive([page(1), record(2, b"x", kind=kind), page(3)])) == ["1", skip, "3"]


@pytest.mark.parametrize(
    ("block", "skip"),
    [
        (answer(b"", "301 Moved Permanently", Location="/"), "redirect"),
        (answer(b"", "308 Permanent Redirect"), "redirect"),
        (answer(b"", "304 Not Modified"), "status"),
        (answer(status="404 Not Found"), "status"),
        (answer(status="503 Service Unavailable"), "status"),
        (answer(b"\xff\xd8\xff", content_type="image/jpeg"), "not_html"),
        (answer(b"{}", content_type="application/json"), "not_html"),
        (answer(b"a{}", content_type="text/css"), "not_html"),
        (answer(b"%PDF-1.4", content_type=None), "not_html"),
    ],
)
def test_an_answer_that_is_no_page_is_skipped_by_its_cause(block: bytes, skip: str) -> None:
    assert reason(block) == skip


def test_a_picture_that_a_server_calls_a_page_is_skipped_where_the_crawler_looked() -> None:
    assert reason(answer(b"\xff\xd8\xff"), WARC_Identified_Payload_Type="image/jpeg") == "not_html"


def test_the_address_of_a_host_is_no_answer_over_http() -> None:
    assert reason(b"20240506\nherald.example. 300 IN A 192.0.2.1\n", content_type="text/dns") == "not_http"


@pytest.mark.parametrize(
    ("content_type", "content", "kind"),
    [
        ("text/html", PAGE, "html"),
        ("TEXT/HTML;charset=x", PAGE, "html"),
        ("application/xhtml+xml", PAGE, "html"),
        ("text/html", b"The bridge reopened.", "text"),
        ("text/plain", b"The bridge reopened.", "text"),
        ("text/plain", PAGE, "html"),
        (None, PAGE, "html"),
    ],
)
def test_header_and_content_tell_a_page_from_a_text(content_type: str | None, content: bytes, kind: str) -> None:
    entry = one(record(1, answer(content, content_type=content_type)))
    assert isinstance(entry, Page)
    assert entry.kind == kind


def test_a_record_without_an_id_is_named_by_archive_and_number() -> None:
    bare = page(2).replace(b"WARC-Record-ID", b"X-Was-Record-ID")
    ids = [entry.id for entry in read(archive([page(1), bare])) if isinstance(entry, Page)]
    assert ids == [record_id(1), "a.warc#1"]


def test_of_an_archive_of_texts_the_conversions_are_read() -> None:
    info = record(1, b"software: x\r\n", "warcinfo", "application/warc-fields")
    text = record(2, "Die Brücke ist offen.".encode(), "conversion", "text/plain")
    skipped, entry = read(archive([info, text]), "wet")
    assert isinstance(skipped, Skipped) and skipped.reason == "warcinfo"
    assert isinstance(entry, Page)
    assert (entry.kind, entry.body, entry.id) == ("text", "Die Brücke ist offen.".encode(), record_id(2))


# --- how an answer is packed ------------------------------------------------------------------------------------------

BROKEN_GZIP = gzip.compress(PAGE)[:-12] + b"xxxxxxxxxxxx"


def chunked(content: bytes, size: int = 20) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in in_pieces(content, size)) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (chunked(PAGE), {"Transfer_Encoding": "chunked"}),
        (b"5;name=x\r\n<html\r\n3a\r\n" + PAGE[5:] + b"\r\n0\r\nX: y\r\n\r\n", {"Transfer_Encoding": "chunked"}),
        (PAGE, {"Transfer_Encoding": "chunked"}),
        (gzip.compress(PAGE), {"Content_Encoding": "gzip"}),
        (gzip.compress(PAGE) + b"\r\n", {"Content_Encoding": "x-gzip"}),
        (PAGE, {"Content_Encoding": "gzip"}),
        (zlib.compress(PAGE), {"Content_Encoding": "deflate"}),
        (zlib.compress(PAGE)[2:-4], {"Content_Encoding": "deflate"}),
        (brotli.compress(PAGE), {"Content_Encoding": "br"}),
        (PAGE, {"Content_Encoding": "br"}),
        (zstandard.ZstdCompressor().compress(PAGE), {"Content_Encoding": "zstd"}),
        (chunked(gzip.compress(PAGE)), {"Content_Encoding": "gzip", "Transfer_Encoding": "Chunked"}),
        (brotli.compress(gzip.compress(PAGE)), {"Content_Encoding": "gzip, br"}),
        (PAGE, {"Content_Encoding": "UTF-8"}),
        (PAGE, {"Content_Encoding": "none"}),
    ],
)
def test_chunks_and_compression_are_undone_where_they_are_there(content: bytes, headers: dict[str, str]) -> None:
    assert body(answer(content, **headers)) == PAGE


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"zz\r\nnonsense", {"Transfer_Encoding": "chunked"}),
        (b"ffffff\r\nshort\r\n", {"Transfer_Encoding": "chunked"}),
        (b"fffffffffffffffff\r\nhuge\r\n", {"Transfer_Encoding": "chunked"}),
        (BROKEN_GZIP, {"Content_Encoding": "gzip"}),
        (gzip.compress(PAGE)[:-20], {"Content_Encoding": "gzip"}),
        (b"\x00\x01nonsense", {"Content_Encoding": "br"}),
        (b"\x00\x01nonsense", {"Content_Encoding": "deflate"}),
        (b"\x00\x01nonsense", {"Content_Encoding": "zstd"}),
        (b"\x00\x01nonsense", {"Content_Encoding": "snappy"}),
    ],
)
def test_an_answer_that_cannot_be_unpacked_is_rejected(content: bytes, headers: dict[str, str]) -> None:
    assert reason(answer(content, **headers)) == "invalid_http"


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("br", brotli.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
    ],
)
def test_an_answer_that_unpacks_to_more_than_a_document_can_have_is_too_large(encoding: str, pack: object) -> None:
    bomb = pack(bytes(50_000_000))  # type: ignore[operator]
    assert len(bomb) < 100_000
    assert reason(answer(bomb, Content_Encoding=encoding)) == "too_large"


def test_of_an_answer_that_the_crawler_cut_short_the_beginning_is_read() -> None:
    content = gzip.compress(PAGE + random.Random(1).randbytes(5000).hex().encode())[:-3000]
    entry = one(record(1, answer(content, Content_Encoding="gzip"), WARC_Truncated="length"))
    assert isinstance(entry, Page)
    assert isinstance(entry.body, bytes) and entry.body.startswith(PAGE)


@pytest.mark.parametrize("head", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_an_answer_without_a_status_is_rejected(head: bytes) -> None:
    assert reason(head + PAGE) == "invalid_http"


def test_an_answer_whose_head_lines_end_in_newlines_alone_is_read() -> None:
    assert body(b"HTTP/1.0 200 OK\nContent-Type: text/html\n\n" + PAGE) == PAGE


# --- digests ----------------------------------------------------------------------------------------------------------


def test_a_page_whose_digest_is_right_is_read() -> None:
    block = answer()
    assert isinstance(one(record(1, block, WARC_Block_Digest=sha1(block))), Page)
    assert isinstance(one(record(1, block, WARC_Payload_Digest=sha1(PAGE))), Page)
    packed = answer(chunked(PAGE), Transfer_Encoding="chunked")
    for digest in (sha1(PAGE), sha1(chunked(PAGE))):
        assert isinstance(one(record(1, packed, WARC_Payload_Digest=digest)), Page)


@pytest.mark.parametrize("name", ["WARC_Block_Digest", "WARC_Payload_Digest"])
def test_a_page_that_is_not_what_its_digest_says_is_rejected(name: str) -> None:
    assert reason(answer(), **{name: sha1(b"another")}) == "bad_digest"


@pytest.mark.parametrize("digest", ["crc32:abcdef01", "sha1:short", "nonsense", ""])
def test_a_digest_that_says_nothing_is_no_reason_to_reject(digest: str) -> None:
    assert isinstance(one(record(1, answer(), WARC_Block_Digest=digest)), Page)


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("length", [10**15, 10**30, "abc", "", -5, 10])
@pytest.mark.parametrize("is_sized", [True, False])
def test_a_record_whose_length_is_nonsense_costs_no_other(packing: str, length: object, is_sized: bool) -> None:
    broken = record(2, answer(), length=length)
    assert told(archive([page(1), broken, page(3), page(4)], packing), is_sized=is_sized) == [
        "1",
        "invalid_warc",
        "3",
        "4",
    ]


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("surplus", [5, 100, 400])
def test_a_record_that_reaches_into_the_next_one_costs_no_other(packing: str, surplus: int) -> None:
    broken = record(2, answer(), length=len(answer()) + surplus)
    assert told(archive([page(1), broken, page(3), page(4)], packing)) == ["1", "invalid_warc", "3", "4"]


@pytest.mark.parametrize("packing", PACKERS)
def test_a_broken_record_keeps_its_id(packing: str) -> None:
    entry = read(archive([page(1), record(2, answer(), length=10**15), page(3)], packing))[1]
    assert isinstance(entry, Rejected)
    assert (entry.id, entry.position) == (record_id(2), 1)
    assert "Content-Length" in entry.message


@pytest.mark.parametrize("packing", PACKERS)
def test_garbage_between_records_is_told_and_costs_none(packing: str) -> None:
    records = [PACKERS[packing](page(number)) for number in (1, 2)]
    assert told(records[0] + b"nonsense\r\n" * 9 + records[1]) == ["1", "invalid_warc", "2"]


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_an_archive_that_was_cut_short_gives_the_records_before_and_one_error(packing: str) -> None:
    content = archive([page(1), page(2)], packing)
    packed_page = PACKERS[packing](page(3))
    for n_bytes in range(1, len(packed_page)):
        assert told(content + packed_page[:n_bytes]) == ["1", "2", "invalid_warc"]


def test_the_beginning_of_another_member_behind_a_record_is_not_its_fault() -> None:
    garbled = gzip.compress(b"C   " + bytes(range(256)), mtime=0)
    for n_bytes in range(12, 30):
        assert told(archive([page(1), page(2)]) + garbled[:n_bytes])[:2] == ["1", "2"]


def test_a_plain_archive_that_was_cut_short_gives_the_records_before_and_one_error() -> None:
    whole = page(1) + page(2)
    for n_bytes in range(len(page(1)) + 1, len(whole) - 4):
        assert told(whole[:n_bytes]) == ["1", "invalid_warc"]


@pytest.mark.parametrize("packing", [".gz", ".zst"])
@pytest.mark.parametrize("number", [0, 2])
def test_a_flipped_byte_costs_the_record_it_is_in_and_no_other(packing: str, number: int) -> None:
    records = [PACKERS[packing](page(number)) for number in range(5)]
    for at in range(len(records[number])):
        damaged = bytearray(records[number])
        damaged[at] ^= 0x55
        entries = told(b"".join([*records[:number], bytes(damaged), *records[number + 1 :]]))
        assert entries[:number] + entries[number + 1 :] == [str(other) for other in range(5) if other != number], at


def test_a_record_that_is_longer_than_a_document_can_be_is_too_large_and_the_next_is_read() -> None:
    large = record(2, answer(PAGE + bytes(3_000_000)))
    picture = record(3, answer(bytes(3_000_000), content_type="image/png"))
    request = record(4, bytes(9_000_000), "request")
    assert told(archive([page(1), large, picture, request, page(5)])) == ["1", "too_large", "not_html", "request", "5"]


def test_a_page_that_shows_a_record_is_one_page() -> None:
    quoting = record(2, answer(b"<pre>\n" + page(9) + b"</pre>"))
    for packing in PACKERS:
        assert told(archive([page(1), quoting, page(3)], packing)) == ["1", "2", "3"]


@pytest.mark.parametrize(
    "content", [b"nonsense", b"\r\n\r\n", b"WARC/", b"WARC/1.0\r\n\r\n", gzip.compress(b"nonsense")]
)
def test_what_is_no_archive_gives_no_page(content: bytes) -> None:
    assert not [entry for entry in read(content) if isinstance(entry, Page)]


def test_an_empty_archive_gives_one_empty_block() -> None:
    (block,) = cut_blocks([], "warc", MAX_BYTES)
    assert block.records == []


def test_blocks_are_numbered_through_and_closed_by_size() -> None:
    content = archive([record(number, answer(PAGE + bytes(600_000))) for number in range(20)])
    blocks = list(cut_blocks(in_pieces(content, 1 << 16), "warc", MAX_BYTES, len(content)))
    assert len(blocks) > 2
    assert [raw.position for block in blocks for raw in block.records] == list(range(20))
    assert [block.first_record for block in blocks] == [block.records[0].position for block in blocks]


# --- fuzz -------------------------------------------------------------------------------------------------------------


def damaged(content: bytes, seed: int) -> Iterator[bytes]:
    """The content with bytes flipped, cut out, doubled, and cut off."""
    chance = random.Random(seed)
    for _ in range(40):
        broken = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(broken))
            match chance.randrange(4):
                case 0:
                    broken[at] = chance.randrange(256)
                case 1:
                    del broken[at : at + chance.randint(1, 200)]
                case 2:
                    broken[at:at] = broken[at : at + chance.randint(1, 200)]
                case 3:
                    del broken[at + 1 + chance.randrange(len(broken)) :]
        yield bytes(broken)


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("seed", range(5))
def test_damage_of_any_kind_costs_at_most_the_records_it_touches(packing: str, seed: int) -> None:
    records = [page(number) for number in range(12)]
    content = archive(records, packing)
    for broken in damaged(content, seed):
        whole = Counter(told(broken))
        untouched = [number for number in range(12) if PACKERS[packing](records[number]) in broken]
        lost = [number for number in untouched if not whole[str(number)]]
        assert not lost or packing == "", (lost, whole)
        # Beside a plain record there may be damage that looks like its own; then it is told.
        assert len(lost) <= sum(whole[name] for name in ("invalid_warc", "invalid_http", "not_http"))


@given(st.binary(max_size=300), st.sampled_from(list(PACKERS)))
@example(b"\x1f\x8b\x08", "")
@example(b"\x5d\x2a\x4d\x18\xff\xff\xff\xff", "")
@example(b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 99999999999999999\r\n\r\n", ".gz")
def test_any_bytes_are_read_to_their_end(content: bytes, packing: str) -> None:
    read(PACKERS[packing](content))
    assert told(archive([page(1)], packing) + content)[:1] in (["1"], ["invalid_warc"])


@given(st.binary(max_size=200))
def test_any_bytes_behind_the_head_of_an_answer_are_a_page_or_an_error(content: bytes) -> None:
    for headers in ({"Transfer_Encoding": "chunked"}, {"Content_Encoding": "gzip"}, {"Content_Encoding": "br"}):
        assert isinstance(one(record(1, answer(content, **headers))), (Page, Rejected, Skipped))


def test_members_without_damage_are_given_piece_by_piece_with_their_starts() -> None:
    content = archive([page(1), page(2)])
    pieces = list(unpacked_members(in_pieces(content, 100)))
    assert b"".join(piece.data for piece in pieces) == page(1) + page(2)
    assert sum(piece.is_start for piece in pieces) == 2
