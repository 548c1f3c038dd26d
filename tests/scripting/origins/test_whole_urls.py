"""Requests that name their origin by a whole URL (RFC 9112 section 3.2.2), as clients send them to a proxy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_httpserve import HTTPServe, Response
from pytest_httpserve.errors import UsageError
from pytest_httpserve.faults import Reset

Say = Callable[[HTTPServe, str | bytes], bytes]


def get(url: str, host: str = "ignored") -> str:
    return f"GET {url} HTTP/1.1\nHost: {host}\nConnection: close\n\n"


def test_the_origin_that_is_named_answers_and_the_server_itself_as_ever(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/").respond(text="the server")
    server.origin("http://a.test").on("GET", "/").respond(text="a")
    server.origin("http://a.test:81").on("GET", "/").respond(text="a at 81")
    server.origin("https://b.test").on("GET", "/").respond(text="b")

    assert say(server, get("http://A.test/")).endswith(b"\r\n\r\na")
    assert say(server, get("http://a.test:81")).endswith(b"\r\n\r\na at 81")
    assert say(server, get("https://b.test/", host="a.test")).endswith(b"\r\n\r\nb")
    assert say(server, get("/", host="a.test")).endswith(b"\r\n\r\nthe server")
    assert say(server, get(server.url_for("/"))).endswith(b"\r\n\r\nthe server")
    assert [exchange.origin for exchange in server.exchanges] == [
        *("http://a.test", "http://a.test:81", "https://b.test", None, server.base_url)
    ]
    assert server.failures == ()


def test_without_origins_a_whole_url_is_answered_by_its_path(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/x").respond(text="the server")

    assert say(server, get("http://a.test/x")).endswith(b"\r\n\r\nthe server")


def test_who_names_the_host_most_exactly_answers(server: HTTPServe, say: Say) -> None:
    for url in ("http://*", "http://*.a.test", "http://x.a.test:*", "http://x.a.test"):
        server.origin(url).on("GET", "/").respond(text=f"<{url}>")

    assert b"<http://x.a.test>" in say(server, get("http://x.a.test/"))
    assert b"<http://x.a.test:*>" in say(server, get("http://x.a.test:99/"))
    assert b"<http://*.a.test>" in say(server, get("http://y.a.test/"))
    assert b"<http://*>" in say(server, get("http://a.test/"))


def test_each_origin_has_what_was_asked_of_it(server: HTTPServe, say: Say) -> None:
    a, b = server.origin("http://a.test"), server.origin("http://*.b.test")
    for origin in (a, b):
        origin.on("GET", "*").respond(text="here")
    server.on("GET", "*").respond(text="here")
    for url in ("http://a.test/1", "http://x.b.test/2", "/3", "http://y.b.test/4"):
        say(server, get(url))

    assert [exchange.request.path for exchange in server.exchanges] == ["/1", "/2", "/3", "/4"]
    assert [exchange.request.path for exchange in a.exchanges] == ["/1"]
    assert [exchange.origin for exchange in b.exchanges] == ["http://x.b.test", "http://y.b.test"]
    assert [record.index for record in b.connections] == [1, 3]
    assert b.take_request().path == "/2"
    assert server.take_request().path == "/1"
    assert b.take_request().path == "/4"
    b.assert_requested("GET", times=2)
    b.assert_not_requested("GET", "/1")
    a.assert_max_concurrent(1)
    assert len(b.wait_for("GET", "/4")) == 1
    with pytest.raises(AssertionError, match="expected no requests"):
        a.assert_no_requests()
    assert [entry["request"]["url"] for entry in server.har()["log"]["entries"]][:2] == [
        *("http://a.test/1", "http://x.b.test/2")
    ]


def test_an_origin_is_told_what_a_server_is_told(server: HTTPServe, say: Say, tmp_path: Path) -> None:
    origin = server.origin("http://a.test")
    (tmp_path / "page.html").write_text("a page")
    origin.serve_dir(str(tmp_path), at="/files")
    origin.mount("/app", lambda environ, start: [start("200 OK", []), [b"an application"]][1])
    origin.enqueue(text="from the queue")
    limit = origin.limit("/limited", per_second=1)
    flow = origin.scenario("order")
    flow.on("GET", "/limited").respond(text="once")

    assert say(server, get("http://a.test/files/page.html")).endswith(b"a page")
    assert say(server, get("http://a.test/app")).endswith(b"an application")
    assert say(server, get("http://a.test/other")).endswith(b"from the queue")
    assert b" 200 " in say(server, get("http://a.test/limited"))
    assert b" 429 " in say(server, get("http://a.test/limited"))
    assert limit.refused_count == 1
    assert "answers GET /limited" in origin.explain("GET", "/limited")
    assert server.failures == ()


def test_a_fault_of_an_origin_is_that_of_a_connection_to_it(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/").respond(text="the server")
    server.origin("http://b.test").on("GET", "/").respond(text="b")
    origin = server.origin("http://a.test")
    origin.on("GET", "/").respond(text="a")
    origin.fault(Reset(), expected=True)

    assert say(server, get("/")).endswith(b"the server")
    assert say(server, get("http://b.test/")).endswith(b"\r\n\r\nb")
    with pytest.raises(ConnectionResetError):
        say(server, get("http://a.test/"))
    assert say(server, get("http://a.test/")).endswith(b"\r\n\r\na")
    server.check_expectations()
    assert server.failures == ()


def test_what_goes_wrong_on_an_origin_fails_the_server(server: HTTPServe, say: Say) -> None:
    origin = server.origin("http://a.test")
    origin.on("GET", "/never").respond().expect()
    origin.on("GET", "/broken").handle(lambda request: 1 / 0)
    origin.fault(Reset(phase="response_end"), skip=9, expected=True)

    assert say(server, get("http://a.test/other")).startswith(b"HTTP/1.1 404 ")
    assert say(server, get("http://a.test/broken")).startswith(b"HTTP/1.1 500 ")
    server.check_expectations()
    unanswered, broken, unmet, never = server.failures
    assert unanswered.startswith("nothing answers GET http://a.test/other at http://a.test: the nearest route ")
    assert "ZeroDivisionError" in broken
    assert "/never" in unmet
    assert "was expected to happen, but never did" in never


@pytest.mark.parametrize("length", [0, 10, 1_000_000])
def test_a_host_that_no_origin_answers_for_is_refused_at_once(server: HTTPServe, say: Say, length: int) -> None:
    server.on("*").respond(text="the server")
    server.origin("http://a.test")
    answer = say(server, f"POST http://b.test:81/x HTTP/1.1\nHost: b\nContent-Length: {length}\n\n")

    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    (failure,) = server.failures
    assert failure == (
        "no origin answers b.test port 81, which was asked for by POST http://b.test:81/x\n"
        "  there is http://a.test\n"
        "  origin('http://b.test:81') would answer, allow('b.test') would let it through to the real host\n"
    )
    assert failure.encode() in answer
    (exchange,) = server.exchanges
    assert (exchange.origin, exchange.status, exchange.route) == ("http://b.test:81", 502, None)


def test_a_test_may_ignore_hosts_that_are_refused(server: HTTPServe, say: Say) -> None:
    server.ignore("unanswered")
    server.proxy_env()

    assert say(server, get("http://b.test/")).startswith(b"HTTP/1.1 502 ")
    assert server.failures == ()


@pytest.mark.parametrize(
    "request_text",
    [
        "GET http://a.test/x?q HTTP/1.1\nHost: a.test\n",
        "GET HTTP://A.TEST/x?q HTTP/1.1\nHost: a.test\n",  # RFC 3986 section 6.2.2.1
        "GET http://a.test:80/x?q HTTP/1.1\nHost: another.test\n",  # RFC 9112 section 3.2.2: the target says it
        "GET http://a.test:/x?q HTTP/1.1\nHost: a.test\n",  # RFC 3986 section 6.2.3
        "GET http://a.test:080/x?q HTTP/1.1\nHost: a.test\n",
        "GET http://a.test/x?q HTTP/1.0\n",
        "GET http://a.test/x?q HTTP/1.1\nHost:\n",
        "GET http://a.test/x?q HTTP/1.1\nHost: a.test\nProxy-Connection: keep-alive\n",
        "GET http://192.0.2.7/x?q HTTP/1.1\nHost: 192.0.2.7\n",
        "GET http://[2001:db8::7]/x?q HTTP/1.1\nHost: [2001:db8::7]\n",
        "GET http://[2001:DB8::7]:80/x?q HTTP/1.1\nHost: [2001:db8::7]\n",
    ],
)
def test_a_good_request_by_a_whole_url(server: HTTPServe, say: Say, request_text: str) -> None:
    for host in ("a.test", "192.0.2.7", "[2001:db8::7]"):
        server.origin(f"http://{host}").on("GET", "/x", query={"q": ""}).respond(text="the origin")

    assert say(server, f"{request_text}Connection: close\n\n").endswith(b"\r\n\r\nthe origin")
    assert server.failures == ()


@pytest.mark.parametrize(
    ("method", "target", "path"),
    [
        ("GET", "http://a.test", "/"),
        ("GET", "http://a.test?q=1", "/"),
        ("OPTIONS", "http://a.test", "/"),
        ("GET", "http://a.test//x", "//x"),
        ("GET", "http://a.test/http://b.test/", "/http://b.test/"),
        ("GET", "http://a.test/%2e%2e/x", "/../x"),
    ],
)
def test_what_is_asked_of_an_origin(server: HTTPServe, say: Say, method: str, target: str, path: str) -> None:
    origin = server.origin("http://a.test")
    origin.on("*").respond()
    say(server, get(target).replace("GET", method, 1))

    assert [exchange.request.path for exchange in origin.exchanges] == [path]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://", 400),
        ("http:///x", 400),
        ("http://:80/", 400),
        ("http://a b/", 400),
        ("http://u@a.test/", 400),
        ("http://u:p@a.test/", 400),
        ("http://@a.test/", 400),
        ("http://a.test:99999/", 400),
        ("http://a.test:65536/", 400),
        ("http://a.test:http/", 400),
        ("http://[::1/", 400),
        ("http://::1/", 400),
        ("http://a.test/#part", 400),
        ("http://a.test/%", 400),
        ("http:/a.test/", 400),
        ("a.test/", 400),
        ("http://a.test:81/", 502),
        ("http://a.test:0/", 502),
        ("https://a.test/", 502),
        ("ftp://a.test/", 502),
        ("ws://a.test/", 502),
    ],
)
def test_a_bad_request_by_a_whole_url(server: HTTPServe, say: Say, target: str, status: int) -> None:
    server.origin("http://a.test").on("GET", "*").respond()

    assert say(server, get(target)).startswith(b"HTTP/1.1 %d " % status)
    assert len(server.exchanges) == 1
    assert len(server.failures) == 1


def test_a_connection_leads_to_several_origins_one_after_another(server: HTTPServe, say: Say) -> None:
    for name in ("a", "b"):
        server.origin(f"http://{name}.test").on("GET", "/").respond(text=f"[{name}]")
    server.on("GET", "/").respond(text="[own]")
    kept = "".join(get(url).replace("Connection: close\n", "") for url in ("http://a.test/", "http://b.test/", "/"))

    answer = say(server, kept + get("http://a.test/"))
    assert [answer.index(part) for part in (b"[a]", b"[b]", b"[own]")] == sorted(
        answer.index(part) for part in (b"[a]", b"[b]", b"[own]")
    )
    assert answer.endswith(b"[a]")
    assert server.connections[0].exchange_count == 4


def test_a_script_that_leads_to_another_path_stays_with_its_origin(server: HTTPServe, say: Say) -> None:
    origin = server.origin("http://a.test")
    origin.on("GET", "/from").handle(lambda request: Response.redirect("http://a.test/to"))
    origin.on("GET", "/to").respond(text="there")

    assert b"Location: http://a.test/to\r\n" in say(server, get("http://a.test/from"))


def test_reset_forgets_origins_and_goes_on_refusing(server: HTTPServe, say: Say) -> None:
    server.origin("http://a.test").on("GET", "/").respond()
    server.allow("b.test")
    server.reset()

    assert say(server, get("http://a.test/")).startswith(b"HTTP/1.1 502 ")
    assert say(server, get("http://b.test/")).startswith(b"HTTP/1.1 502 ")
    server.origin("http://a.test").on("GET", "/").respond()
    assert say(server, get("http://a.test/")).startswith(b"HTTP/1.1 200 ")


def test_urls_of_an_origin(server: HTTPServe) -> None:
    assert server.origin("https://a.test").url_for("/x y?q=1") == "https://a.test/x%20y?q=1"
    assert server.origin("http://a.test:81").base_url == "http://a.test:81"
    for text in ("https://*.a.test", "https://b.test:*"):
        with pytest.raises(UsageError, match="is more than one origin"):
            server.origin(text).url_for("/")


def test_what_an_origin_is_not_given(server: HTTPServe) -> None:
    server.origin("http://a.test")
    with pytest.raises(UsageError, match=r"http://a\.test is an origin already"):
        server.origin("http://a.test")
    with pytest.raises(UsageError, match="has no TLS, so tls='expired' is wrong"):
        server.origin("http://b.test", tls="expired")
    with pytest.raises(UsageError, match="has TLS, so tls=False is wrong"):
        server.origin("https://b.test", tls=False)
    with pytest.raises(UsageError, match="a fault of TLS must be one of"):
        server.origin("https://b.test", tls="wrong")
    with pytest.raises(UsageError, match="tunnel= must be 'tls' or 'raw'"):
        server.origin("https://b.test", tunnel="udp")
    with pytest.raises(UsageError, match="to= is only for tunnel='raw'"):
        server.origin("https://b.test", to="127.0.0.1:1")
    with pytest.raises(UsageError, match="is revoked for one origin"):
        server.origin("https://*.b.test", tls="revoked")
    with pytest.raises(UsageError, match="has no handshake"):
        server.origin("http://b.test").fault(Reset(phase="tls_handshake"))
