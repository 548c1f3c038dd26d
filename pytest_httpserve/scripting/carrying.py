"""A proxy's tunnels over HTTP/2: the tunnel of a stream is served as a connection to its origin."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING

from pytest_httpserve.protocol.h2_stream import StreamTransport
from pytest_httpserve.protocol.http1 import HTTP1
from pytest_httpserve.scripting.answering import Answering
from pytest_httpserve.scripting.conversation import Conversation
from pytest_httpserve.scripting.origins.relay import carry
from pytest_httpserve.scripting.proxying import Proxying
from pytest_httpserve.scripting.serving import Serving
from pytest_httpserve.scripting.watching import Watching
from pytest_httpserve.server.servers import service_of
from pytest_httpserve.wire.origin import split_authority
from pytest_httpserve.wire.target import target_of

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.answering import Chosen
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.origin import Origin
    from pytest_httpserve.scripting.origins.origins import Origins
    from pytest_httpserve.scripting.record.exchange import ConnectionRecord
    from pytest_httpserve.wire.target import Target


class ProxyingStream(Proxying):
    """A request on a stream. Its scheme and authority name an origin, if the proxy knows that origin."""

    def answer_to(self, method: str, target: str, parts: Target, chosen: Chosen | None = None) -> None:
        """See ``Proxying``."""
        origins: Origins[Origin] | None = self.script.origins
        transport = self.connection.transport
        if parts.authority is None and not self.redirects and origins is not None:
            assert isinstance(transport, StreamTransport)
            scheme = dict(transport.fields).get(b":scheme", b"http").decode("latin-1").lower()
            authority = self.stream.headers["host"]
            host, port = split_authority(authority, scheme)
            if origins.find(host, port, scheme) is not None or origins.allows(host, port):
                target = f"{scheme}://{authority}{target if parts.form != 'asterisk' else ''}"
                parts = target_of(target)
        super().answer_to(method, target, parts, chosen)

    def end_here(self, origin: Origin, url: str, host: str, faults: tuple[Fault, ...]) -> None:
        """Let the stream carry a connection to this URL's origin from here on, with these faults."""
        self.establish()
        self.conversation.beyond = partial(self._carry, origin, url, host, faults)

    def _carry(self, origin: Origin, url: str, host: str, faults: tuple[Fault, ...]) -> None:
        service = service_of(self.server)
        loop = service.loop
        assert loop is not None  # each HTTPServe has one
        assert isinstance(service.watcher, Watching)  # likewise
        ours, theirs = socket.socketpair()
        inside = service.begin(ours, self.connection.peer)
        if (record := service.watcher.records.get(inside)) is not None:
            record.tunnelled = url, 0
        inside.turn.loop = loop
        timeout = self.connection.transport.timeout
        inside.turn.serve = partial(CarriedServing, self.conversation, inside, record, timeout, origin, host, faults)
        inside.turn.proceed = partial(service.attend, self.server, inside)
        loop.workers.run(inside.turn.proceed)
        carry(self.connection, theirs, loop.workers.run)


class CarriedServing(Serving):
    """Serves ``inside``, the connection to an origin that a stream carries. ``carrier`` is the stream's own."""

    __slots__ = ()

    def __init__(
        self,
        carrier: Conversation,
        inside: Connection,
        record: ConnectionRecord | None,
        timeout: float | None,
        origin: Origin,
        host: str,
        faults: tuple[Fault, ...],
    ) -> None:
        self._connection = inside
        inside.begin(timeout, nodelay=False)
        self._http1 = http1 = HTTP1.over(inside, limits=self.limits)
        self._answering = Answering
        self._conversation = Conversation(origin.script, carrier.server, inside, http1, record)
        self._conversation.in_http2 = carrier.in_http2
        self._conversation.passage = origin.passage(self._conversation, host, faults)
        self.serve()
