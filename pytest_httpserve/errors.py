"""Every exception of the project. Those with an HTTP answer carry its status."""

from __future__ import annotations


class HTTPServeError(Exception):
    """The root of all exceptions that the project raises on its own account."""


class RequestError(HTTPServeError):
    """A request that cannot be served as it was sent.

    ``status`` is the status code to answer with; ``reason`` the reason phrase of that answer, None for the standard
    one; ``str(error)`` says what is wrong with the request, in one clause. ``rule`` is what the request breaks, such as
    ``RFC 9112 section 3.2``; empty for a limit of our own. It breaks it in the ``line`` (its octets as characters), or
    in the fields of these ``names``; where neither is given, in the request line. ``fields`` are those that the answer
    has to have.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        reason: str | None = None,
        rule: str = "",
        line: str = "",
        names: tuple[str, ...] = (),
        fields: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.rule = rule
        self.line = line
        self.names = names
        self.fields = fields


class BrokenOff(RequestError):
    """A request that its client ended before all of it was there."""


class ScriptError(HTTPServeError):
    """A CGI script that gave no answer which could be sent.

    ``status`` is the status code to answer with: 502, 504, or 503 when the server stops. ``stderr`` is what the script
    had to say, once that is known.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.stderr = ""


class UsageError(HTTPServeError, ValueError):
    """A wrong value, refused where it was given: the message names the value and what would be right."""


class ServerFailure(HTTPServeError, AssertionError):
    """What went wrong on a server during a test: requests that nothing answered, handlers that failed or hang."""


class UnsupportedError(HTTPServeError):
    """What was asked for is right, and this machine cannot do it: the message says what is missing."""


class NoMoreThreads(HTTPServeError, RuntimeError):
    """A server needs another thread, and cannot have one: the system, or a limit on this process, has no more, or code
    has replaced what threads are made by."""


class BodyAwaited(BaseException):
    """Not an error: what serves a request goes no further until its body has come. The loop waits for that, and no
    thread does.

    It passes code that catches every Exception.
    """


class Struck(HTTPServeError, ConnectionError):
    """A fault has ended the connection: for what serves it, as if its client had gone.

    ``resets`` says that it ends with an RST, not a FIN. Where a connection carries many exchanges at a time, one that
    ``ends_exchange`` ends no more than its own.
    """

    def __init__(self, detail: str, *, resets: bool = False, ends_exchange: bool = False) -> None:
        super().__init__(detail)
        self.resets = resets
        self.ends_exchange = ends_exchange


class FrameError(HTTPServeError):
    """What a WebSocket client sent breaks a rule, or a limit; ``code`` is the one to close with."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class WebSocketClosed(HTTPServeError, ConnectionError):
    """A WebSocket connection is over, with this ``code`` and ``reason``: 1006 if there was no close frame."""

    def __init__(self, detail: str, code: int, reason: str) -> None:
        super().__init__(detail)
        self.code = code
        self.reason = reason
