"""The variables by which programs ask a server of ours for every host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
# An IPv6 address without its brackets: with them, httpx 0.28 refuses to start.
_LOCAL = ("localhost", "127.0.0.1", "::1")
# Beside those that a CA has itself: botocore and the AWS tools; cargo.
_TRUST = ("AWS_CA_BUNDLE", "CARGO_HTTP_CAINFO")
# Node looks at proxies when it is told to (24.0 and 22.21).
_SWITCHES = {"NODE_USE_ENV_PROXY": "1"}


def proxy_variables(url: str, excepted: Iterable[str], trust: Mapping[str, str]) -> dict[str, str]:
    """The server at ``url`` as the proxy for all hosts that are not ``excepted``; ``trust`` are the CA's variables."""
    variables = {spelt: url for name in _PROXIES for spelt in (name, name.upper())}
    variables |= dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(excepted))
    if trust:
        variables |= {**trust, **dict.fromkeys(_TRUST, trust["SSL_CERT_FILE"])}
    return variables | _SWITCHES


def local_names(*hosts: str) -> tuple[str, ...]:
    """What this machine is called, and what else the server's host is."""
    return tuple(dict.fromkeys((*_LOCAL, *hosts)))
