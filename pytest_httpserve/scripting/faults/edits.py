"""Faults that change what is sent: heads and bodies that do not fit each other, and lines that are not HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pytest_httpserve.arguments import check_count
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.faults.acts import Fault, Phase
from pytest_httpserve.wire.grammar import TOKEN
from pytest_httpserve.wire.head import check_field


@dataclass(frozen=True, repr=False)
class HeadEdit(Fault):
    """What changes the head of a response."""

    def edit(self, lines: list[bytes], exchange_index: int) -> list[bytes]:
        """The status line and the field lines, changed; the same list if there is nothing to change here."""
        raise NotImplementedError

    def closes(self, exchange_index: int) -> bool:
        """Whether the connection ends (FIN) after the response."""
        return False


@dataclass(frozen=True, repr=False)
class WrongLength(HeadEdit):
    """Content-Length is ``by`` bytes more (or, below 0, fewer) than the body, or ``says`` something else.

    Unless it says fewer, the connection ends after the body.
    """

    by: int = 1
    says: str | None = None

    def __post_init__(self) -> None:
        check_count("by=", self.by, least=None)
        if self.says is None and not self.by:
            raise UsageError("by=0 is the right length")
        if self.says is not None:
            _check_line("says", self.says)

    def edit(self, lines: list[bytes], exchange_index: int) -> list[bytes]:
        def changed(value: bytes) -> bytes:
            if self.says is not None:
                return self.says.encode("latin-1")
            return b"%d" % max(int(value) + self.by, 0) if value.isdigit() else value

        return _with_value(lines, b"content-length", changed)

    def closes(self, exchange_index: int) -> bool:
        return self.says is not None or self.by > 0


@dataclass(frozen=True, repr=False)
class Duplicate(HeadEdit):
    """A header that is there twice, the second time with ``value`` if one is given."""

    header: str = "Content-Length"
    value: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.header, str) or not TOKEN.fullmatch(self.header):
            raise UsageError(f"a header's name is a token (RFC 9110 section 5.1), not {self.header!r}")
        if self.value is not None:
            _check_line("value", self.value)

    def edit(self, lines: list[bytes], exchange_index: int) -> list[bytes]:
        name = self.header.encode("ascii")
        second = None if self.value is None else b"%b: %b" % (name, self.value.encode("latin-1"))
        for at, line in enumerate(lines):
            if at and line.partition(b":")[0].lower() == name.lower():
                return [*lines[: at + 1], second or line, *lines[at + 1 :]]
        return lines if second is None else [*lines, second, second]


@dataclass(frozen=True, repr=False)
class CloseAfter(HeadEdit):
    """The connection ends, announced by ``Connection: close``, with its ``exchanges``-th response."""

    exchanges: int = 1

    def __post_init__(self) -> None:
        check_count(f"exchanges= of {type(self).__name__}", self.exchanges, least=1)

    def edit(self, lines: list[bytes], exchange_index: int) -> list[bytes]:
        return _with_connection(lines, b"Connection: close") if self.closes(exchange_index) else lines

    def closes(self, exchange_index: int) -> bool:
        return exchange_index + 1 >= self.exchanges


@dataclass(frozen=True, repr=False)
class BrokenKeepAlive(HeadEdit):
    """Each response promises to keep the connection; after the ``exchanges``-th it ends all the same (FIN)."""

    exchanges: int = 1

    def __post_init__(self) -> None:
        check_count(f"exchanges= of {type(self).__name__}", self.exchanges, least=1)

    def edit(self, lines: list[bytes], exchange_index: int) -> list[bytes]:
        return _with_connection(lines, b"Connection: keep-alive", b"Keep-Alive: timeout=60")

    def closes(self, exchange_index: int) -> bool:
        return exchange_index + 1 >= self.exchanges


@dataclass(frozen=True, repr=False)
class Garbage(HeadEdit):
    """A line that is not HTTP, in place of the status line, before the other headers, or where the size of the
    first chunk should be; for ``"chunk"`` the response is sent in chunks. The connection ends after the response.
    """

    where: Literal["status_line", "header", "chunk"] = "status_line"
    data: bytes = b"\xfe\xff garbage"

    def __post_init__(self) -> None:
        if self.where not in ("status_line", "header", "chunk"):
            raise UsageError(f"garbage takes the place of a status_line, a header or a chunk, not of {self.where!r}")
        if not isinstance(self.data, bytes) or not self.data:
            raise UsageError(f"data= is at least one byte, not {self.data!r}")

    @property
    def place(self) -> Phase:
        return "response_body" if self.where == "chunk" else "response_head"

    @property
    def name(self) -> str:
        return f"garbage-{self.where}"

    def edit(self, lines: list[bytes], exchange_index: int) -> list[bytes]:
        if self.where == "status_line":
            return [self.data, *lines[1:]]
        return [lines[0], self.data, *lines[1:]] if self.where == "header" else lines

    def closes(self, exchange_index: int) -> bool:
        return True


@dataclass(frozen=True, repr=False)
class Truncate(Fault):
    """The last ``bytes`` bytes of the body, as it stands on the wire, are not sent; then the connection ends (FIN)."""

    bytes: int = 1

    def __post_init__(self) -> None:
        check_count(f"bytes= of {type(self).__name__}", self.bytes, least=1)

    @property
    def place(self) -> Phase:
        return "response_body"


@dataclass(frozen=True, repr=False)
class Extend(Fault):
    """Behind the end of the body come further bytes: ``data``, or as many ``x`` as it says. The connection lasts."""

    data: bytes | int = 1

    def __post_init__(self) -> None:
        if isinstance(self.data, bytes) and self.data:
            return
        check_count(f"data= of {type(self).__name__}", self.data, least=1)

    @property
    def place(self) -> Phase:
        return "response_body"

    @property
    def surplus(self) -> bytes:
        """What is sent after the body."""
        return b"x" * self.data if isinstance(self.data, int) else self.data

    @property
    def name(self) -> str:
        return f"extend-{len(self.surplus)}"


@dataclass(frozen=True, repr=False)
class NoLastChunk(Fault):
    """The response is sent in chunks, and the chunk that ends them is missing; the connection ends instead (FIN)."""

    @property
    def place(self) -> Phase:
        return "response_body"


@dataclass(frozen=True, repr=False)
class WrongChunkSize(Fault):
    """The response is sent in chunks; the first says ``by`` bytes more (or, below 0, fewer) than it has. The connection
    ends after the response."""

    by: int = 1

    def __post_init__(self) -> None:
        check_count("by=", self.by, least=None)
        if not self.by:
            raise UsageError("by=0 is the right size")

    @property
    def place(self) -> Phase:
        return "response_body"


def _with_value(lines: list[bytes], name: bytes, change: Callable[[bytes], bytes]) -> list[bytes]:
    """The lines with the value of one header changed; the same list if it is not there."""
    for at, line in enumerate(lines):
        key, colon, value = line.partition(b":")
        if at and colon and key.lower() == name:
            return [*lines[:at], b"%b: %b" % (key, change(value.strip())), *lines[at + 1 :]]
    return lines


def _with_connection(lines: list[bytes], *instead: bytes) -> list[bytes]:
    gone = (b"connection", b"keep-alive")
    return [*(line for line in lines if line.partition(b":")[0].lower() not in gone), *instead]


def _check_line(name: str, value: object) -> None:
    """Raises UsageError for what is not the value of a header."""
    try:
        if not isinstance(value, str):
            raise ValueError
        check_field("x", value)
    except ValueError:
        raise UsageError(f"{name}= is the value of a header, on one line, not {value!r}") from None
