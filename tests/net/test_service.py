"""What a server knows of its connections."""

from __future__ import annotations

import contextlib
import socket
from typing import NoReturn

import pytest

from pytest_httpserve.net.connection import Connection
from pytest_httpserve.net.service import Service


class Unwalked(dict[socket.socket, Connection]):
    """Connections that are found, not gone through."""

    def values(self) -> NoReturn:
        pytest.fail("it goes through all connections")


def test_a_new_connection_is_known_without_a_look_at_the_others() -> None:
    service = Service()
    service.connections = Unwalked()
    with contextlib.ExitStack() as stack:
        for index in range(3):
            ours, theirs = socket.socketpair()
            stack.enter_context(ours)
            stack.enter_context(theirs)
            assert service.track(ours, "a client").index == index


def test_a_socket_made_of_an_accepted_one_is_that_connection() -> None:
    service = Service()
    ours, theirs = socket.socketpair()
    with theirs:
        connection = service.track(ours, "a client")
        wrapped = socket.socket(fileno=ours.detach())
        with wrapped:
            assert service.track(wrapped, "a client") is connection
            assert connection.transport.socket is wrapped
            service.forget(ours)
        # The number is given out again.
        with socket.socket() as other:
            assert service.track(other, "another") is not connection
