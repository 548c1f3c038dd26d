"""The entries of a catalogue: each is one thing that can go wrong, with the outcomes that are right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from pytest_httpserve.scripting.answers.responses import InformationalArgument, Response
from pytest_httpserve.tls.settings import TLS

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.httpserve import HTTPServe

PATH = "/check"
# JSON in one line of ASCII: clients can parse it, and have no reason to change it.
BODY = json.dumps({"check": " ".join(f"part {number}" for number in range(100))}).encode()

Tell = Callable[["HTTPServe"], object]


class Ending(Enum):
    """How a client ended, in the words of the table."""

    BODY = "took the body"
    OLDER = "spoke HTTP/1.1"
    OTHER = "took something else for the body"
    CODED = "took the body without decoding it"
    STATUS = "took an error or a redirect for the answer"
    FAILED = "reported an error"
    WAITING = "was still running"
    CRASHED = "crashed"
    HASTY = "repeated its request too early"
    TRUSTING = "sent its request"
    LOST = "asked for a wrong path"
    FORBIDDEN = "printed what it must not"


@dataclass(frozen=True)
class Should:
    """What a client should do: the endings that are right, and those that are debatable. All others are wrong."""

    text: str
    right: frozenset[Ending]
    unclear: frozenset[Ending] = frozenset()


def should(text: str, *right: Ending, unclear: tuple[Ending, ...] = ()) -> Should:
    """A Should with these endings."""
    return Should(text, frozenset(right), frozenset(unclear))


TAKE = should("take the body", Ending.BODY)
REPORT = should("report an error", Ending.FAILED)
TAKE_OR_REPORT = should("take the body or report an error", Ending.BODY, Ending.FAILED)
TRY_AGAIN = should("ask again, or report an error", Ending.BODY, Ending.FAILED)
# No rule limits how long a client may wait, so a client that waits longer than we do may be right.
GIVE_UP = should("give up in time", Ending.FAILED, unclear=(Ending.WAITING,))


@dataclass(frozen=True)
class Entry:
    """One thing that can go wrong, and what a client should do about it.

    ``tell`` tells a server what to answer at PATH; ``tls`` and ``http2`` are as for HTTPServe. A client that accepts
    the answer ends up with ``body``; ``coded`` is the same as sent, if it has a ``coding``; no client may print
    ``forbidden``. With ``distrusts``, it must not send a request at all; with ``wait``, it must not repeat one for that
    many seconds. The server itself needs ``lasts`` seconds. For HTTP/2, ``fault`` is the fault, if the entry has one,
    and ``rule`` the section of RFC 9113 about it.
    """

    name: str
    group: str
    what: str
    should: Should
    tell: Tell
    tls: TLS | str | bool = False
    http2: bool = False
    body: bytes = BODY
    coding: str = ""
    coded: bytes = b""
    forbidden: bytes = b""
    distrusts: bool = False
    wait: float = 0.0
    lasts: float = 0.0
    fault: Fault | None = None
    rule: str = ""


def answer(*make: Callable[[], Response]) -> Tell:
    """Answer with these in turn, and with the last for ever. They are made when needed."""

    def tell(server: HTTPServe) -> None:
        route = server.on("*", PATH)
        for one in make:
            route.respond(one())

    return tell


def good(
    *fields: tuple[str, str], informational: Iterable[InformationalArgument] = (), fault: Fault | None = None
) -> Response:
    """The body, with further header fields, after informational responses, or with a fault."""
    headers = [("Content-Type", "application/json"), *fields]
    return Response(body=BODY, headers=headers, informational=informational, fault=fault)


def chunked(trailers: Mapping[str, str] | None = None) -> Response:
    """The body in pieces, and trailers after it."""
    pieces = [BODY[start : start + 100] for start in range(0, len(BODY), 100)]
    return Response(stream=pieces, headers={"Content-Type": "application/json"}, trailers=trailers)


def huge() -> Response:
    """A body of 16 MiB."""
    return Response(body=b'{"check": "' + b"x" * (16 << 20) + b'"}', headers={"Content-Type": "application/json"})
