"""What nobody does to a server, all at once: ``python -m tests.stress``, by hand, best on a free-threaded build.

Many clients ask one server, whose routes are added, removed and reset meanwhile; then servers are started and stopped
in many threads. Each answer is compared with what was asked for. It ends after ``--seconds`` for each of the two, with
exit status 1 if anything was wrong.

    PYTHON_GIL=0 python3.14t -m tests.stress --seconds 60
"""

from __future__ import annotations

import argparse
import http.client
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

from pytest_httpserve import HTTPServe, Response
from pytest_httpserve.scripting.record.request import Request

TIMEOUT = 30.0


class Stress:
    """Threads that do one thing each until the time is over, what they have done, and what went wrong."""

    def __init__(self, seconds: float) -> None:
        self._expiry = time.monotonic() + seconds
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self._expiry and not self.wrong

    def add(self, name: str, turn: Callable[[], object]) -> None:
        """Do ``turn`` again and again in a thread of its own."""

        def work() -> None:
            count = 0
            try:
                while self.goes_on:
                    turn()
                    count += 1
            except Exception as error:
                self.complain(f"{name}, turn {count}: {type(error).__name__}: {error}")
            with self._lock:
                self.done[name] += count

        self._threads.append(threading.Thread(target=work, name=name))

    def complain(self, text: str) -> None:
        with self._lock:
            self.wrong.append(text)

    def run(self) -> None:
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join(TIMEOUT + max(self._expiry - time.monotonic(), 0.0))
            if thread.is_alive():
                self.complain(f"{thread.name} hangs")


class Client:
    """Asks over one kept connection; each answer repeats what was asked for, or is a 404."""

    def __init__(self, server: HTTPServe, number: int) -> None:
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=TIMEOUT)
        self._number = number
        self._asked = 0

    def ask(self) -> None:
        self._asked += 1
        mark = f"{self._number}-{self._asked}"
        if self._asked % 3:
            self._connection.request("GET", f"/changing/{mark}")
        else:
            self._connection.request("POST", "/echo", body=mark)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 404 and (answer.status, body) != (200, mark.encode()):
            raise AssertionError(f"{mark} was answered with {answer.status} {body[:200]!r}")

    def close(self) -> None:
        self._connection.close()


def _repeat(request: Request) -> Response:
    return Response(200, text=request.path.rpartition("/")[2])


def _echo(request: Request) -> Response:
    return Response(200, body=request.body)


def _change(server: HTTPServe) -> None:
    """Routes come and go; some stay until the next reset."""
    time.sleep(0.001)
    server.on("POST", "/echo").handle(_echo)
    route = server.on("GET", "/changing/{mark}").handle(_repeat)
    server.on("GET", "/changing/{mark}", priority=-1).handle(_repeat)
    route.remove()


def _reset(server: HTTPServe) -> None:
    time.sleep(0.001)
    server.reset()


def _look(server: HTTPServe) -> None:
    """What a test reads, while it is written."""
    time.sleep(0.001)
    for exchange in server.exchanges[-8:]:
        repr(exchange)
    for record in server.connections:
        repr(record)


def _start_and_stop() -> None:
    with HTTPServe() as server:
        server.on("POST", "/echo").handle(_echo)
        client = Client(server, 0)
        for _ in range(3):
            client._asked = 2  # so that it asks for the route that there is
            client.ask()
        # The connection is left open: the stop ends it.
        if len(server.exchanges) != 3:
            raise AssertionError(f"{len(server.exchanges)} exchanges of 3")
    client.close()


def changing_routes(seconds: float, clients: int) -> Stress:
    """``clients`` ask, while routes are added, removed and reset."""
    stress = Stress(seconds)
    with HTTPServe(ignore=["unanswered"]) as server:
        asking = [Client(server, number) for number in range(clients)]
        for client in asking:
            stress.add("a client", client.ask)
        for _ in range(2):
            stress.add("changing routes", lambda: _change(server))
        stress.add("resetting", lambda: _reset(server))
        stress.add("looking", lambda: _look(server))
        stress.run()
        for client in asking:
            client.close()
        for failure in server.take_failures():
            stress.complain(failure)
    return stress


def starts_and_stops(seconds: float, threads: int) -> Stress:
    """Servers of their own in each of so many threads."""
    stress = Stress(seconds)
    for _ in range(threads):
        stress.add("a start and a stop", _start_and_stop)
    stress.run()
    if not stress.wrong:
        left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        if left:
            stress.complain(f"these threads are left: {left}")
    return stress


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each of the two parts takes")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--threads", type=int, default=8, help="that start and stop servers")
    options = parser.parse_args()
    switched_off = not getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"Python {sys.version.split()[0]}, {'without' if switched_off else 'with'} the GIL", flush=True)
    wrong: list[str] = []
    for stress in (
        changing_routes(options.seconds, options.clients),
        starts_and_stops(options.seconds, options.threads),
    ):
        print(", ".join(f"{name}: {count:,}" for name, count in sorted(stress.done.items())), flush=True)
        wrong += stress.wrong
    for text in wrong[-20:]:
        print(f"WRONG: {text}", flush=True)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
