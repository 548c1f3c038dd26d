"""Certificates that were taken back: found in a list, and by clients that ask, as OpenSSL does."""

from __future__ import annotations

import base64
import os
import socket
import ssl
import subprocess
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from cryptography import x509

from pytest_httpserve import TLS, CertificateAuthority, HTTPServe
from tests.tls.test_authority import handshake

Factory = Callable[..., HTTPServe]

NO_PROXY = os.environ | {"NO_PROXY": "*", "no_proxy": "*"}


def openssl(*arguments: object) -> str:
    program = ["openssl", *map(str, arguments)]
    done = subprocess.run(program, input="", capture_output=True, text=True, timeout=60, check=False, env=NO_PROXY)
    return done.stdout + done.stderr


def connect(server: HTTPServe, context: ssl.SSLContext) -> None:
    with socket.create_connection((server.host, server.port), timeout=10) as plain:
        context.wrap_socket(plain, server_hostname="127.0.0.1").close()


def test_what_was_revoked_is_in_the_list_and_nothing_else(tmp_path: Path) -> None:
    authority = CertificateAuthority(folder=tmp_path)
    good, bad = authority.issue("localhost"), authority.issue("localhost")
    authority.revoke(bad)

    (entry,) = x509.load_pem_x509_crl(authority.crl)
    assert entry.serial_number == x509.load_pem_x509_certificate(bad.chain).serial_number
    handshake(good, authority, "localhost", tmp_path)


@pytest.mark.parametrize("intermediate", [False, True])
def test_a_context_that_checks_refuses_it_and_no_other(httpserve_factory: Factory, intermediate: bool) -> None:
    revoked = httpserve_factory(tls=TLS("revoked", intermediate=intermediate))
    good = httpserve_factory(tls=TLS(intermediate=intermediate))

    connect(good, good.ca.client_ssl_context(check_revocation=True))
    connect(revoked, revoked.ca.client_ssl_context())
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate revoked"):
        connect(revoked, revoked.ca.client_ssl_context(check_revocation=True))


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=pytest.mark.needs("IPv6"))])
def test_a_client_can_fetch_the_list(httpserve_factory: Factory, host: str) -> None:
    server = httpserve_factory(tls="revoked", host=host)
    address = f"[{host}]:{server.port}" if ":" in host else f"{host}:{server.port}"
    said = openssl(
        "s_client", "-connect", address, "-CAfile", server.ca.pem_path, "-crl_check", "-crl_download", "-brief"
    )

    assert "certificate revoked" in said
    assert server.revocation is not None
    server.revocation.assert_requested("GET", "/ca.crl", times=1)


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("intermediate", [False, True])
def test_a_client_can_ask_by_ocsp(httpserve_factory: Factory, tmp_path: Path, intermediate: bool) -> None:
    server = httpserve_factory(tls=TLS("revoked", intermediate=intermediate))
    assert server.certificate is not None
    issuer = (server.ca.intermediate if intermediate else server.ca).pem_path
    url = openssl("x509", "-in", server.certificate.chain_path, "-noout", "-ocsp_uri").strip()
    asking: list[object] = [
        "ocsp",
        "-issuer",
        issuer,
        "-cert",
        server.certificate.chain_path,
        "-CAfile",
        server.ca.pem_path,
    ]
    said = openssl(*asking, "-url", url, "-reqout", tmp_path / "request.der")

    assert "Response verify OK" in said
    assert ": revoked" in said
    assert "WARNING: no nonce" not in said

    # By GET, as RFC 6960 has it in appendix A.1.
    request = urllib.parse.quote(base64.b64encode((tmp_path / "request.der").read_bytes()), safe="")
    answer = requests.get(f"{url}/{request}", timeout=10, proxies={"http": ""})
    assert answer.headers["Content-Type"] == "application/ocsp-response"
    (tmp_path / "answer.der").write_bytes(answer.content)
    assert ": revoked" in openssl(*asking, "-no_nonce", "-respin", tmp_path / "answer.der")


@pytest.mark.needs("openssl")
def test_ocsp_says_nothing_of_others(httpserve_factory: Factory) -> None:
    server = httpserve_factory(tls="revoked")
    assert server.revocation is not None
    other = server.ca.issue("localhost").chain_path
    url = server.revocation.url_for("/ocsp")
    said = openssl("ocsp", "-issuer", server.ca.pem_path, "-cert", other, "-CAfile", server.ca.pem_path, "-url", url)

    assert "unauthorized" in said
    assert requests.post(url, data=b"junk", timeout=10, proxies={"http": ""}).content == b"\x30\x03\x0a\x01\x01"


def test_it_ends_with_its_server(httpserve_factory: Factory) -> None:
    server = httpserve_factory(tls="revoked")
    revocation = server.revocation
    assert revocation is not None
    server.stop()

    with pytest.raises(requests.ConnectionError):
        requests.get(revocation.url_for("/ca.crl"), timeout=10, proxies={"http": ""})
