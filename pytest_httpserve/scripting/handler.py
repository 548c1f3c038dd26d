"""The handler class behind every HTTPServe: who answers a request, and what the journal learns of it."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_httpserve.errors import RequestError, Struck
from pytest_httpserve.net.transport import RECEIVE_BYTES
from pytest_httpserve.scripting.answers.limits import Guards
from pytest_httpserve.scripting.answers.responses import Response, make_response
from pytest_httpserve.scripting.live.waiting import Interrupted
from pytest_httpserve.scripting.mounts.mount import below
from pytest_httpserve.scripting.record.connections import ConnectionRecord
from pytest_httpserve.scripting.record.exchange import Exchange
from pytest_httpserve.scripting.record.request import NO_BODY, Body, Request, route_path
from pytest_httpserve.scripting.record.transcript import Transcript
from pytest_httpserve.scripting.reports import report
from pytest_httpserve.scripting.routing.routes import Route, Routes, StateChanged
from pytest_httpserve.scripting.sending import SendingHandler
from pytest_httpserve.server import running
from pytest_httpserve.server.files.paths import path_of
from pytest_httpserve.wire.framing import CHUNKED
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.message import parse_whole_head

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.protocol.reader import Reader
    from pytest_httpserve.scripting.known import KnownRequest
    from pytest_httpserve.scripting.scripted_server import Script, ScriptedServer

Result = TypeVar("Result")

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


class ScriptedHandler(SendingHandler):
    """Answers a request by a route, else by what is mounted there, else by what was enqueued, else by a 404 that fails
    the test. A guard may refuse it before."""

    sys_version = ""

    server: ScriptedServer
    rfile: Reader
    _client: tuple[str, int]
    _request: Request | None = None
    _transcript: Transcript | None = None
    _record: ConnectionRecord | None = None
    local_redirects = 0  # of CGI scripts, that led to the path in hand

    @property
    def headers(self) -> Headers:
        return self._fields

    @property
    def reader(self) -> Reader:
        """What the request's body is read from."""
        return self.rfile

    @property
    def is_secure(self) -> bool:
        """Whether this connection is one of TLS."""
        return self._connection is not None and not self._connection.transport.plain

    def setup(self) -> None:
        super().setup()
        host, port = self.client_address[:2]  # of an IPv6 address, flow and scope follow
        self._client = host, port
        if self._connection is not None:
            watching = self.server.watching
            self._record = watching.records.get(self._connection)
            if watching.faults and (faults := watching.faults.pop(self._connection, ())):
                self.take_faults(faults)

    def handle(self) -> None:
        if not self._serve_at_once():
            super().handle()

    def _serve_at_once(self) -> bool:
        """Serve a request without a body by a response that is here as a whole, as most are.

        Past all that others need, it takes half the time. False if the long way is to go on, with what it is to serve.
        """
        connection, script = self._connection, self.server.script
        if connection is None or connection.turn.loop is None or connection.closing or self._wire is not None:
            return False
        connection.transport.tap = None
        self.stream.forget_response()
        try:
            data = connection.transport.receive(RECEIVE_BYTES)
            if not self._answer_at_once(data, connection, script):
                self.reader.give_back(data)
                return False
        except OSError as error:
            if error is not connection.transport.failure:
                raise
            self._client_failed(error)
        if self._exchange is not None:
            script.journal.finish(self._exchange)
            self._exchange = None
        return self.close_connection or not running.goes_on(self)

    def _answer_at_once(self, data: bytes, connection: Connection, script: Script) -> bool:
        """Answer the request that these bytes are; False, and nothing done, if that takes more."""
        record = self._record
        known = script.routes.known.get(data) or self._learn(data, script.routes)
        if record is None or known is None:
            return False
        if script.guards.active and script.guards.before(route_path(known.facts[1])):
            return False
        route, transcript = known.route, Transcript(data)
        asked = known.facts, self._client, connection.index, self._count
        exchange = Exchange(asked, transcript, record)
        response = route.take_at_once(exchange)
        if response is None:
            return False
        self.requestline = known.line
        connection.busy, connection.doing = True, known.line
        self._enter(exchange)
        route.count()
        self.close_connection = close = not known.keeps_alive
        exchange.answered, whole = response.whole(close=close, version=known.version)
        self._status = response.status
        self.log_answer()
        transcript.sent(whole)
        connection.transport.send(whole)
        return True

    def _learn(self, data: bytes, routes: Routes) -> KnownRequest | None:
        """The request that these bytes are, if it is one that may be answered at once, and a route takes it."""
        end = data.find(b"\r\n\r\n")
        if end < 0 or end + 4 != len(data) or not routes:
            return None
        try:
            head = parse_whole_head(data, self.limits, self.strict)
        except RequestError:
            return None
        return routes.learn(data, head) if head.is_plain else None

    def handle_one_request(self) -> None:
        if (connection := self._connection) is not None:
            connection.transport.tap = self._transcript = Transcript(self.rfile.unread)
        self._exchange = None
        self._added = ()
        self.awaits_100 = False
        if self._wire is not None:
            self._wire.begin(self.connection_faults, self._count)
        self._take_and_answer()
        if self._wire is not None:
            self.end_faulty_exchange(self._wire)
        if (exchange := self._exchange) is not None:
            self._exchange = None
            if not self.close_connection and (unread := self.rfile.unread):
                exchange.raw.give_back(len(unread))
            self.server.script.journal.finish(exchange)
        self._request = None

    def _take_and_answer(self) -> None:
        self.command, self.requestline = None, ""
        try:
            self.raw_requestline = self.http1.next_line()
            if not self.raw_requestline:
                self.close_connection = True
            elif self.parse_request():
                self.answer_request()
                self.wfile.flush()
                running.end_request(self)
        except RequestError as error:
            self.refuse_request(error)
        except OSError as error:
            if not self.is_clients(error):
                running.handler_failed(self)
                raise
            self._client_failed(error)
        except Exception:
            running.handler_failed(self)
            raise

    def parse_request(self) -> bool:
        """Take the head. Raises RequestError if it is to be refused. Whoever takes the body says 100 first: a handler
        class that is mounted may have another answer."""
        self.command = None
        try:
            stream = self.http1.read_head(self.raw_requestline, strict=self.strict, speaks_1_1=True, raw=False)
        except RequestError as error:
            running.enter_refused(self, error)
            raise
        running.enter(self, stream)
        self.close_connection = not stream.lasts
        self.awaits_100 = stream.expects_continue
        return True

    def invite_body(self) -> None:
        """Say 100 to a client that waits for it before it sends its body."""
        if self.awaits_100:
            self.awaits_100 = False
            self.handle_expect_100()

    def refuse_request(self, error: RequestError) -> None:
        """A request that cannot be served stands in the journal, with what was wrong with it."""
        self._broken_exchange().error = str(error)
        running.refuse(self, error)

    def _client_failed(self, error: OSError) -> None:
        """A request whose client has gone stands in the journal, too: as much of it as came."""
        if isinstance(error, Struck):
            if not self.reader.at_rest or (self._transcript is not None and self._transcript.request):
                self._broken_exchange()
            self.end_struck(error)
            return
        if self._exchange is not None or not self.reader.at_rest:
            said = str(error) if isinstance(error, Interrupted) else f"the client has gone: {error}"
            self._broken_exchange().error = said
        running.client_failed(self, error, lambda _, refusal: self.refuse_request(refusal))

    def _broken_exchange(self) -> Exchange:
        """The exchange in hand; if it broke off before there was one, of what came of the request."""
        if self._exchange is not None:
            return self._exchange
        request = self._request
        if request is None:
            line = self._transcript.request.lstrip(b"\r\n").partition(b"\n")[0] if self._transcript is not None else b""
            method, _, rest = line.decode("latin-1").partition(" ")
            target = rest.split(" ")[0].strip()
            index = self._connection.index if self._connection is not None else 0
            request = Request(
                method.strip(),
                target,
                Headers(),
                (1, 1),
                self._client,
                connection_index=index,
                exchange_index=self._count,
            )
        return self._begin_exchange(request)

    def answer_request(self) -> None:
        try:
            if self._wire is not None:
                self.begin_faulty_response(self._wire)
            self._answer()
            if self._wire is not None:
                self.end_faulty_response(self._wire)
        except RequestError:
            raise
        except BaseException as error:
            if self.is_clients(error):
                raise
            # Told before the client hears of it: the test may end as soon as it does.
            if self._exchange is None and self._request is not None:  # raised by what was to choose who answers
                self._request.content.leave()
                self._begin_exchange(self._request)
            self.record_exception(error)
            if self._wire is not None:
                self._wire.abandon()
            running.handler_failed(self)

    def is_clients(self, error: BaseException) -> bool:
        """Whether this is the error in which the client's side of the connection ended."""
        return running.is_clients(self, error)

    def record_exception(self, error: BaseException) -> None:
        """An exception in what answers the request fails the test; after that, it is one of the thread."""
        if self._connection is not None and self._connection.left_alone:
            threading.excepthook(
                threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
            )
        trace = error.__traceback__
        # The reader's own frames are those that tell.
        while trace and trace.tb_next and trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            trace = trace.tb_next
        text = "".join(traceback.format_exception(type(error), error, trace))
        if self._exchange is not None and self._exchange.route is not None:
            text += f"this was to be the answer of {self._exchange.route}\n"
        self.server.script.journal.record_failure(f"the handler of {self.requestline!r} raised:\n{text}")

    def _answer(self) -> None:
        script = self.server.script
        target = self.path if self.local_redirects else self._target
        request = self._request = self._take_request(target)
        found = self._find(request)
        mount = script.mounts.find(route_path(target)) if found is None else None
        if found is not None and found[0].has_early_faults and self._exchange is None:
            self._answer_early(*found, request)
            return
        self._take_body(request, streamed=mount is not None)
        route, parameters = found or (None, None)
        if parameters:
            request = replace(request, path_params=parameters)
        exchange = self._exchange
        if exchange is None:
            exchange = self._begin_exchange(request)
            request = exchange.request
            if script.guards.active and self._refused_by(script.guards, exchange):
                return
        if mount is not None:
            serve = partial(mount.serve, self, below(mount.prefix, path_of(target)))
            self._run_code(serve) if mount.runs_code else serve()
            return
        self._give(self._choose(script, route, exchange, request), exchange)

    def _take_body(self, request: Request, *, streamed: bool) -> None:
        """Take the body of a request to a route, for it is part of what the test looks at; it is ``streamed`` to an
        application, which takes it itself: again, if the routes have looked at it."""
        content = request.content
        if self._wire is not None:
            self.take_faulty_body(self._wire, request, streamed=streamed)
        elif not streamed and content is not NO_BODY:
            content.load()
        if not streamed or content is NO_BODY:
            return
        if content.is_loaded:
            self.reader.replay(content.reader())
        else:
            content.leave()

    def _give(self, response: Response, exchange: Exchange) -> None:
        if response.faults:
            self.suffer(*response.faults)
        self._send(response, exchange)

    def _answer_early(self, route: Route, parameters: Mapping[str, Any], request: Request) -> None:
        """Answer by a route that has faults for the request, too: the response is chosen before the body is there."""
        exchange = self._begin_exchange(replace(request, path_params=parameters))
        if self.server.script.guards.active and self._refused_by(self.server.script.guards, exchange):
            return
        response = self._choose(self.server.script, route, exchange, exchange.request)
        self.suffer(*response.faults)
        if self._wire is not None:
            self.take_faulty_body(self._wire, exchange.request)
        self._send(response, exchange)

    def _refused_by(self, guards: Guards, exchange: Exchange) -> bool:
        """Whether a guard has refused the request, and answered it. This may wait."""
        self._gates = ()
        path = route_path(exchange.request.target)
        refusal, self._added = guards.meet(path, exchange, self._connection)
        if refusal is not None:
            self._give(refusal, exchange)
        return refusal is not None

    def _find(self, request: Request) -> tuple[Route, Mapping[str, Any]] | None:
        routes = self.server.script.routes
        return self._run_code(routes.find, request) if routes.runs_code else routes.find(request)

    def _run_code(self, code: Callable[..., Result], *arguments: Any) -> Result:  # whatever the code takes
        """Run code of the test, which may wait for whatever it likes."""
        connection = self._connection
        return connection.turn.run(code, *arguments) if connection is not None else code(*arguments)

    def _choose(self, script: Script, route: Route | None, exchange: Exchange, request: Request) -> Response:
        """The response to ``request``: that of the exchange, or another to which a CGI script has redirected it."""
        if route is None:
            self._gates = ()
            if script.queue:
                return script.queue.popleft()
            return self._refuse(self._run_code(report.unanswered, script, request))
        self._gates = route.gates
        try:
            answer = route.take(exchange)
        except StateChanged:
            route, parameters = self._find(request) or (None, {})
            exchange.request = request = replace(request, path_params=parameters)
            return self._choose(script, route, exchange, request)
        if answer is None:
            return self._refuse(report.without_answer(route, request))
        return answer if isinstance(answer, Response) else make_response(self._run_code(answer, request))

    def _refuse(self, text: str) -> Response:
        """The 404 for a request that nothing answers, which fails the test with the same text."""
        text = _printable(text)
        self.server.script.journal.record_failure(text, "unanswered")
        return Response(404, text=text)

    def _take_request(self, target: str) -> Request:
        content = Body(self._read_body) if self._framing.kind != "none" else NO_BODY
        index = self._count
        if self._exchange is not None:  # a CGI script has redirected it
            index = self._exchange.request.exchange_index
        elif content is not NO_BODY and self._transcript is not None:
            self._transcript.head_ends()
        connection = self._connection
        return Request(
            self.command or "",
            target,
            self._fields,
            self._version,
            self._client,
            content,
            connection_index=connection.index if connection is not None else 0,
            exchange_index=index,
        )

    def _read_body(self, size: int) -> bytes:
        self.invite_body()
        read = self.reader.read1
        data = read(size) if self._wire is None else self._wire.read_body(read, size)
        if not data and self.reader.truncated:
            raise RequestError(HTTPStatus.BAD_REQUEST, "the connection ended inside the body")
        return data

    def _begin_exchange(self, request: Request) -> Exchange:
        if self._framing is CHUNKED and self.reader.trailers:
            request = replace(request, trailers=self.reader.trailers)
        exchange = Exchange(request, self._transcript or Transcript(), self._record)
        self._enter(exchange)
        return exchange

    def _enter(self, exchange: Exchange) -> None:
        """From here on, everybody knows of it."""
        self._exchange = exchange
        self._count += 1
        if self._fault_events:
            self.attach_fault_events(exchange)
        self.server.script.journal.record(exchange)

    # Mounts

    def redirected(self, count: int) -> None:
        """A script has asked for the answer to another path."""
        self.local_redirects = count
        try:
            self.answer_request()
        finally:
            self.local_redirects = count - 1

    def fail(self, text: str) -> None:
        """What answers has failed, and the test with it."""
        self.server.script.journal.record_failure(_printable(text))

    def note(self, text: str) -> None:
        """Note of the exchange what went on beside it."""
        if self._exchange is not None:
            self._exchange.notes += (_printable(text),)

    def take_over(self, status: int, head: bytes, length: int | None) -> None:
        """An application has begun its response with this head, and writes it itself, with a body of this length."""
        self._status, self.stream.length = status, length
        if self._exchange is not None:
            self._note_answer(self._exchange, head)

    def reset_connection(self) -> None:
        """After this request, end the connection such that its client cannot take for whole what it has got."""
        self.close_connection = self._resets = True

    def finish(self) -> None:
        if self._resets and self._connection is not None:
            self._connection.ending.reset()
        else:
            super().finish()

    # Journal: it has an answer before the client has it, so that a test can look at once.

    def flush_headers(self) -> None:
        self._headers_buffer = self.note_head(self._headers_buffer)
        super().flush_headers()

    def note_head(self, lines: list[bytes]) -> list[bytes]:
        """These lines are about to leave as the head of a response."""
        if self._exchange is None or self._status is None:
            return lines
        head = b"".join(lines)
        self._note_answer(self._exchange, head)
        return [head]


def _printable(text: str) -> str:
    """The name of a file or a directory may be no Unicode."""
    return text.encode(errors="backslashreplace").decode()
