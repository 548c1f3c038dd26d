"""A request as a test sees it."""

from __future__ import annotations

import re
import tempfile
import urllib.parse
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import IO

from pytest_httpserve.wire.headers import Headers

# A body up to here stays in memory; what is beyond goes to an unnamed temporary file.
BODY_IN_MEMORY_BYTES = 1 << 20
_READ_BYTES = 1 << 16

# RFC 3986 section 3.3: what stands in a path as it is
_PCHAR = "!$&'()*+,;=:@-._~"
_PLAIN_PATH = re.compile(rf"[A-Za-z0-9/{re.escape(_PCHAR)}]*")


class Body:
    """The bytes of a body, however many, with at most a mebibyte of them in memory."""

    __slots__ = ("__weakref__", "_file", "_memory", "size")

    def __init__(self, read: Callable[[int], bytes] | None = None) -> None:
        self.size = 0
        self._memory = b""
        self._file: IO[bytes] | None = None
        if read is not None:
            self._take(read)

    def _take(self, read: Callable[[int], bytes]) -> None:
        pieces: list[bytes] = []
        while piece := read(_READ_BYTES):
            self.size += len(piece)
            if self._file is None and self.size > BODY_IN_MEMORY_BYTES:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed with this body
                weakref.finalize(self, self._file.close)
                self._file.writelines(pieces)
                pieces.clear()
            if self._file is None:
                pieces.append(piece)
            else:
                self._file.write(piece)
        self._memory = b"".join(pieces)

    def read(self) -> bytes:
        """All of it."""
        if self._file is None:
            return self._memory
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Let go of the temporary file, if there is one: the body cannot be read any more."""
        if self._file is not None:
            self._file.close()


NO_BODY = Body()


@dataclass(frozen=True, slots=True)
class Request:
    """One request: ``target`` as it was sent, and what it says.

    ``version`` is a pair as in ``(1, 1)``; ``client_address`` is ``(host, port)``; ``trailers`` are those of a chunked
    body.
    """

    method: str
    target: str
    headers: Headers
    version: tuple[int, int]
    client_address: tuple[str, int]
    content: Body = field(default=NO_BODY, repr=False)
    trailers: Headers = field(default_factory=Headers)

    @property
    def path(self) -> str:
        """The path, percent-decoded as UTF-8."""
        return urllib.parse.unquote(path_of(self.target))

    @property
    def query_string(self) -> str:
        """What stands behind the question mark, as sent; empty if there is none."""
        return self.target.partition("?")[2]

    @property
    def body(self) -> bytes:
        """The body, with chunks and other framing taken off."""
        return self.content.read()

    @property
    def text(self) -> str:
        """The body as UTF-8. Raises UnicodeDecodeError if it is not."""
        return self.body.decode()

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


def path_of(target: str) -> str:
    """The path in a target of any form, still encoded."""
    path = target.partition("?")[0]
    if path.startswith("/"):
        return path
    _, scheme_end, rest = path.partition("://")
    return "/" + rest.partition("/")[2] if scheme_end else path


@lru_cache(1024)
def route_path(target: str) -> str:
    """The path in a target, in its canonical spelling."""
    return canonical_path(path_of(target))


def canonical_path(path: str) -> str:
    """One spelling for all that mean the same path: ``/a b``, ``/a%20b`` and ``/%61%20b`` are one, ``/a%2Fb`` and
    ``/a/b`` are two (RFC 3986 section 6.2.2)."""
    if _PLAIN_PATH.fullmatch(path):
        return path
    return "/".join(
        urllib.parse.quote(urllib.parse.unquote_to_bytes(segment), safe=_PCHAR) for segment in path.split("/")
    )
