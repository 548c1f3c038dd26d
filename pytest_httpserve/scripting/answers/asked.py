"""A request as it looks to the code that answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.protocol.http1 import HTTP1
    from pytest_httpserve.protocol.stream import Stream
    from pytest_httpserve.protocol.writer import Writer
    from pytest_httpserve.scripting.answers.gates import Gate
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.live.event_loop import EventLoop
    from pytest_httpserve.scripting.record.exchange import Exchange
    from pytest_httpserve.scripting.record.journal import Journal
    from pytest_httpserve.scripting.record.sent import SentResponse
    from pytest_httpserve.server.servers import HTTPServer
    from pytest_httpserve.wire.headers import Field
    from pytest_httpserve.wire.target import Target


class Asked(Protocol):
    """A request that needs an answer.

    ``method`` and ``target`` are the client's, or those to which a CGI script has redirected the request internally;
    ``parts`` are the parts of the target, ``redirects`` counts such scripts. ``gates`` are those of the route that
    answers, ``added`` the header fields to add to any response. ``awaits_100`` says that the client waits for 100
    before it sends the body.
    """

    method: str
    target: str
    parts: Target
    redirects: int
    gates: tuple[Gate, ...]
    added: tuple[Field, ...]
    awaits_100: bool
    exchange: Exchange | None

    @property
    def server(self) -> HTTPServer:
        """The server that got the request."""

    @property
    def connection(self) -> Connection:
        """The connection that the request came over."""

    @property
    def client(self) -> tuple[str, int]:
        """The client's host and port."""

    @property
    def journal(self) -> Journal:
        """The journal of the server."""

    @property
    def event_loop(self) -> EventLoop:
        """The event loop of the server, on which asynchronous code runs."""

    @property
    def scripts(self) -> tuple[tuple[str, bool], ...]:
        """The CGI directories, which are never served as files, each with whether that includes subdirectories."""

    @property
    def http1(self) -> HTTP1:
        """The protocol that reads the body."""

    @property
    def stream(self) -> Stream:
        """The stream: the head of the request, and what has been sent in answer."""

    @property
    def writer(self) -> Writer:
        """Writes the response."""

    def invite_body(self) -> None:
        """Send 100 to a client that waits for it before it sends the body."""

    def begin(self, response: SentResponse, /) -> None:
        """Note that the head of the final response is about to be sent."""

    def suffer(self, faults: tuple[Fault, ...], /) -> None:
        """Let these faults happen to the rest of the exchange."""

    def is_clients(self, error: BaseException, /) -> bool:
        """Whether this is the error with which the client ended the connection."""

    def record_exception(self, error: BaseException, /) -> str:
        """Fail the test with an exception of the code that answers. Returns the text of the failure."""

    def fail(self, text: str, /) -> None:
        """Fail the test, since the code that answers has failed."""

    def note(self, text: str, /) -> None:
        """Add a note to the exchange."""

    def log(self, format: str, /, *args: object) -> None:
        """Write a log line with the client's address."""

    def redirected(self, method: str, target: str, count: int, /) -> None:
        """Note that a CGI script has redirected the request internally, as the ``count``th one."""

    def leave_http(self, beyond: Callable[[Any, tuple[Fault, ...]], object], /) -> None:
        """Hand the connection to ``beyond`` when the exchange is over. It is called with this object, and with the
        faults of the connection and the response."""

    def note_fault(self, fault: Fault, where: str, /) -> None:
        """Record that a fault happens, before the client can notice."""

    @property
    def may_rest(self) -> bool:
        """Whether the connection can wait for its client in the loop, without this thread."""

    @property
    def passes_as_it_is(self) -> bool:
        """Whether it can during this exchange, and no fault or gate affects the response."""

    def reset_connection(self) -> None:
        """Reset the connection after this request, so that the client cannot take the response for complete."""
