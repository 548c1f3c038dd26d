"""Event streams (the HTML standard's server-sent events) and JSON lines, as bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_httpserve.arguments import check_count
from pytest_httpserve.errors import UsageError

_NAMES = ("data", "event", "id", "retry", "comment")


def encode_event(
    data: object = None, *, event: str | None = None, id: str | None = None, retry: int | None = None
) -> str:
    """An event. ``data`` is a str, whose line breaks are kept, or anything else, sent as JSON. Without data, a client
    notes ``id`` and ``retry`` and does nothing else."""
    lines = []
    if event is not None:
        lines.append(f"event: {_one_line('event=', event)}")
    if id is not None:
        if "\0" in _one_line("id=", id):
            raise UsageError(f"the id of an event cannot hold NUL, as {id!r} does")
        lines.append(f"id: {id}")
    if retry is not None:
        lines.append(f"retry: {check_count('retry=', retry, what='a number of milliseconds')}")
    if data is not None:
        text = data if isinstance(data, str) else encode_json("data", data)
        lines += [f"data: {line}" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    if not lines:
        raise UsageError("an event needs data, event=, id= or retry=")
    return "\n".join(lines) + "\n\n"


def encode_comment(text: str) -> str:
    """A comment, which clients ignore. An empty one keeps the connection alive."""
    return f": {_one_line('a comment', text)}\n\n"


def encode_events(events: object) -> bytes:
    """Events, each a str, a dict of arguments of ``encode_event``, or a dict with a ``comment``."""
    if isinstance(events, str | bytes | Mapping) or not isinstance(events, Iterable):
        raise UsageError(f"events= takes a list of events, each a str or a dict, not {events!r}")
    return "".join(map(_encode_given, events)).encode()


def encode_json_lines(values: object) -> bytes:
    """Values as JSON, each on a line."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise UsageError(f"json_lines= takes a list of values, not {values!r}")
    return "".join(f"{encode_json('json_lines=', value)}\n" for value in values).encode()


def encode_json(given: str, value: Any) -> str:  # what json.dumps takes
    """A value as JSON, on one line."""
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{given} is not JSON: {error}") from None


def _encode_given(event: object) -> str:
    if isinstance(event, str):
        return encode_event(event)
    if not isinstance(event, Mapping) or not event.keys() <= set(_NAMES):
        raise UsageError(f"an event must be a str, or a dict of {', '.join(_NAMES)}, not {event!r}")
    if "comment" in event:
        if len(event) > 1:
            raise UsageError(f"a comment is not part of an event, as in {event!r}")
        return encode_comment(event["comment"])
    return encode_event(event.get("data"), **{name: event[name] for name in event if name != "data"})


def _one_line(given: str, text: object) -> str:
    if not isinstance(text, str) or "\n" in text or "\r" in text:
        raise UsageError(f"{given} must be one line of text, not {text!r}")
    return text
