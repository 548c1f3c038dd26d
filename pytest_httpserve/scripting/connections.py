"""What a test is told of the connections that its server had: one record each, from accept to the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_httpserve.scripting.handshakes import Handshake, TLSError, TLSSession
    from pytest_httpserve.scripting.journal import Exchange

# A client learns of the end of a handshake before the server does, or after it.
_HANDSHAKE_SECONDS = 5.0


class ConnectionRecord:
    """A connection: who opened it, what came over it, and who ended it.

    ``index`` counts the connections of a server from 0; ``client_address`` is the other end. ``exchanges`` are those it
    has carried. ``opened`` and ``closed`` (None while it is open) are seconds of time.monotonic.

    ``closed_by`` is ``client`` or ``server``, whoever was the first to end it, and ``closed_how`` says by what: ``FIN``
    (an orderly end), ``RST`` (a reset), ``timeout`` (the client kept the server waiting for too long), ``stop`` (the
    server stopped). Both are None while it is open.
    """

    __slots__ = ("client_address", "closed", "closed_by", "closed_how", "exchanges", "handshake", "index", "opened")

    def __init__(self, index: int, client_address: object, handshake: Handshake | None = None) -> None:
        self.index = index
        self.client_address = client_address
        self.handshake = handshake  # None without TLS
        self.exchanges: list[Exchange] = []
        self.opened = time.monotonic()
        self.closed: float | None = None
        self.closed_by: str | None = None
        self.closed_how: str | None = None

    @property
    def tls(self) -> TLSSession | None:
        """What was agreed upon over TLS; None without TLS, and if the handshake failed.

        A handshake that is under way is waited for, 5 seconds at most.
        """
        return self.handshake.wait(_HANDSHAKE_SECONDS).session if self.handshake is not None else None

    @property
    def tls_error(self) -> TLSError | None:
        """Why the handshake failed; None if it did not. It is waited for as by ``tls``."""
        return self.handshake.wait(_HANDSHAKE_SECONDS).error if self.handshake is not None else None

    def end(self, by: str, how: str) -> None:
        """The connection is over."""
        self.closed_by, self.closed_how = by, how
        self.closed = time.monotonic()

    @property
    def is_open(self) -> bool:
        """Whether neither side has ended it."""
        return self.closed is None

    @property
    def reused(self) -> bool:
        """Whether it has carried more than one exchange."""
        return len(self.exchanges) > 1

    @property
    def bytes_received(self) -> int:
        """How many bytes of requests have come in, TLS taken off."""
        return sum(exchange.raw.bytes_received for exchange in self.exchanges)

    @property
    def bytes_sent(self) -> int:
        """How many bytes of responses have gone out, before TLS."""
        return sum(exchange.raw.bytes_sent for exchange in self.exchanges)

    def __repr__(self) -> str:
        state = "open" if self.is_open else f"closed by the {self.closed_by}, {self.closed_how}"
        return f"<ConnectionRecord {self.index}, {len(self.exchanges)} exchanges, {state}>"
