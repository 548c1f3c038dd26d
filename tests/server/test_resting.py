"""Servers whose connections rest in the loop: who holds a thread, who holds up whom, and how it all ends."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import select
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import trustme

import pytest_httpserve
from pytest_httpserve import clock
from pytest_httpserve.net import waiting
from pytest_httpserve.net.connection import Connection
from pytest_httpserve.net.poller import Poller, make_poller
from pytest_httpserve.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer, ThreadingHTTPSServer
from pytest_httpserve.server.running import may_rest
from pytest_httpserve.server.servers import service_of

if TYPE_CHECKING:
    from tests.server.conftest import Client, Serve

    Connect = Callable[[HTTPServer], Client]

PATIENCE = 5.0
GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer(self.path.encode())

    def do_POST(self) -> None:
        self.answer(self.rfile.read())


class Secure:
    """A certificate, and servers and clients that use it."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        leaf = authority.issue_cert("127.0.0.1")
        self.certificate = folder / "both.pem"
        leaf.private_key_and_cert_chain_pem.write_to_path(str(self.certificate))
        self.trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(self.trusting)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Secure:
    return Secure(tmp_path_factory.mktemp("secure"))


class Place:
    """Servers and their clients, plain or over TLS."""

    def __init__(self, serve: Serve, connect: Connect, secure: Secure | None) -> None:
        self._serve = serve
        self._connect = connect
        self.secure = secure

    def serve(self, handler: type[BaseHTTPRequestHandler], **attributes: Any) -> HTTPServer:  # those of the class
        base = ThreadingHTTPServer if self.secure is None else ThreadingHTTPSServer
        server_class: Any = type("Server", (base,), attributes)
        if self.secure is None:
            return self._serve(handler, server_class)
        server: HTTPServer = server_class(("127.0.0.1", 0), handler, certfile=self.secure.certificate)
        self._serve.watch(server)
        self._serve.start(server)
        return server

    def connect(self, server: HTTPServer) -> Client:
        client = self._connect(server)
        if self.secure is not None:
            client.socket = self.secure.trusting.wrap_socket(client.socket, server_hostname="127.0.0.1")
        return client


@pytest.fixture(params=["plain", "tls"])
def place(request: pytest.FixtureRequest, serve: Serve, connect: Connect, secure: Secure) -> Place:
    return Place(serve, connect, secure if request.param == "tls" else None)


def threads_of(server: HTTPServer) -> list[threading.Thread]:
    name = f"httpserve-{server.server_port}"
    return [thread for thread in threading.enumerate() if thread.name == name]


def wait_until(condition: Callable[[], bool], message: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, message
        threading.Event().wait(0.001)


def wait_until_threads_rest(server: HTTPServer) -> None:
    """On a machine under load the loop may have been led by many: what is free of them ends after a second."""
    wait_until(lambda: len(threads_of(server)) <= 8, "connections hold threads")


# Who holds a thread


@pytest.mark.needs("more than select")
def test_a_thousand_idle_connections_hold_no_thread(serve: Serve, connect: Connect) -> None:
    server = serve(Hello)
    clients = [connect(server) for _ in range(1000)]
    for client in clients:
        client.send(GET)
    assert [client.answer().status for client in clients] == [200] * 1000
    wait_until_threads_rest(server)
    assert clients[500].get("/again").body == b"/again"


def test_idle_connections_over_tls_hold_no_thread(place: Place) -> None:
    server = place.serve(Hello)
    clients = [place.connect(server) for _ in range(60)]
    for _ in range(2):
        for client in clients:
            assert client.get("/idle").body == b"/idle"
    busy = {connection for connection in service_of(server).connections.values() if connection.turn._owned.locked()}
    assert len(busy) <= 1  # the last one may be on its way to rest


def halves_of(server: HTTPServer) -> int:
    """How many connections rest with the beginning of a head."""
    connections = list(service_of(server).connections.values())
    return sum(bool(one.transport.gathered) and not one.turn._owned.locked() for one in connections)


@pytest.mark.same_everywhere
@pytest.mark.needs("more than select")
@pytest.mark.parametrize("before", [b"", GET], ids=["first", "behind another"])
@pytest.mark.parametrize("half", [GET[:1], GET[:20], GET[:-1]])
def test_half_sent_heads_hold_no_thread(place: Place, half: bytes, before: bytes) -> None:
    count = 2000 if place.secure is None else 100
    server = place.serve(Hello)
    clients = [place.connect(server) for _ in range(count)]
    for client in clients:
        client.send(before + half)
    if before:
        assert {client.answer().body for client in clients} == {b"/"}
    wait_until(lambda: halves_of(server) == count, "some are not gathered")
    wait_until_threads_rest(server)
    for client in clients:
        client.send(GET[len(half) :])
    assert {client.answer().body for client in clients} == {b"/"}
    assert {client.get("/next").body for client in clients} == {b"/next"}


@pytest.mark.parametrize("before", [b"", GET], ids=["first", "behind another"])
def test_a_head_that_never_ends_is_answered_when_its_time_is_over(place: Place, before: bytes) -> None:
    class Brief(Hello):
        timeout: ClassVar[float | None] = 1.0

    server = place.serve(Brief)
    begun = time.monotonic()
    clients = []
    for _ in range(20):
        client = place.connect(server)
        client.send(before + GET[:20])  # before the others connect: the time of an idle connection runs, too
        clients.append(client)
    if before:
        assert {client.answer().status for client in clients} == {200}
    answers = [client.answer() for client in clients]
    assert time.monotonic() - begun >= 0.95
    assert {(answer.status, answer.headers.get("Connection")) for answer in answers} == {(408, "close")}
    for client in clients:
        assert client.rest() == b""
        client.socket.close()
    wait_until(lambda: not service_of(server).connections, "they are kept")


def test_a_head_that_comes_in_many_pieces_must_come_within_one_timeout(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(Hello)
    client = connect(server)
    now, passed = clock.monotonic, 0.0
    monkeypatch.setattr(clock, "monotonic", lambda: now() + passed)
    sizes: list[int] = []

    def gathered() -> bool:
        sizes[:] = [len(connection.transport.gathered) for connection in service_of(server).connections.values()]
        return sizes == [length]

    for length in (1, 2, 3):
        client.send(GET[length - 1 : length])
        wait_until(gathered, "it is not gathered")
        passed += 0.4 * (Hello.timeout or 0)
    client.send(GET[3:4])  # which has the loop look at the time
    assert client.answer().status == 408


def test_without_a_buffer_no_more_is_taken_in_than_is_asked_for(place: Place) -> None:
    """What follows a request may be for a child process, which reads it from the socket."""

    class Unbuffered(Hello):
        rbufsize = 0

        def do_POST(self) -> None:
            self.answer(self.connection.recv(100))

    client = place.connect(place.serve(Unbuffered))
    for word in (b"one", b"two"):
        assert client.get("/a").body == b"/a"
        client.send(b"POST / HTTP/1.1\r\nHost: test\r\n\r\n" + word)
        assert client.answer("POST").body == word


class OwnSetup(Hello):
    def setup(self) -> None:
        super().setup()


class OwnHandle(Hello):
    def handle(self) -> None:
        super().handle()


class OwnStep(Hello):
    def handle_one_request(self) -> None:
        super().handle_one_request()


@pytest.mark.parametrize("handler", [OwnSetup, OwnHandle, OwnStep])
def test_a_handler_with_a_life_of_its_own_keeps_its_thread(place: Place, handler: type[Hello]) -> None:
    threads: queue.SimpleQueue[int] = queue.SimpleQueue()

    class Noting(handler):  # type: ignore[misc, valid-type]  # one class for each parameter
        def do_GET(self) -> None:
            threads.put(threading.get_ident())
            super().do_GET()

    server = place.serve(Noting)
    clients = [place.connect(server) for _ in range(3)]
    for _ in range(3):
        for client in clients:
            assert client.get().status == 200
    seen = [threads.get(timeout=PATIENCE) for _ in range(9)]
    assert len(set(seen)) == 3
    assert seen == seen[:3] * 3


def test_a_server_with_a_process_request_thread_of_its_own_has_one_for_each(serve: Serve, connect: Connect) -> None:
    begun = threading.Semaphore(0)

    class Around(ThreadingHTTPServer):
        def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]  # as its own
            begun.release()
            super().process_request_thread(request, client_address)

    server = serve(Hello, Around)
    clients = [connect(server) for _ in range(3)]
    assert all(begun.acquire(timeout=PATIENCE) for _ in clients)  # before any of them said anything
    assert [client.get("/a").body for client in clients] == [b"/a"] * 3


# When


def test_an_idle_connection_ends_at_its_timeout_and_not_before(place: Place) -> None:
    class Brief(Hello):
        timeout: ClassVar[float | None] = 1.0

    server = place.serve(Brief)
    clients = []
    for _ in range(5):
        clients.append(place.connect(server))
        begun = time.monotonic()
        assert clients[-1].get("/last").body == b"/last"  # at once: from here on it is idle
    assert clients[-1].rest() == b""
    assert time.monotonic() - begun >= 0.95
    assert [client.rest() for client in clients] == [b""] * 5


def test_a_timeout_that_only_the_handler_object_has_counts(serve: Serve, connect: Connect) -> None:
    class Own(Hello):
        timeout: ClassVar[float | None] = None

        def __init__(self, *arguments: Any) -> None:
            self.timeout = 0.5  # type: ignore[misc]  # as subclasses do
            super().__init__(*arguments)

    client = connect(serve(Own))
    client.get()
    assert client.rest() == b"", "it rests for ever"


# What comes


def test_pipelined_requests_are_answered_in_order(place: Place) -> None:
    server = place.serve(Hello)
    client = place.connect(server)
    for _ in range(5):
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: test\r\n\r\n" % number for number in range(300)))
        assert [client.answer().body for _ in range(300)] == [b"/%d" % number for number in range(300)]


def test_a_request_larger_than_a_tls_record_and_one_behind_it_are_both_answered(place: Place) -> None:
    server = place.serve(Hello)
    client = place.connect(server)
    body = bytes(range(256)) * 160  # 40 KiB
    for _ in range(5):
        client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%b%b" % (len(body), body, GET))
        assert client.answer().body == body
        assert client.answer().body == b"/"


@pytest.mark.parametrize("part", [GET[:20], b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf"])
def test_two_hundred_halves_hold_nobody_up(place: Place, part: bytes) -> None:
    count = 200 if place.secure is None else 50
    server = place.serve(Hello)
    halves = [place.connect(server) for _ in range(count)]
    for half in halves:
        half.send(part)
    quick = place.connect(server)
    for _ in range(5):
        assert quick.get("/quick").body == b"/quick"
    rest = GET[20:] if part == GET[:20] else b"<ends>"
    for half in halves:
        half.send(rest)
    assert {half.answer().body for half in halves} == {b"/" if part == GET[:20] else b"half<ends>"}


def test_half_a_tls_record_holds_nobody_up(serve: Serve, connect: Connect, secure: Secure) -> None:
    place = Place(serve, connect, secure)
    server = place.serve(Hello)
    halves = []
    for _ in range(50):
        client = connect(server)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = secure.trusting.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.send(outgoing.read())
                incoming.write(client.socket.recv(65_536))
        client.send(outgoing.read())
        tls.write(GET)
        record = outgoing.read()
        client.send(record[:15])
        halves.append((client, tls, incoming, record[15:]))
    quick = place.connect(server)
    for _ in range(5):
        assert quick.get("/quick").body == b"/quick"
    for client, tls, incoming, rest in halves:
        client.send(rest)
        while True:
            incoming.write(client.socket.recv(65_536))
            try:
                assert tls.read(65_536).startswith(b"HTTP/1.1 200 ")
                break
            except ssl.SSLWantReadError:
                pass


def test_a_body_that_nobody_reads_holds_nobody_up(place: Place) -> None:
    class Hasty(Hello):
        def do_POST(self) -> None:
            self.answer(b"done")

    server = place.serve(Hasty)
    halves = [place.connect(server) for _ in range(10)]
    for half in halves:
        half.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf")
        assert half.answer().body == b"done"
    quick = place.connect(server)
    assert quick.get("/quick").body == b"/quick"
    for half in halves:
        half.send(b"<ends>")
        assert half.get("/next").body == b"/next"


# What goes


def test_a_timeout_that_a_handler_gives_its_socket_holds_nobody_up(place: Place) -> None:
    class Timed(Hello):
        def do_POST(self) -> None:
            self.connection.settimeout(60)
            self.answer(b"")

    server = place.serve(Timed)
    slow = place.connect(server)
    slow.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nhalf")
    slow.answer("POST")
    assert place.connect(server).get("/other").body == b"/other"
    slow.send(b" more" + GET)
    assert slow.answer().body == b"/"


def test_a_timeout_that_a_handler_gives_its_socket_counts_between_requests_too(place: Place) -> None:
    class Timed(Hello):
        def do_GET(self) -> None:
            self.connection.settimeout(0.05)
            self.answer(b"")

    client = place.connect(place.serve(Timed))
    client.get()
    assert client.rest() == b""


@pytest.mark.parametrize("how", ["bytes", "pieces", "file"])
def test_ten_megabytes_to_those_who_do_not_read_hold_nobody_up(place: Place, tmp_path: Path, how: str) -> None:
    size = 10_000_000
    (tmp_path / "large").write_bytes(bytes(size))

    class Large(Hello):
        def do_POST(self) -> None:
            if how == "bytes":
                self.answer(bytes(size))
                return
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            with open(tmp_path / "large", "rb") as file:
                if how == "file":
                    self.wfile.send_file(file, 0, size)  # type: ignore[attr-defined]  # it is a Writer
                while piece := file.read(100_000) if how == "pieces" else b"":
                    self.wfile.write(piece)

    server = place.serve(Large)
    greedy = [place.connect(server) for _ in range(4)]
    for client in greedy:
        client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
    quick = place.connect(server)
    for _ in range(5):
        assert quick.get("/quick").body == b"/quick"
    for client in greedy:
        assert len(client.answer("POST").body) == size
        assert client.get("/next").body == b"/next"


def test_a_handler_may_take_the_connection_over(place: Place) -> None:
    class Echo(Hello):
        def do_GET(self) -> None:
            self.send_response(101)
            self.send_header("Upgrade", "echo")
            self.end_headers()
            self.wfile.flush()
            while data := self.connection.recv(1000):
                self.connection.sendall(data.upper())
                if data == b"bye":
                    break

    server = place.serve(Echo)
    clients = [place.connect(server) for _ in range(12)]
    for client in clients:
        client.send(GET)
        client.until(b"\r\n\r\n")
    for word in (b"one", b"two", b"bye"):
        for client in clients:
            client.send(word)
        assert [client.until(word.upper()) for client in clients] == [word.upper()] * len(clients)
    assert [client.rest() for client in clients] == [b""] * len(clients)


def test_a_handler_may_close_its_connection(place: Place) -> None:
    class Leaving(Hello):
        def do_GET(self) -> None:
            super().do_GET()
            self.connection.close()

    server = place.serve(Leaving)
    for _ in range(3):
        client = place.connect(server)
        assert client.get("/last").body == b"/last"
    wait_until(lambda: not service_of(server).connections, "closed connections are kept")
    loop = service_of(server).loop
    assert loop is not None
    assert len(loop._entries) == 1  # the listener


class Recording:
    """A poller that notes what it was asked to forget too late: the descriptor was closed by then."""

    def __init__(self, poller: Poller, late: list[int]) -> None:
        self.register, self.modify, self.poll, self.close = poller.register, poller.modify, poller.poll, poller.close
        self._poller = poller
        self._late = late

    def unregister(self, file: int) -> None:
        try:
            self._poller.unregister(file)
        except OSError:
            self._late.append(file)
            raise


@pytest.mark.needs("more than select")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("closes", [False, True], ids=["left open", "closed by the handler"])
def test_the_loop_does_not_wait_for_a_connection_that_is_closed_here_and_kept_elsewhere(
    place: Place, monkeypatch: pytest.MonkeyPatch, version: str, closes: bool
) -> None:
    """Or it would be told for ever that the client has ended, and use up a processor: a copy of the socket is enough,
    or a process that was forked meanwhile."""
    late: list[int] = []
    monkeypatch.setattr(waiting, "make_poller", lambda: Recording(make_poller(), late))
    copies = []

    class Copying(Hello):
        def do_GET(self) -> None:
            copies.append(os.dup(self.connection.fileno()))
            super().do_GET()
            if closes:
                self.connection.close()

    server = place.serve(Copying)
    client = place.connect(server)
    client.send(f"GET / HTTP/{version}\r\nHost: test\r\n\r\n".encode())
    assert client.answer().body == b"/"
    client.socket.close()
    wait_until(lambda: not service_of(server).connections, "the connection is kept")
    for copy in copies:
        os.close(copy)
    assert late == []


def test_a_handler_may_forget_its_connection(place: Place) -> None:
    class Forgetting(Hello):
        def do_GET(self) -> None:
            super().do_GET()
            del self.connection

    server = place.serve(Forgetting)
    client = place.connect(server)
    for _ in range(3):
        assert client.get("/again").body == b"/again"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_handler_that_wants_to_end_all_ends_its_connection(
    place: Place, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", lambda arguments: said.put(arguments.exc_value))

    class Ending(Hello):
        def do_POST(self) -> None:
            raise error

    server = place.serve(Ending)
    other = place.connect(server)
    other.get()
    for _ in range(5):
        client = place.connect(server)
        client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
        assert client.rest() == b""
        assert other.get("/on").body == b"/on"
        if error is not SystemExit:  # which ends a thread without a word
            assert isinstance(said.get(timeout=PATIENCE), error)
    assert said.empty()


@pytest.mark.parametrize("heard", [True, False])
def test_a_client_whose_bytes_were_not_looked_at_yet_is_not_silent(heard: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        mine, peer = listener.accept()
    with client, mine:
        if heard:
            client.sendall(b"GET")
            assert select.select([mine], (), (), PATIENCE)[0]
        connection = Connection(mine, peer)
        connection.turn._owned.release()  # it rests
        assert connection.turn.expire() is not heard
        assert connection.ending.said == (None if heard else ("server", "timeout"))


@pytest.mark.needs("the kernel's timeouts")
def test_a_body_is_waited_for_by_a_handler_from_which_the_loop_is_taken_meanwhile(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop is given to another thread in the very moment in which the handler learns that nothing has come yet."""
    server = serve(Hello)
    client, other = connect(server), connect(server)
    assert client.get("/a").body == b"/a"
    receive = socket.socket.recv
    nothing_there = threading.Event()
    asked: list[bytes] = []

    def receive_late(sock: socket.socket, size: int, flags: int = 0) -> bytes:
        try:
            return receive(sock, size, flags)
        except BlockingIOError:
            if not asked:
                asked.append(b"")
                asked[0] = other.get("/other").body  # which another thread answers, for this one is here
                nothing_there.set()
            raise

    monkeypatch.setattr(socket.socket, "recv", receive_late)
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\n")
    assert nothing_there.wait(PATIENCE)
    client.send(b"late")
    assert client.answer("POST").body == b"late"
    assert asked == [b"/other"]


def test_a_connection_that_two_threads_end_is_noted_once_before_either_goes_on() -> None:
    ours, theirs = socket.socketpair()
    noted: list[str] = []

    def note(by: str, how: str) -> None:
        second.start()
        second.join(0.05)  # it would go on by now, if it did not wait
        noted.append(f"{by} {how}")

    def end_again() -> None:
        connection.ending.say("server", "stop")
        noted.append("the second goes on")

    with ours, theirs:
        connection = Connection(ours, None)
        connection.ending.on_end = note
        second = threading.Thread(target=end_again)
        connection.ending.say("client", "FIN")
        second.join(PATIENCE)
    assert noted == ["client FIN", "the second goes on"]


# Accepting


def test_accepting_rests_while_the_system_has_no_room(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    refused = threading.Semaphore(0)

    class Full(ThreadingHTTPServer):
        full = False

        def get_request(self) -> tuple[socket.socket, object]:
            if self.full:
                refused.release()
                raise OSError(errno.EMFILE, "Too many open files")
            return super().get_request()

    server = serve(Hello, Full)
    assert isinstance(server, Full)
    before = connect(server)
    before.get()
    server.full = True
    waiting = connect(server)
    waiting.send(GET)
    for _ in range(3):  # it asks again by itself, now and then
        assert refused.acquire(timeout=PATIENCE)
    assert before.get("/on").body == b"/on"
    server.full = False
    assert waiting.answer().status == 200
    assert connect(server).get("/again").body == b"/again"
    assert len([record for record in caplog.records if "Too many open files" in record.getMessage()]) == 1


@pytest.mark.parametrize("server_class", [HTTPServer, ThreadingHTTPServer])
def test_accepting_without_room_is_no_busy_waiting(
    serve: Serve, connect: Connect, server_class: type[HTTPServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_httpserve.net.listening.EXHAUSTED_SECONDS", 3600)
    refusals: queue.SimpleQueue[int] = queue.SimpleQueue()

    class Full(server_class):  # type: ignore[misc, valid-type]  # one class for each parameter
        def get_request(self) -> tuple[socket.socket, object]:
            refusals.put(1)
            raise OSError(errno.ENFILE, "Too many open files in system")

    server = serve(Hello, Full)
    connect(server)
    refusals.get(timeout=PATIENCE)
    connect(server)
    threading.Event().wait(0.05)  # no proof, but a chance to be wrong
    assert refusals.qsize() <= 1
    server.shutdown()  # which does not wait for the end of the pause


def test_accepting_goes_on_when_a_connection_has_ended(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_httpserve.net.listening.EXHAUSTED_SECONDS", 3600)
    refused = threading.Event()

    class Small(ThreadingHTTPServer):
        def get_request(self) -> tuple[socket.socket, object]:
            if service_of(self).connections:
                refused.set()
                raise OSError(errno.EMFILE, "Too many open files")
            return super().get_request()

    server = serve(Hello, Small)
    first = connect(server)
    first.get()
    second = connect(server)
    second.send(GET)
    assert refused.wait(PATIENCE)
    first.socket.close()
    assert second.answer().status == 200


def test_a_server_that_shakes_hands_while_it_accepts_serves_the_others(
    serve: Serve, connect: Connect, secure: Secure
) -> None:
    """The recipe of many years: the listening socket itself is wrapped."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(secure.certificate)
    server = serve(Hello, start=False)
    server.grace = 0.05
    server.socket = context.wrap_socket(server.socket, server_side=True)
    serve.start(server)
    client = Place(serve, connect, secure).connect(server)
    assert client.get("/a").body == b"/a"
    silent = connect(server)
    for _ in range(5):
        assert client.get("/b").body == b"/b"
    silent.socket.close()
    other = Place(serve, connect, secure).connect(server)
    assert other.get("/c").body == b"/c"


# The end


def test_after_a_shutdown_no_thread_outlives_the_last_connection(serve: Serve, connect: Connect) -> None:
    server = serve(Hello)
    clients = [connect(server) for _ in range(3)]
    for client in clients:
        client.get()
    server.shutdown()
    for client in clients:
        assert client.get("/on").body == b"/on"
        client.socket.close()
    for thread in threads_of(server):
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"{thread} goes on with nothing to do"


# Of a client whose server has just gone, the ssl module of Python 3.11 leaves the socket to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_a_server_stops_while_everything_happens(place: Place) -> None:
    class Busy(Hello):
        def do_GET(self) -> None:
            threading.Event().wait(0.003)
            super().do_GET()

    failed: queue.SimpleQueue[str] = queue.SimpleQueue()
    for _ in range(5):
        server = place.serve(Busy)
        stopped = threading.Event()

        def ask(server: HTTPServer = server, stopped: threading.Event = stopped) -> None:
            while not stopped.is_set():
                try:
                    client = place.connect(server)
                    for _ in range(3):
                        if client.get("/x").body != b"/x":
                            failed.put("a wrong answer")
                except (OSError, EOFError, ValueError):
                    pass  # it stops

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        place.connect(server).get()
        server.shutdown()
        server.server_close()
        stopped.set()
        for thread in threads:
            thread.join(2 * PATIENCE)
            assert not thread.is_alive()
        assert not service_of(server).connections
        assert failed.empty()


def test_a_shutdown_and_a_close_at_the_same_time_end(serve: Serve) -> None:
    for _ in range(20):
        server = serve(Hello)
        ends = [threading.Thread(target=end) for end in (server.shutdown, server.server_close, server.server_close)]
        for end in ends:
            end.start()
        for end in ends:
            end.join(PATIENCE)
            assert not end.is_alive()


@pytest.mark.needs("/proc/self/fd")
def test_a_fixtures_server_alone_leaves_nothing_behind() -> None:
    descriptors, threads = sorted(os.listdir("/proc/self/fd")), set(threading.enumerate())
    for _ in range(3):
        with pytest_httpserve.HTTPServe() as server, ExitStack() as stack:
            server.on("GET", "/").handle(lambda request: "hello")  # which has the watch come
            for _ in range(3):
                client = stack.enter_context(socket.create_connection((server.host, server.port), PATIENCE))
                client.sendall(GET)
                assert client.recv(1000)
    assert not set(threading.enumerate()) - threads
    assert sorted(os.listdir("/proc/self/fd")) == descriptors


FORKING = """
import os, socket, sys, urllib.request
from pytest_httpserve import HTTPServe

def get(url):
    return urllib.request.urlopen(url, timeout=5).read()

with HTTPServe() as server:
    server.on("GET", "/").respond(body=b"hello")
    client = socket.create_connection((server.host, server.port), 5)
    ask = lambda: (client.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"), client.recv(1000))[1]
    assert b"hello" in ask()
    child = os.fork()
    if not child:
        assert get(server.url_for("/")) == b"hello"
        how = sys.argv[1]
        if how == "stops":
            server.stop()
        if how == "ends":
            raise SystemExit(0)  # through the end of the block
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    assert b"hello" in ask(), "the child has ended the parent's connection"
    assert get(server.url_for("/")) == b"hello", "the child has ended the parent's listener"
print("well")
"""


@pytest.mark.needs("os.fork")
@pytest.mark.parametrize("how", ["leaves", "stops", "ends"])
def test_a_fork_of_the_process_does_not_disturb_it(how: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKING, how]
    done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, err = done.communicate(timeout=6 * PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(done.pid, signal.SIGKILL)
        raise
    assert (done.returncode, out.splitlines()[-1:]) == (0, ["well"]), err


FORKING_HANDLER = """
import os, socket, threading
from pytest_httpserve.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())

    def do_POST(self):
        child = os.fork()
        if not child:
            os.write(ready, b"1")
            self.rfile.read(9)  # a wait, for which a thread of the child's own would have the loop
            os._exit(0)
        os.waitpid(child, 0)
        self.do_GET()

    def log_message(self, *args):
        pass

def ask(head):
    client = socket.create_connection(server.server_address, 5)
    client.sendall(head + b" / HTTP/1.0\\r\\nContent-Length: 9\\r\\n\\r\\n")
    return client

is_ready, ready = os.pipe()
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
posting = ask(b"POST")
os.read(is_ready, 1)
by = {ask(b"GET").makefile("rb").read().rpartition(b"\\n")[2] for _ in range(50)}
posting.sendall(b"the whole")
by.add(posting.makefile("rb").read().rpartition(b"\\n")[2])
server.shutdown()
server.server_close()
assert by == {str(os.getpid()).encode()}, f"{os.getpid()} asked, and {by} answered"
print("well")
"""


@pytest.mark.needs("os.fork")
def test_a_fork_in_a_handler_serves_nobody_else() -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKING_HANDLER]
    done = subprocess.run(command, capture_output=True, text=True, timeout=6 * PATIENCE)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["well"]), done.stderr


def test_a_class_that_takes_nothing_into_its_own_hands_rests_as_the_class_above_it() -> None:
    class Own(BaseHTTPRequestHandler):
        def handle(self) -> None:
            super().handle()

    class Further(Own):
        timeout = 5

    class Says(BaseHTTPRequestHandler):
        thread_per_connection: ClassVar[bool | None] = False

        def handle_one_request(self) -> None:
            super().handle_one_request()

    class Below(Says):
        timeout = 5

    class Again(Below):
        def setup(self) -> None:
            super().setup()

    rests = {one.__name__: may_rest(one) for one in (BaseHTTPRequestHandler, Own, Further, Says, Below, Again)}
    assert rests == {
        "BaseHTTPRequestHandler": True, "Own": False, "Further": False, "Says": True, "Below": True, "Again": True,
    }  # fmt: skip


def test_how_long_a_client_was_silent_before_does_not_count(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(Hello)
    client = connect(server)
    assert client.get("/a").body == b"/a"
    now = clock.monotonic
    passed = 0.0
    monkeypatch.setattr(clock, "monotonic", lambda: now() + passed)
    for _ in range(3):
        passed += 2 * (Hello.timeout or 0)  # while the loop waits
        assert client.get("/again").body == b"/again"


def test_a_timeout_may_be_longer_than_the_system_can_wait(serve: Serve, connect: Connect) -> None:
    class Patient(Hello):
        timeout: ClassVar[float | None] = 100 * 86_400.0

    client = connect(serve(Patient))
    for _ in range(2):
        assert client.get("/a").body == b"/a"


class WrapsInSetup(BaseHTTPRequestHandler):
    """Speaks HTTP/1.0 over TLS; its body ends with the connection."""

    context: ClassVar[ssl.SSLContext]

    def setup(self) -> None:
        self.request = self.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hi")

    def log_message(self, format: str, *args: object) -> None:
        pass


class Plainly(WrapsInSetup):
    def setup(self) -> None:
        BaseHTTPRequestHandler.setup(self)


def wraps_in_finish_request(base: type[HTTPServer]) -> type[HTTPServer]:
    def finish_request(self: Any, request: socket.socket, client_address: object) -> None:
        wrapped = WrapsInSetup.context.wrap_socket(request, server_side=True)
        base.finish_request(self, wrapped, client_address)

    return type("Server", (base,), {"finish_request": finish_request})


class WrapsInThread(ThreadingHTTPServer):
    def process_request_thread(self, request: Any, client_address: object) -> None:
        wrapped = WrapsInSetup.context.wrap_socket(request, server_side=True)
        super().process_request_thread(wrapped, client_address)


@pytest.mark.parametrize(
    ("handler", "server_class"),
    [
        (WrapsInSetup, ThreadingHTTPServer),
        (WrapsInSetup, HTTPServer),
        (Plainly, wraps_in_finish_request(ThreadingHTTPServer)),
        (Plainly, wraps_in_finish_request(HTTPServer)),
        (Plainly, wraps_in_finish_request(type("Mixed", (socketserver.ThreadingMixIn, HTTPServer), {}))),
        (Plainly, WrapsInThread),
    ],
    ids=["setup", "setup, one", "finish_request", "finish_request, one", "finish_request, mixed", "thread"],
)
def test_a_socket_that_a_subclass_has_wrapped_is_closed_with_its_connection(
    serve: Serve, connect: Connect, secure: Secure, handler: Any, server_class: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(secure.certificate)
    monkeypatch.setattr(WrapsInSetup, "context", context, raising=False)
    server = serve(handler, server_class)
    for _ in range(3):
        client = connect(server)
        with secure.trusting.wrap_socket(client.socket, server_hostname="127.0.0.1") as wrapped:
            wrapped.settimeout(PATIENCE)
            wrapped.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            data = b""
            with contextlib.suppress(ssl.SSLEOFError):  # nobody has sent close_notify
                while piece := wrapped.recv(65_536):
                    data += piece
        assert data.endswith(b"\r\n\r\nhi")
    service_of(server).wait_for_connections(PATIENCE)
    assert not service_of(server).connections


class Socket(socket.socket):
    """A class of its own, as those that count bytes have."""


class Counting(ThreadingHTTPServer):
    def get_request(self) -> tuple[socket.socket, object]:
        accepted, address = super().get_request()
        return Socket(accepted.family, accepted.type, fileno=accepted.detach()), address


def test_a_socket_may_be_of_a_class_of_its_own(serve: Serve, connect: Connect) -> None:
    client = connect(serve(Hello, Counting))
    for _ in range(3):
        assert client.get("/again").body == b"/again"


@pytest.mark.parametrize("server_class", [HTTPServer, ThreadingHTTPServer])
def test_serve_forever_may_run_in_several_threads(
    serve: Serve, connect: Connect, server_class: type[HTTPServer]
) -> None:
    server = serve(Hello, server_class, start=False)
    threads = [serve.start(server) for _ in range(3)]
    wait_until(lambda: len(service_of(server)._serving) == len(threads), "one of them does not serve")
    for _ in range(3):
        assert connect(server).get("/hello").body == b"/hello"
    server.shutdown()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_service_actions_follow_a_connection(serve: Serve, connect: Connect) -> None:
    called = threading.Semaphore(0)

    class Acts(ThreadingHTTPServer):
        def service_actions(self) -> None:
            called.release()

        def serve_forever(self, poll_interval: float = 0.5) -> None:
            super().serve_forever(3_600)

    server = serve(Hello, Acts)
    for _ in range(3):
        assert connect(server).get("/a").status == 200
        assert called.acquire(timeout=PATIENCE)
