"""Bytes -> text: which encoding a document is in, and what cannot be text at all."""

from __future__ import annotations

import codecs
import re
import string
from collections import Counter
from functools import lru_cache

from cleaner.errors import DocumentError

# The byte-order mark of UTF-32LE begins with that of UTF-16LE, so the longer ones come first.
_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32le"),
    (codecs.BOM_UTF32_BE, "utf-32be"),
    (codecs.BOM_UTF16_LE, "utf-16le"),
    (codecs.BOM_UTF16_BE, "utf-16be"),
)
_META_CHARSET = re.compile(rb"""(?i:<meta\b[^>]{0,400}?\bcharset)\s*=\s*["']?\s*([\w.:+-]{2,40})""")
_XML_ENCODING = re.compile(rb"""\s*<\?xml\b[^>]{0,200}?\bencoding\s*=\s*["']([\w.:+-]{2,40})""")
# Browsers look for a declaration in the first 1,024 bytes; real heads hold more before it.
_META_WINDOW = 4096

# One character beyond ASCII in UTF-8, or one of the surrogates that some software writes as if they were characters.
_UTF8_CHARACTER = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xef][\x80-\xbf]{2}"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_USUAL = frozenset(" \n\r，。、：「」·،।" + string.ascii_letters + string.digits)
_HIGH_BYTES = bytes(range(0x80, 0x100))
# Control characters that text does not hold; escape is left out, as ISO-2022-JP is written with it.
_CONTROLS = bytes(sorted({*range(0x20), 0x7F} - {0x08, *b"\t\n\v\f\r\x1b"}))
_WESTERN = frozenset({"windows-1250", "windows-1252", "windows-1254", "windows-1257", "iso-8859-2", "iso-8859-15"})
# What browsers call these is a way to refuse a document, and one to hand bytes through.
_NO_CHARSETS = frozenset({"replacement", "x-user-defined"})
_DOUBLE_BYTE = frozenset({"gbk", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr"})
# A byte lost on the way breaks one to three characters, the wrong double-byte encoding one in twenty or none at all.
_CHARACTERS_PER_ERROR = 200
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_LOW_RUN = re.compile(rb"[\x00-\x3f]+")
_UTF_WIDE = frozenset({"utf-16le", "utf-16be", "utf-32le", "utf-32be"})
# Python's names of encodings that no browser knows but archives hold; anything else that Python calls a codec
# (unicode_escape, idna, utf_7) is no charset of a document.
_ARCHIVE_CODEC = re.compile(r"cp\d+|mac[-_]\w+|iso8859[-_]\d+|big5hkscs|gb18030|johab|koi8[-_]t|ptcp154|hz")

# Files that are no text whatever their bytes may decode to.
_MAGIC: tuple[bytes, ...] = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"%PDF-", b"PK\x03\x04", b"PK\x05\x06",
    b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07",
    b"\x7fELF", b"MZ", b"PAR1", b"SQLite format 3\x00", b"wOFF", b"wOF2", b"OggS", b"ID3", b"fLaC",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\x00asm", b"\xca\xfe\xba\xbe", b"\x93NUMPY",
)  # fmt: skip
# Random and compressed bytes hold 10 % control characters, text of any encoding next to none.
_BINARY_CONTROLS = 0.05
# Well-formed UTF-8 is evidence enough that a NUL or two are the scraper's and not a file format's.
_BINARY_CONTROLS_UTF8 = 0.3
_SAMPLE_BYTES = 65_536


def decode(data: bytes, declared: str | None = None, is_html: bool = False) -> tuple[str, str]:
    """The text and the name of its encoding, in lower case as browsers name it (``utf-8``, ``windows-1252``).

    In order: byte-order mark, the declared charset (for pages in HTML their own declaration too) where it fits,
    UTF-8, detection, windows-1252. A text that is mostly UTF-8 with some bytes of windows-1252 in it counts as
    UTF-8, and those bytes are read as windows-1252. Raises DocumentError (``undecodable``) for what is no text.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            marked = _decode_marked(data[len(mark) :], name)
            if marked is not None:
                return marked, name
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    # ASCII holds no evidence against UTF-8 but NULs (UTF-16) and escapes (ISO-2022-JP).
    if text is not None and text.isascii() and b"\0" not in data and b"\x1b" not in data and not _looks_binary(data):
        return text, "utf-8"

    labels = [canonical_name(label) for label in _declarations(data, declared, is_html)]
    controls = _share_of_controls(data[:_SAMPLE_BYTES])
    wide_labels = [label for label in labels if label in _UTF_WIDE]
    wide = _decode_unmarked_wide(data, wide_labels, text is not None, controls)
    if wide is not None:
        return wide
    if _looks_binary(data, text is not None, controls):
        raise DocumentError("undecodable", f"{len(data):,} bytes that are no text in any encoding ({_describe(data)})")
    for label in labels:
        fitting = _decode_declared(data, label) if label else None
        if fitting is not None:
            return fitting
    if text is not None:
        # Escapes alone carry characters here, and only a browser's detector knows them.
        # One byte is looked for ten times faster than two.
        escapes = b"\x1b" in data and (b"\x1b$" in data or b"\x1b(" in data)
        return (_detected_iso_2022_jp(data) if escapes else None) or (text, "utf-8")
    return _decode_mixed(data) or _decode_detected(data)


def replace_surrogates(text: str) -> str:
    """The text with U+FFFD for each lone surrogate; two that belong together become the one character they mean."""
    return repair_surrogates(text)[0]


def repair_surrogates(text: str) -> tuple[str, int]:
    """The text as `replace_surrogates` gives it, and how many lone surrogates were replaced."""
    # Encoding is the fastest way to look: a millisecond a megabyte, nothing at all for ASCII.
    if text.isascii():
        return text, 0
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        repaired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return repaired, repaired.count("\ufffd") - text.count("\ufffd")
    return text, 0


def _decode_marked(data: bytes, name: str) -> str | None:
    """The text after a byte-order mark; None where the mark must have been something else."""
    if name == "utf-8":
        # A file that opens in UTF-8 and goes on in something else is of mixed encoding: the caller sees to it.
        return _read_utf8_mixed(data)
    try:
        return data.decode(name)
    except UnicodeDecodeError:
        # FF FE 00 00 can also open UTF-16LE with a NUL. A mark of UTF-16 is not doubted: the file was cut off.
        return None if name.startswith("utf-32") else data.decode(name, "replace")


def _decode_unmarked_wide(data: bytes, declared: list[str], is_utf8: bool, controls: float) -> tuple[str, str] | None:
    """UTF-16 or 32 without a mark: declared, or told by NULs and by how usual its characters are; else None.

    Read as single bytes, such a text is full of controls or no UTF-8. That guards against a declaration that is
    wrong, and against single NULs in good text.
    """
    if controls < 0.1 and (is_utf8 or (not declared and 0 not in data[:_SAMPLE_BYTES])):
        return None
    readings = []
    for name in dict.fromkeys([*declared, "utf-16le", "utf-16be"]):
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        shown = text[:4096]
        n_odd = sum(not character.isprintable() and not character.isspace() for character in shown)
        # Bytes in the wrong order are characters too, but no spaces, line breaks, letters and commas.
        n_usual = sum(character in _USUAL for character in shown)
        if n_odd * 20 <= len(shown) and (n_usual or name in declared):
            readings.append((n_usual, text, name))
    return max(readings)[1:] if readings else None


def _share_of_controls(data: bytes) -> float:
    return 1 - len(data.translate(None, _CONTROLS)) / len(data) if data else 0.0


def _looks_binary(data: bytes, is_utf8: bool = True, share: float | None = None) -> bool:
    sample = data[:_SAMPLE_BYTES]
    share = _share_of_controls(sample) if share is None else share
    if share > (_BINARY_CONTROLS_UTF8 if is_utf8 else _BINARY_CONTROLS):
        return True
    # "MZ" or "%PDF-" may open a text about file formats, so the opening alone does not decide.
    return sample.startswith(_MAGIC) and (share > 0 or not is_utf8)


def _describe(data: bytes) -> str:
    return f"they begin {data[:8].hex(' ')}; {_share_of_controls(data[:65536]):.0%} are control characters"


def _declarations(data: bytes, declared: str | None, is_html: bool) -> list[str]:
    """The charsets that are declared, outermost first, as browsers rank them."""
    labels = [declared] if declared else []
    if is_html:
        head = data[:_META_WINDOW]
        match = _XML_ENCODING.match(head) or _META_CHARSET.search(head)
        if match:
            # A declaration that can be read byte by byte is not in UTF-16, whatever it says.
            label = match[1].decode("ascii")
            labels += [] if label.lower().startswith(("utf-16", "utf-32", "ucs-")) else [label]
    return [label.strip().lower() for label in labels]


def _decode_declared(data: bytes, name: str) -> tuple[str, str] | None:
    """The text in the declared charset; None where it does not fit."""
    if name == "utf-8" or name in _UTF_WIDE:
        return None  # UTF-8 has its turn in any case, the others had it
    text = _decode_whatwg(data, name)
    if not (_is_readable(text) if name in _DOUBLE_BYTE else "\ufffd" not in text):
        return None
    if name == "iso-2022-jp":
        return (text, name) if b"\x1b" in data else None
    n_valid, n_invalid = _count_utf8(data)
    # Pages are often stored anew in UTF-8 under their old declaration. A single-byte charset fits any bytes, so
    # one well-formed character of UTF-8 outweighs it; in a double-byte charset a few can arise by chance.
    single = len(text) == len(data)
    if n_valid > n_invalid and (single or n_valid >= 8 or (not n_invalid and n_valid >= 2)):
        return None
    # Real text has no C1 controls: a text that would get some is in another charset.
    return None if single and re.search("[\x80-\x9f]", text) else (text, name)


@lru_cache(maxsize=256)
def canonical_name(label: str) -> str | None:
    """The browsers' name for a declared charset in lower case, else Python's; None for one that nobody knows."""
    if label in ("utf-32", "utf-32le", "utf-32be"):
        return label if label != "utf-32" else "utf-32le"
    try:
        python_name = codecs.lookup(label).name
    except (LookupError, ValueError):
        python_name = ""
    # Browsers know latin1 but not latin-1, iso-8859-2 but not iso8859-2.
    python_name = {"ascii": "windows-1252", "iso8859-1": "windows-1252"}.get(python_name, python_name)
    for candidate in (label, python_name.replace("iso8859-", "iso-8859-")):
        name = _browser_name(candidate)
        if name is not None:
            return None if name in _NO_CHARSETS else name
    return python_name if _ARCHIVE_CODEC.fullmatch(python_name) else None


def _browser_name(label: str) -> str | None:
    import turbohtml.detect

    try:
        codecs.lookup(f"whatwg-{label}")
    except (LookupError, ValueError):
        return None
    name = turbohtml.parse(b"", encoding=label).encoding
    return name.lower() if name else None


def _decode_whatwg(data: bytes, name: str) -> str:
    """The text in one of the browsers' encodings (U+FFFD for what it lacks), else in one of Python's."""
    import turbohtml.detect  # noqa: F401  registers the whatwg-* codecs

    try:
        return data.decode(f"whatwg-{name}")
    except LookupError:
        return data.decode(name, "replace")


def _count_utf8(data: bytes) -> tuple[int, int]:
    """How many characters beyond ASCII are well-formed UTF-8, and how many bytes beyond ASCII belong to none."""
    rest, n_valid = _UTF8_CHARACTER.subn(b"", data)
    return n_valid, len(rest) - len(rest.translate(None, _HIGH_BYTES))


def _decode_mixed(data: bytes) -> tuple[str, str] | None:
    """Text that is UTF-8 for the greater part; None where another encoding explains its bytes better."""
    n_valid, n_invalid = _count_utf8(data)
    # Double-byte encodings show up to .4 well-formed characters a stray byte by chance, single-byte ones of the
    # West hardly any: there a fourth is evidence.
    if n_valid > n_invalid:
        return _read_utf8_mixed(data), "utf-8"
    damaged = _decode_damaged(data)
    if damaged is None and n_valid * 4 >= n_invalid and _detect_name(data) in _WESTERN:
        return _read_utf8_mixed(data), "utf-8"
    return damaged


def _decode_damaged(data: bytes) -> tuple[str, str] | None:
    """Text in a double-byte encoding with a byte lost or too many, which rules that encoding out for the detector.

    Looked for only where bytes beyond ASCII stand in runs, as they do not in the single-byte encodings that the
    detector then falls back to. Parts of the text vote; the winner must decode the whole but for a few characters.
    """
    sample = data[:65536]
    runs = _HIGH_RUN.findall(sample)
    if sum(map(len, runs)) < max(20, 1.7 * len(runs)) or _detect_name(data) not in _WESTERN:
        return None
    parts = [b""]
    # No second byte of these encodings is below 40, so no character is cut here.
    for piece in _LOW_RUN.split(sample):
        parts[-1] += piece + b"\n"
        if len(parts[-1]) >= 400:
            parts.append(b"")
    votes = Counter(filter(None, map(_detect_name, parts[:16])))
    for name, _ in votes.most_common(2):
        text = _decode_whatwg(data, name) if name in _DOUBLE_BYTE else ""
        if text and _is_readable(text):
            return text, name
    return None


def _is_readable(text: str) -> bool:
    """Whether hardly a character was lost in decoding; what was cut off ends within one, which does not count."""
    return text.count("\ufffd") - text.endswith("\ufffd") <= len(text) // _CHARACTERS_PER_ERROR


def _read_utf8_mixed(data: bytes) -> str:
    """The text in UTF-8, with bytes that are not UTF-8 read as windows-1252."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("utf-8", "cleaner-windows-1252")


def _stray_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    data, start = error.object, error.start
    surrogate = data[start : start + 3]
    if len(surrogate) == 3 and surrogate[0] == 0xED and 0xA0 <= surrogate[1] <= 0xBF and 0x80 <= surrogate[2] <= 0xBF:
        return surrogate.decode("utf-8", "surrogatepass"), start + 3
    # latin-1 stands in for the five bytes that windows-1252 leaves undefined, as in browsers.
    stray = data[start : error.end]
    return "".join(_WINDOWS_1252[byte] for byte in stray), error.end


_WINDOWS_1252 = [
    bytes([byte]).decode("latin-1" if byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else "cp1252") for byte in range(256)
]
codecs.register_error("cleaner-windows-1252", _stray_bytes)


def _detected_iso_2022_jp(data: bytes) -> tuple[str, str] | None:
    if _detect_name(data) != "iso-2022-jp":
        return None
    text = _decode_whatwg(data, "iso-2022-jp")
    return None if "\ufffd" in text else (text, "iso-2022-jp")


def _detect_name(data: bytes) -> str | None:
    from turbohtml.detect import detect

    name = detect(_without_declaration(data)).encoding
    return name.lower() if name else None


def _without_declaration(data: bytes) -> bytes:
    """The bytes with no <meta> for the detector to believe: declarations have had their turn, or are part of a text."""
    head = re.sub(rb"(?i)<meta", b"<data", data[:1024])
    return data if head == data[:1024] else head + data[1024:]


def _decode_detected(data: bytes) -> tuple[str, str]:
    from turbohtml.detect import Detection, detect

    match = detect(_without_declaration(data), Detection(excluded=frozenset({"UTF-8", "UTF-16LE", "UTF-16BE"})))
    if match.encoding is None or match.codec is None:
        return data.decode("whatwg-windows-1252"), "windows-1252"
    return data.decode(match.codec), match.encoding.lower()
