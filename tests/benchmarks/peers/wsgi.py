"""The WSGI applications that every server of such gets, the same for all."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Iterator
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from . import BODY, PIECE


def hello(environ: WSGIEnvironment, start_response: StartResponse, seconds: float = 0.0) -> Iterable[bytes]:
    """BODY, after so many seconds."""
    if seconds:
        time.sleep(seconds)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))])
    return [BODY]


def sleeping(seconds: str) -> WSGIApplication:
    """``hello`` that sleeps first."""
    return functools.partial(hello, seconds=float(seconds))


def taking(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """How many bytes were posted."""
    stream = environ["wsgi.input"]
    # Without a length the body ends where the stream does, in servers that read chunks.
    left = int(environ.get("CONTENT_LENGTH") or 1 << 62)
    count = 0
    while left and (piece := stream.read(min(left, PIECE))):
        count += len(piece)
        left -= len(piece)
    answer = str(count).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]


def streaming(size: str) -> WSGIApplication:
    """So many bytes, their number not said before."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return pieces(int(size))

    return application


def pieces(size: int) -> Iterator[bytes]:
    """So many bytes, piece by piece."""
    piece = bytes(PIECE)
    while size:
        yield piece[:size]
        size -= min(size, PIECE)
