"""The head of a response as an application gives it: a status, and its fields."""

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
    """``lines`` are its status line and its fields, ``names`` those of the fields in small letters, and ``has_body`` is
    whether a response with its status has one."""

    lines: bytes
    names: frozenset[str]
    has_body: bool

    def before(self, first: bytes, *, whole: bool, method: str) -> bytes:
        """As it leaves, with the first piece of the body after it: all of the body if that is the ``whole``."""
        length = ""
        # What would be the length of a response to GET is not known from an empty one to HEAD.
        if whole and self.has_body and "content-length" not in self.names and (first or method != "HEAD"):
            length = f"Content-Length: {len(first)}\r\n"
        date = b"" if "date" in self.names else date_line()
        return b"%b%b%b\r\n%b" % (self.lines, date, length.encode(), first)


def given_head(status: str, fields: tuple[Field, ...]) -> GivenHead:
    """The head of a status, as in ``200 OK``, and fields.

    Raises TypeError for what is no text, ValueError for what could not be sent.
    """
    size = len(status) + sum(len(name) + len(value) for name, value in fields)
    return (_kept if size <= _KEPT_BYTES else _given_head)(status, fields)


def _given_head(status: str, fields: tuple[Field, ...]) -> GivenHead:
    if not (REASON.fullmatch(status) and status[:3].isdecimal() and status[3:4] == " "):
        raise ValueError(f"a status is a line like '200 OK', not {status!r}")
    for name, value in fields:
        check_field(name, value)
    names = frozenset(name.lower() for name, _ in fields)
    if "server" not in names:
        fields = (("Server", SERVER), *fields)
    text = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return GivenHead(
        f"HTTP/1.1 {status}\r\n{text}".encode("latin-1"), names, not status.startswith(_STATUS_WITHOUT_BODY)
    )


# An application gives the same again and again.
_kept = lru_cache(256)(_given_head)

FAILED = given_head("500 Internal Server Error", (("Content-Type", "text/plain; charset=utf-8"),))
