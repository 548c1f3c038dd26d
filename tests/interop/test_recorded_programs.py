"""Real programs ask a real host, here another server, and then the recording of that: they see no difference."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.scripting.origins import upstream
from pytest_httpserve.scripting.recordings.reading import read_har
from pytest_httpserve.tls import TLS
from tests.needs import there

pytestmark = pytest.mark.same_everywhere

HTTPX = """
import httpx
with httpx.Client() as client:
    print(client.get("https://api.test/a").text)
    print(client.post("https://api.test/p", files={"file": b"abc"}, data={"password": "swordfish"}).json())
"""
REQUESTS = """
import requests
with requests.Session() as session:
    session.headers["Authorization"] = "Bearer swordfish"
    print(session.get("https://api.test/a").text)
    print(session.post("https://api.test/p", json={"token": "swordfish"}).json())
"""
CURL = ["--silent", "--show-error", "--compressed", "-H", "X-Api-Key: swordfish", "https://api.test/a"]


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("curl", marks=pytest.mark.needs("curl")),
        pytest.param(HTTPX, id="httpx"),
        pytest.param(REQUESTS, id="requests"),
    ],
)
def test_a_program_sees_no_difference(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.har"
    command = [there("curl"), *CURL] if program == "curl" else [sys.executable, "-c", program]

    def run(server: HTTPServe) -> str:
        environment = {**os.environ, **server.proxy_env()}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout

    with HTTPServe(tls=TLS(names=("api.test",))) as real:
        monkeypatch.setitem(upstream.ADDRESSES, ("api.test", 443), (real.host, real.port))
        monkeypatch.setenv("SSL_CERT_FILE", str(real.ca.pem_path))
        real.on("GET", "/a").respond(text="hello " * 100, gzip=True)
        real.on("POST", "/p").respond(201, json={"id": 7})
        with HTTPServe(record="all") as server:
            server.serve_recording(path)
            before = run(server)
    with HTTPServe() as server:
        server.serve_recording(path, strict=True)
        assert run(server) == before

    assert before.startswith("hello hello")
    assert "swordfish" not in path.read_text()
    assert len(read_har(path)) == (1 if program == "curl" else 2)
