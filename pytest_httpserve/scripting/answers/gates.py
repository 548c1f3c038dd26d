"""Gates: requests wait on the server until the test lets them go, in any order it likes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final

from pytest_httpserve.arguments import check_seconds
from pytest_httpserve.errors import HTTPServeError, UsageError
from pytest_httpserve.scripting.live.awaiting import awaited
from pytest_httpserve.scripting.live.waiting import wait
from pytest_httpserve.scripting.record.lines import exchange_lines, request_line
from pytest_httpserve.scripting.record.readable import readable

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.faults.given import FaultArgument
    from pytest_httpserve.scripting.record.exchange import Exchange
    from pytest_httpserve.scripting.record.request import Request

# Where a gate can be: before the response's head, after it, and before the last byte or chunk of the body.
PHASES = ("response_head", "response_body", "response_end")

HOLD_SECONDS = 30.0


class GateTimeout(HTTPServeError):
    """A request was held at a gate, and nobody released it."""


class HeldRequest:
    """A request that has arrived at a gate."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.waits: bool = True
        self.faults: tuple[Fault, ...] = ()  # that happen to it when it goes on
        self._go = threading.Event()

    @property
    def request(self) -> Request:
        """The request that is held."""
        return self.exchange.request

    def release(self) -> None:
        """Let it go on."""
        self.waits = False
        self._go.set()

    def fail(self, fault: FaultArgument | None = None) -> None:
        """Let one or more faults happen to it (default: a reset). Raises UsageError if ``fault`` is something else."""
        self.faults = _faults_of(fault)
        self.release()

    def wait(self, connection: Connection, seconds: float) -> bool:
        """Wait to be let go, in the thread that serves the connection. False after ``seconds``.

        Raises Interrupted when the server stops.
        """
        in_time = wait(connection, self._go, seconds)
        self.waits = False
        return in_time

    def __repr__(self) -> str:
        return f"<HeldRequest {self.request}{'' if self.waits else ', let go'}>"


class Gate:
    """A place where the requests of a route wait in one phase, until the test releases them.

    As a context manager, the gate opens when the block ends. Stopping the server ends every wait at once.
    """

    def __init__(self, route: str, phase: str, timeout: float) -> None:
        if phase not in PHASES:
            raise UsageError(f"phase= must be one of {', '.join(PHASES)}, not {phase!r}")
        self.phase = phase
        self.timeout = timeout
        self._route = route
        self._changed = threading.Condition()
        self._arrived: list[HeldRequest] = []
        self._given = 0  # how many arrived() has returned
        self._open = False

    # In the test's thread

    @property
    def aio(self) -> GateWaits:
        """The waiting methods for coroutines: ``await gate.aio.arrived()`` does not block the event loop."""
        return GateWaits(self)

    @property
    def held(self) -> tuple[HeldRequest, ...]:
        """The requests that are waiting, in the order in which they arrived."""
        return tuple(one for one in self._arrived if one.waits)

    def arrived(self, timeout: float = 5.0) -> HeldRequest:
        """The next request that arrives at the gate. Waits for it up to ``timeout`` seconds.

        Raises AssertionError if none arrives in time.
        """
        __tracebackhide__ = True
        with self._changed:
            if self._changed.wait_for(lambda: len(self._arrived) > self._given, check_seconds("timeout=", timeout)):
                self._given += 1
                return self._arrived[self._given - 1]
            came = exchange_lines([one.exchange for one in self._arrived])
        before = "; these arrived before:" if came else ""
        title = f"no further request arrived at {self} within {timeout} s{before}"
        raise AssertionError(readable([title, *(f"  {line}" for line in came)]))

    def release(self) -> None:
        """Open the gate: all waiting requests continue, and later ones are not held."""
        self._let_go(HeldRequest.release)

    def fail(self, fault: FaultArgument | None = None) -> None:
        """Open the gate, and let one or more faults happen to all waiting requests (default: a reset)."""
        _faults_of(fault)
        self._let_go(lambda one: one.fail(fault))

    def _let_go(self, how: Callable[[HeldRequest], None]) -> None:
        with self._changed:
            self._open = True
        for one in self.held:
            how(one)

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    # In a connection's thread

    def hold(self, exchange: Exchange, connection: Connection) -> tuple[Fault, ...]:
        """Wait here. Returns the faults that happen to the request then.

        Raises GateTimeout if nobody releases the request, Interrupted if the server stops.
        """
        with self._changed:
            if self._open:
                return ()
            exchange.shown = True
            one = HeldRequest(exchange)
            self._arrived.append(one)
            self._changed.notify_all()
        if not one.wait(connection, self.timeout):
            raise GateTimeout(
                f"{request_line(one.request)} was held at {self} for {self.timeout} s, and nobody released it"
            )
        return one.faults

    def __str__(self) -> str:
        return f"the gate ({self.phase}) of {self._route}"


class GateWaits:
    """The waiting methods of a gate, to be awaited under asyncio, trio or anyio; see ``ServerWaits``."""

    def __init__(self, gate: Gate) -> None:
        self.arrived: Final = awaited(gate.arrived)


def _faults_of(fault: FaultArgument | None) -> tuple[Fault, ...]:
    from pytest_httpserve.scripting.faults.acts import Reset
    from pytest_httpserve.scripting.faults.given import as_faults

    return as_faults(Reset() if fault is None else fault)
