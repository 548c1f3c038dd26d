"""The environment variables that make programs use our server as their proxy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
# An IPv6 address without its brackets: with them, httpx 0.28 refuses to start.
_LOCAL = ("localhost", "127.0.0.1", "::1")
# In addition to the variables of a CA: for botocore and the AWS tools, for cargo, and for git with a proxy over TLS.
_TRUST = ("AWS_CA_BUNDLE", "CARGO_HTTP_CAINFO", "GIT_PROXY_SSL_CAINFO")
# Node (24.0 and 22.21) heeds proxy variables only with this one.
_SWITCHES = {"NODE_USE_ENV_PROXY": "1"}


def proxy_variables(url: str, excepted: Iterable[str], trust: Mapping[str, str]) -> dict[str, str]:
    """Variables that make the server at ``url`` the proxy for all hosts except ``excepted``. ``trust`` are the CA's."""
    variables = {spelt: url for name in _PROXIES for spelt in (name, name.upper())}
    variables |= dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(excepted))
    if trust:
        variables |= {**trust, **dict.fromkeys(_TRUST, trust["SSL_CERT_FILE"])}
    return variables | _SWITCHES


def local_names(*hosts: str) -> tuple[str, ...]:
    """The names of this machine, and other names of the server's host."""
    return tuple(dict.fromkeys((*_LOCAL, *hosts)))
