"""Recordings: HAR files as a test writes them, and a client that is led to a server's origins."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_httpserve import HTTPServe

Har = Callable[..., Path]
Ask = Callable[..., tuple[int, dict[str, str], bytes]]


@pytest.fixture
def har(tmp_path: Path) -> Har:
    """``har(entry, entry)`` writes a HAR with these entries, each ``(method, url, status, text or content, more)``."""

    def write(*entries: Any, name: str = "a.har") -> Path:
        path = tmp_path / name
        document = {"log": {"version": "1.2", "entries": [made(*one) for one in entries]}}
        path.write_text(json.dumps(document, indent=1), encoding="utf-8")
        return path

    return write


def made(method: str, url: str, status: int, text: Any, more: dict[str, Any] | None = None) -> dict[str, Any]:
    more = more or {}
    content = {"text": text, "size": len(text), "mimeType": ""} if isinstance(text, str) else text
    return {
        "startedDateTime": "2026-01-02T03:04:05.678Z",
        "time": 1,
        "request": {"method": method, "url": url, "headers": [], **more.get("request", {})},
        "response": {
            "status": status,
            "statusText": "",
            "headers": [{"name": "Content-Type", "value": "text/plain"}],
            "content": content,
            **more.get("response", {}),
        },
        "timings": {"send": 0, "wait": 0, "receive": 0, **more.get("timings", {})},
    }


class _Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: object) -> None:
        return None


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, no_proxy: None) -> Ask:
    """``ask(server, url)`` asks the server for it, as a proxy; status, header fields and body."""
    monkeypatch.delenv("NO_PROXY")

    def ask(
        server: HTTPServe, url: str, body: bytes | None = None, method: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        proxies = urllib.request.ProxyHandler({"http": server.base_url, "https": server.base_url})
        trusting = urllib.request.HTTPSHandler(context=server.ca.client_ssl_context())
        opener = urllib.request.build_opener(proxies, trusting, _Stays)
        request = urllib.request.Request(url, body, headers or {}, method=method or None)
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    return ask
