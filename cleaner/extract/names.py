"""Names of authors as pages write them."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from html import unescape

_MAX_CHARS = 500
_MAX_NAME_CHARS = 100
_MAX_NAMES = 20

_PREFIX = re.compile(
    r"(?:view\s+)?(?:(?:all\s+posts|more(?:\s+stories)?|written|posted|published|reported|story|text|words)\s+)?by[\s:]+"
    r"|(?:author|autor|auteur|autore)s?\s*:\s*|(?:von|par|por)\s+(?=\w+\s+\w|(?-i:[A-Z]{2,4}\b))"
    r"|(?:eingestellt|geschrieben|veröffentlicht)\s+von\s+|(?:文|撰文|作者|記者|记者|投稿者)[\s:：/]+",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,31});")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_MAIL = re.compile(r"[\s(<]*[^\s()<>]+(?:@|\[at\])[^\s()<>]+[)>]*")
_ADDRESS = re.compile(r"\(?(?:\w+:)?//\S*|\(?\bwww\.\S*", re.IGNORECASE)
_BAR = re.compile(r"\s*\|\s*")
_DASH = re.compile(r"\s[•·–—-]\s")
_AND = re.compile(r"\s+(?:and|und)\s+", re.IGNORECASE)
_COMMA = re.compile(r"\s*[,;、，；]\s*")
# "Ana Ruiz (aru)", as papers sign.
_INITIALS = re.compile(r"(?<=\w)\s\([^\W\d_A-Z]{2,5}\.?\)$")
# Two words at least, as both sides of an "and" between names must have.
_FULL_NAME = re.compile(r"[^\W\d_][\w.'’-]*(?:\s+[\w.'’-]+){1,4}")
# Two or three words of plain letters that are no "by": most values are, and need no other look.
_PLAIN = re.compile(r"(?!(?i:by|von|par|por|all|more|view)\b)[^\W\d_]{2,}(?: (?!(?i:and|und|by)\b)[^\W\d_]{2,}){1,2}")
# The first letters of other scripts pass for capitals: they have none.
_CAPITALS = re.compile(
    r"[^\W\d_a-zß-ÿ][\w.'’-]*(?:\s+(?:(?:de|van|von|der|den|del|della|la|le|di|da|dos|du|bin|al|el|y|zu|ter|ten)\s+){0,2}"
    r"[^\W\d_a-zß-ÿ][\w.'’-]*){1,3}"
)
# Words of bylines and of links to authors that stand in no person's name.
_NO_NAME = re.compile(
    r"\b(?:authors?|autor\w*|auteurs?|list|team|staff|reporter|website|blog|news|view|profile?|posts?|beiträge|artikel"
    r"|articles?|e-?mail|more|mehr|weitere|alle?|todos|read|about|follow|editorial|redaktion|redacción|unknown)\b",
    re.IGNORECASE,
)
_EDGES = " \t\r\n,;:|/\"'“”„»«©*-–—"
# What systems write where nobody is named.
_NOBODY = frozenset(
    "admin administrator root user editor editors webmaster web publisher unknown anonymous none null undefined nil "
    "n/a false true name author team staff".split()
)
_DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)*\.[a-z]{2,12}(?:\.[a-z]{2})?", re.IGNORECASE)
# Names of accounts, such as "ana-ruiz", "ana.ruiz.12", "aruiz7".
_ACCOUNT = re.compile(r"[a-z0-9]+(?:[-._][a-z0-9]+)+|[a-z]*\d+[a-z0-9]*|\w*_\w*")


def split_names(values: Iterable[str]) -> list[str]:
    """The names in some values, distinct, in their order; without "By", addresses and words that name nobody."""
    names: dict[str, str] = {}
    for value in values:
        for name in _split(value):
            names.setdefault(name.casefold(), name)
            if len(names) == _MAX_NAMES:
                return list(names.values())
    return list(names.values())


def is_person(name: str, sites: Container[str]) -> bool:
    """Whether a name may be a person's: not that of the site (`sites`, folded), of a domain or of an account."""
    if " " not in name and (_DOMAIN.fullmatch(name) or _ACCOUNT.fullmatch(name)):
        return False
    return fold_name(name) not in sites


def is_full_name(name: str) -> bool:
    """Whether a name has the shape of a person's: two to four words in capitals, "van" and "de" aside."""
    return _CAPITALS.fullmatch(name) is not None and _NO_NAME.search(name) is None


def fold_name(name: str) -> str:
    """A name by which to tell whether two are the same: its letters and digits in lower case, without "the"."""
    return "".join(filter(str.isalnum, name.casefold())).removeprefix("the")


def _split(value: str) -> Iterator[str]:
    value = " ".join(value[:_MAX_CHARS].split())
    if _PLAIN.fullmatch(value):
        yield value
        return
    # What follows a bar is a role, a paper or a place, unless nobody is named before it.
    named = next(filter(None, map(_strip_byline, _BAR.split(_strip_markup(value)))), "")
    for part in _COMMA.split(named):
        yield from filter(None, map(_clean, _split_and(part)))


def _strip_markup(text: str) -> str:
    if "&" in text:
        text = _ENTITY.sub(lambda match: unescape(match[0]), text)
    return _TAG.sub(" ", text) if "<" in text else text


def _strip_byline(text: str) -> str:
    """A byline without e-mail and other addresses, "By", and what stands behind a full name and a dash."""
    if "@" in text or "[at]" in text:
        text = _MAIL.sub("", text)
    if "//" in text or "www" in text.lower():
        text = _ADDRESS.sub("", text)
    text = text.strip(_EDGES)
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    if match := _PREFIX.match(text):
        text = text[match.end() :]
    head = _DASH.split(text, maxsplit=1)[0]
    return head if _FULL_NAME.fullmatch(head) else text


def _split_and(text: str) -> list[str]:
    parts = _AND.split(text)
    return parts if len(parts) > 1 and all(map(_FULL_NAME.fullmatch, parts)) else [text]


def _clean(name: str) -> str | None:
    name = _INITIALS.sub("", " ".join(name.split()).strip(_EDGES))
    if not 1 < len(name) <= _MAX_NAME_CHARS or name.startswith("@") or ":" in name or name.casefold() in _NOBODY:
        return None
    return name if any(map(str.isalpha, name)) else None
