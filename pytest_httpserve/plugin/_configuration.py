"""The settings of a test's servers: from the options, an override of the fixture httpserve_config, and the marker
serve_checks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_httpserve.plugin._options import KINDS, settings

_OVERRIDE: pytest.StashKey[pytest.FixtureDef[Any] | None] = pytest.StashKey()


def configuration(node: pytest.Item) -> dict[str, Any]:
    """The settings of a test: the session's, unless httpserve_config is overridden, or is a parameter.

    The fixture is requested only then: every fixture that a fixture requests makes each test slower.
    """
    if override(node) or "httpserve_config" in getattr(node, "fixturenames", ()):
        return configured(node._request)  # type: ignore[attr-defined]  # of each item that has fixtures
    return settings(node.config)


def override(node: pytest.Item) -> pytest.FixtureDef[Any] | None:
    """The httpserve_config that a test sees, if it is not ours: looked up once for all tests in the same place."""
    together = node.parent or node
    if _OVERRIDE not in together.stash:
        where: Any = together if pytest.version_tuple >= (8, 1) else together.nodeid  # pytest 8.0 takes an id
        found = node.session._fixturemanager.getfixturedefs("httpserve_config", where) or ()
        together.stash[_OVERRIDE] = found[-1] if len(found) > 1 else None
    return together.stash[_OVERRIDE]


def configured(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings from httpserve_config. Reports a wrong one in one sentence, with the place of the override."""
    from pytest_httpserve.errors import UsageError
    from pytest_httpserve.scripting.settings import check_settings

    given = request.getfixturevalue("httpserve_config")
    try:
        return {**settings(request.config), **check_settings(given)}
    except UsageError as error:
        function = inspect.unwrap(request._get_active_fixturedef("httpserve_config").func)
        place = f"{inspect.getsourcefile(function)}:{function.__code__.co_firstlineno}"
        wrong = f"httpserve_config ({place}): {error}"
    pytest.fail(wrong, pytrace=False)


def with_checks(node: pytest.Item, markers: Mapping[str, pytest.Mark]) -> dict[str, Any]:
    """The settings of a test, with ``strict`` and ``ignore`` from its marker serve_checks."""
    found = configuration(node)
    marker = markers.get("serve_checks")
    if marker is None:
        return found
    unknown = marker.kwargs.keys() - {"strict", "ignore"}
    ignore = marker.kwargs.get("ignore", ())
    ignore = tuple(ignore) if isinstance(ignore, list | tuple | set | frozenset) else (ignore,)
    if marker.args or unknown or any(kind not in KINDS for kind in ignore):
        pytest.fail(
            f"@pytest.mark.serve_checks takes ignore=, of {', '.join(KINDS)}, and strict=; it was given "
            f"{', '.join([*map(repr, marker.args), *(f'{name}={value!r}' for name, value in marker.kwargs.items())])}",
            pytrace=False,
        )
    strict = marker.kwargs.get("strict")
    return {**found, "strict": found["strict"] if strict is None else strict, "ignore": found["ignore"] + ignore}
