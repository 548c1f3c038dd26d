"""A real HTTP server for every test. The names below are loaded when they are first used (PEP 562)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_httpserve.errors import HTTPServeError, ServerFailure, UnsupportedError, UsageError
    from pytest_httpserve.scripting.connections import ConnectionRecord
    from pytest_httpserve.scripting.gates import Gate, Held
    from pytest_httpserve.scripting.httpserve import HTTPServe
    from pytest_httpserve.scripting.journal import Exchange, Times
    from pytest_httpserve.scripting.matchers import Matcher, basic_auth, bearer, match
    from pytest_httpserve.scripting.request import Request, UploadedFile
    from pytest_httpserve.scripting.responses import Response, set_cookie
    from pytest_httpserve.scripting.routes import Route
    from pytest_httpserve.scripting.scenarios import Scenario
    from pytest_httpserve.tls.authority import CertificateAuthority
    from pytest_httpserve.tls.certificate import Certificate
    from pytest_httpserve.tls.settings import TLS, TLS_GALLERY

__version__ = "0.1.0"

_ROOMS = {
    "ConnectionRecord": "scripting.connections",
    "Exchange": "scripting.journal",
    "Gate": "scripting.gates",
    "Held": "scripting.gates",
    "Matcher": "scripting.matchers",
    "Scenario": "scripting.scenarios",
    "Times": "scripting.journal",
    "UploadedFile": "scripting.request",
    "basic_auth": "scripting.matchers",
    "bearer": "scripting.matchers",
    "match": "scripting.matchers",
    "set_cookie": "scripting.responses",
    "TLS": "tls.settings",
    "TLS_GALLERY": "tls.settings",
    "Certificate": "tls.certificate",
    "CertificateAuthority": "tls.authority",
    "HTTPServe": "scripting.httpserve",
    "HTTPServeError": "errors",
    "Request": "scripting.request",
    "Response": "scripting.responses",
    "Route": "scripting.routes",
    "ServerFailure": "errors",
    "UnsupportedError": "errors",
    "UsageError": "errors",
}

__all__ = [
    "TLS",
    "TLS_GALLERY",
    "Certificate",
    "CertificateAuthority",
    "ConnectionRecord",
    "Exchange",
    "Gate",
    "HTTPServe",
    "HTTPServeError",
    "Held",
    "Matcher",
    "Request",
    "Response",
    "Route",
    "Scenario",
    "ServerFailure",
    "Times",
    "UnsupportedError",
    "UploadedFile",
    "UsageError",
    "basic_auth",
    "bearer",
    "match",
    "set_cookie",
]


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
