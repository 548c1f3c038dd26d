"""What a client or a file's name says, as it can be shown."""

from __future__ import annotations

CONTROL_CHARACTERS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {ord("\\"): r"\\"}


def escape(text: str) -> str:
    """``text`` with its control characters written out: it must not steer a terminal, or write lines of its own."""
    return text.translate(CONTROL_CHARACTERS)
