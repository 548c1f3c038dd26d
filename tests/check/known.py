"""Well-known clients, as their users write them: with a timeout, following redirects, failing on a status of errors."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.needs import there
from tests.versions import curl, distribution

_FOLDER = Path(__file__).parent / "clients" / "known"


@dataclass(frozen=True)
class Known:
    """A client: its command, and the version that is installed."""

    name: str
    words: tuple[str, ...]
    version: Callable[[], str]
    needs: str = ""

    @property
    def heading(self) -> str:
        """The heading of its column, in the version that is installed."""
        return f"{self.name} {self.version()}"


def _series(*command: str) -> str:
    """The version of a program, without its last number."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = re.search(r"\d+\.\d+", done.stdout)
    assert found is not None, done.stdout
    return found[0]


def _in_python(name: str) -> Known:
    words = (sys.executable, str(_FOLDER / f"with_{name}.py"), "{url}")
    return Known(name, words, lambda: distribution(name))


_CURL = Known("curl", ("curl", "-sSfL", "--compressed", "--max-time", "5", "{url}"), lambda: curl()[0], "curl")
_HTTPX = _in_python("httpx")

CLIENTS = (
    _CURL,
    Known(
        "wget",
        ("wget", "-qO-", "--tries=2", "--timeout=3", "--ca-certificate={ca}", "{url}"),
        lambda: _series(there("wget"), "--version"),
        "wget",
    ),
    _in_python("requests"),
    _HTTPX,
    _in_python("aiohttp"),
    _in_python("urllib3"),
    Known(
        "urllib",
        (sys.executable, str(_FOLDER / "with_urllib.py"), "{url}"),
        lambda: ".".join(platform.python_version_tuple()[:2]),
    ),
    Known(
        "fetch", ("node", str(_FOLDER / "with_fetch.mjs"), "{url}"), lambda: _series(there("node"), "--version"), "node"
    ),
)

# Those that speak HTTP/2.
HTTP2_CLIENTS = (
    _CURL,
    _HTTPX,
    _in_python("httpx2"),
    Known(
        "node",
        ("node", str(_FOLDER / "with_node_http2.mjs"), "{url}"),
        lambda: _series(there("node"), "--version"),
        "node",
    ),
    Known(
        "chromium",
        (sys.executable, str(_FOLDER / "with_chromium.py"), "{url}"),
        lambda: _series(there("chromium"), "--version"),
        "chromium",
    ),
)
