"""Bodies that arrive in small pieces."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.errors import UsageError
from pytest_httpserve.faults import Reset, Split, Truncate, WrongChunkSize
from pytest_httpserve.net import reading
from pytest_httpserve.net.connection import Connection
from pytest_httpserve.scripting.faults import cutting
from pytest_httpserve.scripting.faults.cutting import Cutter

BODY = b"id: 1\ndata: \xc3\xa9\n\nid: 2\ndata: two\n\nid: 3\n"
LINES = [b"id: 1\ndata: \xc3\xa9\n", b"\nid: 2\n", b"data: two\n\n", b"id: 3\n"]
LINES_AFTER_1 = [b"id: 1\n", b"data: \xc3\xa9\n\n", b"id: 2\ndata: two\n", b"\nid: 3\n"]


def _sees_what_is_read() -> bool:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname()), listener.accept()[0] as server:
        return reading.unread(server) is not None


SEEN = pytest.mark.skipif(not _sees_what_is_read(), reason="this system does not tell what a client has read")


@pytest.fixture(params=["tcp", "tls", "unix", "ipv6"])
def anywhere(request: pytest.FixtureRequest, server: HTTPServe) -> Iterator[HTTPServe]:
    with ExitStack() as stack:
        if request.param == "tls":
            server = stack.enter_context(HTTPServe(tls=True))
        elif request.param == "unix":
            if not hasattr(socket, "AF_UNIX"):
                pytest.skip("there are no Unix sockets here")
            server = stack.enter_context(HTTPServe(unix=True))
        elif request.param == "ipv6":
            if not socket.has_dualstack_ipv6():
                pytest.skip("there is no IPv6 here")
            server = stack.enter_context(HTTPServe(host="::"))
        yield server


@pytest.fixture
def connection() -> Iterator[Connection]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Connection(ours, ("127.0.0.1", 1))


def connect(server: HTTPServe) -> socket.socket:
    if server.socket_path:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        client.connect(server.socket_path)
        return client
    client = socket.create_connection(("127.0.0.1" if server.host == "::" else server.host, server.port), timeout=10)
    if server.certificate is not None:
        return server.ca.client_ssl_context().wrap_socket(client, server_hostname=server.host)
    return client


def read(server: HTTPServe) -> list[bytes]:
    """What each read of a client brings."""
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        return list(iter(lambda: client.recv(65536), b""))


def chunks(pieces: list[bytes]) -> list[bytes]:
    return [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]


@SEEN
@pytest.mark.parametrize(
    ("split", "pieces"),
    [
        (Split(), [bytes([byte]) for byte in BODY]),
        (Split(2), LINES),
        (Split(2, first=1), LINES_AFTER_1),
        (Split(2, upto=18), [*LINES[:2], b"".join(LINES[2:])]),
    ],
    ids=["bytes", "lines", "lines-after-1", "upto"],
)
def test_each_piece_is_read_by_itself(anywhere: HTTPServe, split: Split, pieces: list[bytes]) -> None:
    anywhere.fault(split, every=1)
    anywhere.on("GET", "/").respond(body=BODY).respond(stream=[BODY])

    head, *seen = read(anywhere)
    assert head.endswith(b"\r\n\r\n")
    assert seen == pieces
    assert anywhere.exchanges[0].faults == (split,)

    _, *seen = read(anywhere)
    assert b"".join(seen) == b"".join([*chunks(pieces), b"0\r\n\r\n"])
    assert [piece.removesuffix(b"0\r\n\r\n") for piece in seen if piece != b"0\r\n\r\n"] == chunks(pieces)


def test_where_nobody_sees_what_is_read(server: HTTPServe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "unread", lambda sock: None)
    server.fault(Split())
    server.on("GET", "/").respond(body=BODY)
    assert b"".join(read(server)).endswith(BODY)


def test_a_client_that_does_not_read_gets_the_rest_at_once(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "unread", lambda sock: 1)
    monkeypatch.setattr(cutting, "_READ_SECONDS", 0.0)
    assert list(Cutter(Split(), connection).cut(BODY)) == [BODY]


def test_lines_that_come_in_parts(connection: Connection) -> None:
    cutter = Cutter(Split(2), connection)
    pieces = [list(cutter.cut(data)) for data in (b"one\ntw", b"o\nthree\nfour", b"\n", b"five\nsix\nseven")]
    assert pieces == [[b"one\ntw"], [b"o\n", b"three\nfour"], [b"\n"], [b"five\nsix\n", b"seven"]]


@pytest.mark.parametrize("fault", [Truncate(3), Reset(after=20), WrongChunkSize(1)])
def test_with_other_faults(server: HTTPServe, fault: Truncate | Reset | WrongChunkSize) -> None:
    for faults in ((fault,), (fault, Split())):
        server.fault(faults)
    server.on("GET", "/").respond(body=BODY)
    if isinstance(fault, Reset):
        for _ in range(2):
            with pytest.raises(ConnectionResetError):
                read(server)
    else:
        whole, cut = b"".join(read(server)), b"".join(read(server))
        assert whole.partition(b"Date")[0] == cut.partition(b"Date")[0]
        if not isinstance(fault, WrongChunkSize):
            assert whole.endswith(BODY[:-3])
            assert cut.endswith(BODY[:-3])


def test_wrong_values() -> None:
    with pytest.raises(UsageError, match="lines= of Split must be"):
        Split(0)
    with pytest.raises(UsageError, match="first= of Split works only together with lines="):
        Split(first=1)
    with pytest.raises(UsageError, match="upto= of Split"):
        Split(upto=0)


def test_what_a_client_has_read() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname()) as client, listener.accept()[0] as server:
        seen = [reading.unread(server)]
        server.send(b"hello")
        seen.append(reading.unread(server))
        client.recv(2)
        seen.append(reading.unread(server))
    assert seen in ([0, 5, 3], [None, None, None])
    assert reading.unread(server) is None
