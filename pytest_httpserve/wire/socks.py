"""SOCKS 5 (RFC 1928), with user names and passwords (RFC 1929): what a client says as values, what it is told as bytes.

Each message is read by ``read(count)``, which returns exactly so many bytes.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable

from pytest_httpserve.errors import RequestError

Read = Callable[[int], bytes]

CONNECT = 1  # the command that asks for a tunnel

# The first byte is the version; what stands in an authority follows.
_VERSION, _CREDENTIALS_VERSION = 5, 1
_NAME = re.compile(rb"[!-~]+")


class Method(enum.IntEnum):
    """How a client is to say who it is (RFC 1928 section 3)."""

    NONE = 0
    PASSWORD = 2
    NONE_THAT_WILL_DO = 255

    @property
    def chosen(self) -> bytes:
        """The message that tells the client."""
        return bytes((_VERSION, self))


class Reply(enum.IntEnum):
    """What becomes of a request (RFC 1928 section 6)."""

    SUCCEEDED = 0
    FAILED = 1
    NOT_ALLOWED = 2
    HOST_UNREACHABLE = 4
    CONNECTION_REFUSED = 5
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_NOT_SUPPORTED = 8

    @property
    def said(self) -> bytes:
        """The message that tells the client. It has an address, too, which is of no use to a client of CONNECT."""
        return bytes((_VERSION, self, 0, 1, 0, 0, 0, 0, 0, 0))


def read_methods(read: Read) -> bytes:
    """The methods that a client offers."""
    _, count = read(2)
    return read(count)


def read_credentials(read: Read) -> tuple[bytes, bytes]:
    """A user and a password. Raises RequestError (400) for what is neither."""
    if (version := read(1)[0]) != _CREDENTIALS_VERSION:
        detail = f"a user and a password begin with {_CREDENTIALS_VERSION}, not with {version}"
        raise RequestError(400, detail, rule="RFC 1929 section 2")
    user = read(read(1)[0])
    return user, read(read(1)[0])


def credentials_taken(taken: bool) -> bytes:
    """The message that tells a client whether its credentials are the right ones."""
    return bytes((_CREDENTIALS_VERSION, not taken))


def read_request(read: Read) -> tuple[int, str | None]:
    """Which command, and the host and the port that it is about; None if they are of a kind that nobody knows.

    Raises RequestError (400) for what is no request.
    """
    version, command, _, kind = read(4)
    if version != _VERSION:
        raise RequestError(400, f"a request begins with {_VERSION}, not with {version}", rule="RFC 1928 section 4")
    if kind == 3:
        name = read(read(1)[0])
        if not _NAME.fullmatch(name):
            raise RequestError(400, f"the host is not a name: {name!r}", rule="RFC 1928 section 5")
        host = name.decode("ascii")
    elif kind in (1, 4):
        import ipaddress

        host = str(ipaddress.ip_address(read(4 if kind == 1 else 16)))
    else:
        return command, None
    port = int.from_bytes(read(2), "big")
    return command, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
