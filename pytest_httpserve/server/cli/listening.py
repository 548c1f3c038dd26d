"""Where a command line listens, the line that announces it, and the server classes for its options."""

from __future__ import annotations

import contextlib
import socket
import sys
from types import new_class
from typing import Any, TypeVar

from pytest_httpserve.errors import UsageError
from pytest_httpserve.server.colours import CYAN, GREEN, paint, takes_colours
from pytest_httpserve.server.servers import HTTPServer, ThreadingHTTPServer, ThreadingHTTPSServer

Address = tuple[socket.AddressFamily, Any]  # the address in the family's own format
AnyClass = TypeVar("AnyClass", bound=type)


def addresses_of(bind: str | None, port: int) -> list[Address]:
    """Where to listen, the best address first. Without ``bind`` that is IPv6, which includes IPv4."""
    try:
        found = socket.getaddrinfo(bind or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot listen on {bind!r}: {reason}") from None
    if not bind:
        found.sort(key=lambda info: info[0] != socket.AF_INET6)
    return [(info[0], info[4]) for info in found]


def opening_line(listener: socket.socket, *, tls: bool) -> str:
    """The first line on stdout, which programs read to learn where a server listens."""
    host, port = listener.getsockname()[:2]
    scheme = "https" if tls else "http"
    where, url = f"Serving {scheme.upper()} on {host} port {port}", url_of(listener, scheme)
    if takes_colours(sys.stdout):
        where, url = paint(where, GREEN), paint(url, CYAN)
    return f"{where} ({url}) ..."


def url_of(listener: socket.socket, scheme: str) -> str:
    """A URL that reaches the server from this machine."""
    host, port = listener.getsockname()[:2]
    if host == "::" and listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        host = "::1"
    elif host in ("::", "0.0.0.0"):
        host = "127.0.0.1"
    return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"


# Server classes


class BothFamilies(HTTPServer):
    """If it listens on every IPv6 address, it serves IPv4 as well."""

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            with contextlib.suppress(OSError):  # this system cannot do both
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def for_tls(server_class: Any, certfile: Any, keyfile: Any, password: Any) -> tuple[Any, dict[str, Any]]:
    """The server class, and its arguments: with a certificate, HTTPS replaces the default."""
    if certfile is None:
        return server_class, {}
    if server_class is ThreadingHTTPServer:
        server_class = ThreadingHTTPSServer
    return server_class, {"certfile": certfile, "keyfile": keyfile, "password": password}


def variant(made_of: AnyClass, *bases: type, **attributes: object) -> AnyClass:
    """A subclass with other attributes: the rest of the process uses the class itself, too."""

    def fill(namespace: dict[str, object]) -> None:
        namespace.update(attributes, __module__=made_of.__module__, __qualname__=made_of.__qualname__)

    return new_class(made_of.__name__, (*bases, made_of), exec_body=fill)  # type: ignore[return-value]
