"""Text from clients and file names, made safe to show."""

from __future__ import annotations

CONTROL_CHARACTERS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {ord("\\"): r"\\"}


def escape(text: str) -> str:
    """``text`` with its control characters escaped: it must not control a terminal, or add lines to a log."""
    return text.translate(CONTROL_CHARACTERS)
