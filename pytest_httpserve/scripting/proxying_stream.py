"""The requests of HTTP/2 to a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_httpserve.protocol.h2_stream import StreamTransport
from pytest_httpserve.scripting.proxying import Proxying
from pytest_httpserve.wire.origin import split_authority
from pytest_httpserve.wire.target import target_of

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answering import Chosen
    from pytest_httpserve.scripting.origin import Origin
    from pytest_httpserve.scripting.origins.origins import Origins
    from pytest_httpserve.wire.target import Target


class ProxyingStream(Proxying):
    """A request on a stream. Its scheme and authority name an origin, if the proxy knows that origin."""

    def answer_to(self, method: str, target: str, parts: Target, chosen: Chosen | None = None) -> None:
        """See ``Proxying``."""
        origins: Origins[Origin] | None = self.script.origins
        transport = self.connection.transport
        if parts.authority is None and not self.redirects and origins is not None:
            assert isinstance(transport, StreamTransport)
            scheme = dict(transport.fields).get(b":scheme", b"http").decode("latin-1").lower()
            authority = self.stream.headers["host"]
            host, port = split_authority(authority, scheme)
            if origins.find(host, port, scheme) is not None or origins.allows(host, port):
                target = f"{scheme}://{authority}{target if parts.form != 'asterisk' else ''}"
                parts = target_of(target)
        super().answer_to(method, target, parts, chosen)

    def carries(self, origin: Origin) -> bool:
        """See ``Proxying``."""
        return True
