"""Many tests with every kind of fault leave their workers as they found them."""

import os
from pathlib import Path

import pytest

# A thousand where it is asked for; the same faults come round all the same.
TESTS = int(os.environ.get("HTTPSERVE_FAULTY_TESTS", "240"))
# What a worker may keep: allocators keep what was used.
MOST_BYTES = 12 << 20

CONFTEST = """
import gc
import os
import pathlib
import threading

COUNTED = {}


def settle():
    # How many are free depends on what overlapped. They end after a second; the one that leads the loop stays.
    threads = [thread for thread in threading.enumerate() if thread.name == "httpserve"]
    for thread in threads[::-1]:
        if sum(map(threading.Thread.is_alive, threads)) > 1:
            thread.join(5)


def state():
    settle()
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "bytes": pages * os.sysconf("SC_PAGE_SIZE"),
    }


def pytest_runtest_logfinish(nodeid, location):
    COUNTED["tests"] = COUNTED.get("tests", 0) + 1
    if COUNTED["tests"] == 40:
        COUNTED["begin"] = state()


def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        path = pathlib.Path(str(session.config.rootpath), f"counted-{os.getpid()}")
        path.write_text(repr((COUNTED["tests"], COUNTED["begin"], state())))
"""

SUITE = """
import contextlib
import socket
import threading

import pytest
from pytest_httpserve import *
from pytest_httpserve.faults import *

FAULTS = [
    *(effect(phase=phase) for effect in (Reset, Close, Stall)
      for phase in ("accept", "request_head", "request_body", "response_head", "response_body", "response_end")),
    Reset(after=40_000), Close(after=40_000), Stall(after=40_000), Stall(until=threading.Event()),
    Delay(0.001), Delay(3600), Delay((0, 0.002), phase="request_body"),
    Truncate(10), Extend(10), Garbage(), Garbage("header"), Garbage("chunk"), WrongLength(), WrongLength(-3),
    Duplicate(), NoLastChunk(), WrongChunkSize(), CloseAfter(2), BrokenKeepAlive(2), NoContinue(), EarlyAnswer(),
    Slow(chunk=1, phase="response_head"), Slow(rate=100), Slow(rate=1e7, chunk=1000),
    Slow(rate=10, phase="request_body"), [Delay(0.001), Slow(rate=1e6), Reset(after=30_000)],
]
POST = b"POST /a HTTP/1.1\\r\\nHost: x\\r\\nExpect: 100-continue\\r\\nContent-Length: 1000\\r\\n\\r\\n" + bytes(1000)


@pytest.mark.parametrize("number", range(TESTS))
def test_it(httpserve, number):
    fault = FAULTS[number % len(FAULTS)]
    httpserve.on("POST", "/a").respond(body=bytes(100_000))
    httpserve.fault(fault)
    address = httpserve.host, httpserve.port
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=0.02) as client:
        for _ in range(2):
            client.sendall(POST)
            while client.recv(50_000):
                pass
    # On the next connection all is well.
    with socket.create_connection(address, timeout=60) as client:
        client.sendall(POST + POST.replace(b"Expect: 100-continue", b"Connection: close"))
        got = 0
        while piece := client.recv(200_000):
            got += len(piece)
    assert got > 200_000
    assert httpserve.failures == ()
"""


@pytest.mark.same_everywhere
def test_faulty_tests_leave_nothing_behind(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(SUITE.replace("TESTS", str(TESTS)))
    result = pytester.runpytest_subprocess("-n", "2", "-p", "xdist", "-q", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=TESTS)
    counted = [eval(file.read_text()) for file in Path(pytester.path).glob("counted-*")]
    assert sum(tests for tests, _, _ in counted) == TESTS
    for _, begin, end in counted:
        assert end["descriptors"] <= begin["descriptors"], counted
        assert end["threads"] <= begin["threads"], counted
        assert end["bytes"] <= begin["bytes"] + MOST_BYTES, counted
