"""An entry of a recording: a request and its answer, as in a HAR."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pytest_httpserve.scripting.record.request import Body
from pytest_httpserve.wire.headers import Field

# A body of up to this size is in the HAR itself; a larger one has a separate file.
MOST_INLINE_BYTES = 1 << 20
# The chunks of a body are recorded if there are at most this many.
MOST_CHUNKS = 1_000

_CHARSET = re.compile(r""";\s*charset\s*=\s*"?([^";\s]+)""", re.IGNORECASE)


class Digest(NamedTuple):
    """What a recording keeps of a request body that is too large for a HAR."""

    sha256: str
    size: int


class Entry(NamedTuple):
    """One request and its answer.

    Bodies are kept decoded, if possible; ``coding`` is the content coding that was removed. ``request_body`` is None if
    it is unknown, or if there was none; ``body`` is None if the recording lacks it. ``chunks`` are the sizes of the
    pieces in which the body came, each with the milliseconds before it. ``wait`` and ``receive`` are milliseconds, too;
    ``started`` is an ISO 8601 date. ``line`` is the line of the file where the entry begins.
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
    """The first value of a field; empty if there is none."""
    return next((value for key, value in fields if key.lower() == name), "")


def charset_of(content_type: str) -> str:
    """The charset that a media type names, if Python knows it; else UTF-8."""
    found = _CHARSET.search(content_type)
    if found is None:
        return "utf-8"
    try:
        "".encode(found[1])
    except LookupError:
        return "utf-8"
    return found[1]


def origin_and_rest(url: str) -> tuple[str, str]:
    """Split a URL into its origin, such as ``https://host:port``, without user information, and the rest."""
    scheme, _, rest = url.partition("://")
    whole, question, query = rest.partition("?")
    authority, _, path = whole.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}", f"/{path}{question}{query}"
