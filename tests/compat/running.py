"""Running a case: its servers, its clients, and an end for what does not end by itself."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from tests.compat.client import PATIENCE, Client
from tests.compat.table import Case

ROOT = Path(__file__).parents[2]
LIMIT = 30.0  # for a whole case
GOODBYE = 3.0  # for a server's end
LONG_AGO = 1_700_000_000  # when the files of a case were modified
AUTHORITY = threading.Lock()  # a handler's thread and the client's ask for their contexts at the same time

# A line as log_message writes it.
LOG_LINE = re.compile(r"^\S+ - - \[[^\]]*\] (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What was seen of a case over one of the two modules."""

    seen: object
    heard: tuple[tuple[bytes, str], ...]  # what each client received, and how its connection ended
    logged: tuple[str, ...]
    trouble: str = ""  # why the case came to no end of its own
    errors: str = ""  # all of stderr


class Notes(list[Any]):  # of whatever a program notes
    """What a program notes, in its threads."""

    def wait_for(self, count: int) -> list[Any]:
        """The notes once there are so many; fewer when patience is over."""
        self.wait_until(lambda: len(self) >= count)
        return list(self)

    @staticmethod
    def wait_until(condition: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True


class Run:
    """What a case's program may use: servers that run, clients, files, scripts, and a place for notes."""

    def __init__(self, module: types.ModuleType, stack: contextlib.ExitStack, folder: Path) -> None:
        self.module = module
        self.folder = folder
        self.notes = Notes()
        self.clients: list[Client] = []
        self.failures: list[str] = []  # what ended a server's serve_forever
        self._stack = stack

    # Servers

    def serve(self, handler: Any, server: Any = None) -> Any:  # classes of either module
        """A server that runs in a thread until the case ends; ``server`` is its class, or one that is made."""
        made = server
        if server is None or isinstance(server, type):
            made = (server or self.module.ThreadingHTTPServer)(("127.0.0.1", 0), handler)
        made.serving = thread = threading.Thread(target=self._keep_serving, args=(made,), daemon=True)
        self._stack.callback(end, made)
        thread.start()
        return made

    def _keep_serving(self, server: Any) -> None:
        try:
            server.serve_forever(0.01)
        except BaseException:
            self.failures.append(traceback.format_exc())

    def connect(self, server: Any) -> Client:
        client = Client(server.server_address[:2])
        self.clients.append(client)
        self._stack.callback(client.leave)
        return client

    # Files

    def file(self, name: str, content: bytes) -> Path:
        """A file of the case's folder, modified long ago."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (LONG_AGO, LONG_AGO))
        return path

    def serve_files(self, handler: Any, server: Any = None) -> Any:
        """A server whose handlers serve the case's folder."""
        return self.serve(functools.partial(handler, directory=str(self.folder)), server)

    # TLS

    @staticmethod
    def server_context() -> ssl.SSLContext:
        with AUTHORITY:
            return contexts()[0]

    @staticmethod
    def client_context() -> ssl.SSLContext:
        with AUTHORITY:
            return contexts()[1]

    @staticmethod
    def certificate() -> tuple[bytes, bytes]:
        """A chain and its key, as PEM, that the client's context trusts."""
        with AUTHORITY:
            return contexts()[2:]

    # Programs that fork, or end by signals

    def script(self, source: str) -> list[str]:
        """The lines that a program prints, and how it ended if that was in failure. ``MODULE`` is the module's name."""
        program = source.replace("MODULE", self.module.__name__)
        # Its children must die with it: they may run for ever.
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        try:
            output, errors = process.communicate(timeout=2 * PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, errors = process.communicate()
            return [*output.splitlines(), "did not end"]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
        if process.returncode:
            sys.stderr.write(errors)
            return [*output.splitlines(), f"ended with {process.returncode}"]
        return output.splitlines()


@functools.cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext, bytes, bytes]:
    """A server's context for ``localhost``, a client's that trusts it, and the server's certificate and key."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    leaf.configure_cert(server)
    authority.configure_trust(client)
    return server, client, b"".join(pem.bytes() for pem in leaf.cert_chain_pems), leaf.private_key_pem.bytes()


def end(server: Any) -> None:
    """Stop a server, and wait for no longer than is fit: what hangs is left behind."""
    for stop in (server.shutdown, server.server_close):
        thread = threading.Thread(target=suppressing(stop), daemon=True)
        thread.start()
        thread.join(GOODBYE)
    server.serving.join(GOODBYE)


def suppressing(function: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        with contextlib.suppress(Exception):  # the case has been seen; its end is not a part of it
            function()

    return call


def run_case(case: Case, module: types.ModuleType) -> Outcome:
    """Run a case over a module, in a thread of its own that is left behind if it does not end."""
    folder = Path(tempfile.mkdtemp(prefix="compat-")).resolve()
    log = io.StringIO()
    result: dict[str, Any] = {"seen": None, "trouble": "", "run": None}
    thread = threading.Thread(target=attempt, args=(case, module, folder, result), daemon=True)
    with contextlib.redirect_stderr(log):
        thread.start()
        thread.join(LIMIT)
    if thread.is_alive():
        frame = sys._current_frames().get(thread.ident or 0)
        stack = "".join(traceback.format_stack(frame)) if frame else ""
        result["trouble"] = f"the case did not end in {LIMIT:g} s:\n{stack}"
    shutil.rmtree(folder, ignore_errors=True)
    errors = log.getvalue()
    clients: Iterable[Client] = result["run"].clients if result["run"] else ()
    return Outcome(
        seen=result["seen"],
        heard=tuple((normalised(client.received, client.port, folder), client.ending) for client in clients),
        logged=tuple(line.replace(str(folder), "FOLDER") for line in LOG_LINE.findall(errors)),
        trouble=result["trouble"],
        errors=errors,
    )


def attempt(case: Case, module: types.ModuleType, folder: Path, result: dict[str, Any]) -> None:
    try:
        with contextlib.ExitStack() as stack:
            result["run"] = run = Run(module, stack, folder)
            result["seen"] = case.program(module, run)
        result["trouble"] = "".join(run.failures)
    except BaseException:
        result["trouble"] = traceback.format_exc()


def normalised(received: bytes, port: int, folder: Path) -> bytes:
    """What a client received, without what differs from run to run."""
    received = re.sub(rb"(?m)^(Date|Server): [^\r\n]*", rb"\1: *", received)
    received = re.sub(rb"(127\.0\.0\.1|localhost):%d\b" % port, rb"\1:PORT", received)
    return received.replace(os.fsencode(folder), b"FOLDER")
