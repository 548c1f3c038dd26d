"""What a test needs that not every machine has, and where it is. ``@pytest.mark.needs`` in conftest.py goes by this.

A need is the name of a program (``nginx``), a path (``/proc/self/fd``), a name of the standard library that not every
system has (``os.fork``), or a condition from the table below.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import pkgutil
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

_OTHER_NAMES = {"chromium": ["chromium-headless-shell", "chromium-browser", "google-chrome"]}

# Where the PATH of a user need not lead.
_OTHER_FOLDERS = {
    "git-http-backend": ["/usr/lib/git-core", "/usr/libexec/git-core"],
    "nginx": ["/usr/sbin", "/usr/local/sbin"],
}

# The environment variable that names a folder with Playwright and Selenium: too large for the extra of the tests.
BROWSER_DRIVERS = "BROWSER_DRIVERS"

_PACKAGES = {
    "chromedriver": "chromium-driver",
    "chromium": "chromium-headless-shell",
    "git-http-backend": "git",
    "h2load": "nghttp2-client",
    "nghttp": "nghttp2-client",
    "nginx": "nginx-light",
    "node": "nodejs",
}


def program(name: str) -> str | None:
    """Where the program is."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_OTHER_FOLDERS.get(name, [])])
    found = (shutil.which(one, path=path) for one in [name, *_OTHER_NAMES.get(name, [])])
    return next(filter(None, found), None)


def there(name: str) -> str:
    """Where the program is, for a test that has said that it needs it."""
    found = program(name)
    assert found is not None, f"{name} is not installed, and @pytest.mark.needs({name!r}) is missing"
    return found


@functools.cache
def lacking(need: str) -> str | None:
    """The reason why a test with this need cannot run here; None if it can."""
    if need in _CONDITIONS:
        holds, reason = _CONDITIONS[need]
        return None if holds() else reason
    if need.startswith("/"):
        return None if os.path.exists(need) else f"this system has no {need}"
    if "." in need:
        return None if _is_in_library(need) else f"this system has no {need}"
    if program(need) is not None:
        return None
    return f"{need} is not installed (on Debian: apt-get install {_PACKAGES.get(need, need)})"


def _is_in_library(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (AttributeError, ImportError):
        return False
    return True


def _can_be_imported(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it would be in
        return False


def _is_there_for_browsers(module: str) -> bool:
    return BROWSER_DRIVERS in os.environ or _can_be_imported(module)


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return socket.has_dualstack_ipv6()


def _takes_any_name() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        try:
            Path(os.fsdecode(os.fsencode(folder) + b"/\xe9\xff")).touch()
        except OSError:
            return False
    return True


def _node_goes_by_proxies() -> bool:
    node = program("node")
    if node is None:
        return False
    version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    return int(version.lstrip("v").partition(".")[0] or 0) >= 24


_CONDITIONS: dict[str, tuple[Callable[[], bool], str]] = {
    "any file name": (_takes_any_name, "this file system takes no names that are not text"),
    "CPython's tests": (
        lambda: _can_be_imported("test.test_httpservers"),
        "this Python came without its own tests (on Debian: apt-get install libpython3-testsuite)",
    ),
    "IPv6": (_has_ipv6, "this machine has no IPv6"),
    "Linux": (lambda: sys.platform == "linux", "other systems than Linux do otherwise"),
    "more than select": (
        lambda: hasattr(select, "epoll") or hasattr(select, "kqueue"),
        "select takes no descriptor above 1,023, and this Python has nothing better",
    ),
    "openai": (lambda: _can_be_imported("openai"), "openai is not installed (pip install openai)"),
    "niquests": (
        lambda: "NIQUESTS" in os.environ,
        "NIQUESTS names no folder that has it (pip install --target FOLDER niquests: it brings another urllib3)",
    ),
    "playwright": (
        lambda: _is_there_for_browsers("pytest_playwright"),
        "pytest-playwright is not installed, and BROWSER_DRIVERS names no folder that has it",
    ),
    "selenium": (
        lambda: _is_there_for_browsers("selenium"),
        "selenium is not installed, and BROWSER_DRIVERS names no folder that has it",
    ),
    "pip": (
        lambda: _can_be_imported("pip"),
        "this Python has no pip (python -m ensurepip)",
    ),
    "Node 24": (
        _node_goes_by_proxies,
        "Node goes by NODE_USE_ENV_PROXY from version 24 on, and there is none (npm: node)",
    ),
    "POSIX": (lambda: os.name == "posix", "other systems than POSIX ones do otherwise"),
    "the kernel's timeouts": (
        lambda: sys.platform == "linux" and hasattr(socket, "SO_RCVTIMEO") and hasattr(socket, "MSG_DONTWAIT"),
        "Python keeps the time of sockets here, and waits before it reads",
    ),
    "root": (lambda: hasattr(os, "geteuid") and os.geteuid() == 0, "only root can do this"),
}
