"""The servers under measure: what an adapter has to offer, and the list of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

BODY = b"Hello, world!"
"""What every server answers to ``GET /``, as text/plain."""

MODULES = ("raw", "stdlib", "httpserver", "localserver", "engine", "fixture")
"""The adapters, in the order of the tables' columns: the limit, the peers, ours."""

LIMIT = "raw"
ENGINE = "engine"
FIXTURE = "httpserve"
OURS = (ENGINE, FIXTURE)
NGINX, RAW_TLS, SUBPROCESS = "nginx", "raw TLS", "subprocess"
REFERENCES = (LIMIT, NGINX, RAW_TLS, SUBPROCESS)
BASELINE = "no server"
"""Names of the peers that are not peers: ours, those that mark what is possible, and what a suite costs by itself."""


class Running(Protocol):
    """A started server; it listens on 127.0.0.1."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    def stop(self) -> object: ...


@dataclass(frozen=True)
class Suite:
    """How a test uses the server through pytest: its fixture, what a test says to it first, and a conftest."""

    fixture: str
    prepare: str = "pass"
    conftest: str = ""


@dataclass(frozen=True)
class Peer:
    """One server: how to start it and, where it has any, its pytest plugin and its part in a suite of tests."""

    name: str
    start: Callable[[], Running]
    plugin: str | None = None
    suite: Suite | None = None


def available(notes: list[str]) -> list[Peer]:
    """Every peer that can be imported; the others are noted with the reason."""
    peers: list[Peer] = []
    for module in MODULES:
        try:
            peers.append(importlib.import_module(f"{__name__}.{module}").PEER)
        except ImportError as error:
            notes.append(f"{module}: left out, {error}")
    return peers
