"""A long mixed load, run by hand: what good clients notice of garbage and slow ones on the same server.

    python -m tests.benchmarks.soak                  ten minutes
    python -m tests.benchmarks.soak --seconds 180    three of them, at least one

The server, the good clients, and the hostile ones are a process each. Good clients ask for a plain answer, for JSON
with a query, for a file, and post small and large bodies, over a kept connection and over new ones: a hundred requests
a second, one after the other. Garbage comes on twenty connections a second. Forty slow clients each send a byte of a
head or of a body now and then, or read an answer as slowly; all begin anew after a while.

The exit status is 1 if a good client was not answered as it should be, if its worst answer took more than 100 ms, or if
the server's resident memory at the end is more than 30 MiB above that after the first minute. On a machine that others
use, the worst answer is theirs: ``--idle`` leaves the hostile clients out, and says what the machine itself does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from pytest_httpserve import HTTPServe, Request
from pytest_httpserve.scripting.httpserve import RUNNING

from .measures.memory import memory
from .peers import BODY, USER
from .serving import ROOT, Served, environment, serve

SECONDS = 600.0
FIRST = 60.0
WORST_MS = 100.0
GROWTH_MIB = 30.0

GOOD_PER_SECOND = 100
GARBAGE_PER_SECOND = 20
SLOW_CLIENTS = 40
LARGE = bytes(2 << 20)  # kept on disk
_TIMEOUT = 30.0
_EACH_NEW, _EACH_LARGE = 10, 200  # requests


# The server


def start(directory: str) -> HTTPServe:
    """One server for all of them; what goes wrong on it fails no test."""
    server = HTTPServe().start()
    RUNNING.discard(server)
    server.on("GET", "/").respond(body=BODY)
    server.on("GET", "/users", query={"id": "7"}).respond(json=USER)
    server.on("GET", "/large").respond(body=LARGE)
    server.serve_dir(directory, at="/files")

    @server.on("POST", "/count")
    def count(request: Request) -> str:
        return str(len(request.body))

    return server


# Good clients


@dataclass
class Notes:
    """What good clients have seen: the seconds of each answer, and what was wrong."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


Ask = Callable[[HTTPConnection], tuple[int, bytes, bytes]]


def _get(path: str, expected: bytes) -> Ask:
    def ask(connection: HTTPConnection) -> tuple[int, bytes, bytes]:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(), expected

    return ask


def _post(body: bytes) -> Ask:
    def ask(connection: HTTPConnection) -> tuple[int, bytes, bytes]:
        connection.request("POST", "/count", body)
        response = connection.getresponse()
        return response.status, response.read(), str(len(body)).encode()

    return ask


def requests() -> Iterator[Ask]:
    """What good clients ask for, without an end."""
    usual = [
        _get("/", BODY),
        _get("/users?id=7", json.dumps(USER).encode()),
        _get("/files/file", BODY),
        _post(b"a" * 100),
    ]
    large = _post(LARGE)
    number = 0
    while True:
        number += 1
        yield large if number % _EACH_LARGE == 0 else usual[number % len(usual)]


def be_good(server: Served, seconds: float, notes: Notes, each_second: Callable[[float], object]) -> None:
    """Ask at a bounded rate for so long; ``each_second`` is told how many have passed."""
    begun = time.monotonic()
    connection = HTTPConnection(server.host, server.port, timeout=_TIMEOUT)
    told = 0.0
    for number, ask in enumerate(requests()):
        due = begun + number / GOOD_PER_SECOND
        time.sleep(max(due - time.monotonic(), 0.0))
        passed = time.monotonic() - begun
        if passed >= seconds:
            break
        if passed - told >= 1:
            told = passed
            each_second(passed)
        if number % _EACH_NEW == 0:
            connection.close()  # the next request opens another
        asked = time.perf_counter()
        try:
            status, body, expected = ask(connection)
        except (OSError, HTTPException) as error:
            notes.errors.append(f"after {passed:.0f} s: {error!r}")
            connection.close()
            continue
        notes.seconds.append(time.perf_counter() - asked)
        if status != 200 or body != expected:
            notes.errors.append(f"after {passed:.0f} s: {status} with {body[:80]!r}")
    connection.close()


# Hostile clients


def be_hostile(host: str, port: int) -> None:
    """Until standard input ends."""
    threading.Thread(target=_send_garbage, args=((host, port),), daemon=True).start()
    for number in range(SLOW_CLIENTS):
        slow = (_send_slowly, _send_body_slowly, _read_slowly)[number % 3]
        threading.Thread(target=_again_and_again, args=(slow, (host, port), number), daemon=True).start()
    sys.stdin.read()


def _send_garbage(address: tuple[str, int]) -> None:
    chance = random.Random(0)
    kinds: list[Callable[[], bytes]] = [
        lambda: chance.randbytes(chance.randrange(1, 2000)),
        lambda: b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        lambda: b"GET /" + b"a/" * chance.randrange(1, 20_000) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        lambda: b"POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        lambda: b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf of it",
        lambda: b"GET /files/..%2f..%2fetc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
        lambda: b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n" * 20,
        lambda: b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * chance.randrange(1, 100_000) + b"\r\n\r\n",
    ]
    while True:
        time.sleep(1 / GARBAGE_PER_SECOND)
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=_TIMEOUT) as client:
            client.sendall(chance.choice(kinds)())
            client.settimeout(0.05)
            client.recv(65_536)


def _again_and_again(slow: Callable[[tuple[str, int]], object], address: tuple[str, int], number: int) -> None:
    time.sleep(number / SLOW_CLIENTS)
    while True:
        with contextlib.suppress(OSError):
            slow(address)
        time.sleep(1)


def _drip(client: socket.socket, data: bytes) -> None:
    for byte in data:
        client.sendall(bytes((byte,)))
        time.sleep(0.2)


def _send_slowly(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=_TIMEOUT) as client:
        _drip(client, b"GET / HTTP/1.1\r\nHost: slow.test\r\nAccept: */*\r\n")


def _send_body_slowly(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=_TIMEOUT) as client:
        client.sendall(b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n")
        _drip(client, b"a" * 50)
        client.recv(65_536)


def _read_slowly(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=_TIMEOUT) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(50):
            client.recv(4096)
            time.sleep(0.2)


@contextlib.contextmanager
def hostile_clients(server: Served) -> Iterator[None]:
    """In a process of their own."""
    command = [sys.executable, "-m", __name__, "--hostile", server.host, str(server.port)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE) as process:
        try:
            yield
        finally:
            process.kill()


# All together


@dataclass(frozen=True)
class Outcome:
    """What came of it: milliseconds, MiB."""

    answers: int
    errors: tuple[str, ...]
    median: float
    p99: float
    worst: float
    early: float
    late: float

    @property
    def faults(self) -> list[str]:
        """What must not be."""
        faults = [f"a good client was not answered {self.errors[0]}"] if self.errors else []
        if self.worst > WORST_MS:
            faults.append(f"the worst answer took more than {WORST_MS:g} ms")
        if self.late - self.early > GROWTH_MIB:
            faults.append(f"resident memory has grown by more than {GROWTH_MIB:g} MiB")
        return faults

    def __str__(self) -> str:
        return (
            f"{self.answers:,} answers to good clients, {len(self.errors)} errors; median {self.median:.2f} ms, p99 "
            f"{self.p99:.1f} ms, worst {self.worst:.1f} ms; resident memory {self.early:.1f} MiB after the first "
            f"minute, {self.late:.1f} MiB at the end"
        )


def soak(seconds: float, *, first: float = FIRST, idle: bool = False) -> Outcome:
    """Run it for so long; ``first`` are the seconds after which memory is not to grow."""
    notes = Notes()
    early: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "file").write_bytes(BODY)
        with serve(start, directory) as server:

            def look(passed: float) -> None:
                if passed >= first and not early:
                    early.append(memory(server, "VmRSS"))

            with contextlib.nullcontext() if idle else hostile_clients(server):
                be_good(server, seconds, notes, look)
            late = memory(server, "VmRSS")
    times = sorted(1e3 * each for each in notes.seconds) or [0.0]
    return Outcome(
        len(notes.seconds),
        tuple(notes.errors),
        times[len(times) // 2],
        times[len(times) * 99 // 100],
        times[-1],
        early[0] if early else late,
        late,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long (%(default)g)")
    parser.add_argument("--idle", action="store_true", help="good clients alone")
    parser.add_argument("--hostile", nargs=2, metavar=("HOST", "PORT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.hostile:
        be_hostile(asked.hostile[0], int(asked.hostile[1]))
        return 0
    if asked.seconds <= FIRST:
        parser.error(f"--seconds: memory is compared with that after {FIRST:g} s, so it takes longer")
    outcome = soak(asked.seconds, idle=asked.idle)
    print(outcome)
    for fault in outcome.faults:
        print(f"- {fault}")
    return int(bool(outcome.faults))


if __name__ == "__main__":
    from tests.benchmarks import soak as module  # by this name, its server can be started by another process

    sys.exit(module.main())
