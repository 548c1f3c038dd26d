"""Where a server listens: check hosts, ports and socket paths, and make URLs of them."""

from __future__ import annotations

import os
import re
import socket

from pytest_httpserve.arguments import check_count
from pytest_httpserve.errors import UsageError
from pytest_httpserve.wire.target import encoded_url

# The limit of sockaddr_un on the strictest systems.
MOST_PATH_BYTES = 103

_NAME = re.compile(r"[A-Za-z0-9._:-]+")


def check_host(host: str, given: str = "host=") -> str:
    """Refuse a host that is not an IP address, as a name needs a look-up. ``given`` says where it came from."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, TypeError, ValueError):
            continue
        return host
    raise UsageError(f"{given}{host!r} is not an IP address such as 127.0.0.1 or ::1")


def check_name(host: str) -> str:
    """Refuse anything but a host name or an IP address, without a port."""
    if not isinstance(host, str) or _NAME.fullmatch(host) is None:
        raise UsageError(f"host= must be a name or an IP address, such as host.docker.internal, not {host!r}")
    return host if ":" not in host else check_host(host)


def check_port(port: int) -> int:
    """Refuse anything but a port number. 0 means any free port."""
    return check_count("port=", port, most=65535, what="a number")


def check_socket_path(path: str | os.PathLike[str]) -> str:
    """The absolute path of a Unix socket. Raises UsageError if it is too long for the system."""
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise UsageError(f"unix= must be True or the path of a socket, not {path!r}")
    absolute = os.path.abspath(path)
    if len(os.fsencode(absolute)) > MOST_PATH_BYTES:
        raise UsageError(f"unix={absolute!r} is too long: the path of a socket has at most {MOST_PATH_BYTES} bytes")
    return absolute


def base_url(host: str, port: int, scheme: str = "http") -> str:
    """The URL of a server, without a slash at the end. For a server on all addresses, it names the loopback address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def url(base: str, path: str, scheme: str) -> str:
    """The URL of ``path`` under a base URL: for HTTP clients, or for WebSocket clients if ``scheme`` is ``ws``."""
    if scheme not in ("http", "ws"):
        raise UsageError(f"scheme= must be 'http' or 'ws', with an s added over TLS, not {scheme!r}")
    return scheme + base.removeprefix("http") + encoded_url(check_path(path))


def check_path(path: str) -> str:
    """Refuse a path that cannot follow the host in a URL."""
    if not isinstance(path, str) or not path.startswith("/"):
        raise UsageError(f"a path must begin with a slash; {path!r} does not")
    return path
