"""Gates: requests that wait on the server until the test lets them go, in an order of its choice."""

from __future__ import annotations

import math
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from pytest_httpserve.errors import HTTPServeError, UsageError
from pytest_httpserve.scripting.waiting import Interrupted, wait

if TYPE_CHECKING:
    from pytest_httpserve.scripting.journal import Exchange
    from pytest_httpserve.scripting.request import Request
    from pytest_httpserve.server.connection import Connection

# Where a gate can stand: before the response's head, behind it, and before the last byte or chunk of the body.
PHASES = ("response_head", "response_body", "response_end")

HOLD_SECONDS = 30.0


class GateTimeout(HTTPServeError):
    """A request was held at a gate, and nobody let it go."""


class Held:
    """A request that has arrived at a gate."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.waits = True
        self._fails = False
        self._go = threading.Event()

    @property
    def request(self) -> Request:
        """What is held."""
        return self.exchange.request

    def release(self) -> None:
        """Let it go on."""
        self.waits = False
        self._go.set()

    def fail(self) -> None:
        """Reset its connection."""
        self.waits, self._fails = False, True
        self._go.set()

    def wait(self, connection: Connection, seconds: float) -> bool:
        """Wait to be let go, in the thread that serves the connection; False after ``seconds``.

        Raises Interrupted when the server stops, or when the connection is not to go on.
        """
        in_time = wait(connection, self._go, seconds)
        self.waits = False
        if self._fails:
            connection.end("server", "RST")
            self.exchange.error = "it was made to fail at a gate"  # before the client can know
            error = connection.failed(Interrupted(self.exchange.error))
            connection.reset()
            raise error
        return in_time

    def __repr__(self) -> str:
        return f"<Held {self.request}{'' if self.waits else ', let go'}>"


class Gate:
    """Where the requests of a route wait, in the phase that was named, until they are let go.

    As a context manager it opens where the block ends. A stop of the server ends every wait at once.
    """

    def __init__(self, route: str, phase: str, timeout: float) -> None:
        if phase not in PHASES:
            raise UsageError(f"phase= is one of {', '.join(PHASES)}, not {phase!r}")
        self.phase = phase
        self.timeout = timeout
        self._route = route
        self._changed = threading.Condition()
        self._arrived: list[Held] = []
        self._given = 0  # those that arrived() has returned
        self._open = False

    # In the test's thread

    @property
    def held(self) -> tuple[Held, ...]:
        """The requests that wait now, in the order in which they arrived."""
        return tuple(one for one in self._arrived if one.waits)

    def arrived(self, timeout: float = 5.0) -> Held:
        """The first request at the gate that this has not returned before; waits for it ``timeout`` seconds.

        Raises AssertionError if there is none in time.
        """
        __tracebackhide__ = True
        with self._changed:
            if self._changed.wait_for(lambda: len(self._arrived) > self._given, check_seconds("timeout", timeout)):
                self._given += 1
                return self._arrived[self._given - 1]
            came = "".join(f"\n  {one.request}" for one in self._arrived)
        before = f"; before that arrived:{came}" if came else ""
        raise AssertionError(f"no further request arrived at {self} within {timeout} s{before}")

    def release(self) -> None:
        """Open the gate: all that wait go on, and those that come later are not held."""
        self._let_go(fails=False)

    def fail(self) -> None:
        """Reset the connections of all that wait, and open the gate."""
        self._let_go(fails=True)

    def _let_go(self, *, fails: bool) -> None:
        with self._changed:
            self._open = True
        for one in self.held:
            if fails:
                one.fail()
            else:
                one.release()

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    # In the thread of a connection

    def hold(self, exchange: Exchange, connection: Connection) -> None:
        """Wait here. Raises GateTimeout if nobody lets the request go, Interrupted if it must not go on."""
        with self._changed:
            if self._open:
                return
            one = Held(exchange)
            self._arrived.append(one)
            self._changed.notify_all()
        if not one.wait(connection, self.timeout):
            raise GateTimeout(f"{one.request} was held at {self} for {self.timeout} s, and nobody let it go")

    def __str__(self) -> str:
        return f"the gate ({self.phase}) of {self._route}"


def check_seconds(name: str, seconds: float) -> float:
    """A number of seconds. Raises UsageError for what is none."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise UsageError(f"{name}= is a number of seconds, not {seconds!r}")
    return seconds
