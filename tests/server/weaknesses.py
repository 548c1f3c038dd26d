"""A handler of ours to be tried for weaknesses, a mark for variants that have one, a client that reads everything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pytest_httpserve.server import SimpleHTTPRequestHandler

if TYPE_CHECKING:
    from tests.server.conftest import Client

SECRET = b"the secret"
PATIENCE = 5.0


class Files(SimpleHTTPRequestHandler):
    """Ours."""

    protocol_version = "HTTP/1.1"
    timeout: ClassVar[float | None] = PATIENCE
    root: ClassVar[Path]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, directory=self.root)

    def do_POST(self) -> None:
        size = len(self.rfile.read())
        self.send_response(200)
        self.send_header("Content-Length", str(len(str(size))))
        self.end_headers()
        self.wfile.write(str(size).encode())


class Strict(Files):
    strict: ClassVar[bool] = True


def weak(*handlers: type[Files]) -> list[Any]:  # what parametrize takes
    """Handlers with the weakness: the test must fail for them."""
    fails = pytest.mark.xfail(raises=AssertionError, reason="it has the weakness")
    return [pytest.param(handler, marks=fails, id=handler.__name__) for handler in handlers]


def fill(root: Path) -> None:
    """Make the directory that is served, and a secret beside it."""
    (root / "dir").mkdir(parents=True)
    (root / "a.txt").write_text("a")
    (root / "hidden.txt").write_bytes(SECRET)
    for name in ("secret.txt", "root-secret.txt"):
        (root.parent / name).write_bytes(SECRET)


def ask(client: Client, data: bytes) -> bytes:
    """All that comes back, until the server ends the connection; it must do so by itself."""
    client.send(data)
    return client.rest()


def get(target: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % target, b"Host: test", b"Connection: close", *fields, b"", b""])
