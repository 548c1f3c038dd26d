"""The credentials that a proxy asks its clients for."""

from __future__ import annotations

import urllib.parse
from base64 import b64encode
from dataclasses import dataclass

from pytest_httpserve.errors import UsageError


def basic(said: bytes) -> str:
    """The value of Proxy-Authorization for a user and a password, given with a colon between them."""
    return f"Basic {b64encode(said).decode('ascii')}"


@dataclass(frozen=True)
class Credentials:
    """A user and a password, in the Basic scheme (RFC 7617)."""

    user: str
    password: str

    def __post_init__(self) -> None:
        user, password = self.user, self.password
        if not isinstance(user, str) or not isinstance(password, str) or ":" in user or not user:
            raise UsageError(f"proxy_auth() takes a name without a colon and a password, not {user!r}, {password!r}")

    def are(self, said: str) -> bool:
        """Whether a Proxy-Authorization field has these credentials."""
        scheme, _, token = said.partition(" ")
        wanted = basic(f"{self.user}:{self.password}".encode()).partition(" ")[2]
        # RFC 9110 section 11.1: the scheme is not case-sensitive.
        return scheme.lower() == "basic" and token.strip() == wanted

    def in_url(self, url: str) -> str:
        """The URL of a proxy, with these credentials in it."""
        scheme, _, rest = url.partition("://")
        user, password = (urllib.parse.quote(one, safe="") for one in (self.user, self.password))
        return f"{scheme}://{user}:{password}@{rest}"
