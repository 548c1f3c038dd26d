"""Tunnels to an origin of this server: after CONNECT come a TLS handshake, and then the requests."""

from __future__ import annotations

import ssl
from functools import partial
from typing import TYPE_CHECKING

from pytest_httpserve.net.poller import readiness
from pytest_httpserve.net.tls_handshake import shake_hands, take_leave
from pytest_httpserve.scripting.handshaking import never_shake_hands, note_end
from pytest_httpserve.scripting.passage import AS_IT_IS, FaultyPassage, Passage, Passing
from pytest_httpserve.scripting.record.handshakes import Handshake, error_of
from pytest_httpserve.scripting.record.journal import FaultEvent
from pytest_httpserve.server.https import PLAIN_ANSWER

if TYPE_CHECKING:
    from pytest_httpserve.scripting.conversation import Conversation, InHTTP2
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.tls import TLS


class TunnelPassage(Passage):
    """The beginning of a tunnel, before its first exchange: the faults that happen there, and the handshake.

    Without a ``context``, there is no handshake or one that never ends, depending on the fault of ``tls``.
    """

    def __init__(
        self, conversation: Conversation, tls: TLS | None, context: ssl.SSLContext | None, faults: tuple[Fault, ...]
    ) -> None:
        self._conversation = conversation
        self._connection = conversation.connection
        self._tls = tls
        self._context = context
        self._faults = faults
        self._handshake = Handshake()
        if tls is not None and tls.fault != "plain_http" and conversation.record is not None:
            conversation.record.handshake = self._handshake

    def begin(self, passing: Passing) -> None:
        """Begin the tunnel. Raises OSError if that fails."""
        self._connection.leave_loop()
        if self._tls is None or self._tls.fault == "plain_http":
            lasting = self._faults
        else:
            transport = self._connection.transport
            transport.gathered = self._conversation.http1.reader.take_unread() + transport.gathered
            lasting = self._begin_securely(self._tls)
        conversation = self._conversation
        if conversation.in_http2 is not None and self._goes_on(conversation.in_http2, lasting):
            conversation.passage = passing.passage = AS_IT_IS
            return
        conversation.passage = passing.passage = self._passage(lasting)
        passing.passage.begin(passing)

    def _goes_on(self, in_http2: InHTTP2, faults: tuple[Fault, ...]) -> bool:
        """Go on in HTTP/2 if the client begins with it. Returns whether it does."""
        from pytest_httpserve.protocol.http2 import begins_http2

        conversation = self._conversation
        reader = conversation.http1.reader
        if not (reader.wait() and begins_http2(reader.unread)):
            return False
        conversation.beyond = partial(in_http2, conversation, faults)
        return True

    def _passage(self, faults: tuple[Fault, ...]) -> Passage:
        """How the exchanges of the tunnel pass: through these faults, if there are any."""
        if not faults:
            return AS_IT_IS
        http1 = self._conversation.http1
        unread = http1.reader.take_unread()
        passage = FaultyPassage(http1, faults)
        http1.reader.give_back(unread)
        return passage

    def _begin_securely(self, tls: TLS) -> tuple[Fault, ...]:
        """Shake hands. Returns the faults that are left for the exchanges."""
        connection, handshake = self._connection, self._handshake
        try:
            lasting = self._suffer(tls) if self._faults else ()
            handshake.begun = True
            if self._context is None:
                self._never_shake_hands(handshake, resets=tls.fault == "handshake_reset")
            else:
                self._shake_hands(handshake, self._context, tls)
        finally:
            failure = None if connection.closing else connection.transport.failure
            handshake.fail(error_of(failure, tls.handshake_timeout))  # unless it has ended by now
        return lasting

    def _suffer(self, tls: TLS) -> tuple[Fault, ...]:
        """Let the faults of a connection's beginning happen. Returns the others."""
        from pytest_httpserve.scripting.faults.acts import CONNECTION_PHASES
        from pytest_httpserve.scripting.faults.wire import FaultyWire

        connection, script = self._connection, self._conversation.script

        def note(fault: Fault, where: str) -> None:
            script.record_fault_event(FaultEvent(fault, where, connection.index))

        wire = FaultyWire(connection)
        wire.begin(self._faults, 0, note)
        wire.reach("accept")
        if not connection.transport.has_unread():
            readiness(connection.transport.fileno())(tls.handshake_timeout)  # a stop also ends the wait
        wire.leave("tls_handshake")
        return tuple(fault for fault in self._faults if fault.place not in CONNECTION_PHASES)

    def _never_shake_hands(self, handshake: Handshake, *, resets: bool) -> None:
        connection = self._connection
        connection.turn.set_timeout(None)
        never_shake_hands(connection, handshake, resets=resets)
        self._conversation.resets = resets
        raise connection.transport.failed(ConnectionAbortedError("there is no handshake, as the test asked"))

    def _shake_hands(self, handshake: Handshake, context: ssl.SSLContext, tls: TLS) -> None:
        connection, transport = self._connection, self._connection.transport
        before = transport.timeout
        sock = transport.socket
        try:
            sock.getpeername()  # if the client has gone, the ssl module would leave the socket open
            secure = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError as error:
            raise transport.failed(error) from None
        connection.go_on_over(secure)
        done = shake_hands(connection, tls.handshake_timeout)
        note_end(handshake, connection, tls.handshake_timeout, done=bool(done))
        if not done:
            failure = transport.failure or transport.failed(ConnectionAbortedError("the server stops"))
            take_leave(connection, PLAIN_ANSWER)
            raise failure
        connection.turn.set_timeout(before)
        self._conversation.http1.lingers = True  # so that the end is also sent over TLS
