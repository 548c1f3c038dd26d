"""A good client, in a process of its own: it asks over one kept connection, and says what its worst answer took."""

from __future__ import annotations

import contextlib
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection

from .client import connect, fetch
from .serving import ROOT, Served, environment

PAUSE = 0.002
"""Seconds between two requests: it is no load."""


@contextlib.contextmanager
def asking(server: Served) -> Iterator[Callable[[], float]]:
    """Have a good client ask the server; the function ends that, and returns its worst answer in milliseconds."""
    command = [sys.executable, "-m", __name__, server.host, str(server.port)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        if process.stdout.readline() != "asks\n":
            raise RuntimeError("the good client did not start")

        def worst() -> float:
            answer, _ = process.communicate("", timeout=30)
            if process.returncode:
                raise RuntimeError("the good client was not answered")
            return float(answer)

        try:
            yield worst
        finally:
            process.kill()


def timed(connection: HTTPConnection) -> float:
    """Seconds of one answer."""
    begun = time.perf_counter()
    fetch(connection)
    return time.perf_counter() - begun


def main() -> None:
    """Ask until standard input ends."""
    connection = connect(Served(sys.argv[1], int(sys.argv[2]), 0))
    for _ in range(20):
        fetch(connection)
    print("asks", flush=True)
    worst = timed(connection)
    while not select.select([sys.stdin], (), (), PAUSE)[0]:
        worst = max(worst, timed(connection))
    print(1e3 * worst)


if __name__ == "__main__":
    main()
