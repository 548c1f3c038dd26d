"""Entries for HTTP/2: streams, frames and connections that break, and answers that RFC 9113 calls malformed."""

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
    ChangeSettings,
    Close,
    Duplicate,
    Extend,
    Fault,
    FrameGarbage,
    GoAway,
    HpackGarbage,
    MaxStreams,
    NoPong,
    NoSettingsAck,
    Reset,
    ResetStream,
    Slow,
    Stall,
    StarveWindow,
    Truncate,
    TruncateFrame,
    WrongLength,
    WrongStream,
)

if TYPE_CHECKING:
    from pytest_httpserve.scripting.httpserve import HTTPServe

_HALF = len(BODY) // 2
# A client may send its first request before the server's settings arrive.
_ASK_NOTHING = should(
    "give up in time, or take the body if it asked before the settings came",
    Ending.BODY,
    Ending.FAILED,
    unclear=(Ending.WAITING,),
)


def _entry(
    name: str,
    what: str,
    ought: Should,
    tell: Tell,
    *,
    rule: str,
    fault: Fault | None = None,
    body: bytes = BODY,
    lasts: float = 0.0,
) -> Entry:
    return Entry(
        f"http2_{name}",
        "http2",
        what,
        ought,
        tell,
        tls=True,
        http2=True,
        body=body,
        lasts=lasts,
        fault=fault,
        rule=rule,
    )


def _fault(name: str, what: str, fault: Fault, rule: str, ought: Should = REPORT, lasts: float = 0.0) -> Entry:
    """An entry with this fault in every answer."""
    return _entry(name, what, ought, answer(partial(good, fault=fault)), rule=rule, fault=fault, lasts=lasts)


def _once(name: str, what: str, fault: Fault, rule: str) -> Entry:
    """An entry with this fault in the first answer."""
    return _entry(name, what, TRY_AGAIN, answer(partial(good, fault=fault), good), rule=rule, fault=fault)


def _always(name: str, what: str, fault: Fault, rule: str, ought: Should = TAKE) -> Entry:
    """An entry with this fault at the beginning of every connection."""

    def tell(server: HTTPServe) -> None:
        server.on("*", PATH).respond(good())
        server.fault(fault, every=1)

    return _entry(name, what, ought, tell, rule=rule, fault=fault)


_ANSWERS = (
    _entry("trailers", "trailers follow the body", TAKE, answer(partial(chunked, {"X-Sum": "1"})), rule="8.1"),
    _entry(
        "informational", "103 comes before the answer", TAKE, answer(partial(good, informational=[103])), rule="8.1"
    ),
    _entry(
        "huge_body",
        "a body of 16 MiB, far beyond a window of flow control",
        TAKE,
        answer(huge),
        rule="6.9",
        body=huge().body,
    ),
    _fault("slow_body", "the body takes a second to come", Slow(rate=float(len(BODY))), "8.1", TAKE, lasts=1.0),
    _fault("no_answer", "the connection is closed before the answer", Close(), "5.4.3"),
    _fault("reset", "the connection is reset before the answer", Reset(), "5.4.3"),
    _fault("cut_body", "the connection is closed within the body", Close(after=_HALF), "5.4.3"),
    _fault("reset_body", "the connection is reset within the body", Reset(after=_HALF), "5.4.3"),
    _fault(
        "stall_body",
        "the body stops half-way, and the stream stays open",
        Stall(after=_HALF, limit=86_400),
        "9.1",
        GIVE_UP,
    ),
    _fault("short_body", "the stream ends before the body is as long as Content-Length says", Truncate(), "8.1.1"),
    _fault("long_body", "the body is longer than Content-Length says", Extend(b"more"), "8.1.1"),
    _fault("length_text", "Content-Length is not a number", WrongLength(says="eleven"), "8.1.1"),
    _fault("lengths_differ", "two Content-Length headers with different values", Duplicate(value="7"), "8.1.1"),
)

_STREAMS = (
    _fault("reset_stream", "RST_STREAM: CANCEL, within the body", ResetStream("CANCEL", after=_HALF), "5.4.2"),
    _once("refused_once", "RST_STREAM: REFUSED_STREAM; the next try is good", ResetStream("REFUSED_STREAM"), "8.7"),
    _fault("refused_always", "RST_STREAM: REFUSED_STREAM, each time", ResetStream("REFUSED_STREAM"), "8.7"),
    _once(
        "goaway_unprocessed",
        "GOAWAY: the request is not processed; the next connection is good",
        GoAway(last_stream=0),
        "6.8",
    ),
    _fault("goaway", "GOAWAY within the body, which continues to its end", GoAway(after=_HALF), "6.8", TAKE),
    _fault(
        "goaway_error",
        "GOAWAY with an error within the body, which continues to its end",
        GoAway(code="ENHANCE_YOUR_CALM", after=_HALF),
        "6.8",
        TAKE_OR_REPORT,
    ),
    _always(
        "starved_window", "the window of the connection for requests never opens", StarveWindow("connection"), "6.9"
    ),
    _always("window_0", "SETTINGS: a window of 0 for requests", ChangeSettings({"INITIAL_WINDOW_SIZE": 0}), "6.9.2"),
    _always("max_streams_1", "SETTINGS: one stream at a time", MaxStreams(1), "5.1.2"),
    _always("max_streams_0", "SETTINGS: no streams at all", MaxStreams(0), "5.1.2", _ASK_NOTHING),
    _always("no_settings_ack", "the client's settings are not acknowledged", NoSettingsAck(), "6.5.3", TAKE_OR_REPORT),
    _always("no_pong", "the client's pings are not answered", NoPong(), "6.7", TAKE_OR_REPORT),
)

_FRAMES = (
    _fault(
        "wrong_setting",
        "SETTINGS: frames of at most one byte, which are not allowed",
        ChangeSettings({"MAX_FRAME_SIZE": 1}, after=_HALF),
        "6.5.2",
    ),
    _fault("frame_garbage", "a frame within the body that is longer than allowed", FrameGarbage(after=_HALF), "4.2"),
    _fault(
        "truncated_frame", "a frame that is cut off, and the end of the connection", TruncateFrame(after=_HALF), "4.1"
    ),
    _fault("wrong_stream", "data on a stream that was never opened", WrongStream(after=_HALF), "5.1"),
    _fault("hpack_garbage", "headers that cannot be decompressed", HpackGarbage(after=_HALF), "4.3"),
)

ENTRIES = (*_ANSWERS, *_STREAMS, *_FRAMES)
