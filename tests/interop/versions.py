"""What other programs do is kept by their versions. Of one that is not known here, what is different is reported.

Only our own side is ours to keep as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection

import pytest

# For the tests that compare: the suite takes every other warning for an error.
reports_versions = pytest.mark.filterwarnings("always::tests.interop.versions.OtherVersionWarning")


class OtherVersionWarning(UserWarning):
    """A program in a version that is not known here does something else than those that are."""


def compare_with_known(program: str, version: str, known: Collection[str], differences: Collection[str]) -> None:
    """Fails the test where a known version is not what it was, warns where it is another version."""
    if not differences:
        return
    is_known = version in known
    text = f"{program} {version} {'is not as it was' if is_known else f'is not like {_listed(known)}'}:"
    text = "\n".join([text, *differences])
    assert not is_known, text
    warnings.warn(text, OtherVersionWarning, stacklevel=2)


def _listed(versions: Collection[str]) -> str:
    return ", ".join(versions)
