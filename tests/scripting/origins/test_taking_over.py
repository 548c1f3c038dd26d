"""What makes clients come to the server: variables for programs, and those of the process itself."""

import os
import urllib.error
import urllib.request

import httpx
import pytest
import requests

from pytest_httpserve import HTTPServe
from pytest_httpserve.errors import UsageError


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of the one that has every host asked for past proxies."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body.decode()


def test_the_variables_of_programs() -> None:
    with HTTPServe() as server:
        variables = server.proxy_env()
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            assert variables[name] == server.base_url
        assert variables["no_proxy"] == variables["NO_PROXY"] == "localhost,127.0.0.1,::1"
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "CARGO_HTTP_CAINFO"):
            assert variables[name] == str(server.ca.pem_path)
        assert variables["NODE_USE_ENV_PROXY"] == "1"


def test_the_variables_of_programs_in_a_container() -> None:
    with HTTPServe() as server:
        variables = server.proxy_env(host="host.docker.internal")
        assert variables["https_proxy"] == f"http://host.docker.internal:{server.port}"
        assert variables["no_proxy"] == "localhost,127.0.0.1,::1,host.docker.internal"
        by_socks = server.proxy_env(scheme="socks5h", host="172.17.0.1")
        assert by_socks["all_proxy"] == f"socks5h://172.17.0.1:{server.port}"


def test_a_local_host_that_is_an_origin_is_not_excepted() -> None:
    with HTTPServe() as server:
        server.origin("http://localhost:99")
        server.origin("http://[::1]:99")
        assert server.proxy_env()["no_proxy"] == "127.0.0.1"


@pytest.mark.needs("socket.AF_UNIX")
def test_a_server_on_a_unix_socket_is_no_proxy_by_variables() -> None:
    with pytest.raises(UsageError, match="no address for the proxy variables"):
        HTTPServe(unix=True).proxy_env()


def test_clients_of_the_process_come_to_the_server_until_it_is_stopped() -> None:
    before = dict(os.environ)
    with HTTPServe() as server:
        server.take_over()
        server.origin("https://api.test").on("GET", "/").respond(text="secure")
        server.origin("http://shop.test").on("GET", "/").respond(text="plain")
        for url, text in (("https://api.test/", "secure"), ("http://shop.test/", "plain")):
            assert fetch(url) == text
            assert requests.get(url, timeout=10).text == text
            assert httpx.get(url, timeout=10).text == text
        assert len(server.exchanges) == 6 + 3
    assert dict(os.environ) == before


def test_urlopen_goes_by_the_proxies_of_its_time() -> None:
    with HTTPServe() as direct:
        direct.on("GET", "/").respond(text="direct")
        assert fetch(direct.url_for("/")) == "direct"  # it keeps what it has found of proxies
        with HTTPServe() as server:
            server.origin("http://shop.test").on("GET", "/").respond(text="the origin")
            server.take_over()
            assert fetch("http://shop.test/") == "the origin"
        with HTTPServe(ignore=["unanswered"]) as server:
            server.take_over()
            with pytest.raises(urllib.error.HTTPError, match="502") as refused:
                fetch("http://shop.test/")
            refused.value.close()
        assert fetch(direct.url_for("/")) == "direct"


def test_an_opener_that_was_installed_is_there_again() -> None:
    own = urllib.request.build_opener()
    urllib.request.install_opener(own)
    try:
        with HTTPServe() as server:
            server.origin("http://shop.test").on("GET", "/").respond(text="the origin")
            server.take_over()
            assert fetch("http://shop.test/") == "the origin"
        assert urllib.request._opener is own  # type: ignore[attr-defined]  # typeshed has it not
    finally:
        urllib.request.install_opener(None)  # as the module itself begins


def test_a_host_that_no_origin_answers_for_fails_by_its_name() -> None:
    with HTTPServe() as server:
        server.take_over()
        with pytest.raises(requests.exceptions.ProxyError):
            requests.get("https://tracker.test/pixel", timeout=10)
        with pytest.raises(httpx.ProxyError):
            httpx.get("https://tracker.test/pixel", timeout=10)
        first, second = server.take_failures()
        assert first.startswith("no origin answers tracker.test port 443, which was asked for by CONNECT")
        assert second == first


def test_variables_that_were_handed_out_follow_the_origins() -> None:
    variables = {"SSL_CERT_FILE": "as it was"}
    with HTTPServe() as server:
        server.lead(variables)
        assert variables == {"SSL_CERT_FILE": "as it was"}
        server.origin("http://localhost")
        assert variables["http_proxy"] == server.base_url
        assert "localhost" not in variables["no_proxy"]
        later: dict[str, str] = {}
        server.lead(later)
        assert later == variables
