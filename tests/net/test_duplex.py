"""Sending in turn, by several threads."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from pytest_httpserve.net.connection import Connection
from pytest_httpserve.net.duplex import Duplex, Run

# More than the two sockets keep, on every system: their buffers are small.
LARGE = bytes(1_000_000)


@pytest.fixture
def pair() -> Iterator[tuple[Duplex, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    theirs.settimeout(20)
    with ours, theirs:
        yield Connection(ours, None).duplex(), theirs


def at_once(code: object) -> None:
    raise AssertionError("no thread is needed")


def test_data_that_cannot_be_made_lets_others_send(pair: tuple[Duplex, socket.socket]) -> None:
    duplex, client = pair

    def make() -> bytes:
        raise ValueError("there is no such data")

    with pytest.raises(ValueError, match="no such data"):
        duplex.send_soon(make, 20, at_once)
    duplex.send(lambda: b"further", 20)
    assert client.recv(100) == b"further"


def test_data_for_soon_follows_what_is_being_sent_without_another_thread(pair: tuple[Duplex, socket.socket]) -> None:
    duplex, client = pair

    def make() -> bytes:
        duplex.send_soon(lambda: b"second", 20, at_once)  # while the first is about to be sent
        return b"first "

    duplex.send(make, 20)
    assert client.recv(100) == b"first second"


def test_data_that_a_client_does_not_read_at_once_is_sent_by_another_thread(
    pair: tuple[Duplex, socket.socket],
) -> None:
    duplex, client = pair
    threads: list[threading.Thread] = []

    def run(code: object) -> None:
        assert callable(code)
        threads.append(threading.Thread(target=code))
        threads[0].start()

    runs: Run = run
    duplex.send_soon(lambda: LARGE, 20, runs)
    duplex.send_soon(lambda: b"end", 20, runs)
    got = bytearray()
    while not got.endswith(b"end"):
        got += client.recv(1 << 20)
    assert bytes(got) == LARGE + b"end"
    threads[0].join()
    assert len(threads) == 1


def test_who_waits_for_another_to_send_gives_up_no_client_that_reads(pair: tuple[Duplex, socket.socket]) -> None:
    duplex, client = pair
    first_waits, second_waits = threading.Event(), threading.Event()

    first = threading.Thread(target=duplex.send, args=(lambda: LARGE, 20, first_waits.set))
    first.start()
    assert first_waits.wait(20)
    second = threading.Thread(target=duplex.send, args=(lambda: b"end", 0.001, second_waits.set))
    second.start()
    assert second_waits.wait(20)
    second.join(0.1)  # it would have given up by now
    got = bytearray()
    while not got.endswith(b"end"):
        got += client.recv(1 << 20)
    assert bytes(got) == LARGE + b"end"
    first.join()
    second.join()


def test_without_more_threads_the_connection_ends(pair: tuple[Duplex, socket.socket]) -> None:
    duplex, client = pair

    def run(code: object) -> None:
        raise RuntimeError("can't start new thread")

    duplex.send_soon(lambda: LARGE, 20, run)
    while client.recv(1 << 20):
        pass
