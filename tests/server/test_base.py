"""BaseHTTPRequestHandler: from a request on the wire to a do_* method, and from its calls to a response."""

from __future__ import annotations

import email
import queue
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pytest_httpserve.server import BaseHTTPRequestHandler, HTTPServer
from pytest_httpserve.wire import Limits

if TYPE_CHECKING:
    from tests.server.conftest import Client, Serve

    Connect = Callable[[HTTPServer], Client]

PATIENCE = 5.0


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"
    timeout: ClassVar[float | None] = PATIENCE

    def answer(self, body: bytes, *fields: tuple[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer(f"{self.command} {self.path} {self.request_version}".encode("latin-1"))

    def do_POST(self) -> None:
        self.answer(self.rfile.read())

    do_OPTIONS = do_spam = do_GET


class Strict(Handler):
    strict: ClassVar[bool] = True


class Old(Handler):
    protocol_version = "HTTP/1.0"


ANY_HANDLER = pytest.mark.parametrize("handler", [Handler, Strict, Old])

# What a handler is told


@ANY_HANDLER
def test_a_method_calls_its_do_method(serve: Serve, connect: Connect, handler: type[Handler]) -> None:
    server = serve(handler)
    for method in ("GET", "OPTIONS", "spam"):
        assert connect(server).request(method, "/a?b").body == f"{method} /a?b HTTP/1.1".encode()


@ANY_HANDLER
def test_a_method_without_a_do_method_is_not_implemented(
    serve: Serve, connect: Connect, handler: type[Handler]
) -> None:
    client = connect(serve(handler))
    answer = client.request("BREW", body=b"coffee")
    assert (answer.status, answer.reason) == (501, "Unsupported method ('BREW')")
    assert client.rest() == b""


def test_a_handler_sees_who_asked_whom(serve: Serve, connect: Connect) -> None:
    seen: list[object] = []

    class Seeing(Handler):
        def do_GET(self) -> None:
            seen.extend([self.client_address, self.server, self.requestline, self.raw_requestline])
            super().do_GET()

    server = serve(Seeing)
    client = connect(server)
    client.get("/x")
    assert seen == [client.socket.getsockname(), server, "GET /x HTTP/1.1", b"GET /x HTTP/1.1\r\n"]


@pytest.mark.parametrize("target", ["//evil.example/%2e%2e", "///evil.example/.."])
def test_slashes_at_the_beginning_of_a_path_are_one(serve: Serve, connect: Connect, target: str) -> None:
    assert connect(serve(Handler)).get(target).body == f"GET /{target.lstrip('/')} HTTP/1.1".encode()


def test_requests_sent_together_are_answered_in_order(serve: Serve, connect: Connect) -> None:
    client = connect(serve(Handler))
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: test\r\n\r\n" % n for n in range(50)))
    assert [client.answer().body for _ in range(50)] == [b"GET /%d HTTP/1.1" % n for n in range(50)]


@pytest.mark.parametrize(("decodes", "chunked"), [(False, b"3\r\ntwo\r\n0\r\n\r\n"), (True, b"two")])
def test_requests_with_bodies_sent_together_are_answered_in_order(
    serve: Serve, connect: Connect, decodes: bool, chunked: bytes
) -> None:
    """A body in chunks comes as it was sent, unless the handler asks for another way: its end is known both times."""
    client = connect(serve(type("Decoding", (Handler,), {"decodes_body": decodes})))
    client.send(
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\none"
        b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
        b"GET /three HTTP/1.1\r\nHost: test\r\n\r\n"
    )
    assert [client.answer().body for _ in range(3)] == [b"one", chunked, b"GET /three HTTP/1.1"]


def test_requests_that_were_sent_before_the_client_ended_are_answered(serve: Serve, connect: Connect) -> None:
    client = connect(serve(Handler))
    client.send(b"GET /1 HTTP/1.1\r\nHost: test\r\n\r\nGET /2 HTTP/1.1\r\nHost: test\r\n\r\n")
    client.end_sending()
    assert [client.answer().body, client.answer().body] == [b"GET /1 HTTP/1.1", b"GET /2 HTTP/1.1"]
    assert client.rest() == b""


def test_empty_lines_before_a_request_are_skipped(serve: Serve, connect: Connect) -> None:
    client = connect(serve(Strict))
    client.send(b"\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert [client.answer().status, client.answer().status] == [200, 200]


# Keep-alive


def lasts(client: Client) -> bool:
    """Whether the connection takes another request."""
    client.socket.settimeout(PATIENCE)
    try:
        return client.request("GET", "/again").status == 200
    except (EOFError, ConnectionError):
        return False


@pytest.mark.parametrize(
    ("handler", "version", "connection", "said"),
    [
        (Handler, "HTTP/1.1", None, None),
        (Handler, "HTTP/1.1", "close", "close"),
        (Handler, "HTTP/1.1", "x, Close", "close"),
        (Handler, "HTTP/1.1", "keep-alive", None),
        (Handler, "HTTP/1.0", None, "close"),
        (Handler, "HTTP/1.0", "Keep-Alive", "keep-alive"),
        (Handler, "HTTP/1.0", "close", "close"),
        (Old, "HTTP/1.1", None, None),
        (Old, "HTTP/1.0", "keep-alive", None),
    ],
)
def test_a_connection_lasts_where_both_sides_can(
    serve: Serve, connect: Connect, handler: type[Handler], version: str, connection: str | None, said: str | None
) -> None:
    client = connect(serve(handler))
    fields = [f"Connection: {connection}"] if connection else []
    answer = client.request("GET", "/", *fields, version=version)
    assert answer.headers.get("Connection") == said
    assert lasts(client) == (handler is not Old and said != "close")


def test_a_response_without_a_length_ends_with_its_connection(serve: Serve, connect: Connect) -> None:
    class Endless(Handler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"until the end")

    client = connect(serve(Endless))
    answer = client.get()
    assert (answer.body, answer.headers["Connection"]) == (b"until the end", "close")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 205)])
def test_a_response_without_a_body_needs_no_length(serve: Serve, connect: Connect, method: str, status: int) -> None:
    class Bare(Handler):
        def do_GET(self) -> None:
            if self.path == "/again":
                return super().do_GET()
            self.send_response(status)
            self.end_headers()

        do_HEAD = do_GET

    client = connect(serve(Bare))
    answer = client.request(method)
    assert (answer.status, answer.body, "Connection" in answer.headers) == (status, b"", False)
    assert lasts(client)


def test_a_chunked_response_keeps_its_connection(serve: Serve, connect: Connect) -> None:
    class Chunked(Handler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")

    client = connect(serve(Chunked))
    assert [client.get().body, client.get().body] == [b"hello", b"hello"]


def test_a_handler_may_end_the_connection(serve: Serve, connect: Connect) -> None:
    class Last(Handler):
        def do_GET(self) -> None:
            self.close_connection = True
            super().do_GET()

    client = connect(serve(Last))
    assert client.get().headers["Connection"] == "close"
    assert client.rest() == b""


def test_a_handler_may_say_close_itself(serve: Serve, connect: Connect) -> None:
    class Last(Handler):
        def do_GET(self) -> None:
            self.answer(b"x", ("connection", "close"))

    client = connect(serve(Last))
    assert client.get().headers.get_all("Connection") == ["close"]
    assert client.rest() == b""


@pytest.mark.parametrize(
    ("method", "announced", "written"), [("GET", 10, 5), ("GET", 5, 10), ("GET", 5, 0), ("GET", 0, 5), ("HEAD", 5, 5)]
)
def test_a_handler_that_writes_other_than_it_announced_ends_its_connection(
    serve: Serve, connect: Connect, method: str, announced: int, written: int
) -> None:
    class Wrong(Handler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(announced))
            self.end_headers()
            self.wfile.write(b"x" * written)

        do_HEAD = do_GET

    client = connect(serve(Wrong))
    client.send(f"{method} / HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    client.until(b"\r\n\r\n")
    assert client.rest() == b"x" * written


@pytest.mark.parametrize("status", [204, 304])
def test_a_body_where_there_is_none_ends_the_connection(serve: Serve, connect: Connect, status: int) -> None:
    class Chatty(Handler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")

    client = connect(serve(Chatty))
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    client.until(b"\r\n\r\n")
    client.rest()


@pytest.mark.parametrize("wbufsize", [0, -1])
def test_a_handler_that_answers_nothing_ends_its_connection(serve: Serve, connect: Connect, wbufsize: int) -> None:
    class Silent(Handler):
        def do_GET(self) -> None:
            pass

    Silent.wbufsize = wbufsize
    client = connect(serve(Silent))
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert client.rest() == b""


def test_a_handler_that_answers_nothing_after_an_answer_ends_its_connection(serve: Serve, connect: Connect) -> None:
    class Fickle(Handler):
        def do_DELETE(self) -> None:
            pass

    client = connect(serve(Fickle))
    assert client.get("/").status == 200
    client.send(b"DELETE / HTTP/1.1\r\nHost: test\r\n\r\n")

    assert client.rest() == b"", "the client waits for an answer that does not come"


def test_a_handler_may_write_its_head_itself(serve: Serve, connect: Connect) -> None:
    class Own(Handler):
        def do_GET(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok")

    client = connect(serve(Own))
    assert [client.get().reason, client.get().body] == ["Fine", b"ok"]


# HTTP/1.0 and HTTP/0.9


def test_http_0_9_is_answered_with_the_body_alone(serve: Serve, connect: Connect) -> None:
    client = connect(serve(Handler))
    client.send(b"GET /old\r\n")
    assert client.rest() == b"GET /old HTTP/0.9"


def test_http_0_9_with_its_version_is_answered_with_the_body_alone(serve: Serve, connect: Connect) -> None:
    client = connect(serve(Handler))
    client.send(b"GET /old HTTP/0.9\r\n\r\n")
    assert client.rest() == b"GET /old HTTP/0.9"


def test_an_error_in_http_0_9_has_no_head(serve: Serve, connect: Connect) -> None:
    class Refusing(Handler):
        def do_GET(self) -> None:
            self.send_error(404)

    client = connect(serve(Refusing))
    client.send(b"GET /old\r\n")
    assert client.rest().startswith(b"<!DOCTYPE HTML>")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET   /a\t HTTP/1.1  \r\nHost: test\r\n\r\n",
        b"GET /a HTTP/1.1\nHost: test\n\n",
        b"GET /a HTTP/1.1\r\nX: y\r\n\r\n",
        b"GET /a HTTP/1.1\r\n\r\n",
        b"GET /a HTTP/1.0\r\n\r\n",
    ],
)
def test_the_lenient_handler_takes_what_http_server_takes(serve: Serve, connect: Connect, request_bytes: bytes) -> None:
    client = connect(serve(Handler))
    client.send(request_bytes)
    assert client.answer().body.startswith(b"GET /a HTTP/1.")


@pytest.mark.parametrize("target", [b"/a#b", b"/\xc3\xa9", b'/"<>\\^`{|}', b"no-slash"])
def test_the_lenient_handler_takes_any_target(serve: Serve, connect: Connect, target: bytes) -> None:
    client = connect(serve(Handler))
    client.send(b"GET " + target + b" HTTP/1.1\r\nHost: test\r\n\r\n")
    assert client.answer().body == b"GET " + target + b" HTTP/1.1"


# What is refused

FRAMING = {
    400: [
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n1",
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1, 2\r\n\r\n1",
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: +1\r\n\r\n1",
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1_0\r\n\r\n1",
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: \r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nHost: other\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / / HTTP/1.1\r\nHost: test\r\n\r\n",
        b"POST /\r\n\r\n",
        b"GET / HTTP/x\r\n\r\n",
        b"G@T / HTTP/1.1\r\nHost: test\r\n\r\n",
    ],
    417: [b"POST / HTTP/1.1\r\nHost: test\r\nExpect: the unexpected\r\nContent-Length: 1\r\n\r\n1"],
    431: [
        b"GET / HTTP/1.1\r\nHost: test\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"y" * 300_000,
    ],
    414: [b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: test\r\n\r\n", b"GET /" + b"a" * 70_000],
    413: [b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 9999999999999999\r\n\r\n"],
    501: [b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
    505: [b"GET / HTTP/2.0\r\nHost: test\r\n\r\n"],
}
ONLY_STRICT = {
    400: [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\nHost: test\n\n",
        b"GET / HTTP/1.1\r\nHost: test\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX: y\n\n",
        b"GET  / HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET / HTTP/1.1 \r\nHost: test\r\n\r\n",
        b" GET / HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET\t/ HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET no-slash HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET /a#b HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET /\x7f HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET /\r\n\r\n",
    ],
    505: [b"GET / HTTP/0.9\r\n\r\n"],
}


def cases(*tables: dict[int, list[bytes]]) -> list[Any]:
    return [
        pytest.param(status, request_bytes, id=f"{status}-{request_bytes[:90]!r}")
        for table in tables
        for status, requests in table.items()
        for request_bytes in requests
    ]


def is_refused(client: Client, request_bytes: bytes, status: int) -> None:
    """The client reads the whole answer, although the server takes no more of the request; nothing follows."""
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"
    client.send(request_bytes + smuggled * 100)
    answer = client.answer()
    assert answer.status == status, answer.body.decode()
    assert answer.headers["Connection"] == "close"
    assert answer.body.endswith(b"</html>\n")
    client.end_sending()
    assert client.rest() == b""


@pytest.mark.parametrize(("status", "request_bytes"), cases(FRAMING, ONLY_STRICT))
def test_the_strict_handler_refuses_what_is_invalid(
    serve: Serve, connect: Connect, status: int, request_bytes: bytes
) -> None:
    is_refused(connect(serve(Strict)), request_bytes, status)


@pytest.mark.parametrize(("status", "request_bytes"), cases(FRAMING))
def test_the_lenient_handler_refuses_what_is_ambiguous(
    serve: Serve, connect: Connect, status: int, request_bytes: bytes
) -> None:
    is_refused(connect(serve(Handler)), request_bytes, status)


@pytest.mark.parametrize(
    ("limits", "status", "request_bytes"),
    [
        (Limits(request_line=20), 414, b"GET /789012345678 HTTP/1.1\r\nHost: t\r\n\r\n"),
        (Limits(header_line=10), 431, b"GET / HTTP/1.1\r\nHost: t\r\nX: 45678901\r\n\r\n"),
        (Limits(header_count=2), 431, b"GET / HTTP/1.1\r\nHost: t\r\nX: 1\r\nX: 2\r\n\r\n"),
        (Limits(head=30), 431, b"GET / HTTP/1.1\r\nHost: t\r\nX: 1234567890\r\nX: 1234567890\r\n\r\n"),
        (Limits(body=9), 413, b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n1234567890"),
        (Limits(body=9), 413, b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\na\r\n"),
        (
            Limits(trailers=9),
            400,
            b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: 3456789\r\n",
        ),
        (Limits(chunk_line=9), 400, b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1;3=567890\r\nx"),
    ],
)
def test_limits_can_be_set_and_have_their_answers(
    serve: Serve, connect: Connect, limits: Limits, status: int, request_bytes: bytes
) -> None:
    class Limited(Strict):
        pass

    Limited.limits = limits
    is_refused(connect(serve(Limited)), request_bytes, status)


def test_a_body_that_outgrows_its_limit_while_a_handler_reads_it_is_answered_with_413(
    serve: Serve, connect: Connect
) -> None:
    class Limited(Strict):
        limits = Limits(body=10)

    client = connect(serve(Limited))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    client.send(b"6\r\nhello!\r\n")
    assert client.answer().status == 413


def test_what_is_wrong_with_a_request_is_said_in_the_reason_and_on_the_page(serve: Serve, connect: Connect) -> None:
    answer = connect(serve(Strict)).get("/", "X : y")
    assert (answer.status, answer.reason) == (400, "there is whitespace between a header's name and its colon: 'X : y'")
    assert b"there is whitespace between a header's name and its colon" in answer.body


def test_what_is_quoted_of_a_long_request_is_cut(serve: Serve, connect: Connect) -> None:
    answer = connect(serve(Strict)).get("/", "X" * 10_000)
    assert answer.status == 400
    assert len(answer.reason) < 1_000, "the client gets its whole line back"


def test_a_refusal_reaches_an_override_of_send_error_with_two_parameters(serve: Serve, connect: Connect) -> None:
    class Terse(Strict):
        def send_error(self, code: int, message: str | None = None) -> None:  # type: ignore[override]  # as some do
            super().send_error(code, f"sorry: {message}")

    assert connect(serve(Terse)).get("/", "X : y").reason.startswith("sorry: there is whitespace")


# 100-continue


def test_a_client_that_waits_for_100_is_told_to_go_on(serve: Serve, connect: Connect) -> None:
    client = connect(serve(Handler))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"hello")
    assert client.answer().body == b"hello"
    assert lasts(client)


@pytest.mark.parametrize(("handler", "version"), [(Handler, "HTTP/1.0"), (Old, "HTTP/1.1")])
def test_nobody_of_http_1_0_is_told_to_go_on(
    serve: Serve, connect: Connect, handler: type[Handler], version: str
) -> None:
    client = connect(serve(handler))
    client.send(f"POST / {version}\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello".encode())
    assert client.answer().status == 200


def test_a_handler_may_refuse_before_the_body_comes(serve: Serve, connect: Connect) -> None:
    class Choosy(Handler):
        def handle_expect_100(self) -> bool:
            self.send_error(413)
            return False

        def do_POST(self) -> None:
            raise AssertionError("the request was refused")

    client = connect(serve(Choosy))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert client.answer().status == 413
    client.end_sending()
    assert client.rest() == b""


def test_interim_responses_of_a_handler_go_before_the_final_one(serve: Serve, connect: Connect) -> None:
    class Hinting(Handler):
        def do_GET(self) -> None:
            self.send_response_only(103)
            self.send_header("Link", "</style.css>; rel=preload")
            self.end_headers()
            super().do_GET()

    client = connect(serve(Hinting))
    hint = client.get()
    assert (hint.status, hint.headers["Link"]) == (103, "</style.css>; rel=preload")
    assert client.answer().status == 200
    assert client.get().status == 103


# Leaving HTTP


def test_after_101_rfile_is_the_connection(serve: Serve, connect: Connect) -> None:
    class Upgrading(Handler):
        def do_GET(self) -> None:
            self.send_response(101)
            self.send_header("Upgrade", "echo")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            while data := self.rfile.read1(100):
                self.wfile.write(data.upper())

    client = connect(serve(Upgrading))
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nearly ")
    head = client.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"\r\nConnection: Upgrade\r\n" in head
    assert b"close" not in head
    assert client.until(b"EARLY ")
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert client.until(b"\r\n\r\n") == b"GET / HTTP/1.1\r\n\r\n"
    client.end_sending()
    assert client.rest() == b""


def test_after_a_successful_connect_rfile_is_the_connection(serve: Serve, connect: Connect) -> None:
    class Tunnel(Strict):
        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.rfile.readline()[::-1])

    client = connect(serve(Tunnel))
    client.send(b"CONNECT test:443 HTTP/1.1\r\nHost: test:443\r\n\r\n")
    head = client.until(b"\r\n\r\n")
    assert b"Connection" not in head
    client.send(b"abc\n")
    assert client.until(b"\ncba") == b"\ncba"


# Handlers that fail


@pytest.mark.parametrize("moment", ["at once", "after send_response", "after send_header", "by a header it sends"])
def test_a_handler_that_raises_before_its_answer_is_answered_for_with_500(
    serve: Serve, connect: Connect, moment: str
) -> None:
    class Failing(Handler):
        def do_GET(self) -> None:
            if moment != "at once":
                self.send_response(200)
            if moment == "after send_header":
                self.send_header("Content-Length", "1000")
                self.send_header("Connection", "keep-alive")
            if moment == "by a header it sends":
                self.send_header("X", "a\r\nY: b")
            raise LookupError

    client = connect(serve(Failing))
    answer = client.get()
    assert (answer.status, answer.headers["Connection"]) == (500, "close")
    assert client.rest() == b""
    assert isinstance(serve.take_error(), (LookupError, ValueError))


@pytest.mark.parametrize(("fails", "told"), [("parse_request", "parse_request"), ("send_error", "do_FAIL")])
def test_the_error_of_a_handler_is_told_of_wherever_it_is_raised(
    serve: Serve, connect: Connect, fails: str, told: str
) -> None:
    def failing(name: str) -> Callable[..., None]:
        def fail(*args: object) -> None:
            raise LookupError(name)

        return fail

    client = connect(serve(type("Failing", (Handler,), {name: failing(name) for name in (fails, "do_FAIL")})))
    client.send(b"FAIL / HTTP/1.1\r\nHost: test\r\n\r\n")
    client.rest()
    assert str(serve.take_error()) == told


@pytest.mark.parametrize("flush", [True, False])
def test_a_handler_that_raises_in_its_answer_ends_it_there(serve: Serve, connect: Connect, flush: bool) -> None:
    class Failing(Handler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
            if flush:
                self.wfile.flush()
            self.wfile.write(b"hello")
            raise LookupError

    client = connect(serve(Failing))
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert client.rest().endswith(b"\r\n\r\nhello")
    assert isinstance(serve.take_error(), LookupError)


def test_an_os_error_of_the_handler_is_an_error_of_the_handler(serve: Serve, connect: Connect) -> None:
    class Failing(Handler):
        def do_GET(self) -> None:
            raise ConnectionResetError("some other connection")

    assert connect(serve(Failing)).get().status == 500
    assert isinstance(serve.take_error(), ConnectionResetError)


def test_a_handler_that_fails_does_so_once(serve: Serve, connect: Connect) -> None:
    """The server serves on, and the failure is not told twice, as ``serve`` checks in the end."""

    class Failing(Handler):
        def do_GET(self) -> None:
            if self.path == "/fail":
                raise LookupError
            super().do_GET()

    server = serve(Failing)
    assert connect(server).get("/fail").status == 500
    serve.take_error()
    assert connect(server).get("/").status == 200


# What is sent


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n", "\0"])
@pytest.mark.parametrize(
    "inject",
    [
        lambda handler, text: handler.send_header("X", text),
        lambda handler, text: handler.send_header(text, "X"),
        lambda handler, text: handler.send_header("Content-Length", text),
        lambda handler, text: handler.send_response(200, text),
        lambda handler, text: handler.send_response_only(200, text),
        lambda handler, text: handler.send_error(404, text),
    ],
    ids=["value", "name", "length", "reason", "reason only", "error"],
)
def test_a_line_end_does_not_get_into_a_head(
    serve: Serve, connect: Connect, inject: Callable[[Handler, str], None], end: str
) -> None:
    class Injecting(Handler):
        def do_GET(self) -> None:
            self.send_response(200)
            inject(self, f"a{end}Injected: yes")

    answer = connect(serve(Injecting)).get()
    assert answer.status == 500
    assert "Injected" not in answer.headers
    assert isinstance(serve.take_error(), ValueError)


def test_a_response_names_its_server_and_the_time(serve: Serve, connect: Connect) -> None:
    class Named(Handler):
        server_version = "Test/1"
        sys_version = "Python"

    answer = connect(serve(Named)).get()
    assert answer.headers["Server"] == "Test/1 Python"
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", answer.headers["Date"])


def test_headers_go_out_in_order_and_as_spelled(serve: Serve, connect: Connect) -> None:
    class Many(Handler):
        def do_GET(self) -> None:
            self.answer(b"", ("x-B", "1"), ("Set-Cookie", "a=1"), ("X-a", "2"), ("Set-Cookie", "b=2"), ("é", "ü"))

    class Alone(Many):
        def send_response(self, code: int, message: str | None = None) -> None:
            self.send_response_only(code, message)

    client = connect(serve(Alone))
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert client.until(b"\r\n\r\n").decode("latin-1") == (
        "HTTP/1.1 200 OK\r\nx-B: 1\r\nSet-Cookie: a=1\r\nX-a: 2\r\nSet-Cookie: b=2\r\né: ü\r\nContent-Length: 0\r\n\r\n"
    )


def test_an_error_page_is_escaped(serve: Serve, connect: Connect) -> None:
    class Refusing(Handler):
        def do_GET(self) -> None:
            self.send_error(404, "<b>&", f"<script>{self.path}</script>")

    answer = connect(serve(Refusing)).get("/<x>")
    assert answer.reason == "<b>&"
    assert b"<p>Error code: 404</p>\n<p>Message: &lt;b&gt;&amp;.</p>\n" in answer.body
    assert b"&lt;script&gt;/&lt;x&gt;&lt;/script&gt;" in answer.body
    assert b"<script" not in answer.body


def test_an_error_has_a_page_a_length_and_the_end_of_the_connection(serve: Serve, connect: Connect) -> None:
    class Refusing(Handler):
        error_message_format = "%(code)d|%(message)s|%(explain)s"
        error_content_type = "text/x-own"

        def do_GET(self) -> None:
            self.send_error(404)

    client = connect(serve(Refusing))
    answer = client.get()
    assert answer.body == b"404|Not Found|Nothing matches the given URI"
    assert answer.headers["Content-Type"] == "text/x-own"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["Connection"] == "close"
    assert client.rest() == b""


def test_an_error_with_a_code_nobody_knows(serve: Serve, connect: Connect) -> None:
    class Refusing(Handler):
        def do_GET(self) -> None:
            self.send_error(599)

    answer = connect(serve(Refusing)).get()
    assert (answer.status, answer.reason) == (599, "???")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 404), ("GET", 204), ("GET", 304), ("GET", 205)])
def test_an_error_without_a_page(serve: Serve, connect: Connect, method: str, status: int) -> None:
    class Refusing(Handler):
        def do_GET(self) -> None:
            self.send_error(status)

        do_HEAD = do_GET

    client = connect(serve(Refusing))
    client.send(f"{method} / HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    head = client.until(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert (b"Content-Length" in head) == (method == "HEAD")
    assert client.rest() == b""


def test_a_head_in_parts_is_sent_as_one(serve: Serve, connect: Connect) -> None:
    class Parts(Handler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.flush_headers()
            self.send_header("Content-Length", "0")
            self.end_headers()

    client = connect(serve(Parts))
    assert [client.get().status, client.get().status] == [200, 200]


# The log


@pytest.fixture
def logged(serve: Serve, connect: Connect, capfd: pytest.CaptureFixture[str]) -> Callable[[bytes], list[str]]:
    def logged(request_bytes: bytes, handler: type[Handler] = Handler) -> list[str]:
        server = serve(handler)
        client = connect(server)
        client.send(request_bytes)
        client.end_sending()
        client.rest()
        server.shutdown()
        server.server_close()
        return capfd.readouterr().err.splitlines(keepends=True)

    return logged


def test_a_request_is_logged_with_its_client_and_its_answer(logged: Callable[[bytes], list[str]]) -> None:
    (line,) = logged(b"GET /x?y HTTP/1.1\r\nHost: test\r\n\r\n")
    assert re.fullmatch(
        r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4} \d\d:\d\d:\d\d\] "GET /x\?y HTTP/1\.1" 200 -\n', line
    )


def test_a_request_cannot_write_into_the_log(logged: Callable[[bytes], list[str]]) -> None:
    lines = logged(b'GET /\x1b[31m"\\x0a\x9b HTTP/1.1\r\nHost: test\r\n\r\n')
    assert len(lines) == 1
    assert r'"GET /\x1b[31m"\\x0a\x9b HTTP/1.1" 200 -' in lines[0]


def test_an_invalid_request_cannot_write_into_the_log(logged: Callable[[bytes], list[str]]) -> None:
    lines = logged(b"GET /\r127.0.0.1 - - \x08\x7f\x85 HTTP/1.1\r\nHost: test\r\nX\x1b: y\r\n\r\n")
    assert all(line.startswith("127.0.0.1 - - [") for line in lines)
    assert all(line.strip("\n").isprintable() for line in lines)


def test_a_line_that_is_too_long_is_not_logged(logged: Callable[[bytes], list[str]]) -> None:
    assert all(len(line) < 300 for line in logged(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n"))


def test_a_client_that_only_comes_and_goes_is_not_logged(logged: Callable[[bytes], list[str]]) -> None:
    assert logged(b"") == []


def test_logging_can_be_overridden(serve: Serve, connect: Connect) -> None:
    calls: list[tuple[str, str]] = []

    class Logging(Handler):
        def log_message(self, format: str, *args: Any) -> None:
            calls.append(("message", format % args))

        def log_error(self, format: str, *args: Any) -> None:
            calls.append(("error", format % args))

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            calls.append(("request", str(code)))

    server = serve(Logging)
    connect(server).get()
    connect(server).request("BREW")
    assert calls == [("request", "200"), ("error", "code 501, message Unsupported method ('BREW')"), ("request", "501")]


def test_a_handler_can_be_used_by_many_threads_at_once(serve: Serve, connect: Connect) -> None:
    server = serve(Handler)
    failures: list[BaseException] = []

    def ask(number: int) -> None:
        try:
            client = connect(server)
            for n in range(30):
                path = f"/{number}/{n}"
                assert client.get(path).body == f"GET {path} HTTP/1.1".encode()
                assert client.request("POST", body=path.encode()).body == path.encode()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failures


@pytest.mark.parametrize(
    "pieces",
    [
        (b"GET /a HTTP/1.0\r\n", b"\r\n"),
        (b"GET /a HTTP/1.0\r\n\r", b"\n"),
        (b"GET /a HTTP/1.0\r\nX: y\r\n", b""),
        (b"GET /a HTTP/1.0\r\nX: y", b""),
        (b"GET /a HTTP/1.0\n", b""),
    ],
    ids=repr,
)
def test_a_head_that_ends_later_or_with_the_input_is_answered(
    serve: Serve, connect: Connect, pieces: tuple[bytes, bytes]
) -> None:
    class Hello(BaseHTTPRequestHandler):
        rbufsize = 0  # so that each piece is looked at by itself

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

    client = connect(serve(Hello))
    client.send(pieces[0])
    if pieces[1]:
        client.send(pieces[1])
    else:
        client.end_sending()
    assert client.answer().body == b"hello"


def test_the_headers_of_a_multipart_request_are_a_message_without_a_body(serve: Serve, connect: Connect) -> None:
    seen: queue.Queue[tuple[object, list[object]]] = queue.Queue()

    class Upload(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            message = email.message_from_bytes(self.headers.as_bytes() + body)
            seen.put((self.headers.get_payload(), [part.get_payload() for part in message.walk()][1:]))
            self.send_response(204)
            self.end_headers()

    body = b"--b\r\nX: y\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n"
    client = connect(serve(Upload))
    client.send(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    assert client.answer("POST").status == 204
    assert seen.get(timeout=PATIENCE) == ("", ["one", "two"])


def test_close_may_stand_among_other_options(serve: Serve, connect: Connect) -> None:
    class Closes(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "X-Foo, Close")
            self.end_headers()

    client = connect(serve(Closes))
    assert client.get("/a").status == 200
    assert client.socket.recv(1) == b""
