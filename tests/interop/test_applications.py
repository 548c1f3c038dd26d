"""Frameworks behind mount(): Flask, Django, and httpbin, whose well-known endpoints are tried with requests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe

Ask = Callable[..., requests.Response]

PATIENCE = 10.0


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A client that knows nothing of this machine's settings."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


# Flask


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_flask_sock_answers_websockets(httpserve_factory: Any, scheme: str) -> None:
    from flask import Flask
    from flask_sock import Sock  # type: ignore[import-untyped]  # it has no types
    from websocket import create_connection

    app = Flask("words")
    sock = Sock(app)

    @sock.route("/words")  # type: ignore[untyped-decorator]  # nor has this
    def words(websocket: Any) -> None:
        while True:
            websocket.send(websocket.receive().upper())

    server = httpserve_factory(tls=scheme == "wss")
    server.mount("/app", app)
    options = {"ca_certs": str(server.ca.pem_path)} if scheme == "wss" else {}
    url = server.url_for("/app/words", scheme="ws")
    client = create_connection(url, timeout=PATIENCE, sslopt=options, http_no_proxy=["*"])
    for word in ("one", "two", "x" * 70_000):
        client.send(word)
        assert client.recv() == word.upper()
    client.close()
    assert server.exchanges[0].status == 101
    server.assert_all_closed()


@pytest.fixture
def flask_app() -> Any:
    from flask import Flask, redirect, request, url_for

    app = Flask("hello")

    @app.get("/")
    def hello() -> str:
        return "Hello, World!"

    @app.get("/users/<int:number>")
    def user(number: int) -> dict[str, object]:
        return {"number": number, "url": url_for("user", number=number), "root": request.script_root}

    @app.post("/echo")
    def echo() -> bytes:
        return request.get_data()

    @app.get("/old")
    def old() -> Any:
        return redirect(url_for("user", number=7))

    @app.get("/broken")
    def broken() -> str:
        raise LookupError("something is missing")

    return app


def test_flasks_hello_is_said(httpserve: HTTPServe, flask_app: Any, session: requests.Session) -> None:
    httpserve.mount("/app", flask_app)

    assert session.get(httpserve.url_for("/app/"), timeout=PATIENCE).text == "Hello, World!"


@pytest.mark.parametrize("prefix", ["/", "/app", "/a/b"])
def test_flask_makes_urls_with_the_prefix(
    httpserve: HTTPServe, flask_app: Any, session: requests.Session, prefix: str
) -> None:
    httpserve.mount(prefix, flask_app)
    root = httpserve.url_for(prefix).rstrip("/")
    answer = session.get(f"{root}/old", timeout=PATIENCE)

    assert answer.url == f"{root}/users/7"
    assert answer.json()["number"] == 7
    assert httpserve.base_url + answer.json()["url"] == answer.url


@pytest.mark.parametrize("chunked", [False, True])
def test_flask_reads_a_body(httpserve: HTTPServe, flask_app: Any, session: requests.Session, chunked: bool) -> None:
    httpserve.mount("/app", flask_app)
    body = b"one,two" * 100_000
    data = iter([body[:7], body[7:]]) if chunked else body

    assert session.post(httpserve.url_for("/app/echo"), data=data, timeout=PATIENCE).content == body


def test_an_exception_in_flask_fails_the_test_where_flask_lets_it(flask_app: Any, session: requests.Session) -> None:
    flask_app.testing = True
    server = HTTPServe()
    with pytest.raises(AssertionError, match="LookupError: something is missing"), server:
        server.mount("/app", flask_app)
        assert session.get(server.url_for("/app/broken"), timeout=PATIENCE).status_code == 500


# Django


def test_djangos_hello_is_said(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: Django is configured once per process."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile("""
        import requests
        from django.conf import settings
        from django.http import HttpResponse, StreamingHttpResponse
        from django.urls import path, reverse

        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="test",
                           DEBUG_PROPAGATE_EXCEPTIONS=True)

        def hello(request):
            return HttpResponse("Hello, World!")

        def where(request):
            return HttpResponse(reverse("where"))

        def echo(request):
            return HttpResponse(request.read())

        def stream(request):
            return StreamingHttpResponse(["one,", "two"])

        urlpatterns = [path("", hello), path("where", where, name="where"), path("echo", echo), path("stream", stream)]

        from django.core.wsgi import get_wsgi_application

        application = get_wsgi_application()

        def test_it(httpserve):
            httpserve.mount("/app", application)
            with requests.Session() as session:
                session.trust_env = False
                assert session.get(httpserve.url_for("/app/"), timeout=10).text == "Hello, World!"
                assert session.get(httpserve.url_for("/app"), timeout=10).text == "Hello, World!"
                assert session.get(httpserve.url_for("/app/where"), timeout=10).text == "/app/where"
                assert session.post(httpserve.url_for("/app/echo"), data=b"a" * 99999, timeout=10).text == "a" * 99999
                assert session.get(httpserve.url_for("/app/stream"), timeout=10).text == "one,two"
                assert session.get(httpserve.url_for("/app/missing"), timeout=10).status_code == 404
    """)
    result = pytester.runpytest_subprocess("-p", "pytest_httpserve.plugin", "-W", "error", timeout=60)

    result.assert_outcomes(passed=1)


# httpbin


@pytest.fixture(scope="module")
def httpbin_app() -> Any:
    from httpbin import app

    return app


@pytest.fixture
def ask(httpserve: HTTPServe, httpbin_app: Any, session: requests.Session) -> Ask:
    """``ask(path, method="GET", **more)`` of httpbin beneath a prefix, all over one connection."""
    httpserve.mount("/bin", httpbin_app)

    def ask(path: str, method: str = "GET", **more: Any) -> requests.Response:
        return session.request(method, httpserve.url_for("/bin" + path), timeout=PATIENCE, **more)

    return ask


@pytest.fixture(autouse=True)
def no_debugging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


def test_httpbin_tells_a_get(ask: Ask, httpserve: HTTPServe) -> None:
    told = ask("/get", params={"a": ["1", "é b"]}, headers={"X-Mine": "yes"}).json()

    assert told["args"] == {"a": ["1", "é b"]}
    assert told["headers"]["X-Mine"] == "yes"
    assert told["url"].startswith(httpserve.url_for("/bin/get?a=1"))
    assert told["origin"] == "127.0.0.1"


def test_httpbin_tells_a_form(ask: Ask) -> None:
    assert ask("/post", "POST", data={"a": "1", "b": ["2", "é"]}).json()["form"] == {"a": "1", "b": ["2", "é"]}


def test_httpbin_tells_json(ask: Ask) -> None:
    assert ask("/post", "POST", json={"a": [1, None, "é"]}).json()["json"] == {"a": [1, None, "é"]}


def test_httpbin_tells_files(ask: Ask) -> None:
    content = "line\n" * 50_000
    told = ask("/post", "POST", files={"one": ("one.txt", content), "two": ("two.txt", "2")}, data={"a": "1"}).json()

    assert told["files"] == {"one": content, "two": "2"}
    assert told["form"] == {"a": "1"}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_httpbin_tells_other_methods(ask: Ask, method: str) -> None:
    assert ask(f"/{method.lower()}", method, data="text").json()["data"] == "text"


def test_httpbin_tells_headers(ask: Ask) -> None:
    headers = ask("/headers", headers={"X-A": "1", "Accept": "x/y"}).json()["headers"]

    assert (headers["X-A"], headers["Accept"]) == ("1", "x/y")


def test_httpbin_is_a_teapot(ask: Ask) -> None:
    answer = ask("/status/418")

    assert (answer.status_code, answer.reason) == (418, "I'M A TEAPOT")
    assert "teapot" in answer.text


@pytest.mark.parametrize("status", [204, 304, 404, 500, 503])
def test_httpbin_has_every_status(ask: Ask, status: int) -> None:
    """That an application says 500 is an answer, and no failure of the test."""
    answer = ask(f"/status/{status}")

    assert (answer.status_code, answer.content) == (status, b"")


@pytest.mark.parametrize("kind", ["redirect", "relative-redirect", "absolute-redirect"])
def test_httpbin_redirects(ask: Ask, httpserve: HTTPServe, kind: str) -> None:
    answer = ask(f"/{kind}/2")

    assert (answer.status_code, len(answer.history)) == (200, 2)
    assert answer.url == httpserve.url_for("/bin/get")


def test_httpbin_sets_cookies(ask: Ask) -> None:
    assert ask("/cookies/set", params={"a": "1", "b": "2"}).json() == {"cookies": {"a": "1", "b": "2"}}
    assert ask("/cookies/delete", params={"a": ""}).json() == {"cookies": {"b": "2"}}


@pytest.mark.parametrize(("password", "status"), [("right", 200), ("wrong", 401)])
def test_httpbin_asks_for_a_password(ask: Ask, password: str, status: int) -> None:
    assert ask("/basic-auth/ada/right").status_code == 401
    assert ask("/basic-auth/ada/right", auth=("ada", password)).status_code == status


@pytest.mark.parametrize(("path", "key"), [("/gzip", "gzipped"), ("/deflate", "deflated")])
def test_httpbin_encodes(ask: Ask, path: str, key: str) -> None:
    answer = ask(path)

    assert answer.headers["Content-Encoding"] == path.removeprefix("/")
    assert answer.json()[key] is True


def test_httpbin_streams_lines(ask: Ask) -> None:
    answer = ask("/stream/3", stream=True)

    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert [line.count(b'"id"') for line in answer.iter_lines()] == [1, 1, 1]


@pytest.mark.parametrize("size", [0, 1024, 102_400])
def test_httpbin_sends_bytes(ask: Ask, size: int) -> None:
    assert len(ask(f"/bytes/{size}").content) == size


def test_httpbin_streams_bytes(ask: Ask) -> None:
    assert len(ask("/stream-bytes/5000", params={"chunk_size": 100}).content) == 5000


def test_httpbin_sends_ranges(ask: Ask) -> None:
    whole = ask("/range/100")
    part = ask("/range/100", headers={"Range": "bytes=10-19"})

    assert (whole.status_code, len(whole.content)) == (200, 100)
    assert (part.status_code, part.content) == (206, whole.content[10:20])


def test_httpbin_delays(ask: Ask, httpserve: HTTPServe) -> None:
    assert ask("/delay/0").json()["url"] == httpserve.url_for("/bin/delay/0")


def test_httpbin_has_etags(ask: Ask) -> None:
    assert ask("/etag/abc").headers["ETag"] == "abc"
    assert ask("/etag/abc", headers={"If-None-Match": '"abc"'}).status_code == 304
    assert ask("/etag/abc", headers={"If-Match": '"other"'}).status_code == 412


def test_httpbin_has_caches(ask: Ask) -> None:
    first = ask("/cache")

    assert first.status_code == 200
    assert ask("/cache", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


def test_httpbin_answers_head(ask: Ask) -> None:
    answer = ask("/get", "HEAD")

    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


def test_httpbin_names_the_prefix_in_its_links(ask: Ask) -> None:
    assert "'/bin/links/3/1'" in ask("/links/3/0").text


def test_httpbin_keeps_the_connection(ask: Ask, httpserve: HTTPServe) -> None:
    for path in ("/get", "/status/304", "/uuid", "/status/204", "/stream/2", "/gzip", "/status/204"):
        ask(path)

    assert {exchange.request.connection_index for exchange in httpserve.exchanges} == {
        httpserve.exchanges[0].request.connection_index
    }
