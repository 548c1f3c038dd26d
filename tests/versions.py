"""What other programs do is kept by their versions. What one does otherwise that is not known here is reported.

Only our own side can be kept as it is.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
import ssl
import subprocess
import warnings
from collections.abc import Collection

import pytest

from tests.needs import there

# For the tests that compare: the suite takes every other warning for an error.
reports_versions = pytest.mark.filterwarnings("always::tests.versions.OtherVersionWarning")


class OtherVersionWarning(UserWarning):
    """A program in a version that is not known here does something else than those that are."""


def compare_with_known(program: str, is_known: bool, differences: Collection[str]) -> None:
    """Fail the test where a program that is known is not as it was; where it is not known, warn."""
    if not differences:
        return
    text = f"{program} {'is' if is_known else 'is not known here, and is'} not as it was:"
    text = "\n".join([text, *differences])
    assert not is_known, text
    warnings.warn(text, OtherVersionWarning, stacklevel=2)


def nginx() -> str:
    """The release series of the nginx that is here; within one, only faults are mended. So it is with the others."""
    return _series(r"nginx/(\d+\.\d+)", _said(there("nginx"), "-v"))


@functools.cache
def curl() -> tuple[str, str]:
    """The curl that is here, and the library that speaks TLS for it, by whose words curl says what is wrong."""
    said = _said("curl", "--version").partition("\n")[0]
    library = re.search(r"(\w*(?:SSL|TLS))/(\d+\.\d+)", said)
    return _series(r"curl (\d+\.\d+)", said), " ".join(library.groups()) if library else "no TLS"


def distribution(name: str) -> str:
    """A distribution of Python's."""
    return _series(r"(\d+\.\d+)", importlib.metadata.version(name))


def openssl() -> str:
    """The library that speaks TLS for Python."""
    return " ".join(re.findall(r"^\w+ \d+\.\d+", ssl.OPENSSL_VERSION))


def _said(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10, check=True)
    return done.stdout


def _series(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, text
    return found[1]
