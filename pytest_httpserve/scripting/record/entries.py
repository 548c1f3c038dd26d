"""What the journal keeps of exchanges that are over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_httpserve.scripting.record.request import Body, Facts
from pytest_httpserve.wire.headers import Field

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.acts import Fault

# What was wrong with a request that was not taken, or how much of it came. As what is kept of an exchange that is over,
# it is nothing that the garbage collector looks at again and again.
Refusal = tuple[str]

# An exchange that is over, as the journal keeps it: nothing that the garbage collector looks at again and again, unless
# there were faults, or the body is in a file. In order: the keys of route, guard and connection; what the request said,
# its client, the index of its connection and its own, its body and trailers; the bytes of both directions, and the
# number of those that were not kept; the times; status and head of the response; error, notes, faults; whether it was
# pipelined; its stream; and for how many bytes it counts.
Entry = tuple[
    int,
    int,
    int,
    Facts,
    tuple[str, int],
    int,
    int,
    bytes | Body,
    tuple[Field, ...],
    bytes,
    bytes,
    int,
    int,
    float,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    int | None,
    bytes,
    str | Refusal | None,
    tuple[str, ...],
    "tuple[Fault, ...]",
    bool,
    int | None,
    int,
]

# What an entry names by the id of the object: where, and what an Exchange calls it.
PLACES = ("route", "guard", "connection")
ROUTE, GUARD, CONNECTION = range(3)
Named = Any  # a Route, a Guard, or a ConnectionRecord: nothing is asked of it here


def close_body(entry: Entry) -> None:
    """Let go of the request's body, if that is in a file."""
    body = entry[7]
    if isinstance(body, Body):
        body.close()
