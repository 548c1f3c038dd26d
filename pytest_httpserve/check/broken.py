"""Entries with connections that break, and answers with inconsistent bytes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_httpserve.check.entry import (
    BODY,
    GIVE_UP,
    PATH,
    REPORT,
    TAKE,
    TAKE_OR_REPORT,
    TRY_AGAIN,
    Ending,
    Entry,
    Should,
    Tell,
    answer,
    chunked,
    good,
    huge,
    should,
)
from pytest_httpserve.faults import (
    BrokenKeepAlive,
    Close,
    Delay,
    Duplicate,
    Extend,
    Fault,
    Garbage,
    NoLastChunk,
    Reset,
    Slow,
    Stall,
    WrongChunkSize,
    WrongLength,
)

if TYPE_CHECKING:
    from pytest_httpserve.scripting.httpserve import HTTPServe

_FAULTS, _FRAMING, _PACE = "faults", "framing", "pace"
_HALF = len(BODY) // 2
_EVER = 86_400.0  # longer than any run
_SURPLUS = b"These bytes follow the end of the body."
_LENIENT = should("report an error", Ending.FAILED, unclear=(Ending.BODY,))
_STOP_AT_LENGTH = should("take as much as the length says, or report an error", Ending.BODY, Ending.FAILED)


def _refuse(server: HTTPServe) -> None:
    server.refuse()


def _close_at_once(server: HTTPServe) -> None:
    server.on("*", PATH).respond(good())
    server.fault(Close(phase="accept"), every=1)


def _fault(
    name: str, what: str, fault: Fault, ought: Should = REPORT, group: str = _FAULTS, lasts: float = 0.0
) -> Entry:
    """An entry with this fault in every answer."""
    return Entry(name, group, what, ought, answer(partial(good, fault=fault)), lasts=lasts)


def _once(fault: Fault) -> Tell:
    return answer(partial(good, fault=fault), good)


FAULTS = (
    Entry("refused", _FAULTS, "nobody listens on the port", REPORT, _refuse),
    Entry("closed_at_once", _FAULTS, "each connection is closed at once", REPORT, _close_at_once),
    _fault("no_answer", "the connection is closed before the answer", Close()),
    _fault("reset", "the connection is reset before the answer", Reset()),
    _fault("stall", "the answer never comes", Stall(limit=_EVER), GIVE_UP),
    _fault("cut_head", "the head is cut off", Close(after=9, phase="response_head")),
    _fault("cut_body", "the body is cut short of its Content-Length", Close(after=_HALF)),
    _fault("reset_body", "the connection is reset within the body", Reset(after=_HALF)),
    _fault(
        "stall_body", "the body stops half-way, and the connection stays open", Stall(after=_HALF, limit=_EVER), GIVE_UP
    ),
    Entry("no_answer_once", _FAULTS, "closed before the answer; the next try is good", TRY_AGAIN, _once(Close())),
    Entry(
        "cut_body_once", _FAULTS, "the body is cut short; the next try is good", TRY_AGAIN, _once(Close(after=_HALF))
    ),
)

FRAMING = (
    Entry("chunked", _FRAMING, "a good answer in chunks", TAKE, answer(chunked)),
    Entry("trailers", _FRAMING, "chunks, and trailers after them", TAKE, answer(partial(chunked, {"X-Sum": "1"}))),
    Entry(
        "informational",
        _FRAMING,
        "103 and 102 come before the answer",
        TAKE,
        answer(partial(good, informational=[(103, {"Link": "</a>"}), 102])),
    ),
    Entry(
        "continue_unasked",
        _FRAMING,
        "100 comes before the answer, though nobody asked for it",
        TAKE,
        answer(partial(good, informational=[100])),
    ),
    _fault(
        "keep_alive_broken", "the connection is closed after the answer, unannounced", BrokenKeepAlive(), TAKE, _FRAMING
    ),
    _fault("bad_status_line", "garbage instead of the status line", Garbage("status_line"), group=_FRAMING),
    _fault("bad_header", "garbage instead of a header line", Garbage("header"), _LENIENT, _FRAMING),
    Entry(
        "long_header",
        _FRAMING,
        "a header of 100,000 bytes",
        TAKE_OR_REPORT,
        answer(partial(good, ("X-Long", "x" * 100_000))),
    ),
    Entry(
        "many_headers",
        _FRAMING,
        "10,000 headers",
        TAKE_OR_REPORT,
        answer(partial(good, *((f"X-{number}", "x") for number in range(10_000)))),
    ),
    _fault("length_text", "Content-Length is not a number", WrongLength(says="eleven"), group=_FRAMING),
    _fault("length_more", "Content-Length says more than there is", WrongLength(10), group=_FRAMING),
    Entry(
        "length_fewer",
        _FRAMING,
        "Content-Length says less than there is",
        _STOP_AT_LENGTH,
        answer(partial(good, fault=WrongLength(-10))),
        body=BODY[:-10],
    ),
    _fault("length_twice", "two Content-Length headers with the same value", Duplicate(), TAKE_OR_REPORT, _FRAMING),
    _fault("lengths_differ", "two Content-Length headers with different values", Duplicate(value="7"), group=_FRAMING),
    _fault("no_last_chunk", "the last chunk is missing", NoLastChunk(), group=_FRAMING),
    _fault("chunk_size_more", "a chunk is shorter than it says", WrongChunkSize(10), group=_FRAMING),
    _fault("chunk_size_fewer", "a chunk is longer than it says", WrongChunkSize(-10), group=_FRAMING),
    _fault("bad_chunk_size", "garbage instead of the size of a chunk", Garbage("chunk"), group=_FRAMING),
    Entry(
        "surplus",
        _FRAMING,
        "further bytes follow the body",
        should("take the body and nothing more, or report an error", Ending.BODY, Ending.FAILED),
        answer(partial(good, fault=Extend(_SURPLUS))),
        forbidden=_SURPLUS,
    ),
)

PACE = (
    _fault("head_byte_by_byte", "the head comes byte by byte", Slow(chunk=1, phase="response_head"), TAKE, _PACE),
    _fault("slow_answer", "the answer takes a second to come", Delay(1.0), TAKE, _PACE, lasts=1.0),
    _fault("slow_body", "the body takes a second to come", Slow(rate=float(len(BODY))), TAKE, _PACE, lasts=1.0),
    _fault("trickle", "the body comes at two bytes a second", Slow(rate=2.0), GIVE_UP, _PACE),
    Entry("huge_body", _PACE, "a body of 16 MiB", TAKE, answer(huge), body=huge().body),
)

ENTRIES = FAULTS + FRAMING + PACE
