"""Faults as a test gives them: with ``fault=``, ``delay=`` and ``throttle=``."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_httpserve.arguments import is_number
from pytest_httpserve.elsewhere import FAULT, called_here
from pytest_httpserve.errors import UsageError

# Imported with the first fault, so that the threads of a server need not import it; see Route.handle().
from pytest_httpserve.scripting.faults import wire as wire
from pytest_httpserve.scripting.faults.acts import Act, Delay, Fault, Slow

FaultArgument = Fault | Iterable[Fault]
DelayArgument = float | tuple[float, float] | Delay
ThrottleArgument = float | Slow


def _meant_by(given: object) -> str:
    """A hint for a fault that was given as a word or as its class."""
    if isinstance(given, str):
        return called_here(given, FAULT)
    return f"; write {given.__name__}()" if isinstance(given, type) and issubclass(given, Fault) else ""


def as_faults(
    fault: FaultArgument | None, delay: DelayArgument | None = None, throttle: ThrottleArgument | None = None
) -> tuple[Fault, ...]:
    """The faults that ``fault=``, ``delay=`` and ``throttle=`` stand for. Raises UsageError for anything else."""
    faults: tuple[Fault, ...] = ()
    if isinstance(fault, Iterable) and not isinstance(fault, str | bytes):
        faults = tuple(fault)
    elif fault is not None:
        faults = (fault,)
    for one in faults:
        if not isinstance(one, Fault) or type(one) in (Fault, Act):
            raise UsageError(f"fault= takes a fault, as in Reset(after=10), or several, not {one!r}{_meant_by(one)}")
    if delay is not None:
        faults += (delay if isinstance(delay, Delay) else Delay(delay),)
    if throttle is not None:
        if not isinstance(throttle, Slow) and not is_number(throttle):
            raise UsageError(f"throttle= takes a number of bytes a second, or Slow(...), not {throttle!r}")
        faults += (throttle if isinstance(throttle, Slow) else Slow(throttle),)
    return faults
