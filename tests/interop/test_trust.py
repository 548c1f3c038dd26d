"""How each client is made to trust the test CA: the recipes of docs/https.md, and that without them it does not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest
import requests
import urllib3

from pytest_httpserve import TLS, CertificateAuthority, HTTPServe
from tests.interop.browser import dom
from tests.needs import there

Run = Callable[..., str]

pytestmark = pytest.mark.serve_tls


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def url(httpserve: HTTPServe) -> str:
    """Answers with ``well``."""
    httpserve.on("GET", "/a").respond(text="well")
    return httpserve.url_for("/a")


# In this process, by an argument


def test_requests_by_path(url: str, httpserve_ca: CertificateAuthority) -> None:
    assert requests.get(url, verify=str(httpserve_ca.pem_path), timeout=10).text == "well"


def test_httpx_by_context(url: str, httpserve_ca: CertificateAuthority) -> None:
    assert httpx.get(url, verify=httpserve_ca.client_ssl_context()).text == "well"


@pytest.mark.parametrize("by", ["request", "connector"])
def test_aiohttp_by_context(url: str, httpserve_ca: CertificateAuthority, by: str) -> None:
    async def read() -> str:
        context = httpserve_ca.client_ssl_context()
        connector = aiohttp.TCPConnector(ssl=context if by == "connector" else True)
        given = context if by == "request" else True
        async with aiohttp.ClientSession(connector=connector) as session, session.get(url, ssl=given) as answer:
            return await answer.text()

    assert asyncio.run(read()) == "well"


def test_urllib_by_context(url: str, httpserve_ca: CertificateAuthority) -> None:
    with urllib.request.urlopen(url, timeout=10, context=httpserve_ca.client_ssl_context()) as answer:
        assert answer.read() == b"well"


def test_urllib3_by_path(url: str, httpserve_ca: CertificateAuthority) -> None:
    with urllib3.PoolManager(ca_certs=str(httpserve_ca.pem_path)) as pool:
        assert pool.request("GET", url, timeout=10).data == b"well"


# In this process, by its environment


def with_requests(url: str) -> str:
    return requests.get(url, timeout=10).text


def with_httpx(url: str) -> str:
    return httpx.get(url).text


def with_urllib(url: str) -> str:
    # The opener of urlopen is made once, by whoever calls it first.
    with urllib.request.build_opener().open(url, timeout=10) as answer:
        return str(answer.read(), "ascii")


def with_urllib3(url: str) -> str:
    with urllib3.PoolManager(retries=False) as pool:
        return str(pool.request("GET", url, timeout=10).data, "ascii")


@pytest.mark.parametrize("public", [False, True])
@pytest.mark.parametrize("get", [with_requests, with_httpx, with_urllib, with_urllib3])
def test_trust_env_reaches_clients_that_are_made_later(
    httpserve: HTTPServe, url: str, get: Callable[[str], str], public: bool
) -> None:
    with pytest.raises((OSError, httpx.HTTPError, urllib3.exceptions.HTTPError), match=r"(?i)verify.failed"):
        get(url)

    httpserve.trust_env(public=public)

    assert get(url) == "well"


# In other processes, by their environment


def python(client: str) -> list[str]:
    return [sys.executable, "-c", client]


NODE = "fetch(process.argv[1]).then(r => r.text()).then(t => process.stdout.write(t)).catch(e => { throw e.cause })"
PROGRAMS = {
    "requests": python("import sys, requests; print(requests.get(sys.argv[1], timeout=10).text, end='')"),
    "httpx": python("import sys, httpx; print(httpx.get(sys.argv[1]).text, end='')"),
    "urllib": python(
        "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).read().decode(), end='')"
    ),
    "urllib3": python("import sys, urllib3; print(urllib3.request('GET', sys.argv[1]).data.decode(), end='')"),
    "aiohttp": python(
        "import sys, asyncio, aiohttp\n"
        "async def read():\n"
        "    async with aiohttp.request('GET', sys.argv[1]) as answer: return await answer.text()\n"
        "print(asyncio.run(read()), end='')"
    ),
    "curl": ["curl", "--disable", "--silent", "--show-error", "--max-time", "60"],
    "node": ["node", "--eval", NODE],
}
CLIENTS = [
    pytest.param(client, marks=pytest.mark.needs(client)) if client in ("curl", "node") else client
    for client in PROGRAMS
]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_program_trusts_by_its_environment(
    url: str, run: Run, environment: dict[str, str], httpserve_env: dict[str, str], client: str
) -> None:
    program = [*PROGRAMS[client], url]
    untrusting = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert untrusting.returncode != 0
    assert "certificate" in untrusting.stderr

    environment.update(httpserve_env)
    assert run(*program) == "well"


@pytest.mark.needs("git")
def test_git_clones_by_its_environment(
    httpserve: HTTPServe, run: Run, environment: dict[str, str], httpserve_env: dict[str, str], tmp_path: Path
) -> None:
    served = tmp_path / "served" / "project.git"
    run("git", "init", "--quiet", "--bare", served)
    run("git", "-C", served, "update-server-info")
    httpserve.serve_dir(tmp_path / "served")
    clone = ["git", "clone", "--quiet", httpserve.url_for("/project.git")]
    run(*clone, tmp_path / "refused", status=128)

    environment.update(httpserve_env)
    run(*clone, tmp_path / "copy")
    assert (tmp_path / "copy" / ".git").is_dir()


@pytest.mark.needs("pip")
def test_pip_downloads_by_its_environment(
    httpserve: HTTPServe, run: Run, environment: dict[str, str], httpserve_env: dict[str, str], tmp_path: Path
) -> None:
    from tests.interop.test_pip import make_wheel

    wheel = make_wheel(tmp_path / "index", "shout", "1.0", "")
    httpserve.serve_dir(tmp_path / "index")
    # By its name: for an address, pip 24.2 fails before it comes to certificates.
    url = f"https://localhost:{httpserve.port}"
    # --isolated would have it heed no PIP_CERT; environment has nothing else of pip.
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    pip += ["--no-cache-dir", "--retries=0", "--no-deps", "--index-url", url, "shout"]
    run(*pip, "--dest", tmp_path / "refused", status=1)

    environment.update(httpserve_env)
    run(*pip, "--dest", tmp_path / "got")
    assert (tmp_path / "got" / wheel.name).read_bytes() == wheel.read_bytes()


# A browser


@pytest.fixture
def browser() -> str:
    return there("chromium")


@pytest.mark.needs("chromium")
@pytest.mark.same_everywhere
def test_chromium_trusts_a_key_by_its_hash(
    httpserve: HTTPServe, environment: dict[str, str], browser: str, tmp_path: Path
) -> None:
    httpserve.on("GET", "/page").respond(html="<p id=a></p><script>a.textContent = `it is ${isSecureContext}`</script>")
    httpserve.on("GET", "/favicon.ico").respond(204)
    assert httpserve.certificate is not None
    trusting = f"--ignore-certificate-errors-spki-list={httpserve.certificate.spki_hash}"

    assert "it is true" in dom(environment, browser, httpserve.url_for("/page"), tmp_path, trusting)


@pytest.mark.needs("chromium")
@pytest.mark.same_everywhere
def test_chromium_trusts_no_other_key(
    httpserve: HTTPServe,
    httpserve_ca: CertificateAuthority,
    environment: dict[str, str],
    browser: str,
    tmp_path: Path,
) -> None:
    httpserve.on("GET", "/page").respond(html="<p>secret</p>").optional()
    other = httpserve_ca.issue("localhost").spki_hash

    shown = dom(
        environment, browser, httpserve.url_for("/page"), tmp_path, f"--ignore-certificate-errors-spki-list={other}"
    )

    assert "secret" not in shown
    httpserve.assert_no_requests()
    assert httpserve.connections[0].tls_error is not None


@pytest.mark.needs("chromium")
@pytest.mark.same_everywhere
def test_chromium_finds_a_name_that_is_nowhere(
    httpserve_factory: Callable[..., HTTPServe], environment: dict[str, str], browser: str, tmp_path: Path
) -> None:
    server = httpserve_factory(tls=TLS(names=["shop.test"]))
    server.on("GET", "/page").respond(html="<p>welcome</p>")
    server.on("GET", "/favicon.ico").respond(204)
    assert server.certificate is not None
    options = [f"--ignore-certificate-errors-spki-list={server.certificate.spki_hash}"]
    options += [f"--host-resolver-rules=MAP shop.test 127.0.0.1:{server.port}"]

    assert "welcome" in dom(environment, browser, "https://shop.test/page", tmp_path, *options)
    session = server.connections[0].tls
    assert session is not None
    assert session.sni == "shop.test"
    assert urlsplit(server.base_url).hostname == "127.0.0.1"
