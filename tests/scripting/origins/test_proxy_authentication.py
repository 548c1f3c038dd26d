"""A proxy that asks for credentials (RFC 9110 section 11.7, RFC 7617)."""

from base64 import b64encode
from collections.abc import Callable

import pytest
import requests

from pytest_httpserve import HTTPServe
from pytest_httpserve.errors import UsageError

Say = Callable[[HTTPServe, str | bytes], bytes]

RIGHT = b64encode(b"user:pass:word").decode()


@pytest.fixture(autouse=True)
def asking(server: HTTPServe) -> None:
    server.on("GET", "/").respond(text="the server")
    server.origin("http://a.test").on("*", "/").respond(text="the origin")
    server.proxy_auth("user", "pass:word")


def get(url: str, credentials: str = "", method: str = "GET") -> str:
    line = f"Proxy-Authorization: {credentials}\n" if credentials else ""
    return f"{method} {url} HTTP/1.1\nHost: a\n{line}Connection: close\n\n"


@pytest.mark.parametrize("credentials", [f"Basic {RIGHT}", f"basic {RIGHT}", f"BASIC  {RIGHT}"])
def test_who_knows_them_is_led_to_the_origin(server: HTTPServe, say: Say, credentials: str) -> None:
    assert say(server, get("http://a.test/", credentials)).endswith(b"the origin")
    assert say(server, get("a.test:80", credentials, "CONNECT") + get("/")).endswith(b"the origin")


@pytest.mark.parametrize("credentials", ["", "Basic", f"Basic {RIGHT.lower()}", f"Bearer {RIGHT}", RIGHT])
def test_who_does_not_is_asked_for_them_and_fails_no_test(server: HTTPServe, say: Say, credentials: str) -> None:
    for target, method in (("http://a.test/", "GET"), ("http://b.test/", "GET"), ("a.test:80", "CONNECT")):
        answer = say(server, get(target, credentials, method))
        assert answer.startswith(b"HTTP/1.1 407 Proxy Authentication Required\r\n")
        assert b'\r\nProxy-Authenticate: Basic realm="test"\r\n' in answer
    assert [exchange.status for exchange in server.exchanges] == [407, 407, 407]
    assert server.failures == ()


def test_a_client_may_answer_on_the_same_connection(server: HTTPServe, say: Say) -> None:
    first = f"POST http://a.test/ HTTP/1.1\nHost: a\nContent-Length: 3\n\nabc{get('http://a.test/', f'Basic {RIGHT}')}"
    answer = say(server, first)

    assert answer.startswith(b"HTTP/1.1 407 ")
    assert answer.endswith(b"the origin")


def test_what_follows_a_tunnel_that_is_not_opened_is_no_request(server: HTTPServe, say: Say) -> None:
    assert say(server, get("a.test:80", "", "CONNECT") + get("/")).count(b"HTTP/1.1 ") == 1


def test_the_server_itself_asks_for_nothing(server: HTTPServe, say: Say) -> None:
    assert say(server, get("/")).endswith(b"the server")
    assert say(server, get(server.url_for("/"))).endswith(b"the server")


def test_the_variables_have_them(server: HTTPServe, monkeypatch: pytest.MonkeyPatch) -> None:
    server.proxy_auth("me@home", "a/b:c")
    proxy = server.proxy_env()["http_proxy"]

    assert proxy == f"http://me%40home:a%2Fb%3Ac@127.0.0.1:{server.port}"
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    assert requests.get("http://a.test/", proxies={"http": proxy}, timeout=10).text == "the origin"


def test_reset_forgets_them(server: HTTPServe, say: Say) -> None:
    server.reset()
    server.origin("http://a.test").on("GET", "/").respond(text="the origin")
    assert say(server, get("http://a.test/")).endswith(b"the origin")


@pytest.mark.parametrize(("user", "password"), [("a:b", "c"), ("", "c"), (None, "c"), ("a", 7)])
def test_what_are_no_credentials(server: HTTPServe, user: object, password: object) -> None:
    with pytest.raises(UsageError, match=r"proxy_auth\(\) takes a name without a colon"):
        server.proxy_auth(user, password)  # type: ignore[arg-type]  # which is what is refused
