"""Options of the whole suite, and the marker for what its tests need beyond Python."""

import contextlib
import gc
import os
import re
import signal
import sys

import pytest

from tests.needs import lacking

pytest_plugins = ["pytester"]

_FILES = 8_192
_DESCRIPTORS = "/proc/self/fd"
_ADDRESS = re.compile(r" at 0x[0-9a-f]{6,}")
# "all" turns each skip for want of something into a failure: for a machine that is to have everything.
_REQUIRED = os.environ.get("HTTPSERVE_REQUIRE", "")


def pytest_configure(config: pytest.Config) -> None:
    if _REQUIRED not in ("", "all"):
        raise pytest.UsageError(f"HTTPSERVE_REQUIRE is {_REQUIRED!r}: it can be 'all', or be left out")
    _hear_ctrl_c()
    _open_many_files()
    config.addinivalue_line(
        "markers",
        "needs(*names): skip the test where a program, or something else of tests/needs.py, is missing;"
        " with HTTPSERVE_REQUIRE=all, fail it",
    )


def _hear_ctrl_c() -> None:
    """What a shell starts in the background ignores it, and so would the programs that tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        with contextlib.suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _open_many_files() -> None:
    """Both ends of a thousand connections are files of this process: more than many systems let it have at first."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # a system may have a limit beyond the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """pytest-xdist wants the same names from each of its workers, and an address in memory is another in each."""
    for item in items:
        if _ADDRESS.search(item.nodeid):
            raise pytest.UsageError(f"the name of {item.nodeid} holds an address in memory: give its parameters ids=")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for need in marker.args:
            reason = lacking(need)
            if reason is None:
                if need == _DESCRIPTORS:
                    gc.collect()  # what earlier tests have left goes now, not while this one counts
                continue
            if _REQUIRED:
                pytest.fail(f"{reason}, and HTTPSERVE_REQUIRE=all is set", pytrace=False)
            pytest.skip(reason)
