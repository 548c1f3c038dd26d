"""Check the settings for servers that the fixture httpserve_config returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_httpserve.arguments import check_count, check_seconds, check_switch, check_timeout
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.live.addresses import check_host, check_port
from pytest_httpserve.scripting.record.journal import check_kinds
from pytest_httpserve.scripting.record.redaction import check_redact
from pytest_httpserve.scripting.recordings.run import check_mode
from pytest_httpserve.scripting.script import check_http2


def check_settings(given: object) -> dict[str, Any]:
    """Check the settings. ``ignore`` becomes a tuple. Raises UsageError for an unknown name or a wrong value."""
    if not isinstance(given, Mapping):
        raise UsageError(f"it must return a mapping such as {{'strict': True}}, not {given!r}")
    for name in given:
        if name not in _CHECKS:
            raise UsageError(f"{name!r} is not one of {', '.join(_CHECKS)}")
    return {name: _CHECKS[name](value) for name, value in given.items()}


def _ignore(value: Any) -> tuple[str, ...]:  # anything may have been given
    return tuple(sorted(check_kinds(value)))


def _tls(value: Any) -> object:
    from pytest_httpserve.tls.settings import as_tls

    return as_tls(value)


_CHECKS: dict[str, Callable[[Any], object]] = {
    "host": lambda value: check_host(value),
    "port": check_port,
    "strict": lambda value: check_switch("strict=", value),
    "ignore": _ignore,
    "redact": lambda value: tuple(sorted(check_redact(value))),
    "record": lambda value: check_mode("record=", value),
    "tls": _tls,
    "http2": check_http2,
    "timeout": lambda value: check_timeout("timeout=", value),
    "grace": lambda value: check_seconds("grace=", value),
    "client_timeout": lambda value: check_timeout("client_timeout=", value),
    "keep_threads": lambda value: check_switch("keep_threads=", value),
    "max_exchanges": lambda value: check_count("max_exchanges=", value, least=1),
    "max_journal_bytes": lambda value: check_count("max_journal_bytes=", value),
}
