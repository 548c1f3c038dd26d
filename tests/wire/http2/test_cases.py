"""Each rule that a client can break is held, in one server, with the code that RFC 9113 names."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import hpack
import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.protocol.http2 import PREFACE
from pytest_httpserve.scripting.httpserve import RUNNING
from tests.wire.http2.cases import (
    ACK,
    CASES,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    IGNORED,
    PING,
    RST_STREAM,
    SETTINGS,
    Case,
    Outcome,
    frame,
)

pytestmark = pytest.mark.same_everywhere

_BEGINNING = PREFACE + frame(SETTINGS)
_LAST = b"the last"


@pytest.fixture(scope="module")
def server() -> Iterator[HTTPServe]:
    server = HTTPServe(http2=True).start()
    RUNNING.discard(server)  # what it refuses is looked at here
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.section} {case.name!a}") for case in CASES])
def test_what_a_client_sends(server: HTTPServe, case: Case) -> None:
    server.reset()
    server.on("GET", "/").respond(text="well")
    server.on("POST", "/").handle(lambda request: request.body)

    got = _outcome(server, case)
    assert got == case.outcome

    refused = case.outcome.kind in ("GOAWAY", "RST_STREAM") or case.outcome.code == 400
    assert [failure for failure in server.failures if not failure.startswith("refused")] == []
    assert bool(server.failures) is refused
    assert all("  against RFC " in failure for failure in server.failures)


def _outcome(server: HTTPServe, case: Case) -> Outcome:
    """What comes of a case: GOAWAY before all, then what ends its stream."""
    decoder = hpack.Decoder()
    outcome: Outcome | None = None
    ponged, over = False, case.outcome == IGNORED
    with socket.create_connection((server.host, server.port), timeout=5) as client:
        client.sendall(_BEGINNING + case.sent + frame(PING, _LAST))
        for kind, flags, payload in _frames(client):
            if kind == GOAWAY:
                return Outcome("GOAWAY", struct.unpack("!L", payload[4:8])[0])
            if kind == RST_STREAM and outcome is None:
                outcome, over = Outcome("RST_STREAM", struct.unpack("!L", payload)[0]), True
            elif kind == HEADERS:
                status = next(value for name, value in decoder.decode(payload, raw=True) if name == b":status")
                outcome = Outcome("answer", int(status))
            ponged |= kind == PING and bool(flags & ACK) and payload == _LAST
            over |= kind in (DATA, HEADERS) and bool(flags & END_STREAM)
            if ponged and over:
                return IGNORED if case.outcome == IGNORED else outcome or IGNORED
    raise AssertionError("the connection has ended without a word")


def _frames(client: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    with client.makefile("rb") as stream:
        while head := stream.read(9):
            yield head[3], head[4], stream.read(int.from_bytes(head[:3], "big"))
