"""Modules that a test has forgotten, as sessions of pytest within a test do, are imported again as a whole."""

import subprocess
import sys

SOURCE = """
import sys
import pytest_httpserve.scripting.mounts.static

known = set(sys.modules)
first = sys.modules["pytest_httpserve.server.files.serving"]
for name in known:
    if name.startswith(("pytest_httpserve.server.files.", "pytest_httpserve.scripting.mounts.")):
        del sys.modules[name]
import pytest_httpserve.scripting.mounts.fronted as fronted
import pytest_httpserve.server.files.opening as opening
import pytest_httpserve.server.files.roots as roots

assert fronted.serving is not first
assert fronted.serving.OpenFile is roots.OpenFile is opening.OpenFile
"""


def test_what_is_imported_again_fits_together() -> None:
    result = subprocess.run([sys.executable, "-c", SOURCE], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
