"""That a client of HTTP/2 was told to go away, and what it has asked for all the same."""

from __future__ import annotations

from typing import NamedTuple


class Unprocessed(NamedTuple):
    """A request that came too late, and was not processed."""

    stream_id: int
    method: str
    target: str


class GoneAway(NamedTuple):
    """``GOAWAY``, with the name of its ``code``: no stream after ``last_stream`` was processed, ``unprocessed`` among
    them. ``told`` is when, in seconds of time.monotonic."""

    code: str
    last_stream: int
    told: float
    unprocessed: tuple[Unprocessed, ...] = ()

    def with_request(self, stream_id: int, method: str, target: str) -> GoneAway:
        """The same, with one more request that came too late."""
        return self._replace(unprocessed=(*self.unprocessed, Unprocessed(stream_id, method, target)))
