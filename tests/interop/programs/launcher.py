"""``launcher.py MODULE DESCRIPTOR ARGUMENTS``: what ``python ARGUMENTS`` runs, with MODULE in place of ``http.server``.

Each address on which the program listens is written to DESCRIPTOR. Only the program's process knows of any of this.
"""

from __future__ import annotations

import http
import importlib
import os
import runpy
import signal
import socket
import sys


def main(module: str, descriptor: str, *arguments: str) -> None:
    assert "http.server" not in sys.modules, "something of the launcher has imported it already"
    # As in a terminal, whatever this process was started by.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    replacement = importlib.import_module(module)
    sys.modules["http.server"] = replacement
    http.server = replacement  # type: ignore[attr-defined]  # what the import of a submodule leaves behind
    _announce(int(descriptor))
    if arguments[0] == "-m":
        sys.path[0], sys.argv = os.getcwd(), list(arguments[1:])
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0], sys.argv = os.path.dirname(arguments[0]), list(arguments)
        runpy.run_path(sys.argv[0], run_name="__main__")


def _announce(descriptor: int) -> None:
    original = socket.socket.listen

    def listen(self: socket.socket, backlog: int = socket.SOMAXCONN) -> None:
        original(self, backlog)
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host, port = self.getsockname()[:2]
            os.write(descriptor, f"{host} {port}\n".encode())

    # There is no other way to learn of a port without asking for it before the program listens.
    socket.socket.listen = listen  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    main(*sys.argv[1:])
