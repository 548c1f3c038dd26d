"""Sphinx settings: MyST pages, furo."""

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
