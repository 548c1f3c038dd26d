"""``test()``, which tries a handler class out, and the command line of ``http.server`` with the same options.

``python -m pytest_httpserve.server`` runs this one. ``python -m pytest_httpserve`` runs our own, which can do more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from types import new_class
from typing import TYPE_CHECKING, Any

from pytest_httpserve.server.base import BaseHTTPRequestHandler
from pytest_httpserve.server.cli.listening import Address, BothFamilies, addresses_of, for_tls, opening_line, variant
from pytest_httpserve.server.files.handler import SimpleHTTPRequestHandler
from pytest_httpserve.server.servers import HTTPServer, ThreadingHTTPServer, ThreadingHTTPSServer

if TYPE_CHECKING:
    import argparse

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

    ``bind`` is an address (default: all), ``content_type`` the type of files whose names do not tell it, ``tls_cert``
    and ``tls_key`` are paths of PEM files. With a certificate, ``ServerClass`` must be an HTTPS server; the default is
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


test.__test__ = False  # type: ignore[attr-defined]  # pytest would collect it wherever it is imported


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
    """A server that listens, made from variants of these classes, which do not change themselves."""
    family, address = _get_best_family(bind, port)
    server_class, tls = for_tls(ServerClass, tls_cert, tls_key, tls_password)
    handler = _with(HandlerClass, protocol_version=protocol, default_content_type=default_content_type)
    server: HTTPServer = _with(server_class, address_family=family)(address, handler, **tls)
    return server


def _get_best_family(*address: Any) -> Address:
    """Where to listen for this address (None for all) and port."""
    return addresses_of(*address)[0]


def _with(factory: Any, **attributes: object) -> Any:
    """A subclass with these attributes; on any other callable, sets them directly."""
    if isinstance(factory, type):
        return variant(factory, **attributes)
    for name, value in attributes.items():
        setattr(factory, name, value)
    return factory


# The command line of http.server


def main(args: Sequence[str] | None, test: Callable[..., object]) -> None:
    """Call ``test`` as the arguments (None for the process's) say."""
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
        def finish_request(self, request: Any, client_address: Any) -> None:  # socketserver's types
            handler: Any = self.RequestHandlerClass
            handler(
                request,
                client_address,
                self,
                directory=options.directory,
                extra_response_headers=options.header,
            )

    # A base after the serving class: HTTPS shakes hands before it calls the handler.
    serving: type = ThreadingHTTPSServer if options.tls_cert else ThreadingHTTPServer
    handler_class: type[BaseHTTPRequestHandler] = SimpleHTTPRequestHandler
    if options.cgi:
        from pytest_httpserve.server.cgi.handler import CGIHTTPRequestHandler

        handler_class = CGIHTTPRequestHandler
    test(
        HandlerClass=handler_class,
        ServerClass=new_class(serving.__name__, (serving, OfOptions)),
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

    text = "Serve the files of a directory, as python -m http.server does."
    parser = argparse.ArgumentParser(prog="python -m pytest_httpserve.server", description=text)
    add = parser.add_argument
    add("port", nargs="?", type=int, default=8000, help="listen on this port (default: %(default)s)")
    add("-b", "--bind", metavar="ADDRESS", help="listen on this address (default: all)")
    add(
        "-d", "--directory", metavar="PATH", default=os.getcwd(), help="serve this directory (default: the current one)"
    )
    add("-p", "--protocol", metavar="VERSION", default="HTTP/1.0", help="speak this version (default: %(default)s)")
    add("--cgi", action="store_true", help="run the CGI scripts in /cgi-bin and /htbin")
    add(
        "--content-type",
        metavar="TYPE",
        default=_ANY_TYPE,
        help="the type of files whose names do not imply one (default: %(default)s)",
    )
    header = ("HEADER", "VALUE")
    add("-H", "--header", nargs=2, action="append", metavar=header, help="send this with files; repeatable")
    add("--tls-cert", metavar="PATH", help="serve HTTPS with this certificate (PEM, with its chain)")
    add("--tls-key", metavar="PATH", help="the certificate's key, if it is in a separate file")
    add("--tls-password-file", metavar="PATH", help="a file with the password of the key")
    return parser
