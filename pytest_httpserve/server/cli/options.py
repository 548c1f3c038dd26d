"""The options of the command line, checked. A wrong one raises a UsageError."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial
from typing import NoReturn

from pytest_httpserve._version import __version__
from pytest_httpserve.errors import UsageError
from pytest_httpserve.server.cli.hosts import hosts_in
from pytest_httpserve.wire import grammar

PROGRAM = "python -m pytest_httpserve"
SPA_PAGE = "index.html"

_FRAMING = ("content-length", "transfer-encoding")


class Options(argparse.Namespace):
    """The arguments, checked."""

    port: int
    bind: str | None
    directory: str
    protocol: str
    cgi: bool
    tls_cert: str | None
    tls_key: str | None
    tls_password_file: str | None
    content_type: str | None
    headers: list[tuple[str, str]]
    tls: bool
    proxy: bool
    spa: bool
    cors: bool
    listing: bool
    open: bool


def _served(options: Options) -> list[str]:
    return list(hosts_in(options.directory).values()) if options.proxy else [options.directory]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def parse(arguments: Sequence[str] | None, epilog: str = "") -> Options:
    options = _parser(epilog).parse_args(arguments, namespace=Options())
    options.directory = _directory(options.directory)
    if options.tls and options.tls_cert:
        raise UsageError("--tls makes its own certificate: give either --tls or --tls-cert")
    if options.proxy and (options.tls or options.tls_cert):
        raise UsageError("--proxy makes certificates for its hosts itself, and speaks plain HTTP to its clients")
    for option, path in (("--tls-key", options.tls_key), ("--tls-password-file", options.tls_password_file)):
        if path is not None and options.tls_cert is None:
            raise UsageError(f"{option} needs --tls-cert, the certificate that it belongs to")
    for name, value in options.headers:
        _check_header(name, value)
    for directory in _served(options) if options.spa else ():
        if not os.path.isfile(os.path.join(directory, SPA_PAGE)):
            raise UsageError(f"--spa answers with {SPA_PAGE}, and there is none in {directory!r}")
    if options.content_type is not None and not (options.content_type and _is_field_value(options.content_type)):
        raise UsageError(f"--content-type {options.content_type!r} cannot be the value of a header")
    return options


def _parser(epilog: str) -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description="Serve the files of a directory over HTTP/1.1.", epilog=epilog)
    add = parser.add_argument
    add("port", nargs="?", type=_port, default=8000, help="listen on this port; 0 takes a free one (default: 8000)")
    add("-b", "--bind", metavar="ADDRESS", help="listen on this address (default: all addresses, IPv6 and IPv4)")
    add("-d", "--directory", metavar="PATH", help="serve this directory (default: the current one)")
    add(
        "-p",
        "--protocol",
        choices=["HTTP/1.0", "HTTP/1.1"],
        default="HTTP/1.1",
        help="speak at most this version (default: HTTP/1.1)",
    )
    add("--cgi", action="store_true", help="run the CGI scripts in /cgi-bin and /htbin")
    add(
        "--content-type",
        metavar="TYPE",
        help="the type of files whose names do not imply one (default: application/octet-stream)",
    )
    header = partial(add, "-H", "--header", dest="headers", action="append", default=[])
    header(nargs=2, metavar=("NAME", "VALUE"), help="send this header with each file and listing; repeatable")
    add("--no-listing", dest="listing", action="store_false", help="refuse directories that have no index page")
    add("--spa", action="store_true", help="answer paths that are not found with /index.html")
    add("--cors", action="store_true", help="let pages from any origin read the files")
    add("--proxy", action="store_true", help="act as a proxy for the hosts that the subdirectories are named after")
    add("--open", action="store_true", help="open the served directory in a browser")
    add("--version", action="version", version=f"pytest-httpserve {__version__}", help="print the version")
    tls = parser.add_argument_group("HTTPS")
    tls.add_argument("--tls", action="store_true", help="serve HTTPS with a certificate from a new test CA")
    tls.add_argument("--tls-cert", metavar="PATH", help="serve HTTPS with this certificate (PEM, with its chain)")
    tls.add_argument("--tls-key", metavar="PATH", help="the certificate's key, if it is in a separate file")
    tls.add_argument("--tls-password-file", metavar="PATH", help="a file with the password of the key")
    return parser


def _port(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65_535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 65535")


def _directory(given: str | None) -> str:
    try:
        path = os.path.abspath(os.curdir if given is None else given)
    except OSError as error:  # the current directory has been removed
        raise UsageError(f"the current directory cannot be served: {error.strerror}") from None
    if given == "" or not os.path.isdir(path):
        wrong = "is not a directory" if given and os.path.exists(path) else "does not exist"
        raise UsageError(f"--directory {given!r} {wrong}")
    return path


def _check_header(name: str, value: str) -> None:
    if not grammar.FIELD_NAME.fullmatch(name):
        raise UsageError(f"--header {name!r} cannot be the name of a header")
    if name.lower() in _FRAMING:
        raise UsageError(f"--header {name} cannot be set: the server sets it for each file")
    if not _is_field_value(value):
        raise UsageError(f"--header {name} cannot have the value {value!r}")


def _is_field_value(value: str) -> bool:
    return value == value.strip() and grammar.REASON.fullmatch(value) is not None
