"""Ports that nobody has: below those that the system gives out by itself, so that nobody gets them in between."""

from __future__ import annotations

import random
import socket

# Linux gives out those from 32,768 on, others from 49,152 on (RFC 6335 section 6).
_BELOW = range(20_000, 32_000)


def unused_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, and nobody will who does not ask for it."""
    while True:
        port = random.SystemRandom().choice(_BELOW)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
