"""The client in the same process, ``http.client``: every answer is checked, for a wrong one is no figure."""

from __future__ import annotations

import functools
import ssl
from http.client import HTTPConnection, HTTPSConnection

from .peers import BODY, Running

TIMEOUT = 10.0


def connect(server: Running, *, secure: bool = False, tunnel: str = "") -> HTTPConnection:
    """A connection that opens with its first request: through a tunnel to the host ``tunnel``, if that is said."""
    if secure:
        connection = HTTPSConnection(server.host, server.port, timeout=TIMEOUT, context=context())
        if tunnel:
            connection.set_tunnel(tunnel)
        return connection
    return HTTPConnection(server.host, server.port, timeout=TIMEOUT)


@functools.cache
def context() -> ssl.SSLContext:
    """One that takes any certificate: whether it is trusted is not what is measured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def fetch(connection: HTTPConnection) -> None:
    """One round trip."""
    connection.request("GET", "/")
    response = connection.getresponse()
    body = response.read()
    if response.status != 200 or body != BODY:
        raise RuntimeError(f"answered {response.status} with {body[:80]!r}")


def get(server: Running, *, secure: bool = False, tunnel: str = "") -> None:
    """One round trip on a connection of its own."""
    connection = connect(server, secure=secure, tunnel=tunnel)
    try:
        fetch(connection)
    finally:
        connection.close()
