"""The head of a response that an application gives: its status and fields."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from pytest_httpserve.scripting.answers.responses import SERVER
from pytest_httpserve.server.dates import date_line
from pytest_httpserve.wire.grammar import REASON
from pytest_httpserve.wire.head import check_field
from pytest_httpserve.wire.headers import Field

_KEPT_BYTES = 4_096
_STATUS_WITHOUT_BODY = ("1", "204", "304")


class GivenHead(NamedTuple):
    """A head. ``lines`` are the status line and the field lines, ``names`` the names of the fields in lower case.
    ``has_body`` says whether responses with this status have a body."""

    lines: bytes
    names: frozenset[str]
    has_body: bool

    def before(self, first: bytes, *, whole: bool, method: str) -> bytes:
        """The head as it is sent, followed by the ``first`` piece of the body, which may be the ``whole`` body."""
        length = ""
        # An empty response to HEAD does not say how long the response to GET would be.
        if whole and self.has_body and "content-length" not in self.names and (first or method != "HEAD"):
            length = f"Content-Length: {len(first)}\r\n"
        date = b"" if "date" in self.names else date_line()
        return b"%b%b%b\r\n%b" % (self.lines, date, length.encode(), first)


def given_head(status: str, fields: tuple[Field, ...]) -> GivenHead:
    """The head with a status, such as ``200 OK``, and fields.

    Raises TypeError for anything but str, ValueError for what cannot be sent.
    """
    size = len(status) + sum(len(name) + len(value) for name, value in fields)
    return (_kept if size <= _KEPT_BYTES else _given_head)(status, fields)


def _given_head(status: str, fields: tuple[Field, ...]) -> GivenHead:
    if not (REASON.fullmatch(status) and status[:3].isdecimal() and status[3:4] == " "):
        raise ValueError(f"a status must be a line like '200 OK', not {status!r}")
    for name, value in fields:
        check_field(name, value)
    names = frozenset(name.lower() for name, _ in fields)
    if "server" not in names:
        fields = (("Server", SERVER), *fields)
    text = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return GivenHead(
        f"HTTP/1.1 {status}\r\n{text}".encode("latin-1"), names, not status.startswith(_STATUS_WITHOUT_BODY)
    )


# Applications give the same heads again and again.
_kept = lru_cache(256)(_given_head)

FAILED = given_head("500 Internal Server Error", (("Content-Type", "text/plain; charset=utf-8"),))
