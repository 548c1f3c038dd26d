"""Send frames over a WebSocket connection, with or without faults."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

from pytest_httpserve import clock
from pytest_httpserve.net.duplex import Duplex, Make
from pytest_httpserve.net.turn import nothing
from pytest_httpserve.scripting.faults.acts import Act, Close, Delay, Fault, Reset, Slow, Stall
from pytest_httpserve.scripting.faults.frames import FrameEdit, NoPong
from pytest_httpserve.scripting.live.waiting import GLANCE_SECONDS

if TYPE_CHECKING:
    from pytest_httpserve.net.duplex import Run

Sort = Literal["message", "control", "close"]
Note = Callable[[Fault, str], object]
_SECONDS = 10.0


class Ending(Protocol):
    """A connection that a fault can end: a Link."""

    @property
    def is_over(self) -> bool:
        """Whether nothing can be sent any more."""

    def wait(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for the end. Returns whether it is over."""

    def reset(self, said: str) -> None:
        """Reset it."""

    def cut(self, said: str) -> None:
        """Close it with a FIN, without a close frame."""


class Outgoing:
    """Sends frames unchanged."""

    def __init__(self, duplex: Duplex, run: Run) -> None:
        self._duplex = duplex
        self._run = run

    def message(self, data: str | bytes, encode: Callable[[str | bytes], bytes]) -> bytes:
        """The bytes of a message, or of its last fragment."""
        return encode(data)

    def answers_ping(self) -> bool:
        """Whether to answer a ping, if the connection answers pings."""
        return True

    def send(self, sort: Sort, make: Make) -> None:
        """Send a frame, and wait until it is sent. Raises OSError."""
        self._duplex.send(make, _SECONDS)

    def send_soon(self, sort: Sort, make: Make, then: Callable[[], object] = nothing) -> None:
        """Send a frame without waiting. ``then`` is called when it is on its way."""
        self._duplex.send_soon(make, _SECONDS, self._run)
        then()


class FaultyOutgoing(Outgoing):
    """Sends frames with faults in the phases ``message`` and ``close``. ``note`` is called with each that happens."""

    def __init__(
        self, duplex: Duplex, run: Run, faults: tuple[Fault, ...], link: Ending, note: Note, indices: tuple[int, int]
    ) -> None:
        super().__init__(duplex, run)
        self._link = link
        self._note = note
        self._indices = indices
        self._order = threading.Lock()  # held while sending, including pauses
        acts = [fault for fault in faults if isinstance(fault, Act)]
        self._acts = {
            sort: sorted((act for act in acts if act.place == sort), key=lambda act: act.byte)
            for sort in ("message", "close")
        }
        self._moved = {"message": 0, "close": 0}
        self._edits = [fault for fault in faults if isinstance(fault, FrameEdit)]
        self._paces = [fault for fault in faults if isinstance(fault, Slow)]
        self._silent = next((fault for fault in faults if isinstance(fault, NoPong)), None)
        self._noted: set[int] = set()

    def message(self, data: str | bytes, encode: Callable[[str | bytes], bytes]) -> bytes:
        if not self._edits:
            return encode(data)
        edit = self._edits.pop(0)
        self._tell(edit, "in place of a message")
        return edit.frames(data)

    def answers_ping(self) -> bool:
        if self._silent is not None:
            self._tell(self._silent, "")
        return self._silent is None

    def send(self, sort: Sort, make: Make) -> None:
        with self._order:
            if not self._link.is_over:
                self._send(sort, make)

    def send_soon(self, sort: Sort, make: Make, then: Callable[[], object] = nothing) -> None:
        if sort == "control":
            super().send_soon(sort, make, then)
        else:  # it may have to wait
            self._run(lambda: self._send_later(sort, make, then))

    def _send_later(self, sort: Sort, make: Make, then: Callable[[], object]) -> None:
        with contextlib.suppress(OSError):  # receivers will see the end
            self.send(sort, make)
        then()

    def _send(self, sort: Sort, make: Make) -> None:
        if sort == "control":
            super().send(sort, make)
            return
        data = make()
        if sort == "close":  # no message follows
            self._strike("message", None)
        while not self._link.is_over and (act := self._next(sort, self._moved[sort] + len(data))) is not None:
            room = max(act.byte - self._moved[sort], 0)
            self._pass(sort, data[:room])
            data = data[room:]
            self._acts[sort].remove(act)
            self._do(act)
        if not self._link.is_over:
            self._pass(sort, data)
            if sort == "close":
                self._strike("close", None)

    def _strike(self, sort: Sort, upto: int | None) -> None:
        """Carry out the acts whose place is past."""
        while not self._link.is_over and (act := self._next(sort, upto)) is not None:
            self._acts[sort].remove(act)
            self._do(act)

    def _next(self, sort: Sort, upto: int | None) -> Act | None:
        acts = self._acts[sort]
        return acts[0] if acts and (upto is None or acts[0].byte <= upto) else None

    def _pass(self, sort: Sort, data: bytes) -> None:
        slow = next((one for one in self._paces if one.place == sort), None)
        size = slow.piece if slow is not None else len(data)
        for start in range(0, len(data), max(size, 1)):
            piece = data[start : start + size]
            self._duplex.send(lambda piece=piece: piece, _SECONDS)  # type: ignore[misc]  # mypy sees no default here
            self._moved[sort] += len(piece)
            if slow is not None:
                self._tell(slow, f"{sort}, {slow.piece} bytes at a time")
                if self._link.wait(slow.pause(len(piece))):
                    return

    def _do(self, act: Act) -> None:
        where = f"{act.place}, after {self._moved[act.place]} bytes"
        self._tell(act, where)
        match act:
            case Delay():
                self._link.wait(act.draw(*self._indices))
            case Stall():
                if not self._went_on(act):
                    self._link.cut("a fault has stalled the connection, until its limit was reached")
            case Reset():
                self._link.reset("a fault has reset the connection")
            case Close():
                self._link.cut("a fault has closed the connection")

    def _went_on(self, stall: Stall) -> bool:
        expiry = clock.monotonic() + stall.limit
        while (left := expiry - clock.monotonic()) > 0:
            if stall.until is not None and stall.until.is_set():
                return True
            if self._link.wait(left if stall.until is None else min(left, GLANCE_SECONDS)):
                break
        return False

    def _tell(self, fault: Fault, where: str) -> None:
        if id(fault) not in self._noted:
            self._noted.add(id(fault))
            self._note(fault, where)
