"""A TLS handshake with a deadline, and the answer to a client when it fails."""

from __future__ import annotations

import contextlib
import socket
import ssl

from pytest_httpserve.net.connection import Connection
from pytest_httpserve.net.loop import MOST_AWAY
from pytest_httpserve.net.over_tls import says_little
from pytest_httpserve.net.transport import Transport

# OpenSSL's errors for GET, HEAD, POST and PUT, for CONNECT, and for anything else that is not TLS.
_NOT_TLS = ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER")


def shake_hands(connection: Connection, timeout: float | None) -> bool | None:
    """Continue the handshake. True when it is done; False if it failed, and only ``take_leave`` is left to do.

    In its own thread it waits for the client, at most ``timeout`` seconds. In the loop it never waits: None means that
    it goes on when the client does, unless the connection expires first.
    """
    sock = connection.transport.socket
    turn, loop = connection.turn, connection.turn.loop
    assert isinstance(sock, ssl.SSLSocket)
    if connection.closing:
        return False
    try:
        if turn.led and loop is not None and len(loop.away) < MOST_AWAY:
            try:
                # Watched, since a key may be large, and the context may have a callback of the user's.
                loop.run(turn, _shake, connection.transport, sock)
                return True
            except ssl.SSLWantReadError:
                return None
            except ssl.SSLWantWriteError:
                pass  # the loop does not wait for room to write
        connection.leave_loop()
        turn.set_timeout(timeout)
        _shake(connection.transport, sock)
    except OSError as error:
        connection.transport.failed(error)
        return False
    return True


def _shake(transport: Transport, sock: ssl.SSLSocket) -> None:
    """Continue the handshake; retry a failure once, for the error may be one that others have left in this thread."""
    try:
        sock.do_handshake()
    except OSError as error:
        if not transport.forget_others(error):
            raise
        try:
            sock.do_handshake()
        except OSError as further:
            if says_little(further):
                raise
            raise error from None


def take_leave(connection: Connection, plain_answer: bytes) -> None:
    """After a failed handshake: let the client read the reason, such as a TLS alert that was just sent.

    A client that did not speak TLS gets ``plain_answer``.
    """
    error = connection.transport.failure
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError):
        return  # it has gone, or nobody listens to it any more
    if error.reason in _NOT_TLS:
        # The failed handshake has sent nothing, so the connection can still carry an answer as it is.
        with contextlib.suppress(OSError):
            socket.socket.sendall(connection.transport.socket, plain_answer)
    connection.linger()
