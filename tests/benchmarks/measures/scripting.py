"""What a script costs: a JSON answer under load, choosing among many routes, and the journal's time and memory.

The JSON answer is asked for by ``wrk`` over 8 keep-alive connections, as in ``load``. Choosing a route is timed by
itself, in multiples of what it takes with one route; paths of templates differ each time, so that none is remembered.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator, Sequence

from pytest_httpserver import HTTPServer

from pytest_httpserve import Exchange, HTTPServe, Request, Route, match
from pytest_httpserve.scripting.journal import Answer, Journal, Transcript
from pytest_httpserve.scripting.routes import Routes
from pytest_httpserve.wire.headers import Headers

from ..client import connect
from ..peers import FIXTURE, Peer, Running
from ..plan import Figure, Plan, interleave, repeat_for
from ..serving import serve
from .load import Shape, read, wrk
from .memory import memory

USER = {"id": 7, "name": "Ada Lovelace", "roles": ["admin", "author"]}
HEAD = b"GET /users/7 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: python-requests/2.32\r\nAccept: */*\r\n\r\n"
EXCHANGES = 10_000
_TURNS = 2000


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    starts: dict[str, Callable[[], Running]] = {FIXTURE: ours, "pytest-httpserver": theirs}
    shape = Shape("scripting.json", "scripted JSON, 8 keep-alive connections", 8)

    def load(peer: Peer) -> list[float]:
        with serve(starts[peer.name]) as server:
            return read(wrk(f"{server.url}users/7", shape, plan.seconds), f"{shape.key}: {peer.name}", plan)[:1]

    figures = interleave(
        [Figure(shape.key, shape.title, "req/s", "higher")], [peer for peer in peers if peer.name in starts], plan, load
    )
    fixture = [peer for peer in peers if peer.name == FIXTURE]
    choice = [
        Figure("scripting.exact", "1,000 exact routes, of one", "times"),
        Figure("scripting.templates", "1,000 templates, of one", "times"),
    ]
    figures += interleave(choice, fixture, plan, lambda _: [times(exact, plan), times(template, plan)])
    journal = Figure("scripting.journal", "journal, per exchange", "µs")
    figures += interleave([journal], fixture, plan, lambda _: [min(repeat_for(plan.seconds / 4, journalling))])
    kept = Figure("scripting.memory", "growth with 10,000 exchanges", "MiB")
    return figures + interleave([kept], fixture, plan, lambda _: [growth()])


def ours() -> HTTPServe:
    """A server of ours with one scripted route."""
    server = HTTPServe().start()
    server.on("GET", "/users/7").respond(json=USER)
    return server


def theirs() -> HTTPServer:
    """The same by pytest-httpserver."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = HTTPServer(host="127.0.0.1", port=0)
    server.expect_request("/users/7", method="GET").respond_with_json(USER)
    server.start()
    return server


def exact(number: int) -> tuple[str, Iterator[str]]:
    """The path of a route, and the paths that it takes."""
    return f"/items/{number}", itertools.repeat(f"/items/{number}")


def template(number: int) -> tuple[str, Iterator[str]]:
    """The template of a route, and paths that it takes, all different."""
    return f"/kind{number}/{{id:int}}", (f"/kind{number}/{count}" for count in itertools.count())


def times(kind: Callable[[int], tuple[str, Iterator[str]]], plan: Plan) -> float:
    """How many times longer it takes to choose among 1,000 routes than among one."""
    one, many = ([kind(number) for number in range(count)] for count in (1, 1000))
    return min(repeat_for(plan.seconds / 8, lambda: choosing(many))) / min(
        repeat_for(plan.seconds / 8, lambda: choosing(one))
    )


def choosing(kinds: Sequence[tuple[str, Iterator[str]]]) -> float:
    """Seconds for a number of requests, each to another of the routes."""
    routes = Routes()
    for path, _ in kinds:
        Route(match("GET", path), "here:1").join(routes)
    targets = (next(paths) for _, paths in itertools.islice(itertools.cycle(kinds), _TURNS))
    requests = [Request("GET", target, Headers(), (1, 1), ("127.0.0.1", 1)) for target in targets]
    for request in requests[:1000]:
        routes.find(request)
    begun = time.perf_counter()
    for request in requests[1000:]:
        routes.find(request)
    return time.perf_counter() - begun


def journalling() -> float:
    """Microseconds that an exchange spends in the journal: its bytes, its record, its end."""
    journal = Journal()
    request = Request("GET", "/users/7", Headers(), (1, 1), ("127.0.0.1", 1))
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 66\r\n\r\n"
    begun = time.perf_counter()
    for _ in range(_TURNS):
        raw = Transcript()
        raw.received(HEAD)
        exchange = Exchange(request, raw)
        journal.record(exchange)
        exchange.response = Answer(200, answer)
        raw.sent(answer)
        journal.finish(exchange)
    return 1e6 * (time.perf_counter() - begun) / _TURNS


def growth() -> float:
    """MiB that a server's process takes more after so many exchanges."""
    with serve(ours) as server:
        connection = connect(server)

        def ask(count: int) -> None:
            for _ in range(count):
                connection.request("GET", "/users/7")
                connection.getresponse().read()

        ask(100)
        before = memory(server.pid, "VmRSS")
        ask(EXCHANGES)
        grown = memory(server.pid, "VmRSS") - before
        connection.close()
        return grown
