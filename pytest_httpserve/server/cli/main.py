"""The command line: a directory served from a terminal.

A user's mistake raises a UsageError, which ``main`` turns into one sentence on stderr and exit code 2.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any

from pytest_httpserve.errors import UsageError
from pytest_httpserve.net.connection import Connection
from pytest_httpserve.net.watcher import Watcher
from pytest_httpserve.server.cli.console import LoggedRequests, Tally
from pytest_httpserve.server.cli.hosts import hosts_in
from pytest_httpserve.server.cli.listening import (
    Address,
    BothFamilies,
    addresses_of,
    for_tls,
    opening_line,
    url_of,
    variant,
)
from pytest_httpserve.server.cli.options import PROGRAM, SPA_PAGE, Options, parse
from pytest_httpserve.server.cli.signals import at_the_end
from pytest_httpserve.server.colours import takes_colours
from pytest_httpserve.server.escaping import escape
from pytest_httpserve.server.files.handler import SimpleHTTPRequestHandler
from pytest_httpserve.server.files.roots import FileOptions
from pytest_httpserve.server.servers import HTTPServer, ThreadingHTTPServer, service_of

# Makes, for these host names and addresses, a CA's certificate and a server's with its key, both PEM. The caller passes
# it in, since this package must not import the tls package.
Certify = Callable[[Sequence[str]], tuple[bytes, bytes]]

# This machine lacks the family or the address: another address of the same name may work.
_NOT_HERE = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def main(arguments: Sequence[str] | None = None, *, certify: Certify, epilog: str = "") -> int:
    """Serve as the arguments (default: the process's) say, until a signal ends it. Returns the exit code.

    ``epilog`` is the end of ``--help``.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a directory's name may not be valid text
    try:
        options = parse(arguments, epilog)
        with contextlib.ExitStack() as stack:
            _serve(options, certify, stack)
    except UsageError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # before anything was served
    return 0


# Serving


def _serve(options: Options, certify: Certify, stack: contextlib.ExitStack) -> None:
    """Serve until a signal comes, and print a summary."""
    stack.enter_context(at_the_end(signal.default_int_handler))  # so that the certificates are removed, too
    tally = Tally()
    addresses = addresses_of(options.bind, options.port)
    authority, certificate = "", options.tls_cert
    handler_class = _handler_class(options, tally)
    hosts: dict[str, str] = {}
    if options.tls:
        authority, certificate = stack.enter_context(_certificates(_own_names(options), certify))
    elif options.proxy:
        from pytest_httpserve.server.cli.proxy import proxy_class

        hosts = hosts_in(options.directory)
        authority, of_hosts = stack.enter_context(_certificates(list(hosts), certify))
        handler_class = proxy_class(handler_class, options.directory, hosts, of_hosts)
        os.unlink(of_hosts)  # it is loaded, and nobody else needs its key
    server = _listen(addresses, options, certificate, partial(handler_class, directory=options.directory))
    # In the thread that serves, shutdown only sets a flag, so a second signal changes nothing.
    stack.enter_context(at_the_end(lambda *_: server.shutdown()))
    with server:
        _say(opening_line(server.socket, tls=bool(certificate)))
        _say(_announcement(options, hosts))
        if authority and certificate:
            os.unlink(certificate)  # likewise
        if authority:
            whose = "The certificate of these hosts" if hosts else "Its certificate"
            _say(f"{whose} is signed by the CA in {authority}")
        if options.open:
            url = url_of(server.socket, "https" if certificate else "http")
            threading.Thread(target=_open_browser, args=(url,), daemon=True).start()
        server.serve_forever()
    # On a new line, after the ^C that the terminal shows.
    _say(("\n" if sys.stdout is not None and sys.stdout.isatty() else "") + tally.summary())
    _end_log()


def _say(text: str) -> None:
    """Print a line. If stdout cannot be written, the server goes on, and prints no more."""
    try:
        print(text, flush=True)
    except OSError:
        sys.stdout = None  # as in a Python without stdout


def _end_log() -> None:
    """Drop a log that cannot be written: Python would try once more, and exit with code 120."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        sys.stderr = None


def _announcement(options: Options, hosts: Collection[str]) -> str:
    what = "Files and CGI scripts" if options.cgi else "Files"
    if hosts:
        what += f" of {', '.join(hosts)}"
    where = "" if options.bind else ", at every address of this machine"
    return escape(f"{what} from {options.directory}{where}; Ctrl-C ends it")


def _open_browser(url: str) -> None:
    import webbrowser

    if not webbrowser.open(url):
        print(f"No browser was found to show {url}", file=sys.stderr)


def _handler_class(options: Options, tally: Tally) -> type[SimpleHTTPRequestHandler]:
    base = SimpleHTTPRequestHandler
    if options.cgi:
        from pytest_httpserve.server.cgi.handler import CGIHTTPRequestHandler

        base = CGIHTTPRequestHandler
    attributes = {
        "strict": True,
        "protocol_version": options.protocol,
        "file_options": FileOptions(
            listing=options.listing, fallback=SPA_PAGE if options.spa else None, cors=options.cors
        ),
        "extra_response_headers": tuple((name, value) for name, value in options.headers),
        "default_content_type": options.content_type or base.default_content_type,
        "tally": tally,
        "coloured": takes_colours(sys.stderr),
    }
    return type("CommandLineHandler", (LoggedRequests, base), attributes)


# Listening


class _Silent(Watcher):
    def hanging(self, connections: list[Connection]) -> None:
        """Say nothing: the process is about to end, and the handlers with it."""


class EndsAtOnce(BothFamilies):
    """A server for a terminal: it ends without waiting for transfers."""

    grace: float | None = 0.0

    def server_activate(self) -> None:
        service_of(self).watcher = _Silent()
        super().server_activate()

    if sys.platform == "win32":

        def service_actions(self) -> None:
            """Do nothing, twice a second: a signal does not wake ``select`` there."""


def _listen(
    addresses: list[Address], options: Options, certificate: str | None, handler: Callable[..., Any]
) -> HTTPServer:
    """A server at the first of the addresses that this machine has."""
    for last, (family, address) in enumerate(addresses, 1 - len(addresses)):
        try:
            server_class, tls = for_tls(ThreadingHTTPServer, certificate, options.tls_key, _password(options))
            server: HTTPServer = variant(server_class, EndsAtOnce, address_family=family)(address, handler, **tls)
            return server
        except OSError as error:
            if error.filename is not None:
                raise UsageError(f"{error.filename!r} cannot be read: {error.strerror}") from None
            if type(error).__name__ == "SSLError":  # something is wrong with the certificate or its key
                raise UsageError(str(error.strerror)) from None
            if not last or error.errno not in _NOT_HERE:
                where = f"{address[0]} port {address[1]}"
                hint = "; port 0 takes a free one" if error.errno == errno.EADDRINUSE else ""
                raise UsageError(f"cannot listen on {where}: {error.strerror}{hint}") from None
    raise UsageError(f"there is no address to listen on for {options.bind!r}")


# Certificates


@contextlib.contextmanager
def _certificates(names: Sequence[str], certify: Certify) -> Iterator[tuple[str, str]]:
    """Two files: a new CA's certificate, and a certificate for these names with its key."""
    import tempfile

    authority, certificate = certify(names)
    with tempfile.TemporaryDirectory(prefix="pytest-httpserve-") as folder:
        paths = os.path.join(folder, "ca.pem"), os.path.join(folder, "server.pem")
        for path, content in zip(paths, (authority, certificate), strict=True):
            _write_private(path, content)
        yield paths


def _own_names(options: Options) -> list[str]:
    return list(dict.fromkeys(["localhost", "127.0.0.1", "::1", *([options.bind] if options.bind else [])]))


def _write_private(path: str, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _password(options: Options) -> str | None:
    path = options.tls_password_file
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--tls-password-file {path!r} cannot be read: {reason}") from None
