"""Whatever answers over HTTP/1.1 answers over HTTP/2, many at a time on one connection."""

from __future__ import annotations

import http.server
import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe, Request, Response, UsageError
from pytest_httpserve.scripting.httpserve import RUNNING
from pytest_httpserve.server.servers import service_of
from tests.scripting.http2.client import client_of

LARGE = os.urandom(3_000_000)


def test_a_route_answers(server: HTTPServe) -> None:
    route = server.on("GET", "/a").respond(json={"a": 1}, headers={"X-Is": "Here"})

    with client_of(server) as client:
        answer = client.get("/a?b=1", [("x-asked", "yes"), ("cookie", "a=1"), ("cookie", "b=2")])

    assert answer.status == 200
    assert answer.body == b'{"a": 1}'
    assert answer.headers["x-is"] == "Here"
    assert answer.headers["content-length"] == "8"
    assert answer.headers.keys().isdisjoint({"connection", "transfer-encoding", "keep-alive"})
    (exchange,) = server.exchanges
    assert exchange.version == (2, 0)
    assert exchange.stream_id == 1
    [entry] = server.har()["log"]["entries"]
    assert (entry["request"]["httpVersion"], entry["response"]["httpVersion"]) == ("HTTP/2.0", "HTTP/2.0")
    assert entry["_stream"] == 1
    assert exchange.request.method == "GET"
    assert exchange.request.query == {"b": "1"}
    assert exchange.request.cookies == {"a": "1", "b": "2"}
    assert exchange.request.headers["host"] == f"{server.host}:{server.port}"
    assert exchange.response is not None
    assert exchange.response.json() == {"a": 1}
    route.assert_called(times=1)


def test_http1_goes_on_beside_it(plain: HTTPServe) -> None:
    plain.on("GET", "/a").respond(text="well")

    assert requests.get(plain.url_for("/a"), timeout=10).text == "well"
    with client_of(plain) as client:
        assert client.get("/a").body == b"well"
    assert [exchange.version for exchange in plain.exchanges] == [(1, 1), (2, 0)]
    assert [exchange.stream_id for exchange in plain.exchanges] == [None, 1]


def test_streams_of_one_connection(server: HTTPServe) -> None:
    server.on("GET", "/{n:int}").respond(text="well")

    with client_of(server) as client:
        streams = [client.begin("GET", f"/{n}") for n in range(100)]
        assert {client.answer(stream).body for stream in streams} == {b"well"}

    (connection,) = server.connections
    assert connection.exchange_count == 100
    assert [exchange.stream_id for exchange in connection.exchanges] == streams
    assert [exchange.request.exchange_index for exchange in connection.exchanges] == list(range(100))
    server.assert_reused()


def test_one_that_waits_holds_up_no_other(server: HTTPServe) -> None:
    gate = server.on("GET", "/held").respond(text="held").hold()
    go = threading.Event()
    server.on("GET", "/quick").respond(text="quick")

    @server.on("GET", "/function")
    def wait(request: Request) -> str:
        go.wait(10)
        return "function"

    with client_of(server) as client:
        held = [client.begin("GET", path) for path in ("/held", "/function", "/held", "/function")]
        assert client.get("/quick").body == b"quick"
        assert not any(client.answers[stream].over for stream in held)
        gate.release()
        go.set()
        assert [client.answer(stream).body for stream in held] == [b"held", b"function"] * 2


@pytest.mark.parametrize("path", ["/handler", "/wsgi", "/asgi", "/function", "/async"])
@pytest.mark.parametrize("announced", [True, False])
def test_bodies_reach_who_answers(server: HTTPServe, path: str, announced: bool) -> None:
    server.mount("/handler", Counting)
    server.mount("/wsgi", wsgi)
    server.mount("/asgi", asgi)
    server.on("POST", "/function").handle(lambda request: str(len(request.body)))

    @server.on("POST", "/async")
    async def count(request: Request) -> str:
        return str(len(request.body))

    fields = [("content-length", str(len(LARGE)))] if announced else []
    with client_of(server) as client:
        assert client.request("POST", path, LARGE, fields).body == str(len(LARGE)).encode()
        assert client.request("POST", path, b"few", [("content-length", "3")] if announced else []).body == b"3"
    assert server.failures == ()


class Counting(http.server.BaseHTTPRequestHandler):
    """Says how many bytes came, by a length or in chunks."""

    def do_POST(self) -> None:
        length = self.headers["Content-Length"]
        count = len(self.rfile.read(int(length))) if length else sum(self.chunks())
        body = str(count).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunks(self) -> Iterator[int]:
        while size := int(self.rfile.readline(), 16):
            yield len(self.rfile.read(size))
            self.rfile.readline()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    count = len(environ["wsgi.input"].read())
    assert environ["SERVER_PROTOCOL"] == "HTTP/2"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(count).encode()]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    assert scope["http_version"] == "2"
    count, goes_on = 0, True
    while goes_on:
        message = await receive()
        count += len(message.get("body", b""))
        goes_on = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(count).encode()})


def test_files(server: HTTPServe, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    server.serve_dir(tmp_path)

    with client_of(server) as client:
        whole = client.get("/large")
        assert whole.body == LARGE
        part = client.get("/large", [("range", "bytes=5-104")])
        assert (part.status, part.body) == (206, LARGE[5:105])
        assert client.get("/large", [("if-none-match", whole.headers["etag"])]).status == 304
        assert client.request("HEAD", "/large").headers["content-length"] == str(len(LARGE))


@pytest.mark.needs("select.poll")
def test_scripts(server: HTTPServe, tmp_path: Path) -> None:
    script = tmp_path / "count.py"
    script.write_text(
        "#!/usr/bin/env python3\nimport os, sys\nprint('Content-Type: text/plain\\n')\n"
        "print(os.environ['SERVER_PROTOCOL'], "
        "len(sys.stdin.buffer.read(int(os.environ['CONTENT_LENGTH']))))\n"
    )
    script.chmod(0o755)
    server.serve_cgi(tmp_path, at="/cgi")

    with client_of(server) as client:
        fields = [("content-length", str(len(LARGE)))]
        assert client.request("POST", "/cgi/count.py", LARGE, fields).body == b"HTTP/2 3000000\n"
        assert client.request("POST", "/cgi/count.py", LARGE).body == b"HTTP/2 3000000\n"


def test_what_comes_before_and_after_a_body(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="body", informational=[(103, {"Link": "</a.css>"})], trailers={"X-Sum": "7"})

    with client_of(server) as client:
        answer = client.get("/a")

    assert [head[":status"] for head in answer.informational] == ["103"]
    assert answer.informational[0]["link"] == "</a.css>"
    assert answer.body == b"body"
    assert answer.trailers == {"x-sum": "7"}


@pytest.mark.parametrize("fields", [[], [("content-length", "4")]], ids=["unknown length", "known length"])
def test_trailers_of_a_request(server: HTTPServe, fields: list[tuple[str, str]]) -> None:
    server.on("POST", "/a").respond()
    server.on("GET", "/b").respond()

    with client_of(server) as client:
        stream = client.begin("POST", "/a", fields, ends=False)
        client.send(stream, b"body", ends=False)
        client.get("/b")  # by then, the body has come
        client.h2.send_headers(stream, [("x-sum", "7")], end_stream=True)
        client.flush()
        assert client.answer(stream).status == 200

    (exchange,) = [one for one in server.exchanges if one.request.method == "POST"]
    assert exchange.request.trailers == {"x-sum": "7"}
    assert exchange.request.body == b"body"


def test_a_client_that_waits_to_be_told_to_send(server: HTTPServe) -> None:
    server.on("POST", "/a").handle(lambda request: request.body)

    with client_of(server) as client:
        stream = client.begin("POST", "/a", [("expect", "100-continue"), ("content-length", "4")], ends=False)
        client.receive_until(lambda: bool(client.answers[stream].informational))
        client.send(stream, b"body")
        answer = client.answer(stream)

    assert [head[":status"] for head in answer.informational] == ["100"]
    assert answer.body == b"body"


def test_streams_of_pieces(server: HTTPServe) -> None:
    @server.on("GET", "/a")
    def pieces(request: Request) -> Iterator[str]:
        yield "one"
        yield "two"

    with client_of(server) as client:
        answer = client.get("/a")

    assert answer.body == b"onetwo"
    assert "transfer-encoding" not in answer.headers
    response = server.exchanges[0].response
    assert response is not None
    assert "transfer-encoding" not in response.headers
    assert response.body == b"onetwo"


def test_fields_have_the_bytes_that_they_have_over_http1(server: HTTPServe) -> None:
    """The client reads them as latin-1, like http.client."""
    server.on("GET", "/").respond(text="well", headers={"X-Name": "caf\xe9"}, trailers={"X-Sum": "\xe9"})

    with client_of(server) as client:
        answer = client.get("/")

    assert answer.headers["x-name"] == "caf\xe9"
    assert answer.trailers["x-sum"] == "\xe9"


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(server: HTTPServe, status: int) -> None:
    server.on("GET", "/a").respond(status)

    with client_of(server) as client:
        answer = client.get("/a")
        assert (answer.status, answer.body, answer.ended) == (status, b"", True)
        head = client.request("HEAD", "/a")
        assert (head.status, head.body) == (status, b"")


def test_event_streams(server: HTTPServe) -> None:
    events = server.on("GET", "/events").events()

    with client_of(server) as client:
        stream = client.begin("GET", "/events")
        pushed = events.accept(timeout=10)
        pushed.send("one")
        client.receive_until(lambda: client.answers[stream].body != b"")
        assert client.answers[stream].body == b"data: one\n\n"
        pushed.send("two", id="2")
        pushed.close()
        assert client.answer(stream).body == b"data: one\n\nid: 2\ndata: two\n\n"
        assert client.answers[stream].ended


def test_limits(server: HTTPServe) -> None:
    server.limit("/a", per_minute=1)
    server.on("GET", "/a").respond(text="well")

    with client_of(server) as client:
        assert [client.get("/a").status for _ in range(2)] == [200, 429]


def test_what_nothing_answers_fails_the_test(server: HTTPServe) -> None:
    with client_of(server) as client:
        assert client.get("/a").status == 404

    (failure,) = server.failures
    assert failure.startswith("nothing answers GET /a")


def test_a_function_that_raises_fails_the_test(server: HTTPServe) -> None:
    @server.on("GET", "/a")
    def fail(request: Request) -> Response:
        raise ValueError("no")

    @server.on("GET", "/late")
    def fail_late(request: Request) -> Iterator[str]:
        yield "some"
        raise ValueError("late")

    with client_of(server) as client:
        assert client.get("/a").status == 500
        late = client.get("/late")
        assert late.body == b"some"
        assert late.reset == 2  # INTERNAL_ERROR
        assert client.get("/a").status == 500

    assert ["ValueError: no" in failure for failure in server.failures] == [True, False, True]


def test_only_http2() -> None:
    with HTTPServe(http2="only", ignore=["refused"]) as server:
        server.on("GET", "/a").respond(text="well")
        answer = requests.get(server.url_for("/a"), timeout=10)
        assert answer.status_code == 505
        assert "HTTP/2" in answer.text
        with client_of(server) as client:
            assert client.get("/a").body == b"well"


@pytest.mark.parametrize("value", ["yes", 2, None, "h2"])
def test_what_http2_can_be(value: Any) -> None:
    with pytest.raises(UsageError, match=r"http2= must be True, False or 'only', not "):
        HTTPServe(http2=value)


def test_a_function_that_does_not_end_is_named() -> None:
    go = threading.Event()
    server = HTTPServe(http2=True, grace=0.0).start()
    RUNNING.discard(server)

    @server.on("GET", "/a")
    def wait_for_long(request: Request) -> str:
        go.wait(20)
        return "late"

    with client_of(server) as client:
        client.begin("GET", "/a")
        server.wait_for("GET", "/a")
        server.stop()
        go.set()

    (failure,) = server.failures
    assert failure.startswith("the handler of 'GET /a HTTP/2' did not end")
    assert "in wait_for_long" in failure


def test_what_ends_in_time_is_answered_though_the_server_stops(server: HTTPServe) -> None:
    gone = threading.Event()

    @server.on("GET", "/a")
    def end_in_time(request: Request) -> str:
        gone.wait(20)
        return "well"

    with client_of(server) as client:
        stream = client.begin("GET", "/a")
        server.wait_for("GET", "/a")
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        client.receive_until(lambda: client.gone_away is not None)
        gone.set()
        assert client.answer(stream).body == b"well"
        stopping.join()
        with pytest.raises(ConnectionError):
            client.receive_until(lambda: False)
    assert server.failures == ()


def test_a_function_may_stop_its_own_server(server: HTTPServe) -> None:
    @server.on("GET", "/a")
    def stop(request: Request) -> str:
        server.stop()
        return "stopped"

    with client_of(server) as client:
        assert client.get("/a").body == b"stopped"
    assert server.failures == ()


def test_nobody_waits_for_a_client_that_has_left_its_streams(server: HTTPServe) -> None:
    gate = server.on("GET", "/held").respond(text="held").hold()

    with client_of(server) as client:
        client.begin("GET", "/held")
        gate.arrived()
        assert server._server is not None
        (connection,) = service_of(server._server).connections.values()
        loop = connection.turn.loop
        assert loop is not None
        assert loop.has(connection.turn)
    server.assert_all_closed(by="client")
    expiry = time.monotonic() + 20
    while loop.has(connection.turn):  # it would be told of the end again and again
        assert time.monotonic() < expiry
    gate.release()
    assert server.failures == ()


def test_a_tunnel_that_leads_nowhere(server: HTTPServe) -> None:
    route = server.on("CONNECT", "*").respond()

    with client_of(server) as client:
        answer = client.answer(client.connect("example.test:443"))

    assert (answer.status, answer.ended) == (200, True)
    route.assert_called(times=1)


def test_a_server_of_http2_alone_is_no_proxy() -> None:
    with HTTPServe(http2="only") as server, pytest.raises(UsageError, match=r"a proxy speaks HTTP/1\.1"):
        server.origin("https://example.test")


def test_an_idle_client_is_given_up_though_another_thread_has_answered_it() -> None:
    with HTTPServe(http2=True, timeout=0.3) as server:
        server.on("GET", "/a").handle(lambda request: "well")
        with client_of(server) as client:
            assert client.get("/a").body == b"well"
            with pytest.raises(ConnectionError):
                client.receive_until(lambda: False)
        assert server.connections[0].closed_how == "timeout"
