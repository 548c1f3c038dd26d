"""The pytest plugin: options, markers, fixtures, and server failures that fail the test they belong to.

Every run of pytest imports this package and those of its modules that every run needs, and nothing else but pytest. The
rest is imported when a test asks for a server.
"""

from __future__ import annotations

from pytest_httpserve.plugin._fixtures import (
    _httpserve_faults,
    httpserve,
    httpserve_ca,
    httpserve_client,
    httpserve_config,
    httpserve_env,
    httpserve_factory,
    httpserve_session,
)
from pytest_httpserve.plugin._hooks import (
    pytest_configure_node,
    pytest_generate_tests,
    pytest_runtest_call,
    pytest_runtest_makereport,
    pytest_runtest_setup,
    pytest_runtest_teardown,
)
from pytest_httpserve.plugin._options import pytest_addoption, pytest_configure

# What pytest finds here.
__all__ = [
    "_httpserve_faults",
    "httpserve",
    "httpserve_ca",
    "httpserve_client",
    "httpserve_config",
    "httpserve_env",
    "httpserve_factory",
    "httpserve_session",
    "pytest_addoption",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_generate_tests",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "pytest_runtest_teardown",
]
