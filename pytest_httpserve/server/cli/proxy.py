"""The command line as a proxy: each subdirectory has the files of the host it is named after."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, ClassVar

from pytest_httpserve.net.tls_handshake import shake_hands, take_leave
from pytest_httpserve.server import running
from pytest_httpserve.server.cli.console import LoggedRequests
from pytest_httpserve.server.files.handler import SimpleHTTPRequestHandler
from pytest_httpserve.server.https import PLAIN_ANSWER, server_context
from pytest_httpserve.wire.origin import PORTS, origin_of, split_authority

_LOCAL = ("localhost", "127.0.0.1", "::1")
_HANDSHAKE_SECONDS = 10.0


class ProxyRequests(SimpleHTTPRequestHandler):
    """Answers each request with the files of the host that it names, by a whole URL or through a tunnel.

    ``hosts`` maps the hosts to their directories, ``context`` has a certificate for all of them. ``inside`` makes the
    class that serves the requests in a tunnel to an origin. A request that names no host gets the files of the
    directory that contains all hosts.
    """

    hosts: ClassVar[Mapping[str, str]]
    context: ClassVar[ssl.SSLContext]
    inside: ClassVar[Callable[[str], type[SimpleHTTPRequestHandler]]]
    own_directory: ClassVar[str]
    directory: str
    path: str
    close_connection: bool

    def parse_request(self) -> bool:
        """Like the base class, but refuses a request to a host without a directory."""
        if not super().parse_request():
            return False
        parts = running.stream_of(self).line.parts
        self.directory = self.own_directory
        if parts.authority is None or self.command == "CONNECT":
            return True
        host, port = split_authority(parts.authority, parts.scheme or "")
        server: Any = self.server  # socketserver's type has no port
        if port != server.server_port or host not in (*_LOCAL, server.server_name):
            directory = self._directory_of(host)
            if directory is None:
                return False
            self.directory = directory
        self.path = parts.path + parts.query_with_mark
        return True

    def do_CONNECT(self) -> None:
        """Open a tunnel to a host, and serve the requests in it, over TLS unless the port is 80."""
        host, port = split_authority(running.stream_of(self).line.parts.authority or "")
        directory = self._directory_of(host)
        if directory is None:
            return
        http1 = running.http1_of(self)
        connection = http1.connection
        assert connection is not None  # it has a socket
        connection.leave_loop()
        if port != PORTS["http"] and http1.reader.unread:
            self.close_connection = True
            self.send_error(400, explain="the client sent data before the tunnel was open")
            return
        self.send_response_only(200, "Connection established")
        self.end_headers()
        transport = connection.transport
        transport.gathered = http1.reader.take_unread()
        if port != PORTS["http"]:
            transport.go_on_over(
                self.context.wrap_socket(transport.socket, server_side=True, do_handshake_on_connect=False)
            )
            if not shake_hands(connection, _HANDSHAKE_SECONDS):
                take_leave(connection, PLAIN_ANSWER)
                return
        origin = origin_of("http" if port == PORTS["http"] else "https", host, port)
        type(self).inside(origin)(transport.socket, self.client_address, self.server, directory=directory)

    def _directory_of(self, host: str) -> str | None:
        """The directory of a host; None if there is none, and the request has been refused."""
        directory = self.hosts.get(host)
        if directory is None:
            self.close_connection = True
            self.send_error(502, explain=f"there is no directory for {host}")
        return directory


def _inside(inside: type[LoggedRequests], origin: str) -> type[LoggedRequests]:
    return type("TunnelHandler", (inside,), {"origin": origin})


def proxy_class(inside: type[Any], directory: str, hosts: Mapping[str, str], certificate: str) -> type[ProxyRequests]:
    """A proxy's handler class; the class ``inside`` serves the files of each host."""
    attributes = {
        "hosts": hosts,
        "context": server_context(certificate, None, None, ["http/1.1"]),
        "inside": lru_cache(256)(partial(_inside, inside)),
        "own_directory": directory,
    }
    return type("ProxyHandler", (ProxyRequests, inside), attributes)
