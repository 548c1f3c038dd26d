"""Processes that scripts leave running: they may go on, but no longer than the server."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import threading
import weakref
from collections.abc import Callable

from pytest_httpserve import clock
from pytest_httpserve.net.service import Service
from pytest_httpserve.server.cgi import keeper, orphans
from pytest_httpserve.server.running import SERVICE_OF

_END_SECONDS = 5.0  # how long killed processes may take to end
_PRUNED_AT = 64


class Survivors:
    """The scripts of a server that go on after their responses, and the processes that other scripts have left behind.

    The latter are found by their session, which is the script's. Processes that have left it are found by ``mark``, a
    variable in their environment, on systems where this process can adopt orphans.
    """

    def __init__(self) -> None:
        self.mark: str = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._orphans: dict[orphans.Process, None] = {}  # parents before their children
        self._sessions: set[int] = set()
        self._scripts: dict[threading.Thread, Callable[[], object]] = {}
        self._over = self._adopts = False

    def adopt(self) -> None:
        """Until the end, adopt the processes that leave their session."""
        self._adopts = True
        orphans.adopt()

    def keep(self, session: int) -> None:
        """Note that the script leading this session has ended: what is left of the session ends with the server."""
        for orphan in orphans.orphans(self.mark):
            with self._lock:
                self._orphans[orphan] = None
            keeper.keep(orphan.pid)
        if not _has_processes(session):
            return
        with self._lock:
            if self._over:
                kill_session(session)
                return
            if len(self._sessions) >= _PRUNED_AT:
                self._prune()
            self._sessions.add(session)
            keeper.keep(session)

    def _prune(self) -> None:
        ended = {session for session in self._sessions if not _has_processes(session)}
        self._sessions -= ended
        for session in ended:
            keeper.let_go(session)

    def see_off(self, script: Callable[[], object], kill: Callable[[], object]) -> None:
        """Call ``script``, which waits for a script to end, in a thread; ``kill`` kills that script.

        Raises RuntimeError if the system has no more threads.
        """

        def run() -> None:
            try:
                script()
            finally:
                with self._lock:
                    self._scripts.pop(thread, None)

        thread = threading.Thread(target=run, name="pytest-httpserve CGI script", daemon=True)
        with self._lock:
            self._scripts[thread] = kill
        try:
            thread.start()
        except BaseException:
            del self._scripts[thread]
            raise
        if self._over:
            kill()

    def end(self) -> None:
        """Kill everything that is left: the server closes."""
        with self._lock:
            self._over = True
            scripts, sessions, self._sessions = dict(self._scripts), self._sessions, set()
        for kill in scripts.values():
            kill()
        for session in sessions:
            kill_session(session)
            keeper.let_go(session)
        expiry = clock.monotonic() + _END_SECONDS
        for thread in scripts:
            thread.join(max(expiry - clock.monotonic(), 0.0))
        # By now, nobody else reaps any script. A process may have started another before it was killed.
        while left := self._orphans | dict.fromkeys(orphans.orphans(self.mark)):
            self._orphans = {}
            for orphan in left:
                orphan.end()
                keeper.let_go(orphan.pid)
        if self._adopts:
            self._adopts = False
            orphans.leave()


_of: weakref.WeakKeyDictionary[Service, Survivors] = weakref.WeakKeyDictionary()
_making = threading.Lock()


def survivors_of(server: object) -> Survivors | None:
    """The survivors of a server; None if it is not one of ours, which would not tell us when it closes."""
    service: Service | None = getattr(server, SERVICE_OF, None)
    if service is None:
        return None
    with _making:
        if service not in _of:
            _of[service] = Survivors()
            _of[service].adopt()
            service.at_close.append(_of[service].end)
        return _of[service]


def kill_session(leader: int) -> None:
    """Kill the processes of the session that ``leader`` leads, or has led."""
    if hasattr(os, "killpg") and hasattr(signal, "SIGKILL"):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or (on macOS) about to end
            os.killpg(leader, signal.SIGKILL)


def _has_processes(session: int) -> bool:
    if not hasattr(os, "killpg"):
        return False
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # they belong to another user, or are about to end
        pass
    return True
