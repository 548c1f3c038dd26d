"""Mask credentials in reports and traces. The exchange itself has them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pytest_httpserve.errors import UsageError
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.headers import Field

# Header fields, in lower case, whose values are never shown. A test can add others.
ALWAYS_REDACTED = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie"})
MASK = "***"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9-]* +(?=\S)")


def check_redact(names: str | Iterable[str]) -> frozenset[str]:
    """Add names of header fields to those that are always redacted. Raises UsageError for an impossible name."""
    given = (names,) if isinstance(names, str) or not isinstance(names, Iterable) else tuple(names)
    for name in given:
        if not isinstance(name, str) or not grammar.TOKEN.fullmatch(name):
            raise UsageError(f"redact= takes names of header fields, not {name!r}")
    return ALWAYS_REDACTED.union(name.lower() for name in given)


def masked(name: str, value: str, redacted: frozenset[str]) -> str:
    """The value of a field as it may be shown. Of credentials, only the scheme remains."""
    name = name.strip().lower()  # a malformed line may have a blank before the colon
    if name not in redacted:
        return value
    scheme = _SCHEME.match(value) if name.endswith("authorization") else None
    return f"{scheme[0] if scheme else ''}{MASK}"


def masked_fields(fields: Iterable[Field], redacted: frozenset[str]) -> list[Field]:
    """Fields as they may be shown."""
    return [(name, masked(name, value, redacted)) for name, value in fields]


def masked_line(line: str, redacted: frozenset[str]) -> str:
    """A line from the wire, masked if it is a redacted field, or a line of a body that looks like one."""
    name, colon, value = line.partition(":")
    if not colon or name.strip().lower() not in redacted:
        return line
    return f"{name}: {masked(name, value.strip(), redacted)}"
