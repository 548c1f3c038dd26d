"""Options of the whole suite, and the marker for what its tests need beyond Python."""

import os

import pytest

from tests.needs import lacking

pytest_plugins = ["pytester"]

# "all" turns each skip for want of something into a failure: for a machine that is to have everything.
_REQUIRED = os.environ.get("HTTPSERVE_REQUIRE", "")


def pytest_configure(config: pytest.Config) -> None:
    if _REQUIRED not in ("", "all"):
        raise pytest.UsageError(f"HTTPSERVE_REQUIRE is {_REQUIRED!r}: it can be 'all', or be left out")
    config.addinivalue_line(
        "markers",
        "needs(*names): skip the test where a program, or something else of tests/needs.py, is missing;"
        " with HTTPSERVE_REQUIRE=all, fail it",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for need in marker.args:
            reason = lacking(need)
            if reason is None:
                continue
            if _REQUIRED:
                pytest.fail(f"{reason}, and HTTPSERVE_REQUIRE=all is set", pytrace=False)
            pytest.skip(reason)
