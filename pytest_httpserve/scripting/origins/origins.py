"""The origins of a server, and the real hosts that it lets clients reach."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.origins.credentials import Credentials
from pytest_httpserve.scripting.origins.names import Pattern
from pytest_httpserve.wire.origin import PORTS, origin_of


class Named(Protocol):
    """An origin, which answers for hosts."""

    @property
    def pattern(self) -> Pattern:
        """The hosts for which it answers."""


NamedT = TypeVar("NamedT", bound=Named)


class Origins(Generic[NamedT]):
    """The origins of a server. If several match a host, the most specific one answers.

    If there are ``credentials``, every client must send them.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all origins, allowed hosts and credentials."""
        self._all: tuple[NamedT, ...] = ()
        self._allowed: tuple[Pattern, ...] = ()
        self.credentials: Credentials | None = None
        # Makes an origin for a host that has none, while a recording is made.
        self.make: Callable[[str], NamedT] | None = None
        self._making = threading.Lock()

    def add(self, origin: NamedT) -> None:
        """Add an origin. Raises UsageError if there is one for the same host and port."""
        pattern = origin.pattern
        for other in self._all:
            if (other.pattern.host, other.pattern.port) == (pattern.host, pattern.port):
                raise UsageError(f"origin({str(pattern)!r}): {other.pattern} is an origin already")
        self._all = tuple(sorted((*self._all, origin), key=lambda one: one.pattern.rank, reverse=True))

    def allow(self, pattern: Pattern) -> None:
        """Let these hosts through."""
        self._allowed += (pattern,)

    def named(self, pattern: Pattern) -> NamedT | None:
        """The origin with exactly this pattern; None if there is none."""
        return next((origin for origin in self._all if origin.pattern == pattern), None)

    def find(self, host: str, port: int, scheme: str | None = None) -> NamedT | None:
        """The origin that answers for this host; None if there is none. ``scheme`` None matches any scheme."""
        for origin in self._all:
            if origin.pattern.takes(host, port, scheme):
                return origin
        return None

    def found_or_made(self, host: str, port: int, scheme: str | None = None) -> NamedT | None:
        """The origin that answers for this host, made now if a recording needs it."""
        origin = self.find(host, port, scheme)
        if origin is not None or self.make is None or self.allows(host, port):
            return origin
        scheme = scheme or ("http" if port == PORTS["http"] else "https")
        with self._making:  # several connections may need it at once
            return self.find(host, port, scheme) or self.make(origin_of(scheme, host, port))

    def allows(self, host: str, port: int) -> bool:
        """Whether the host is let through."""
        return any(pattern.takes(host, port) for pattern in self._allowed)

    def __iter__(self) -> Iterator[NamedT]:
        return iter(self._all)
