"""Programs that name their hosts themselves, unmodified, each in a process of its own: they reach the origins of the
test over HTTPS, and are stopped by name anywhere else."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_httpserve import HTTPServe

from ..needs import there
from .browser import dom

pytestmark = pytest.mark.same_everywhere

Run = Callable[..., str]

# Each prints what it finds at a URL, and ends with another status than 0 if it is not found.
PROGRAMS = {
    "urllib": "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=30).read().decode(), end='')",
    "requests": """
import sys, requests

answer = requests.get(sys.argv[1], timeout=30)
answer.raise_for_status()
print(answer.text, end="")
""",
    "httpx": "import sys, httpx; print(httpx.get(sys.argv[1], timeout=30).raise_for_status().text, end='')",
    "aiohttp": """
import asyncio, sys
import aiohttp

async def fetch():
    async with aiohttp.ClientSession(trust_env=True, raise_for_status=True) as session:
        async with session.get(sys.argv[1]) as answer:
            print(await answer.text(), end="")

asyncio.run(fetch())
""",
    "httpx2": "import sys, httpx2; print(httpx2.get(sys.argv[1], timeout=30).raise_for_status().text, end='')",
    # Large, or in the way of others: tried where they are installed.
    "niquests": """
import sys, niquests

answer = niquests.get(sys.argv[1], timeout=30)
answer.raise_for_status()
print(answer.text, end="")
""",
}
BOTOCORE = """
import sys
import botocore.session
from botocore.config import Config

once = Config(retries={"total_max_attempts": 1})
session = botocore.session.get_session()
session.set_credentials("id", "secret")
s3 = session.create_client("s3", region_name=sys.argv[1], config=once)
print(s3.get_object(Bucket="greetings", Key="a.txt")["Body"].read().decode(), end="")
"""
NODE_FETCH = "fetch(process.argv[1]).then(answer => answer.text()).then(text => process.stdout.write(text))"


@pytest.fixture
def led(environment: dict[str, str], httpserve: HTTPServe) -> dict[str, str]:
    """The environment of ``run``, with what leads programs to the server."""
    environment |= httpserve.proxy_env()
    return environment


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_client_of_python(httpserve: HTTPServe, led: dict[str, str], run: Run, name: str) -> None:
    if name == "niquests":
        pytest.importorskip(name)
    api = httpserve.origin("https://api.example.com")
    api.on("GET", "/v1/me").respond(text="seven")
    httpserve.origin("http://*.example.com").on("GET", "/v1/me").respond(text="eight")

    assert run(sys.executable, "-c", PROGRAMS[name], "https://api.example.com/v1/me") == "seven"
    assert run(sys.executable, "-c", PROGRAMS[name], "http://www.example.com/v1/me") == "eight"
    api.assert_requested("GET", "/v1/me", times=1)
    run(sys.executable, "-c", PROGRAMS[name], "https://tracker.example.net/pixel", status=1)
    (failure,) = httpserve.take_failures()
    assert failure.startswith("no origin answers tracker.example.net port 443, which was asked for by CONNECT ")


@pytest.mark.needs("curl")
def test_curl_follows_a_redirect_to_another_origin(httpserve: HTTPServe, led: dict[str, str], run: Run) -> None:
    httpserve.origin("https://old.example.com").on("GET", "/").redirect("https://new.example.org:8443/there")
    new = httpserve.origin("https://new.example.org:8443")
    new.on("GET", "/there").respond(text="there")
    curl = ["--disable", "--silent", "--show-error", "--max-time", "60"]

    assert run("curl", *curl, "--location", "https://old.example.com/") == "there"
    heads = run("curl", *curl, "--head", "--write-out", "%{http_connect}", new.url_for("/there"))
    assert heads.endswith("200")
    run("curl", *curl, "http://tracker.example.net/", "--fail", status=22)
    run("curl", *curl, "https://tracker.example.net/", status=56)
    assert [failure.partition(",")[0] for failure in httpserve.take_failures()] == [
        "no origin answers tracker.example.net port 80",
        "no origin answers tracker.example.net port 443",
    ]


@pytest.mark.needs("curl")
def test_curl_asks_by_socks(httpserve: HTTPServe, environment: dict[str, str], run: Run) -> None:
    api = httpserve.origin("https://api.example.com")
    api.on("GET", "/").respond(text="there")
    httpserve.proxy_auth("me", "secret")
    environment |= httpserve.proxy_env(scheme="socks5h")
    curl = ["--disable", "--silent", "--show-error", "--max-time", "60"]

    assert run("curl", *curl, api.url_for("/")) == "there"
    run("curl", *curl, "https://tracker.example.net/", status=97)
    assert [exchange.request.target for exchange in httpserve.exchanges if exchange.request.method == "CONNECT"] == [
        "api.example.com:443",
        "tracker.example.net:443",
    ]
    assert "no origin answers tracker.example.net port 443" in httpserve.take_failures()[0]


@pytest.mark.needs("curl")
def test_curl_keeps_its_cookies_apart(httpserve: HTTPServe, led: dict[str, str], run: Run, tmp_path: Path) -> None:
    shop, other = httpserve.origin("https://shop.example.com"), httpserve.origin("https://shop.example.org")
    for origin in (shop, other):
        origin.on("GET", "/").respond(cookies={"id": str(origin.pattern)})
    curl = ["--disable", "--silent", "--max-time", "60", "--cookie-jar", tmp_path / "jar", "--cookie", tmp_path / "jar"]
    run("curl", *curl, shop.url_for("/"), other.url_for("/"), shop.url_for("/"))

    assert [exchange.request.cookies.get("id") for exchange in shop.exchanges] == [None, "https://shop.example.com"]
    assert [exchange.request.cookies.get("id") for exchange in other.exchanges] == [None]


def test_the_sdk_of_a_cloud(httpserve: HTTPServe, led: dict[str, str], run: Run) -> None:
    bucket = httpserve.origin("https://greetings.s3.eu-central-1.amazonaws.com")
    bucket.on("GET", "/a.txt").respond(text="hello")

    assert run(sys.executable, "-c", BOTOCORE, "eu-central-1") == "hello"
    (exchange,) = bucket.requested("GET", "/a.txt")
    assert exchange.request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=id/")
    run(sys.executable, "-c", BOTOCORE, "eu-north-1", status=1)
    assert "no origin answers greetings.s3.eu-north-1.amazonaws.com port 443" in httpserve.take_failures()[0]


@pytest.mark.needs("Node 24")
def test_fetch_of_node(httpserve: HTTPServe, led: dict[str, str], run: Run) -> None:
    node = ["node", "--eval", NODE_FETCH]
    httpserve.origin("https://api.example.com").on("GET", "/v1/me").respond(text="seven")
    httpserve.origin("http://www.example.com").on("GET", "/v1/me").respond(text="eight")

    assert run(*node, "https://api.example.com/v1/me") == "seven"
    assert run(*node, "http://www.example.com/v1/me") == "eight"
    run(*node, "https://tracker.example.net/pixel", status=1)
    assert "no origin answers tracker.example.net port 443" in httpserve.take_failures()[0]


@pytest.mark.needs("chromium")
def test_a_browser(httpserve: HTTPServe, environment: dict[str, str], tmp_path: Path) -> None:
    shop = httpserve.origin("https://shop.example.com")
    shop.on("GET", "/").respond(
        html="<p id=a></p><script src=https://api.example.com/me.js></script><img src=https://tracker.example.net/pixel>"
    )
    shop.on("GET", "/favicon.ico").respond(204)
    api = httpserve.origin("https://api.example.com")
    api.on("GET", "/me.js").respond(
        body=b"a.textContent = `it is ${isSecureContext}`", headers={"Content-Type": "text/javascript"}
    )
    keys = ",".join(origin.certificate.spki_hash for origin in (shop, api) if origin.certificate is not None)
    options = [f"--proxy-server={httpserve.base_url}", f"--ignore-certificate-errors-spki-list={keys}"]

    assert "it is true" in dom(environment, there("chromium"), "https://shop.example.com/", tmp_path, *options)
    assert {failure.partition(",")[0] for failure in httpserve.take_failures()} == {
        "no origin answers tracker.example.net port 443"
    }


@pytest.mark.needs("git")
def test_git_clones_from_a_host_that_it_names(
    httpserve: HTTPServe, led: dict[str, str], run: Run, tmp_path: Path
) -> None:
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    run("git", "init", "--quiet", tmp_path / "work")
    (tmp_path / "work" / "read me.txt").write_text("first\n")
    run("git", "-C", tmp_path / "work", "add", ".")
    run("git", "-C", tmp_path / "work", *who, "commit", "--quiet", "--message", "first")
    run("git", "clone", "--quiet", "--bare", tmp_path / "work", tmp_path / "served" / "project.git")
    run("git", "-C", tmp_path / "served" / "project.git", "update-server-info")
    forge = httpserve.origin("https://git.example.com")
    forge.serve_dir(tmp_path / "served")
    httpserve.ignore("unanswered")  # git looks for what a dumb server need not have

    run("git", "clone", "--quiet", "https://git.example.com/project.git", tmp_path / "clone")
    assert (tmp_path / "clone" / "read me.txt").read_text() == "first\n"
    forge.assert_requested("GET", "/project.git/info/refs")
    run("git", "clone", "--quiet", "https://elsewhere.example.com/project.git", tmp_path / "other", status=128)


@pytest.mark.needs("pip")
def test_pip_asks_the_index_that_it_knows(httpserve: HTTPServe, led: dict[str, str], run: Run, tmp_path: Path) -> None:
    httpserve.origin("https://pypi.org").on("GET", "/simple/greet/").respond(
        html='<a href="https://files.pythonhosted.org/greet-1.0-py3-none-any.whl">greet-1.0-py3-none-any.whl</a>'
    )
    files = httpserve.origin("https://files.pythonhosted.org")
    files.on("GET", "/greet-1.0-py3-none-any.whl").respond(body=b"a wheel, of a kind")
    options = ["--isolated", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--retries=0"]
    pip = [sys.executable, "-m", "pip", *options, "download", "--quiet", "--no-deps", "--dest", tmp_path]
    # --isolated leaves out PIP_CERT, and a setting of the machine that names another index.
    given = ["--cert", httpserve.ca.pem_path, "--index-url", "https://pypi.org/simple"]

    run(*pip, *given, "greet==1.0", status=1)  # the wheel is none
    files.assert_requested("GET", "/greet-1.0-py3-none-any.whl")
    assert httpserve.failures == ()


HTTPX_HTTP_2 = """
import sys, httpx

with httpx.Client(http2=True, timeout=30) as client:
    for _ in range(3):
        answer = client.get(sys.argv[1]).raise_for_status()
print(answer.http_version, answer.text, end="")
"""


@pytest.fixture
def over_http2(environment: dict[str, str], httpserve_factory: Callable[..., HTTPServe]) -> HTTPServe:
    """A server that speaks HTTP/2, to which ``run`` leads."""
    server = httpserve_factory(http2=True)
    server.origin("https://api.example.com").on("GET", "/").respond(html="<p>seven</p>")
    server.origin("https://api.example.com:8443").on("POST", "/").handle(lambda request: request.text)
    environment |= server.proxy_env()
    return server


def versions(server: HTTPServe) -> list[tuple[int, int]]:
    """Those of the requests within tunnels."""
    return [exchange.version for exchange in server.exchanges if exchange.origin is not None]


def test_httpx_speaks_http_2_in_a_tunnel(over_http2: HTTPServe, run: Run) -> None:
    assert run(sys.executable, "-c", HTTPX_HTTP_2, "https://api.example.com/") == "HTTP/2 <p>seven</p>"
    assert versions(over_http2) == [(2, 0)] * 3


@pytest.mark.needs("curl")
def test_curl_speaks_http_2_in_a_tunnel(over_http2: HTTPServe, run: Run, tmp_path: Path) -> None:
    curl = ["curl", "--disable", "--silent", "--show-error", "--fail", "--max-time", "60"]
    sent = tmp_path / "sent"
    sent.write_text("x" * 300_000)

    assert run(*curl, "https://api.example.com/") == "<p>seven</p>"
    assert run(*curl, "--data", f"@{sent}", "https://api.example.com:8443/") == sent.read_text()
    assert run(*curl, "--http1.1", "https://api.example.com/") == "<p>seven</p>"
    assert versions(over_http2) == [(2, 0), (2, 0), (1, 1)]


@pytest.mark.needs("chromium")
def test_a_browser_speaks_http_2_in_a_tunnel(
    over_http2: HTTPServe, environment: dict[str, str], tmp_path: Path
) -> None:
    shop = over_http2.origin("https://shop.example.com")
    shop.on("GET", "/").respond(html="<p id=a></p><script src=/me.js></script>")
    shop.on("GET", "/favicon.ico").respond(204)
    shop.on("GET", "/me.js").respond(body=b"a.textContent = 'seven'", headers={"Content-Type": "text/javascript"})
    assert shop.certificate is not None
    trusted = f"--ignore-certificate-errors-spki-list={shop.certificate.spki_hash}"
    options = [f"--proxy-server={over_http2.base_url}", trusted]

    assert "seven" in dom(environment, there("chromium"), "https://shop.example.com/", tmp_path, *options)
    assert set(versions(over_http2)) == {(2, 0)}


# A proxy over TLS


@pytest.fixture
def over_tls(
    request: pytest.FixtureRequest, environment: dict[str, str], httpserve_factory: Callable[..., HTTPServe]
) -> HTTPServe:
    """A server over TLS, to which ``run`` leads."""
    server = httpserve_factory(tls=True, http2=getattr(request, "param", False))
    server.origin("https://api.example.com").on("GET", "/v1/me").respond(html="<p>seven</p>")
    environment |= server.proxy_env()
    return server


# Not urllib, which speaks plain HTTP to every proxy, nor aiohttp, which wants to be told not to warn of TLS in TLS.
@pytest.mark.parametrize("name", ["requests", "httpx", "httpx2", "niquests"])
def test_a_client_of_python_asks_a_proxy_over_tls(over_tls: HTTPServe, run: Run, name: str) -> None:
    if name == "niquests":
        pytest.importorskip(name)
    assert run(sys.executable, "-c", PROGRAMS[name], "https://api.example.com/v1/me") == "<p>seven</p>"
    run(sys.executable, "-c", PROGRAMS[name], "https://tracker.example.net/pixel", status=1)
    assert "no origin answers tracker.example.net port 443" in over_tls.take_failures()[0]


@pytest.mark.needs("curl")
def test_curl_asks_a_proxy_over_tls(over_tls: HTTPServe, run: Run) -> None:
    curl = ["curl", "--disable", "--silent", "--show-error", "--max-time", "60"]
    trusting = [*curl, "--proxy-cacert", over_tls.ca.pem_path]

    assert run(*trusting, "https://api.example.com/v1/me", "https://api.example.com/v1/me") == "<p>seven</p>" * 2
    run(*trusting, "https://tracker.example.net/", status=56)
    assert "no origin answers tracker.example.net port 443" in over_tls.take_failures()[0]
    run(*curl, "https://api.example.com/v1/me", status=60)  # which says that it does not trust the proxy


@pytest.mark.needs("chromium")
@pytest.mark.parametrize("over_tls", [False, True], indirect=True, ids=["http1", "http2"])
def test_a_browser_asks_a_proxy_over_tls(
    over_tls: HTTPServe, request: pytest.FixtureRequest, environment: dict[str, str], tmp_path: Path
) -> None:
    shop = over_tls.origin("https://shop.example.com")
    shop.on("GET", "/").respond(html="<p id=a></p><script src=/me.js></script>")
    shop.on("GET", "/favicon.ico").respond(204)
    shop.on("GET", "/me.js").respond(body=b"a.textContent = 'seven'", headers={"Content-Type": "text/javascript"})
    assert shop.certificate is not None and over_tls.certificate is not None
    trusted = ",".join(one.spki_hash for one in (shop.certificate, over_tls.certificate))
    options = [f"--proxy-server={over_tls.base_url}", f"--ignore-certificate-errors-spki-list={trusted}"]

    assert "seven" in dom(environment, there("chromium"), "https://shop.example.com/", tmp_path, *options)
    version = (2, 0) if request.node.callspec.params["over_tls"] else (1, 1)
    assert {exchange.version for exchange in over_tls.exchanges} == {version}
    assert {exchange.request.method for exchange in over_tls.exchanges if exchange.origin is None} == {"CONNECT"}
    assert over_tls.failures == ()
