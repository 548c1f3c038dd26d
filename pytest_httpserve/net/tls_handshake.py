"""A TLS handshake under a deadline, and what a client is told when it fails."""

from __future__ import annotations

import contextlib
import socket
import ssl

from pytest_httpserve.net.connection import Connection
from pytest_httpserve.net.loop import MOST_AWAY
from pytest_httpserve.net.over_tls import says_little
from pytest_httpserve.net.transport import Transport

# What OpenSSL says of GET, HEAD, POST and PUT, of CONNECT, and of anything else that is no TLS.
_NOT_TLS = ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER")


def shake_hands(connection: Connection, timeout: float | None) -> bool | None:
    """Go on with the handshake. True when it is done; False if it failed: ``take_leave`` is all that is left to do.

    In a thread of its own it waits for the client, ``timeout`` seconds at most. In the loop it waits for nobody: None
    says that it goes on when the client does, if that is before the connection expires.
    """
    sock = connection.transport.socket
    turn, loop = connection.turn, connection.turn.loop
    assert isinstance(sock, ssl.SSLSocket)
    if connection.closing:
        return False
    try:
        if turn.led and loop is not None and len(loop.away) < MOST_AWAY:
            try:
                # Watched: a key may be large, and a callback of the context is not ours.
                loop.run(turn, _shake, connection.transport, sock)
                return True
            except ssl.SSLWantReadError:
                return None
            except ssl.SSLWantWriteError:
                pass  # the loop does not wait until there is room for what the server has to say
        connection.leave_loop()
        turn.set_timeout(timeout)
        _shake(connection.transport, sock)
    except OSError as error:
        connection.transport.failed(error)
        return False
    return True


def _shake(transport: Transport, sock: ssl.SSLSocket) -> None:
    """Go on with it; once more if it fails, for that may be what others have left in this thread."""
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
    """After a handshake that failed: let the client read why, be it a TLS alert that has been sent by now.

    One that did not speak TLS gets ``plain_answer``.
    """
    error = connection.transport.failure
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError):
        return  # it has gone, or is not heard any more
    if error.reason in _NOT_TLS:
        # The failed handshake has sent nothing, so the connection can still carry an answer as it is.
        with contextlib.suppress(OSError):
            socket.socket.sendall(connection.transport.socket, plain_answer)
    connection.linger()
