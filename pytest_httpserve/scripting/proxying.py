"""A server that is also a proxy: it leads requests to the origin that they name, by CONNECT or by a whole URL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pytest_httpserve.errors import RequestError
from pytest_httpserve.scripting.answering import Answering
from pytest_httpserve.scripting.answers.responses import Response
from pytest_httpserve.scripting.answers.sending import send, send_last
from pytest_httpserve.scripting.carrying import carry_to
from pytest_httpserve.scripting.conversation import Conversation
from pytest_httpserve.scripting.origins import status
from pytest_httpserve.scripting.passage import in_connect
from pytest_httpserve.scripting.record.readable import readable
from pytest_httpserve.scripting.record.sent import SentResponse
from pytest_httpserve.scripting.routing.routes import NOT_FOUND
from pytest_httpserve.scripting.socks import Opening
from pytest_httpserve.server.servers import service_of
from pytest_httpserve.wire.origin import NO_PORT, PORTS, is_address, origin_of, split_authority

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.protocol.http1 import HTTP1
    from pytest_httpserve.scripting.answering import Chosen
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.origin import Origin
    from pytest_httpserve.scripting.origins.origins import Origins
    from pytest_httpserve.scripting.record.exchange import ConnectionRecord
    from pytest_httpserve.scripting.record.transcript import Transcript
    from pytest_httpserve.scripting.script import Script
    from pytest_httpserve.server.servers import HTTPServer
    from pytest_httpserve.wire.target import Target

_ESTABLISHED = Response(200, reason="Connection established")
# RFC 9110 section 15.5.8
_WHO_ASKS = Response(407, headers={"Proxy-Authenticate": 'Basic realm="test"'}, text="the proxy asks for credentials\n")


class ProxyConversation(Conversation):
    """A connection to a proxy. ``tunnelled`` is set once a tunnel over it leads to an origin; ``opening`` is how the
    connection began. ``serve_carried`` serves a connection that this one carries."""

    __slots__ = ("_faults", "opening", "serve_carried", "tunnelled")

    def __init__(
        self,
        serve_carried: Callable[[Conversation], object],
        script: Script,
        server: HTTPServer,
        connection: Connection,
        http1: HTTP1,
        record: ConnectionRecord | None,
    ) -> None:
        super().__init__(script, server, connection, http1, record)
        self.serve_carried: Callable[[Conversation], object] = serve_carried
        self.tunnelled: bool = False
        self.opening: Opening | None = None
        self._faults: dict[Origin, tuple[Fault, ...]] = {}

    def faults_of(self, origin: Origin) -> tuple[Fault, ...]:
        """The faults of this connection as one to this origin, chosen when the first request for the origin comes."""
        if origin not in self._faults:
            self._faults[origin] = in_connect(origin.script.fault_rules.next(), rest=True)
        return self._faults[origin]


def answering(conversation: ProxyConversation, transcript: Transcript) -> Answering:
    """What answers the next request of the connection. Within a tunnel, the origin is known."""
    if conversation.opening is None:
        conversation.passage = conversation.opening = Opening(conversation, conversation.passage)
    return (Answering if conversation.tunnelled else Proxying)(conversation, transcript)


class Proxying(Answering):
    """A request that may name an origin, which then answers it."""

    conversation: ProxyConversation
    script: Script
    method: str
    target: str
    parts: Target

    def answer_to(self, method: str, target: str, parts: Target, chosen: Chosen | None = None) -> None:
        """Let the origin answer the request or, if it names none, the server."""
        if self.redirects or parts.authority is None or chosen is not None:
            super().answer_to(method, target, parts, chosen)
            return
        host, port = split_authority(parts.authority, parts.scheme or "")
        if self._is_own(host, port):
            super().answer_to(method, target, parts)
            return
        if port >= NO_PORT or (method == "CONNECT" and port == 0):
            rule = f"RFC 9110 section {'9.3.6' if method == 'CONNECT' else '4.2'}"
            raise RequestError(400, f"no port has this number: {target!r}", rule=rule)
        self.method, self.target, self.parts = method, target, parts
        origins: Origins[Origin] | None = self.script.origins
        credentials = origins.credentials if origins is not None else None
        origin = origins.found_or_made(host, port, parts.scheme) if origins is not None else None
        if credentials is not None and not credentials.are(self.stream.headers.get("proxy-authorization", "")):
            self._ask_for_credentials()
        elif method == "CONNECT":
            self._connect(origin, host, port)
        elif origin is not None:
            self.script = origin.script
            if faults := self.conversation.faults_of(origin):
                self.suffer(faults)
            super().answer_to(method, target, parts)
        elif origins is not None and origins.allows(host, port):
            self._ask(host, port)
        else:
            self._refuse(host, port)

    def _is_own(self, host: str, port: int) -> bool:
        server = self.server
        return port == server.server_port and host in (server.server_name, "localhost", "127.0.0.1", "::1")

    # Requests that no origin answers

    def _ask_for_credentials(self) -> None:
        self._take_body(streamed=True)
        self.record(NOT_FOUND)
        # The bytes that follow may be meant for the tunnel.
        ends = self.method == "CONNECT" and self.http1.reader.unread
        (send_last if ends else send)(self, _WHO_ASKS)

    def _refuse(self, host: str, port: int) -> None:
        """Answer 502 for a host without an origin, and fail the test with the same text."""
        self._take_body(streamed=True)
        self.record(NOT_FOUND)
        text = self._unknown(host, port)
        self.script.journal.record_failure(text, "unanswered")
        send_last(self, Response(502, text=text, headers=status.denied()))

    def _unknown(self, host: str, port: int) -> str:
        scheme = self.parts.scheme or {number: name for name, number in PORTS.items()}.get(port, "https")
        lines = [f"no origin answers {host} port {port}, which was asked for by {self.request}"]
        lines += [f"  there is {origin.pattern}" for origin in self.script.origins or ()]
        url = origin_of(scheme, host, port)
        opening = self.conversation.opening
        if opening is not None and opening.by_socks and is_address(host):
            lines.append("  the client looks names up itself; with socks5h:// it would leave that to the proxy")
        lines.append(f"  origin({url!r}) would answer, allow({host!r}) would let it through to the real host")
        if self.script.advice:
            lines.append(f"  {self.script.advice}")
        return readable([*lines, ""])

    def _ask(self, host: str, port: int) -> None:
        """Let the real host answer."""
        from http.client import HTTPException

        from pytest_httpserve.scripting.origins.relay import ask
        from pytest_httpserve.scripting.origins.upstream import Upstream

        self._take_body(streamed=False)
        self.record(NOT_FOUND)
        target = self.parts.path + self.parts.query_with_mark
        context = None
        if self.parts.scheme == "https":
            from ssl import create_default_context

            context = create_default_context()
        self.connection.leave_loop()
        try:
            upstream = Upstream(host, port, context, self.connection.transport.timeout)
            response = ask(self.connection, self.request, upstream, target)
        except (OSError, HTTPException) as error:
            response = _unreached(host, port, error)
        send(self, response)

    # Tunnels

    def _connect(self, origin: Origin | None, host: str, port: int) -> None:
        origins = self.script.origins
        framing = self.stream.framing
        if framing.kind == "chunked" or framing.length:
            raise RequestError(400, "a CONNECT request has no content (RFC 9110 section 9.3.6)")
        self.record(NOT_FOUND)
        faults = origin.script.fault_rules.next() if origin is not None else ()
        if self._suffers_in_connect(self.passage.in_connect, self.script):
            return
        if origin is not None and self._suffers_in_connect(in_connect(faults), origin.script):
            return
        if origin is not None and origin.to is None:
            url = origin_of(origin.pattern.scheme or "https", host, port)
            self.end_here(origin, url, host, in_connect(faults, rest=True))
        elif origin is not None or (origins is not None and origins.allows(host, port)):
            self._pass_on(*(origin.to if origin is not None and origin.to is not None else (host, port)))
        else:
            self._refuse(host, port)

    def _suffers_in_connect(self, faults: tuple[Fault, ...], script: Script) -> bool:
        """Let these faults of ``script`` happen, before the tunnel is open. Returns whether one of them refused it."""
        if not faults:
            return False
        own, self.script = self.script, script
        try:
            return self._refused_by(faults)
        finally:
            self.script = own

    def _refused_by(self, faults: tuple[Fault, ...]) -> bool:
        from pytest_httpserve.scripting.faults.acts import Refuse
        from pytest_httpserve.scripting.faults.wire import FaultyWire

        wire = FaultyWire(self.connection)
        wire.begin(faults, self.index, self.note_fault)
        wire.reach("connect")
        for fault in faults:
            if isinstance(fault, Refuse):
                self.note_fault(fault, fault.place)
                asks = fault.status == _WHO_ASKS.status
                send_last(self, _WHO_ASKS if asks else Response(fault.status, text="the proxy opens no tunnel\n"))
                return True
        return False

    def end_here(self, origin: Origin, url: str, host: str, faults: tuple[Fault, ...]) -> None:
        """From the next byte on, the connection leads to the origin of this URL. The faults happen to it."""
        conversation = self.conversation
        if self.carries(origin):
            self.establish()
            self.stream.lasts = False
            conversation.beyond = partial(carry_to, conversation, conversation.serve_carried, origin, url, host, faults)
            return
        if conversation.record is not None:
            conversation.record.tunnelled = url, conversation.count
        conversation.script, conversation.tunnelled = origin.script, True
        conversation.passage = origin.passage(conversation, host, faults)
        self.establish()
        self.stream.lasts = True  # even if the client asked to close it

    def carries(self, origin: Origin) -> bool:
        """Whether this connection carries another one to the origin, since its TLS layer needs a socket of its own."""
        transport = self.connection.transport
        early = self.http1.reader.unread or transport.gathered
        return origin.pattern.scheme != "http" and (not transport.plain or bool(early))

    def _pass_on(self, host: str, port: int) -> None:
        """Relay the bytes of the tunnel unchanged."""
        from pytest_httpserve.scripting.origins.relay import relay
        from pytest_httpserve.scripting.origins.upstream import connect

        self.connection.leave_loop()
        try:
            upstream = connect(host, port)
        except OSError as error:
            send_last(self, _unreached(host, port, error))
            return
        self.establish()
        self.stream.lasts = False
        loop = service_of(self.server).loop
        assert loop is not None  # each HTTPServe has one
        relay(self.connection, upstream, self.http1.reader.take_unread(), loop.workers.run)

    def establish(self) -> None:
        """Tell the client that the tunnel is open."""
        head = _ESTABLISHED.opening_head()
        self.begin(SentResponse(200, head))
        self.writer.write_head(head, more=False)


def _unreached(host: str, port: int, error: Exception) -> Response:
    return Response(502, text=f"{host} port {port} cannot be reached: {error}\n", headers=status.unreached(error))
