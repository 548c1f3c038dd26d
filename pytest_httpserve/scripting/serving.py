"""Serve a connection of a scripted server: answer its requests, one after the other."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_httpserve.errors import BodyAwaited, RequestError, Struck
from pytest_httpserve.protocol.http1 import HTTP1
from pytest_httpserve.protocol.reader import DRAIN_BYTES
from pytest_httpserve.scripting import failing
from pytest_httpserve.scripting.answering import Answering
from pytest_httpserve.scripting.conversation import Conversation
from pytest_httpserve.scripting.live.waiting import Interrupted
from pytest_httpserve.scripting.passage import AS_IT_IS, FaultyPassage
from pytest_httpserve.scripting.record.request import BODY_IN_MEMORY_BYTES
from pytest_httpserve.scripting.record.transcript import Transcript
from pytest_httpserve.server.servers import HTTPServer, service_of
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from pytest_httpserve.scripting.conversation import InHTTP2
    from pytest_httpserve.scripting.script import Script
    from pytest_httpserve.scripting.watching import Watching


class Serving:
    """Serves a connection of a scripted server, in place of the handler of other servers.

    It lasts as long as the connection, which waits in the loop between requests.
    """

    # The server reads these before a connection begins, as from any handler class.
    timeout: ClassVar[float | None] = 60.0
    rbufsize: ClassVar[int] = -1
    thread_per_connection: ClassVar[bool | None] = False
    # Clients may announce any length: only as much of a body as comes is kept, and a large one on disk.
    limits: ClassVar[Limits] = replace(DEFAULT_LIMITS, body=10**20 - 1)

    __slots__ = ("_answering", "_connection", "_conversation", "_http1")

    def __init__(
        self, script: Script, watching: Watching, request: socket.socket, client_address: object, server: HTTPServer
    ) -> None:
        self._connection = connection = service_of(server).track(request, client_address)
        connection.begin(self.timeout, nodelay=True)
        record = watching.records.get(connection)
        faults = watching.faults.pop(connection, ()) if watching.faults else ()
        self._http1 = http1 = HTTP1.over(connection, limits=self.limits)
        conversing: Callable[..., Conversation] = Conversation
        self._answering: Callable[[Any, Transcript], Answering] = self._who_answers(
            script
        )  # Any stands for the conversation
        if script.origins is not None:
            from pytest_httpserve.scripting.proxying import ProxyConversation, answering

            conversing, self._answering = partial(ProxyConversation, CarriedServing), answering
        self._conversation = conversing(script, server, connection, http1, record)
        self._conversation.in_http2 = self._in_http2()
        if faults:
            self._conversation.passage = FaultyPassage(http1, faults)
        self.serve()

    def _who_answers(self, script: Script) -> type[Answering]:
        """The class that answers requests, unless they may name an origin."""
        return Answering

    def _in_http2(self) -> InHTTP2 | None:
        """The function that goes on with a connection whose client switches to HTTP/2 in the middle of it, if any."""
        return None

    def serve(self, awaited: Answering | None = None) -> None:
        """Serve all requests that have come, beginning with the one whose body was ``awaited``. Then close the
        connection, unless it is to wait in the loop."""
        try:
            if awaited is None and self._connection.transport.has_ended():
                return
            lasts = self._serve_one(awaited)
            while lasts and not self._rests():
                lasts = self._serve_one()
        finally:
            if not self._connection.turn.resting:
                self._see_off()

    def _serve_one(self, awaited: Answering | None = None) -> bool:
        """Answer the next request, or the one whose body was ``awaited``. Returns whether another one can follow."""
        http1, answering = self._http1, awaited
        if answering is None:
            self._connection.transport.tap = transcript = Transcript(http1.reader.unread)
            answering = self._answering(self._conversation, transcript)
        lasts = False
        try:
            if awaited is None:
                answering.passage.begin(answering)
            if awaited is not None or (self._conversation.beyond is None and http1.next_stream()):
                try:
                    if awaited is None:
                        answering.answer()
                    else:
                        awaited.go_on()
                except BaseException as error:
                    if isinstance(error, RequestError | BodyAwaited) or answering.is_clients(error):
                        raise
                    failing.fail(answering, error)
                lasts = http1.end_stream()
        except BodyAwaited:
            if http1.stream.status is None:
                self._await_body(answering)
                return False
            lasts = self._await_rest(answering)
            if self._connection.turn.resting:
                return False
        except BaseException as error:
            self._fail(answering, error)
            return False
        return self._end(answering, lasts)

    def _await_body(self, answering: Answering) -> None:
        """Let the loop wait for the body. The exchange goes on when it has come, or has not come in time."""
        turn, transport = self._connection.turn, self._connection.transport
        is_here = partial(self._http1.body_is_here, BODY_IN_MEMORY_BYTES)
        turn.await_client(partial(self.serve, answering), transport.timeout, is_here)

    def _await_rest(self, answering: Answering) -> bool:
        """Wait for the rest of the body, which is dropped, since the response is complete. The loop waits if it can,
        else this thread."""
        connection, http1 = self._connection, self._http1
        if answering.passage is not AS_IT_IS or http1.needs_no_wait(DRAIN_BYTES):
            return http1.end_stream()
        connection.busy = False  # the response is complete
        is_here = partial(http1.body_is_here, DRAIN_BYTES)
        connection.turn.await_client(partial(self._go_on_after, answering), connection.transport.timeout, is_here)
        return False

    def _go_on_after(self, answering: Answering) -> None:
        """End the exchange: the rest of the body has come, or will not come. Others may follow."""
        connection, http1 = self._connection, self._http1
        try:
            http1.reader.read_on()
            lasts = self._end(answering, not connection.closing and http1.end_stream())
            while lasts and not self._rests():
                lasts = self._serve_one()
        finally:
            if not connection.turn.resting:
                self._see_off()

    def _end(self, answering: Answering, lasts: bool) -> bool:
        """End the exchange, if there was one. Returns whether another request can follow."""
        try:
            answering.passage.end()
        except Struck as struck:
            self._end_struck(struck)
            lasts = False
        if (exchange := answering.exchange) is not None:
            if lasts:
                if unread := self._http1.reader.unread:
                    exchange.raw.give_back(len(unread))
            elif self._http1.reader.truncated:
                failing.fall_short(answering)
            self._conversation.script.journal.finish(exchange)
        return lasts

    def _rests(self) -> bool:
        """Whether the loop waits for the next request, so that this thread need not."""
        http1, connection = self._http1, self._connection
        if self._conversation.passage is not AS_IT_IS or not connection.may_rest():
            return False
        if unread := http1.reader.unread:
            if http1.head_is_whole(unread, 0):
                return False
            connection.transport.gathered = http1.reader.take_unread()  # the beginning of the next head
        connection.busy = False
        connection.turn.await_client(self.serve, connection.transport.timeout, http1.head_is_whole)
        return True

    def _see_off(self) -> None:
        conversation = self._conversation
        if conversation.beyond is not None and not conversation.resets and self._connection.transport.failure is None:
            conversation.beyond()
        elif not conversation.resets:
            self._http1.take_leave()
        if conversation.resets:
            self._connection.ending.reset()

    # What goes wrong

    def _fail(self, answering: Answering, error: BaseException) -> None:
        """End the exchange with this error."""
        try:
            if isinstance(error, RequestError):
                self._refuse(answering, error)
            elif isinstance(error, OSError) and error is self._connection.transport.failure:
                self._client_failed(answering, error)
            else:
                if isinstance(error, Exception):
                    failing.give_up(answering)
                raise error
        finally:
            del error  # its traceback refers to this variable
            self._end(answering, False)

    def _refuse(self, answering: Answering, error: RequestError) -> None:
        failing.refuse(answering, error)
        self._http1.lingers = True

    def _client_failed(self, answering: Answering, error: OSError) -> None:
        """Record as much of the request as came, although its client has gone."""
        http1, reader = self._http1, self._http1.reader
        if isinstance(error, Struck):
            if not reader.at_rest or answering.transcript.request:
                failing.broken_exchange(answering)
            self._end_struck(error)
            return
        whole = http1.stream.status is not None or not (reader.in_head or not reader.complete)
        late = isinstance(error, TimeoutError) and not whole
        if not late and (answering.exchange is not None or not reader.at_rest):
            said = str(error) if isinstance(error, Interrupted) else f"the client has gone: {error}"
            failing.break_off(answering, said, whole=whole)
        self._connection.ending.say_whose()
        if late:
            text = f"the request did not come in time: {error}"
            self._refuse(answering, RequestError(HTTPStatus.REQUEST_TIMEOUT, text))

    def _end_struck(self, struck: Struck) -> None:
        """Close the connection in the way of the fault that has ended it."""
        if struck.resets:
            self._conversation.resets = True
        else:
            self._http1.lingers = True


class CarriedServing(Serving):
    """Serves the conversation of a tunnel, over a connection that another one carries."""

    __slots__ = ()

    def __init__(self, conversation: Conversation) -> None:
        self._connection, self._http1 = conversation.connection, conversation.http1
        self._conversation, self._answering = conversation, Answering
        self.serve()
