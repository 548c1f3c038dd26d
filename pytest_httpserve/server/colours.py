"""Colours in a log: whether a stream takes them, and which part of a line has which."""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO

RED, GREEN, YELLOW, CYAN, GREY, BRIGHT_CYAN = 31, 32, 33, 36, 90, 96
BY_STATUS_CLASS = {2: GREEN, 3: BRIGHT_CYAN, 4: YELLOW, 5: RED}

# What log_request hands to log_message.
REQUEST = '"%s" %s %s'
_REQUEST_MESSAGE = re.compile(r'(".*") (\S+) (\S+)')
_REQUEST_LINE = re.compile(r'("\S+) (\S+) (\S+")')


class ErrorFormat(str):
    """A format that log_error has handed to log_message: so an override of either sees a string like any other."""

    __slots__ = ()


def takes_colours(stream: TextIO | None) -> bool:
    """Whether a stream is to have colours: as its user wants it, or else as it can.

    PYTHON_COLORS says so for Python alone, NO_COLOR (https://no-color.org) and FORCE_COLOR for every program.
    """
    environment = os.environ
    isatty = getattr(stream, "isatty", None)  # None where it was closed; what takes its place may only have write
    terminal = isatty is not None and isatty()
    if not (terminal or "FORCE_COLOR" in environment or "PYTHON_COLORS" in environment):
        return False  # the rest takes as long as a line of the log
    said = None if sys.flags.ignore_environment else environment.get("PYTHON_COLORS")
    if said in ("0", "1"):
        return said == "1"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return terminal and environment.get("TERM") != "dumb"


def paint(text: str, colour: int | None) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if colour is not None else text


def painted(message: str, format: str) -> str:
    """A message of the log, which was made by this format, in its colours."""
    if isinstance(format, ErrorFormat):
        return paint(message, YELLOW)
    if format != REQUEST or (found := _REQUEST_MESSAGE.fullmatch(message)) is None:
        return message
    line, status, size = found.groups()
    if words := _REQUEST_LINE.fullmatch(line):
        line = f"{words[1]} {paint(words[2], CYAN)} {words[3]}"
    colour = BY_STATUS_CLASS.get(int(status) // 100) if status.isdecimal() else None
    return f"{line} {paint(status, colour)} {paint(size, GREY)}"
