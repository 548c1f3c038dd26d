"""The table of cases: what a program written for ``http.server`` does, and what is to be seen of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Same:
    """Ours gives what ``http.server`` gives."""

    def __repr__(self) -> str:
        return "the same"


SAME = Same()


@dataclass(frozen=True)
class AddedHeaders:
    """Headers that ours sends and ``http.server`` does not; nothing else of a response may differ."""

    names: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class OtherPages:
    """Pages whose text is that of the newest Python; what they say and their heads are the same."""

    reason: str


@dataclass(frozen=True)
class OtherLines:
    """Lines that one of both logs and the other does not: those that begin like this."""

    beginning: str
    reason: str


Difference = AddedHeaders | OtherPages | OtherLines

SAYS_CLOSE = AddedHeaders(
    ("Connection",), "A client is told when the connection ends with the response (RFC 9112, section 9.6)."
)
VALIDATORS = AddedHeaders(("ETag", "Accept-Ranges"), "Downloads can be resumed, and copies validated.")
NOT_MODIFIED = AddedHeaders(
    ("ETag", "Last-Modified"), "A 304 has the validators that a 200 would have (RFC 9110, section 15.4.5)."
)
COMPLAINT = OtherLines("the handler announced", "A length that is not that of the body is said in the log.")
SILENT = OtherLines("Request timed out", "A client that asks for nothing more is no error, so it is not logged.")
QUIET_SCRIPTS = (
    OtherLines("command: ", "The command line of a script is nobody's business but the server's."),
    OtherLines("CGI script exited OK", "What ends well needs no line."),
)
ERROR_PAGES = OtherPages("The page of an error is the newest Python's on every Python.")
LISTINGS = OtherPages("The page of a listing is the newest Python's on every Python.")


@dataclass(frozen=True, eq=False)
class Case:
    """One program, and what it is to give.

    ``program`` is given the module (``http.server`` or ours) and a ``Run``; it returns what it saw, which is ``gives``
    over ``http.server``. Over ours it must return the same, every client must have received the same bytes, and the
    same lines must be in the log. Where ours is to return something else, that is ``ours``, with its ``reason``; then
    bytes and lines are not compared. ``differs`` are differences of the bytes or of the log alone.
    """

    kind: int
    subject: str
    name: str
    program: Callable[[Any, Any], object]  # its module and its run; programs have no types, as those of strangers
    gives: object
    ours: object = SAME
    reason: str = ""
    differs: tuple[Difference, ...] = ()
    since: tuple[int, int] | None = None  # the first Python whose http.server has what the case needs
    before: tuple[int, int] | None = None  # the first Python that has it no longer
    needs: tuple[str, ...] = ()  # attributes of the os module

    def __str__(self) -> str:
        return f"{self.kind}-{self.subject}-{self.name}"

    def missing(self) -> str:
        """Why the case cannot be run here; empty if it can."""
        import os

        if self.since is not None and sys.version_info < self.since:
            return "http.server has it since Python {}.{}".format(*self.since)
        if self.before is not None and sys.version_info >= self.before:
            return "http.server has it no longer since Python {}.{}".format(*self.before)
        return ", ".join(f"this platform has no os.{name}" for name in self.needs if not hasattr(os, name))


@dataclass(frozen=True)
class Kind:
    """A kind of fault, with its cases."""

    number: int
    subject: str
    cases: list[Case] = field(default_factory=list)

    def case(self, gives: object, name: str = "", **options: Any) -> Callable[[Any], Any]:  # fields of Case
        def add(program: Callable[[Any, Any], object]) -> Callable[[Any, Any], object]:
            case = Case(self.number, self.subject, name or program.__name__, program, gives, **options)
            if (case.ours is not SAME) != bool(case.reason):
                raise ValueError(f"{case}: a result of ours that differs needs a reason, and only that does")
            self.cases.append(case)
            return program

        return add
