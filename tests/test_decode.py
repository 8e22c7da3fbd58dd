"""Bytes into text: which encoding a scraped document is in."""

from __future__ import annotations

import gzip
import json
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleaner.errors import DocumentError
from cleaner.extract.decode import canonical_name, decode, repair_surrogates, replace_surrogates

GERMAN = "Der Rat stimmte am Montag für die Schließung der alten Brücke. Die Bürgermeisterin wird unterschreiben."
RUSSIAN = "Совет проголосовал в понедельник за закрытие старого моста. Мэр сказала, что подпишет решение."
CHINESE = "市议会周一投票决定关闭旧桥，官员们表示。\n市长说她将签署这一决定，并感谢居民的耐心等待。"
JAPANESE = "市議会は月曜日に古い橋を閉鎖することを決定した。\n市長は署名すると語った。"
KOREAN = "시의회는 월요일에 오래된 다리를 폐쇄하기로 결정했다. 시장은 서명하겠다고 말했다."
GREEK = "Το συμβούλιο ψήφισε τη Δευτέρα για το κλείσιμο της παλιάς γέφυρας."
CZECH = "Rada v pondělí hlasovala o uzavření starého mostu. Starostka uvedla, že rozhodnutí podepíše příští týden."


@pytest.mark.parametrize("text", ["The council voted.", GERMAN, RUSSIAN, CHINESE, "😀", ""])
def test_utf8_is_read_as_utf8(text: str) -> None:
    assert decode(text.encode()) == (text, "utf-8")


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16le"),
        ("utf-32", "utf-32le"),
    ],
)
def test_a_byte_order_mark_decides_and_is_taken_off(codec: str, name: str) -> None:
    assert decode(GERMAN.encode(codec), declared="iso-8859-2") == (GERMAN, name)


@pytest.mark.parametrize("name", ["utf-16be", "utf-32be"])
def test_a_big_endian_byte_order_mark_is_known_too(name: str) -> None:
    assert decode(("\ufeff" + GERMAN).encode(name)) == (GERMAN, name)


@pytest.mark.parametrize("text", ["The council voted on Monday.", GERMAN, RUSSIAN, CHINESE, JAPANESE])
@pytest.mark.parametrize("name", ["utf-16le", "utf-16be"])
def test_utf16_without_a_mark_is_told_by_its_nuls(text: str, name: str) -> None:
    assert decode(text.encode(name)) == (text, name)


def test_a_utf16_file_that_was_cut_inside_a_character_keeps_the_rest() -> None:
    text, encoding = decode(GERMAN.encode("utf-16")[:-1])
    assert (text[:-1], encoding) == (GERMAN[:-1], "utf-16le")


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        (GERMAN, "cp1252", "windows-1252"),
        (RUSSIAN, "cp1251", "windows-1251"),
        (RUSSIAN, "koi8-r", "koi8-u"),
        (CHINESE, "gbk", "gbk"),
        (JAPANESE, "shift_jis", "shift_jis"),
        (JAPANESE, "euc-jp", "euc-jp"),
        (JAPANESE, "iso-2022-jp", "iso-2022-jp"),
        (KOREAN, "euc-kr", "euc-kr"),
        (GREEK, "cp1253", "windows-1253"),
        (CZECH, "cp1250", "windows-1250"),
    ],
)
def test_an_old_encoding_that_nobody_declares_is_detected(text: str, codec: str, name: str) -> None:
    assert decode(text.encode(codec)) == (text, name)


def test_a_single_word_in_windows_1252_is_detected_as_such() -> None:
    assert decode(b"caf\xe9") == ("café", "windows-1252")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("latin-1", "windows-1252"),
        ("ISO-8859-1", "windows-1252"),
        ("gb2312", "gbk"),
        (" UTF8 ", "utf-8"),
        ("x-sjis", "shift_jis"),
        ("iso8859-2", "iso-8859-2"),
        ("cp437", "cp437"),
    ],
)
def test_a_declared_charset_is_known_by_each_of_its_names(label: str, name: str) -> None:
    assert canonical_name(label.strip().lower()) == name


@pytest.mark.parametrize("label", ["", "klingon", "unicode_escape", "utf-7", "idna", "rot13", "base64", "a\0b"])
def test_what_is_no_charset_of_documents_is_not_known(label: str) -> None:
    assert canonical_name(label) is None


def test_a_declared_charset_that_fits_goes_before_detection() -> None:
    # Detection has too little to go by here and would say windows-1252.
    assert decode("für".encode("cp437"), declared="cp437") == ("für", "cp437")


def test_a_declared_charset_that_does_not_decode_is_passed_over() -> None:
    assert decode(GERMAN.encode("cp1252"), declared="shift_jis") == (GERMAN, "windows-1252")


@pytest.mark.parametrize("declared", ["klingon", "", "utf-8", "utf-16"])
def test_a_declaration_that_is_unknown_or_cannot_be_leaves_it_to_detection(declared: str) -> None:
    assert decode(RUSSIAN.encode("cp1251"), declared=declared) == (RUSSIAN, "windows-1251")


@pytest.mark.parametrize("declared", ["iso-8859-1", "windows-1251", "gbk", "utf-16le"])
def test_utf8_under_a_stale_declaration_is_still_utf8(declared: str) -> None:
    assert decode(GERMAN.encode(), declared=declared) == (GERMAN, "utf-8")


@pytest.mark.parametrize(
    "head",
    [
        "<html><head><meta charset=iso-8859-2>",
        '<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-2">',
        '<?xml version="1.0" encoding="iso-8859-2"?><html>',
        "<META CHARSET = 'latin2' >",
    ],
)
def test_a_page_declares_its_charset_in_its_head(head: str) -> None:
    page = f"{head}<p>Łódź: żółw"
    assert decode(page.encode("iso8859-2"), is_html=True) == (page, "iso-8859-2")


def test_a_charset_in_the_text_of_a_plain_text_declares_nothing() -> None:
    text = "How to write <meta charset=ibm866>: " + GERMAN
    assert decode(text.encode("cp1252"))[0] == text


def test_the_charset_of_the_http_header_goes_before_that_of_the_page() -> None:
    page = "<meta charset=windows-1252><p>" + RUSSIAN
    assert decode(page.encode("cp1251"), declared="windows-1251", is_html=True) == (page, "windows-1251")


def test_bytes_of_windows_1252_in_a_text_of_utf8_become_what_they_mean() -> None:
    data = "Le café — « naïve ».\n".encode() + "It’s “late”.".encode("cp1252")
    assert decode(data) == ("Le café — « naïve ».\nIt’s “late”.", "utf-8")


def test_a_stray_byte_in_a_long_text_of_utf8_does_not_spoil_it() -> None:
    assert decode(RUSSIAN.encode() + b" \x96 " + RUSSIAN.encode()) == (f"{RUSSIAN} – {RUSSIAN}", "utf-8")


def test_two_encodings_with_few_characters_each_are_still_told_apart() -> None:
    data = "The café, she said. ".encode() + "It’s a résumé.".encode("cp1252")
    assert decode(data)[0] == "The café, she said. It’s a résumé."


@pytest.mark.parametrize(
    ("text", "codec"), [(JAPANESE, "shift_jis"), (JAPANESE, "euc-jp"), (CHINESE, "gbk"), (KOREAN, "euc-kr")]
)
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_lost_byte_or_a_stray_one_does_not_change_a_double_byte_encoding(
    text: str, codec: str, is_declared: bool
) -> None:
    data = (text * 20).encode(codec)
    declared = codec if is_declared else None
    for damaged in (data[:-1] if data[-1] > 0x7F else data[:-3], data[:301] + b"\xff" + data[301:]):
        got, encoding = decode(damaged, declared)
        assert (encoding, got[:30], got.count("\ufffd") <= 3) == (codec, text[:30], True)


def test_a_page_that_was_cut_off_within_a_character_is_in_its_declared_charset_still() -> None:
    assert decode(CHINESE.encode("gbk")[:-1], declared="gb2312") == (CHINESE[:-1] + "\ufffd", "gbk")


def test_a_declaration_of_windows_1252_does_not_hide_japanese() -> None:
    assert decode(JAPANESE.encode("shift_jis"), declared="windows-1252") == (JAPANESE, "shift_jis")


def test_nuls_in_good_text_stay_where_they_are() -> None:
    text = "Bridge\x00 closed.\n\x00\nDie Brücke bleibt zu.\x00"
    assert decode(text.encode()) == (text, "utf-8")
    assert decode(text.encode("ascii", "ignore"))[0] == text.encode("ascii", "ignore").decode()


def test_surrogates_that_were_written_as_utf8_are_put_together_or_replaced() -> None:
    data = "für \ud83d\ude00 und \ud800".encode("utf-8", "surrogatepass")
    assert replace_surrogates(decode(data)[0]) == "für 😀 und \ufffd"


PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\x00" + zlib.compress(bytes(range(256)) * 4)


@pytest.mark.parametrize(
    "data",
    [
        PNG,
        gzip.compress(GERMAN.encode(), mtime=0),
        random.Random(4).randbytes(4000),
        random.Random(5).randbytes(300),
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj <</Type/Catalog>>",
        bytes(1000),
    ],
    ids=["png", "gzip", "random", "random_short", "pdf", "zeros"],
)
@pytest.mark.parametrize("declared", [None, "utf-8", "latin-1"])
def test_binary_files_are_undecodable_whatever_they_claim(data: bytes, declared: str | None) -> None:
    with pytest.raises(DocumentError, match="no text in any encoding") as caught:
        decode(data, declared)
    assert caught.value.reason == "undecodable"


@pytest.mark.parametrize("text", ["MZ is a label.", "%PDF- opens a PDF, she said.", "BZh. ID3. PAR1."])
def test_a_text_that_opens_like_a_binary_file_is_a_text(text: str) -> None:
    assert decode(text.encode()) == (text, "utf-8")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60))
def test_any_text_comes_back_from_utf8(text: str) -> None:
    assert decode(text.encode())[0] == text.removeprefix("\ufeff")


@given(
    st.binary(max_size=80),
    st.sampled_from([None, "utf-8", "gbk", "latin-1", "utf-16", "iso-2022-jp"]),
    st.booleans(),
)
def test_any_bytes_are_text_or_undecodable_and_nothing_else(data: bytes, declared: str | None, is_html: bool) -> None:
    try:
        text, encoding = decode(data, declared, is_html)
    except DocumentError as error:
        assert error.reason == "undecodable"
    else:
        assert encoding == encoding.lower()
        replace_surrogates(text).encode()


def test_lone_surrogates_become_the_replacement_character_and_are_counted() -> None:
    text = json.loads(r'"a \ud800 b \udc00\ud83d"')
    assert repair_surrogates(text) == ("a \ufffd b \ufffd\ufffd", 3)


def test_a_pair_of_surrogates_is_the_character_that_it_means() -> None:
    assert repair_surrogates("\ud83d\ude00") == ("😀", 0)


def test_replacement_characters_of_the_input_are_not_counted_as_surrogates() -> None:
    assert repair_surrogates("\ufffd é \udfff") == ("\ufffd é \ufffd", 1)
