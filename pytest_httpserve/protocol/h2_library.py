"""The library for frames, set up for a server that checks requests itself, stream by stream."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from h2.connection import H2Connection


@cache
def connection_type() -> type[H2Connection]:
    """The library's class of connections, imported on first use."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.stream import H2Stream

    # We refuse malformed input ourselves, and our output may be wrong on purpose.
    config = H2Configuration(
        client_side=False,
        header_encoding=False,
        validate_inbound_headers=False,
        normalize_inbound_headers=False,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
    )

    class ServerConnection(H2Connection):
        def __init__(self) -> None:
            super().__init__(config)

        def _begin_new_stream(self, stream_id: int, allowed_ids: Any) -> H2Stream:  # the library does not export it
            stream = super()._begin_new_stream(stream_id, allowed_ids)
            # A wrong Content-Length would end the connection, with all other streams.
            stream._initialize_content_length = _check_nothing  # type: ignore[method-assign]
            return stream

    return ServerConnection


def stream_closed() -> type[Exception]:
    """The library's exception for a stream that has ended."""
    from h2.exceptions import StreamClosedError

    return StreamClosedError


def _check_nothing(headers: object) -> None:
    """Do nothing."""
