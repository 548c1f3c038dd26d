"""pip, from an index that is a served directory."""

import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from pytest_httpserve import HTTPServe

pytestmark = pytest.mark.needs("pip")

Run = Callable[..., str]


def make_wheel(index: Path, name: str, version: str, source: str, requires: str = "") -> Path:
    """Put a wheel of one module into the project's folder of the index."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with ZipFile(wheel, "w", ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A simple index: ``greet`` needs ``shout``, of which there are two versions."""
    index = tmp_path / "index"
    make_wheel(index, "shout", "1.0", "def loud(text):\n    return text\n")
    make_wheel(index, "shout", "1.1", "def loud(text):\n    return text.upper()\n")
    make_wheel(index, "greet", "1.0", "import shout\n\nprint(shout.loud('hello'))\n", "Requires-Dist: shout\n")
    return index


@pytest.fixture
def pip(run: Run) -> Run:
    """``pip(command, *arguments)`` runs the pip of this interpreter, with no settings but those of its arguments."""

    def pip(command: str, *arguments: str | Path) -> str:
        options = ["--isolated", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--retries=0"]
        return run(sys.executable, "-m", "pip", *options, command, "--quiet", *arguments)

    return pip


def test_pip_installs_a_project_and_what_it_needs(
    httpserve: HTTPServe, index: Path, tmp_path: Path, pip: Run, run: Run
) -> None:
    httpserve.serve_dir(index, at="/simple")
    target = tmp_path / "target"
    pip("install", "--index-url", httpserve.url_for("/simple/"), "--target", target, "greet")

    assert run(sys.executable, "-I", "-c", f"import sys; sys.path.append({str(target)!r}); import greet") == "HELLO\n"
    assert {str(exchange.request) for exchange in httpserve.exchanges} >= {
        "GET /simple/greet/",
        "GET /simple/greet/greet-1.0-py3-none-any.whl",
        "GET /simple/shout/",
        "GET /simple/shout/shout-1.1-py3-none-any.whl",
    }


def test_pip_downloads_the_version_it_was_asked_for(
    httpserve: HTTPServe, index: Path, tmp_path: Path, pip: Run
) -> None:
    httpserve.serve_dir(index)
    target = tmp_path / "target"
    pip("download", "--index-url", httpserve.base_url, "--no-deps", "--dest", target, "shout==1.0")

    (wheel,) = target.iterdir()
    assert wheel.read_bytes() == (index / "shout" / wheel.name).read_bytes()


def test_pip_finds_projects_in_two_indexes(httpserve: HTTPServe, index: Path, tmp_path: Path, pip: Run) -> None:
    (tmp_path / "second").mkdir()
    (index / "shout").rename(tmp_path / "second" / "shout")
    httpserve.serve_dir(index, at="/first")
    httpserve.serve_dir(tmp_path / "second", at="/second")
    target = tmp_path / "target"
    first, second = httpserve.url_for("/first/"), httpserve.url_for("/second/")
    pip("download", "--index-url", first, "--extra-index-url", second, "--dest", target, "greet")

    assert sorted(file.name for file in target.iterdir()) == [
        "greet-1.0-py3-none-any.whl",
        "shout-1.1-py3-none-any.whl",
    ]
