"""What those who answer a request see of it."""

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
    """A request that is to be answered.

    ``method`` and ``target`` are what is asked for: by the client or, if a CGI script has said so, instead of that;
    ``parts`` are the target's, ``redirects`` is how many scripts have led here. ``gates`` are those of the route that
    answers, ``added`` the header fields for whatever answers. ``awaits_100`` is whether the client waits for 100 before
    it sends its body.
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
        """The server that was asked."""

    @property
    def connection(self) -> Connection:
        """The connection that it came over."""

    @property
    def client(self) -> tuple[str, int]:
        """Who asks: host and port."""

    @property
    def journal(self) -> Journal:
        """What has been seen of the server."""

    @property
    def event_loop(self) -> EventLoop:
        """The event loop of the server, on which code that awaits runs."""

    @property
    def scripts(self) -> tuple[tuple[str, bool], ...]:
        """The directories of scripts, which nothing else shows, each with whether those beneath it are, too."""

    @property
    def http1(self) -> HTTP1:
        """What its body is read from."""

    @property
    def stream(self) -> Stream:
        """Its head, and what has been said in answer."""

    @property
    def writer(self) -> Writer:
        """What the response is written to."""

    def invite_body(self) -> None:
        """Say 100 to a client that waits for it before it sends its body."""

    def begin(self, response: SentResponse, /) -> None:
        """The head of the final response is about to leave."""

    def suffer(self, faults: tuple[Fault, ...], /) -> None:
        """From here on in this exchange, these faults."""

    def is_clients(self, error: BaseException, /) -> bool:
        """Whether this is the error in which the client's side of the connection ended."""

    def record_exception(self, error: BaseException, /) -> str:
        """An exception in what answers the request fails the test, with the text that this returns."""

    def fail(self, text: str, /) -> None:
        """What answers has failed, and the test with it."""

    def note(self, text: str, /) -> None:
        """Note of the exchange what went on beside it."""

    def log(self, format: str, /, *args: object) -> None:
        """A line in the log, with the client's address."""

    def redirected(self, method: str, target: str, count: int, /) -> None:
        """A script has asked for the answer to another path; so many have, so far."""

    def leave_http(self, beyond: Callable[[Any, tuple[Fault, ...]], object], /) -> None:
        """When the exchange is over, have ``beyond`` take care of the connection: it is called with this, and with the
        faults of the connection and of the response."""

    def note_fault(self, fault: Fault, where: str, /) -> None:
        """A fault happens: the journal knows of it before the client does."""

    @property
    def may_rest(self) -> bool:
        """Whether the connection can wait for its client in the loop, and not in this thread."""

    @property
    def passes_as_it_is(self) -> bool:
        """Whether the same holds for this exchange, and no fault or gate has its place in the response."""

    def reset_connection(self) -> None:
        """After this request, end the connection such that its client cannot take for whole what it has got."""
