"""A public program, and how to use it."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pytest_httpserve import CertificateAuthority, HTTPServe
from tests.interop.programs.visit import Visit

PATIENCE = 30.0  # seconds; other people's programs import a lot
LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True)
class Site:
    """Where a program runs: a directory of its own, and servers for programs that are clients as well."""

    directory: Path
    upstream: HTTPServe
    secure_upstream: HTTPServe
    ca: CertificateAuthority

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.utime(path, (1_700_000_000, 1_700_000_000))
        return path


@dataclass(frozen=True)
class Program:
    """``prepare`` fills the site and returns what stands after ``python``; ``talk`` is the client."""

    name: str
    prepare: Callable[[Site], list[str]]
    talk: Callable[[Visit], None]
    ends_itself: bool = False  # otherwise it is interrupted as from a terminal
    more: frozenset[str] = frozenset()  # headers that ours sends and http.server does not: of files, for ranges
    before: tuple[int, int] = (4, 0)  # the first version of Python whose http.server it does not run on


class Output:
    """What a program prints, as it comes."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.text = ""
        self._pipe = pipe
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with self._pipe:
            for line in self._pipe:
                with self._more:
                    self.text += line.decode(errors="replace")
                    self._more.notify_all()

    def wait_for(self, pattern: re.Pattern[str]) -> str:
        with self._more:
            found = self._more.wait_for(lambda: pattern.search(self.text), PATIENCE)
        assert found, f"the program has not printed {pattern.pattern}:\n{self.text}"
        return found[0]

    def end(self) -> None:
        self._reader.join(PATIENCE)


@dataclass(frozen=True)
class Run:
    """A program that runs: where it listens, what it prints."""

    process: subprocess.Popen[bytes]
    address: tuple[str, int]
    output: Output

    def end(self, *, itself: bool) -> int:
        """How the program has ended, by itself or because it was interrupted."""
        if not itself:
            self.process.send_signal(signal.SIGINT)
        status = self.process.wait(PATIENCE)
        self.output.end()
        return status


@contextlib.contextmanager
def running(program: Program, site: Site, module: str, environment: dict[str, str]) -> Iterator[Run]:
    """The program over ``module``, listening."""
    arguments = program.prepare(site)
    heard, announces = os.pipe()
    process = subprocess.Popen(
        [sys.executable, LAUNCHER, module, str(announces), *arguments],
        cwd=site.directory,
        env=environment | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[announces],
    )
    os.close(announces)
    assert process.stdout
    output = Output(process.stdout)
    try:
        yield Run(process, _address(heard, output), output)
    finally:
        os.close(heard)
        process.kill()
        process.wait()
        output.end()


def _address(heard: int, output: Output) -> tuple[str, int]:
    """The first that the program announces."""
    line = b""
    while not line.endswith(b"\n"):
        assert select.select([heard], [], [], PATIENCE)[0], f"the program does not listen:\n{output.text}"
        part = os.read(heard, 1)
        if not part:
            output.end()
            raise AssertionError(f"the program has ended before it listened:\n{output.text}")
        line += part
    host, port = line.decode().split()
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port)
