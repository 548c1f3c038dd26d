"""What the journal keeps of finished exchanges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_httpserve.scripting.record.request import Body, Facts
from pytest_httpserve.wire.headers import Field

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.acts import Fault

# What was wrong with a request that the server refused, or how much of it came. Like an entry, it is something that the
# garbage collector does not keep looking at.
Refusal = tuple[str]

# A finished exchange as the journal keeps it: a tuple that the garbage collector does not keep looking at, unless there
# were faults or the body is in a file. In order: the keys of route, guard and connection; the facts of the request, its
# client, the index of its connection and its own index, its body and trailers; the bytes received and sent, and how
# many of each were not kept; the times; status and head of the response; error, notes, faults; whether it was
# pipelined; its stream; and how many bytes it counts for.
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

# The objects that an entry names by key: their names in an Exchange, their places in the entry.
PLACES = ("route", "guard", "connection")
ROUTE, GUARD, CONNECTION = range(3)
Named = Any  # a Route, a Guard or a ConnectionRecord: this module uses nothing of it


def close_body(entry: Entry) -> None:
    """Close the file that holds the request's body, if there is one."""
    body = entry[7]
    if isinstance(body, Body):
        body.close()
