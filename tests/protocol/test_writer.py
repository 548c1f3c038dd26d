"""What responses are written to."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING

import pytest

from pytest_httpserve.protocol.writer import Writer

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


class Client:
    """Looks, with each byte that it gets, at how much is known to have left."""

    def __init__(self) -> None:
        self.writer = Writer(self)
        self.known: list[int] = []

    def fileno(self) -> int:
        return -1

    def send(self, data: Buffer, /, *, more: bool = False) -> None:
        self.known.append(self.writer.written)

    def send_file(self, file: IO[bytes], offset: int, count: int, note: Callable[[int], object], /) -> None:
        """There is none."""

    def push(self) -> None:
        """Nothing is kept back."""


@pytest.mark.parametrize("held", [False, True])
def test_what_leaves_is_counted_before_the_client_can_have_it_and_be_gone(held: bool) -> None:
    client = Client()
    if held:
        client.writer.hold()
    client.writer.write_head(b"head", more=True)
    client.writer.write(b"body")
    assert client.known[-1] == 4

    client.writer.write_whole(b"head and body", 4)
    assert client.known[-1] == 8
