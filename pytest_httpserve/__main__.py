"""``python -m pytest_httpserve`` and ``httpserve``: serves a directory, or runs another command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import cast

# The module of each command, whose ``main`` takes the arguments after its name and returns the exit code.
COMMANDS = {
    "check": "pytest_httpserve.check.main",
    "migrate": "pytest_httpserve.migrate.command",
    "show": "pytest_httpserve.show",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments (default: the process's) say. Returns the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given and given[0] in COMMANDS:
        command = cast("Callable[[Sequence[str]], int]", import_module(COMMANDS[given[0]]).main)
        return command(given[1:])
    from pytest_httpserve.server.cli.main import main as serve

    further = ", ".join(COMMANDS)
    return serve(given, certify=certify, epilog=f"Other commands, each with its own --help: {further}.")


def certify(names: Sequence[str]) -> tuple[bytes, bytes]:
    """A new CA's certificate, and a server certificate for ``names`` with its key, all as PEM."""
    from pytest_httpserve.tls import CertificateAuthority

    authority = CertificateAuthority()
    return authority.pem, authority.issue(*names).pem


if __name__ == "__main__":
    raise SystemExit(main())
