"""HTTP dates, there and back."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_httpserve.server.dates import date_line, http_date, parse_http_date


def test_a_date_as_the_rfc_writes_it() -> None:
    assert http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"


@given(st.integers(0, 253_402_300_799))
def test_a_date_is_what_the_standard_library_makes_of_it(timestamp: int) -> None:
    assert http_date(timestamp) == formatdate(timestamp, usegmt=True)
    assert parse_http_date(http_date(timestamp)) == timestamp


def test_fractions_of_a_second_are_cut_off() -> None:
    assert http_date(784111777.999) == http_date(784111777)


def test_now_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    gmtime = time.gmtime
    for now in (784111777.5, 784111777.9, 784111778.1, 784111777.0):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        monkeypatch.setattr(time, "gmtime", lambda given=None, now=now: gmtime(now if given is None else given))
        assert http_date() == http_date(now)
        assert date_line() == f"Date: {http_date(now)}\r\n".encode()


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "  Sun, 06 Nov 1994 08:49:37 GMT  ",
    ],
)
def test_the_obsolete_forms_are_read(text: str) -> None:
    assert parse_http_date(text) == 784111777


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "now",
        "784111777",
        "Sun, 06 Nov 1994",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sat, 05 Nov 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 +0100",
        "Sun, 06 Nov 1994 08:49:37 EST",
        "Sun, 06 Nov 99999999999 08:49:37 GMT",
        "Sun, 99999999999999999999 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "(" * 1000,
    ],
)
def test_what_is_no_date_in_utc_is_none(text: str) -> None:
    assert parse_http_date(text) is None


PARTS = 'Sun, Sunday 06 6-Nov-94 Nov Foo 1994 0 08:49:37 8:4 8.4.3 GMT -0000 +1 - , : ( ) " \\ 99999999999999999999 é'


@pytest.mark.same_everywhere
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PARTS.split()), max_size=8).map(" ".join)))
def test_no_text_is_an_error(text: str) -> None:
    date = parse_http_date(text)
    assert date is None or isinstance(date, float)
