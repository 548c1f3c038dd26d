"""A package installer that uses an index served by the test.

The index is a plain directory: ``simple/<project>/`` contains the files of a project, and the server's listing of it is
the page of links that an installer reads.
"""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from pytest_httpserve import HTTPServe


def make_wheel(index: Path, name: str, source: str, requires: str = "") -> Path:
    """Put version 1.0 of a project with one module into the index."""
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    if requires:
        metadata += f"Requires-Dist: {requires}\n"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    folder = index / "simple" / name
    folder.mkdir(parents=True)
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def pip(*arguments: str | Path) -> str:
    """Run pip without the settings of this machine, and return its output."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("PIP_") and not name.upper().endswith("_PROXY")
    }
    environment["PIP_CONFIG_FILE"] = os.devnull
    command = [sys.executable, "-m", "pip", "--isolated", "--no-input", "--disable-pip-version-check", *arguments]
    result = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_pip_installs_a_package_and_its_dependency(httpserve: HTTPServe, tmp_path: Path) -> None:
    index = tmp_path / "index"
    make_wheel(index, "shout", "def loud(text):\n    return text.upper()\n")
    make_wheel(index, "greet", "import shout\nprint(shout.loud('hello'))\n", requires="shout")
    httpserve.serve_dir(index)

    target = tmp_path / "installed"
    print(pip("install", "--index-url", httpserve.url_for("/simple/"), "--no-cache-dir", "--target", target, "greet"))

    greeting = subprocess.check_output([sys.executable, target / "greet.py"], text=True, timeout=60)
    assert greeting.strip() == "HELLO"

    assert [exchange.request.target for exchange in httpserve.exchanges] == [
        "/simple/greet/",
        "/simple/greet/greet-1.0-py3-none-any.whl",
        "/simple/shout/",
        "/simple/shout/shout-1.0-py3-none-any.whl",
    ]


def test_pip_downloads_the_same_bytes(httpserve: HTTPServe, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "index", "shout", "def loud(text):\n    return text.upper()\n")
    httpserve.serve_dir(tmp_path / "index" / "simple", at="/pypi")

    target = tmp_path / "downloaded"
    pip("download", "--index-url", httpserve.url_for("/pypi/"), "--no-cache-dir", "--no-deps", "-d", target, "shout")

    assert (target / wheel.name).read_bytes() == wheel.read_bytes()
