"""Words for numbers of what a journal has."""

from __future__ import annotations

import os


def times(count: int) -> str:
    """A number of calls in words."""
    return "never" if count == 0 else "once" if count == 1 else f"{count} times"


def count(number: int, what: str) -> str:
    """A number of things in words."""
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def dropped(number: int, what: str, *, by_bytes: bool = True) -> list[str]:
    """That the journal no longer has so many, in a line, and what bounds it; none if it has all."""
    bounds = "max_exchanges= and max_journal_bytes= bound" if by_bytes else "max_exchanges= bounds"
    return [f"  ({count(number, f'older {what}')} dropped: {bounds} the journal)"] if number else []


def no_requests() -> str:
    """That there were none and, if a proxy may have got them, which variable of the environment says so."""
    variable = proxy_variable("127.0.0.1")
    return f"no requests ({variable} is set in the environment)" if variable else "no requests"


def proxy_variable(host: str) -> str:
    """The variable of the environment by which a client would ask a proxy for this host; empty if there is none."""
    import urllib.request

    if urllib.request.proxy_bypass(host):
        return ""
    names = ("http_proxy", "https_proxy", "all_proxy")
    return next((name for name, value in os.environ.items() if value and name.lower() in names), "")
