"""Responses that a test gives. Those that cannot be sent are refused at once."""

from __future__ import annotations

import json as json_module
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from pytest_httpserve.elsewhere import RESPONSE, called_here
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.answers.fields import HeadersArgument, check_headers, cookie_fields
from pytest_httpserve.scripting.record.sent import SentResponse
from pytest_httpserve.server.base import BaseHTTPRequestHandler
from pytest_httpserve.server.dates import date_line
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.framing import connection_options
from pytest_httpserve.wire.head import response_head
from pytest_httpserve.wire.headers import Field, Headers
from pytest_httpserve.wire.target import encoded_url

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.faults.given import DelayArgument, FaultArgument, ThrottleArgument

StreamArgument = Iterable[bytes | str] | Callable[[], Iterable[bytes | str]]
InformationalArgument = int | tuple[int, HeadersArgument]


class ResponseArguments(TypedDict, total=False):
    """The arguments of ``Response`` after its status, for the functions that pass them on."""

    text: str | None
    html: str | None
    json: object
    body: bytes | None
    file: str | os.PathLike[str] | None
    stream: StreamArgument | None
    events: Iterable[object] | None
    json_lines: Iterable[object] | None
    headers: HeadersArgument | None
    cookies: Mapping[str, str] | None
    trailers: HeadersArgument | None
    informational: Iterable[InformationalArgument]
    gzip: bool
    reason: str | None
    fault: FaultArgument | None
    delay: DelayArgument | None
    throttle: ThrottleArgument | None


_ARGUMENTS = ResponseArguments.__annotations__
_WITHOUT_BODY = (204, 205, 304)
_encode_json = json_module.JSONEncoder(allow_nan=False).encode
_PHRASES = {int(status): status.phrase for status in HTTPStatus}
SERVER: str = BaseHTTPRequestHandler.server_version
# A longer body is sent in several writes.
MOST_AT_ONCE = 131_072
_KEPT_BYTES = 16_384
# Control characters in a header are refused, not encoded.
_CONTROLS = "".join(map(chr, (*range(32), 127)))


class Response:
    """A response, fixed once made.

    One of these makes the body: ``text`` or ``html`` (sent as UTF-8), ``json`` (anything ``json.dumps`` takes),
    ``body`` (bytes), ``file`` (a path, read when it is sent), ``events`` (a list of server-sent events, each a str or a
    dict), ``json_lines`` (a list of values) or ``stream`` (an iterable of bytes or str, or a function that returns one:
    each piece is sent as it comes, in chunks). All except ``stream`` set Content-Type, which ``headers`` can replace.
    ``headers`` is a mapping or, for repeated names, pairs; ``cookies`` maps names to values (for attributes, see
    ``set_cookie``). ``trailers`` are sent after a body in chunks; ``informational`` responses before this one, each a
    status such as 103, or ``(status, headers)``. ``gzip`` compresses the body. ``reason`` defaults to the standard one.
    ``fault`` is one or more faults that happen to it; ``delay`` holds it back for so many seconds (or is a Delay);
    ``throttle`` sends so many bytes of its body per second (or is a Slow).

    Raises UsageError for a response that cannot be sent: two bodies, a body with 204, 205 or 304, a status outside 200
    to 999, a missing file, an invalid header.
    """

    # Takes over the connection when it leaves HTTP with this response.
    beyond: Callable[[Any, tuple[Fault, ...]], object] | None = None
    # Answers instead of ``beyond`` if faults must happen to what follows.
    in_thread: Callable[[Any], Response] | None = None
    _least_status = 200

    __slots__ = (
        "_dated", "_head", "_kept", "body", "closes", "faults", "fields", "file", "informational",
        "is_whole", "reason", "says_connection", "status", "stream", "trailers",
    )  # fmt: skip

    def __init__(
        self,
        status: int = 200,
        *,
        text: str | None = None,
        html: str | None = None,
        json: object = ...,
        body: bytes | None = None,
        file: str | os.PathLike[str] | None = None,
        stream: StreamArgument | None = None,
        events: Iterable[object] | None = None,
        json_lines: Iterable[object] | None = None,
        headers: HeadersArgument | None = None,
        cookies: Mapping[str, str] | None = None,
        trailers: HeadersArgument | None = None,
        informational: Iterable[InformationalArgument] = (),
        gzip: bool = False,
        reason: str | None = None,
        fault: FaultArgument | None = None,
        delay: DelayArgument | None = None,
        throttle: ThrottleArgument | None = None,
    ) -> None:
        self.faults: tuple[Fault, ...] = ()
        if fault is not None or delay is not None or throttle is not None:
            from pytest_httpserve.scripting.faults.acts import CONNECTION_PHASES
            from pytest_httpserve.scripting.faults.given import as_faults

            self.faults = as_faults(fault, delay, throttle)
            for one in self.faults:
                if one.place in (*CONNECTION_PHASES, "request_head"):
                    what = f"{one!r} comes before the response is chosen"
                    raise UsageError(f"{what}: give it to a connection, with httpserve.fault(...)")
        self.status: int = _check_status(status, self._least_status)
        self.reason: str = phrase(self.status) if reason is None else _check_reason(reason)
        given = ("text", text), ("html", html), ("body", body), ("file", file), ("stream", stream)
        bodies: dict[str, object] = {name: value for name, value in given if value is not None}
        if json is not ...:
            bodies["json"] = json
        if events is not None:
            bodies["events"] = events
        if json_lines is not None:
            bodies["json_lines"] = json_lines
        kind = self._check_one_body(bodies)
        self.file: Path | None = _check_file(file) if file is not None else None
        self.stream: Callable[[], Iterable[bytes | str]] | None = _check_stream(stream) if stream is not None else None
        self.is_whole: bool = file is None and stream is None  # sent with the head in one write
        self.body: bytes
        self.body, content_type = _encode(kind, bodies)
        self.trailers: tuple[Field, ...] = check_headers(trailers, "trailers=") if trailers is not None else ()
        if self.trailers and (self.file is not None or self.status in _WITHOUT_BODY):
            what = "file=" if self.file is not None else f"status {self.status}"
            raise UsageError(f"trailers= follow a body in chunks (RFC 9112 section 7.1.2), which {what} does not have")
        self.informational: tuple[tuple[int, tuple[Field, ...]], ...] = (
            _check_all_informational(informational) if informational != () else ()
        )
        self.fields = check_headers(headers) if headers is not None else ()
        if cookies is not None:
            self.fields += cookie_fields(cookies)
        if gzip:
            self._compress(kind)
        if self.trailers:
            self.fields += (("Trailer", ", ".join(name for name, _ in self.trailers)),)
        length = len(self.body) if self.is_whole and not self.trailers and self.status not in (204, 304) else None
        self.says_connection: bool = False
        self.closes: bool = False
        self._dated = False
        if self.fields:
            self._heed(Headers(self.fields))
            self._head = _encode_head(self.status, self.reason, content_type, length, self.fields)
        else:
            self._head = _kept_head(self.status, self.reason, content_type, length)
        self._kept: tuple[bytes, tuple[SentResponse, bytes]] | None = None  # date and result of whole()

    @classmethod
    def redirect(cls, location: str, status: int = 302) -> Response:
        """A response that sends the client to ``location``, percent-encoded as by ``url_for``."""
        if not isinstance(location, str):
            raise UsageError(f"redirect() takes the location first, not {location!r}")
        if status not in (301, 302, 303, 307, 308):
            raise UsageError(f"a redirect must have the status 301, 302, 303, 307 or 308, not {status!r}")
        return cls(status, headers={"Location": encoded_url(location, safe=f"#{_CONTROLS}")})

    @classmethod
    def unauthorized(cls, scheme: str = "Basic", realm: str = "test") -> Response:
        """A 401 that asks for credentials in ``scheme`` (RFC 9110 section 11.6.1); for Digest, with a nonce."""
        if not isinstance(scheme, str) or not grammar.TOKEN.fullmatch(scheme) or not isinstance(realm, str):
            raise UsageError(f"unauthorized() takes a scheme such as 'Basic' and a realm, not {scheme!r}, {realm!r}")
        escaped = realm.replace("\\", "\\\\").replace('"', '\\"')
        further = (
            f', qop="auth", algorithm=SHA-256, nonce="{os.urandom(16).hex()}"' if scheme.lower() == "digest" else ""
        )
        return cls(401, headers={"WWW-Authenticate": f'{scheme} realm="{escaped}"{further}'})

    def _check_one_body(self, bodies: Mapping[str, object]) -> str:
        if len(bodies) > 1:
            raise UsageError(f"a response can have only one body, not {' and '.join(bodies)}")
        for kind, value in bodies.items():
            if self.status in _WITHOUT_BODY and value not in ("", b""):
                raise UsageError(f"a response with status {self.status} has no body (RFC 9110), so {kind}= is wrong")
            return kind
        return ""

    def _heed(self, given: Headers) -> None:
        """Note what the given headers say about the connection, the body and the date."""
        options = given.get("connection", "").lower()
        self.says_connection = bool(options)
        # With a wrong length, the client could not tell the next response from this body.
        length = given.get("content-length") if self.is_whole else None
        self.closes = length not in (None, str(len(self.body))) or "close" in connection_options(options)
        self._dated = "date" in given

    def _compress(self, kind: str) -> None:
        if not self.is_whole or not kind:
            raise UsageError(f"gzip= compresses a body that is given whole, not {f'{kind}=' if kind else 'none'}")
        from gzip import compress

        self.body = compress(self.body, mtime=0)
        self.fields += (("Content-Encoding", "gzip"),)

    @property
    def headers(self) -> Headers:
        """The headers given with the response, without those that the server adds, such as Date and Content-Length."""
        return Headers(self.fields)

    def whole(self, further: tuple[Field, ...]) -> tuple[SentResponse, bytes]:
        """The response as it is sent, with ``further`` header fields, and all its bytes; no bytes if the body is too
        long to be sent at once."""
        date = b"" if self._dated else date_line()
        if not further and (kept := self._kept) is not None and kept[0] is date:
            return kept[1]
        head = self.head(further)
        whole = SentResponse(self.status, head), head + self.body if len(self.body) <= MOST_AT_ONCE else b""
        if not further and len(self.body) <= _KEPT_BYTES:
            self._kept = date, whole
        return whole

    def head(self, further: tuple[Field, ...]) -> bytes:
        """Its head, with ``further`` fields that depend on the request."""
        date = b"" if self._dated else date_line()
        last = "".join(f"{name}: {value}\r\n" for name, value in further).encode("latin-1") if further else b""
        return b"%b%b%b\r\n" % (self._head, date, last)

    def opening_head(self) -> bytes:
        """Its head as the answer to CONNECT, which has no body (RFC 9110 section 9.3.6)."""
        date = b"" if self._dated else date_line()
        return b"%b%b\r\n" % (_encode_head(self.status, self.reason, None, None, self.fields), date)

    def __repr__(self) -> str:
        body = f"file={str(self.file)!r}" if self.file else "stream" if self.stream else f"{len(self.body)} bytes"
        return f"<Response {self.status} {self.reason}, {body}>"


class Continued(Response):
    """A response after whose head ``beyond`` takes over the connection, for another protocol or for a body without an
    end. If faults must happen to such a body, ``in_thread`` makes the response instead."""

    __slots__ = ("beyond", "in_thread")
    _least_status = 101

    def __init__(
        self,
        status: int,
        fields: tuple[Field, ...],
        beyond: Callable[[Any, tuple[Fault, ...]], object],  # Any: an Asked
        faults: tuple[Fault, ...] = (),
        in_thread: Callable[[Any], Response] | None = None,  # likewise
    ) -> None:
        super().__init__(status, fault=faults)
        self.fields: tuple[Field, ...] = fields  # the server's own: no need to check them
        self.says_connection: bool = True
        self.is_whole = False
        self.beyond: Callable[[Any, tuple[Fault, ...]], object] = beyond
        self.in_thread: Callable[[Any], Response] | None = in_thread


def _encode_head(
    status: int, reason: str, content_type: str | None, length: int | None, fields: tuple[Field, ...] = ()
) -> bytes:
    """The status line, and the fields that never change."""
    added = []
    if content_type is not None:
        added.append(("Content-Type", content_type))
    if length is not None:
        added.append(("Content-Length", str(length)))
    added.append(("Server", SERVER))
    if fields:
        given = Headers(fields)
        added = [field for field in added if field[0] not in given]
    return response_head(status, reason, [*fields, *added])[:-2]


# Cached: the responses of a function mostly have the same head.
_kept_head = lru_cache(256)(_encode_head)


def _check_status(status: int, least: int) -> int:
    if isinstance(status, bool) or not isinstance(status, int) or not least <= status <= 999:
        hint = ""
        if callable(status):
            hint = "; give a function to handle()"
        elif not isinstance(status, int):
            hint = "; give a body by name: text=, html=, json=, body=, file= or stream="
        raise UsageError(f"a response's status must be an integer from 200 to 999, not {status!r}{hint}")
    return int(status)


def phrase(status: int) -> str:
    """The standard reason phrase of a status; empty if it has none."""
    return _PHRASES.get(status, "")


def _check_reason(reason: str) -> str:
    if not isinstance(reason, str) or not grammar.REASON.fullmatch(reason):
        raise UsageError(f"a reason must be one line of text in ISO-8859-1, not {reason!r}")
    return reason


def _check_file(file: str | os.PathLike[str]) -> Path:
    if not isinstance(file, str | os.PathLike):
        raise UsageError(f"file= takes a path, not {type(file).__name__}")
    # Imported here, not in the thread that sends the file.
    import pytest_httpserve.server.files.serving as serving  # noqa: F401
    from pytest_httpserve.server.files import types as types

    path = Path(file).absolute()  # the test may change the directory before the file is sent
    if not os.path.isfile(path):  # unlike Path.is_file(), this never raises
        what = "is a directory" if os.path.isdir(path) else "does not exist"
        raise UsageError(f"file={os.fspath(file)!r}: {path} {what}")
    return path


def _check_stream(stream: StreamArgument) -> Callable[[], Iterable[bytes | str]]:
    if callable(stream):
        return stream
    if isinstance(stream, str | bytes) or not isinstance(stream, Iterable):
        raise UsageError(f"stream= takes an iterable of bytes or str, or a function that returns one, not {stream!r}")
    if not isinstance(stream, Iterator):
        return lambda: stream
    rest = [stream]

    def once() -> Iterable[bytes | str]:
        if not rest:
            raise UsageError("the iterator given as stream= is used up: give a function that returns one each time")
        return rest.pop()

    return once


def _check_all_informational(
    informational: Iterable[InformationalArgument],
) -> tuple[tuple[int, tuple[Field, ...]], ...]:
    if isinstance(informational, str | bytes) or not isinstance(informational, Iterable):
        what = "statuses, or pairs of a status and headers"
        raise UsageError(f"informational= takes {what}, not {informational!r}")
    return tuple(map(_check_informational, informational))


def _check_informational(given: InformationalArgument) -> tuple[int, tuple[Field, ...]]:
    status, headers = given if isinstance(given, tuple) else (given, None)
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 199 or status == 101:
        raise UsageError(f"an informational response must have a status from 100 to 199, and not 101: {status!r}")
    return status, check_headers(headers)


def as_response(status: int | Response, arguments: ResponseArguments) -> Response:
    """``status`` if it is a Response, else a new one. Raises UsageError for a Response with more arguments."""
    if not isinstance(status, Response):
        if not arguments.keys() <= _ARGUMENTS.keys():
            unknown = next(name for name in arguments if name not in _ARGUMENTS)
            known = ", ".join(f"{name}=" for name in _ARGUMENTS)
            if hint := called_here(unknown, RESPONSE):
                raise UsageError(f"a response has no {unknown}={hint}")
            raise UsageError(f"a response has no {unknown}=, but a status and {known}")
        return Response(status, **arguments)
    if arguments:
        raise UsageError(f"{next(iter(arguments))}= was given with a Response: give it to the Response instead")
    return status


def _encode(kind: str, bodies: Mapping[str, object]) -> tuple[bytes, str | None]:
    """The bytes of the body, and its media type."""
    value = bodies.get(kind)
    match kind, value:
        case "text" | "html", str():
            try:
                return value.encode(), f"text/{'plain' if kind == 'text' else 'html'}; charset=utf-8"
            except UnicodeEncodeError as error:
                raise UsageError(f"{kind}={value!r} cannot be sent as UTF-8: {error.reason}") from None
        case "text" | "html", _:
            raise UsageError(f"{kind}= takes a str, not {type(value).__name__}")
        case "json", _:
            try:
                return _encode_json(value).encode(), "application/json"
            except (TypeError, ValueError) as error:
                raise UsageError(f"json={value!r} is not JSON: {error}") from None
        case "body", bytes() | bytearray() | memoryview():
            return bytes(value), "application/octet-stream"
        case "body", _:
            raise UsageError(f"body= takes bytes, not {type(value).__name__}; for a str use text=")
        case "events", _:
            from pytest_httpserve.scripting.answers.events import encode_events

            return encode_events(value), "text/event-stream"
        case "json_lines", _:
            from pytest_httpserve.scripting.answers.events import encode_json_lines

            return encode_json_lines(value), "application/x-ndjson"
        case "file", _:
            return b"", None  # the type is guessed when the file is sent
    return b"", None
