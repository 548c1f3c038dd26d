"""The servers under measure: what an adapter has to offer, and the list of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

BODY = b"Hello, world!"
"""What every server answers to ``GET /``, as text/plain."""

USER = {"id": 7, "name": "Ada Lovelace", "roles": ["admin", "author"]}
"""What a server of scripted routes answers to ``GET /users/7``, as JSON."""

MODULES = (
    "raw",
    "nginx",
    "uvicorn",
    "subprocess",
    "stdlib",
    "stdlib_1ms",
    "stdlib_as_is",
    "httpserver",
    "httpserver_fresh",
    "localserver",
    "httpbin",
    "cheroot",
    "waitress",
    "hypercorn",
    "engine",
    "fixture",
    "fixture_shared",
)
"""The adapters, in the order of the tables' columns: the references, the peers, ours."""

LIMIT = "raw"
NGINX, SUBPROCESS, UVICORN = "nginx", "subprocess", "uvicorn"
REFERENCES = (LIMIT, NGINX, UVICORN, SUBPROCESS)
"""Who shows what is possible, and is no peer: behind them nobody is beaten."""

STDLIB, STDLIB_AS_IS = "stdlib", "stdlib-as-is"
HTTPSERVER, LOCALSERVER, HTTPBIN = "pytest-httpserver", "pytest-localserver", "pytest-httpbin"
CHEROOT, WAITRESS = "cheroot", "waitress"
HYPERCORN = "hypercorn"
"""A peer for HTTP/2 alone, on the library that ours uses."""
THREADED = (STDLIB, HTTPSERVER, LOCALSERVER, HTTPBIN, CHEROOT, WAITRESS)
"""The peers, all of which answer in threads."""

ENGINE = "engine"
FIXTURE = "httpserve"
FIXTURE_SHARED = "httpserve-shared"
OURS = (ENGINE, FIXTURE, FIXTURE_SHARED)

BASELINE = "no server"
"""What a suite, or a run of pytest, costs by itself."""

Kind = Literal[
    "plain", "secure", "tunnel", "files", "upload", "chunked", "stream", "handler", "application", "routes", "cgi",
    "http2", "http2_files",
]  # fmt: skip
"""What a server can be started for, and the arguments of its start, all of them text:

- ``plain()``: answers BODY to ``GET /``;
- ``secure(certificate)``: the same over TLS, with key and certificate from one PEM file;
- ``tunnel()``: the same over TLS for the host TUNNELLED, as the proxy of its clients;
- ``files(directory)``: the files of a directory;
- ``upload()``: reads what is posted to ``/``, and answers how many bytes came;
- ``chunked()``: the same for a body in chunks;
- ``stream(size)``: answers so many bytes to ``GET /``, of no announced length, in pieces of PIECE;
- ``handler(seconds)``: BODY from a function of the user's, which sleeps so long first;
- ``application()``: BODY from a WSGI application;
- ``routes(count)``: USER from one of so many routes, the last that a search in order comes to;
- ``cgi(directory)``: the scripts of a directory beneath ``/cgi-bin``;
- ``http2(certificate)``: as ``secure``, over HTTP/2 and HTTP/1.1;
- ``http2_files(directory)``: as ``files``, over both of them, and TLS.
"""

PIECE = 65536

TUNNELLED = "hello.test"


class Running(Protocol):
    """A started server; it listens on 127.0.0.1."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    def stop(self) -> object: ...


Start = Callable[..., Running]


@dataclass(frozen=True)
class Suite:
    """How tests use the server through pytest: its fixture, what a test says to it first, the path that gives BODY,
    a conftest, and a line at the top of the module of tests.

    It is ``slow`` where each test waits half a second for its server's stop: then there are few of them.
    """

    fixture: str
    prepare: str = "pass"
    path: str = "/"
    conftest: str = ""
    mark: str = ""
    slow: bool = False


@dataclass(frozen=True, eq=False)
class Peer:
    """One server: its starts, module-level callables, and what it has of a pytest plugin and of a part in suites of
    tests, over HTTP and (``secure_suite``) over HTTPS. With ``only``, it takes part in these measures alone."""

    name: str
    starts: Mapping[Kind, Start] = field(default_factory=dict)
    plugin: str | None = None
    suite: Suite | None = None
    secure_suite: Suite | None = None
    only: tuple[str, ...] = ()


def offering(peers: Sequence[Peer], kind: Kind) -> list[Peer]:
    """Those that can be started for this."""
    return [peer for peer in peers if kind in peer.starts]


def suite_of(
    module: str,
    scope: Literal["session", "function"],
    kind: Literal["plain", "secure"] = "plain",
    *,
    slow: bool = False,
) -> Suite:
    """The suite of a server without a plugin: a fixture as its users write one, which starts and stops it.

    The certificate is a fixture of the suite itself.
    """
    needs, arguments = ("certificate", "str(certificate)") if kind == "secure" else ("", "")
    return Suite(
        "server",
        slow=slow,
        conftest=f"""
import pytest
from {module} import PEER

@pytest.fixture(scope="{scope}")
def server({needs}):
    server = PEER.starts["{kind}"]({arguments})
    yield server
    server.stop()
""",
    )


def available(notes: list[str]) -> list[Peer]:
    """Every peer that can be imported; the others are noted with the reason."""
    peers: list[Peer] = []
    for module in MODULES:
        try:
            peers.append(importlib.import_module(f"{__name__}.{module}").PEER)
        except ImportError as error:
            notes.append(f"{module}: left out, {error}")
    return peers


def chosen(peers: Sequence[Peer], names: Sequence[str]) -> list[Peer]:
    """Ours, and those of the others that are named. Raises ValueError for a name that nobody has."""
    if unknown := [name for name in names if name not in {peer.name for peer in peers}]:
        raise ValueError(f"no such peer: {', '.join(unknown)}; there are {', '.join(peer.name for peer in peers)}")
    return [peer for peer in peers if peer.name in (*OURS, *names)]
