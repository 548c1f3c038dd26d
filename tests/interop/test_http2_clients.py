"""Clients of HTTP/2 that people have: requests one by one and twenty at a time, large bodies both ways, trailers."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_httpserve import HTTPServe, Request
from tests.interop.browser import driven
from tests.needs import there

pytestmark = pytest.mark.same_everywhere

Factory = Callable[..., HTTPServe]
Run = Callable[..., str]

AT_ONCE = 20
LARGE = os.urandom(2_000_000)
SUM = hashlib.sha256(LARGE).hexdigest()

MANY = [str(n) for n in range(AT_ONCE)]

# What a client is told. The sum is that of what it has got, and has sent back. Not each of them shows trailers.
HEARD = {"user": {"id": 7}, "echo": "thé", "many": MANY, "large": SUM}
HEARD_WITH_TRAILER = HEARD | {"trailer": "7"}


def fill(server: HTTPServe) -> HTTPServe:
    """Put there what the clients ask for."""
    everyone = threading.Barrier(AT_ONCE)
    server.on("GET", "/user").respond(json={"id": 7})
    server.on("POST", "/echo").handle(lambda request: request.body)
    server.on("GET", "/trailer").respond(text="body", trailers={"X-Sum": "7"}).optional()
    server.on("GET", "/large").respond(body=LARGE)
    server.on("PUT", "/large").handle(lambda request: hashlib.sha256(request.body).hexdigest())

    @server.on("GET", "/many/{n}")
    def wait_for_the_others(request: Request) -> str:
        everyone.wait(30)
        return str(request.path_params["n"])

    return server


@pytest.fixture(params=["plain", "tls"])
def server(request: pytest.FixtureRequest, httpserve_factory: Factory) -> HTTPServe:
    return fill(httpserve_factory(http2=True, tls=request.param == "tls"))


@pytest.fixture
def over_tls(httpserve_factory: Factory) -> HTTPServe:
    return fill(httpserve_factory(http2=True, tls=True))


def check(server: HTTPServe) -> None:
    """All of it was HTTP/2, and the twenty had one connection."""
    assert {exchange.version for exchange in server.exchanges} == {(2, 0)}
    server.assert_multiplexed(at_least=AT_ONCE)


@pytest.fixture
def curl(run: Run) -> Run:
    """``curl(*arguments)`` runs curl without its settings file."""
    return functools.partial(
        run, "curl", "--disable", "--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "60"
    )


@pytest.mark.needs("curl")
def test_curl(server: HTTPServe, curl: Run, tmp_path: Path) -> None:
    known = ["--http2", "--cacert", server.ca.pem_path] if server.certificate else ["--http2-prior-knowledge"]

    assert json.loads(curl(*known, server.url_for("/user"))) == {"id": 7}
    assert curl(*known, "--data-binary", "thé", server.url_for("/echo")) == "thé"
    assert curl(*known, "--dump-header", "-", server.url_for("/trailer")).endswith("bodyx-sum: 7\n")
    curl(*known, "--output", tmp_path / "large", server.url_for("/large"))
    assert curl(*known, "--upload-file", tmp_path / "large", server.url_for("/large")) == SUM
    assert {exchange.version for exchange in server.exchanges} == {(2, 0)}


@pytest.mark.needs("curl")
def test_curl_at_once(over_tls: HTTPServe, curl: Run, tmp_path: Path) -> None:
    """Without TLS, curl 7.88 asks one by one at first, and then fails: with nghttpd, too."""
    many = ["--parallel", "--parallel-max", str(AT_ONCE), over_tls.url_for(f"/many/[0-{AT_ONCE - 1}]")]
    curl("--http2", "--cacert", over_tls.ca.pem_path, "--output", tmp_path / "#1", *many)

    assert [(tmp_path / n).read_text() for n in MANY] == MANY
    check(over_tls)


@pytest.mark.needs("curl")
def test_curl_upgrades_what_has_no_body(httpserve_factory: Factory, curl: Run) -> None:
    server = fill(httpserve_factory(http2=True))

    assert json.loads(curl("--http2", server.url_for("/user"))) == {"id": 7}
    assert curl("--http2", "--data-binary", "thé", server.url_for("/echo")) == "thé"
    assert [exchange.version for exchange in server.exchanges] == [(2, 0), (1, 1)]


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_httpx(server: HTTPServe, name: str) -> None:
    httpx: Any = importlib.import_module(name)  # what is used here, both have

    async def talk() -> dict[str, Any]:
        verify = server.ca.client_ssl_context() if server.certificate else True
        base, http1 = server.base_url, bool(server.certificate)  # without TLS, else it speaks HTTP/1.1
        async with httpx.AsyncClient(base_url=base, http1=http1, http2=True, verify=verify, trust_env=False) as client:
            user = await client.get("/user")
            echo = await client.post("/echo", content="thé")
            many = await asyncio.gather(*(client.get(f"/many/{n}") for n in MANY))
            large = await client.put("/large", content=(await client.get("/large")).content)
            return {
                "user": user.json(),
                "echo": echo.text,
                "many": [answer.text for answer in many],
                "large": large.text,
            }

    assert asyncio.run(talk()) == HEARD
    check(server)


NIQUESTS = """
import json, sys
import niquests

base, ca, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with niquests.Session(base_url=base, disable_http1=not ca) as client:
    client.trust_env = False
    client.verify = ca or True
    heard = {"user": client.get("/user").json(), "echo": client.post("/echo", data="thé".encode()).text}
    heard["large"] = client.put("/large", data=client.get("/large").content).text
    heard["trailer"] = client.get("/trailer").trailers["x-sum"]
with niquests.Session(base_url=base, disable_http1=not ca, multiplexed=True) as client:
    client.trust_env = False
    client.verify = ca or True
    many = [client.get(f"/many/{n}") for n in range(count)]
    client.gather()
    heard["many"] = [answer.text for answer in many]
print(json.dumps(heard))
"""


@pytest.mark.needs("niquests")
def test_niquests(server: HTTPServe, environment: dict[str, str]) -> None:
    ca = str(server.ca.pem_path) if server.certificate else ""
    ran = subprocess.run(
        [sys.executable, "-c", NIQUESTS, server.base_url, ca, str(AT_ONCE)],
        env=environment | {"PYTHONPATH": os.environ["NIQUESTS"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == HEARD_WITH_TRAILER
    check(server)


NODE = """
const { readFileSync } = require("node:fs");
const [base, ca, count] = process.argv.slice(1);
const session = require("node:http2").connect(base, ca ? { ca: readFileSync(ca) } : {});

function ask(method, path, body) {
  return new Promise((go, fail) => {
    const stream = session.request({ ":method": method, ":path": path }), pieces = [];
    let trailers = {};
    stream.on("data", (piece) => pieces.push(piece));
    stream.on("trailers", (some) => { trailers = some; });
    stream.on("error", fail);
    stream.on("end", () => go({ body: Buffer.concat(pieces), trailers }));
    stream.end(body);
  });
}

(async () => {
  const heard = { user: JSON.parse((await ask("GET", "/user")).body) };
  heard.echo = (await ask("POST", "/echo", "thé")).body.toString();
  heard.trailer = (await ask("GET", "/trailer")).trailers["x-sum"];
  const many = [...Array(Number(count)).keys()].map((n) => ask("GET", `/many/${n}`));
  heard.many = (await Promise.all(many)).map((answer) => answer.body.toString());
  heard.large = (await ask("PUT", "/large", (await ask("GET", "/large")).body)).body.toString();
  console.log(JSON.stringify(heard));
  session.close();
})();
"""


@pytest.mark.needs("node")
def test_node(server: HTTPServe, run: Run) -> None:
    ca = str(server.ca.pem_path) if server.certificate else ""
    said = run("node", "--eval", NODE, server.base_url, ca, str(AT_ONCE))

    assert json.loads(said) == HEARD_WITH_TRAILER
    check(server)
    assert len(server.connections) == 1


CHROMIUM = """
async function talk(count) {
  const ask = async (method, path, body) => (await fetch(path, { method, body })).text();
  const heard = { user: JSON.parse(await ask("GET", "/user")), echo: await ask("POST", "/echo", "thé") };
  heard.many = await Promise.all([...Array(count).keys()].map((n) => ask("GET", `/many/${n}`)));
  heard.large = await ask("PUT", "/large", await (await fetch("/large")).arrayBuffer());
  return heard;
}
"""


@pytest.mark.needs("chromium")
def test_chromium(over_tls: HTTPServe, tmp_path: Path) -> None:
    over_tls.on("GET", "/page").respond(html=f"<script>{CHROMIUM}</script>")
    over_tls.on("GET", "/favicon.ico").respond(204).optional()
    assert over_tls.certificate is not None
    trusted = f"--ignore-certificate-errors-spki-list={over_tls.certificate.spki_hash}"
    with driven({"HOME": str(tmp_path), "PATH": ""}, there("chromium"), tmp_path, trusted) as page:
        page.open(over_tls.url_for("/page"))
        assert page.ask(f"talk({AT_ONCE})") == HEARD
    check(over_tls)


@pytest.mark.needs("nghttp")
def test_nghttp(server: HTTPServe, run: Run, tmp_path: Path) -> None:
    """It shows no trailers, but sends some, and prints the answers as they come."""
    (tmp_path / "large").write_bytes(LARGE)
    put: list[str | Path] = ["--data", tmp_path / "large", "--header", ":method: PUT", server.url_for("/large")]

    def nghttp(*arguments: str | Path) -> str:
        return run("nghttp", "--no-verify-peer", *arguments)

    assert json.loads(nghttp(server.url_for("/user"))) == {"id": 7}
    many = nghttp(*(server.url_for(f"/many/{n}") for n in MANY))
    assert sorted(many) == sorted("".join(MANY))
    for options in [["--continuation"], ["--padding", "200"], ["--expect-continue"], ["--trailer", "x-sum: 7"]]:
        assert nghttp(*options, *put) == SUM
    assert server.exchanges[-1].request.trailers == {"x-sum": "7"}
    check(server)


REQUESTS = 2_000


@pytest.mark.needs("h2load")
def test_h2load(over_tls: HTTPServe, run: Run) -> None:
    """Ten connections, and 32 streams at a time on each."""
    loaded = ["--requests", str(REQUESTS), "--clients", "10", "--max-concurrent-streams", "32"]
    said = run("h2load", *loaded, over_tls.url_for("/user"))

    assert f"requests: {REQUESTS} total, {REQUESTS} started, {REQUESTS} done, {REQUESTS} succeeded, 0 failed" in said
    assert len(over_tls.requested("GET", "/user")) == REQUESTS
