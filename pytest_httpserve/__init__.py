"""A real HTTP server for every test. The names below are loaded when they are first used (PEP 562)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_httpserve.errors import HTTPServeError, ServerFailure, UnsupportedError, UsageError
    from pytest_httpserve.scripting.connections import ConnectionRecord
    from pytest_httpserve.scripting.edits import (
        BrokenKeepAlive,
        CloseAfter,
        Duplicate,
        Extend,
        Garbage,
        NoLastChunk,
        Truncate,
        WrongChunkSize,
        WrongLength,
    )
    from pytest_httpserve.scripting.exchange import Exchange, Times
    from pytest_httpserve.scripting.faults import Close, Delay, EarlyAnswer, Fault, NoContinue, Reset, Slow, Stall
    from pytest_httpserve.scripting.gates import Gate, Held
    from pytest_httpserve.scripting.handshakes import PeerCertificate, TLSError, TLSSession
    from pytest_httpserve.scripting.httpserve import HTTPServe
    from pytest_httpserve.scripting.limits import Clock
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
    "BrokenKeepAlive": "scripting.edits",
    "Certificate": "tls.certificate",
    "CertificateAuthority": "tls.authority",
    "Clock": "scripting.limits",
    "Close": "scripting.faults",
    "CloseAfter": "scripting.edits",
    "ConnectionRecord": "scripting.connections",
    "PeerCertificate": "scripting.handshakes",
    "TLSError": "scripting.handshakes",
    "TLSSession": "scripting.handshakes",
    "Delay": "scripting.faults",
    "Duplicate": "scripting.edits",
    "EarlyAnswer": "scripting.faults",
    "Exchange": "scripting.exchange",
    "Extend": "scripting.edits",
    "Fault": "scripting.faults",
    "Garbage": "scripting.edits",
    "Gate": "scripting.gates",
    "HTTPServe": "scripting.httpserve",
    "HTTPServeError": "errors",
    "Held": "scripting.gates",
    "Matcher": "scripting.matchers",
    "NoContinue": "scripting.faults",
    "NoLastChunk": "scripting.edits",
    "Request": "scripting.request",
    "Reset": "scripting.faults",
    "Response": "scripting.responses",
    "Route": "scripting.routes",
    "Scenario": "scripting.scenarios",
    "ServerFailure": "errors",
    "Slow": "scripting.faults",
    "Stall": "scripting.faults",
    "TLS": "tls.settings",
    "TLS_GALLERY": "tls.settings",
    "Times": "scripting.exchange",
    "Truncate": "scripting.edits",
    "UnsupportedError": "errors",
    "UploadedFile": "scripting.request",
    "UsageError": "errors",
    "WrongChunkSize": "scripting.edits",
    "WrongLength": "scripting.edits",
    "basic_auth": "scripting.matchers",
    "bearer": "scripting.matchers",
    "match": "scripting.matchers",
    "set_cookie": "scripting.responses",
}

__all__ = [
    "TLS",
    "TLS_GALLERY",
    "BrokenKeepAlive",
    "Certificate",
    "CertificateAuthority",
    "Clock",
    "Close",
    "CloseAfter",
    "ConnectionRecord",
    "Delay",
    "Duplicate",
    "EarlyAnswer",
    "Exchange",
    "Extend",
    "Fault",
    "Garbage",
    "Gate",
    "HTTPServe",
    "HTTPServeError",
    "Held",
    "Matcher",
    "NoContinue",
    "NoLastChunk",
    "PeerCertificate",
    "Request",
    "Reset",
    "Response",
    "Route",
    "Scenario",
    "ServerFailure",
    "Slow",
    "Stall",
    "TLSError",
    "TLSSession",
    "Times",
    "Truncate",
    "UnsupportedError",
    "UploadedFile",
    "UsageError",
    "WrongChunkSize",
    "WrongLength",
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
