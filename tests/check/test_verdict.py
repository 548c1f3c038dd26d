"""What is thought of an outcome, without any program."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_httpserve.check.catalogue import CATALOGUE, chosen
from pytest_httpserve.check.command import Ended
from pytest_httpserve.check.entry import BODY, Ending, Entry
from pytest_httpserve.check.outcome import Asked, Outcome
from pytest_httpserve.check.verdict import Printing, ending_of, judge

PLAIN = Printing(prints=True)
GOOD = Asked("GET", "/check", 1.0, 1.0, 200, "", (1, 1), True)


def entry(name: str) -> Entry:
    (found,) = (one for one in chosen([name]) if one.name == name)
    return found


def outcome(status: int | None = 0, output: bytes = BODY, *asked: Asked) -> Outcome:
    return Outcome(Ended(status, output, b"", 0.1), asked or (GOOD,), 1)


@pytest.mark.parametrize(
    ("name", "given", "ending", "verdict"),
    [
        ("control", outcome(), Ending.BODY, "right"),
        ("control", outcome(0, BODY[:-1]), Ending.OTHER, "wrong"),
        ("control", outcome(0, BODY + b"."), Ending.OTHER, "wrong"),
        ("control", outcome(1), Ending.FAILED, "wrong"),
        ("control", outcome(None), Ending.WAITING, "wrong"),
        ("control", outcome(-11), Ending.CRASHED, "wrong"),
        ("cut_body", outcome(-6), Ending.CRASHED, "wrong"),
        ("cut_body", outcome(1, BODY[:9]), Ending.FAILED, "right"),
        ("cut_body", outcome(0), Ending.BODY, "wrong"),
        ("cut_body", outcome(None), Ending.WAITING, "wrong"),
        ("stall", outcome(None), Ending.WAITING, "unclear"),
        ("expired", outcome(1), Ending.TRUSTING, "wrong"),
        ("expired", Outcome(Ended(1, b"", b"", 0.1), (), 1), Ending.FAILED, "right"),
        ("expired", Outcome(Ended(0, b"", b"", 0.1), (), 1), Ending.OTHER, "wrong"),
        ("revoked", outcome(0), Ending.TRUSTING, "unclear"),
        ("not_found", outcome(0, b"", replace(GOOD, status=404)), Ending.STATUS, "unclear"),
        ("redirect", outcome(0, b"", replace(GOOD, status=302)), Ending.STATUS, "unclear"),
        ("redirect", outcome(1, b"", GOOD, replace(GOOD, status=404, found=False)), Ending.LOST, "wrong"),
        ("redirect", outcome(0, BODY, replace(GOOD, status=302), replace(GOOD, target="/there")), Ending.BODY, "right"),
        ("redirect_to_file", outcome(1, b"-----BEGIN CERTIFICATE-----"), Ending.FORBIDDEN, "wrong"),
        ("http2_control", outcome(0), Ending.OLDER, "unclear"),
        ("http2_control", outcome(0, BODY, replace(GOOD, version=(2, 0))), Ending.BODY, "right"),
        ("http2_control", Outcome(Ended(1, b"", b"", 0.1), (), 1), Ending.FAILED, "wrong"),
        ("http2_reset", outcome(1, b"", replace(GOOD, version=(2, 0)), GOOD), Ending.FAILED, "right"),
        ("gzip", outcome(0), Ending.BODY, "right"),
        ("gzip", outcome(0, entry("gzip").coded), Ending.CODED, "unclear"),
        ("gzip", outcome(0, entry("gzip").coded, replace(GOOD, accepted="br, gzip")), Ending.OTHER, "wrong"),
        ("gzip", outcome(0, entry("gzip").coded, replace(GOOD, accepted="gzip; q=0")), Ending.CODED, "unclear"),
        ("gzip_false", outcome(0, BODY, replace(GOOD, accepted="gzip")), Ending.BODY, "wrong"),
    ],
)
def test_an_outcome_is_judged(name: str, given: Outcome, ending: Ending, verdict: str) -> None:
    assert (ending_of(entry(name), given, PLAIN), judge(entry(name), ending)) == (ending, verdict)


@pytest.mark.parametrize(("pause", "verdict"), [(0.0, "wrong"), (0.8, "wrong"), (0.95, "right"), (2.0, "right")])
def test_a_request_is_repeated_when_the_server_has_said(pause: float, verdict: str) -> None:
    told = replace(GOOD, status=429, answered=5.0)
    again = outcome(0, BODY, told, replace(GOOD, begun=5.0 + pause), replace(GOOD, begun=5.0 + pause))
    one = entry("too_many_requests")
    assert judge(one, ending_of(one, again, PLAIN)) == verdict


@pytest.mark.parametrize(
    ("output", "printing"),
    [
        (BODY, Printing(prints=True)),
        (BODY + b"\n", Printing(prints=True, after=b"\n")),
        (b"got: " + BODY, Printing(prints=True, within=True)),
        (BODY + b" done", Printing(prints=True, within=True, after=b" done")),
        (b"200 OK", Printing()),
    ],
)
def test_the_control_shows_where_a_client_prints_the_body(output: bytes, printing: Printing) -> None:
    assert Printing.learnt(output) == printing
    assert printing.fits(output, BODY)
    assert printing.fits(BODY[:-5], BODY) is not printing.prints


def test_the_repeated_requests_are_counted() -> None:
    other = replace(GOOD, target="/there")
    assert outcome(0, b"", GOOD, other, GOOD, GOOD).repeated == 2
    assert outcome(0, b"", GOOD, other).repeated == 0
    assert Outcome(Ended(1, b"", b"", 0.1), (), 3).repeated == 2
    assert Outcome(Ended(1, b"", b"", 0.1), (), 3).facts == "exit 1, no requests, 3 connections, 0.1 s"
    assert outcome(-9, b"", GOOD, GOOD).facts == "signal SIGKILL, 2 requests, 1 of them repeated, 0.1 s"


def test_no_entry_takes_a_crash_for_right() -> None:
    never = {Ending.CRASHED, Ending.HASTY, Ending.LOST, Ending.FORBIDDEN}
    assert [one.name for one in CATALOGUE if never & (one.should.right | one.should.unclear)] == []
    assert [one.name for one in CATALOGUE if one.should.right & one.should.unclear] == []
