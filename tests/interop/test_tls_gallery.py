"""What is wrong with a server's TLS, and the reason for which each client refuses it."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Callable

import aiohttp
import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter

from pytest_httpserve import TLS, TLS_GALLERY, CertificateAuthority, HTTPServe
from tests.versions import compare_with_known, curl, distribution, openssl, reports_versions

Factory = Callable[..., HTTPServe]
Fetch = Callable[[str, CertificateAuthority, float], str]

SECONDS = 20.0


class Checking(HTTPAdapter):
    """Requests asks for no revocation but through a context."""

    def __init__(self, ca: CertificateAuthority) -> None:
        self.ca = ca
        super().__init__()

    def init_poolmanager(self, *args: object, **kwargs: object) -> None:
        context = self.ca.client_ssl_context(check_revocation=True)
        super().init_poolmanager(*args, ssl_context=context, **kwargs)  # type: ignore[arg-type]  # handed on as they come


def with_requests(url: str, ca: CertificateAuthority, seconds: float) -> str:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", Checking(ca))
        return session.get(url, timeout=seconds, verify=str(ca.pem_path)).text


def with_httpx(url: str, ca: CertificateAuthority, seconds: float) -> str:
    context = ca.client_ssl_context(check_revocation=True)
    with httpx.Client(trust_env=False, timeout=seconds, verify=context) as client:
        return client.get(url).text


def with_aiohttp(url: str, ca: CertificateAuthority, seconds: float) -> str:
    async def read() -> str:
        timeout, context = aiohttp.ClientTimeout(total=seconds), ca.client_ssl_context(check_revocation=True)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, ssl=context) as answer:
            return await answer.text()

    return asyncio.run(read())


def with_curl(url: str, ca: CertificateAuthority, seconds: float) -> str:
    program = ["curl", "--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", str(seconds)]
    # An older curl would try TLS 1.0, and stumble over its weak signatures.
    program += ["--tlsv1.2"]
    trust = ["--cacert", str(ca.pem_path), "--crlfile", str(ca.crl_path)]
    done = subprocess.run([*program, *trust, url], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise OSError(f"{done.returncode}: {done.stderr}")
    return done.stdout


CLIENTS = [with_requests, with_httpx, with_aiohttp, pytest.param(with_curl, marks=pytest.mark.needs("curl"))]

# Whose words are known: those of clients, and those of OpenSSL in them.
KNOWN = {"requests": ["2.34"], "httpx": ["0.28"], "aiohttp": ["3.14"]}
KNOWN_CURLS = [("7.88", "OpenSSL 3.0"), ("8.23", "OpenSSL 3.6")]
KNOWN_OPENSSLS = ["OpenSSL 3.0", "OpenSSL 3.6"]

# The reason in the words of Python's clients, and in those of curl, behind its exit status.
REASONS = {
    "expired": (r"certificate has expired", r"^60: .*certificate has expired"),
    "not_yet_valid": (r"certificate is not yet valid", r"^60: .*certificate is not yet valid"),
    "wrong_host": (
        r"certificate is not valid for '127\.0\.0\.1'",
        r"^60: .*no alternative certificate subject name matches target",
    ),
    "self_signed": (r"self-signed certificate \(", r"^60: .*self-signed certificate(?: \(18\))?$"),
    "untrusted": (r"unable to get local issuer certificate", r"^60: .*unable to get local issuer certificate"),
    "missing_chain": (r"unable to get local issuer certificate", r"^60: .*unable to get local issuer certificate"),
    "revoked": (r"certificate revoked", r"^60: .*certificate revoked"),
    "old_tls": (r"(?i)alert protocol version", r"^35: .*alert protocol version"),
    "no_common_cipher": (r"(?i)alert handshake failure", r"^35: .*alert handshake failure"),
    "handshake_reset": (r"reset by peer|Server disconnected|^$", r"^35: .*reset by peer"),
    "handshake_stall": (r"(?i)time[d]?.?out|^$", r"^28: "),
    "plain_http": (r"(?i)wrong version number|record layer failure", r"^35: .*wrong version number"),
}


def known(fetch: Fetch) -> tuple[str, bool]:
    """The client in its version, and whether its words are known."""
    if fetch is with_curl:
        return " with ".join(["curl", *curl()]), curl() in KNOWN_CURLS
    name = fetch.__name__.removeprefix("with_")
    is_known = distribution(name) in KNOWN[name] and openssl() in KNOWN_OPENSSLS
    return f"{name} {distribution(name)} with {openssl()}", is_known


def refusal(fetch: Fetch, server: HTTPServe, seconds: float) -> str:
    """The reason for which the client refuses the server, with those beneath it."""
    with pytest.raises((OSError, httpx.HTTPError, aiohttp.ClientError)) as caught:
        fetch(server.url_for("/a"), server.ca, seconds)
    reasons = []
    error: BaseException | None = caught.value
    while error is not None:
        reasons.append(f"{type(error).__name__} {error}" if fetch is not with_curl else str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(reasons)


@reports_versions
@pytest.mark.parametrize("fetch", CLIENTS)
@pytest.mark.parametrize("fault", TLS_GALLERY)
def test_a_client_gives_the_reason(httpserve_factory: Factory, fault: str, fetch: Fetch) -> None:
    server = httpserve_factory(tls=fault)
    server.on("GET", "/a").respond(text="secret").optional()

    said = refusal(fetch, server, 0.2 if fault == "handshake_stall" else SECONDS)

    of_python, of_curl = REASONS[fault]
    assert server.requested("GET", "/a") == []
    is_said = re.search(of_curl if fetch is with_curl else of_python, said, re.M)
    compare_with_known(*known(fetch), [] if is_said else [f"{fault}: {said}"])


@pytest.mark.parametrize("fetch", CLIENTS)
@pytest.mark.parametrize(
    "tls",
    [True, TLS(intermediate=True), TLS(key_type="rsa"), TLS(tls_versions="1.2")],
    ids=["plain", "intermediate", "rsa", "1.2"],
)
def test_a_client_trusts_what_is_right(httpserve_factory: Factory, tls: TLS | bool, fetch: Fetch) -> None:
    server = httpserve_factory(tls=tls)
    server.on("GET", "/a").respond(text="secret")

    assert fetch(server.url_for("/a"), server.ca, SECONDS) == "secret"
