"""An origin: scheme, host and port (RFC 9110 section 4.3.1)."""

from __future__ import annotations

import re

_IPV4 = re.compile(r"[0-9]+(?:\.[0-9]+){3}")

PORTS = {"http": 80, "https": 443}
NO_PORT = 65_536  # the first number that is too large for a port


def origin_of(scheme: str, host: str, port: int) -> str:
    """An origin as text (RFC 6454 section 6.2), without the port if it is the scheme's default."""
    where = f"[{host}]" if ":" in host else host
    return f"{scheme}://{where}" if PORTS.get(scheme) == port else f"{scheme}://{where}:{port}"


def is_address(host: str) -> bool:
    """Whether a host (without brackets) is an IP address, not a name."""
    return ":" in host or _IPV4.fullmatch(host) is not None


def split_authority(authority: str, scheme: str = "") -> tuple[str, int]:
    """The host, in lower case and without brackets, and the port, by default the scheme's."""
    host, colon, port = authority.rpartition(":")
    if not colon or "]" in port:
        host, port = authority, ""
    if not port:
        return host.strip("[]").lower(), PORTS.get(scheme, 0)
    number = int(port) if len(port) < 10 else NO_PORT
    return host.strip("[]").lower(), number
