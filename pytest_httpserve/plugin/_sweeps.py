"""Runs tests more than once: for each fault of serve_faults, and for each parameter of an httpserve_config."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_httpserve.plugin._configuration import override
from pytest_httpserve.plugin._markers import obey


def vary(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each parameter of its httpserve_config, and for each fault of its marker serve_faults."""
    _vary_configuration(metafunc)
    marker = metafunc.definition.get_closest_marker("serve_faults")
    if marker is None or "httpserve" not in metafunc.fixturenames:
        return
    from pytest_httpserve.scripting.faults.sweeps import run_name, sweep

    runs = obey(marker, sweep, *marker.args, **marker.kwargs)
    metafunc.fixturenames.append("_httpserve_faults")
    metafunc.parametrize("_httpserve_faults", runs, ids=[run_name(run) for run in runs], indirect=True)


def _vary_configuration(metafunc: pytest.Metafunc) -> None:
    """Apply the parameters of an override to the test, though its signature does not request the fixture."""
    names = metafunc.fixturenames
    if "httpserve_config" in names:
        return
    found = override(metafunc.definition)
    if found is not None and found.params is not None:
        names.append("httpserve_config")
        metafunc.parametrize("httpserve_config", found.params, ids=found.ids, scope=found.scope, indirect=True)


def faults_of_run(node: pytest.Item, marker: pytest.Mark) -> Any:  # as returned by sweep
    """The faults for this run of a test."""
    callspec = getattr(node, "callspec", None)
    if callspec is None or "_httpserve_faults" not in callspec.params:
        pytest.fail(
            f"@pytest.mark.{marker.name}: this test cannot be run once for each fault: it must be a function, or a "
            "method of a class that is not a unittest.TestCase, with the argument httpserve",
            pytrace=False,
        )
    return callspec.params["_httpserve_faults"]
