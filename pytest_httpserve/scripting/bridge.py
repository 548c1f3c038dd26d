"""What the scripted server rides on, as long as it does not take Streams itself: a handler class of ours.

All that it looks at below the surface of ``http.server`` is here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_httpserve.server import running
from pytest_httpserve.server.base import BaseHTTPRequestHandler
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.protocol.http1 import HTTP1
    from pytest_httpserve.protocol.stream import Stream
    from pytest_httpserve.wire.framing import Framing
    from pytest_httpserve.wire.head import Version
    from pytest_httpserve.wire.headers import Headers


class Bridged(BaseHTTPRequestHandler):
    """A handler that knows its HTTP/1."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"
    strict = True
    decodes_body = True
    thread_per_connection = False
    # A body is kept as a whole nowhere but on disk, and there as far as it comes: any length may be announced.
    limits = replace(DEFAULT_LIMITS, body=10**20 - 1)

    _connection: Connection | None = None  # None when run over something that is no socket

    def setup(self) -> None:
        super().setup()
        self._connection = running.http1_of(self).connection

    @property
    def http1(self) -> HTTP1:
        """What it speaks."""
        return running.http1_of(self)

    @property
    def stream(self) -> Stream:
        """The request in hand."""
        return running.http1_of(self).stream

    @property
    def _fields(self) -> Headers:
        return running.http1_of(self).stream.headers

    @property
    def _framing(self) -> Framing:
        return running.http1_of(self).stream.framing

    @property
    def _version(self) -> Version:
        return running.http1_of(self).stream.version

    @property
    def _target(self) -> str:
        return running.http1_of(self).stream.line.target

    @property
    def _status(self) -> int | None:
        return running.http1_of(self).stream.status

    @_status.setter
    def _status(self, status: int | None) -> None:
        running.http1_of(self).stream.status = status
