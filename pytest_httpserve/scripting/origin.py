"""An origin: a host on the internet for which a test answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_httpserve import elsewhere
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.face import Face
from pytest_httpserve.scripting.passage import AS_IT_IS, Passage
from pytest_httpserve.scripting.record.exchange import ConnectionRecord, Exchange
from pytest_httpserve.scripting.record.journal import Seen
from pytest_httpserve.scripting.script import Script
from pytest_httpserve.wire.origin import is_address, split_authority

if TYPE_CHECKING:
    from pytest_httpserve.scripting.conversation import Conversation
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.handshaking import Telling
    from pytest_httpserve.scripting.origins.names import Pattern
    from pytest_httpserve.scripting.origins.origins import Origins
    from pytest_httpserve.scripting.record.journal import Journal
    from pytest_httpserve.tls import TLS, Certificate, CertificateAuthority
    from pytest_httpserve.tls.contexts import Ready

WITHOUT_HANDSHAKE = ("plain_http", "handshake_reset", "handshake_stall")


class Origin(Face):
    """One or more hosts for which the server of a test answers as a proxy; ``HTTPServe.origin`` makes one.

    It has the same methods as the server: ``on``, ``serve_dir``, ``exchanges``, ``assert_requested`` and so on. Its
    failures are failures of the server.
    """

    def __init__(
        self,
        pattern: Pattern,
        journal: Journal,
        among: Origins[Origin],
        roots: tuple[Path, ...] | None,
        tls: TLS | None,
        ca: CertificateAuthority | None,
        to: tuple[str, int] | None,
        connections: Callable[[], tuple[ConnectionRecord, ...]],
        revocation: Telling | None,
    ) -> None:
        self.pattern = pattern
        self.to = to  # where a raw tunnel leads
        self.is_recorded = False  # whether a recording has made it
        self.script: Script = Script(journal, str(pattern))
        self._script = self.script
        self._scenarios = {}
        self._roots = roots
        self._among = among
        self._tls = tls
        self._ca = ca
        self._connections = connections
        self._revoked: Ready | None = None  # made once, since this very certificate is revoked
        if revocation is not None:
            self._revoked = self._ready(pattern.host, revocation)

    @property
    def base_url(self) -> str:
        """The URL of the origin, such as ``https://api.example.com``. Raises UsageError if it is more than one."""
        if not self.pattern.is_exact:
            raise UsageError(f"{self.pattern} is more than one origin: write out the URL that you mean")
        return str(self.pattern)

    @property
    def certificate(self) -> Certificate | None:
        """The certificate that the origin presents to clients; None without TLS.

        Raises UsageError if this is more than one host, since each has its own certificate.
        """
        if self._tls is None:
            return None
        if "*" in self.pattern.host:
            raise UsageError(f"{self.pattern} is more than one host, and each has its own certificate")
        return (self._revoked or self._ready(self.pattern.host)).certificate

    @property
    def connections(self) -> tuple[ConnectionRecord, ...]:
        """The connections of the server that reached this origin, through a tunnel or with at least one request."""
        carrying = {exchange.connection for exchange in self.exchanges}
        return tuple(
            record
            for record in self._connections()
            if record in carrying or (record.tunnel is not None and self._answers(record.tunnel))
        )

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The exchanges so far, in the order in which the requests came in."""
        return tuple(filter(self._is_ours, self._script.journal.exchanges))

    @property
    def _seen(self) -> Seen:
        return self._script.journal.seen._replace(exchanges=self.exchanges, connections=self.connections)

    def _is_ours(self, exchange: Exchange) -> bool:
        return exchange.origin is not None and self._answers(exchange.origin)

    def _answers(self, origin: str) -> bool:
        scheme, _, authority = origin.partition("://")
        return self._among.find(*split_authority(authority, scheme), scheme) is self

    @property
    def _shakes_hands(self) -> bool:
        return self._tls is not None

    def passage(self, conversation: Conversation, host: str, faults: tuple[Fault, ...]) -> Passage:
        """The passage for the exchanges of a new tunnel to this host, with these faults."""
        tls = self._tls
        if tls is None and not faults and conversation.in_http2 is None:
            return AS_IT_IS
        from pytest_httpserve.scripting.tunnels import TunnelPassage

        context = None
        if tls is not None and tls.fault not in WITHOUT_HANDSHAKE:
            context = (self._revoked or self._ready(host)).context
        return TunnelPassage(conversation, tls, context, faults)

    def _ready(self, host: str, revocation: Telling | None = None) -> Ready:
        """The certificate and context for a host. For an address, they depend on the name that the client asks for."""
        from pytest_httpserve.scripting.handshaking import ready_for

        assert self._tls is not None
        assert self._ca is not None
        return ready_for(self._tls, self._ca, (host,), revocation, by_name=is_address(host))

    if not TYPE_CHECKING:  # type checkers should know only the real names

        def __getattr__(self, name: str) -> object:
            raise elsewhere.no_attribute(self, name, elsewhere.SERVER)

    def __repr__(self) -> str:
        return f"<Origin {self.pattern}>"
