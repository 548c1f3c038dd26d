"""Numbers of things in words."""

from __future__ import annotations

import os


def times(count: int) -> str:
    """A number of calls in words."""
    return "never" if count == 0 else "once" if count == 1 else f"{count} times"


def count(number: int, what: str) -> str:
    """A number of things in words."""
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def dropped(number: int, what: str, *, by_bytes: bool = True) -> list[str]:
    """A line that says how many the journal has dropped, and which limits made it; no line if none."""
    bounds = "max_exchanges= and max_journal_bytes= bound" if by_bytes else "max_exchanges= bounds"
    return [f"  ({count(number, f'older {what}')} dropped: {bounds} the journal)"] if number else []


def no_requests() -> str:
    """Say that there were no requests and, if a proxy may have got them, which environment variable is set."""
    variable = proxy_variable("127.0.0.1")
    return f"no requests ({variable} is set in the environment)" if variable else "no requests"


def proxy_variable(host: str) -> str:
    """The environment variable that would make a client use a proxy for ``host``; empty if there is none."""
    import urllib.request

    if urllib.request.proxy_bypass(host):
        return ""
    names = ("http_proxy", "https_proxy", "all_proxy")
    return next((name for name, value in os.environ.items() if value and name.lower() in names), "")
