"""How bytes move: what one connection has met with says nothing of another."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest
import trustme

from pytest_httpserve.net.over_tls import peek_below
from pytest_httpserve.net.transport import Transport

Pair = tuple[ssl.SSLSocket, ssl.SSLSocket]


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("a.test").configure_cert(ours)
    authority.configure_trust(theirs)
    return ours, theirs


def shaken(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Pair:
    """The server's end of a connection, and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    clients: list[ssl.SSLSocket] = []
    thread = threading.Thread(target=lambda: clients.append(contexts[1].wrap_socket(theirs, server_hostname="a.test")))
    thread.start()
    server = contexts[0].wrap_socket(ours, server_side=True)
    thread.join()
    return server, clients[0]


def nothing() -> None:
    """What a transport tells of is of no interest."""


def ended_by_this_side(transport: Transport, client: ssl.SSLSocket) -> None:
    transport.shut_down(socket.SHUT_RDWR)
    transport.say_goodbye()


def written_to_in_vain(transport: Transport, client: ssl.SSLSocket) -> None:
    transport.shut_down(socket.SHUT_RDWR)
    with pytest.raises(OSError):
        transport.send(b"a" * 100)


@pytest.mark.parametrize("break_off", [ended_by_this_side, written_to_in_vain])
def test_the_end_of_one_connection_is_not_taken_for_that_of_another(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], break_off: Callable[[Transport, ssl.SSLSocket], None]
) -> None:
    """OpenSSL keeps the errors of a thread, and not of a connection."""
    (one, its_client), (other, other_client) = shaken(contexts), shaken(contexts)
    with one, its_client, other, other_client:
        break_off(Transport(one, nothing, nothing), its_client)

        transport = Transport(other, nothing, nothing)
        transport.wait_for_nothing()
        assert transport.gather(), "another connection's end"
        other_client.sendall(b"well")
        other.settimeout(10)
        assert transport.receive(100) == b"well"


# What code of the test leaves in the thread


def leave_error(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """As a TLS client does whose connection has ended beneath it, and who does not mind."""
    one, its_client = shaken(contexts)
    with one, its_client:
        socket.socket.shutdown(its_client, socket.SHUT_RDWR)
        its_client.settimeout(0)
        with contextlib.suppress(OSError):
            its_client.unwrap()


@pytest.fixture
def pair(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[tuple[Transport, ssl.SSLSocket]]:
    """A connection that is read in a thread in which others have left an error."""
    ours, theirs = shaken(contexts)
    with ours, theirs:
        leave_error(contexts)
        yield Transport(ours, nothing, nothing), theirs


def test_an_error_of_others_is_not_the_end_of_a_connection_in_the_loop(pair: tuple[Transport, ssl.SSLSocket]) -> None:
    transport, client = pair
    transport.wait_for_nothing()
    assert transport.gather()
    client.sendall(b"well")
    assert transport.gather()
    assert transport.receive(100) == b"well"


def test_nor_that_of_one_with_a_thread(pair: tuple[Transport, ssl.SSLSocket]) -> None:
    transport, _ = pair
    transport.set_timeout(0.05)
    with pytest.raises(TimeoutError):
        transport.receive(100)


def test_nor_of_one_that_is_written_to(pair: tuple[Transport, ssl.SSLSocket]) -> None:
    """As long as the client does not read, there is no room for more."""
    transport, client = pair
    transport.set_timeout(10)
    size = 16 << 20
    received = []

    def read() -> None:
        left = size
        while left and (data := client.recv(65_536)):
            left -= len(data)
        received.append(size - left)

    thread = threading.Thread(target=read)
    thread.start()
    transport.send(bytes(size))
    thread.join()
    assert received == [size]


def test_a_real_end_is_still_one(pair: tuple[Transport, ssl.SSLSocket]) -> None:
    transport, client = pair
    transport.wait_for_nothing()
    client.sendall(b"well")
    socket.socket.shutdown(client, socket.SHUT_WR)
    assert transport.gather()
    assert not transport.gather()
    assert (transport.receive(100), transport.receive(100)) == (b"well", b"")


def test_a_real_error_is_still_that(pair: tuple[Transport, ssl.SSLSocket]) -> None:
    transport, client = pair
    transport.set_timeout(10)
    socket.socket.sendall(client, b"no TLS at all")
    with pytest.raises(ssl.SSLError, match=r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE"):
        transport.receive(100)


@pytest.fixture(params=["without a timeout", "the kernel's timeout", "Python's timeout"])
def plain(request: pytest.FixtureRequest) -> Iterator[tuple[Transport, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = Transport(ours, nothing, nothing)
        if request.param == "the kernel's timeout":
            transport.set_timeout(60)
        elif request.param == "Python's timeout":
            ours.settimeout(60)
        yield transport, theirs


def test_a_look_at_a_socket_that_another_thread_has_just_closed_is_an_error_of_the_system(
    plain: tuple[Transport, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    transport, _ = plain

    def close_then(file: int) -> Callable[[float], list[int]]:
        transport.socket.close()
        return lambda seconds: [file]

    monkeypatch.setattr("pytest_httpserve.net.transport.readiness", close_then)
    assert transport.peek() is None


@pytest.mark.skipif(not hasattr(socket, "MSG_DONTWAIT"), reason="a socket without a timeout always waits here")
def test_a_look_does_not_wait_for_what_another_thread_has_just_read(
    plain: tuple[Transport, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    transport, client = plain
    monkeypatch.setattr("pytest_httpserve.net.transport.readiness", lambda file: lambda seconds: [file])
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(transport.peek()))
    thread.start()
    thread.join(10)
    waited = thread.is_alive()
    client.sendall(b"a")
    thread.join()
    assert not waited
    assert seen == [None]
    assert transport.peek() == b"a"
    client.close()
    transport.receive(1)
    assert transport.peek() == b""


def test_a_look_below_tls_does_not_wait_for_the_default_timeout() -> None:
    """As if another thread had just read what had come."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0)
        socket.setdefaulttimeout(5)
        try:
            with pytest.raises(BlockingIOError):
                peek_below(ours)
        finally:
            socket.setdefaulttimeout(None)
