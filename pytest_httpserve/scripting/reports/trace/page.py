"""The page of a trace: template, style, script and data in one file, which loads nothing over the network."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Any


def page(har: Mapping[str, Any], title: str) -> str:
    """The page that shows a HAR document."""
    style, script = _part("page.css"), _part("page.js")
    return Template(_part("page.html")).substitute(
        title=escape(title),
        policy=_policy(style, script),
        style=style,
        script=script,
        data=_embedded(har),
    )


@cache
def _part(name: str) -> str:
    return files("pytest_httpserve.scripting.reports.trace").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """A policy under which the page fetches nothing and runs no other script or style, whatever the data holds."""
    return (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_hashed(style)}; script-src {_hashed(script)}"
    )


def _hashed(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _embedded(document: Mapping[str, Any]) -> str:
    """JSON in which no ``</script>`` or ``<!--`` can end the element."""
    return json.dumps(document, separators=(",", ":")).replace("<", "\\u003c")
