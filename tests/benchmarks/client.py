"""The client in the same process, ``http.client``: every answer is checked, for a wrong one is no figure."""

from __future__ import annotations

from http.client import HTTPConnection

from .peers import BODY, Running

TIMEOUT = 10.0


def connect(server: Running) -> HTTPConnection:
    """A connection that opens with its first request."""
    return HTTPConnection(server.host, server.port, timeout=TIMEOUT)


def fetch(connection: HTTPConnection) -> None:
    """One round trip."""
    connection.request("GET", "/")
    response = connection.getresponse()
    body = response.read()
    if response.status != 200 or body != BODY:
        raise RuntimeError(f"answered {response.status} with {body[:80]!r}")


def get(server: Running) -> None:
    """One round trip on a connection of its own."""
    connection = connect(server)
    try:
        fetch(connection)
    finally:
        connection.close()
