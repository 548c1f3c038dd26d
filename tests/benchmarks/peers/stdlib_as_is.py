"""``http.server`` as it comes, serving files as ``python -m http.server`` does: HTTP/1.0, so a new connection for each
request, head and body in two writes, and a line logged for each."""

from __future__ import annotations

import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from . import STDLIB_AS_IS, Peer
from .threaded import Threaded


def files(directory: str) -> Threaded:
    return Threaded(
        ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(SimpleHTTPRequestHandler, directory=directory))
    )


PEER = Peer(STDLIB_AS_IS, {"files": files}, only=("files",))
