"""What goes wrong on purpose: ``from pytest_httpserve.faults import Reset``."""

from __future__ import annotations

from pytest_httpserve.scripting.faults.acts import (
    Close,
    Delay,
    EarlyAnswer,
    Fault,
    NoContinue,
    Phase,
    Refuse,
    Reset,
    Slow,
    Stall,
)
from pytest_httpserve.scripting.faults.edits import (
    BrokenKeepAlive,
    CloseAfter,
    Duplicate,
    Extend,
    Garbage,
    NoLastChunk,
    Truncate,
    WrongChunkSize,
    WrongLength,
)
from pytest_httpserve.scripting.faults.frames import (
    LongControlFrame,
    MaskedFrame,
    MixedFragments,
    NoPong,
    NoUpgrade,
    ReservedBits,
    Unoffered,
    WrongAccept,
    WrongText,
)

__all__ = [
    "BrokenKeepAlive",
    "Close",
    "CloseAfter",
    "Delay",
    "Duplicate",
    "EarlyAnswer",
    "Extend",
    "Fault",
    "Garbage",
    "LongControlFrame",
    "MaskedFrame",
    "MixedFragments",
    "NoContinue",
    "NoLastChunk",
    "NoPong",
    "NoUpgrade",
    "Phase",
    "Refuse",
    "ReservedBits",
    "Reset",
    "Slow",
    "Stall",
    "Truncate",
    "Unoffered",
    "WrongAccept",
    "WrongChunkSize",
    "WrongLength",
    "WrongText",
]
