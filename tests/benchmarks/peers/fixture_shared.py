"""Ours, as the fixtures start it: with a loop and threads that all servers of a session share. Its life is another."""

from __future__ import annotations

import functools
import time

from pytest_httpserve import HTTPServe, Request
from pytest_httpserve.net.loop import Loop
from pytest_httpserve.net.workers import Workers

from . import BODY, FIXTURE_SHARED, TUNNELLED, Peer


@functools.cache
def loop() -> Loop:
    """The one of this process; its threads end with it."""
    return Loop(Workers("httpserve", daemon=True, idle=1.0), stays=True)


def plain() -> HTTPServe:
    return with_answer(HTTPServe(loop=loop()))


def secure(certificate: str) -> HTTPServe:
    return with_answer(HTTPServe(loop=loop(), tls=True))


def http2(certificate: str) -> HTTPServe:
    return with_answer(HTTPServe(loop=loop(), tls=True, http2=True))


def tunnel() -> HTTPServe:
    server = HTTPServe(loop=loop()).start()
    origin = server.origin(f"https://{TUNNELLED}")
    origin.on("GET", "/").respond(body=BODY, headers={"Content-Type": "text/plain"})
    return server


def handler(seconds: str) -> HTTPServe:
    server = HTTPServe(loop=loop()).start()

    @server.on("GET", "/")
    def answer(request: Request) -> bytes:
        time.sleep(float(seconds))
        return BODY

    return server


def with_answer(server: HTTPServe) -> HTTPServe:
    server.start().on("GET", "/").respond(body=BODY, headers={"Content-Type": "text/plain"})
    return server


PEER = Peer(
    FIXTURE_SHARED,
    {"plain": plain, "secure": secure, "http2": http2, "tunnel": tunnel, "handler": handler},
    only=("cycle", "tls", "http2"),
)
