"""A real HTTP server for every test. The names below are loaded when they are first used (PEP 562)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_httpserve.errors import HTTPServeError, ServerFailure, UnsupportedError, UsageError
    from pytest_httpserve.scripting.answers.gates import Gate, HeldRequest
    from pytest_httpserve.scripting.answers.limits import Clock
    from pytest_httpserve.scripting.answers.responses import Response, set_cookie
    from pytest_httpserve.scripting.faults.acts import Close, Delay, EarlyAnswer, Fault, NoContinue, Reset, Slow, Stall
    from pytest_httpserve.scripting.faults.edits import (
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
    from pytest_httpserve.scripting.httpserve import HTTPServe
    from pytest_httpserve.scripting.record.connections import ConnectionRecord
    from pytest_httpserve.scripting.record.exchange import Exchange, ExchangeTimes
    from pytest_httpserve.scripting.record.handshakes import PeerCertificate, TLSError, TLSSession
    from pytest_httpserve.scripting.record.request import Request, UploadedFile
    from pytest_httpserve.scripting.routing.matchers import Matcher, basic_auth, bearer, match
    from pytest_httpserve.scripting.routing.routes import Route
    from pytest_httpserve.scripting.routing.scenarios import Scenario
    from pytest_httpserve.tls.authority import CertificateAuthority
    from pytest_httpserve.tls.certificate import Certificate
    from pytest_httpserve.tls.settings import TLS, TLS_GALLERY

__version__ = "0.1.0"

_ROOMS = {
    "BrokenKeepAlive": "scripting.faults.edits",
    "Certificate": "tls.certificate",
    "CertificateAuthority": "tls.authority",
    "Clock": "scripting.answers.limits",
    "Close": "scripting.faults.acts",
    "CloseAfter": "scripting.faults.edits",
    "ConnectionRecord": "scripting.record.connections",
    "PeerCertificate": "scripting.record.handshakes",
    "TLSError": "scripting.record.handshakes",
    "TLSSession": "scripting.record.handshakes",
    "Delay": "scripting.faults.acts",
    "Duplicate": "scripting.faults.edits",
    "EarlyAnswer": "scripting.faults.acts",
    "Exchange": "scripting.record.exchange",
    "Extend": "scripting.faults.edits",
    "Fault": "scripting.faults.acts",
    "Garbage": "scripting.faults.edits",
    "Gate": "scripting.answers.gates",
    "HTTPServe": "scripting.httpserve",
    "HTTPServeError": "errors",
    "HeldRequest": "scripting.answers.gates",
    "Matcher": "scripting.routing.matchers",
    "NoContinue": "scripting.faults.acts",
    "NoLastChunk": "scripting.faults.edits",
    "Request": "scripting.record.request",
    "Reset": "scripting.faults.acts",
    "Response": "scripting.answers.responses",
    "Route": "scripting.routing.routes",
    "Scenario": "scripting.routing.scenarios",
    "ServerFailure": "errors",
    "Slow": "scripting.faults.acts",
    "Stall": "scripting.faults.acts",
    "TLS": "tls.settings",
    "TLS_GALLERY": "tls.settings",
    "ExchangeTimes": "scripting.record.exchange",
    "Truncate": "scripting.faults.edits",
    "UnsupportedError": "errors",
    "UploadedFile": "scripting.record.request",
    "UsageError": "errors",
    "WrongChunkSize": "scripting.faults.edits",
    "WrongLength": "scripting.faults.edits",
    "basic_auth": "scripting.routing.matchers",
    "bearer": "scripting.routing.matchers",
    "match": "scripting.routing.matchers",
    "set_cookie": "scripting.answers.responses",
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
    "ExchangeTimes",
    "Extend",
    "Fault",
    "Garbage",
    "Gate",
    "HTTPServe",
    "HTTPServeError",
    "HeldRequest",
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
