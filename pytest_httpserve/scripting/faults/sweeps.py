"""Sweeps: run a test once for each of many faults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pytest_httpserve.arguments import check_count, check_switch
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.faults.acts import (
    PHASES,
    WEBSOCKET_PHASES,
    Act,
    Close,
    Fault,
    Phase,
    Reset,
    Split,
    Stall,
)
from pytest_httpserve.scripting.faults.given import as_faults

Sweep = list[tuple[Fault, ...]]

# Cuts end after this many steps by default.
_STEPS = 8


def sweep(*what: Any, **options: Any) -> Sweep:  # wrong arguments are refused below
    """The runs that ``serve_faults`` asks for, each with its faults. Raises UsageError for a wrong argument.

    ``("every_phase", effects=(Reset, Close))``: each effect in each phase, except the TLS handshake, which not every
    server has, and ``connect``, which only proxies have: add that with ``connect=True``. ``websocket=True`` adds the
    first message and the close frame of a WebSocket connection, ``http2=True`` adds ResetStream and GoAway in each
    phase of a stream. ``("cut", every=512, upto=4096, effect=Close)``: cut the response's body off after 0, 512,
    1024, ... bytes. ``("splits", upto=4096)``: send the whole body in pieces of one byte, of two lines, and of two
    lines after a first piece of one. Anything else is a fault or a list; a list in that list is a run with several.
    """
    match what:
        case ("every_phase",):
            return _every_phase(**_known("every_phase", options, ("effects", "connect", "websocket", "http2")))
        case ("cut",):
            return _cuts(**_known("cut", options, ("every", "upto", "effect")))
        case ("splits",):
            return _splits(**_known("splits", options, ("upto",)))
        case (str() as name, *_):
            raise UsageError(f'a sweep must be "every_phase", "cut", "splits" or faults, not {name!r}')
        case (list() | tuple() as runs,):
            pass
        case runs:
            pass
    _known("a list of faults", options, ())
    if not runs:
        raise UsageError("a sweep needs at least one fault")
    return [as_faults(run) for run in runs]


def _every_phase(
    effects: Sequence[type[Act]] = (Reset, Close),
    connect: bool = False,
    websocket: bool = False,
    http2: bool = False,
) -> Sweep:
    effects = effects if isinstance(effects, Iterable) else (effects,)  # a single one needs no tuple
    left_out = ("tls_handshake",) if check_switch("connect=", connect) else ("tls_handshake", "connect")
    # In these phases, one byte goes first: before it, the fault would be the same as at the end of the phase before.
    later = ("response_body", *WEBSOCKET_PHASES)
    phases = [phase for phase in PHASES if phase not in left_out]
    if check_switch("websocket=", websocket):
        phases += WEBSOCKET_PHASES
    runs: list[tuple[Phase, type[Act]]] = [(phase, _check_effect(effect)) for phase in phases for effect in effects]
    if check_switch("http2=", http2):
        from pytest_httpserve.scripting.faults.http2 import GoAway, ResetStream

        runs += [(phase, effect) for phase in PHASES[3:] for effect in (ResetStream, GoAway)]
    return [(effect(after=1 if phase in later else None, phase=phase),) for phase, effect in runs]


def _cuts(every: int = 512, upto: int | None = None, effect: type[Act] = Close) -> Sweep:
    for name, value in (("every", every), ("upto", upto)):
        if value is not None:
            check_count(f"{name}=", value, least=1, what="a whole number of bytes")
    most = every * _STEPS if upto is None else upto
    return [(_check_effect(effect)(after=after, phase="response_body"),) for after in range(0, most + 1, every)]


def _splits(upto: int = Split.upto) -> Sweep:
    return [(Split(upto=upto),), (Split(2, upto=upto),), (Split(2, first=1, upto=upto),)]


def _check_effect(effect: type[Act]) -> type[Act]:
    if effect not in (Reset, Close, Stall):
        raise UsageError(f"an effect must be Reset, Close or Stall, not {effect!r}")
    return effect


def _known(what: str, options: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    for name in options:
        if name not in names:
            takes = f"takes {', '.join(f'{known}=' for known in names)}" if names else "takes nothing more"
            raise UsageError(f"{what} {takes}, not {name}=")
    return options


def connections_of(faults: tuple[Fault, ...]) -> dict[str, int]:
    """The arguments of ``fault()`` that say which connections get the faults of a run: all, if the faults are harmless,
    else the first."""
    return {"every": 1} if all(fault.is_harmless for fault in faults) else {}


def run_name(faults: tuple[Fault, ...]) -> str:
    """The name of a run in the id of its test."""
    return "+".join(fault.name for fault in faults)
