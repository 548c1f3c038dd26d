"""A session of two servers in one process: what comes at one of them is hostile, and good clients ask the other.

They share a loop and threads, as those of the fixtures do. The good one tells where the other is.
"""

from __future__ import annotations

from pathlib import Path

from pytest_httpserve import HTTPServe
from pytest_httpserve.scripting.httpserve import RUNNING

from .peers import BODY
from .peers.fixture_shared import loop, with_answer

ATTACKED = "/attacked"
PATTERNS, FORMS = 100, 30


def session(directory: str) -> HTTPServe:
    """The good server. The directory has ``site``, of files, and ``scripts``."""
    attacked = HTTPServe(loop=loop()).start()
    for server in (attacked, good := with_answer(HTTPServe(loop=loop()))):
        RUNNING.discard(server)  # what fails on them fails no test
    good.on("GET", ATTACKED).respond(text=str(attacked.port))
    prepare(attacked, Path(directory))
    return good


def prepare(server: HTTPServe, directory: Path) -> None:
    """Say to it all that the inputs ask for."""
    server.serve_dir(directory / "site", at="/site")
    server.serve_cgi(directory / "scripts", at="/scripts")
    server.on("GET", "/").respond(body=BODY)
    server.on("POST", "/body").respond(text="taken")
    for number in range(PATTERNS):
        server.on("POST", "/json", json_contains={"id": number}).respond(204)
    for number in range(FORMS):
        server.on("POST", "/form", form={"name": f"{number}"}).respond(204)
        server.on("GET", "/query", query={"name": f"{number}"}).respond(204)
        server.on("GET", "/fields", headers={"X-Name": f"{number}"}).respond(204)
    server.on("GET", "/match/{a}-{b}-{c}/end").respond(204)
    server.on("POST", "/compare", json={"all": [0]}).respond(204)
