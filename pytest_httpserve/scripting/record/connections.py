"""What a test is told of the connections that its server had: one record each, from accept to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pytest_httpserve import clock

if TYPE_CHECKING:
    from pytest_httpserve.scripting.record.exchange import Exchange
    from pytest_httpserve.scripting.record.handshakes import Handshake, TLSError, TLSSession

# A client learns of the end of a handshake before the server does, or after it.
_HANDSHAKE_SECONDS = 5.0


class ConnectionRecord:
    """A connection: who opened it, what came over it, and who ended it.

    ``index`` counts the connections of a server from 0; ``client_address`` is the other end. ``exchanges`` are those it
    has carried, as far as the journal still has them, ``exchange_count`` is how many there were. ``opened`` and
    ``closed`` (None while it is open) are seconds of time.monotonic.

    ``closed_by`` is ``client`` or ``server``, whoever was the first to end it, and ``closed_how`` says by what: ``FIN``
    (an orderly end), ``RST`` (a reset), ``timeout`` (the client kept the server waiting for too long), ``stop`` (the
    server stopped). Both are None while it is open.
    """

    __slots__ = (
        "_dropped_received",
        "_dropped_sent",
        "client_address",
        "closed",
        "closed_by",
        "closed_how",
        "exchange_count",
        "handshake",
        "index",
        "key",
        "look",
        "opened",
        "tunnelled",
    )

    def __init__(self, index: int, client_address: object, handshake: Handshake | None = None) -> None:
        self.index = index
        self.client_address = client_address
        self.handshake = handshake  # None without TLS
        self.look: Callable[[ConnectionRecord], tuple[Exchange, ...]] = _nothing  # the journal's way to its exchanges
        self.key = id(self)  # by which the journal names it
        self.exchange_count = 0
        self._dropped_received = self._dropped_sent = 0  # bytes of exchanges that the journal has dropped
        self.tunnelled: tuple[str, int] | None = None  # where to, and the index of the first exchange in the tunnel
        self.opened = clock.monotonic()
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

    @property
    def tunnel(self) -> str | None:
        """The origin that a tunnel leads to over it; None without one."""
        return self.tunnelled[0] if self.tunnelled is not None else None

    def end(self, by: str, how: str) -> None:
        """The connection is over."""
        self.closed_by, self.closed_how = by, how
        self.closed = clock.monotonic()

    @property
    def is_open(self) -> bool:
        """Whether neither side has ended it."""
        return self.closed is None

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Its exchanges, except those that the journal has dropped."""
        return self.look(self)

    @property
    def reused(self) -> bool:
        """Whether it has carried more than one exchange."""
        return self.exchange_count > 1

    @property
    def bytes_received(self) -> int:
        """How many bytes of requests have come in, TLS taken off."""
        return self.carried(self.exchanges)[0]

    @property
    def bytes_sent(self) -> int:
        """How many bytes of responses have gone out, before TLS."""
        return self.carried(self.exchanges)[1]

    def carried(self, exchanges: Iterable[Exchange]) -> tuple[int, int]:
        """How many bytes came in and went out, with these exchanges and those that were dropped."""
        raws = [exchange.raw for exchange in exchanges]
        received = self._dropped_received + sum(raw.bytes_received for raw in raws)
        return received, self._dropped_sent + sum(raw.bytes_sent for raw in raws)

    def drop(self, received: int, sent: int) -> None:
        """The journal has dropped an exchange with so many bytes."""
        self._dropped_received += received
        self._dropped_sent += sent

    def forget(self) -> None:
        """All that it has carried so far."""
        self.exchange_count = self._dropped_received = self._dropped_sent = 0

    def __repr__(self) -> str:
        state = "open" if self.is_open else f"closed by the {self.closed_by}, {self.closed_how}"
        return f"<ConnectionRecord {self.index}, {self.exchange_count} exchanges, {state}>"


def _nothing(record: ConnectionRecord) -> tuple[Exchange, ...]:
    return ()
