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
    "NoContinue",
    "NoLastChunk",
    "Phase",
    "Refuse",
    "Reset",
    "Slow",
    "Stall",
    "Truncate",
    "WrongChunkSize",
    "WrongLength",
]
