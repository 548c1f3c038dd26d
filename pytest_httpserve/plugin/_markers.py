"""The markers of a test: their descriptions, which of them count, and how to apply them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

DESCRIPTIONS = (
    'serve_dir(path, *, at="/", index=None, listing=True, headers=None, ...): the httpserve fixture serves the '
    "directory `path` (relative to the test file, then to the rootdir) under the prefix `at`; can be given several "
    "times",
    'serve_cgi(path, *, at="/cgi-bin", env=None, timeout=30.0): the httpserve fixture runs the CGI scripts of the '
    "directory `path` (found like that of serve_dir) under the prefix `at`, with the variables `env` in addition to "
    "those of CGI; can be given several times",
    "serve_tls(fault=None, *, names=(), tls_versions=('1.2', '1.3'), client_cert=None, http2=False, ...): the "
    "httpserve fixture serves HTTPS with a certificate from the httpserve_ca; `fault` names what is wrong with its "
    "TLS, such as 'expired'",
    'serve_faults("every_phase" | "cut" | "splits" | faults, *, effects=, connect=, every=, upto=, effect=): runs the '
    "test once for each fault, which happens on the first connection to the httpserve fixture; the test's id names the "
    "fault",
    "serve_origins(*, allow=()): makes clients in the test's own process use the httpserve fixture as their proxy, so "
    "that its origins answer; requests to the hosts in `allow` are let through, and any other fails the test",
    'serve_recording(path=None, *, match=None, fault=None, pace="fast", strict=None, redact=()): replays the HAR file '
    "`path` (found like that of serve_dir) for the hosts in it; the default is cassettes/MODULE/TEST.har; can be given "
    "several times",
    "serve_checks(*, ignore=(), strict=None): ignores kinds of failure in this test (unanswered, refused, errors, "
    "expectations); strict=True fails the test if nobody calls one of its routes",
)

# Whether the httpserve fixture has made a server for this test, whoever requested the fixture.
HAS_HTTPSERVE: pytest.StashKey[bool] = pytest.StashKey()

# Markers that mount something on the httpserve fixture, with their default prefixes.
MOUNTING = {"serve_dir": "/", "serve_cgi": "/cgi-bin"}
_OF_HTTPSERVE = (*MOUNTING, "serve_tls", "serve_faults", "serve_origins", "serve_recording")


def closest_markers(node: pytest.Item) -> dict[str, pytest.Mark]:
    """The closest marker of each name, found in one pass, since pytest goes through all markers for each name."""
    markers: dict[str, pytest.Mark] = {}
    for marker in node.iter_markers():
        markers.setdefault(marker.name, marker)
    return markers


def mounting_markers(node: pytest.Item) -> list[pytest.Mark]:
    """The mounting markers of a test, the closest last; for each prefix, only those of the closest node."""
    owners: dict[str, object] = {}
    markers = []
    for owner, marker in node.iter_markers_with_node():
        if marker.name in MOUNTING:
            at = marker.args[1] if len(marker.args) > 1 else marker.kwargs.get("at", MOUNTING[marker.name])
            if owners.setdefault(str(at).rstrip("/"), owner) is owner:
                markers.append(marker)
    return markers[::-1]


def check_markers(item: pytest.Item) -> None:
    """Refuse a marker on a test function without the httpserve fixture, where it would do nothing."""
    for marker in item.own_markers:
        if marker.name in _OF_HTTPSERVE and not (
            "httpserve" in getattr(item, "fixturenames", ()) or HAS_HTTPSERVE in item.stash
        ):
            pytest.fail(
                f"@pytest.mark.{marker.name}: this is for the server of the httpserve fixture, which the test does not "
                'request: give it the argument httpserve, or mark it with @pytest.mark.usefixtures("httpserve")',
                pytrace=False,
            )


def obey(marker: pytest.Mark | None, act: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Do what a marker says. Reports a wrong marker in one sentence, without a traceback, and skips the test if this
    machine lacks something."""
    from pytest_httpserve.errors import UnsupportedError, UsageError

    try:
        return act(*args, **kwargs)
    except UnsupportedError as error:
        missing, wrong = str(error), ""
    except (UsageError, TypeError) as error:
        if marker is None or (isinstance(error, TypeError) and _takes(act, *args, **kwargs)):
            raise
        # Use the name that the user knows, without the class of the method.
        said = str(error).replace(f"{act.__qualname__}()", f"{act.__name__}()")
        missing, wrong = "", f"@pytest.mark.{marker.name}: {said}"
    # Outside the except block, whose error would be shown as well.
    if missing:
        pytest.skip(missing)
    pytest.fail(wrong, pytrace=False)


def _takes(act: Callable[..., object], /, *args: object, **kwargs: object) -> bool:
    """Whether ``act`` accepts these arguments: if so, a TypeError comes from inside it."""
    try:
        inspect.signature(act).bind(*args, **kwargs)
    except TypeError:
        return False
    return True
