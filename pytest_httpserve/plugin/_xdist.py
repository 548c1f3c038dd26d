"""The folder that the workers of pytest-xdist share, with the files of the test CA. It is outside the project, and is
removed at the end of the run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

_FOLDER: pytest.StashKey[Path] = pytest.StashKey()


def folder_of_run(config: pytest.Config) -> Path:
    """The run's folder; the workers of pytest-xdist learn it from their controller."""
    told = getattr(config, "workerinput", {}).get("httpserve_folder")
    if told and os.path.isdir(told):  # false on another machine
        return Path(told)
    if _FOLDER not in config.stash:
        from pytest_httpserve.tls.files import make_folder

        folder = config.stash[_FOLDER] = make_folder()
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    return config.stash[_FOLDER]


def tell_worker(node: Any) -> None:  # a WorkerController of pytest-xdist
    """Pass a worker the path that ``folder_of_run`` returns in it."""
    node.workerinput["httpserve_folder"] = str(folder_of_run(node.config))
