"""Environment variables that make programs trust a CA."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

# Who reads which: OpenSSL, and with it Python's ssl module; requests; curl; pip; git. Each trusts this file alone.
# Node trusts it beside the CAs that it knows.
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
    """Variables by which programs ask this host, and the local one by all its names, themselves.

    None if there is no proxy in the environment, or it is for no host.
    """
    excepted = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if excepted.strip() == "*" or not any(
        value and name.lower() in ("http_proxy", "https_proxy", "all_proxy") for name, value in environment.items()
    ):
        return {}
    # Of an IPv6 address, urllib compares the brackets, too; httpx takes none, so they are there only if they must be.
    own = [host, f"[{host}]"] if ":" in host else [host]
    hosts = [*filter(None, map(str.strip, excepted.split(","))), *_LOCAL, *own]
    return dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(dict.fromkeys(hosts)))


def bundle(pem: bytes) -> bytes:
    """A CA's certificate and those of the public CAs."""
    import certifi

    return pem + certifi.contents().encode("ascii")


class Environment:
    """The environment of this process, changed for a while."""

    def __init__(self) -> None:
        self._before: dict[str, str | None] = {}

    def set(self, name: str, value: str) -> None:
        """Set a variable until ``restore``."""
        self._before.setdefault(name, os.environ.get(name))
        os.environ[name] = value

    def restore(self) -> None:
        """Set all variables to what they were."""
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before.clear()


class Opener:
    """What ``urllib.request.urlopen`` opens with: it has read the proxies once, and would go by them for ever."""

    def __init__(self) -> None:
        self._before: OpenerDirector | None = None
        if (module := sys.modules.get("urllib.request")) is not None:
            self._before = module._opener
            module.install_opener(None)

    def restore(self) -> None:
        """Set it to what it was."""
        if (module := sys.modules.get("urllib.request")) is not None:
            module.install_opener(self._before)
