"""The markers of a test: what they are for, which of them count, and how what they say is done."""

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
    "directory `path` (found as that of serve_dir) under the prefix `at`, with the variables `env` beside those of "
    "CGI; can be given several times",
    "serve_tls(fault=None, *, names=(), tls_versions=('1.2', '1.3'), client_cert=None, http2=False, ...): the "
    "httpserve fixture serves HTTPS with a certificate of the httpserve_ca; `fault` names what is wrong with it, such "
    "as 'expired'",
    'serve_faults("every_phase" | "cut" | faults, *, effects=, connect=, every=, upto=, effect=): runs the test once '
    "for each fault, which happens on the first connection to the httpserve fixture; the id of the test names it",
    "serve_origins(*, allow=()): leads the clients of the test's own process to the httpserve fixture, whose origins "
    "answer them; the hosts in `allow` are let through, any other fails the test",
    'serve_recording(path=None, *, match=None, fault=None, pace="fast", strict=None, redact=()): answers as the HAR '
    "file `path` has it (found as the directory of serve_dir), for the hosts in it; without a path, that of the test, "
    "cassettes/MODULE/TEST.har; can be given several times",
    "serve_checks(*, ignore=(), strict=None): kinds of failure that do not fail this test, of unanswered, refused, "
    "errors and expectations; strict fails it for a route that nobody calls",
)

# The httpserve fixture has made the server of this test, whoever has asked for it.
HAS_HTTPSERVE: pytest.StashKey[bool] = pytest.StashKey()

# Markers that mount something on the httpserve fixture, with the prefix where they do so if they do not say.
MOUNTING = {"serve_dir": "/", "serve_cgi": "/cgi-bin"}
_OF_HTTPSERVE = (*MOUNTING, "serve_tls", "serve_faults", "serve_origins", "serve_recording")


def closest_markers(node: pytest.Item) -> dict[str, pytest.Mark]:
    """The closest marker of each name: looked for together, since pytest goes through them all for each."""
    markers: dict[str, pytest.Mark] = {}
    for marker in node.iter_markers():
        markers.setdefault(marker.name, marker)
    return markers


def mounting_markers(node: pytest.Item) -> list[pytest.Mark]:
    """The markers of a test that mount something, the closest last; for each prefix those of the closest node alone."""
    owners: dict[str, object] = {}
    markers = []
    for owner, marker in node.iter_markers_with_node():
        if marker.name in MOUNTING:
            at = marker.args[1] if len(marker.args) > 1 else marker.kwargs.get("at", MOUNTING[marker.name])
            if owners.setdefault(str(at).rstrip("/"), owner) is owner:
                markers.append(marker)
    return markers[::-1]


def check_markers(item: pytest.Item) -> None:
    """Refuse a marker on a test function that would do nothing, as the test has no server."""
    for marker in item.own_markers:
        if marker.name in _OF_HTTPSERVE and not (
            "httpserve" in getattr(item, "fixturenames", ()) or HAS_HTTPSERVE in item.stash
        ):
            pytest.fail(
                f"@pytest.mark.{marker.name}: this is for the server of the httpserve fixture, which the test does not "
                'ask for: give it the argument httpserve, or mark it with @pytest.mark.usefixtures("httpserve")',
                pytrace=False,
            )


def obey(marker: pytest.Mark | None, act: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Do what a marker says. A wrong one is one sentence, not a traceback through the plugin; what this machine cannot
    do is a skip."""
    from pytest_httpserve.errors import UnsupportedError, UsageError

    try:
        return act(*args, **kwargs)
    except UnsupportedError as error:
        missing, wrong = str(error), ""
    except (UsageError, TypeError) as error:
        if marker is None or (isinstance(error, TypeError) and _takes(act, *args, **kwargs)):
            raise
        # By the name that the user knows, not by that of the class which has the method.
        said = str(error).replace(f"{act.__qualname__}()", f"{act.__name__}()")
        missing, wrong = "", f"@pytest.mark.{marker.name}: {said}"
    # Not in the except, whose error would be shown as well.
    if missing:
        pytest.skip(missing)
    pytest.fail(wrong, pytrace=False)


def _takes(act: Callable[..., object], /, *args: object, **kwargs: object) -> bool:
    """Whether these are arguments for it, so that a TypeError comes from within."""
    try:
        inspect.signature(act).bind(*args, **kwargs)
    except TypeError:
        return False
    return True
