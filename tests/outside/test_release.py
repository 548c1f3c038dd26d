"""What the package says of itself, in more than one place, is the same."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest_httpserve

ROOT = Path(__file__).parents[2]


def test_the_version_is_written_once() -> None:
    version = pytest_httpserve.__version__
    files = [ROOT / "pyproject.toml", *sorted(Path(pytest_httpserve.__file__).parent.rglob("*.py"))]
    assert [file.name for file in files if version in file.read_text("utf-8")] == ["_version.py"]
    assert metadata.version("pytest-httpserve") == version


def test_the_classifiers_name_the_pythons_that_the_gate_tries() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = [one.rpartition(" ")[2] for one in project["classifiers"] if ":: Python :: 3." in one]
    gate = (ROOT / ".ci" / "run").read_text("utf-8")
    minors = gate.partition("for minor in ")[2].partition(";")[0].split()
    assert named == [f"3.{minor}" for minor in minors]
