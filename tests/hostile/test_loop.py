"""What grows with its input is watched while it runs in the thread that serves all, and goes on without it."""

from __future__ import annotations

import socket
import struct
import threading
from functools import partial
from pathlib import Path

import pytest
import requests

from pytest_httpserve import HTTPServe
from pytest_httpserve.net.entry import Entry
from pytest_httpserve.net.loop import Loop
from pytest_httpserve.net.turn import Turn
from pytest_httpserve.scripting.routing.contents import Named
from pytest_httpserve.server.files.handler import SimpleHTTPRequestHandler
from pytest_httpserve.server.files.roots import Root
from pytest_httpserve.server.servers import ThreadingHTTPServer


class Watched:
    """Notes whether a function is called while a turn is watched."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        self.calls: list[bool] = []
        self._running: set[int] = set()
        function, run = getattr(owner, name), Turn.run

        def note(*given: object) -> object:
            self.calls.append(threading.get_ident() in self._running)
            return function(*given)

        def watch(turn: Turn, *given: object) -> object:
            self._running.add(threading.get_ident())
            try:
                return run(turn, *given)  # type: ignore[arg-type]  # whatever it was given
            finally:
                self._running.discard(threading.get_ident())

        monkeypatch.setattr(owner, name, note)
        monkeypatch.setattr(Turn, "run", watch)


def test_a_listing_is_watched(server: HTTPServe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All servers waited for one of 100,000 names."""
    server.serve_dir(tmp_path)
    watched = Watched(monkeypatch, Root, "entries")

    assert requests.get(server.url_for("/"), timeout=20).status_code == 200
    assert watched.calls == [True]


def test_a_listing_of_a_handler_class_is_watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    watched = Watched(monkeypatch, Root, "entries")

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert requests.get(f"http://127.0.0.1:{server.server_port}/", timeout=20).status_code == 200
        finally:
            server.shutdown()
            thread.join()
    assert watched.calls == [True]


@pytest.mark.parametrize(("count", "expected"), [(10, False), (2_000, True)])
def test_what_compares_a_long_query_is_watched(
    server: HTTPServe, monkeypatch: pytest.MonkeyPatch, count: int, expected: bool
) -> None:
    server.on("GET", "/a", query={"b": "1"}).respond(204)
    server.on("GET", "/a", query={"a": "1"}).respond(204)
    watched = Watched(monkeypatch, Named, "matches")

    assert requests.get(server.url_for("/a?" + "&".join(["a=1"] * count)), timeout=20).status_code in (204, 404)
    assert set(watched.calls[:1]) == {expected}


@pytest.mark.parametrize("resets", [False, True], ids=["end", "reset"])
def test_the_end_of_a_half_sent_head_needs_no_thread(
    server: HTTPServe, monkeypatch: pytest.MonkeyPatch, resets: bool
) -> None:
    """A good client waited for the end of all of them, and each took the loop to another thread."""
    left: list[object] = []

    def leave(loop: Loop, entry: Entry) -> None:
        if entry.led:
            left.append(entry)

    monkeypatch.setattr(Loop, "leave", leave)
    for _ in range(20):
        with socket.create_connection((server.host, server.port), timeout=20) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost:")
            if resets:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    journal = server._script.journal

    assert journal.wait(lambda: sum(not record.is_open for record in journal.connections) == 20, 20)
    assert not left
