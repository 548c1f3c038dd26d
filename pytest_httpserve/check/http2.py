"""Entries of HTTP/2: streams and connections that break, and answers that RFC 9113 calls malformed."""

from __future__ import annotations

from functools import partial

from pytest_httpserve.check.entry import (
    BODY,
    GIVE_UP,
    REPORT,
    TAKE,
    Entry,
    Should,
    Tell,
    answer,
    chunked,
    good,
    huge,
)
from pytest_httpserve.faults import Close, Duplicate, Extend, Fault, Reset, Slow, Stall, Truncate, WrongLength

_HALF = len(BODY) // 2


def _entry(name: str, what: str, ought: Should, tell: Tell, body: bytes = BODY, lasts: float = 0.0) -> Entry:
    return Entry(f"http2_{name}", "http2", what, ought, tell, tls=True, http2=True, body=body, lasts=lasts)


def _fault(name: str, what: str, fault: Fault, ought: Should = REPORT, lasts: float = 0.0) -> Entry:
    return _entry(name, what, ought, answer(partial(good, fault=fault)), lasts=lasts)


ENTRIES = (
    _entry("trailers", "trailers follow the body", TAKE, answer(partial(chunked, {"X-Sum": "1"}))),
    _entry("informational", "103 comes before the answer", TAKE, answer(partial(good, informational=[103]))),
    _entry("huge_body", "a body of 16 MiB, far beyond a window of flow control", TAKE, answer(huge), huge().body),
    _fault("slow_body", "the body takes a second to come", Slow(rate=float(len(BODY))), TAKE, lasts=1.0),
    _fault("no_answer", "the stream is reset before the answer", Close()),
    _fault("reset", "the connection is reset before the answer", Reset()),
    _fault("cut_body", "the stream is reset within the body", Close(after=_HALF)),
    _fault("reset_body", "the connection is reset within the body", Reset(after=_HALF)),
    _fault("stall_body", "the body stops half-way, and the stream stays", Stall(after=_HALF, limit=86_400), GIVE_UP),
    _fault("short_body", "the stream ends before the body is as long as Content-Length says", Truncate()),
    _fault("long_body", "the body is longer than Content-Length says", Extend(b"more")),
    _fault("length_text", "Content-Length is not a number", WrongLength(says="eleven")),
    _fault("lengths_differ", "Content-Length is there twice, and differs", Duplicate(value="7")),
)
