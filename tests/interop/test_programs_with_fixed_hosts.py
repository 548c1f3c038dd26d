"""Programs that name their hosts themselves, unmodified, each in a process of its own: they reach the origins of the
test over HTTPS, and are stopped by name anywhere else."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_httpserve import HTTPServe

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
}


@pytest.fixture
def led(environment: dict[str, str], httpserve: HTTPServe) -> dict[str, str]:
    """The environment of ``run``, with what leads programs to the server."""
    environment |= httpserve.proxy_env()
    return environment


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_client_of_python(httpserve: HTTPServe, led: dict[str, str], run: Run, name: str) -> None:
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
