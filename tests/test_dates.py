"""Dates as pages write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleaner.extract.dates import day_in_url, precision, to_iso_date


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("2024-05-06", "2024-05-06"),
        ("2024-05-06T07:08:09Z", "2024-05-06T07:08:09Z"),
        ("2024-05-06T07:08:09.123+02:00", "2024-05-06T07:08:09.123+02:00"),
        ("2024-05-06T07:08:09.123456789Z", "2024-05-06T07:08:09.123456789Z"),
        (" 2024-05-06 07:08:09 ", "2024-05-06T07:08:09"),
        ("2024-05-06T07:08:09+0200", "2024-05-06T07:08:09+02:00"),
        ("2024-05-06T07:08-5:00", "2024-05-06T07:08-05:00"),
        ("2024-05-06 07:08:09 UTC", "2024-05-06T07:08:09Z"),
        ("2024/5/6 7:08", "2024-05-06T07:08"),
        ("2024年5月6日 07:08", "2024-05-06T07:08"),
        ("20240506", "2024-05-06"),
        ("20240506T070809Z", "2024-05-06T07:08:09Z"),
        ("202405060708", "2024-05-06T07:08"),
        ("6.5.2024", "2024-05-06"),
        ("06.05.2024 07:08", "2024-05-06T07:08"),
        ("5/23/2024", "2024-05-23"),
        ("23/5/2024", "2024-05-23"),
        ("Mon, 6 May 2024 07:08:09 GMT", "2024-05-06T07:08:09Z"),
        ("6 May 2024", "2024-05-06"),
        ("6th May 2024", "2024-05-06"),
        ("May 6, 2024", "2024-05-06"),
        ("Monday, Sept. 16, 2024, 7:08 p.m. EDT", "2024-09-16T19:08-04:00"),
        ("May 6, 2024 at 12:08 am", "2024-05-06T00:08"),
        ("Mon May 06 07:08:09 EST 2024", "2024-05-06T07:08:09-05:00"),
        ("1714979289", "2024-05-06T07:08:09Z"),
        ("1714979289000", "2024-05-06T07:08:09Z"),
    ],
)
def test_a_date_is_written_in_iso_8601_as_exact_as_it_was(written: str, iso: str) -> None:
    assert to_iso_date(written) == iso


@pytest.mark.parametrize(
    "written",
    [
        "two days ago",
        "Monday",
        "3/4/2024",
        "2024-13-06",
        "2024-02-30",
        "0001-01-01",
        "1970-01-01T00:00:00Z",
        "1969-12-31",
        "2567-05-06",
        "١٤٠٢-١٠-٠٢",
        "12",
        "",
    ],
)
def test_what_is_no_date_of_a_page_is_null(written: str) -> None:
    assert to_iso_date(written) is None


@pytest.mark.parametrize("written", ["2024-05-06T24:00:00", "2024-05-06 99:99", "2024-05-06T07:08:09+99:00"])
def test_a_time_that_no_clock_shows_leaves_the_day(written: str) -> None:
    assert to_iso_date(written) == "2024-05-06"


@given(st.datetimes(), st.sampled_from(["%Y-%m-%d %H:%M:%S", "%d %B %Y %H:%M:%S", "%B %d, %Y, %I:%M:%S %p"]))
def test_every_time_is_read_back_from_the_ways_to_write_it(moment: object, form: str) -> None:
    import datetime

    assert isinstance(moment, datetime.datetime)
    moment = moment.replace(year=1990 + moment.year % 100, microsecond=0, day=min(moment.day, 28))
    assert to_iso_date(moment.strftime(form)) == moment.isoformat()


@given(st.text())
def test_no_text_stops_the_reading_of_dates(text: str) -> None:
    to_iso_date(text)
    day_in_url(text)


@pytest.mark.parametrize(
    "path", ["/2024/05/06/bridge", "/2024/5/6/bridge", "/news/2024-05-06/", "/20240506/b.html", "/b/2024/05/06"]
)
def test_a_day_in_the_path_of_an_address_is_found(path: str) -> None:
    assert day_in_url(f"https://herald.example{path}") == "2024-05-06"


@pytest.mark.parametrize(
    "path", ["/2024/05/bridge", "/2024/13/06/", "/id/120240506", "/bridge-2024-05-06x", "/a/2024/"]
)
def test_other_numbers_in_an_address_are_no_day(path: str) -> None:
    assert day_in_url(f"https://herald.example{path}") is None


def test_a_time_is_more_exact_than_a_day_and_a_zone_than_none() -> None:
    dates = ["2024-05-06T07:08:09.123", "2024-05-06", "2024-05-06T07:08Z", "2024-05-06T07:08:09"]
    assert sorted(dates, key=precision) == [dates[1], dates[3], dates[0], dates[2]]
