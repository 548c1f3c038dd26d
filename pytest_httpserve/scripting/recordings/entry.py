"""What a recording is made of: a request and its answer, as a HAR has them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pytest_httpserve.scripting.record.request import Body
from pytest_httpserve.wire.headers import Field

# A body up to here stands in the HAR; one that is larger has a file beside it.
MOST_INLINE_BYTES = 1 << 20
# How many chunks of a body are told apart.
MOST_CHUNKS = 1_000

_CHARSET = re.compile(r""";\s*charset\s*=\s*"?([^";\s]+)""", re.IGNORECASE)


class Digest(NamedTuple):
    """What is kept of the body of a request that is too large for a HAR."""

    sha256: str
    size: int


class Entry(NamedTuple):
    """One request and its answer.

    A body is as it is without its content coding, unless that could not be taken off: ``coding`` is the one that was.
    ``request_body`` of None is one that is not known, or none; ``body`` of None is one that the recording lacks.
    ``chunks`` are the sizes of the pieces in which the body came, each with the milliseconds before it. ``wait`` and
    ``receive`` are milliseconds, too; ``started`` is an ISO 8601 date. ``line`` is where it stands in its file.
    """

    method: str
    url: str
    request_fields: tuple[Field, ...] = ()
    request_body: bytes | Digest | None = None
    status: int = 200
    reason: str = ""
    fields: tuple[Field, ...] = ()
    body: bytes | Body | Path | None = b""
    coding: str = ""
    chunks: tuple[tuple[int, int], ...] = ()
    wait: float = 0.0
    receive: float = 0.0
    started: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


def field_of(fields: Iterable[Field], name: str) -> str:
    """The first value of a field; empty without one."""
    return next((value for key, value in fields if key.lower() == name), "")


def charset_of(content_type: str) -> str:
    """The charset that a media type names, if Python has it; else UTF-8."""
    found = _CHARSET.search(content_type)
    if found is None:
        return "utf-8"
    try:
        "".encode(found[1])
    except LookupError:
        return "utf-8"
    return found[1]


def origin_and_rest(url: str) -> tuple[str, str]:
    """``https://host:port`` of a URL, without who asks, and what follows it."""
    scheme, _, rest = url.partition("://")
    whole, question, query = rest.partition("?")
    authority, _, path = whole.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}", f"/{path}{question}{query}"
