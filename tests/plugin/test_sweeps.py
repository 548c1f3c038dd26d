"""The marker serve_faults: a test runs once for each fault."""

import re
from typing import Any

import pytest

from pytest_httpserve import UsageError
from pytest_httpserve.faults import Close, Delay, Duplicate, Fault, Reset, Stall, Truncate
from pytest_httpserve.scripting.faults.acts import PHASES as ALL_PHASES
from pytest_httpserve.scripting.faults.acts import Act
from pytest_httpserve.scripting.faults.sweeps import run_name, sweep

RETRYING = '''
import socket
import pytest
from pytest_httpserve import *
from pytest_httpserve.faults import *


BODY = b"0123456789" * 300


def fetch(server, tries):
    """A client that tries again until it has a whole answer."""
    for _ in range(tries):
        try:
            with socket.create_connection((server.host, server.port), timeout=0.5) as client:
                client.sendall(b"GET /a HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
                got = b""
                while piece := client.recv(65536):
                    got += piece
        except OSError:
            continue
        if got.endswith(BODY):
            return BODY
    raise AssertionError("no whole answer")
'''


@pytest.mark.parametrize("options", [(), ("-n", "2", "-p", "xdist")], ids=["alone", "xdist"])
def test_a_client_that_tries_again_passes_and_one_that_does_not_fails(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        RETRYING
        + """
@pytest.mark.serve_faults("every_phase")
@pytest.mark.parametrize("tries", [1, 2])
def test_it(httpserve, tries):
    httpserve.on("GET", "/a").respond(body=BODY)
    assert fetch(httpserve, tries) == BODY
"""
    )
    result = pytester.runpytest("-v", *options)

    names = [run_name(run) for run in sweep("every_phase")]
    # Behind the response there is nothing left to break.
    harmless = {"close-response_end"}
    result.assert_outcomes(passed=len(names) + len(harmless), failed=len(names) - len(harmless))
    text = result.stdout.str()
    for name in names:
        assert f"test_it[2-{name}]" in text
        assert bool(re.search(rf"FAILED \S*::test_it\[1-{name}\]", text)) == (name not in harmless)


def test_the_report_says_which_phase_broke_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        RETRYING
        + """
@pytest.mark.serve_faults("every_phase", effects=[Reset])
def test_it(httpserve):
    httpserve.on("GET", "/a").respond(body=BODY)
    assert fetch(httpserve, 1) == BODY
"""
    )
    result = pytester.runpytest()

    result.stdout.fnmatch_lines(
        [
            "* test_it[[]reset-accept[]] *",
            "*  connection 0: fault Reset(phase='accept'): accept",
            "* test_it[[]reset-request_head[]] *",
            "    fault Reset(phase='request_head'): request_head, after * bytes",
            "* test_it[[]reset-request_body[]] *",
            "    fault Reset(phase='request_body'): request_body, after 0 bytes",
            "* test_it[[]reset-response_head[]] *",
            "    fault Reset(phase='response_head'): response_head, after 0 bytes",
            "* test_it[[]reset-response_body-1[]] *",
            "    fault Reset(after=1, phase='response_body'): response_body, after 1 bytes",
        ]
    )


def test_a_download_is_cut_at_every_step(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        RETRYING
        + """
SEEN = []

@pytest.mark.serve_faults("cut", every=1000, upto=3000)
def test_it(httpserve):
    httpserve.on("GET", "/a").respond(body=BODY)
    assert fetch(httpserve, 2) == BODY
    SEEN.append(len(httpserve.exchanges[0].raw.response.partition(b"\\\\r\\\\n\\\\r\\\\n")[2]))

def test_seen():
    assert SEEN == [0, 1000, 2000, 3000]
""".replace("\\\\", "\\")
    )
    pytester.runpytest("-p", "no:randomly").assert_outcomes(passed=5)


def test_faults_are_listed_and_stand_on_a_class(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        RETRYING
        + """
@pytest.mark.serve_faults([Close(after=7), [Truncate(3), Duplicate("Server")], Delay(0.001)])
class TestIt:
    def test_it(self, httpserve):
        httpserve.on("GET", "/a").respond(body=BODY)
        assert fetch(httpserve, 2) == BODY

    @pytest.mark.serve_faults(Stall())
    def test_other(self, httpserve):
        httpserve.on("GET", "/a").respond(body=BODY)
        assert fetch(httpserve, 2) == BODY

    def test_without_a_server(self):
        pass
"""
    )
    result = pytester.runpytest("-v")
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines_random(
        [
            "*test_it[[]close-response_body-7[]] PASSED*",
            "*test_it[[]truncate-3+duplicate-Server[]] PASSED*",
            "*test_it[[]delay-response_head[]] PASSED*",
            "*test_other[[]stall-response_head[]] PASSED*",
            "*test_without_a_server PASSED*",
        ]
    )


def test_a_run_whose_fault_did_not_happen_proves_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        RETRYING
        + """
@pytest.mark.serve_faults(Reset())
def test_it(httpserve):
    pass

@pytest.mark.serve_faults(Reset())
@pytest.mark.serve_checks(ignore=["expectations"])
def test_ignored(httpserve):
    pass
"""
    )
    result = pytester.runpytest()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["Reset() was expected to happen, but never did"])


@pytest.mark.parametrize(
    ("marker", "says"),
    [
        ('serve_faults("every")', 'a sweep must be "every_phase", "cut", "splits" or faults, not \'every\''),
        ("serve_faults()", "a sweep needs at least one fault"),
        ("serve_faults([])", "a sweep needs at least one fault"),
        ('serve_faults("splits", every=2)', "splits takes upto=, not every="),
        ('serve_faults("splits", upto=0)', "upto= of Split must be a whole number of bytes, 1 or more, not 0"),
        ('serve_faults("cut", each=3)', "cut takes every=, upto=, effect=, not each="),
        ('serve_faults("cut", every=0)', "every= must be a whole number of bytes, 1 or more, not 0"),
        ("serve_faults([Reset])", "fault= takes a fault"),
    ],
)
def test_a_wrong_marker_is_one_sentence(pytester: pytest.Pytester, marker: str, says: str) -> None:
    pytester.makepyfile(f"{RETRYING}\n@pytest.mark.{marker}\ndef test_it(httpserve):\n    pass\n")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    assert f"@pytest.mark.serve_faults: {says}" in result.stdout.str()
    assert "sweeps.py" not in result.stdout.str()


def test_a_test_that_cannot_be_run_with_faults_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        RETRYING
        + """
import unittest

@pytest.mark.serve_faults(Reset())
def test_without_a_server():
    pass

@pytest.mark.serve_faults(Reset())
@pytest.mark.usefixtures("httpserve")
class TestCase(unittest.TestCase):
    def test_it(self):
        pass
"""
    )
    result = pytester.runpytest()
    result.assert_outcomes(errors=2, passed=0)
    result.stdout.fnmatch_lines_random(
        [
            "*serve_faults: this is for the server of the httpserve fixture*",
            "*this test cannot be run once for each fault*",
        ]
    )


PHASES = [phase for phase in ALL_PHASES if phase != "tls_handshake"]
STALLS = [Stall(after=1 if phase == "response_body" else None, phase=phase) for phase in PHASES]
ELSEWHERE = [stall for stall in STALLS if stall.phase != "connect"]


def cuts(effect: type[Act], *places: int) -> list[Act]:
    return [effect(after=place, phase="response_body") for place in places]


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        (("every_phase",), {"effects": [Stall]}, ELSEWHERE),
        (("every_phase",), {"effects": Stall}, ELSEWHERE),
        (("every_phase",), {"effects": Stall, "connect": True}, STALLS),
        (("cut",), {}, cuts(Close, *range(0, 4097, 512))),
        (("cut",), {"every": 10, "upto": 25, "effect": Reset}, cuts(Reset, 0, 10, 20)),
        ((Reset(), Close()), {}, [Reset(), Close()]),
        (([Reset(), Close()],), {}, [Reset(), Close()]),
    ],
)
def test_what_a_sweep_is(arguments: Any, options: Any, expected: list[Fault]) -> None:
    assert sweep(*arguments, **options) == [(fault,) for fault in expected]


@pytest.mark.parametrize("effects", [(Delay,), (Truncate,), "Reset", (3,)])
def test_an_effect_is_an_act(effects: Any) -> None:
    with pytest.raises(UsageError, match=r"^an effect must be Reset, Close or Stall, not"):
        sweep("every_phase", effects=effects)


def test_a_run_is_named_by_its_faults() -> None:
    assert run_name((Truncate(3), Duplicate("Server", "x"))) == "truncate-3+duplicate-Server-x"


def test_a_parser_that_works_per_chunk_fails_when_the_body_is_split(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        r"""
import http.client
import threading

import pytest


def chunks(server):
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request("GET", "/")
    response = connection.getresponse()
    while chunk := response.read1(65536):
        yield chunk
    connection.close()


def per_chunk(server):
    return [chunk.removeprefix(b"data: ").removesuffix(b"\n\n") for chunk in chunks(server)]


def per_line(server):
    lines = b"".join(chunks(server)).split(b"\n")
    return [line.removeprefix(b"data: ") for line in lines if line]


def say(server, how):
    route = server.on("GET", "/")
    if how == "list":
        route.respond(events=["one", "two"])
    elif how == "generator":
        route.respond(stream=["data: one\n\n", "data: two\n\n"])
    elif how == "json_lines":
        route.respond(json_lines=["one", "two"])


@pytest.mark.serve_faults("splits")
@pytest.mark.parametrize("parse", [per_chunk, per_line])
@pytest.mark.parametrize("how", ["list", "generator"])
def test_it(httpserve, how, parse):
    httpserve.on("GET", "/other").respond(text="a")
    say(httpserve, how)
    assert parse(httpserve) == [b"one", b"two"]


@pytest.mark.parametrize("parse", [per_chunk, per_line])
def test_without(httpserve, parse):
    say(httpserve, "generator")
    assert parse(httpserve) == [b"one", b"two"]


@pytest.mark.serve_faults("splits", upto=100)
def test_live(httpserve, request):
    events = httpserve.on("GET", "/").events()
    read = []
    reader = threading.Thread(target=lambda: read.extend(chunks(httpserve)))
    reader.start()
    stream = events.accept()
    stream.send("one")
    stream.close()
    reader.join()
    assert b"".join(read) == b"data: one\n\n"
    assert (len(read) == 1) == ("2-lines]" in request.node.name)

"""
    )
    result = pytester.runpytest("-v")

    text = result.stdout.str()
    for name in ("split-bytes", "split-2-lines", "split-2-lines-after-1"):
        for how in ("list", "generator"):
            assert re.search(rf"::test_it\[{how}-per_line-{name}\] PASSED", text)
            fails = name != "split-2-lines"  # which cuts where the events end
            assert bool(re.search(rf"::test_it\[{how}-per_chunk-{name}\] FAILED", text)) == fails, (how, name)
        assert f"::test_live[{name}] PASSED" in text
    result.assert_outcomes(passed=6 + 2 + 2 + 3, failed=4)
