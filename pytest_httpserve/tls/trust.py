"""Environment variables that make programs trust a CA."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

# Read, in this order, by OpenSSL (and so Python's ssl module), requests, curl, pip and git, which then trust this file
# alone, and by Node, which trusts it as well as its own CAs.
VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
)

_LOCAL = ("localhost", "127.0.0.1", "::1")


def variables(path: Path) -> dict[str, str]:
    """The variables, each with the path of a PEM file."""
    return dict.fromkeys(VARIABLES, str(path))


def past_proxies(environment: Mapping[str, str], host: str) -> dict[str, str]:
    """Variables that make programs bypass the proxy for this host, and for the local host by all its names.

    Empty if the environment has no proxy, or excepts every host from it.
    """
    excepted = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if excepted.strip() == "*" or not any(
        value and name.lower() in ("http_proxy", "https_proxy", "all_proxy") for name, value in environment.items()
    ):
        return {}
    # urllib compares an IPv6 address with its brackets, but httpx refuses brackets: add them for an IPv6 host only.
    own = [host, f"[{host}]"] if ":" in host else [host]
    hosts = [*filter(None, map(str.strip, excepted.split(","))), *_LOCAL, *own]
    return dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(dict.fromkeys(hosts)))


def bundle(pem: bytes) -> bytes:
    """A CA's certificate and those of the public CAs, as PEM."""
    import certifi

    return pem + certifi.contents().encode("ascii")


class Environment:
    """The environment of this process, with temporary changes."""

    def __init__(self) -> None:
        self._before: dict[str, str | None] = {}

    def set(self, name: str, value: str) -> None:
        """Set a variable until ``restore``."""
        self._before.setdefault(name, os.environ.get(name))
        os.environ[name] = value

    def restore(self) -> None:
        """Undo all changes."""
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before.clear()


class Opener:
    """The opener of ``urllib.request.urlopen``: it reads the proxies once, and would use them for ever."""

    def __init__(self) -> None:
        self._before: OpenerDirector | None = None
        if (module := sys.modules.get("urllib.request")) is not None:
            self._before = module._opener
            module.install_opener(None)

    def restore(self) -> None:
        """Put the earlier opener back."""
        if (module := sys.modules.get("urllib.request")) is not None:
            module.install_opener(self._before)
