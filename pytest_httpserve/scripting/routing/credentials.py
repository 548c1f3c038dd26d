"""Matchers for credentials in the schemes of RFC 7617, 6750 and 7616."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.record.request import Request
from pytest_httpserve.scripting.routing.comparing import ABSENT, Shown
from pytest_httpserve.scripting.routing.contents import Named
from pytest_httpserve.scripting.routing.matchers import Check, Matcher


def basic_auth(user: str, password: str) -> Matcher:
    """A matcher for requests with these credentials in the Basic scheme (RFC 7617)."""
    if not isinstance(user, str) or not isinstance(password, str) or ":" in user:
        raise UsageError(f"basic_auth() takes a name without a colon and a password, not {user!r}, {password!r}")
    token = b64encode(f"{user}:{password}".encode()).decode("ascii")
    return _authorization("Basic", token)


def bearer(token: str) -> Matcher:
    """A matcher for requests with this token in the Bearer scheme (RFC 6750)."""
    if not isinstance(token, str) or not token:
        raise UsageError(f"bearer() takes the token as a str, not {token!r}")
    return _authorization("Bearer", token)


def _authorization(scheme: str, credentials: str) -> Matcher:
    # RFC 9110 section 11.1: the scheme is not case-sensitive, the credentials are.
    expected = re.compile(rf"\A(?i:{scheme}) +{re.escape(credentials)}\Z")
    return Named("headers", {"Authorization": expected})


def digest_auth(user: str, password: str) -> Matcher:
    """A matcher for requests with these credentials in the Digest scheme (RFC 7616), with any nonce."""
    if not isinstance(user, str) or not isinstance(password, str):
        raise UsageError(f"digest_auth() takes a name and a password, not {user!r}, {password!r}")
    return DigestIs(user, password)


_DIRECTIVE = re.compile(r"""[ \t]*([\w-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^",\s]*))[ \t]*(?:,|$)""")
_HASHES = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}
_NEEDED = ("username", "realm", "nonce", "uri", "response")


class DigestIs(Matcher):
    """Digest credentials for this request that prove the name and its password, with any nonce."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password

    def checks(self, request: Request) -> list[Check]:
        field = request.headers.get("authorization")
        wrong = ABSENT if field is None else self._wrong_with(field, request)
        expected = Shown(f"Digest credentials of {self._user!r}")
        return [Check("header Authorization", not wrong, expected, Shown(wrong) if wrong else expected)]

    def _wrong_with(self, field: str, request: Request) -> str:
        """What is wrong with the credentials; empty if nothing is."""
        scheme, _, rest = field.partition(" ")
        if scheme.lower() != "digest":
            return f"credentials with the scheme {scheme!r}"
        given = {name.lower(): re.sub(r"\\(.)", r"\1", text) or token for name, text, token in _DIRECTIVE.findall(rest)}
        for name in _NEEDED:
            if name not in given:
                return f"Digest credentials without {name}"
        if given["username"] != self._user:
            return f"Digest credentials of {given['username']!r}"
        if given["uri"] != request.target:
            return f"Digest credentials for {given['uri']!r}, not {request.target!r}"
        if given.get("qop", "auth") != "auth":
            return f"Digest credentials with qop={given['qop']!r}"
        if (response := self._response(given, request.method)) is None:
            return f"Digest credentials by {given['algorithm']!r}"
        return "" if given["response"].lower() == response else "a response made with another password"

    def _response(self, given: dict[str, str], method: str) -> str | None:
        """The response that proves the password (RFC 7616 section 3.4.1); None for an unknown algorithm."""
        algorithm, dash, session = given.get("algorithm", "MD5").lower().partition("-sess")
        if algorithm not in _HASHES or session:
            return None

        def hashed(*parts: str) -> str:
            return hashlib.new(_HASHES[algorithm], ":".join(parts).encode(), usedforsecurity=False).hexdigest()

        secret = hashed(self._user, given["realm"], self._password)
        if dash:
            secret = hashed(secret, given["nonce"], given.get("cnonce", ""))
        freshness = [given.get("nc", ""), given.get("cnonce", ""), "auth"] if "qop" in given else []
        return hashed(secret, given["nonce"], *freshness, hashed(method, given["uri"]))

    def __repr__(self) -> str:
        return f"digest_auth({self._user!r}, ...)"
