"""Every exception of the project. Exceptions that lead to an HTTP answer carry its status."""

from __future__ import annotations


class HTTPServeError(Exception):
    """The base class of all exceptions that the project defines."""


class RequestError(HTTPServeError):
    """A request that cannot be served as it was sent.

    ``status`` is the status code to answer with; ``reason`` is the answer's reason phrase, None for the standard one;
    ``str(error)`` says what is wrong with the request, in one clause. ``rule`` is the broken rule, such as ``RFC 9112
    section 3.2``; empty for a limit of our own. The mistake is in ``line`` (its octets as characters), or in the fields
    called ``names``; if neither is given, in the request line. ``fields`` are fields that the answer must have.
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
    """A request that its client broke off before the end."""


class ScriptError(HTTPServeError):
    """A CGI script that gave no usable answer.

    ``status`` is the status code to answer with: 502, 504, or 503 when the server stops. ``stderr`` is the script's
    stderr, once that is known.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.stderr = ""


class UsageError(HTTPServeError, ValueError):
    """A wrong value, refused where it was given: the message names the value and says what is allowed."""


class ServerFailure(HTTPServeError, AssertionError):
    """Failures of a server during a test: requests without an answer, handlers that failed or hang."""


class UnsupportedError(HTTPServeError):
    """This machine cannot do what was asked for, though it is valid: the message says what is missing."""


class NoMoreThreads(HTTPServeError, RuntimeError):
    """A server needs another thread, and cannot have one: the system or a limit on this process allows no more, or
    other code has replaced the functions that make threads."""


class BodyAwaited(BaseException):
    """Not an error: the code that serves a request stops here until the body has come. The loop waits for the body, not
    a thread.

    ``except Exception`` does not catch it.
    """


class Struck(HTTPServeError, ConnectionError):
    """A fault has ended the connection: to the code that serves it, the client seems to have gone.

    ``resets`` says that it ends with an RST, not a FIN. If a connection carries many exchanges at a time, a fault that
    ``ends_exchange`` ends only its own exchange.
    """

    def __init__(self, detail: str, *, resets: bool = False, ends_exchange: bool = False) -> None:
        super().__init__(detail)
        self.resets = resets
        self.ends_exchange = ends_exchange


class FrameError(HTTPServeError):
    """A WebSocket client has broken a rule, or exceeded a limit; ``code`` is the code to close with."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class WebSocketClosed(HTTPServeError, ConnectionError):
    """A WebSocket connection is over, with this ``code`` and ``reason``: 1006 if there was no close frame."""

    def __init__(self, detail: str, code: int, reason: str) -> None:
        super().__init__(detail)
        self.code = code
        self.reason = reason
