"""A server in a process of its own: ``serve`` starts and ends it; run as a program, this module is that process."""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .peers import NGINX, Kind, Peer, Running

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: what subprocesses import from."""


@dataclass(frozen=True)
class Served:
    """Where the server of another process listens."""

    host: str
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/"

    def stop(self) -> None:
        """Nothing: ``serve`` ends the process."""


def environment() -> dict[str, str]:
    """The environment of subprocesses: import from the checkout, with bytecode kept as in any installation, and no
    pytest plugins but those asked for."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


@contextlib.contextmanager
def serve(start: Callable[..., Running], *arguments: str) -> Iterator[Served]:
    """Run ``start(*arguments)``, a module-level callable, in a new process, and end that process on leaving."""
    command = [sys.executable, "-m", __name__, f"{start.__module__}:{start.__qualname__}", *arguments]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()
            if len(address) != 2:
                process.wait()
                errors.seek(0)
                raise RuntimeError(f"the server did not start: {errors.read().strip()[-500:]}")
            yield Served(address[0], int(address[1]), process.pid)
        finally:
            process.kill()


@contextlib.contextmanager
def serving(peer: Peer, kind: Kind, *arguments: str) -> Iterator[Running]:
    """The peer, started for this in a process of its own."""
    if peer.name != NGINX:
        with serve(peer.starts[kind], *arguments) as served:
            yield served
        return
    nginx = peer.starts[kind](*arguments)  # which is processes already
    try:
        yield nginx
    finally:
        nginx.stop()


def main() -> None:
    """Start the named server, say where it listens, and live as long as standard input is open."""
    module, _, name = sys.argv[1].partition(":")
    running: Running = getattr(importlib.import_module(module), name)(*sys.argv[2:])
    print(running.host, running.port, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
