"""What a script costs: answers under load, choosing among many routes, and the journal's time and memory.

The answers are asked for by ``wrk`` over 8 keep-alive connections, as in ``load``: JSON from one route and from one
among 1,000, the same with a journal that keeps nothing, a scripted handler, a WSGI application. Choosing a route is
timed by itself, in multiples of what it takes with one route; paths of templates differ each time, so that none is
remembered.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence

from pytest_httpserve import Exchange, HTTPServe, Request, Route, match
from pytest_httpserve.scripting.record.journal import Journal
from pytest_httpserve.scripting.record.sent import SentResponse
from pytest_httpserve.scripting.record.transcript import Transcript
from pytest_httpserve.scripting.routing.routes import Routes
from pytest_httpserve.scripting.script import Script
from pytest_httpserve.wire.headers import Headers

from ..client import connect
from ..peers import FIXTURE, USER, Kind, Peer, offering
from ..peers.fixture import routes
from ..plan import Figure, Plan, interleave, repeat_for
from ..serving import serve
from .load import Shape, check, rate
from .memory import memory

HEAD = b"GET /users/7 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: python-requests/2.32\r\nAccept: */*\r\n\r\n"
EXCHANGES = 10_000
_TURNS = 2000

ANSWERS: tuple[tuple[str, str, Kind, str, str], ...] = (
    ("scripting.json", "scripted JSON, one route", "routes", "1", "users/7"),
    ("scripting.json.1000", "scripted JSON, 1,000 routes", "routes", "1000", "users/7"),
    ("scripting.handler", "a scripted handler", "handler", "0", ""),
)
APPLICATION = ("scripting.application", "a WSGI application")


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    check()
    fixture = [peer for peer in peers if peer.name == FIXTURE]
    figures: list[Figure] = []
    for key, title, kind, argument, path in ANSWERS:
        if plan.short and key != "scripting.json":
            continue
        figures += answers(key, title, offering(peers, kind), plan, kind, argument, path=path)
    if not plan.short:
        figures += answers(*APPLICATION, offering(peers, "application"), plan, "application")
        unjournaled = [Peer(FIXTURE, {"routes": without_journal})] if fixture else []
        title = "scripted JSON, the journal off"
        figures += answers("scripting.unjournaled", title, unjournaled, plan, "routes", path="users/7")
        figures += parts(fixture, plan)
    return figures


def parts(fixture: Sequence[Peer], plan: Plan) -> list[Figure]:
    """Choosing a route, and the journal."""
    choice = [
        Figure("scripting.exact", "1,000 exact routes, of one", "times"),
        Figure("scripting.templates", "1,000 templates, of one", "times"),
    ]
    figures = interleave(choice, fixture, plan, lambda _: [times(exact, plan), times(template, plan)])
    journal = Figure("scripting.journal", "journal, per exchange", "µs")
    figures += interleave([journal], fixture, plan, lambda _: [min(repeat_for(plan.seconds / 4, journalling))])
    kept = Figure("scripting.memory", "growth with 10,000 exchanges", "MiB")
    return figures + interleave([kept], fixture, plan, lambda _: [growth()])


def answers(
    key: str, title: str, takers: Sequence[Peer], plan: Plan, kind: Kind, *arguments: str, path: str = ""
) -> list[Figure]:
    """Answers per second of servers that were started for this."""
    shape = Shape(key, title, 8)
    return interleave(
        [Figure(key, title, "req/s", "higher")],
        takers,
        plan,
        lambda peer: [rate(peer, kind, *arguments, path=path, shape=shape, plan=plan)],
    )


class Unkept(Journal):
    """A journal that keeps nothing. No user can have it: it shows what the keeping costs."""

    def record(self, exchange: Exchange) -> None:
        """Nothing is kept."""

    def finish(self, exchange: Exchange) -> None:
        """Nothing is counted."""


def without_journal() -> HTTPServe:
    server = HTTPServe()
    server._script = Script(journal=Unkept())
    server.on("GET", "/users/7").respond(json=USER)
    return server.start()


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
        exchange.answer(SentResponse(200, answer))
        raw.sent(answer)
        journal.finish(exchange)
    return 1e6 * (time.perf_counter() - begun) / _TURNS


def growth() -> float:
    """MiB that a server's process takes more after so many exchanges."""
    with serve(routes, "1") as server:
        connection = connect(server)

        def ask(count: int) -> None:
            for _ in range(count):
                connection.request("GET", "/users/7")
                connection.getresponse().read()

        ask(100)
        before = memory(server, "VmRSS")
        ask(EXCHANGES)
        grown = memory(server, "VmRSS") - before
        connection.close()
        return grown
