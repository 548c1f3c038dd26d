"""Exchanges as HAR 1.2 (HTTP Archive), the JSON that browsers and other tools show as a waterfall.

http://www.softwareishard.com/blog/har-12-spec/
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from pytest_httpserve import clock
from pytest_httpserve.errors import RequestError
from pytest_httpserve.scripting.record.exchange import Exchange, ExchangeTimes
from pytest_httpserve.scripting.record.messages import Message
from pytest_httpserve.scripting.record.redaction import ALWAYS_REDACTED, MASK, masked_fields
from pytest_httpserve.scripting.record.request import Request
from pytest_httpserve.scripting.record.sent import decoded, unframed
from pytest_httpserve.server.base import BaseHTTPRequestHandler
from pytest_httpserve.wire.framing import request_framing
from pytest_httpserve.wire.response_stream import ResponseHead
from pytest_httpserve.wire.target import target_of

_UNKNOWN = -1


def har(
    exchanges: Iterable[Exchange], base_url: str, dropped: int = 0, *, redacted: frozenset[str] = ALWAYS_REDACTED
) -> dict[str, Any]:
    """The exchanges of the server at ``base_url`` as a HAR document, ready for ``json.dumps``.

    If older exchanges were ``dropped``, a comment says how many. The values of ``redacted`` fields are masked.
    """
    log: dict[str, Any] = {
        "version": "1.2",
        "creator": creator(),
        "entries": entries(exchanges, base_url, redacted),
    }
    if dropped:
        log["comment"] = f"{dropped} older exchange{'' if dropped == 1 else 's'} dropped"
    return {"log": log}


def entries(exchanges: Iterable[Exchange], base_url: str, redacted: frozenset[str]) -> list[dict[str, Any]]:
    """The exchanges as the entries of a HAR."""
    return [_entry(exchange, base_url, redacted) for exchange in exchanges]


def moment(monotonic: float) -> str:
    """A time of time.monotonic(), as a HAR writes it."""
    return datetime.fromtimestamp(clock.time_of_day(monotonic), UTC).isoformat(timespec="microseconds")


def creator() -> dict[str, str]:
    """The program that made the HAR."""
    name, _, version = BaseHTTPRequestHandler.server_version.partition("/")
    return {"name": name, "version": version}


def _entry(exchange: Exchange, base_url: str, redacted: frozenset[str]) -> dict[str, Any]:
    times = exchange.times
    timings = _timings(times)
    entry: dict[str, Any] = {
        "startedDateTime": moment(times.request_begun),
        "time": sum(timings.values()),
        "request": _request(exchange, base_url, redacted),
        "response": _response(exchange, redacted),
        "cache": {},
        "timings": timings,
        "connection": str(exchange.request.connection_index),
    }
    if exchange.stream_id is not None:
        entry["_stream"] = exchange.stream_id
    if exchange.log is not None:  # as Chromium, which is at the other end, writes them
        entry["_resourceType"] = "websocket"
        entry["_webSocketMessages"] = [_message(one) for one in exchange.messages if one.type in ("text", "binary")]
    if exchange.route is not None:
        entry["_route"] = exchange.route.place
    if exchange.faults:
        entry["_faults"] = [{"name": repr(fault), "phase": fault.place} for fault in exchange.faults]
    if exchange.error:
        entry["_error"] = exchange.error
        entry["_refused"] = exchange.refused
    if remarks := [text for text in (exchange.error, *exchange.notes) if text]:
        entry["comment"] = "; ".join(remarks)
    return entry


def _message(message: Message) -> dict[str, Any]:
    data = message.data
    return {
        "type": "send" if message.direction == "received" else "receive",
        "time": clock.time_of_day(message.time),
        "opcode": 1 if message.type == "text" else 2,
        "data": data if isinstance(data, str) else b64encode(data).decode("ascii"),
    }


def _timings(times: ExchangeTimes) -> dict[str, float]:
    """How long each phase took, in milliseconds."""
    begun = times.body_received if times.response_begun is None else times.response_begun
    ended = begun if times.response_ended is None else times.response_ended
    # A response may begin before the whole request has come.
    received = min(times.body_received, begun)
    return {
        "send": (received - times.request_begun) * 1000,
        "wait": (begun - received) * 1000,
        "receive": (ended - begun) * 1000,
    }


def _request(exchange: Exchange, base_url: str, redacted: frozenset[str]) -> dict[str, Any]:
    request, raw = exchange.request, exchange.raw
    head, blank, rest = raw.request.lstrip(b"\r\n").partition(b"\r\n\r\n")
    try:
        body = unframed(rest, request_framing(request.headers, request.version))
    except RequestError:  # the framing is why the request was refused
        body = rest
    entry = {
        "method": request.method,
        "url": _url(request, exchange.origin, base_url),
        "httpVersion": _version(request),
        "cookies": pairs([(name, MASK) for name in request.cookies]),
        "headers": pairs(masked_fields(request.headers.fields, redacted)),
        "queryString": pairs(request.query.pairs),
        "headersSize": len(head) + len(blank) if blank else _UNKNOWN,
        "bodySize": len(rest) + raw.dropped_received if blank else _UNKNOWN,
    }
    if rest or raw.dropped_received:
        entry["postData"] = {
            "mimeType": request.headers.get("content-type", ""),
            "params": [],
            **as_text(body, marked_as="_encoding"),
            **_comment(raw.dropped_received),
        }
    return entry


def _response(exchange: Exchange, redacted: frozenset[str]) -> dict[str, Any]:
    answer, raw = exchange.response, exchange.raw
    if answer is None:  # written as browsers do
        empty = {"size": 0, "mimeType": ""}
        sizes = {"headersSize": _UNKNOWN, "bodySize": _UNKNOWN}
        nothing = {"status": 0, "statusText": "", "httpVersion": "", "cookies": [], "headers": [], "redirectURL": ""}
        return {**nothing, "content": empty, **sizes}
    head, headers = ResponseHead(answer.head), answer.headers
    rest, body = answer.content, decoded(answer.body, headers)
    kept = answer.head in raw.response
    return {
        "status": answer.status,
        "statusText": head.reason,
        "httpVersion": head.protocol if exchange.version < (2, 0) else _version(exchange.request),
        "cookies": [cookie(line) for line in headers.get_all("set-cookie")],
        "headers": pairs(masked_fields(headers.fields, redacted)),
        "content": {
            "size": len(body) + raw.dropped_sent if kept else _UNKNOWN,
            "mimeType": headers.get("content-type", ""),
            **as_text(body, marked_as="encoding"),
            **_comment(raw.dropped_sent),
        },
        "redirectURL": headers.get("location", ""),
        "headersSize": len(answer.head),
        "bodySize": len(rest) + raw.dropped_sent if kept else _UNKNOWN,
    }


def _url(request: Request, origin: str | None, base_url: str) -> str:
    target = request.target
    if target_of(target).form == "absolute":
        return target
    scheme, _, authority = base_url.partition("://")
    path = target if target.startswith("/") else f"/{target}"  # OPTIONS and CONNECT may name no path
    return f"{origin or f'{scheme}://' + (request.headers.get('host') or authority)}{path}"


def _version(request: Request) -> str:
    major, minor = request.version
    return f"HTTP/{major}.{minor}"


def pairs(given: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Names and values as a HAR writes them."""
    return [{"name": name, "value": value} for name, value in given]


def cookie(line: str) -> dict[str, Any]:
    """A Set-Cookie line (RFC 6265 section 4.1), without its value."""
    pair, *attributes = line.split(";")
    name = pair.partition("=")[0]
    said = {key.strip().lower(): text.strip() for key, _, text in (one.partition("=") for one in attributes)}
    found: dict[str, Any] = {"name": name.strip(), "value": MASK}
    found |= {key: said[key] for key in ("path", "domain") if key in said}
    return {**found, "httpOnly": "httponly" in said, "secure": "secure" in said}


def as_text(body: bytes, *, marked_as: str, charset: str = "utf-8") -> dict[str, str]:
    """A body as text or, if it is not text, as base64, which the field ``marked_as`` then says."""
    try:
        text = body.decode(charset)
        if charset == "utf-8" or text.encode(charset) == body:
            return {"text": text}
    except UnicodeError:
        pass
    return {"text": b64encode(body).decode("ascii"), marked_as: "base64"}


def _comment(dropped: int) -> dict[str, str]:
    return {"comment": f"{dropped} more bytes were not kept"} if dropped else {}
