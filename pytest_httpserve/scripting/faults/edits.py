"""Faults that change what is sent: heads and bodies that do not match, and lines that are not HTTP."""

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
    """A fault that changes the head of a response."""

    def edit(self, lines: list[bytes], exchange_index: int) -> list[bytes]:
        """The status line and the field lines, changed. The same list if there is nothing to change."""
        raise NotImplementedError

    def closes(self, exchange_index: int) -> bool:
        """Whether the server closes the connection (FIN) after the response."""
        return False


@dataclass(frozen=True, repr=False)
class WrongLength(HeadEdit):
    """Content-Length is ``by`` bytes too large (or, if negative, too small), or is the text ``says``.

    Unless it is too small, the server closes the connection after the body.
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
    """A header is sent twice, the second time with ``value`` if that is given."""

    header: str = "Content-Length"
    value: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.header, str) or not TOKEN.fullmatch(self.header):
            raise UsageError(f"a header's name must be a token (RFC 9110 section 5.1), not {self.header!r}")
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
    """The server closes the connection after ``exchanges`` responses, and announces it with ``Connection: close``."""

    exchanges: int = 1

    def __post_init__(self) -> None:
        check_count(f"exchanges= of {type(self).__name__}", self.exchanges, least=1)

    def edit(self, lines: list[bytes], exchange_index: int) -> list[bytes]:
        return _with_connection(lines, b"Connection: close") if self.closes(exchange_index) else lines

    def closes(self, exchange_index: int) -> bool:
        return exchange_index + 1 >= self.exchanges


@dataclass(frozen=True, repr=False)
class BrokenKeepAlive(HeadEdit):
    """Every response promises to keep the connection, but the server closes it (FIN) after ``exchanges`` responses."""

    exchanges: int = 1

    def __post_init__(self) -> None:
        check_count(f"exchanges= of {type(self).__name__}", self.exchanges, least=1)

    def edit(self, lines: list[bytes], exchange_index: int) -> list[bytes]:
        return _with_connection(lines, b"Connection: keep-alive", b"Keep-Alive: timeout=60")

    def closes(self, exchange_index: int) -> bool:
        return exchange_index + 1 >= self.exchanges


@dataclass(frozen=True, repr=False)
class Garbage(HeadEdit):
    """A line that is not HTTP: in place of the status line, before the headers, or in place of the first chunk's size.
    For ``"chunk"``, the response is sent in chunks. The server closes the connection after the response.
    """

    where: Literal["status_line", "header", "chunk"] = "status_line"
    data: bytes = b"\xfe\xff garbage"

    def __post_init__(self) -> None:
        if self.where not in ("status_line", "header", "chunk"):
            raise UsageError(f"garbage takes the place of a status_line, a header or a chunk, not of {self.where!r}")
        if not isinstance(self.data, bytes) or not self.data:
            raise UsageError(f"data= must be at least one byte, not {self.data!r}")

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
    """The last ``bytes`` bytes of the body, including its framing, are not sent. Then the server closes (FIN)."""

    bytes: int = 1

    def __post_init__(self) -> None:
        check_count(f"bytes= of {type(self).__name__}", self.bytes, least=1)

    @property
    def place(self) -> Phase:
        return "response_body"


@dataclass(frozen=True, repr=False)
class Extend(Fault):
    """Extra bytes follow the body: ``data`` or, if that is a number, so many ``x``. The connection stays open."""

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
        """The bytes to send after the body."""
        return b"x" * self.data if isinstance(self.data, int) else self.data

    @property
    def name(self) -> str:
        return f"extend-{len(self.surplus)}"


@dataclass(frozen=True, repr=False)
class NoLastChunk(Fault):
    """The response is sent in chunks without the last one. The server closes the connection instead (FIN)."""

    @property
    def place(self) -> Phase:
        return "response_body"


@dataclass(frozen=True, repr=False)
class WrongChunkSize(Fault):
    """The response is sent in chunks, and the size of the first is ``by`` bytes too large (or, if negative, too small).
    The server closes the connection after the response."""

    by: int = 1

    def __post_init__(self) -> None:
        check_count("by=", self.by, least=None)
        if not self.by:
            raise UsageError("by=0 is the right size")

    @property
    def place(self) -> Phase:
        return "response_body"


def _with_value(lines: list[bytes], name: bytes, change: Callable[[bytes], bytes]) -> list[bytes]:
    """The lines with the value of one header changed. The same list if there is no such header."""
    for at, line in enumerate(lines):
        key, colon, value = line.partition(b":")
        if at and colon and key.lower() == name:
            return [*lines[:at], b"%b: %b" % (key, change(value.strip())), *lines[at + 1 :]]
    return lines


def _with_connection(lines: list[bytes], *instead: bytes) -> list[bytes]:
    gone = (b"connection", b"keep-alive")
    return [*(line for line in lines if line.partition(b":")[0].lower() not in gone), *instead]


def _check_line(name: str, value: object) -> None:
    """Raise UsageError if ``value`` cannot be the value of a header."""
    try:
        if not isinstance(value, str):
            raise ValueError
        check_field("x", value)
    except ValueError:
        raise UsageError(f"{name}= must be the value of a header, one line of text, not {value!r}") from None
