"""What other systems do in their own ways, as far as it can be had on this one."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pytest_httpserve import HTTPServe, UnsupportedError, UsageError
from pytest_httpserve.net import poller
from pytest_httpserve.net.connection import Connection
from pytest_httpserve.net.poller import READABLE, Selection
from pytest_httpserve.scripting.live.waiting import pause
from pytest_httpserve.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pytest_httpserve.server.files.paths import names_below

if TYPE_CHECKING:
    from tests.server.conftest import Client, Serve

    Connect = Callable[[HTTPServer], Client]

PATIENCE = 5.0
LARGE = 8 << 20  # more than any system keeps of a connection


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read()
        self.send_response(200)
        self.send_header("Content-Length", str(LARGE))
        self.end_headers()
        self.wfile.write(body.ljust(LARGE))


class Inheriting(ThreadingHTTPServer):
    """As on macOS and the BSDs: what is accepted does not wait, since the listener does not, and Python knows nothing
    of it."""

    def get_request(self) -> tuple[socket.socket, object]:
        request, address = super().get_request()
        os.set_blocking(request.fileno(), False)
        return request, address


class InThreads(Inheriting):
    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]  # typeshed's type also covers datagrams
        super().process_request_thread(request, client_address)


@pytest.mark.parametrize("server_class", [Inheriting, InThreads])
def test_an_accepted_socket_that_does_not_wait_is_waited_for(
    serve: Serve, connect: Connect, server_class: type[HTTPServer]
) -> None:
    client = connect(serve(Echo, server_class))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\n")
    client.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):  # no answer before the body, 408 least of all
        client.socket.recv(1, socket.MSG_PEEK)
    client.socket.settimeout(PATIENCE)
    client.send(b"late")
    assert client.answer("POST").body == b"late".ljust(LARGE)


def test_a_look_at_a_silent_client_does_not_wait_in_a_timeout_of_pythons_own(monkeypatch: pytest.MonkeyPatch) -> None:
    receive = socket.socket.recv
    read: list[bytes] = []

    def keep(sock: socket.socket, size: int, flags: int = 0) -> bytes:
        read.append(b"")  # also if it waits in vain
        read[-1] = receive(sock, size, flags)
        return read[-1]

    monkeypatch.setattr(socket.socket, "recv", keep)
    for timeout in (None, 0.01):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(timeout)
            connection = Connection(ours, None)
            connection.turn._owned.release()  # it rests
            assert connection.turn.expire()
            assert read == [], "it was read from without anything to read"


def test_a_look_at_a_connection_that_was_closed_is_no_error() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        connection = Connection(ours, None)
        ours.close()
        connection.turn._owned.release()  # it rests
        assert connection.turn.expire()


# Without poll


@pytest.mark.parametrize("how", ["the server", "a reset", "an end", "time"])
def test_a_wait_ends_without_poll(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.delattr(select, "poll", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        ours, peer = listener.accept()
    with client, ours:
        connection = Connection(ours, peer)
        went_on: list[bool] = []
        seconds = 0.02 if how == "time" else 60.0
        thread = threading.Thread(
            target=lambda: went_on.append(pause(connection, seconds, heeds_client=how == "an end"))
        )
        thread.start()
        if how == "the server":
            connection.ending.closing = True
            connection.abort()
        elif how == "a reset":
            Connection(client, None).ending.reset()
        elif how == "an end":
            client.shutdown(socket.SHUT_WR)
        thread.join(PATIENCE)
        assert went_on == [how == "time"]


def test_scripts_are_refused_without_poll(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    monkeypatch.delattr(select, "poll", raising=False)
    with pytest.raises(UnsupportedError, match=r"CGI needs poll\(\)"):
        HTTPServe().serve_cgi(tmp_path)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX", raising=False)
    with pytest.raises(UnsupportedError, match="AF_UNIX"):
        HTTPServe(unix=True)
    with pytest.raises(UsageError):  # what is wrong everywhere is wrong here
        HTTPServe(unix="")


# Without anything but select


@pytest.mark.parametrize("timeout", [None, 0.0, 0.02])
def test_more_than_select_takes_are_looked_at_in_turns(monkeypatch: pytest.MonkeyPatch, timeout: float | None) -> None:
    taken: list[int] = []
    whole = select.select

    def no_more_than_four(files: list[int], writing: tuple[()], failing: tuple[()], seconds: float | None) -> object:
        taken.append(len(files))
        assert len(files) <= 4, "as Windows does, for more than 512"
        return whole(files, writing, failing, seconds)

    monkeypatch.setattr(poller, "_MOST_SELECTED", 4)
    monkeypatch.setattr(select, "select", no_more_than_four)
    pairs = [socket.socketpair() for _ in range(30)]
    selection = Selection()
    try:
        for ours, _ in pairs:
            selection.register(ours.fileno(), READABLE)
        if timeout is not None:
            assert selection.poll(timeout, 64) == []
        for chosen in (pairs[0], pairs[17], pairs[29]):
            thread = threading.Thread(target=chosen[1].send, args=(b"x",))
            thread.start()
            ready: list[tuple[int, int]] = []
            expiry = time.monotonic() + PATIENCE
            while not ready and time.monotonic() < expiry:
                ready = selection.poll(timeout, 64)
            thread.join()
            assert ready == [(chosen[0].fileno(), READABLE)]
            selection.unregister(chosen[0].fileno())
        assert max(taken) == 4
    finally:
        selection.close()
        for ours, theirs in pairs:
            ours.close()
            theirs.close()


def test_what_select_does_not_take_is_refused_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    selection = Selection()
    try:
        with pytest.raises(UnsupportedError, match="descriptor 1000000"):
            selection.register(1_000_000, READABLE)
        assert selection.poll(0, 64) == []
    finally:
        selection.close()


def test_what_is_no_longer_waited_for_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a thread is in ``select``, the system keeps what it waits for, closed or not."""
    selection = Selection()
    over = threading.Event()

    def wait() -> None:
        while not over.is_set():
            selection.poll(None, 64)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        for _ in range(100):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                address = listener.getsockname()
                selection.register(listener.fileno(), READABLE)
                selection.unregister(listener.fileno())
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, PATIENCE)
    finally:
        over.set()
        selection.unregister(-1)  # which wakes it
        thread.join(PATIENCE)
        selection.close()


# Windows


def test_a_port_is_kept_where_reusing_it_would_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # In the place of Windows' option, which is not known here, stands one that changes nothing.
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
    with HTTPServe() as server:
        server.on("GET", "/a").respond(text="well")
        for _ in range(2):
            assert server._server is not None
            options = [
                server._server.socket.getsockopt(socket.SOL_SOCKET, option)
                for option in (socket.SO_REUSEADDR, socket.SO_KEEPALIVE)
            ]
            assert options == [0, 1]
            server.refuse()
            server.resume()


def test_names_are_told_apart_by_backslashes_where_these_do_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sep", "\\")
    assert names_below("C:\\site", "C:\\site\\.git\\config") == (".git", "config")
    monkeypatch.undo()
    assert names_below("/site", "/site/one\\name") == ("one\\name",)
