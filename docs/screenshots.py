"""The pictures of docs/trace.md, made anew by Chromium: ``python -m docs.screenshots``, from the root of a checkout."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.interop.browser import driven
from tests.needs import there

PICTURES = Path(__file__).parent / "pictures"
SIZE = (1200, 640)

TEST = """
import time
from concurrent.futures import ThreadPoolExecutor

import requests
from websockets.sync.client import connect

from pytest_httpserve.faults import Reset


def leaflet(request):
    for _ in range(4):
        time.sleep(0.001)
        yield "Tea is good for you. " * 20


def tea(request):
    time.sleep(0.001)
    return {"id": request.path_params["id"], "name": "Assam", "grams": [100, 250]}


def test_the_shop_is_visited(httpserve):
    httpserve.on("GET", "/").respond(html="<h1>Tea</h1>")
    httpserve.on("GET", "/teas/{id:int}").handle(tea)
    httpserve.on("GET", "/leaflet").handle(leaflet)
    httpserve.on("GET", "/stock").respond(body=b"x" * 5000, fault=Reset(after=2000)).respond(json={"left": 3})
    httpserve.on("POST", "/orders", json_contains={"tea": "Assam", "grams": 250}).respond(503).respond(201)
    httpserve.websocket("/chat").reply("hello", "Welcome").reply("a tea, please", {"tea": "Assam"}).close()

    def visit(number):
        with requests.Session() as client:
            client.get(httpserve.url_for("/"), timeout=5)
            for tea in range(number % 3 + 2):
                client.get(httpserve.url_for(f"/teas/{tea}"), timeout=5)
            client.get(httpserve.url_for("/leaflet"), timeout=5)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(visit, range(4)))
    with connect(httpserve.url_for("/chat", scheme="ws"), proxy=None) as chat:
        for message in ("hello", "a tea, please"):
            chat.send(message)
            chat.recv()
    with requests.Session() as client:
        for _ in range(2):
            try:
                client.get(httpserve.url_for("/stock"), timeout=5)
            except requests.RequestException:
                pass
        for _ in range(2):
            client.post(httpserve.url_for("/orders"), json={"tea": "Assam", "grams": 250}, timeout=5)
        client.post(httpserve.url_for("/orders"), json={"tea": "Assam", "gramms": 250}, timeout=5)
"""


def take(into: Path) -> None:
    """Run the test, and put the pictures of its trace into this folder."""
    with tempfile.TemporaryDirectory(prefix="shop-") as name:
        folder = Path(name)
        (folder / "test_shop.py").write_text(TEST, encoding="utf-8")
        subprocess.run([sys.executable, "-m", "pytest", "-q", "--httpserve-trace=traces"], cwd=folder, check=False)
        trace = folder / "traces" / "test_shop" / "test_the_shop_is_visited.html"
        with driven({"HOME": name, "PATH": ""}, there("chromium"), folder / "profile") as page:
            page.resize(*SIZE)
            page.open(trace.as_uri())
            (into / "trace.png").write_bytes(page.picture())
            page.press("End", "t")
            (into / "trace_dark.png").write_bytes(page.picture())


if __name__ == "__main__":
    take(PICTURES)
