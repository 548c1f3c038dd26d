"""A shop that has moved to HTTPS: it redirects clients, tells them to stay, and clients refuse impostors."""

from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests

from pytest_httpserve import TLS_GALLERY, HTTPServe, Request, Response

Shop = tuple[HTTPServe, HTTPServe]
YEAR = 365 * 24 * 3600


class Client:
    """An HTTP client that remembers which hosts want HTTPS only (RFC 6797).

    The RFC has no ports but 80 and 443; the servers of a test have others, so this client learns where HTTPS is from
    the redirect.
    """

    def __init__(self, session: requests.Session) -> None:
        self.session = session
        self.secure: dict[str, str] = {}

    def get(self, url: str) -> requests.Response:
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.netloc in self.secure:
            url = urlunsplit(parts._replace(scheme="https", netloc=self.secure[parts.netloc]))
        answer = self.session.get(url, timeout=5)
        last = urlsplit(answer.url)
        if last.scheme == "https" and "max-age" in answer.headers.get("Strict-Transport-Security", ""):
            self.secure[parts.netloc] = last.netloc
        return answer


@pytest.fixture
def shop(httpserve: HTTPServe, httpserve_factory: Callable[..., HTTPServe]) -> Shop:
    """The shop over HTTP, which redirects every client, and over HTTPS, which tells clients to stay."""
    secure = httpserve_factory(tls=True)
    secure.on("GET", "/tea").respond(
        text="assam", headers={"Strict-Transport-Security": f"max-age={YEAR}; includeSubDomains"}
    )

    @httpserve.on("*", "*")
    def elsewhere(request: Request) -> Response:
        return Response.redirect(secure.url_for(request.target), 308)

    return httpserve, secure


def test_http_redirects_to_https(shop: Shop, httpserve_client: requests.Session) -> None:
    _, secure = shop

    answer = httpserve_client.get("/tea?size=2")

    assert answer.text == "assam"
    assert answer.url == secure.url_for("/tea?size=2")
    secure.assert_requested("GET", "/tea", query={"size": "2"})


def test_the_client_remembers_to_use_https(shop: Shop, httpserve_client: requests.Session) -> None:
    plain, secure = shop
    client = Client(httpserve_client)

    for _ in range(3):
        assert client.get(plain.url_for("/tea")).text == "assam"

    plain.assert_requested("GET", "/tea", times=1)
    secure.assert_requested("GET", "/tea", times=3)


def test_the_header_is_ignored_over_http(httpserve: HTTPServe, httpserve_client: requests.Session) -> None:
    httpserve.on("GET", "/tea").respond(text="assam", headers={"Strict-Transport-Security": f"max-age={YEAR}"})
    client = Client(httpserve_client)
    client.get(httpserve.url_for("/tea"))

    assert client.secure == {}


@pytest.mark.parametrize("fault", [fault for fault in TLS_GALLERY if fault not in ("revoked", "handshake_stall")])
def test_an_impostor_gets_no_order(
    httpserve_factory: Callable[..., HTTPServe], httpserve_client: requests.Session, fault: str
) -> None:
    impostor = httpserve_factory(tls=fault)
    impostor.on("POST", "/orders").respond(201).optional()

    with pytest.raises(requests.ConnectionError):
        httpserve_client.post(impostor.url_for("/orders"), json={"item": "tea"})

    impostor.assert_not_requested("POST", "/orders")


@pytest.mark.serve_tls(client_cert="required")
def test_the_owner_shows_a_certificate(httpserve: HTTPServe, httpserve_client: requests.Session) -> None:
    httpserve.on("GET", "/ledger").respond(json=[])
    with pytest.raises(requests.ConnectionError):
        httpserve_client.get("/ledger")

    httpserve_client.cert = str(httpserve.ca.issue_client("owner@shop.test").pem_path)

    assert httpserve_client.get("/ledger").json() == []
    connection = httpserve.exchanges[0].connection
    assert connection is not None and connection.tls is not None and connection.tls.peer_certificate is not None
    assert connection.tls.peer_certificate.names == ("owner@shop.test",)
