"""Colours in a log: whether a stream supports them, and the colour of each part of a line."""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO

RED, GREEN, YELLOW, CYAN, GREY, BRIGHT_CYAN = 31, 32, 33, 36, 90, 96
BY_STATUS_CLASS = {2: GREEN, 3: BRIGHT_CYAN, 4: YELLOW, 5: RED}

# The format that log_request passes to log_message.
REQUEST = '"%s" %s %s'
_REQUEST_MESSAGE = re.compile(r'(".*") (\S+) (\S+)')
_REQUEST_LINE = re.compile(r'("\S+) (\S+) (\S+")')


class ErrorFormat(str):
    """A format that log_error passes to log_message; to overrides of either, it is a string like any other."""

    __slots__ = ()


def takes_colours(stream: TextIO | None) -> bool:
    """Whether to write colours to a stream: as the environment says, or else if it is a terminal.

    PYTHON_COLORS is for Python alone, NO_COLOR (https://no-color.org) and FORCE_COLOR are for every program.
    """
    environment = os.environ
    isatty = getattr(stream, "isatty", None)  # None where it was closed; what takes its place may only have write
    terminal = isatty is not None and isatty()
    if not (terminal or "FORCE_COLOR" in environment or "PYTHON_COLORS" in environment):
        return False  # early, since the rest takes as long as writing the line
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
    """A log message that was made with this format, in colours."""
    if isinstance(format, ErrorFormat):
        return paint(message, YELLOW)
    if format != REQUEST or (found := _REQUEST_MESSAGE.fullmatch(message)) is None:
        return message
    line, status, size = found.groups()
    if words := _REQUEST_LINE.fullmatch(line):
        line = f"{words[1]} {paint(words[2], CYAN)} {words[3]}"
    colour = BY_STATUS_CLASS.get(int(status) // 100) if status.isdecimal() else None
    return f"{line} {paint(status, colour)} {paint(size, GREY)}"
