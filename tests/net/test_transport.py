"""How bytes move: what one connection has met with says nothing of another."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable

import pytest
import trustme

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
    ours, theirs = socket.socketpair()
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
