"""The server and the handler class behind every HTTPServe: who answers a request, and what the journal learns of it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import socketserver
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, TypeVar

from pytest_httpserve.errors import RequestError, ScriptError, Struck, UsageError
from pytest_httpserve.scripting import report
from pytest_httpserve.scripting.cgi_mount import CGIMount
from pytest_httpserve.scripting.connections import ConnectionRecord
from pytest_httpserve.scripting.fault_rules import FaultRules
from pytest_httpserve.scripting.faulty_handler import FaultyHandler
from pytest_httpserve.scripting.gates import Gate
from pytest_httpserve.scripting.journal import Answer, Exchange, Journal, Strike, Transcript
from pytest_httpserve.scripting.limits import Guards
from pytest_httpserve.scripting.mounts import Mounts, below
from pytest_httpserve.scripting.presence import MOST_PUT_BACK, is_fresh
from pytest_httpserve.scripting.request import NO_BODY, Body, Request, path_of, route_path
from pytest_httpserve.scripting.responses import Response, make_response, phrase
from pytest_httpserve.scripting.routes import Route, Routes, StateChanged
from pytest_httpserve.scripting.waiting import Interrupted
from pytest_httpserve.server.cgi_paths import is_beneath
from pytest_httpserve.server.cgi_script import CGIScript
from pytest_httpserve.server.listening import describe_hanging
from pytest_httpserve.server.servers import HTTPServer, ThreadingHTTPServer
from pytest_httpserve.wire.framing import CHUNKED, encode_chunk, encode_last_chunk
from pytest_httpserve.wire.head import response_head
from pytest_httpserve.wire.headers import Headers

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults import Fault
    from pytest_httpserve.server.connection import Connection
    from pytest_httpserve.server.reader import Reader
    from pytest_httpserve.server.writer import Writer

Result = TypeVar("Result")

logger = logging.getLogger("pytest_httpserve.scripting")

# A body that is much longer leaves in several writes.
_PIECE_BYTES = 65_536

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


@dataclass(frozen=True, slots=True)
class Script:
    """What a server has been told, and what it has seen."""

    routes: Routes = field(default_factory=Routes)
    mounts: Mounts = field(default_factory=Mounts)
    journal: Journal = field(default_factory=Journal)
    queue: deque[Response] = field(default_factory=deque)  # for requests that nothing else answers
    fault_rules: FaultRules = field(default_factory=FaultRules)
    guards: Guards = field(default_factory=Guards)


class ScriptedServer(ThreadingHTTPServer):
    """A ThreadingHTTPServer that answers by a script, and tells the journal of every failure."""

    def __init__(self, host: str, port: int, script: Script) -> None:
        self.script = script
        self.records: dict[Connection, ConnectionRecord] = {}  # of the connections that are there now
        self.faults: dict[Connection, tuple[Fault, ...]] = {}  # of those that have just come
        # An instance attribute: socketserver reads it when it makes the socket.
        if host.startswith("/"):
            self.address_family = socket.AF_UNIX
        else:
            self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # By name: beneath a server over TLS stands one whose own would make a context from files.
        HTTPServer.__init__(self, (host, port), ScriptedHandler)

    def server_bind(self) -> None:
        """Take the address: a path, or a port that no other server of this process has just left."""
        address = wanted = self.server_address
        if self.address_family == getattr(socket, "AF_UNIX", None):
            self.server_address = str(address[0])  # type: ignore[assignment]  # typeshed has no Unix sockets here
            socketserver.TCPServer.server_bind(self)
            self.server_name, self.server_port = str(address[0]), 0
            return
        with contextlib.ExitStack() as put_back:
            for _ in range(MOST_PUT_BACK):
                if self.address_family == socket.AF_INET6:  # all addresses are those of IPv4, too
                    self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
                super().server_bind()
                if wanted[1] or is_fresh(self.server_port):
                    break
                put_back.callback(self.socket.close)
                self.socket = socket.socket(self.address_family, self.socket_type)
                self.server_address = wanted

    def get_request(self) -> tuple[socket.socket, object]:
        request, client_address = super().get_request()
        return request, client_address or ("", 0)  # of a Unix socket, it is empty

    # typeshed's type of a request also covers datagrams.
    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        rules = self.script.fault_rules
        faults = rules.next() if rules else ()
        if not faults or self._loop is None:
            super().process_request(request, client_address)
            return
        # It never rests: a fault may have its place before the first byte.
        self._loop.workers.run(partial(self._serve_faulty, self.track(request, client_address), faults))

    def _serve_faulty(self, connection: Connection, faults: tuple[Fault, ...]) -> None:
        """Serve a connection with these faults; those of its beginning come before anything is read, or a handshake."""
        from pytest_httpserve.scripting.faulty_wire import FaultyWire

        def note(fault: Fault, where: str) -> None:
            self.script.journal.strikes.append(Strike(fault, where, connection.index))

        connection.thread = threading.current_thread()
        wire = FaultyWire(connection, note)
        wire.begin(faults, 0)
        try:
            wire.reach("accept")
        except Struck as struck:
            connection.reset() if struck.resets else connection.linger()
        except Exception:  # of a function that draws the seconds of a delay
            self.handle_error(connection.socket, connection.peer)
        else:
            if lasting := tuple(fault for fault in faults if fault.place != "accept"):
                self.faults[connection] = lasting
            self.process_request_thread(connection.socket, connection.peer)
            return
        self.shutdown_request(connection.socket)

    def connection_opened(self, connection: Connection) -> None:
        """The journal knows of each connection, from its beginning to its end."""
        self.records[connection] = record = self.make_record(connection)
        connection.on_end = partial(self.script.journal.end_connection, record)
        self.script.journal.record_connection(record)

    def make_record(self, connection: Connection) -> ConnectionRecord:
        """What the journal knows of a connection."""
        return ConnectionRecord(connection.index, connection.peer)

    def connection_closed(self, connection: Connection) -> None:
        self.records.pop(connection, None)

    def handle_error(self, request: object, client_address: object) -> None:
        """An exception left a handler: it fails the test."""
        self.script.journal.record_failure(f"a handler raised:\n{traceback.format_exc()}")

    def report_hanging(self, connections: list[Connection]) -> None:
        """A handler that will not end fails the test."""
        for connection in connections:
            text = describe_hanging(connection)
            record = self.records.get(connection)
            if record is not None and record.exchanges and (route := record.exchanges[-1].route) is not None:
                text += f"this was to be the answer of {route}\n"
            self.script.journal.record_failure(text)


class ScriptedHandler(FaultyHandler):
    """Answers a request by a route, else by a mounted directory, else by a 404 that fails the test."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"
    strict = True
    _rests = True

    server: ScriptedServer
    rfile: Reader
    wfile: Writer
    _client: tuple[str, int]
    _request: Request | None = None
    _transcript: Transcript | None = None
    _record: ConnectionRecord | None = None
    _gates: tuple[Gate, ...] = ()  # of the route that answers
    _added: tuple[tuple[str, str], ...] = ()  # headers for whatever answers
    _below = "/"
    _options: Mapping[str, Any] = MappingProxyType({})

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
        return self._connection is not None and not self._connection.plain

    def setup(self) -> None:
        super().setup()
        host, port = self.client_address[:2]  # of an IPv6 address, flow and scope follow
        self._client = host, port
        if self._connection is not None:
            self._record = self.server.records.get(self._connection)
            if self.server.faults and (faults := self.server.faults.pop(self._connection, ())):
                self.take_faults(faults)

    def handle_one_request(self) -> None:
        if (connection := self._connection) is not None:
            unread = b"" if self.rfile.empty else self.rfile.unread
            if unread and self._transcript is not None:
                self._transcript.give_back(len(unread))
            connection.tap = self._transcript = Transcript(unread)
        self._exchange = None
        self._added = ()
        self.awaits_100 = False
        if self._options:  # those of the directory that the last request was for
            self._leave_directory()
        if self._wire is not None:
            self._wire.begin(self.connection_faults, self._count)
        super().handle_one_request()
        if self._wire is not None:
            self.end_faulty_exchange(self._wire)
        if (exchange := self._exchange) is not None:
            self._exchange = None
            self.server.script.journal.finish(exchange)
        self._request = None

    def _leave_directory(self) -> None:
        for option in self._options:
            vars(self).pop(option, None)
        self._options = {}

    def handle_expect_100(self) -> bool:
        """Whoever takes the body says 100 first: a handler class that is mounted may have another answer."""
        self.awaits_100 = True
        return True

    def invite_body(self) -> None:
        """Say 100 to a client that waits for it before it sends its body."""
        if self.awaits_100:
            self.awaits_100 = False
            super().handle_expect_100()

    def refuse_request(self, error: RequestError) -> None:
        """A request that cannot be served stands in the journal, with what was wrong with it."""
        self._broken_exchange().error = str(error)
        super().refuse_request(error)

    def _client_failed(self, error: OSError) -> None:
        """A request whose client has gone stands in the journal, too: as much of it as came."""
        if isinstance(error, Struck):
            if not self.reader.at_rest or (self._transcript is not None and self._transcript.request):
                self._broken_exchange()
            self.end_struck(error)
            return
        if not self.reader.at_rest:
            said = str(error) if isinstance(error, Interrupted) else f"the client has gone: {error}"
            self._broken_exchange().error = said
        super()._client_failed(error)

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
            self.record_exception(error)
            if self._wire is not None:
                self._wire.abandon()
            self._fail()

    def is_clients(self, error: BaseException) -> bool:
        """Whether this is the error in which the client's side of the connection ended."""
        return self._connection is not None and error is self._connection.failure

    def record_exception(self, error: BaseException) -> None:
        """An exception in what answers the request fails the test."""
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
        target = self.path if self._local_redirects else self._target
        request = self._request = self._take_request(target)
        found = self._find(request)
        mount = script.mounts.find(route_path(target)) if found is None else None
        if found is not None and found[0].strikes_early and self._exchange is None:
            self._answer_early(*found, request)
            return
        if self._wire is not None:
            self.take_faulty_body(self._wire, request, streamed=mount is not None)
        elif mount is None and request.content is not NO_BODY:
            # What is sent to a route is part of what the test looks at; an application takes its body itself.
            request.content.load()
        if mount is not None and request.content.is_loaded:
            self.reader.give_back(request.content.read())
        elif mount is not None:
            request.content.leave()
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
        return self._connection.run(code, *arguments) if self._connection is not None else code(*arguments)

    def _choose(self, script: Script, route: Route | None, exchange: Exchange, request: Request) -> Response:
        """The response to ``request``: that of the exchange, or another to which a CGI script has redirected it."""
        if route is None:
            self._gates = ()
            if script.queue:
                return script.queue.popleft()
            return self._refuse(self._run_code(report.unanswered, script, request))
        exchange.route = route
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
        self._exchange = exchange = Exchange(request, self._transcript or Transcript(), self._record)
        if self._record is not None:
            self._record.exchanges.append(exchange)
        self._count += 1
        if self._strikes:
            self.attach_strikes(exchange)
        self.server.script.journal.record(exchange)
        return exchange

    # Routes

    def _wait_at(self, phase: str) -> None:
        """Where the answers of routes wait, if they are to: here, and nowhere else."""
        for gate in self._gates:
            if gate.phase == phase and self._exchange is not None and self._connection is not None:
                faults = gate.hold(self._exchange, self._connection)
                self.suffer(*faults)
                if faults and self._wire is not None:
                    self._wire.catch_up()

    def _send(self, response: Response, exchange: Exchange) -> None:
        if self._gates:
            self.suffer()  # what is decided at a gate may be a fault of the response
            self._wait_at("response_head")
        if response.informational and self._version >= (1, 1):
            for status, fields in response.informational:
                self.wfile.write_head(response_head(status, phrase(status), fields), more=False)
        if response.file is not None:
            self._send_whole_file(response, response.file)
            return
        if response.closes:
            self.close_connection = True
        if not response.is_whole or response.trailers or self._gates:
            self._send_stream(response, exchange)
            return
        head = self._head(response)
        self._status = response.status
        exchange.answer(Answer(response.status, head))
        body = b"" if self.command == "HEAD" else response.body
        if len(body) <= 2 * _PIECE_BYTES:
            self.wfile.write_whole(head, body)
            return
        # The last piece leaves when the others have left: until then the exchange goes on.
        rest = memoryview(body)[_PIECE_BYTES:]
        self.wfile.write_whole(head, body[:_PIECE_BYTES])
        self.wfile.write(rest[:-_PIECE_BYTES])
        self.wfile.write(rest[-_PIECE_BYTES:])

    def _head(self, response: Response, *, chunked: bool = False) -> bytes:
        head = response.head(close=self.close_connection, version=self._version, chunked=chunked)
        if not self._added:
            return head
        return b"%b%b\r\n" % (head[:-2], "".join(f"{name}: {value}\r\n" for name, value in self._added).encode())

    def end_headers(self) -> None:
        if self._added and self._status is not None:  # else it is no final response
            for name, value in self._added:
                self.send_header(name, value)
        super().end_headers()

    def _send_stream(self, response: Response, exchange: Exchange) -> None:
        """Send the pieces of a body as they come: in chunks, or to a client of HTTP/1.0 until the end."""
        if self._connection is not None:
            self._connection.leave_loop()
        announced = "content-length" in response.headers or (response.is_whole and not response.trailers)
        chunked = self._version >= (1, 1) and not announced
        if not chunked and not announced:
            self.close_connection = True
        head = self._head(response, chunked=chunked)
        self._status = response.status
        self._note_answer(exchange, head)
        self.wfile.write_head(head, more=False)
        if self.command == "HEAD":
            return
        before = self.wfile.written
        for piece in self._pieces(response):
            if not isinstance(piece, str | bytes | bytearray | memoryview):
                raise UsageError(f"a stream yields bytes or str, not {piece!r}")
            data = piece.encode() if isinstance(piece, str) else bytes(piece)
            if data:
                self.wfile.write(encode_chunk(data) if chunked else data)
        if chunked:
            self.wfile.write(encode_last_chunk(response.trailers))
        elif str(self.wfile.written - before) != response.headers.get("content-length", str(len(response.body))):
            self.close_connection = True  # nothing behind it could be told from the body

    def _pieces(self, response: Response) -> Iterator[object]:
        """What a body consists of, with the waits between."""
        self._wait_at("response_body")
        if response.stream is not None:
            yield from response.stream()
            self._wait_at("response_end")
        else:
            end = len(response.body) if response.trailers else -1  # an end of their own
            yield response.body[:end]
            self._wait_at("response_end")
            yield response.body[end:]

    def _send_whole_file(self, response: Response, path: os.PathLike[str]) -> None:
        with open(path, "rb") as file:
            self._hold()
            self.send_response_only(response.status, response.reason)
            added = {
                "Content-Type": self.guess_type(path),
                "Content-Length": str(os.fstat(file.fileno()).st_size),
                "Server": self.version_string(),
                "Date": self.date_time_string(),
            }
            for name, value in response.fields:
                self.send_header(name, value)
            for name, value in added.items():
                if name not in response.headers:
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self._wait_at("response_body")
                self._copy(file)

    def _copy(self, file: IO[bytes]) -> None:
        if not self._gates:
            self.copyfile(file, self.wfile)
            return
        size = os.fstat(file.fileno()).st_size
        most = max(size - 1, 0)
        self.wfile.send_file(file, 0, most)
        self._wait_at("response_end")
        self.wfile.send_file(file, most, size - most)

    # Mounts

    def enter_directory(self, directory: str, below: str, options: Mapping[str, Any]) -> None:
        """For this request, be a handler of ``directory`` with these options; ``below`` is the path in it."""
        self.directory, self._below, self._options = directory, below, options
        vars(self).update(options)

    def translate_path(self, path: str) -> str:
        return super().translate_path(self._below)

    # CGI: a script is asked for by its mount alone, and what one mount runs, no other one shows.

    def is_cgi(self) -> bool:
        return False

    def _is_script(self, path: str) -> bool:
        mounts = self.server.script.mounts
        return any(is_beneath(path, mount.directory) for mount in mounts if isinstance(mount, CGIMount))

    def _translate(self, path: str) -> str:
        return super().translate_path(path)

    def log_script(self, script: CGIScript, text: str) -> None:
        super().log_script(script, text)
        if self._exchange is not None:
            self._exchange.notes += (_printable(f"{script.name}: {text}"),)

    def script_failed(self, script: CGIScript, error: ScriptError) -> None:
        # Told before the client hears of it. A server that stops asks for no answer.
        if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
            said = f"; it wrote to stderr:\n{error.stderr.rstrip()}" if error.stderr else ""
            text = f"the CGI script {script.file} failed: {error}{said}\n"
            self.server.script.journal.record_failure(_printable(text))
        super().script_failed(script, error)

    def refuse_method(self) -> None:
        """Answer a method that a directory does not have."""
        self._hold()
        self.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
        self.send_header("Allow", "GET, HEAD, OPTIONS")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def take_over(self, status: int, head: bytes) -> None:
        """An application has begun its response with this head, and writes it itself."""
        self._status = status
        if self._exchange is not None:
            self._note_answer(self._exchange, head)

    def reset_connection(self) -> None:
        """After this request, end the connection such that its client cannot take for whole what it has got."""
        self.close_connection = self._resets = True

    def finish(self) -> None:
        if self._resets and self._connection is not None:
            self._connection.reset()
        super().finish()

    # Journal: it has an answer before the client has it, so that a test can look at once.

    def flush_headers(self) -> None:
        if self._exchange is not None and self._status is not None:
            self._note_answer(self._exchange, b"".join(self._headers_buffer))
        super().flush_headers()

    def _note_answer(self, exchange: Exchange, head: bytes) -> None:
        exchange.answer(Answer(self._status or 0, head))

    def log_message(self, format: str, *args: Any) -> None:  # whatever % takes
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s: " + format, self.address_string(), *args)


def _printable(text: str) -> str:
    """The name of a file or a directory may be no Unicode."""
    return text.encode(errors="backslashreplace").decode()
