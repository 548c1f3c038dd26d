"""Proxy-Status (RFC 9209): why a proxy has no answer from the host."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_httpserve.wire.headers import Headers

_FIELD = "Proxy-Status"
_ERROR = re.compile(r"; ?error=([a-z_]+)")


def denied() -> dict[str, str]:
    """The proxy asks no host."""
    return _field("http_request_denied")


def unreached(error: Exception) -> dict[str, str]:
    """The proxy could not reach the host, for this reason."""
    if isinstance(error, socket.gaierror):
        return _field("dns_error")
    if isinstance(error, ConnectionRefusedError):
        return _field("connection_refused")
    return _field("connection_timeout" if isinstance(error, TimeoutError) else "destination_unavailable")


def error_said(headers: Headers) -> str:
    """The error that a response names; empty if it names none."""
    found = _ERROR.search(headers.get(_FIELD, ""))
    return found[1] if found is not None else ""


def _field(error: str) -> dict[str, str]:
    return {_FIELD: f"httpserve; error={error}"}
