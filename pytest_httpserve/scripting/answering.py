"""The one way through: all that happens to a request, from its head to the end of its response."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from types import AsyncGeneratorType, CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_httpserve.errors import BodyAwaited, BrokenOff, RequestError
from pytest_httpserve.scripting.answers.limits import NOTHING_MET, Met
from pytest_httpserve.scripting.answers.responses import Response
from pytest_httpserve.scripting.answers.returned import make_response
from pytest_httpserve.scripting.answers.sending import send
from pytest_httpserve.scripting.live.waiting import wait
from pytest_httpserve.scripting.logged import is_wanted, logger, write_line
from pytest_httpserve.scripting.mounts.mount import below
from pytest_httpserve.scripting.passage import AS_IT_IS
from pytest_httpserve.scripting.raised import raised_text
from pytest_httpserve.scripting.record.exchange import Exchange
from pytest_httpserve.scripting.record.journal import FaultEvent, Journal
from pytest_httpserve.scripting.record.readable import written_out
from pytest_httpserve.scripting.record.request import BODY_IN_MEMORY_BYTES, NO_BODY, Body, Request
from pytest_httpserve.scripting.reports import report
from pytest_httpserve.scripting.routing.route import StateChanged
from pytest_httpserve.scripting.routing.routes import MISSED, Found
from pytest_httpserve.server.servers import service_of
from pytest_httpserve.wire.framing import NO_BODY as NO_FRAMING
from pytest_httpserve.wire.memory import LONGEST_TEXT
from pytest_httpserve.wire.target import Target, target_of

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.protocol.http1 import HTTP1
    from pytest_httpserve.protocol.stream import Stream
    from pytest_httpserve.protocol.writer import Writer
    from pytest_httpserve.scripting.answers.gates import Gate
    from pytest_httpserve.scripting.answers.limits import Fields
    from pytest_httpserve.scripting.conversation import Conversation
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.live.event_loop import EventLoop
    from pytest_httpserve.scripting.mounts.mount import Mount
    from pytest_httpserve.scripting.passage import Passage
    from pytest_httpserve.scripting.record.exchange import AnsweringRoute
    from pytest_httpserve.scripting.record.request import AskedFor
    from pytest_httpserve.scripting.record.sent import SentResponse
    from pytest_httpserve.scripting.record.transcript import Transcript
    from pytest_httpserve.scripting.routing.route import Route
    from pytest_httpserve.scripting.script import Script
    from pytest_httpserve.server.servers import HTTPServer

    # What answers: the route, or why there is none; the mount, if there is no route; what the guards have said.
    Chosen = tuple[Found, Mount | None, Met]

Result = TypeVar("Result")

_AWAITED = (CoroutineType, AsyncGeneratorType)


class Answering:
    """One request on its way to its response, from ``answer`` on.

    ``method`` and ``target`` are those of the client or, after a local redirect of a CGI script, of the script;
    ``parts`` are the parts of the target. ``gates`` are the gates of the route that answers, ``added`` the header
    fields to add to any answer. ``awaits_100`` is whether the client waits for 100 before it sends its body,
    ``redirects`` how many scripts have redirected the request. ``index`` is the number of the exchange on its
    connection.
    """

    # The initial values, on the class because one is made for each request.
    exchange: Exchange | None = None
    method: str = ""
    target: str = ""
    parts: Target
    gates: tuple[Gate, ...] = ()
    added: Fields = ()
    awaits_100: bool = False
    redirects: int = 0
    body: Body = NO_BODY
    _request: Request | None = None
    _complaint = ""  # the text of an exception in a criterion
    _raised_by: tuple[Route, ...] = ()  # the routes with such a criterion
    _awaited = False  # whether the loop has had the chance to wait for the body
    _way_on: tuple[str, str, Target, Chosen | None] | None = None  # the arguments to go on with after that
    _fault_events: tuple[FaultEvent, ...] = ()  # those that the exchange does not have yet

    def __init__(self, conversation: Conversation, transcript: Transcript) -> None:
        self.conversation = conversation
        self.script: Script = conversation.script
        self.http1: HTTP1 = conversation.http1
        self.stream: Stream = conversation.http1.stream
        self.passage: Passage = conversation.passage
        self.transcript = transcript
        self.index: int = conversation.count

    # The way

    def answer(self) -> None:
        """Answer the request whose head has come in.

        Raises RequestError if it is to be refused, OSError if its client has gone, and whatever the test's code raises.
        """
        self.stream = stream = self.http1.stream
        self.awaits_100 = stream.fields.expects_continue
        if stream.fields.framing is not NO_FRAMING:
            if self.http1.reader.complete:
                self.body = Body(self._read)
            else:
                self.body, self.http1.reader.is_late = Body(self._read_when_here), True
            self.transcript.head_ends()
        self.passage.head_ends()
        self.answer_to(stream.method, stream.line.target, stream.line.parts)
        self.passage.response_ends()

    def go_on(self) -> None:
        """Go on with what ``answer`` has begun: the body has come in, or as much of it as will come."""
        way, self._way_on = self._way_on, None
        self.http1.reader.read_on()
        if way is None:
            self.answer_to(self.method, self.target, self.parts)
        else:
            Answering.answer_to(self, *way)
        self.passage.response_ends()

    def answer_to(self, method: str, target: str, parts: Target, chosen: Chosen | None = None) -> None:
        """Choose, guards, body, record, take, send: each request goes this way, whatever answers it.

        ``chosen`` is what was chosen before the body had come. Raises BodyAwaited if the loop is to wait for the body
        and then call ``go_on``.
        """
        self.method, self.target, self.parts = method, target, parts
        if chosen is None:
            try:
                found = self._find()
            except BodyAwaited:  # a criterion needs the body
                self._way_on = method, target, parts, None
                raise
            beneath = found.route is None and found is not MISSED
            mount = self.script.mounts.find(parts.canonical) if beneath else None
            met = self._meet_guards() if self.script.guards.active else NOTHING_MET
        else:
            found, mount, met = chosen
        body_later = met.refusal is None and found.route is not None and found.route.has_early_faults
        if not body_later:
            try:
                self._take_body(streamed=mount is not None or (met.refusal is not None and self.awaits_100))
            except BodyAwaited:
                self._way_on = method, target, parts, (found, mount, met)
                raise
        exchange = self.record(found)
        if met.seconds:
            wait(self.connection, threading.Event(), met.seconds)
        if met.guard is not None:
            met.guard.refuse(exchange)
        elif mount is not None:
            self._serve(mount)
            return
        response = met.refusal or self._take(found, exchange)
        if response.faults:
            self.suffer(response.faults)
        if body_later:
            self._take_body(streamed=False)
        send(self, response)

    def _find(self) -> Found:
        routes = self.script.routes
        candidates = routes.candidates(self.parts.canonical)
        if candidates.compares and (candidates.runs_code or len(self.target) > LONGEST_TEXT):
            return self.run_code(routes.choose, candidates, self)
        return routes.choose(candidates, self)

    def _meet_guards(self) -> Met:
        """What the guards say, once for each request: not again after a script's redirect."""
        if self.redirects:
            return NOTHING_MET
        met = self.script.guards.meet(self.parts.canonical)
        self.added = met.added
        return met

    def _take_body(self, *, streamed: bool) -> None:
        """Take in the body, for the test may look at it. If it is ``streamed``, what answers reads it: from the
        beginning, even if a criterion has read it before."""
        body = self.body
        self.passage.take_body(body, streamed=streamed)
        if not streamed or body is NO_BODY:
            return
        if body.is_loaded:
            self.http1.reader.replay(body.reader())
        else:
            body.leave()

    def record(self, found: Found, make: Callable[..., Exchange] = Exchange) -> Exchange:
        """Record the exchange. A Request that nobody has looked at is made when somebody does."""
        if self.exchange is not None:  # a script has redirected the request
            return self.exchange
        conversation, stream = self.conversation, self.stream
        asked: AskedFor | Request
        if self._request is None and self.body is NO_BODY:
            facts = self.method, self.target, stream.fields.headers.fields, stream.version, found.kept
            asked = facts, conversation.client, conversation.connection.index, self.index
        else:
            asked = self.request
            asked.path_params = found.parameters
            asked.trailers = self.http1.trailers
        self.exchange = exchange = make(asked, self.transcript, conversation.record)
        conversation.count += 1
        if self._fault_events:
            self._attach_fault_events(exchange)
        self.script.journal.record(exchange)
        return exchange

    def _take(self, found: Found, exchange: Exchange) -> Response:
        """The response of the route, of the queue, or the 404 that fails the test; 500 if a criterion has raised."""
        route = found.route
        if route is None:
            if found is not MISSED:
                with contextlib.suppress(IndexError):  # the queue is empty, or another thread was faster
                    return self.script.queue.popleft()
            if self._complaint:
                return Response(500, text=self._complaint)
            if (beyond := self.script.beyond) is not None:
                return beyond(self.connection, self.request, exchange.origin or "")
            return self._unanswered(self.run_code(report.unanswered, self.script, self.request))
        self.gates = route.gates
        try:
            answer = route.take(exchange)
        except StateChanged:
            found = self._find()
            if not self.redirects:
                exchange.request.path_params = found.parameters
            return self._take(found, exchange)
        if answer is None:
            return self._unanswered(report.without_answer(route, self.request), route.place)
        if isinstance(answer, Response):
            return answer
        request = self._request_for(found, exchange)
        request.carrier = self.connection
        result = self.run_code(answer, request)
        if type(result) in _AWAITED:
            result = self._await(result)
        return make_response(result)

    def _await(self, awaited: Any) -> Any:  # a coroutine or an asynchronous generator, of whatever
        """Run what a function of the test has returned on the server's event loop, and return its result."""
        if isinstance(awaited, CoroutineType):
            awaited = self.event_loop.run(self.connection, awaited)
        return self.event_loop.iterate(self.connection, awaited) if isinstance(awaited, AsyncGeneratorType) else awaited

    def _request_for(self, found: Found, exchange: Exchange) -> Request:
        """The argument for the function of a route: the request or, after a script's redirect, one for its path."""
        if not self.redirects:
            return exchange.request
        request = self.request
        request.path_params = found.parameters
        return request

    def _unanswered(self, text: str, place: str = "") -> Response:
        """The 404 for a request that nothing answers, which fails the test with the same text."""
        self.script.journal.record_failure(text, "unanswered", place)
        return Response(404, text=text)

    def _serve(self, mount: Mount) -> None:
        rest = below(mount.prefix, self.parts.path)
        if mount.runs_code:
            self.run_code(mount.serve, self, rest)
        else:
            mount.serve(self, rest)

    # What the steps use

    @property
    def server(self) -> HTTPServer:
        """The server that got the request."""
        return self.conversation.server

    @property
    def connection(self) -> Connection:
        """The connection that the request came over."""
        return self.conversation.connection

    @property
    def client(self) -> tuple[str, int]:
        """The client's address: host and port."""
        return self.conversation.client

    @property
    def request(self) -> Request:
        """The request, as code of the test sees it."""
        request = self._request
        if request is None:
            conversation, stream = self.conversation, self.stream
            request = self._request = Request(
                self.method,
                self.target,
                stream.headers,
                stream.version,
                conversation.client,
                self.body,
                connection_index=conversation.connection.index,
                exchange_index=self.index,
            )
        return request

    @property
    def journal(self) -> Journal:
        """The journal of the server."""
        return self.script.journal

    @property
    def event_loop(self) -> EventLoop:
        """The event loop of the server, for coroutines of the test."""
        from pytest_httpserve.scripting.live.event_loop import event_loop_of

        return event_loop_of(service_of(self.server), self.conversation.script.journal.record_failure)

    @property
    def scripts(self) -> tuple[tuple[str, bool], ...]:
        """The directories of CGI scripts, which no other mount shows, each with whether it includes those below."""
        return self.script.mounts.scripts

    def _read(self, size: int) -> bytes:
        """Read more of the body."""
        self.invite_body()
        reader = self.http1.reader
        data = self.passage.read(reader.read1, size)
        if not data and reader.truncated:
            raise within_body()
        return data

    def _read_when_here(self, size: int) -> bytes:
        """Read more of a body that did not come with its head. Raises BodyAwaited if the loop can wait for it: not
        while code of the test runs, nor if there are faults, nor once the exchange has been recorded."""
        if not self._awaited and not self.connection.turn.runs_code:
            self._awaited = True
            self.invite_body()
            as_it_is = self.exchange is None and self.passage is AS_IT_IS
            if as_it_is and not self.http1.needs_no_wait(BODY_IN_MEMORY_BYTES):
                raise BodyAwaited
        return self._read(size)

    def invite_body(self) -> None:
        """Send 100 to a client that waits for it before it sends its body."""
        if self.awaits_100:
            self.awaits_100 = False
            self.writer.write_head(b"HTTP/1.1 100 Continue\r\n\r\n", more=False)

    def run_code(self, code: Callable[..., Result], *arguments: Any) -> Result:  # whatever the code takes
        """Run code of the test, which may take its time."""
        return self.connection.turn.run(code, *arguments)

    @property
    def writer(self) -> Writer:
        """The writer of the response: another one from the first fault on."""
        writer = self.http1.writer
        assert writer is not None  # a connection has one
        return writer

    # The response

    def begin(self, response: SentResponse) -> None:
        """The head of the final response is about to leave: record it before the client can know, so that a test can
        look at once, and log the request."""
        self.stream.status = response.status
        assert self.exchange is not None
        self.exchange.answer(response)
        if logger.isEnabledFor(logging.DEBUG):
            self.log('"%s" %s -', self.stream.line.text, response.status)

    def log(self, format: str, *args: object) -> None:
        """Write a line to the log, with the client's address."""
        if is_wanted(self.transcript.request):
            self.run_code(write_line, self.connection, "%s: " + format, self.client[0], *args)

    # Faults

    def suffer(self, faults: tuple[Fault, ...]) -> None:
        """Let these faults happen in the rest of this exchange; see ``Passage.with_faults``."""
        self.passage = self.passage.with_faults(faults, self)

    def note_fault(self, fault: Fault, where: str) -> None:
        """A fault happens: record it before the client can know."""
        event = FaultEvent(fault, where, self.connection.index)
        self.script.record_fault_event(event)
        self._fault_events += (event,)
        if self.exchange is not None:
            self._attach_fault_events(self.exchange)

    def _attach_fault_events(self, exchange: Exchange) -> None:
        exchange.faults += tuple(event.fault for event in self._fault_events)
        exchange.notes += tuple(map(str, self._fault_events))
        self._fault_events = ()

    # Failures

    def is_clients(self, error: BaseException) -> bool:
        """Whether this is the error that ended the client's side of the connection."""
        return error is self.connection.transport.failure

    def record_exception(self, error: BaseException) -> str:
        """Record a failure for an exception in what answers the request, and return its text."""
        self.conversation.escaped(error)
        route = self.exchange.route if self.exchange is not None else None
        aim = f"it was answering for {route}\n" if route is not None else ""
        return self._record_raised(f"the handler of {self.stream.line.text!r} raised", error, route, aim)

    def note_raised(self, route: Route, error: BaseException) -> None:
        """Record a failure for an exception in a criterion of a route, whatever answers now.

        Raises the error again if it comes from the request or the connection, and not from the test's code.
        """
        if isinstance(error, RequestError | BodyAwaited) or self.is_clients(error):
            raise error
        if route in self._raised_by:
            return  # it raised before the body had come, too
        self._raised_by += (route,)
        self._complaint = self._record_raised(f"{route}, compared with {self.stream.line.text!r}, raised", error, route)

    def _record_raised(self, said: str, error: BaseException, route: AnsweringRoute | None, aim: str = "") -> str:
        text = raised_text(said, error, aim)
        self.script.journal.record_failure(text, place=route.place if route is not None else "")
        return text

    # Beyond HTTP

    def leave_http(self, beyond: Callable[[Answering, tuple[Fault, ...]], object]) -> None:
        """Let ``beyond`` take over the connection when the exchange is over."""
        self.conversation.beyond = partial(beyond, self, self.passage.faults)
        if self.exchange is not None:
            self.exchange.shown = True  # to ``beyond``

    @property
    def may_rest(self) -> bool:
        """Whether the connection can wait for its client in the loop, without this thread."""
        return self.conversation.passage is AS_IT_IS and self.connection.may_rest()

    @property
    def passes_as_it_is(self) -> bool:
        """Whether that is so for this exchange, too: no fault and no gate changes the response."""
        return self.passage is AS_IT_IS and self.may_rest

    # For mounts

    def redirected(self, method: str, target: str, count: int) -> None:
        """Answer with what another path gives, as a script has asked; ``count`` scripts have so far."""
        before = self.redirects, self._request, self.body
        self.redirects, self._request, self.body = count, None, NO_BODY
        try:
            self.answer_to(method, target, target_of(target))
        finally:
            self.redirects, self._request, self.body = before

    def fail(self, text: str) -> None:
        """Record a failure of what answers."""
        self.script.journal.record_failure(text)

    def note(self, text: str) -> None:
        """Add a note to the exchange."""
        if self.exchange is not None:
            self.exchange.notes += ("\n".join(map(written_out, text.split("\n"))),)

    def reset_connection(self) -> None:
        """Reset the connection after this exchange, so that the client cannot take what it has got as complete."""
        self.stream.lasts, self.conversation.resets = False, True


def within_body() -> BrokenOff:
    """The error for a client that ended the connection within the body."""
    return BrokenOff(
        HTTPStatus.BAD_REQUEST, "the client ended the connection within the body", rule="RFC 9112 section 8"
    )
