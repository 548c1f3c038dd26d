"""A handler class tried out: ``test()``, and the command line of ``http.server`` by the options that it has there.

``python -m pytest_httpserve.server`` is this one. ``python -m pytest_httpserve`` is our own, with more to it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from types import new_class
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_httpserve.errors import UsageError
from pytest_httpserve.server.base import BaseHTTPRequestHandler
from pytest_httpserve.server.colours import CYAN, GREEN, paint, takes_colours
from pytest_httpserve.server.files.handler import SimpleHTTPRequestHandler
from pytest_httpserve.server.servers import HTTPServer, ThreadingHTTPServer, ThreadingHTTPSServer

if TYPE_CHECKING:
    import argparse

Address = tuple[socket.AddressFamily, Any]  # the latter as the family has it
AnyClass = TypeVar("AnyClass", bound=type)

_ANY_TYPE = SimpleHTTPRequestHandler.default_content_type


def test(
    HandlerClass: type[BaseHTTPRequestHandler] = SimpleHTTPRequestHandler,
    ServerClass: type[HTTPServer] = ThreadingHTTPServer,
    protocol: str = "HTTP/1.0",
    port: int = 8000,
    bind: str | None = None,
    content_type: str = _ANY_TYPE,
    tls_cert: str | os.PathLike[str] | None = None,
    tls_key: str | os.PathLike[str] | None = None,
    tls_password: str | bytes | None = None,
) -> None:
    """Try out a handler class: serve with it until Ctrl-C, which ends the process.

    ``bind`` is an address (default: all), ``content_type`` what files have whose name does not tell it, ``tls_cert``
    and ``tls_key`` are paths of PEM files. With a certificate, ``ServerClass`` must be one for HTTPS; the default is
    then ThreadingHTTPSServer.
    """
    made = _make_server(HandlerClass, ServerClass, protocol, port, bind, tls_cert, tls_key, tls_password, content_type)
    with made as server:
        print(opening_line(server.socket, tls=tls_cert is not None), flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("\nKeyboard interrupt received, exiting.")
            sys.exit(0)


test.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for one where it is imported


def _make_server(
    HandlerClass: type[BaseHTTPRequestHandler] = BaseHTTPRequestHandler,
    ServerClass: type[HTTPServer] = ThreadingHTTPServer,
    protocol: str = "HTTP/1.0",
    port: int = 8000,
    bind: str | None = None,
    tls_cert: str | os.PathLike[str] | None = None,
    tls_key: str | os.PathLike[str] | None = None,
    tls_password: str | bytes | None = None,
    default_content_type: str = _ANY_TYPE,
) -> HTTPServer:
    """A server that listens, with variants of these classes: they themselves stay as they are."""
    family, address = _get_best_family(bind, port)
    server_class, tls = for_tls(ServerClass, tls_cert, tls_key, tls_password)
    handler = _with(HandlerClass, protocol_version=protocol, default_content_type=default_content_type)
    server: HTTPServer = _with(server_class, address_family=family)(address, handler, **tls)
    return server


def _get_best_family(*address: Any) -> Address:
    """Where to listen, for an address to bind (None for all) and a port."""
    return addresses_of(*address)[0]


def addresses_of(bind: str | None, port: int) -> list[Address]:
    """Where to listen, the best first; for no address at all IPv6 first, which takes in IPv4."""
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
    """A URL at which a client on this machine finds the server."""
    host, port = listener.getsockname()[:2]
    if host == "::" and listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        host = "::1"
    elif host in ("::", "0.0.0.0"):
        host = "127.0.0.1"
    return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"


# Classes, for what was asked for


class BothFamilies(HTTPServer):
    """At an IPv6 address that stands for all of them, it serves IPv4 as well."""

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            with contextlib.suppress(OSError):  # a system without mapped addresses
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def for_tls(server_class: Any, certfile: Any, keyfile: Any, password: Any) -> tuple[Any, dict[str, Any]]:
    """The class to use, and its arguments: with a certificate, HTTPS takes the place of the default."""
    if certfile is None:
        return server_class, {}
    if server_class is ThreadingHTTPServer:
        server_class = ThreadingHTTPSServer
    return server_class, {"certfile": certfile, "keyfile": keyfile, "password": password}


def variant(made_of: AnyClass, *bases: type, **attributes: object) -> AnyClass:
    """A subclass with other attributes: the class itself belongs to the rest of the process, too."""

    def fill(namespace: dict[str, object]) -> None:
        namespace.update(attributes, __module__=made_of.__module__, __qualname__=made_of.__qualname__)

    return new_class(made_of.__name__, (*bases, made_of), exec_body=fill)  # type: ignore[return-value]


def _with(factory: Any, **attributes: object) -> Any:
    """A class with other attributes; whatever else can be called in place of one has them set on itself."""
    if isinstance(factory, type):
        return variant(factory, **attributes)
    for name, value in attributes.items():
        setattr(factory, name, value)
    return factory


# The command line of http.server


def _main(args: Sequence[str] | None = None) -> None:
    """Serve a directory, as the arguments (default: those of the process) say."""
    from pytest_httpserve import server

    parser = _parser()
    options = parser.parse_args(args)
    if options.tls_key and not options.tls_cert:
        parser.error("--tls-key requires --tls-cert to be set")
    password = None
    if options.tls_password_file:
        if not options.tls_cert:
            parser.error("--tls-password-file requires --tls-cert to be set")
        try:
            with open(options.tls_password_file, encoding="utf-8") as file:
                password = file.read().strip()
        except (OSError, UnicodeError) as error:
            parser.error(f"--tls-password-file cannot be read: {error}")

    class OfOptions(BothFamilies):
        def finish_request(self, request: Any, client_address: Any) -> None:  # as socketserver has them
            handler: Any = self.RequestHandlerClass
            handler(
                request,
                client_address,
                self,
                directory=options.directory,
                extra_response_headers=options.header,
            )

    # Behind the class that serves: HTTPS shakes hands before it comes to the handler.
    serving: type = ThreadingHTTPSServer if options.tls_cert else ThreadingHTTPServer
    server_class = new_class(serving.__name__, (serving, OfOptions))
    server.test(
        HandlerClass=server.CGIHTTPRequestHandler if options.cgi else SimpleHTTPRequestHandler,
        ServerClass=server_class,
        protocol=options.protocol,
        port=options.port,
        bind=options.bind,
        content_type=options.content_type,
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        tls_password=password,
    )


def _parser() -> argparse.ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser(description="Serve the files of a directory, as python -m http.server does.")
    add = parser.add_argument
    add("port", nargs="?", type=int, default=8000, help="listen on this port (default: %(default)s)")
    add("-b", "--bind", metavar="ADDRESS", help="listen on this address (default: all)")
    add("-d", "--directory", metavar="PATH", default=os.getcwd(), help="serve this directory (default: the current)")
    add("-p", "--protocol", metavar="VERSION", default="HTTP/1.0", help="speak this version (default: %(default)s)")
    add("--cgi", action="store_true", help="run the CGI scripts in /cgi-bin and /htbin")
    add("--content-type", metavar="TYPE", default=_ANY_TYPE, help="of files whose name does not tell it")
    header = ("HEADER", "VALUE")
    add("-H", "--header", nargs=2, action="append", metavar=header, help="send this with files; repeatable")
    add("--tls-cert", metavar="PATH", help="serve HTTPS with this certificate (PEM, the chain behind it)")
    add("--tls-key", metavar="PATH", help="its key, if that is in a file of its own")
    add("--tls-password-file", metavar="PATH", help="a file with the password of the key")
    return parser
