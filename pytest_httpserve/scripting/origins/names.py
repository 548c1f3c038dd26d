"""Patterns for origins: a scheme, a host and a port, each exact or any."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from pytest_httpserve.errors import UsageError
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.origin import PORTS, origin_of

_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<where>[^/?#@]+)/?", re.IGNORECASE)
_WHERE = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]]+)(?::(?P<port>\*|[0-9]{1,5}))?")


@dataclass(frozen=True)
class Pattern:
    """A pattern for origins. A star in ``host`` stands for any characters, None for any ``port`` or ``scheme``."""

    host: str
    port: int | None
    scheme: str | None = None

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(".+".join(map(re.escape, self.host.split("*"))))

    @property
    def is_exact(self) -> bool:
        """Whether it names a single host and a single port."""
        return "*" not in self.host and self.port is not None

    @property
    def rank(self) -> tuple[bool, int, bool]:
        """How specific it is, to compare patterns."""
        return "*" not in self.host, len(self.host), self.port is not None

    def takes_host(self, host: str) -> bool:
        """Whether it matches this host, on any port."""
        return self._compiled.fullmatch(host) is not None

    def takes(self, host: str, port: int, scheme: str | None = None) -> bool:
        """Whether it matches this host and port. ``scheme`` None matches any scheme."""
        if scheme is not None and self.scheme not in (None, scheme):
            return False
        return self.port in (None, port) and self.takes_host(host)

    def __str__(self) -> str:
        where = f"[{self.host}]" if ":" in self.host else self.host
        if self.scheme is None:
            return where if self.port is None else f"{where}:{self.port}"
        return f"{self.scheme}://{where}:*" if self.port is None else origin_of(self.scheme, self.host, self.port)


def origin_pattern(text: object) -> Pattern:
    """The pattern for an argument of ``origin``. Raises UsageError if it is not an origin."""
    found = _ORIGIN.fullmatch(text) if isinstance(text, str) else None
    where = _where(found["where"]) if found is not None else None
    if found is None or where is None:
        raise UsageError(
            "an origin must be http:// or https:// with a host and perhaps a port, such as https://api.example.com, "
            f"https://*.example.com or http://shop.test:8080, not {text!r}"
        )
    scheme = found["scheme"].lower()
    host, port = where
    return Pattern(host, PORTS[scheme] if port == "" else None if port == "*" else int(port), scheme)


def host_pattern(text: object) -> Pattern:
    """The pattern for an argument of ``allow``. Raises UsageError if it is not a host."""
    where = _where(text) if isinstance(text, str) else None
    if where is None:
        raise UsageError(f"allow() takes hosts such as 'localhost', '*.internal' or 'db.internal:5432', not {text!r}")
    host, port = where
    return Pattern(host, int(port) if port not in ("", "*") else None)


def raw_address(text: object, pattern: Pattern) -> tuple[str, int]:
    """Where the bytes of a raw tunnel go: to the address ``text`` or, if that is None, to the real host of ``pattern``.

    Raises UsageError for anything else.
    """
    if text is None and pattern.is_exact and pattern.port is not None:
        return pattern.host, pattern.port
    where = _where(text) if isinstance(text, str) else None
    if where is None or not where[1].isdecimal() or "*" in where[0]:
        raise UsageError(f"to= must be a host and a port such as '127.0.0.1:5432', not {text!r}")
    return where[0], int(where[1])


def _where(text: str) -> tuple[str, str] | None:
    """Split a host from its port, which is a number, a star or empty. None if ``text`` is something else."""
    found = _WHERE.fullmatch(text)
    if found is None:
        return None
    host, port = found["host"], found["port"] or ""
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return None
    if not grammar.is_host(host) or (port.isdecimal() and not 0 < int(port) < 65_536):
        return None
    return host.strip("[]").lower(), port
