"""A real HTTP server for every test. The names below are loaded on first use (PEP 562)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_httpserve._version import __version__ as __version__
    from pytest_httpserve.errors import HTTPServeError, ServerFailure, UnsupportedError, UsageError, WebSocketClosed
    from pytest_httpserve.scripting.answers.fields import set_cookie
    from pytest_httpserve.scripting.answers.gates import Gate, GateTimeout, GateWaits, HeldRequest
    from pytest_httpserve.scripting.answers.limits import Clock, Flapping, Limit, SlowStart
    from pytest_httpserve.scripting.answers.responses import Response
    from pytest_httpserve.scripting.answers.streams import (
        EventStream,
        EventStreams,
        EventStreamsWaits,
        EventStreamWaits,
    )
    from pytest_httpserve.scripting.face import ServerWaits
    from pytest_httpserve.scripting.httpserve import HTTPServe
    from pytest_httpserve.scripting.live.waiting import StopEvent
    from pytest_httpserve.scripting.origin import Origin
    from pytest_httpserve.scripting.record.exchange import AnsweringRoute, ConnectionRecord, Exchange, ExchangeTimes
    from pytest_httpserve.scripting.record.goaway import GoneAway, Unprocessed
    from pytest_httpserve.scripting.record.handshakes import PeerCertificate, TLSError, TLSSession
    from pytest_httpserve.scripting.record.journal import FaultEvent
    from pytest_httpserve.scripting.record.messages import Message
    from pytest_httpserve.scripting.record.multipart import UploadedFile
    from pytest_httpserve.scripting.record.request import Request, Values
    from pytest_httpserve.scripting.record.sent import SentResponse
    from pytest_httpserve.scripting.record.transcript import Transcript
    from pytest_httpserve.scripting.recording import Recording
    from pytest_httpserve.scripting.routing.credentials import basic_auth, bearer, digest_auth
    from pytest_httpserve.scripting.routing.criteria import match
    from pytest_httpserve.scripting.routing.matchers import Check, Matcher
    from pytest_httpserve.scripting.routing.route import Route
    from pytest_httpserve.scripting.routing.scenarios import Scenario
    from pytest_httpserve.scripting.websockets.peer import Peer, PeerWaits
    from pytest_httpserve.scripting.websockets.route import WebSocketRoute, WebSocketRouteWaits
    from pytest_httpserve.tls.authority import CertificateAuthority
    from pytest_httpserve.tls.certificate import Certificate
    from pytest_httpserve.tls.settings import TLS, TLS_GALLERY
    from pytest_httpserve.wire.headers import Headers

_ROOMS = {
    "AnsweringRoute": "scripting.record.exchange",
    "Certificate": "tls.certificate",
    "CertificateAuthority": "tls.authority",
    "Check": "scripting.routing.matchers",
    "Clock": "scripting.answers.limits",
    "ConnectionRecord": "scripting.record.exchange",
    "EventStream": "scripting.answers.streams",
    "EventStreams": "scripting.answers.streams",
    "Exchange": "scripting.record.exchange",
    "ExchangeTimes": "scripting.record.exchange",
    "FaultEvent": "scripting.record.journal",
    "Flapping": "scripting.answers.limits",
    "Gate": "scripting.answers.gates",
    "GoneAway": "scripting.record.goaway",
    "Unprocessed": "scripting.record.goaway",
    "GateTimeout": "scripting.answers.gates",
    "GateWaits": "scripting.answers.gates",
    "HTTPServe": "scripting.httpserve",
    "HTTPServeError": "errors",
    "Headers": "wire.headers",
    "HeldRequest": "scripting.answers.gates",
    "Limit": "scripting.answers.limits",
    "Matcher": "scripting.routing.matchers",
    "Message": "scripting.record.messages",
    "Origin": "scripting.origin",
    "Peer": "scripting.websockets.peer",
    "PeerCertificate": "scripting.record.handshakes",
    "Recording": "scripting.recording",
    "Request": "scripting.record.request",
    "Response": "scripting.answers.responses",
    "Route": "scripting.routing.route",
    "Scenario": "scripting.routing.scenarios",
    "SentResponse": "scripting.record.sent",
    "ServerFailure": "errors",
    "ServerWaits": "scripting.face",
    "SlowStart": "scripting.answers.limits",
    "StopEvent": "scripting.live.waiting",
    "TLS": "tls.settings",
    "TLSError": "scripting.record.handshakes",
    "TLSSession": "scripting.record.handshakes",
    "TLS_GALLERY": "tls.settings",
    "Transcript": "scripting.record.transcript",
    "UnsupportedError": "errors",
    "UploadedFile": "scripting.record.multipart",
    "UsageError": "errors",
    "Values": "scripting.record.request",
    "WebSocketClosed": "errors",
    "WebSocketRoute": "scripting.websockets.route",
    "basic_auth": "scripting.routing.credentials",
    "bearer": "scripting.routing.credentials",
    "digest_auth": "scripting.routing.credentials",
    "match": "scripting.routing.criteria",
    "__version__": "_version",
    "set_cookie": "scripting.answers.fields",
    "EventStreamWaits": "scripting.answers.streams",
    "EventStreamsWaits": "scripting.answers.streams",
    "PeerWaits": "scripting.websockets.peer",
    "WebSocketRouteWaits": "scripting.websockets.route",
}

__all__ = [
    "TLS",
    "TLS_GALLERY",
    "AnsweringRoute",
    "Certificate",
    "CertificateAuthority",
    "Check",
    "Clock",
    "ConnectionRecord",
    "EventStream",
    "EventStreamWaits",
    "EventStreams",
    "EventStreamsWaits",
    "Exchange",
    "ExchangeTimes",
    "FaultEvent",
    "Flapping",
    "Gate",
    "GateTimeout",
    "GateWaits",
    "GoneAway",
    "HTTPServe",
    "HTTPServeError",
    "Headers",
    "HeldRequest",
    "Limit",
    "Matcher",
    "Message",
    "Origin",
    "Peer",
    "PeerCertificate",
    "PeerWaits",
    "Recording",
    "Request",
    "Response",
    "Route",
    "Scenario",
    "SentResponse",
    "ServerFailure",
    "ServerWaits",
    "SlowStart",
    "StopEvent",
    "TLSError",
    "TLSSession",
    "Transcript",
    "Unprocessed",
    "UnsupportedError",
    "UploadedFile",
    "UsageError",
    "Values",
    "WebSocketClosed",
    "WebSocketRoute",
    "WebSocketRouteWaits",
    "basic_auth",
    "bearer",
    "digest_auth",
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
