"""Every adapter answers as the measures expect it to, and ends when it is told to."""

import contextlib
import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
import trustme

from tests.benchmarks.client import connect, fetch, get
from tests.benchmarks.peers import (
    BODY,
    MODULES,
    NGINX,
    OURS,
    PIECE,
    TUNNELLED,
    USER,
    Kind,
    Peer,
    Running,
    available,
    chosen,
    offering,
)
from tests.benchmarks.streams import Protocol
from tests.benchmarks.streams import fetch as fetch_over

pytestmark = pytest.mark.same_everywhere

NOTES: list[str] = []
PEERS = available(NOTES)


def offers(kind: Kind) -> pytest.MarkDecorator:
    peers = [
        pytest.param(peer, id=peer.name, marks=[pytest.mark.needs("nginx")] if peer.name == NGINX else [])
        for peer in offering(PEERS, kind)
    ]
    return pytest.mark.parametrize("peer", peers)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(path)
    return str(path)


@contextlib.contextmanager
def started(peer: Peer, kind: Kind, *arguments: str, secure: bool = False) -> Iterator[HTTPConnection]:
    """A connection to the server; afterwards nobody listens there."""
    server: Running = peer.starts[kind](*arguments)
    connection = connect(server, secure=secure)
    try:
        yield connection
    finally:
        connection.close()
        server.stop()
    with pytest.raises(ConnectionRefusedError), socket.create_connection((server.host, server.port), timeout=5):
        pass


@offers("plain")
def test_a_plain_server_answers_again_and_again(peer: Peer) -> None:
    with started(peer, "plain") as connection:
        fetch(connection)
        fetch(connection)


@offers("secure")
def test_a_secure_server_answers(peer: Peer, certificate: str) -> None:
    with started(peer, "secure", certificate, secure=True) as connection:
        fetch(connection)


@offers("http2")
@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
def test_a_server_of_http2_answers_over_both(peer: Peer, protocol: Protocol, certificate: str) -> None:
    server: Running = peer.starts["http2"](certificate)
    try:
        assert fetch_over(server, "/", protocol) == len(BODY)
    finally:
        server.stop()


@offers("http2_files")
def test_files_are_served_over_http2(peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(3 * PIECE + 5))
    server: Running = peer.starts["http2_files"](str(tmp_path))
    try:
        assert fetch_over(server, "/file", "h2") == 3 * PIECE + 5
    finally:
        server.stop()


@offers("tunnel")
def test_a_tunnel_leads_to_its_host(peer: Peer) -> None:
    server: Running = peer.starts["tunnel"]()
    get(server, secure=True, tunnel=TUNNELLED)
    server.stop()


@offers("files")
def test_files_are_served(peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(256)))
    with started(peer, "files", str(tmp_path)) as connection:
        connection.request("GET", "/file")
        assert connection.getresponse().read() == bytes(range(256))


@offers("upload")
def test_uploads_are_counted(peer: Peer) -> None:
    with started(peer, "upload") as connection:
        connection.request("POST", "/", body=bytes(3 * PIECE + 5))
        assert connection.getresponse().read() == str(3 * PIECE + 5).encode()


@offers("chunked")
def test_uploads_in_chunks_are_counted(peer: Peer) -> None:
    with started(peer, "chunked") as connection:
        connection.request("POST", "/", body=iter([bytes(PIECE), bytes(5)]), encode_chunked=True)
        assert connection.getresponse().read() == str(PIECE + 5).encode()


@offers("stream")
def test_streams_have_the_size_that_is_asked_for(peer: Peer) -> None:
    with started(peer, "stream", str(3 * PIECE + 5)) as connection:
        connection.request("GET", "/")
        response = connection.getresponse()
        assert response.getheader("Content-Length") is None
        assert response.read() == bytes(3 * PIECE + 5)


@offers("handler")
def test_handlers_answer(peer: Peer) -> None:
    with started(peer, "handler", "0") as connection:
        fetch(connection)


@offers("application")
def test_applications_answer(peer: Peer) -> None:
    with started(peer, "application") as connection:
        fetch(connection)


@offers("routes")
def test_the_route_among_others_answers(peer: Peer) -> None:
    with started(peer, "routes", "3") as connection:
        connection.request("GET", "/users/7")
        assert json.loads(connection.getresponse().read()) == USER


@offers("cgi")
def test_scripts_run(peer: Peer, tmp_path: Path) -> None:
    script = tmp_path / "cgi-bin" / "hello"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nHello'\n")
    script.chmod(0o755)
    with started(peer, "cgi", str(tmp_path)) as connection:
        connection.request("GET", "/cgi-bin/hello")
        assert connection.getresponse().read() == b"Hello"


def test_every_adapter_is_there_or_noted() -> None:
    assert len(PEERS) + len(NOTES) == len(MODULES)
    assert all("No module named" in note for note in NOTES)
    assert {peer.name for peer in PEERS} >= {"raw", "stdlib", *OURS}


def test_ours_always_take_part() -> None:
    assert [peer.name for peer in chosen(PEERS, ["stdlib"])] == ["stdlib", *OURS]


def test_an_unknown_peer_is_refused() -> None:
    with pytest.raises(ValueError, match="no such peer: nobody; there are raw, "):
        chosen(PEERS, ["nobody"])
