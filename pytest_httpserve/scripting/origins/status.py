"""Why a proxy has no answer of the host's: the field Proxy-Status (RFC 9209)."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_httpserve.wire.headers import Headers

_FIELD = "Proxy-Status"
_ERROR = re.compile(r"; ?error=([a-z_]+)")


def denied() -> dict[str, str]:
    """That no host is asked."""
    return _field("http_request_denied")


def unreached(error: Exception) -> dict[str, str]:
    """That the host was not reached, in which way."""
    if isinstance(error, socket.gaierror):
        return _field("dns_error")
    if isinstance(error, ConnectionRefusedError):
        return _field("connection_refused")
    return _field("connection_timeout" if isinstance(error, TimeoutError) else "destination_unavailable")


def error_said(headers: Headers) -> str:
    """The error that a response tells of; empty if it tells of none."""
    found = _ERROR.search(headers.get(_FIELD, ""))
    return found[1] if found is not None else ""


def _field(error: str) -> dict[str, str]:
    return {_FIELD: f"httpserve; error={error}"}
