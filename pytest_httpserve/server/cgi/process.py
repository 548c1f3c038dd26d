"""The process of a CGI script: started, read, watched and, if need be, killed. Nothing here knows HTTP."""

from __future__ import annotations

import contextlib
import math
import os
import re
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from http import HTTPStatus
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from pytest_httpserve import clock
from pytest_httpserve.errors import RequestError, ScriptError, UnsupportedError
from pytest_httpserve.server.cgi import keeper as cgi_keeper
from pytest_httpserve.server.cgi.orphans import MARK
from pytest_httpserve.server.cgi.survivors import Survivors, kill_session
from pytest_httpserve.server.cgi.upload import Upload

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection

PIECE_BYTES = 65_536
# What a script may write before the blank line that ends its head, and how much of its stderr is kept.
HEAD_BYTES = 65_536
STDERR_BYTES = 65_536
# A logged line counts for at least this many bytes, so that no more than a thousand lines are logged, even empty ones.
_LINE_COUNTS = 64

# RFC 3875 section 6.2: a line ends with LF, or with CRLF.
_HEAD_END = re.compile(rb"(?P<line>\A|\n)\r?\n")
_LONGEST_POLL = 3600.0
# How often to check whether a process has ended, on systems without a notification.
_TURN = 0.005
# How long a script may run on after its output before its response ends without it.
_MOMENT = 0.25
_POLLIN = int(getattr(select, "POLLIN", 0))
_POLLHUP = int(getattr(select, "POLLHUP", 0))
_POLLRDHUP = int(getattr(select, "POLLRDHUP", 0))  # on Linux
# So much output goes to a client that is still sending: the buffers on the way hold it if the client does not read.
EARLY_BYTES = 65_536
# No pipe holds more (on Linux at most 1 MiB, unless root raises the limit).
_PIPE_PIECES = 16


class Child:
    """The process of a script: one ``poll`` watches its output, its stderr and its client at once.

    Its output is read piece by piece; each line of its stderr goes to ``log`` as it comes. ``timeout`` (seconds; None
    for no limit) is how long it may keep its reader waiting. As a context manager, it kills the process and its whole
    session if the block ends before the process does; so do a client that leaves, and a server that stops.

    Raises OSError if the command cannot be run, and UnsupportedError on systems where none can be.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: IO[bytes] | Upload | None,
        cwd: str | None,
        user: tuple[int, int] | None,
        timeout: float | None,
        connection: Connection | None,
        survivors: Survivors | None = None,
        log: Callable[[str], object],
    ) -> None:
        import subprocess

        self._poll = make_poll()
        identity: dict[str, Any] = {"user": user[0], "group": user[1], "extra_groups": []} if user is not None else {}
        self._upload = stdin if isinstance(stdin, Upload) else None
        self._early = 0  # bytes of output while its input was still coming in
        self._held = False  # whether its output is left unread
        self._done = False  # whether its output has ended
        cgi_keeper.begin()
        self._process = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE if isinstance(stdin, Upload) else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=env if survivors is None else {**env, MARK: survivors.mark},
            start_new_session=True,
            **identity,
        )
        cgi_keeper.keep(self._process.pid)
        assert self._process.stdout is not None and self._process.stderr is not None
        self._stdout, self._stderr = self._process.stdout, self._process.stderr
        self._timeout = timeout
        self._connection = connection
        self._survivors = survivors
        self._log = log
        self._complaints = _Complaints(log)
        self._goes_on = False  # whether a thread waits for its end
        self._lock = threading.Lock()  # once reaped, a process must not be killed: its id may be in use again
        self._stopped = False
        self._waiting: AbstractContextManager[None] | None = None
        self._poll.register(self._stdout, _POLLIN)
        self._poll.register(self._stderr, _POLLIN)
        self._end = _end_of(self._process.pid)
        if self._end is not None:
            self._poll.register(self._end, _POLLIN)

    def __enter__(self) -> Child:
        try:
            self._begin()
        except BaseException as error:  # for example, the system has no more threads
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _begin(self) -> None:
        if self._connection is not None:
            self._watch_client()
            waiting = self._connection.waiting(self._stop)
            waiting.__enter__()
            self._waiting = waiting
        if self._upload is not None:
            assert self._process.stdin is not None
            self._upload.begin(self._process.stdin, self._poll)
            self._watch_client()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._waiting is not None:
            self._waiting.__exit__(None, None, None)
            self._waiting = None
        if not self._goes_on:  # otherwise, the thread that waits for its end does this
            self._leave()

    def _leave(self) -> None:
        """Clean up, once: called by the thread that owns the process."""
        if self._process.returncode is None:
            self._kill()
            self._reap()
        elif self._survivors is not None:
            self._survivors.keep(self._process.pid)
        if self._upload is not None:
            self._upload.close()
        self._stdout.close()
        self._stderr.close()
        if self._end is not None:
            os.close(self._end)

    @property
    def stderr(self) -> str:
        """What the script has written to stderr so far, or the last STDERR_BYTES of it."""
        return self._complaints.text

    # Reading

    def read(self) -> bytes:
        """The next piece of the script's output, empty at its end. The output of processes that it left behind is
        ignored.

        Raises ScriptError (504 if it takes too long, 503 if the server stops), and ConnectionAbortedError if the client
        leaves.
        """
        expiry = self._expiry()
        while True:
            self._hold()
            if self._is_starved():
                expiry = self._expiry()
            # Checked before the wait: otherwise, output written between the two would be missed.
            ended = self._end is None and self._has_ended()
            ready = self._wait(expiry, _LONGEST_POLL if self._end is not None else _TURN)
            if self._stopped:  # anything else that happened is a consequence
                raise ScriptError(HTTPStatus.SERVICE_UNAVAILABLE, "it was killed, because the server stopped")
            if self._connection is not None and self._connection.transport.socket.fileno() in ready:
                self._log("it was killed, because the client left")
                reset = self._connection.transport.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                self._connection.ending.say("client", "RST" if reset else "FIN")
                raise self._connection.transport.failed(ConnectionAbortedError("the client left while a script ran"))
            if self._stdout.fileno() in ready:
                piece = os.read(self._stdout.fileno(), PIECE_BYTES)
                self._early += len(piece)
                return piece
            over = self._end in ready if self._end is not None else ended
            if over and not self._held:
                return b""

    def _hold(self) -> None:
        """Leave the output in the pipe while the client might not read it before sending its whole body."""
        upload = self._upload
        held = upload is not None and not upload.complete and self._early >= EARLY_BYTES and not self._has_ended()
        if held and not self._held:
            self._poll.unregister(self._stdout)
        elif self._held and not held:
            self._poll.register(self._stdout, _POLLIN)
        self._held = held

    def _is_starved(self) -> bool:
        """Whether the script waits for its client, as far as we can tell."""
        return self._upload is not None and self._upload.starved

    def read_head(self) -> tuple[bytes, bytes]:
        """The lines of the output before the first blank one, and any bytes after it.

        Raises the same exceptions as ``read``, and ScriptError (502) if there is no blank line.
        """
        data = b""
        while (end := _HEAD_END.search(data, max(len(data) - PIECE_BYTES - 3, 0))) is None:
            if len(data) > HEAD_BYTES:
                raise ScriptError(HTTPStatus.BAD_GATEWAY, f"its head does not end within {HEAD_BYTES} bytes")
            piece = self.read()
            if not piece:
                ended = describe_end(self.wait())
                wrote = f"wrote no blank line after {data[:200]!r}" if data else "wrote nothing"
                raise ScriptError(HTTPStatus.BAD_GATEWAY, f"it {ended}, and {wrote}")
            data += piece
        return data[: end.end("line")], data[end.end() :]

    # Its end

    def is_over(self) -> bool:
        """Whether, at this moment, the output and the process have ended."""
        return (self._stdout.fileno(), _POLLHUP) in self._poll.poll(0) and self._has_ended()

    def _has_ended(self) -> bool:
        """Whether the process has ended; it may still have to be reaped."""
        if sys.platform == "win32" or not hasattr(os, "waitid"):
            return self._process.poll() is not None
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # the system reaps this process's children by itself
            return True

    def wait(self) -> int:
        """Read no more output, and wait for the process to end, whatever the client does.

        Returns its exit status, or the negated number of a signal. Raises ScriptError (504) if it takes too long.
        """
        self._await_end(self._expiry())
        return self._reap()

    def _await_end(self, expiry: float) -> None:
        if self._has_ended():
            return
        if not self._done:
            self._poll.unregister(self._stdout)
            self._stdout.close()
            self._done = True
            self._watch_client()
        while not self._has_ended():
            if self._is_starved():
                expiry = self._expiry()
            self._wait(expiry, _LONGEST_POLL if self._end is not None else _TURN)

    def outlives_its_output(self) -> bool:
        """Whether the process has closed its output, and does not end soon after, as most do."""
        if self._survivors is None or (self._upload is not None and not self._upload.complete):
            return False
        with contextlib.suppress(ScriptError):
            self._await_end(min(clock.monotonic() + _MOMENT, self._expiry()))
        return not self._has_ended() and not self._stopped

    def go_on(self, log: Callable[[str], object]) -> None:
        """Let the process go on by itself: a thread waits for its end, and logs with ``log``."""
        assert self._survivors is not None, "it does not outlive its output"
        self._connection, self._goes_on = None, True
        self._log = self._complaints.log = log
        try:
            self._survivors.see_off(self._go_on, self._stop)
        except RuntimeError:  # no more threads: kill it
            self._goes_on = False

    def _go_on(self) -> None:
        try:
            status = self.wait()
            if status and not self._stopped:
                self._log(describe_end(status))
        except ScriptError:
            self._log(f"it was killed, because it ran for {self._timeout:g} s after its answer")
        finally:
            self._leave()

    def _stop(self) -> None:
        """Called by another thread."""
        self._stopped = True
        self._kill()

    def _kill(self) -> None:
        with self._lock:
            if self._process.returncode is None:
                kill_session(self._process.pid)

    def _reap(self) -> int:
        """Reap a process that has ended, or is about to, after reading the rest of its stderr."""
        with self._lock:
            cgi_keeper.let_go(self._process.pid)
            status = self._process.wait()
        # Read only what the pipe still holds: a process left behind may keep it open for ever.
        if hasattr(os, "set_blocking"):
            os.set_blocking(self._stderr.fileno(), False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(_PIPE_PIECES):
                if not self._complaints.add(os.read(self._stderr.fileno(), PIECE_BYTES)):
                    break
        self._complaints.end()
        return status

    # Waiting

    def _watch_client(self) -> None:
        """Watch for the client to leave, and for the rest of its body; not beyond, where the next request may begin."""
        if self._connection is None:
            return
        receives = self._upload is not None and not self._upload.complete
        events = (_POLLIN if receives else 0) | (0 if self._done else _POLLRDHUP)
        if receives or not self._done:
            self._poll.register(self._connection.transport.socket, events)
        else:
            self._poll.unregister(self._connection.transport.socket)

    def _expiry(self) -> float:
        return math.inf if self._timeout is None else clock.monotonic() + self._timeout

    def _wait(self, expiry: float, longest: float = _LONGEST_POLL) -> list[int]:
        """Wait for something to happen. Reads stderr, and returns the files that are ready."""
        left = expiry - clock.monotonic()
        if left <= 0:
            raise ScriptError(HTTPStatus.GATEWAY_TIMEOUT, f"it kept the server waiting for {self._timeout:g} s")
        upload = self._upload
        if upload is not None and not upload.complete:
            longest = min(longest, max(upload.expiry - clock.monotonic(), 0.0))
        events = dict(self._poll.poll(math.ceil(min(left, longest) * 1000)))
        if upload is not None:
            self._advance(upload, events)
        ready = list(events)
        stderr = self._stderr.fileno()
        if stderr in ready and not self._complaints.add(os.read(stderr, PIECE_BYTES)):
            self._poll.unregister(stderr)
        return ready

    def _advance(self, upload: Upload, events: dict[int, int]) -> None:
        was_complete = upload.complete
        try:
            upload.advance(events)
        except (OSError, RequestError):
            if self._stopped:
                return  # which explains the error
            self._log("it was killed, because its input broke off")
            raise
        if upload.complete and not was_complete:
            self._watch_client()


class _Complaints:
    """The stderr of a process: each line is logged when it is complete, and the last part is kept."""

    def __init__(self, log: Callable[[str], object]) -> None:
        self.log = log
        self._line = bytearray()
        self._kept = bytearray()
        self._left = STDERR_BYTES  # how many more to log

    @property
    def text(self) -> str:
        return self._kept[-STDERR_BYTES:].decode(errors="backslashreplace")

    def add(self, data: bytes) -> bool:
        """Add more bytes; returns False if there are none, since stderr has ended."""
        self._kept += data
        if len(self._kept) > 2 * STDERR_BYTES:  # not each time: it may come byte by byte
            del self._kept[:-STDERR_BYTES]
        *lines, last = data.split(b"\n")
        for line in lines:
            self._line += line
            self._say(self._line)
            self._line.clear()
        self._line += last
        if len(self._line) > STDERR_BYTES:
            self.end()
        return bool(data)

    def end(self) -> None:
        """Log a last, incomplete line."""
        if self._line:
            self._say(self._line)
            self._line.clear()

    def _say(self, line: bytearray) -> None:
        if self._left > 0:
            self.log(line.decode(errors="backslashreplace").rstrip("\r"))
            self._left -= max(len(line), _LINE_COUNTS)
            if self._left <= 0:
                self.log("(says more on stderr than is shown)")


def _end_of(pid: int) -> int | None:
    """A descriptor that is readable when the process has ended; None on systems without such descriptors."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # an old Linux
        return None


def make_poll() -> Any:  # select.poll, which does not exist on Windows
    """A new ``select.poll``. Raises UnsupportedError on systems without it."""
    if not hasattr(select, "poll"):
        raise UnsupportedError("CGI needs poll(), which this Python does not have")
    return select.poll()


def describe_end(status: int) -> str:
    """Say how a process ended, as in ``ended with exit status 1``."""
    if status >= 0:
        return f"ended with exit status {status}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-status).name}"
    return f"was ended by signal {-status}"


# Users


@cache
def nobody() -> tuple[int, int]:
    """The user and group ids of nobody; -1 for both on systems without such ids."""
    if sys.platform == "win32":
        return -1, -1
    import pwd

    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        unused = 1 + max(entry.pw_uid for entry in pwd.getpwall())
        return unused, unused
    return entry.pw_uid, entry.pw_gid


def nobody_uid() -> int:
    """The user id of nobody."""
    return nobody()[0]


def is_root() -> bool:
    """Whether this process may become any user."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
