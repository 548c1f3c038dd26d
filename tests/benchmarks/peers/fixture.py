"""Ours, the object behind the fixture: one route, the journal on; in a suite, a fresh server for every test."""

from __future__ import annotations

from pytest_httpserve import HTTPServe

from . import BODY, FIXTURE, Peer, Suite


def start() -> HTTPServe:
    server = HTTPServe()
    server.start()
    server.on("GET", "/").respond(body=BODY, headers={"Content-Type": "text/plain"})
    return server


PEER = Peer(
    FIXTURE,
    start,
    plugin="pytest_httpserve.plugin",
    suite=Suite("httpserve", prepare=f"httpserve.on('GET', '/').respond(body={BODY!r})"),
)
