"""What the workers of pytest-xdist share: a folder of the run, with the files of the test CA. It is not the project's,
and goes with the run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

_FOLDER: pytest.StashKey[Path] = pytest.StashKey()


def folder_of_run(config: pytest.Config) -> Path:
    """The run's folder; the workers of pytest-xdist are told by their controller."""
    told = getattr(config, "workerinput", {}).get("httpserve_folder")
    if told and os.path.isdir(told):  # not on another machine
        return Path(told)
    if _FOLDER not in config.stash:
        from pytest_httpserve.tls.files import make_folder

        folder = config.stash[_FOLDER] = make_folder()
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    return config.stash[_FOLDER]


def tell_worker(node: Any) -> None:  # a WorkerController of pytest-xdist
    """What ``folder_of_run`` is to find in the worker."""
    node.workerinput["httpserve_folder"] = str(folder_of_run(node.config))
