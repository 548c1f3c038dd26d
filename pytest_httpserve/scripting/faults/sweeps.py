"""Sweeps: the faults that a test is run with, one run for each."""

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

# Where cuts end if nobody says so, in steps.
_STEPS = 8


def sweep(*what: Any, **options: Any) -> Sweep:  # what is wrong is refused below
    """The runs that ``serve_faults`` asks for, each with its faults. Raises UsageError for a wrong argument.

    ``("every_phase", effects=(Reset, Close))``: each effect in each phase but the TLS handshake, which not every server
    has, and ``connect``, which only a proxy has: with ``connect=True``; with ``websocket=True``, in the first message
    and in the close frame of a WebSocket connection, too; with ``http2=True``, ResetStream and GoAway in each phase of
    a stream, too. ``("cut", every=512, upto=4096, effect=Close)``: the response's body cut off after so many bytes,
    and so many more. ``("splits", upto=4096)``: the body, whole, in pieces of a byte, and of two lines, from the first
    and from the second on. Otherwise faults, or a list of faults; a list within it is a run with several.
    """
    match what:
        case ("every_phase",):
            return _every_phase(**_known("every_phase", options, ("effects", "connect", "websocket", "http2")))
        case ("cut",):
            return _cuts(**_known("cut", options, ("every", "upto", "effect")))
        case ("splits",):
            return _splits(**_known("splits", options, ("upto",)))
        case (str() as name, *_):
            raise UsageError(f'a sweep is "every_phase", "cut", "splits" or faults, not {name!r}')
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
    effects = effects if isinstance(effects, Iterable) else (effects,)  # one is enough
    left_out = ("tls_handshake",) if check_switch("connect=", connect) else ("tls_handshake", "connect")
    # In these it is one byte in: before the first, it would be the same as after what came before.
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
        raise UsageError(f"an effect is Reset, Close or Stall, not {effect!r}")
    return effect


def _known(what: str, options: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    for name in options:
        if name not in names:
            takes = f"takes {', '.join(f'{known}=' for known in names)}" if names else "takes nothing more"
            raise UsageError(f"{what} {takes}, not {name}=")
    return options


def connections_of(faults: tuple[Fault, ...]) -> dict[str, int]:
    """Which connections of a test the faults of a run are for, as ``fault`` takes it: the first or, if no client is to
    mind, all of them."""
    return {"every": 1} if all(fault.is_harmless for fault in faults) else {}


def run_name(faults: tuple[Fault, ...]) -> str:
    """What a run is called in the id of its test."""
    return "+".join(fault.name for fault in faults)
