"""What a test can learn about TLS handshakes: what client and server agreed on, or why it failed."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

# An alert from the client, as OpenSSL spells it: TLSV1_ALERT_UNKNOWN_CA, SSLV3_ALERT_BAD_CERTIFICATE.
_ALERT = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?(?P<name>\w+)")


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The certificate that a client presented and the server accepted.

    ``names`` are its host names, IP addresses and e-mail addresses.
    """

    pem: str
    names: tuple[str, ...]
    serial_number: int


@dataclass(frozen=True, slots=True)
class TLSSession:
    """What client and server agreed on: ``version`` (such as ``TLSv1.3``), ``cipher``, ``alpn`` (None without ALPN).

    ``sni`` is the server name that the client sent; None if it sent none.
    """

    version: str
    cipher: str
    sni: str | None
    alpn: str | None
    peer_certificate: PeerCertificate | None


@dataclass(frozen=True, slots=True)
class TLSError:
    """Why a handshake failed, as the server saw it.

    ``alert`` is the alert that the client sent, by its name in RFC 8446 section 6.2, such as ``unknown_ca``; None if it
    sent none. ``reason`` is the same in words.
    """

    alert: str | None
    reason: str

    def __str__(self) -> str:
        return self.reason


class Handshake:
    """A handshake, which ends with a session or an error."""

    __slots__ = ("_over", "begun", "error", "session")

    def __init__(self) -> None:
        self._over = threading.Lock()  # held until the end; an Event takes ten times as long to make
        self._over.acquire()
        self.begun: bool = False  # the client has sent something
        self.session: TLSSession | None = None
        self.error: TLSError | None = None

    def succeed(self, session: TLSSession) -> None:
        """Note that the handshake succeeded."""
        self.session = session
        self._over.release()

    def fail(self, error: TLSError) -> None:
        """Note that the handshake failed, unless it is over already."""
        if self.session is None and self.error is None:
            self.error = error
            self._over.release()

    def wait(self, seconds: float) -> Handshake:
        """Wait until it is over, but no longer than ``seconds``. Returns itself."""
        if self._over.acquire(timeout=seconds):
            self._over.release()
        return self


def session_of(sock: ssl.SSLSocket) -> TLSSession:
    """The session of a socket whose handshake is over."""
    cipher = sock.cipher()
    return TLSSession(
        version=sock.version() or "",
        cipher=cipher[0] if cipher is not None else "",
        sni=getattr(sock, "asked_for", None),  # see pytest_httpserve.tls.contexts
        alpn=sock.selected_alpn_protocol(),
        peer_certificate=_peer_certificate(sock),
    )


def _peer_certificate(sock: ssl.SSLSocket) -> PeerCertificate | None:
    if not (found := sock.getpeercert()):
        return None
    import ssl

    der = sock.getpeercert(binary_form=True)
    assert der is not None
    names = found.get("subjectAltName", ())
    return PeerCertificate(
        pem=ssl.DER_cert_to_PEM_cert(der),
        names=tuple(str(name) for _, name in names),  # type: ignore[str-unpack]  # typeshed allows a str
        serial_number=int(str(found["serialNumber"]), 16),
    )


def error_of(error: OSError | None, seconds: float | None) -> TLSError:
    """Why a handshake failed that was allowed ``seconds``. Without an error, the server stopped."""
    if error is None:
        return TLSError(None, "the server stopped")
    if isinstance(error, TimeoutError):
        return TLSError(None, f"the handshake was not over within {seconds or 0:g} s")
    if isinstance(error, ConnectionResetError):
        return TLSError(None, "the client reset the connection")
    reason = getattr(error, "reason", None)
    if not isinstance(reason, str) or reason in ("UNEXPECTED_EOF_WHILE_READING", ""):
        return TLSError(None, "the client closed the connection")
    if reason in ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER"):
        return TLSError(None, f"the client does not speak TLS ({_words(reason)})")
    if found := _ALERT.fullmatch(reason):
        return TLSError(found["name"].lower(), f"the client sent the alert {found['name'].lower()}")
    detail = getattr(error, "verify_message", None)
    return TLSError(None, f"{_words(reason)}: {detail}" if detail else _words(reason))


def _words(reason: str) -> str:
    return reason.replace("_", " ").lower()
