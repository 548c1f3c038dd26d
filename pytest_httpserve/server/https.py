"""What HTTPS adds to a server: an SSL context, made once, and an answer to clients that speak plain HTTP."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Sequence

_PLAIN_TEXT = b"This port speaks HTTPS, and the request came in as plain HTTP.\n"
PLAIN_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
) % (len(_PLAIN_TEXT), _PLAIN_TEXT)

PathArgument = str | os.PathLike[str]
# The type that ssl.SSLContext.load_cert_chain accepts.
PasswordArgument = str | bytes | bytearray | Callable[[], str | bytes | bytearray] | None


def server_context(
    certfile: PathArgument, keyfile: PathArgument | None, password: PasswordArgument, alpn_protocols: Sequence[str]
) -> ssl.SSLContext:
    """A context with this certificate.

    Raises FileNotFoundError (or another OSError) for a file that cannot be read, and ssl.SSLError for one without a
    certificate or key, for a key that does not match and for a wrong password. The message names the file.
    """
    for file in (certfile, keyfile):
        if file is not None:
            with open(file, "rb"):  # OpenSSL does not say which of the two files it cannot read
                pass
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(alpn_protocols))
    asked = False

    def give_password() -> str | bytes | bytearray:
        # Without this callback, OpenSSL would ask on the terminal, and wait.
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
