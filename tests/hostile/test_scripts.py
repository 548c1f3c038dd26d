"""What a CGI script writes to its stderr, however it writes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_httpserve.server.cgi.process import STDERR_BYTES, _Complaints

pytestmark = pytest.mark.same_everywhere  # what is counted is the same on every Python

Measure = Callable[[Callable[[], object]], int]


@pytest.mark.parametrize("piece", [b"\n", b"x", b"x\n", b"\n" * 1000], ids=["empty", "endless", "short", "many"])
def test_what_comes_in_small_pieces_costs_as_much_as_it_has_bytes(
    piece: bytes, calls: Measure, most_bytes: Measure
) -> None:
    """64 KiB were copied with each piece, and each empty line was logged."""
    logged: list[str] = []
    complaints = _Complaints(logged.append)

    def write(count: int) -> None:
        for _ in range(count):
            complaints.add(piece)

    few = calls(lambda: write(1_000))
    write(100_000 // len(piece))
    assert calls(lambda: write(1_000)) <= few
    assert len(logged) <= 1_030
    assert len(complaints.text) <= STDERR_BYTES
    assert most_bytes(lambda: write(2_000)) <= 5 * STDERR_BYTES
