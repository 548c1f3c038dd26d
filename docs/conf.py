"""Sphinx settings: MyST pages, furo."""

import shutil
from pathlib import Path

from sphinx.application import Sphinx

project = "pytest-httpserve"
author = "The pytest-httpserve developers"
copyright = f"2026, {author}"

extensions = ["myst_parser"]
exclude_patterns = ["_build", "changes", "examples"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = project


def setup(app: Sphinx) -> None:
    app.connect("build-finished", beside_html)


def beside_html(app: Sphinx, error: Exception | None) -> None:
    """The pages as they are written, and the index that leads programs to them."""
    for path in [*Path(app.srcdir).glob("*.md"), Path(app.srcdir) / "llms.txt"]:
        shutil.copy(path, app.outdir)
