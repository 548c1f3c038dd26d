"""Messages that a test expects, and messages that it sends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pytest_httpserve.arguments import check_count
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.record.messages import Message, message_lines
from pytest_httpserve.scripting.record.readable import readable
from pytest_httpserve.scripting.routing.comparing import same


def is_wanted(wanted: object, data: str | bytes) -> bool:
    """Whether a message is as expected. A dict or list is compared with the message as JSON."""
    if isinstance(wanted, dict | list):
        try:
            return same(wanted, json.loads(data))
        except ValueError:  # it is not JSON
            return False
    return same(wanted, data)


def received(messages: Sequence[Message], wanted: object) -> list[Message]:
    """The messages from clients that are as expected."""
    return [
        one
        for one in messages
        if one.direction == "received" and one.type in ("text", "binary") and is_wanted(wanted, one.data)
    ]


def as_message(given: str, value: object) -> str | bytes:
    """A message that a test sends. A dict or list becomes JSON. Raises UsageError for anything else."""
    if isinstance(value, dict | list):
        return as_json(value)
    return check_message(given, value)


def check_message(given: str, value: object) -> str | bytes:
    """Check that a message is a str or bytes."""
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if not isinstance(value, str | bytes):
        raise UsageError(f"{given} takes a str or bytes, not {value!r}; send_json() takes any JSON value")
    return value


def as_json(value: Any) -> str:  # what json.dumps takes
    """A value as JSON."""
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"this is not JSON: {error}") from None


def check_code(code: int | None, reason: str) -> None:
    """Raise UsageError for a code or a reason that a close frame cannot have (RFC 6455 section 7.4)."""
    if code is None:
        if reason:
            raise UsageError("a close frame without a code has no reason")
        return
    check_count("code", code, least=1000, most=4999, what="a close code")
    if code in (1004, 1005, 1006, 1015):
        raise UsageError(f"no close frame has the code {code} (RFC 6455 section 7.4.1)")
    if not isinstance(reason, str) or len(reason.encode()) > 123:
        raise UsageError(f"the reason of a close frame must be a str of at most 123 bytes, not {reason!r}")


def explained(title: str, messages: Sequence[Message]) -> str:
    """A title, followed by the messages so far."""
    lines = message_lines(messages) or ["nothing"]
    return readable([f"{title}; the messages were:", *(f"  {line}" for line in lines)])
