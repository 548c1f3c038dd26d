"""Say what would answer a request, without sending it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.answers.fields import check_headers
from pytest_httpserve.scripting.live.addresses import check_path
from pytest_httpserve.scripting.record.request import Body, Request
from pytest_httpserve.scripting.reports import report
from pytest_httpserve.scripting.script import Script
from pytest_httpserve.wire.headers import Headers


def explained(
    script: Script, method: str, path: str, headers: Mapping[str, str] | None, body: bytes | str, json: Any
) -> str:
    """Say what would answer such a request, or why nothing would. ``json`` is ``...`` if the request has none."""
    check_path(path)
    if json is not ... and body:
        raise UsageError("a request can have only one body, not json and body")
    fields = dict(check_headers(headers))
    if json is not ...:
        import json as json_module

        body = json_module.dumps(json)
        fields.setdefault("Content-Type", "application/json")
    content = Body(io.BytesIO(body.encode() if isinstance(body, str) else body).read)
    return report.explained(script, Request(method, path, Headers(fields), (1, 1), ("127.0.0.1", 0), content))
