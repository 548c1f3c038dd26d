"""A Stream: one request and its response on the wire."""

from __future__ import annotations

from typing import NamedTuple

from pytest_httpserve.wire.framing import NO_BODY, Framing, connection_options
from pytest_httpserve.wire.head import Version
from pytest_httpserve.wire.headers import Field, Headers
from pytest_httpserve.wire.message import Fields, Line
from pytest_httpserve.wire.target import target_of

_NOTHING_ASKED = Line("", "", "", (1, 1), "", target_of(""))
NO_FIELDS = Fields(Headers(), NO_BODY, False, False)


class Verdict(NamedTuple):
    """How a response has ended: whether another request can follow and, if it broke its own head's promise, how."""

    lasts: bool
    complaint: str | None = None


_LASTS, _ENDS = Verdict(True), Verdict(False)
_NOTHING: tuple[Field, ...] = ()
_CLOSE: tuple[Field, ...] = (("Connection", "close"),)
_KEEP_ALIVE: tuple[Field, ...] = (("Connection", "keep-alive"),)


class Stream:
    """A request, and what its response has said so far.

    ``asks_to_leave`` is whether the client asks for the connection to leave HTTP (RFC 9110 sections 7.8 and 9.3.6),
    ``lasts`` whether the connection goes on after it. ``status`` is the final response's, None until it begins;
    ``length`` its Content-Length, ``delimited`` whether its head says where its body ends, ``said`` whether it says if
    the connection lasts, ``leaves`` whether the connection leaves HTTP with it. ``measured`` is whether all output
    passes through us: a handler that gets its socket may write to it.
    """

    # Defaults are in the class, since there is a new object for each request.
    line: Line = _NOTHING_ASKED
    fields: Fields = NO_FIELDS
    method: str = ""
    version: Version = (1, 1)
    speaks_1_1: bool = True
    measured: bool = True
    lasts: bool = False
    leaves: bool = False
    asks_to_leave: bool = False
    status: int | None = None
    length: int | None = None
    coded: bool = False
    delimited: bool = False
    said: bool = False

    def enter(self, line: Line, fields: Fields, *, speaks_1_1: bool) -> None:
        """Set the request; ``speaks_1_1`` is whether the server speaks HTTP/1.1."""
        self.line = line
        self.fields = fields
        self.method = line.method
        self.version = line.version
        self.speaks_1_1 = speaks_1_1
        self.lasts = fields.keeps_alive and speaks_1_1
        self.asks_to_leave = fields.asks_to_upgrade or line.method == "CONNECT"

    @property
    def headers(self) -> Headers:
        """The request's headers."""
        return self.fields.headers

    @property
    def framing(self) -> Framing:
        """How the request's body ends."""
        return self.fields.framing

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for 100 before it sends the body."""
        return self.fields.expects_continue and self.speaks_1_1

    # The response

    def forget_response(self) -> None:
        """Start again, as if the response had not begun."""
        self.status = self.length = None
        self.leaves = self.coded = self.delimited = self.said = False

    def begin_response(self, status: int, method: str) -> None:
        """Note that the final response begins, with this status; ``method`` is the request's."""
        self.status, self.method = status, method
        if status == 101 or (method == "CONNECT" and 200 <= status < 300):
            self.leaves = self.delimited = self.said = True
            self.lasts = False

    @property
    def has_body(self) -> bool:
        """Whether the response has a body (RFC 9112 section 6.3)."""
        status = self.status
        return status is not None and status >= 200 and status not in (204, 205, 304) and self.method != "HEAD"

    def note(self, name: str, value: str) -> None:
        """Note what a field of the response says about its body and its connection; its name is in lower case."""
        if name == "connection":
            self.said = True
            options = connection_options(value)
            if "close" in options or "keep-alive" in options:
                self.lasts = "close" not in options
            return
        self.delimited = True
        if name == "transfer-encoding":
            self.coded, self.length = True, None  # a coding overrides a length (RFC 9112 section 6.3)
        elif not self.coded:
            self.length = int(value) if value.isdecimal() else None

    def last_fields(self) -> tuple[Field, ...]:
        """The fields to add to the response's head: they say where the body ends, and whether the connection lasts."""
        fields: tuple[Field, ...] = ()
        if not self.delimited and self.has_body:
            self.lasts = False  # the body ends with the connection (RFC 9112 section 6.3)
        elif not self.delimited and self.status == 205 and self.lasts:
            # A 205 has no content, and must say so (RFC 9110 section 15.3.6).
            self.delimited, self.length = True, 0
            fields = (("Content-Length", "0"),)
        return (*fields, *self.connection_fields()) if self.speaks_1_1 else fields

    def connection_fields(self) -> tuple[Field, ...]:
        """The fields to add about the connection (RFC 9112 section 9.3)."""
        if self.said:
            return ()
        self.said = True
        if not self.lasts:
            return _CLOSE if self.version < (2, 0) else _NOTHING
        return _NOTHING if self.version >= (1, 1) else _KEEP_ALIVE

    def end_response(self, written: int, *, anything: bool) -> Verdict:
        """End the response, after ``written`` bytes of body; ``anything`` is whether anything at all was sent."""
        lasts = _LASTS if self.lasts else _ENDS
        if self.leaves or not self.measured:
            return lasts
        if self.status is None:
            # If there is no answer, do not leave the client waiting for one.
            return lasts if anything else _ENDS
        announced = self.length if self.has_body else 0
        if announced is None or announced == written:
            return lasts
        return Verdict(False, f"the handler announced {announced} bytes and wrote {written}")
