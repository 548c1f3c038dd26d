"""Environment variables that make programs trust a CA."""

from __future__ import annotations

import os
from pathlib import Path

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


def variables(path: Path) -> dict[str, str]:
    """The variables, each with the path of a PEM file."""
    return dict.fromkeys(VARIABLES, str(path))


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
