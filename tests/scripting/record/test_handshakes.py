"""TLS as the server saw it: what was agreed upon, why a handshake failed, and who cannot hold it up."""

from __future__ import annotations

import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import requests
from cryptography.x509 import load_pem_x509_certificate

from pytest_httpserve import TLS, Certificate, CertificateAuthority, HTTPServe
from pytest_httpserve.scripting import secure_server
from pytest_httpserve.scripting.handshaking import note_end
from pytest_httpserve.scripting.httpserve import RUNNING
from pytest_httpserve.scripting.record.handshakes import TLSError, error_of

Start = Callable[..., HTTPServe]


@pytest.fixture
def start(httpserve_ca: CertificateAuthority) -> Iterator[Start]:
    """``start(tls)``: a server, started, that answers ``GET /a``, and does not fail the test by itself."""
    with ExitStack() as stack:

        def start(tls: TLS | bool | str = True, **settings: Any) -> HTTPServe:
            server = HTTPServe(tls=tls, ca=httpserve_ca, **settings).start()
            stack.callback(server.stop)
            RUNNING.discard(server)
            server.on("GET", "/a").respond(text="well")
            return server

        yield start


def connect(server: HTTPServe) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def get(server: HTTPServe, context: ssl.SSLContext, name: str = "127.0.0.1") -> bytes:
    """The answer to ``GET /a``, over a new connection."""
    with connect(server) as plain, context.wrap_socket(plain, server_hostname=name) as client:
        client.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer


def refuse(server: HTTPServe, context: ssl.SSLContext, name: str = "127.0.0.1") -> str:
    """What the client says when it refuses the server, or the server it."""
    with pytest.raises((ssl.SSLError, ConnectionError)) as refusal:
        get(server, context, name)
    return str(refusal.value)


def shown(server: HTTPServe, context: ssl.SSLContext, name: str) -> list[str]:
    """The names in the certificate that a client is shown who asks for this one."""
    context.check_hostname = False
    with connect(server) as plain, context.wrap_socket(plain, server_hostname=name) as client:
        certificate = client.getpeercert()
        assert certificate is not None
        return [str(name) for _, name in certificate["subjectAltName"]]  # type: ignore[str-unpack]  # to typeshed it may be text


# What was agreed upon


def test_version_cipher_name_and_protocol_are_recorded(start: Start) -> None:
    server = start(TLS(alpn=["http/1.1", "other"]))
    context = server.ca.client_ssl_context()
    context.set_alpn_protocols(["other", "http/1.1"])
    get(server, context, "localhost")

    (exchange,) = server.exchanges
    assert exchange.connection is not None
    session = exchange.connection.tls
    assert session is not None
    assert (session.version, session.sni, session.alpn) == ("TLSv1.3", "localhost", "http/1.1")
    assert session.cipher.startswith("TLS_")
    assert session.peer_certificate is None
    assert exchange.connection.tls_error is None


def test_nothing_is_agreed_upon_without_tls() -> None:
    with HTTPServe() as server:
        server.on("GET", "/a").respond()
        requests.get(server.url_for("/a"), timeout=10, proxies={"http": ""})

        assert server.connections[0].tls is None
        assert server.connections[0].tls_error is None


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_the_version_is_the_one_asked_for(start: Start, version: str) -> None:
    server = start(TLS(tls_versions=version))
    get(server, server.ca.client_ssl_context())

    session = server.connections[0].tls
    assert session is not None
    assert session.version == f"TLSv{version}"


def test_a_version_that_the_server_does_not_speak_is_refused(start: Start) -> None:
    server = start(TLS(tls_versions=["1.3"]))
    context = server.ca.client_ssl_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    assert "PROTOCOL_VERSION" in refuse(server, context)
    error = server.connections[0].tls_error
    assert error is not None
    assert "unsupported protocol" in error.reason


def test_the_cipher_is_the_one_asked_for(start: Start) -> None:
    server = start(TLS(tls_versions="1.2", ciphers="ECDHE-ECDSA-CHACHA20-POLY1305"))
    get(server, server.ca.client_ssl_context())

    session = server.connections[0].tls
    assert session is not None
    assert session.cipher == "ECDHE-ECDSA-CHACHA20-POLY1305"


def test_the_key_is_of_the_type_asked_for(start: Start) -> None:
    server = start(TLS(tls_versions="1.2", key_type="rsa"))
    get(server, server.ca.client_ssl_context())

    session = server.connections[0].tls
    assert session is not None
    assert "RSA" in session.cipher


# Certificates by name


def test_each_name_has_its_certificate(start: Start) -> None:
    own = CertificateAuthority().issue("own.test")
    server = start(TLS(sni={"a.test": None, "B.test": None, "own.test": own}))
    context = server.ca.client_ssl_context()

    assert shown(server, context, "a.test") == ["a.test"]
    assert shown(server, context, "b.TEST") == ["b.test"]
    assert "localhost" in shown(server, context, "unknown.test")
    refuse(server, context, "own.test")
    assert [record.tls.sni for record in server.connections if record.tls] == ["a.test", "b.TEST", "unknown.test"]


def test_a_list_of_names_is_enough(start: Start) -> None:
    server = start(TLS(sni=["a.test", "b.test"]))

    assert shown(server, server.ca.client_ssl_context(), "b.test") == ["b.test"]


def test_one_name_can_have_a_bad_certificate(start: Start) -> None:
    server = start(TLS(sni={"old.test": "expired", "odd.test": "wrong_host"}))

    assert "expired" in refuse(server, server.ca.client_ssl_context(), "old.test")
    assert "not valid for 'odd.test'" in refuse(server, server.ca.client_ssl_context(), "odd.test")
    assert b"well" in get(server, server.ca.client_ssl_context())


def test_client_certificates_are_asked_for_under_every_name(start: Start) -> None:
    server = start(TLS(sni=["a.test"], client_cert="required"))

    refuse(server, server.ca.client_ssl_context(), "a.test")


# Certificates of the user's own


def test_a_certificate_of_the_users_own(start: Start, tmp_path: Any) -> None:
    stranger = CertificateAuthority()
    leaf = stranger.issue("localhost")
    (tmp_path / "both.pem").write_bytes(leaf.pem)
    (tmp_path / "chain.pem").write_bytes(leaf.chain)
    (tmp_path / "key.pem").write_bytes(leaf.key)
    for given in (leaf, tmp_path / "both.pem", "both.pem", ("chain.pem", tmp_path / "key.pem")):
        server = start(TLS(certificate=given), roots=[tmp_path])
        assert b"well" in get(server, stranger.client_ssl_context(), "localhost")


def test_the_certificate_that_is_shown_can_be_asked_for(start: Start) -> None:
    certificate = start().certificate
    assert isinstance(certificate, Certificate)
    assert start("plain_http").certificate is None
    assert len(certificate.spki_hash) == 44


# Client certificates


def test_a_client_certificate_is_recorded(start: Start) -> None:
    server = start(TLS(client_cert="required"))
    ada = server.ca.issue_client("ada@example.test")
    assert b"well" in get(server, server.ca.client_ssl_context(certificate=ada))

    session = server.connections[0].tls
    assert session is not None
    assert session.peer_certificate is not None
    assert session.peer_certificate.names == ("ada@example.test",)
    assert session.peer_certificate.pem.replace("\n", "") in ada.chain.decode().replace("\n", "")
    assert session.peer_certificate.serial_number == load_pem_x509_certificate(ada.chain).serial_number


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_client_without_one_fails_as_it_would_elsewhere(start: Start, version: str) -> None:
    server = start(TLS(client_cert="required", tls_versions=version))
    said = refuse(server, server.ca.client_ssl_context())

    assert ("CERTIFICATE_REQUIRED" if version == "1.3" else "HANDSHAKE_FAILURE") in said
    error = server.connections[0].tls_error
    assert error is not None
    assert str(error) == "peer did not return a certificate"
    assert server.connections[0].exchanges == ()
    assert server.failures == ()


def test_a_certificate_of_another_ca_is_refused(start: Start) -> None:
    server = start(TLS(client_cert="optional"))
    stranger = CertificateAuthority().issue_client("eve@example.test")

    assert "UNKNOWN_CA" in refuse(server, server.ca.client_ssl_context(certificate=stranger))
    assert "certificate verify failed: " in str(server.connections[0].tls_error)


def test_where_it_is_optional_a_client_may_have_none(start: Start) -> None:
    server = start(TLS(client_cert="optional"))

    assert b"well" in get(server, server.ca.client_ssl_context())
    assert b"well" in get(server, server.ca.client_ssl_context(certificate=server.ca.issue_client()))
    assert [bool(record.tls and record.tls.peer_certificate) for record in server.connections] == [False, True]


# Handshakes that fail


def test_a_client_that_does_not_trust_is_recorded_with_its_alert(start: Start) -> None:
    server = start()
    refuse(server, ssl.create_default_context())

    (record,) = server.connections
    assert record.tls_error is not None
    assert record.tls_error.alert == "unknown_ca"
    assert str(record.tls_error) == "the client sent the alert unknown_ca"
    assert record.tls is None
    assert record.exchanges == ()
    assert server.failures == ()


@pytest.mark.parametrize(("fault", "alert"), [("expired", "certificate_expired"), ("wrong_host", "bad_certificate")])
def test_the_alert_is_that_of_the_fault(start: Start, fault: str, alert: str) -> None:
    server = start(fault)
    refuse(server, server.ca.client_ssl_context())

    error = server.connections[0].tls_error
    assert error is not None
    assert error.alert == alert


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("no_common_cipher", "no shared cipher"),
        ("old_tls", "unsupported protocol"),
        ("handshake_reset", "the server resets the connection, as the test asked"),
    ],
)
def test_what_the_server_cannot_agree_to_has_its_reason(start: Start, fault: str, reason: str) -> None:
    server = start(fault)
    refuse(server, server.ca.client_ssl_context())

    assert str(server.connections[0].tls_error) == reason


def test_plain_http_is_told_so(start: Start) -> None:
    server = start()
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")

    assert str(server.connections[0].tls_error) == "the client does not speak TLS (http request)"
    assert server.failures == ()


def hello(context: ssl.SSLContext) -> bytes:
    """A client's first message."""
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def test_a_client_that_leaves_in_the_midst_is_recorded(start: Start) -> None:
    server = start()
    with connect(server) as client:
        client.sendall(hello(server.ca.client_ssl_context())[:50])

    assert server._script.journal.wait(lambda: any(record.closed for record in server.connections), 10)
    assert str(server.connections[0].tls_error) == "the client closed the connection"
    assert (server.connections[0].closed_by, server.connections[0].closed_how) == ("client", "FIN")


def test_a_reset_that_answers_our_alert_is_not_how_the_client_left(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, noted = threading.Event(), threading.Event()

    def note_later(*arguments: Any, **settings: Any) -> None:  # Any: as note_end takes them
        failed.set()
        assert noted.wait(10)
        note_end(*arguments, **settings)

    monkeypatch.setattr(secure_server, "note_end", note_later)
    server = start()
    with connect(server) as client:
        client.sendall(hello(server.ca.client_ssl_context())[:50])
    assert failed.wait(10)
    (record,) = server.connections

    assert record.is_open
    noted.set()
    assert server._script.journal.wait(lambda: record.closed is not None, 10)
    assert (record.closed_by, record.closed_how) == ("client", "FIN")


def test_whoever_looks_at_a_connection_that_has_just_ended_learns_nothing_of_it(start: Start) -> None:
    server = start()
    assert server._server is not None
    watching = server._server.watching
    with connect(server) as client:
        client.sendall(hello(server.ca.client_ssl_context())[:50])
        assert server._script.journal.wait(lambda: bool(watching.records), 10)
        (connection,) = watching.records
    server.assert_all_closed()

    assert watching.how_left(connection) is None


@pytest.mark.parametrize("sent", [0, 50, 10_000], ids=["nothing", "half a hello", "a hello"])
def test_a_client_that_stops_is_gone_at_its_deadline(start: Start, sent: int) -> None:
    server = start(TLS(handshake_timeout=0.2))
    with connect(server) as client:
        client.sendall(hello(server.ca.client_ssl_context())[:sent])
        while client.recv(65536):
            pass

    assert str(server.connections[0].tls_error) == "the handshake was not over within 0.2 s"
    assert server.connections[0].closed_how == "timeout"


def test_a_client_that_trickles_is_gone_at_its_deadline(start: Start) -> None:
    server = start(TLS(handshake_timeout=0.3))
    message = hello(server.ca.client_ssl_context())
    with connect(server) as client, pytest.raises(OSError):
        for place in range(100):
            client.sendall(message[place : place + 1])
            time.sleep(0.05)  # what the client does, and not what is waited for

    assert str(server.connections[0].tls_error) == "the handshake was not over within 0.3 s"


def test_a_stop_ends_what_has_not_shaken_hands(start: Start) -> None:
    for fault in (True, "handshake_stall"):
        server = start(fault)
        with connect(server) as silent, connect(server) as begun:
            begun.sendall(hello(server.ca.client_ssl_context()))
            if fault is True:
                assert begun.recv(1)  # so both have been accepted
            server.stop()
            for client in (silent, begun):
                with suppress(ConnectionError):
                    while client.recv(10_000):
                        pass

        assert server.failures == ()
        if fault is True:
            assert [str(record.tls_error) for record in server.connections] == ["the server stopped"] * 2


def test_the_server_of_a_stall_says_nothing_and_ends_with_its_client(start: Start) -> None:
    server = start("handshake_stall")
    with connect(server) as client:
        client.sendall(hello(server.ca.client_ssl_context()))
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(10)
        client.settimeout(10)

    server.assert_all_closed()
    assert str(server.connections[0].tls_error) == "the server says nothing, as the test asked"


def test_two_hundred_silent_clients_hold_nobody_up(start: Start) -> None:
    server = start()
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(server)) for _ in range(100)]
        begun = [stack.enter_context(connect(server)) for _ in range(100)]
        for client in begun:
            client.sendall(hello(server.ca.client_ssl_context())[:20])

        assert b"well" in get(server, server.ca.client_ssl_context())
        assert len(silent) + len(begun) == 200


def test_clients_that_send_anything_are_recorded_and_fail_no_test(start: Start) -> None:
    server = start()
    say = random.Random(7)
    message = hello(server.ca.client_ssl_context())

    def lie(number: int) -> None:
        junk = say.randbytes(say.randrange(1, 400))
        place = say.randrange(len(message))
        data = junk if number % 2 else message[:place] + junk + message[place:]
        with connect(server) as client, suppress(ConnectionError):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lie, range(100)))

    server.assert_all_closed()
    assert len(server.connections) == 100
    assert all(record.tls_error for record in server.connections)
    assert server.failures == ()
    assert b"well" in get(server, server.ca.client_ssl_context())


def test_many_clients_shake_hands_at_once(start: Start) -> None:
    server = start()
    context = server.ca.client_ssl_context()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: get(server, context), range(64)))

    assert all(answer.endswith(b"well") for answer in answers)
    assert len([record for record in server.connections if record.tls]) == 64


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, "the server stopped"),
        (TimeoutError(), "the handshake was not over within 2.5 s"),
        (ConnectionResetError(), "the client reset the connection"),
        (OSError(), "the client closed the connection"),
    ],
)
def test_what_is_said_of_a_handshake_that_failed(error: OSError | None, said: str) -> None:
    assert error_of(error, 2.5) == TLSError(None, said)
