"""Dates as pages write them, in ISO 8601."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

# Before it there was no newspaper; later than the other no page is of this century. The clock is not asked, so that a
# page says the same date whenever it is read.
_FIRST_YEAR, _LAST_YEAR = 1605, 2099
# What programs write for "unknown": the first second of Unix time, in time zones to both sides.
_EPOCH = ("1969-12-31", "1970-01-01")
_MAX_CHARS = 60
_LAST_HOUR = 23  # newer versions of Python read 24:00 too

_TIME = (
    r"(?:[\sT,|-]|at\b|um\b)*(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<part>\d{1,9}))?)?"
    r"(?:\s*(?P<half>[ap])\.?m\b\.?)?"
)
_ZONE = r"(?:\s*\(?(?P<zone>Z|UTC|GMT|[ECMP][SD]T|CES?T|(?:UTC|GMT)?[+-]\d{1,2}:?(?:\d\d)?)\b)?"
_MONTH = r"(?P<name>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        # 2024-05-06T07:08:09+02:00, 2024/5/6 7:08, 2024年5月6日
        rf"(?P<year>\d{{4}})[-/.年](?P<month>\d{{1,2}})[-/.月](?P<day>\d{{1,2}})(?!\d)日?(?:{_TIME}{_ZONE})?",
        # 20240506, 20240506T070809Z
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)(?:T?(?P<hour>\d\d):?(?P<minute>\d\d):?(?P<second>\d\d)?)?"
        rf"(?!\d){_ZONE}",
        # 6.5.2024 7:08
        rf"(?P<day>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.\s?(?P<year>\d{{4}})(?!\d)(?:{_TIME}{_ZONE})?",
        # 5/23/2024, 23/5/2024: where one number can be no month
        rf"(?P<month>\d{{1,2}})/(?P<day>1[3-9]|2\d|3[01])/(?P<year>\d{{4}})(?!\d)(?:{_TIME}{_ZONE})?",
        rf"(?P<day>1[3-9]|2\d|3[01])/(?P<month>\d{{1,2}})/(?P<year>\d{{4}})(?!\d)(?:{_TIME}{_ZONE})?",
        # Mon, 6 May 2024 07:08:09 GMT
        rf"(?:[a-z]{{3,9}},?\s+)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[\s-]+{_MONTH},?[\s-]+(?P<year>\d{{4}})(?!\d)"
        rf"(?:{_TIME}{_ZONE})?",
        # Monday, May 6, 2024, 7:08 a.m. EDT
        rf"(?:[a-z]{{3,9}},?\s+)?{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})(?!\d)"
        rf"(?:{_TIME}{_ZONE})?",
        # Mon May 06 07:08:09 EDT 2024
        rf"[a-z]{{3}}\s+{_MONTH}\s+(?P<day>\d{{1,2}}){_TIME}{_ZONE}\s+(?P<year>\d{{4}})(?!\d)",
    )
)
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:T(?:[01]\d|2[0-3]):\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Hours from Greenwich of the names that RFC 2822 knows, and of Central Europe. IST, BST and others mean several zones.
_ZONES = {
    "Z": 0, "UTC": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
    "CET": 1, "CEST": 2,
}  # fmt: skip
_URL_DAY = re.compile(r"/((?:199|20\d)\d)(?:/(\d{1,2})/(\d{1,2})|-?(\d\d)-?(\d\d))(?=[/_.-]|$)")


def to_iso_date(text: str) -> str | None:
    """A date as a page writes it, in ISO 8601: a day, or a day and time as exact as given, with the zone if given.

    Null for what is no date of a page: relative and ambiguous ones (3/4/2024), days that no calendar has, years
    outside of 1605 to 2099, and the beginning of Unix time.
    """
    text = " ".join(text[: 4 * _MAX_CHARS].split())[:_MAX_CHARS]
    if _ISO.fullmatch(text) and _check(text):
        return text
    for form in _FORMS:
        if (match := form.match(text)) is not None:
            return _write(match.groupdict())
    return _from_seconds(text)


def day_in_url(url: str) -> str | None:
    """The day that the path of an address names (/2024/05/06/, /2024-05-06), in ISO 8601."""
    match = _URL_DAY.search(url, 0, 2000)
    if match is None:
        return None
    year, *others = (part for part in match.groups() if part)
    return _check("-".join((year, *(part.zfill(2) for part in others))))


def precision(date: str) -> tuple[bool, int]:
    """How exact a date in ISO 8601 is, to compare with others: whether it has a time zone, and its length."""
    return date.endswith("Z") or (date[-6:-5] in ("+", "-") and len(date) > 10), len(date)


def _write(parts: dict[str, str | None]) -> str | None:
    month = parts.get("month") or str(_MONTHS.index((parts.get("name") or "jan")[:3].lower()) + 1)
    day = f"{parts['year']}-{month.zfill(2)}-{(parts['day'] or '').zfill(2)}"
    if not parts.get("hour") or int(parts["hour"] or 0) > _LAST_HOUR:
        return _check(day)
    # A time that no clock shows leaves the day.
    return _check(f"{day}T{_write_time(parts)}{_write_zone(parts.get('zone'))}") or _check(day)


def _write_time(parts: dict[str, str | None]) -> str:
    hour = int(parts["hour"] or 0)
    if half := parts.get("half"):
        hour = hour % 12 + 12 * (half in "pP")
    second = f":{parts['second']}" if parts.get("second") else ""
    part = f".{parts['part']}" if parts.get("part") else ""
    return f"{hour:02}:{parts['minute']}{second}{part}"


def _write_zone(name: str | None) -> str:
    if not name:
        return ""
    name = name.upper()
    if name in _ZONES:
        return f"{_ZONES[name]:+03}:00" if _ZONES[name] else "Z"
    digits = re.sub(r"[^0-9]", "", name)
    sign = "-" if "-" in name else "+"
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "00")
    return f"{sign}{hours.zfill(2)}:{minutes}"


def _check(date: str) -> str | None:
    """The date, where a calendar has it; fractions of a second that Python does not read are cut."""
    head, _, tail = date.partition(".")
    try:
        moment = datetime.fromisoformat(head + tail.lstrip("0123456789"))
    except ValueError:
        return None
    return date if _FIRST_YEAR <= moment.year <= _LAST_YEAR and not date.startswith(_EPOCH) else None


def _from_seconds(text: str) -> str | None:
    """A count of seconds or milliseconds since 1970, as a time in UTC."""
    if not text.isascii() or not text.isdigit() or len(text) not in (10, 13):
        return None
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(text[:10]))
    return _check(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
