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
PROGRAM = "python -m pytest_httpserve"
_INTERRUPTED, _UNREAD = 130, 141  # a shell's statuses for SIGINT and SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments (default: the process's) say. Returns the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given and given[0] in COMMANDS:
        return _run(*given)
    if given and given[0].isalpha():
        known = ", ".join(COMMANDS)
        print(f"{PROGRAM}: there is no command {given[0]!r}: the commands are {known}", file=sys.stderr)
        return 2
    from pytest_httpserve.server.cli.main import main as serve

    further = ", ".join(COMMANDS)
    return serve(given, certify=certify, epilog=f"Other commands, each with its own --help: {further}.")


def _run(name: str, *arguments: str) -> int:
    """Run a command. If it is interrupted, or nobody takes its output, it ends without a traceback."""
    try:
        command = cast("Callable[[Sequence[str]], int]", import_module(COMMANDS[name]).main)
        code = command(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        sys.stdout = None  # nobody reads it, and Python would try to write to it again at exit
        return _UNREAD
    except OSError as error:  # a full disk, or no more processes
        sys.stdout = None
        print(f"{PROGRAM} {name}: {error.strerror or error}", file=sys.stderr)
        return 2
    return code


def certify(names: Sequence[str]) -> tuple[bytes, bytes]:
    """A new CA's certificate, and a server certificate for ``names`` with its key, all as PEM."""
    from pytest_httpserve.tls import CertificateAuthority

    authority = CertificateAuthority()
    return authority.pem, authority.issue(*names).pem


if __name__ == "__main__":
    raise SystemExit(main())
