"""Servers that are not there, and are there again; ports that are not taken twice; Unix sockets and IPv6."""

import asyncio
import os
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import httpx
import pytest
import requests
import urllib3

from pytest_httpserve import HTTPServe, HTTPServeError, UsageError
from pytest_httpserve.scripting.httpserve import RUNNING
from pytest_httpserve.scripting.live import presence
from pytest_httpserve.scripting.live.presence import Presence


def connect(server: HTTPServe, timeout: float = 10) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout)


def get(server: HTTPServe) -> str:
    return requests.get(server.url_for("/a"), timeout=10).text


@pytest.fixture(autouse=True)
def a_route(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="well")


# Refused


def test_connecting_is_refused_and_then_it_is_not(server: HTTPServe) -> None:
    port = server.port
    for _ in range(3):
        assert get(server) == "well"
        server.refuse()
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                connect(server)
        server.resume()
        assert server.port == port
    assert get(server) == "well"
    assert len(server.exchanges) == 4


def test_idle_connections_end_when_connecting_is_refused(server: HTTPServe) -> None:
    with requests.Session() as session:
        session.get(server.url_for("/a"), timeout=10)
        server.refuse()
        server.assert_all_closed(by="server")
        with pytest.raises(requests.ConnectionError):
            session.get(server.url_for("/a"), timeout=10)
        server.resume()
        assert session.get(server.url_for("/a"), timeout=10).text == "well"


def test_a_busy_connection_ends_with_its_response(server: HTTPServe) -> None:
    with ThreadPoolExecutor() as threads, requests.Session() as session:
        busy = server.on("GET", "/slow").respond(text="in the end").hold("response_end")
        answer = threads.submit(session.get, server.url_for("/slow"), timeout=10)
        held = busy.arrived()
        accepted = server.connections
        held.release()
        assert answer.result(10).text == "in the end"
        server.refuse()
        server.assert_all_closed()
        assert len(accepted) == 1


def test_nobody_else_gets_the_port_meanwhile(server: HTTPServe) -> None:
    server.refuse()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((server.host, server.port))


def test_refusing_and_accepting_twice_changes_nothing(server: HTTPServe) -> None:
    server.resume()
    assert get(server) == "well"
    server.refuse()
    server.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect(server)
    server.resume()
    server.resume()
    assert get(server) == "well"


@pytest.mark.parametrize("how", ["refuse", "hang"])
def test_a_stop_leaves_nothing_of_what_stood_in(how: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    server = HTTPServe().start()
    getattr(server, how)()
    server.stop()
    assert len(os.listdir("/proc/self/fd")) <= before
    with pytest.raises(ConnectionRefusedError):
        connect(server)
    with socket.socket() as other:
        other.bind((server.host, server.port))


# Hanging


def test_connecting_hangs_until_the_client_gives_up(server: HTTPServe) -> None:
    server.hang()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            connect(server, timeout=0.05)
    with pytest.raises(requests.ConnectTimeout):
        requests.get(server.url_for("/a"), timeout=(0.05, 10))
    with pytest.raises(httpx.ConnectTimeout):
        httpx.get(server.url_for("/a"), timeout=0.05, trust_env=False)
    server.resume()
    assert get(server) == "well"


def test_a_client_may_take_the_only_place_before_connecting_hangs(
    server: HTTPServe, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind, faster = Presence._bind, socket.socket()

    def bind_late(self: Presence, backlog: int | None) -> socket.socket:
        listener = bind(self, backlog)
        if backlog == 0:
            faster.connect(listener.getsockname())
        return listener

    monkeypatch.setattr(Presence, "_bind", bind_late)
    with faster:
        server.hang()
        with pytest.raises(TimeoutError):
            connect(server, timeout=0.2)
        server.resume()

    assert get(server) == "well"


def test_from_refusing_to_hanging_and_back(server: HTTPServe) -> None:
    server.refuse()
    server.hang()
    with pytest.raises(TimeoutError):
        connect(server, timeout=0.05)
    server.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect(server)


# Restarted


def test_a_restart_ends_connections_and_listens_on_the_same_port(server: HTTPServe) -> None:
    port = server.port
    with requests.Session() as session:
        for _ in range(5):
            assert session.get(server.url_for("/a"), timeout=10).text == "well"
            server.restart()
            assert server.port == port
            assert not any(record.is_open for record in server.connections)
    assert len(server.exchanges) == 5
    assert {(one.closed_by, one.closed_how) for one in server.connections} == {("server", "stop")}


def test_a_restart_ends_what_is_held(server: HTTPServe) -> None:
    gate = server.on("GET", "/held").respond().hold()
    with connect(server) as client:
        client.sendall(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        gate.arrived()
        server.restart()
        assert client.recv(100) == b""
    assert get(server) == "well"


def test_a_server_that_was_refusing_restarts(server: HTTPServe) -> None:
    server.refuse()
    server.restart()
    assert get(server) == "well"


@pytest.mark.parametrize("verb", ["refuse", "hang", "resume", "restart"])
def test_a_server_that_does_not_run_is_refused(verb: str) -> None:
    with pytest.raises(UsageError, match="is not running"):
        getattr(HTTPServe(), verb)()


# Ports


def test_a_port_that_was_left_is_not_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system gives ports of its own choice; here it would give the last one again, as long as it is free."""
    with HTTPServe() as first:
        port = first.port
    offered: list[int] = []
    bind = socket.socket.bind

    def bind_the_same(sock: socket.socket, address: tuple[str, int]) -> None:
        if address[1] == 0 and not offered:
            offered.append(port)
            address = (address[0], port)
        bind(sock, address)

    monkeypatch.setattr(socket.socket, "bind", bind_the_same)
    with HTTPServe() as second:
        assert offered == [port]
        assert second.port != port


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=pytest.mark.needs("IPv6"))])
def test_a_server_for_which_every_port_was_just_left_listens_on_one_of_them(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(presence, "_left", dict.fromkeys(range(65_536), time.monotonic()))
    with HTTPServe(host=host) as crowded:
        crowded.on("GET", "/a").respond(text="well")
        assert crowded._server is not None
        assert crowded._server.socket.getsockname()[:2] == (host, crowded.port)
        assert get(crowded) == "well"


def test_a_port_may_be_taken_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("pytest_httpserve.scripting.live.presence.clock.monotonic", lambda: now[0])
    monkeypatch.setattr(presence, "_left", {})
    presence.left(5)
    assert not presence.is_fresh(5)
    assert presence.is_fresh(6)
    now[0] += presence.RECYCLE_SECONDS
    assert presence.is_fresh(5)
    presence.left(6)
    presence.left(7)
    now[0] += presence.RECYCLE_SECONDS + 1
    presence.left(8)
    assert list(presence._left) == [8], "what is long past is forgotten"


def test_a_port_that_was_asked_for_is_taken_whenever_it_was_left() -> None:
    with HTTPServe() as first:
        port = first.port
    with HTTPServe(port=port) as second:
        assert second.port == port


# Unix sockets


@pytest.fixture
def unix() -> HTTPServe:
    server = HTTPServe(unix=True).start()
    RUNNING.discard(server)
    server.on("GET", "/a").respond(text="well")
    return server


@pytest.mark.needs("socket.AF_UNIX")
def test_a_unix_socket_is_gone_when_the_server_stops(unix: HTTPServe) -> None:
    path = unix.socket_path
    assert path is not None
    assert os.path.exists(path)
    unix.stop()
    assert not os.path.exists(os.path.dirname(path))
    unix.stop()


@pytest.mark.needs("socket.AF_UNIX")
def test_httpx_over_a_unix_socket(unix: HTTPServe) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(uds=unix.socket_path)) as client:
        assert [client.get(unix.url_for("/a")).text for _ in range(3)] == ["well"] * 3
    unix.assert_reused()
    unix.assert_all_closed(by="client")
    assert "from a Unix socket" in "\n".join(map(repr, [*_lines(unix)]))
    unix.stop()


def _lines(server: HTTPServe) -> list[str]:
    from pytest_httpserve.scripting.reports.report import connection_lines

    return connection_lines(server._script.journal.seen)


@pytest.mark.needs("socket.AF_UNIX")
def test_aiohttp_over_a_unix_socket(unix: HTTPServe) -> None:
    async def ask() -> str:
        assert unix.socket_path is not None
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=unix.socket_path)) as session,
            session.get(unix.url_for("/a")) as answer,
        ):
            return await answer.text()

    assert asyncio.run(ask()) == "well"
    unix.stop()


@pytest.mark.needs("socket.AF_UNIX")
@pytest.mark.needs("curl")
def test_curl_over_a_unix_socket(unix: HTTPServe) -> None:
    command = ["curl", "-s", "--unix-socket", str(unix.socket_path), unix.url_for("/a")]
    assert subprocess.check_output(command, timeout=20) == b"well"
    unix.stop()


class UnixPool(urllib3.HTTPConnectionPool):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self.path = path

    def _new_conn(self) -> urllib3.connection.HTTPConnection:
        connection = urllib3.connection.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.path)
        return connection


class UnixAdapter(requests.adapters.HTTPAdapter):
    """What requests-unixsocket does: the host of a URL is the path of a socket."""

    def __init__(self) -> None:
        self.pools: list[UnixPool] = []
        super().__init__()

    def get_connection_with_tls_context(self, request: requests.PreparedRequest, *_: object, **__: object) -> UnixPool:
        return self.get_connection(request.url)

    def get_connection(self, url: object, proxies: object = None) -> UnixPool:
        """The same, as it was called before requests 2.32."""
        self.pools.append(UnixPool(urllib.parse.unquote(urllib.parse.urlsplit(str(url)).netloc)))
        return self.pools[-1]

    def close(self) -> None:
        for pool in self.pools:
            pool.close()
        super().close()

    def request_url(self, request: requests.PreparedRequest, proxies: object) -> str:
        return str(request.path_url)


@pytest.mark.needs("socket.AF_UNIX")
def test_requests_over_a_unix_socket(unix: HTTPServe) -> None:
    with requests.Session() as session:
        session.mount("http+unix://", UnixAdapter())
        with session.get(unix.url_for("/a?b=c", unix=True), headers={"Connection": "close"}, timeout=10) as answer:
            assert answer.text == "well"
    assert unix.exchanges[0].request.target == "/a?b=c"
    unix.stop()


@pytest.mark.needs("socket.AF_UNIX")
def test_the_url_of_a_unix_socket_has_its_path_where_that_is_wanted(unix: HTTPServe) -> None:
    assert unix.url_for("/a b?c") == "http://localhost/a%20b?c"
    assert unix.socket_path is not None
    quoted = unix.socket_path.replace("/", "%2F")
    assert unix.url_for("/a b?c", unix=True) == f"http+unix://{quoted}/a%20b?c"
    assert (unix.host, unix.port) == ("localhost", 0)
    unix.stop()


@pytest.mark.needs("socket.AF_UNIX")
def test_a_unix_socket_at_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with HTTPServe(unix="here") as server:
        server.on("GET", "/a").respond(text="well")
        assert server.socket_path == str(tmp_path / "here")
        with httpx.Client(transport=httpx.HTTPTransport(uds="here")) as client:
            assert client.get(server.url_for("/a")).text == "well"
        with pytest.raises(HTTPServeError, match=f"^cannot listen on {tmp_path}/here: Address already in use"):
            HTTPServe(unix="here").start()
        assert (tmp_path / "here").exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.needs("socket.AF_UNIX")
def test_a_unix_socket_refuses_and_restarts(unix: HTTPServe) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(uds=unix.socket_path)) as client:
        assert client.get(unix.url_for("/a")).text == "well"
        unix.refuse()
        # httpx would leave this one open.
        with socket.socket(socket.AF_UNIX) as other, pytest.raises(ConnectionRefusedError):
            other.connect(str(unix.socket_path))
        unix.resume()
        assert client.get(unix.url_for("/a")).text == "well"
        unix.restart()
        assert client.get(unix.url_for("/a")).text == "well"
    with pytest.raises(HTTPServeError, match="only on Linux and over TCP"):
        unix.hang()
    unix.stop()


@pytest.mark.needs("socket.AF_UNIX")
def test_tls_over_a_unix_socket() -> None:
    with HTTPServe(unix=True, tls=True) as server:
        server.on("GET", "/a").respond(text="well")
        transport = httpx.HTTPTransport(uds=server.socket_path, verify=server.ca.client_ssl_context())
        with httpx.Client(transport=transport) as client:
            assert client.get(server.url_for("/a")).text == "well"


# IPv6


@pytest.mark.needs("IPv6")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_server_on_all_addresses_is_reached_by_both(host: str) -> None:
    with HTTPServe(host="::") as server:
        server.on("GET", "/a").respond(text="well")
        assert server.base_url == f"http://[::1]:{server.port}"
        with socket.create_connection((host, server.port), timeout=10) as client:
            client.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert client.makefile("rb").read().endswith(b"well")


@pytest.mark.needs("IPv6")
def test_a_server_of_ipv6_refuses_and_restarts() -> None:
    with HTTPServe(host="::1") as server:
        server.on("GET", "/a").respond(text="well")
        server.refuse()
        with pytest.raises(ConnectionRefusedError):
            connect(server)
        server.restart()
        assert get(server) == "well"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: HTTPServe(unix=1),  # type: ignore[arg-type]  # wrong on purpose
        lambda: HTTPServe(unix=""),
        lambda: HTTPServe(unix="/" + "a" * 200),
        lambda: HTTPServe(unix=True, port=80),
        lambda: HTTPServe(unix=True, host="::1"),
        lambda: HTTPServe().url_for("/a", unix=True),
    ],
)
def test_a_wrong_value_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(UsageError):
        wrong()


def test_of_the_ports_that_were_left_the_latest_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_left", {})
    for port in (*range(presence.MOST_LEFT), 0):
        presence.left(port)
    assert not any(presence.is_fresh(port) for port in range(presence.MOST_LEFT))

    presence.left(presence.MOST_LEFT)
    assert presence.is_fresh(1), "it is kept for longer than others can do without it"
    assert not presence.is_fresh(0), "the one that was left again before the last"


def test_the_port_is_kept_and_not_taken_again(server: HTTPServe, monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[int | None] = []
    bind = Presence._bind

    def note(presence: Presence, backlog: int | None) -> socket.socket:
        bound.append(backlog)
        return bind(presence, backlog)

    monkeypatch.setattr(Presence, "_bind", note)
    server.on("GET", "/a").respond(text="well")
    server.refuse()
    server.refuse()
    server.resume()

    assert bound == [None], "between two sockets, another process could take it"
    assert requests.get(server.url_for("/a"), timeout=10).text == "well"


@pytest.mark.needs("socket.AF_UNIX")
def test_a_unix_socket_that_cannot_be_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / (100 * "a")
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    monkeypatch.setattr("pytest_httpserve.scripting.live.unix_socket._SHORT", [str(deep)])
    with pytest.raises(UsageError, match="bytes"):
        HTTPServe(unix=True).start()
    assert list(deep.iterdir()) == []


@pytest.mark.needs("socket.AF_UNIX")
def test_a_unix_socket_of_another_server_stays(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with HTTPServe(unix=path) as first:
        first.on("GET", "/a").respond(text="well")
        with pytest.raises(HTTPServeError, match=r"^cannot listen on"):
            HTTPServe(unix=path).start()
        assert path.exists()
        first.reset()
