"""Faults: values that say what goes wrong with a connection or a response.

Every fault has a phase: the part of an exchange in which it happens. Acts happen at one byte of their phase; a pace
sets how fast bytes move; edits, in another module, change what is sent. The ``wire`` module carries them out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, Literal

from pytest_httpserve.arguments import check_above_zero, check_count, check_seconds
from pytest_httpserve.errors import UsageError

if TYPE_CHECKING:
    from random import Random

Phase = Literal[
    "accept", "tls_handshake", "connect",
    "request_head", "request_body", "response_head", "response_body", "response_end",
    "message", "close",
]  # fmt: skip

PHASES: tuple[Phase, ...] = (
    "accept", "tls_handshake", "connect",
    "request_head", "request_body", "response_head", "response_body", "response_end",
)  # fmt: skip
# Phases after a WebSocket handshake, for what the server sends.
WEBSOCKET_PHASES: tuple[Phase, ...] = ("message", "close")
# Phases before any request, and phases without bytes of an exchange: in ``connect``, a proxy opens a tunnel.
FIRST_PHASES = PHASES[:2]
CONNECTION_PHASES = PHASES[:3]
_REQUEST_PHASES = PHASES[:5]
_MOVING_PHASES = (*PHASES[3:7], "message")
# A stall ends after this many seconds by default.
STALL_SECONDS = 60.0
_PIECES_A_SECOND = 20


@dataclass(frozen=True, repr=False)
class Fault:
    """The base class of all faults. ``place`` is the phase in which it happens."""

    withholds_continue: ClassVar[bool] = False
    answers_early: ClassVar[bool] = False
    is_harmless: ClassVar[bool] = False  # nothing that is sent is wrong or missing

    @property
    def place(self) -> Phase:
        """The phase in which it happens."""
        return "response_head"

    @property
    def is_early(self) -> bool:
        """Whether it happens before the response."""
        return self.place in _REQUEST_PHASES

    def __repr__(self) -> str:
        given = [(field.name, getattr(self, field.name), field.default) for field in fields(self)]
        return (
            f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value, usual in given if value != usual)})"
        )

    @property
    def name(self) -> str:
        """A short name for test ids, such as ``reset-response_body-512``."""
        given = [getattr(self, field.name) for field in fields(self)]
        return "-".join([type(self).__name__.lower(), *(str(value) for value in given if value not in (None, 0, b""))])


# Acts


@dataclass(frozen=True, repr=False)
class Act(Fault):
    """Happens at one byte: after ``after`` bytes of ``phase`` or, if there are fewer, at the end of that phase.

    Without a phase, it happens in the response: after ``after`` bytes of its body or, without ``after``, before its
    first byte.
    """

    after: int | None = None
    phase: Phase | None = None

    def __post_init__(self) -> None:
        if self.after is not None:
            check_count(f"after= of {type(self).__name__}", self.after)
        if self.phase is not None and self.phase not in (*PHASES, *WEBSOCKET_PHASES):
            raise UsageError(f"a phase must be one of {', '.join((*PHASES, *WEBSOCKET_PHASES))}, not {self.phase!r}")
        if self.after and self.phase in (*CONNECTION_PHASES, "response_end"):
            raise UsageError(f"the phase {self.phase} has no bytes, so after={self.after} is wrong")

    @property
    def place(self) -> Phase:
        return self.phase or ("response_head" if self.after is None else "response_body")

    @property
    def byte(self) -> int:
        """The number of bytes of its phase before it."""
        return self.after or 0

    @property
    def name(self) -> str:
        return "-".join([type(self).__name__.lower(), self.place, *([str(self.after)] if self.after else [])])


@dataclass(frozen=True, repr=False)
class Reset(Act):
    """The connection is reset (RST). The client gets the bytes before it, and then sees a reset."""


@dataclass(frozen=True, repr=False)
class Close(Act):
    """The connection is closed in the normal way (FIN), as if the response were complete."""


@dataclass(frozen=True, repr=False)
class Stall(Act):
    """Silence: the server reads and sends nothing more.

    It ends when the server stops, when the client leaves, or after ``limit`` seconds; then the connection is closed.
    With ``until`` (a ``threading.Event``), the exchange goes on as soon as that is set.
    """

    until: threading.Event | None = None
    limit: float = STALL_SECONDS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.until is not None and not isinstance(self.until, threading.Event):
            raise UsageError(f"until= takes a threading.Event, not {self.until!r}; for a number of seconds use Delay")
        check_seconds("limit= of Stall", self.limit)


@dataclass(frozen=True, init=False, repr=False)
class Delay(Act):
    """A pause of ``seconds``: a number, a pair of bounds for a random number, or a function.

    A function is called with a ``random.Random``: ``lambda draw: draw.lognormvariate(-3, 1)``. The random numbers
    depend only on ``seed``, the index of the connection, and the index of the exchange on it.
    """

    seconds: float | tuple[float, float] | Callable[[Random], float] = 0.0
    seed: int = 0

    def __init__(
        self,
        seconds: float | tuple[float, float] | Callable[[Random], float],
        *,
        phase: Phase | None = None,
        after: int | None = None,
        seed: int = 0,
    ) -> None:
        for name, value in (("after", after), ("phase", phase), ("seconds", seconds), ("seed", seed)):
            object.__setattr__(self, name, value)
        super().__post_init__()
        check_count("seed=", seed, least=None)
        if isinstance(seconds, tuple):
            for one in seconds:
                check_seconds("seconds= of Delay", one)
            if len(seconds) != 2 or seconds[0] > seconds[1]:
                raise UsageError(f"a pair of seconds must be the least and the most, not {seconds!r}")
        elif not callable(seconds):
            check_seconds("seconds= of Delay", seconds)

    def draw(self, connection_index: int, exchange_index: int) -> float:
        """The seconds for this exchange. Raises UsageError if the function does not return a number of seconds."""
        if isinstance(self.seconds, int | float):
            return self.seconds
        from random import Random

        source = Random(f"{self.seed} {connection_index} {exchange_index}")
        if isinstance(self.seconds, tuple):
            return source.uniform(*self.seconds)
        return check_seconds("what the function of Delay returns", self.seconds(source))


# Pace, and omissions


@dataclass(frozen=True, repr=False)
class Slow(Fault):
    """Bytes move at ``rate`` bytes a second, in pieces of ``chunk`` bytes (default: twenty pieces a second).

    Without a rate, the server sends the pieces without pauses, each in a separate write: ``Slow(chunk=1,
    phase="response_head")``. In the phases ``request_head`` and ``request_body``, the server reads slowly.
    """

    rate: float | None = None
    chunk: int | None = None
    phase: Phase = "response_body"

    def __post_init__(self) -> None:
        if self.rate is None and self.chunk is None:
            raise UsageError("Slow() needs a rate (bytes a second), a chunk (bytes), or both")
        if self.rate is not None:
            check_above_zero("rate=", self.rate, "a number of bytes a second")
        if self.chunk is not None:
            check_count("chunk= of Slow", self.chunk, least=1)
        if self.phase not in _MOVING_PHASES:
            raise UsageError(f"bytes move in the phases {', '.join(_MOVING_PHASES)}, not in {self.phase!r}")

    @property
    def place(self) -> Phase:
        return self.phase

    @property
    def name(self) -> str:
        return f"slow-{self.phase}"

    @property
    def piece(self) -> int:
        """The size of a piece, in bytes."""
        return self.chunk or max(1, int((self.rate or 1) / _PIECES_A_SECOND))

    def pause(self, count: int) -> float:
        """Seconds to wait after ``count`` bytes."""
        return count / self.rate if self.rate is not None else 0.0


@dataclass(frozen=True, repr=False)
class Split(Fault):
    """The body of a response arrives byte by byte or, with ``lines``, that many lines at a time, beginning with
    ``first`` lines. Nothing is wrong with it. The server sends each piece only when the client has read the one before.
    If the body is in chunks, each piece is a chunk. Only the first ``upto`` bytes are cut into pieces.
    """

    is_harmless = True

    lines: int | None = None
    first: int | None = None
    upto: int = 4096

    def __post_init__(self) -> None:
        if self.lines is not None:
            check_count("lines= of Split", self.lines, least=1)
        if self.first is not None:
            check_count("first= of Split", self.first, least=1)
            if self.lines is None:
                raise UsageError("first= of Split works only together with lines=")
        check_count("upto= of Split", self.upto, least=1, what="a whole number of bytes")

    @property
    def place(self) -> Phase:
        return "response_body"

    @property
    def name(self) -> str:
        if self.lines is None:
            return "split-bytes"
        return f"split-{self.lines}-lines" + (f"-after-{self.first}" if self.first is not None else "")


@dataclass(frozen=True, repr=False)
class NoContinue(Fault):
    """The server sends no ``100 Continue`` to a client that waits for it before it sends the body."""

    withholds_continue = True

    @property
    def place(self) -> Phase:
        return "request_body"


@dataclass(frozen=True, repr=False)
class Refuse(Fault):
    """A proxy refuses to open the tunnel that a client asks for, and answers with ``status``."""

    status: int = 502

    def __post_init__(self) -> None:
        if check_count("status= of Refuse", self.status) not in range(400, 600):
            raise UsageError(f"a proxy refuses with a status from 400 to 599, not with {self.status}")

    @property
    def place(self) -> Phase:
        return "connect"


@dataclass(frozen=True, repr=False)
class EarlyAnswer(Fault):
    """The server answers without waiting for the request's body. Unless the body has come, it closes the connection."""

    answers_early = True

    @property
    def place(self) -> Phase:
        return "request_body"
