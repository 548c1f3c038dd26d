"""Runs one of CPython's own test modules with our server in the place of http.server.

Run by the interpreter whose tests they are: ``python run_suite.py test_httpservers``. It needs nothing but the package
in its path. What stands apart is printed, each with its reason; the exit code is 0 if all the others pass.
"""

from __future__ import annotations

import fnmatch
import importlib
import sys
import unittest
import warnings
from collections.abc import Iterator
from typing import Any

# Patterns of test ids, and why these tests say nothing of our server.
APART = {
    "*.MiscTestCase.test_all": "lists what calls http.server its module; our classes name their own",
}
# Where a newer release of the same Python has changed what it asks for, the older one's tests are out of date: the
# test, and the name that its class has in newer releases.
OUT_OF_DATE = {
    "*.SimpleHTTPServerTestCase.test_undecodable_parameter": (
        "test_list_dir_with_query_and_fragment",
        "newer releases leave the query out of a listing's title",
    ),
}
# Of a module that tests other things as well, the part that serves HTTP.
PARTS = {"test_logging": "*.HTTPHandlerTest.*"}


def take_the_place_of_http_server() -> None:
    import http

    import pytest_httpserve.server as ours

    module: Any = ours
    if sys.version_info >= (3, 13):
        # From here on, http.server's own class warns that it will go. Ours stays, but the tests expect the warning.
        class Deprecated(ours.CGIHTTPRequestHandler):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                warnings.warn("http.server.CGIHTTPRequestHandler", DeprecationWarning, stacklevel=2)
                super().__init__(*args, **kwargs)

        module.CGIHTTPRequestHandler = Deprecated
    sys.modules["http.server"] = module
    http.server = module  # type: ignore[attr-defined]  # it is a module's attribute once that is imported


def leaves(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from leaves(part)
        else:
            yield part


def reason_to_stand_apart(test: unittest.TestCase) -> str | None:
    for pattern, reason in APART.items():
        if fnmatch.fnmatchcase(test.id(), pattern):
            return reason
    for pattern, (newer, reason) in OUT_OF_DATE.items():
        if fnmatch.fnmatchcase(test.id(), pattern) and not hasattr(test, newer):
            return reason
    return None


def main(name: str) -> int:
    take_the_place_of_http_server()
    module = importlib.import_module(f"test.{name}")
    chosen = unittest.TestSuite()
    for test in leaves(unittest.defaultTestLoader.loadTestsFromModule(module)):
        if not fnmatch.fnmatchcase(test.id(), PARTS.get(name, "*")):
            continue
        reason = reason_to_stand_apart(test)
        if reason is None:
            chosen.addTest(test)
        else:
            print(f"{test.id()} stands apart: {reason}", flush=True)
    if not chosen.countTestCases():
        print(f"test.{name} has no tests to run")
        return 1
    result = unittest.TextTestRunner(sys.stdout, verbosity=2).run(chosen)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":  # its tests may start processes that import this file
    sys.exit(main(sys.argv[1]))
