"""SOCKS 5 (RFC 1928), with user names and passwords (RFC 1929): parses a client's messages, and makes the replies.

Messages are read with ``read(count)``, which returns exactly ``count`` bytes.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable

from pytest_httpserve.errors import RequestError

Read = Callable[[int], bytes]

CONNECT = 1  # the command that asks for a tunnel

# The first byte of a request, and of a message with credentials
_VERSION, _CREDENTIALS_VERSION = 5, 1
# The characters that an authority may contain
_NAME = re.compile(rb"[!-~]+")


class Method(enum.IntEnum):
    """How a client authenticates (RFC 1928 section 3)."""

    NONE = 0
    PASSWORD = 2
    NONE_THAT_WILL_DO = 255

    @property
    def chosen(self) -> bytes:
        """The message that tells the client which method to use."""
        return bytes((_VERSION, self))


class Reply(enum.IntEnum):
    """The outcome of a request (RFC 1928 section 6)."""

    SUCCEEDED = 0
    FAILED = 1
    NOT_ALLOWED = 2
    HOST_UNREACHABLE = 4
    CONNECTION_REFUSED = 5
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_NOT_SUPPORTED = 8

    @property
    def said(self) -> bytes:
        """The message that tells the client. Its address is all zeros, since CONNECT clients do not need one."""
        return bytes((_VERSION, self, 0, 1, 0, 0, 0, 0, 0, 0))


def read_methods(read: Read) -> bytes:
    """The methods that a client offers."""
    _, count = read(2)
    return read(count)


def read_credentials(read: Read) -> tuple[bytes, bytes]:
    """The user name and the password. Raises RequestError (400) for any other message."""
    if (version := read(1)[0]) != _CREDENTIALS_VERSION:
        detail = f"a message with credentials begins with {_CREDENTIALS_VERSION}, not with {version}"
        raise RequestError(400, detail, rule="RFC 1929 section 2")
    user = read(read(1)[0])
    return user, read(read(1)[0])


def credentials_taken(taken: bool) -> bytes:
    """The message that tells a client whether its credentials were accepted."""
    return bytes((_CREDENTIALS_VERSION, not taken))


def read_request(read: Read) -> tuple[int, str | None]:
    """The command, and its ``host:port``; None for an address type that the RFC does not define.

    Raises RequestError (400) for a message that is not a request.
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
