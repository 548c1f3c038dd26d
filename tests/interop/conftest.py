"""What real clients need: the programs themselves, and an environment that knows nothing of this machine's settings."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., str]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment for programs: a home of their own, no proxies, nothing of pip, git or curl."""
    home = tmp_path / "home"
    home.mkdir()
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("PIP_", "GIT_", "CURL_", "XDG_")) and not name.upper().endswith("_PROXY")
    }
    return mine | {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """``run(program, *arguments)`` returns what the program prints. One that fails, fails the test."""

    def run(program: str | Path, *arguments: str | Path, status: int = 0) -> str:
        result = subprocess.run(
            [program, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == status, f"{program} ended with {result.returncode}: {result.stdout}{result.stderr}"
        return result.stdout

    return run
