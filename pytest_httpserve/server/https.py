"""What HTTPS adds to a connection: the context, made once, and a handshake under a deadline."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Sequence

from pytest_httpserve.server.connection import Connection
from pytest_httpserve.server.loop import MOST_AWAY

_PLAIN_TEXT = b"This port speaks HTTPS, and the request came in as plain HTTP.\n"
_PLAIN_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
) % (len(_PLAIN_TEXT), _PLAIN_TEXT)
# What OpenSSL says of GET, HEAD, POST and PUT, of CONNECT, and of anything else that is no TLS.
_NOT_TLS = ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER")

PathArgument = str | os.PathLike[str]
# As ssl.SSLContext.load_cert_chain takes it.
PasswordArgument = str | bytes | bytearray | Callable[[], str | bytes | bytearray] | None


def server_context(
    certfile: PathArgument, keyfile: PathArgument | None, password: PasswordArgument, alpn_protocols: Sequence[str]
) -> ssl.SSLContext:
    """A context with this certificate.

    Raises FileNotFoundError (or another OSError) for a file that cannot be read, and ssl.SSLError for one that is no
    certificate or key, for a key that does not match and for a wrong password: each names the file.
    """
    for file in (certfile, keyfile):
        if file is not None:
            with open(file, "rb"):  # OpenSSL would not say which of the two it could not read
                pass
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(alpn_protocols))
    asked = False

    def give_password() -> str | bytes | bytearray:
        # Without this, OpenSSL would ask for it on the terminal, and wait.
        nonlocal asked
        asked = True
        given = password() if callable(password) else password
        return given if given is not None else ""

    try:
        context.load_cert_chain(certfile, keyfile, give_password)
    except (ssl.SSLError, ValueError) as error:
        raise ssl.SSLError(ssl.SSL_ERROR_SSL, _what_is_wrong(certfile, keyfile, password, asked, error)) from error
    return context


def _what_is_wrong(
    certfile: PathArgument, keyfile: PathArgument | None, password: PasswordArgument, asked: bool, error: Exception
) -> str:
    certificate, key = os.fspath(certfile), os.fspath(keyfile if keyfile is not None else certfile)
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"the key in {key} is not the key of the certificate in {certificate}"
    if asked:
        return f"the key in {key} is encrypted, and " + (
            "no password was given" if password is None else "the password is wrong"
        )
    files = certificate if key == certificate else f"{certificate} and {key}"
    return f"no certificate with its key in {files}: {error}"


def shake_hands(connection: Connection, timeout: float | None) -> bool | None:
    """Go on with the handshake. True when it is done; False if it failed: ``take_leave`` is all that is left to do.

    In a thread of its own it waits for the client, ``timeout`` seconds at most. In the loop it waits for nobody: None
    says that it goes on when the client does, if that is before the connection expires.
    """
    sock = connection.socket
    assert isinstance(sock, ssl.SSLSocket)
    if connection.closing:
        return False
    loop = connection.loop
    try:
        if connection.led and loop is not None and len(loop.away) < MOST_AWAY:
            try:
                # Watched: a key may be large, and a callback of the context is not ours.
                loop.run(connection, sock.do_handshake)
                return True
            except ssl.SSLWantReadError:
                return None
            except ssl.SSLWantWriteError:
                pass  # the loop does not wait until there is room for what the server has to say
        connection.leave_loop()
        connection.set_timeout(timeout)
        sock.do_handshake()
    except OSError as error:
        connection.failed(error)
        return False
    return True


def take_leave(connection: Connection) -> None:
    """After a handshake that failed: let the client read why, be it a TLS alert that has been sent by now.

    One that spoke plain HTTP is told so, in plain HTTP.
    """
    error = connection.failure
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError):
        return  # it has gone, or is not heard any more
    if error.reason in _NOT_TLS:
        # The failed handshake has sent nothing, so the connection can still carry an answer as it is.
        with contextlib.suppress(OSError):
            socket.socket.sendall(connection.socket, _PLAIN_ANSWER)
    connection.linger()
