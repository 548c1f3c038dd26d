"""A request that the server does not take: it fails the test with the rule and the line, and counts as nothing."""

import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe
from pytest_httpserve.faults import Close
from pytest_httpserve.scripting.routing.route import Expectation

Say = Callable[[HTTPServe, str | bytes], bytes]

POST = b"POST /a HTTP/1.1\r\nHost: x\r\n"
CODED = POST + b"Transfer-Encoding: chunked\r\n"

# What is sent, what is wrong with it, by which rule, with which answer, and where.
MISTAKES = {
    "no Host": (
        b"GET /a HTTP/1.1\r\n\r\n",
        "HTTP/1.1 requires a Host header, and there is none",
        "RFC 9112 section 3.2, answered with 400",
        [r"line 1 of the head: b'GET /a HTTP/1.1\r\n'"],
    ),
    "two Hosts": (
        b"GET /a HTTP/1.1\r\nHost: x\r\nX: y\r\nHost: z\r\n\r\n",
        "there is more than one Host header: ['x', 'z']",
        "RFC 9112 section 3.2, answered with 400",
        [r"line 2 of the head: b'Host: x\r\n'", r"line 4 of the head: b'Host: z\r\n'"],
    ),
    "bare LF": (
        b"GET /a HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
        r"a header line does not end with CRLF: 'Host: x\n'",
        "RFC 9112 section 2.2, answered with 400",
        [r"line 2 of the head: b'Host: x\n'"],
    ),
    "bare LF in the first line": (
        b"GET /a HTTP/1.1\nHost: x\r\n\r\n",
        r"the request line does not end with CRLF: 'GET /a HTTP/1.1\n'",
        "RFC 9112 section 2.2, answered with 400",
        [r"line 1 of the head: b'GET /a HTTP/1.1\n'"],
    ),
    "a length and chunks": (
        CODED + b"Content-Length: 3\r\n\r\n0\r\n\r\n",
        "Content-Length and Transfer-Encoding are mutually exclusive",
        "RFC 9112 section 6.2, answered with 400",
        [r"line 3 of the head: b'Transfer-Encoding: chunked\r\n'", r"line 4 of the head: b'Content-Length: 3\r\n'"],
    ),
    "a folded field": (
        b"GET /a HTTP/1.1\r\nHost: x\r\nX: y\r\n\tz\r\n\r\n",
        r"a header is folded over two lines, or has whitespace before its name: '\tz'",
        "RFC 9112 section 5.2, answered with 400",
        [r"line 4 of the head: b'\tz\r\n'"],
    ),
    "a blank before the colon": (
        b"GET /a HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n",
        "there is whitespace between a header's name and its colon: 'X : y'",
        "RFC 9112 section 5.1, answered with 400",
        [r"line 3 of the head: b'X : y\r\n'"],
    ),
    "a bare percent sign": (
        b"GET /a%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        "a percent sign in the target is not followed by two hexadecimal digits: '/a%zz'",
        "RFC 3986 section 2.1, answered with 400",
        [r"line 1 of the head: b'GET /a%zz HTTP/1.1\r\n'"],
    ),
    "a fragment": (
        b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
        "a target cannot have a fragment: '/a#b'",
        "RFC 9112 section 3.2, answered with 400",
        [r"line 1 of the head: b'GET /a#b HTTP/1.1\r\n'"],
    ),
    "a chunk that is too long": (
        CODED + b"\r\n3\r\nabcd\r\n0\r\n\r\n",
        r"a chunk is longer than its size says: 'd\r' where CRLF should be",
        "RFC 9112 section 7.1, answered with 400",
        [r"from byte 7 of the body, as it was sent: b'd\r'"],
    ),
    "a coding that is not known": (
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        "the only transfer coding supported here is chunked, not 'gzip, chunked'",
        "RFC 9112 section 6.1, answered with 501",
        [r"line 3 of the head: b'Transfer-Encoding: gzip, chunked\r\n'"],
    ),
    "another version": (
        b"GET /a HTTP/3.0\r\nHost: x\r\n\r\n",
        "HTTP/3.0 is not supported here, HTTP/1.1 and HTTP/1.0 are",
        "RFC 9110 section 2.5, answered with 505",
        [r"line 1 of the head: b'GET /a HTTP/3.0\r\n'"],
    ),
    "HTTP/2": (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "the client speaks HTTP/2, but this server speaks HTTP/1.1 and HTTP/1.0",
        "RFC 9113 section 3.3, answered with 505",
        [r"line 1 of the head: b'PRI * HTTP/2.0\r\n'"],
    ),
    "TLS": (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "the client speaks TLS, but this server speaks plain HTTP (http://)",
        "RFC 9112 section 3, answered with 400",
        [r"line 1 of the head: b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'"],
    ),
    "SOCKS 5 to a server that is not a proxy": (
        b"\x05\x01\x00",
        "the client speaks SOCKS 5, but this server is not a proxy",
        "RFC 9112 section 3, answered with 400",
        [r"line 1 of the head: b'\x05\x01\x00'"],
    ),
    "SOCKS 4": (
        b"\x04\x01\x00\x50\xc0\x00\x02\x07\x00",
        "the client speaks SOCKS 4, but a proxy here speaks SOCKS 5 and HTTP",
        "RFC 9112 section 3, answered with 400",
        [r"line 1 of the head: b'\x04\x01\x00P\xc0\x00\x02\x07\x00'"],
    ),
}


@pytest.mark.parametrize(("sent", "why", "against", "places"), MISTAKES.values(), ids=MISTAKES)
def test_a_refused_request_fails_the_test_with_the_rule_and_the_line(
    server: HTTPServe, say: Say, sent: bytes, why: str, against: str, places: list[str]
) -> None:
    route = server.on("*").respond()

    say(server, sent)

    [failure] = server.take_failures()
    [exchange] = server.exchanges
    lines = failure.split("\n")
    what = "a request" if sent[0] < 32 else str(exchange.request).strip()
    assert lines[0] == f"refused {what}: {why}"
    assert lines[1:] == [f"  against {against}", *(f"  {place}" for place in places), ""]
    assert (exchange.refused, exchange.error) == (True, why)
    assert route.call_count == 0


def test_a_limit_of_the_server_is_no_rule(server: HTTPServe, say: Say) -> None:
    say(server, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    [failure] = server.failures
    assert "\n  answered with 414\n" in failure
    assert len(failure) < 1000


def test_a_refused_request_counts_as_nothing(server: HTTPServe, say: Say) -> None:
    route = server.on("*").respond().expect()
    say(server, b"POST /a HTTP/1.1\r\n\r\n")

    why = r"POST /a was refused \(HTTP/1.1 requires a Host header, and there is none\)"
    with pytest.raises(AssertionError, match=f"^POST /a was not requested: {why}; the server got:"):
        server.assert_requested("POST", "/a")
    with pytest.raises(AssertionError, match=f"^POST /a was not requested within 0 s: {why}; the server got:"):
        server.wait_for("POST", "/a", timeout=0)
    with pytest.raises(AssertionError, match=f"^step 1, POST /a, was not requested: {why}; the server got:"):
        server.assert_requested_in_order(["POST /a"])
    with pytest.raises(AssertionError, match=r"^no further request came within 0 s"):
        server.take_request(timeout=0)
    with pytest.raises(AssertionError, match=f"was not called, expected at least once: {why}"):
        route.assert_called()
    with pytest.raises(AssertionError, match=r"^expected no requests; the server got:\n  POST /a -> 400 .*\(refused: "):
        server.assert_no_requests()
    server.assert_not_requested("POST", "/a")
    assert server.requested() == []

    requests.get(server.url_for("/b"), timeout=10)
    assert server.take_request().path == "/b"
    server.assert_requested("*", times=1)


def test_what_was_kept_of_it_is_refused_still(server: HTTPServe, say: Say) -> None:
    say(server, b"POST /a HTTP/1.1\r\n\r\n")
    server.stop()
    assert type(server._script.journal._kept[1]) is tuple

    with pytest.raises(AssertionError, match=r"^no further request came"):
        server.take_request(timeout=0)
    assert [exchange.refused for exchange in server.exchanges] == [True]


def test_a_refused_request_shows_no_credentials(server: HTTPServe, say: Say) -> None:
    say(server, b"GET /a HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer c2VjcmV0\r\n\r\n")

    [failure] = server.failures
    assert "c2VjcmV0" not in failure + str(server.exchanges[0].error)
    assert r"line 3 of the head: b'Authorization : Bearer ***\r\n'" in failure


# Broken off


@pytest.mark.parametrize(
    ("sent", "came"),
    [
        (b"GET /a HT", "within the request line: 9 bytes of its head came"),
        (b"GET /a HTTP/1.1\r\nHos", "within the head: 20 bytes of its head came"),
        (POST + b"Content-Length: 9\r\n\r\nab", "within the body: 2 of 9 bytes of its body came"),
        (CODED + b"\r\n2\r\nab", "within the body: 5 bytes of its body came, without the last chunk"),
    ],
)
def test_a_client_that_ends_within_its_request_fails_the_test(server: HTTPServe, sent: bytes, came: str) -> None:
    server.on("*").respond()
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(sent)
    server.settle()  # which waits until it is accepted

    [failure] = server.failures
    [exchange] = server.exchanges
    assert failure.startswith(f"refused {exchange.request}: the client ended the connection {came}\n")
    assert "  against RFC 9112 section 8, answered with 400\n  the bytes that came end with b'" in failure
    assert exchange.refused


def test_a_body_that_an_application_reads_to_its_early_end_fails_the_test(server: HTTPServe) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        assert environ["wsgi.input"].read() == b"ab"
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    server.mount("/", application)
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(POST + b"Content-Length: 9\r\n\r\nab")
        client.shutdown(socket.SHUT_WR)
        client.makefile("rb").read()
    server.stop()

    [failure] = server.failures
    assert failure.startswith("refused POST /a: the client ended the connection within the body: 2 of 9 bytes")
    assert server.exchanges[0].refused


def test_a_client_that_has_its_answer_may_leave_the_rest_of_its_body(server: HTTPServe) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        start_response("413 Content Too Large", [("Content-Length", "0")])
        return [b""]

    server.mount("/", application)
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(POST + b"Content-Length: 9\r\n\r\nab")
        assert client.recv(65_536).startswith(b"HTTP/1.1 413 ")
    server.settle()

    assert server.failures == ()
    server.assert_requested("POST", "/a")


@pytest.mark.parametrize("sent", [b"GET /a HT", POST + b"Content-Length: 9\r\n\r\nab"])
def test_a_reset_within_a_request_is_shown_and_fails_nothing(server: HTTPServe, sent: bytes) -> None:
    client = socket.create_connection((server.host, server.port), timeout=10)
    client.sendall(sent)
    assert server._script.journal.wait(lambda: len(server.connections) == 1, 10)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    server.settle()
    server.stop()

    assert server.failures == ()
    assert all(exchange.refused for exchange in server.exchanges)


@pytest.mark.parametrize("sent", [b"GET /a HT", POST + b"Content-Length: 9\r\n\r\nab"])
def test_what_the_end_of_the_test_breaks_off_fails_nothing(server: HTTPServe, sent: bytes) -> None:
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(sent)
        server.settle()
    server.stop()

    assert server.failures == ()


def test_what_the_end_of_the_server_breaks_off_fails_nothing() -> None:
    with HTTPServe() as server:
        client = socket.create_connection((server.host, server.port), timeout=10)
        client.sendall(POST + b"Content-Length: 9\r\n\r\nab")
    client.close()


def test_what_is_no_request_is_called_one_and_what_is_long_is_cut(server: HTTPServe, say: Say) -> None:
    """The mistake is in sight, whatever the request looks like."""
    route = server.on("*").respond()
    say(server, bytes.fromhex("16030100050100000100") + bytes(40))
    say(server, b"GET /a#" + b"b" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    speaks_tls, fragment = server.failures
    assert speaks_tls.startswith("refused a request: the client speaks TLS")
    assert fragment.startswith("refused GET /a#bbb")
    with pytest.raises(AssertionError) as caught:
        server.assert_requested("GET", "/a")
    for text in (str(caught.value), route.describe_calls(Expectation(1, 1))):
        assert "was refused (a target cannot have a fragment: '/a#bb" in text.partition("\n")[0]


# What is left over


def test_bytes_behind_a_body_that_announced_less_fail_the_test(server: HTTPServe) -> None:
    server.on("POST", "/a").respond()
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(POST + b'Content-Length: 2\r\n\r\n{}"}')
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        server.settle()

        [failure] = server.failures
    begin = "2 extra bytes came right after POST /a, which announced a body of 2 bytes: "
    assert failure == begin + """b'"}'\n  against RFC 9112 section 6.3\n"""


def test_bytes_that_are_no_request_are_told_from_where_they_came(server: HTTPServe, say: Say) -> None:
    server.on("POST", "/a").respond()
    say(server, POST + b'Content-Length: 2\r\n\r\n{}"}\r\n')

    [failure] = server.failures
    hint = "  it came right after POST /a, which announced a body of 2 bytes: do these bytes belong to it?"
    assert hint in failure


@pytest.mark.parametrize(
    ("sent", "before"),
    [
        (b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a, which announced no body"),
        (POST + b"Content-Length: 2\r\n\r\nab", "POST /a, which announced a body of 2 bytes"),
        (CODED + b"\r\n0\r\n\r\n", "POST /a, whose body came in chunks"),
    ],
)
def test_what_came_before_the_bytes_is_described(server: HTTPServe, sent: bytes, before: str) -> None:
    server.on("*").respond()
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(sent + b"!")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        server.settle()

    [failure] = server.failures
    assert failure == f"1 extra byte came right after {before}: b'!'\n  against RFC 9112 section 6.3\n"


def test_pipelined_requests_are_none(server: HTTPServe, say: Say) -> None:
    server.on("*").respond()
    say(server, POST + b"Content-Length: 2\r\n\r\n{}GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    server.settle()

    assert server.failures == ()
    server.assert_requested_in_order(["POST /a", "GET /b"])


def test_what_a_fault_breaks_off_fails_nothing(server: HTTPServe) -> None:
    server.fault(Close(after=1, phase="request_body"))
    server.on("POST", "/a").respond()
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(POST + b"Content-Length: 9\r\n\r\nab")
        client.shutdown(socket.SHUT_WR)
        client.makefile("rb").read()
    server.settle()

    assert server.failures == ()


def test_tls_to_a_server_that_is_to_speak_none_fails_nothing(say: Say) -> None:
    with HTTPServe(tls="plain_http") as server:
        say(server, MISTAKES["TLS"][0])

        assert [exchange.refused for exchange in server.exchanges] == [True]
