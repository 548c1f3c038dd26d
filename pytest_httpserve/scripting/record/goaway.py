"""The GOAWAY that an HTTP/2 client was sent, and what it requested all the same."""

from __future__ import annotations

from typing import NamedTuple


class Unprocessed(NamedTuple):
    """A request that came too late and was not processed."""

    stream_id: int
    method: str
    target: str


class GoneAway(NamedTuple):
    """A ``GOAWAY`` frame; ``code`` is the name of its error code. No stream after ``last_stream`` was processed;
    ``unprocessed`` are the requests on such streams. ``told`` is when it was sent, in seconds of time.monotonic()."""

    code: str
    last_stream: int
    told: float
    unprocessed: tuple[Unprocessed, ...] = ()

    def with_request(self, stream_id: int, method: str, target: str) -> GoneAway:
        """The same, with one more request that came too late."""
        return self._replace(unprocessed=(*self.unprocessed, Unprocessed(stream_id, method, target)))
