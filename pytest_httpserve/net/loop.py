"""The loop: one thread waits for everything that a server waits for, and serves whatever can be served without waiting.

Threads that serve at the same time contend for the interpreter, and lose more than they gain: one thread serves eight
connections more than twice as fast as eight threads. So the thread that waits for the sockets also serves them, one
after the other, until the code that it runs has to wait: then it *leaves the loop*, and another thread leads it. User
code does not announce that it is going to wait; the watch notices, and lets another thread lead.
"""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any, TypeVar

from pytest_httpserve import clock
from pytest_httpserve.errors import HTTPServeError
from pytest_httpserve.net.entry import Entry
from pytest_httpserve.net.forks import begin_anew_in_forks
from pytest_httpserve.net.poller import READABLE
from pytest_httpserve.net.waiting import Waiting
from pytest_httpserve.net.workers import Workers

Result = TypeVar("Result")

# How many seconds code may take before another thread serves the others. If all watched code was quick, the watch looks
# less and less often: each look takes the interpreter away from the serving threads.
PATIENCE = 0.002
MOST_PATIENCE = 0.016
# While this many entries took longer, the leader's thread runs no other watched code.
MOST_AWAY = 2
# The watch ends after this many seconds with nothing to watch.
_UNUSED = 0.1
_MOST_EVENTS = 64
# In seconds; systems accept no more than about 24 days.
_LONGEST_WAIT = 86_400.0
# The pause between two attempts to get a descriptor, in seconds.
_PAUSE = 0.1
_LOST = (
    "some code has closed the descriptor with which the servers wait for their clients: it has closed a number twice, "
    "or one that it never had. The servers go on with another descriptor"
)


class Loop:
    """Waits for entries, and serves them, led by one thread of ``workers`` at a time.

    With ``stays``, the loop goes on without entries until ``close``; otherwise its thread ends with the last of them.
    ``report`` is called with each exception that would have ended the loop, and with those that its entries pass to it.
    """

    def __init__(self, workers: Workers, *, stays: bool = False) -> None:
        self.workers = workers
        self.report: Callable[[BaseException], object] = say_as_thread
        self._stays = stays
        self._led = 0  # counts the threads that have led it
        self._waiting: Waiting | None = None  # the poller and wake-up, while a thread leads
        self.begin_anew()
        begin_anew_in_forks(self)

    def begin_anew(self) -> None:
        """In a fork of the process: nobody leads the loop, and its entries belong to the parent, which goes on."""
        if self._waiting is not None:
            self._waiting.close_copy()
        self._waiting = None
        self._led += 1  # if the forking thread was the leader, it leads no longer
        self.away: set[Entry] = set()  # entries whose code took too long, and goes on without the loop
        self._lock = threading.Lock()
        self._entries: dict[int, Entry] = {}
        self._leader = 0
        self._expiry: float | None = None  # no entry expires before this
        self._watched: Entry | None = None
        self._turns = 0  # counts the watched calls
        self._watching = False
        self._quiet = threading.Event()  # wakes the watch when the loop has ended
        self._losses: list[HTTPServeError] = []  # losses that are not reported yet

    # Entries

    def add(self, entry: Entry) -> None:
        """Wait for ``entry`` from here on, until it is removed.

        Raises RuntimeError if the loop needs a thread and the system has no more.
        """
        with self._lock:
            if self._waiting is None:
                self._begin()
            self._register(entry)
            self._entries[entry.file] = entry
            self._expect(entry.expiry)
        if self._losses:
            self._tell_of_loss()

    def remove(self, entry: Entry) -> None:
        """Stop waiting for ``entry``, if the loop does."""
        if not self.has(entry):
            return
        with self._lock:
            self._take_out(entry)
            if not self._entries and not self._stays:
                self._call()

    def has(self, entry: Entry) -> bool:
        """Whether the loop waits for ``entry``."""
        return self._entries.get(entry.file) is entry

    def pause(self, entry: Entry, seconds: float) -> None:
        """Ignore ``entry`` for a while, after which it expires unless somebody resumes it before."""
        with self._lock:
            if self._waiting is not None and self.has(entry) and entry.expiry is None:
                self._waiting.poller.unregister(entry.file)
                entry.expiry = clock.monotonic() + seconds
                self._expect(entry.expiry)

    def resume(self, entry: Entry) -> None:
        """Wait for ``entry`` again, if it was paused."""
        with self._lock:
            if self._waiting is not None and self.has(entry) and entry.expiry is not None:
                self._register(entry)
                entry.expiry = None

    def expect(self, expiry: float) -> None:
        """Note that an entry now expires at ``expiry``, which may be earlier than known."""
        with self._lock:
            self._expect(expiry)

    def _expect(self, expiry: float | None) -> None:
        if expiry is not None and (self._expiry is None or expiry < self._expiry):
            self._expiry = expiry
            self._call()  # the leader may be waiting longer than that

    def _take_out(self, entry: Entry) -> None:
        # If it was closed first, another entry may have its number by now.
        if self.has(entry):
            del self._entries[entry.file]
            if self._waiting is not None:
                try:  # noqa: SIM105  runs for each connection, and suppress() takes longer than the call
                    self._waiting.poller.unregister(entry.file)
                except OSError:
                    pass  # it is closed, or paused

    def close(self) -> None:
        """End the loop once it has no entries."""
        with self._lock:
            self._stays = False
            if not self._entries:
                self._call()

    # Leading

    def _begin(self) -> None:
        waiting = Waiting()
        try:
            self.workers.run(partial(self._lead, self._led + 1))
        except BaseException:
            waiting.close()
            raise
        self._waiting = waiting
        self._led += 1
        self._quiet.clear()

    def _call(self) -> None:
        """Wake the leader to look at what has changed."""
        if self._waiting is not None and threading.get_ident() != self._leader:
            try:
                self._waiting.wake.set()
            except OSError:  # others have closed it
                self._renew(_LOST)

    def _lead(self, turn: int) -> None:
        """Wait and serve until another thread leads, or there is nothing left to wait for; no exception ends it."""
        with self._lock:  # held by the code that makes this thread the leader, until that is done
            self._leader = threading.get_ident()
        while self._led == turn and self._waiting is not None:
            try:
                self._tell_of_loss()
                self._wait_and_serve(turn)
            except BaseException as error:
                self._tell(error)
                try:
                    self.check()
                except OSError:  # no descriptors are left for another poller
                    clock.sleep(_PAUSE)

    def _wait_and_serve(self, turn: int) -> None:
        """Wait and serve until this thread no longer leads, or has a new poller."""
        thread = threading.current_thread()
        waiting, entries = self._waiting, self._entries
        assert waiting is not None
        wait = waiting.poller.poll
        strays: list[int] = []
        while self._waiting is waiting:
            now = clock.monotonic()
            if self._expiry is not None and self._expiry <= now:
                self._give_up_expired(now, turn)
                if self._led != turn:
                    return
            if not entries and self._ends():
                return
            expiry = self._expiry
            try:
                ready = wait(None if expiry is None else min(max(expiry - now, 0.0), _LONGEST_WAIT), _MOST_EVENTS)
            except (OSError, ValueError):  # ValueError if the poller object has been closed
                return self._wait_anew(waiting, turn, _LOST)
            if self._led != turn:
                return
            before, strays = strays, []
            for file, _ in ready:
                entry = entries.get(file)
                if entry is None:
                    if (own := self._waiting) is not None and file == own.wake.fileno():
                        own.wake.clear()
                    else:
                        strays.append(file)
                elif entry.claim(thread):
                    try:
                        entry.proceed()
                    except BaseException as error:
                        self._tell(error)
                    if self._led != turn:
                        return
            if strays and strays == before:
                # It is closed here, but a fork of the process has a copy: no call can unregister it.
                return self._wait_anew(waiting, turn, None)

    def _wait_anew(self, waiting: Waiting, turn: int, lost: str | None) -> None:
        """Get a new poller, if this thread still leads, and still uses ``waiting``."""
        with self._lock:
            if self._led == turn and self._waiting is waiting:
                self._renew(lost)

    def _ends(self) -> bool:
        """Whether there is nothing left to lead for."""
        with self._lock:
            if self._entries or self._stays:
                return False
            if (waiting := self._waiting) is not None:
                if waiting.is_whole():
                    waiting.close()
                else:
                    waiting.keep()
            self._waiting = None
            self._expiry = None
            self._quiet.set()
            return True

    def _give_up_expired(self, now: float, turn: int) -> None:
        """Give up the expired entries, until this thread no longer leads."""
        with self._lock:
            expiries = [(entry.expiry, entry) for entry in self._entries.values() if entry.expiry is not None]
            # Entries that are added from here on lower it again.
            self._expiry = min((expiry for expiry, _ in expiries if expiry > now), default=None)
        expired = [(expiry, entry) for expiry, entry in expiries if expiry <= now]
        for _, entry in sorted(expired, key=itemgetter(0)):
            if self._led != turn:
                self.expect(now)
                return
            try:
                if not entry.expire():
                    self.expect(now)
            except BaseException as error:
                self._tell(error)

    def _tell(self, error: BaseException) -> None:
        """Report an exception from an entry's code, or the loop's own; the leader goes on."""
        if not isinstance(error, SystemExit):  # SystemExit ends a thread silently
            try:
                self.report(error)
            except BaseException as further:
                say_as_thread(further)

    # The poller, and what to do if other code closes it

    def _register(self, entry: Entry) -> None:
        assert self._waiting is not None
        try:
            self._waiting.poller.register(entry.file, READABLE)
        except FileExistsError:
            pass  # it was paused when the poller was renewed
        except (OSError, ValueError):
            if self._is_whole():
                raise  # the entry itself is at fault
            self._renew(_LOST)
            self._waiting.poller.register(entry.file, READABLE)

    def check(self) -> None:
        """Check that nobody has closed the loop's poller; otherwise report it, and make a new one.

        The loop would notice by itself, but later: perhaps when another test runs.
        """
        if not self._is_whole():  # checked without the lock, after each test: the leader may need the lock
            with self._lock:
                if not self._is_whole():
                    self._renew(_LOST)
        self._tell_of_loss()

    def _is_whole(self) -> bool:
        waiting = self._waiting
        return waiting is None or waiting.is_whole()

    def _renew(self, lost: str | None) -> None:
        """Replace the poller; ``lost`` says what happened to the old one, if that is somebody's mistake."""
        before = self._waiting
        assert before is not None
        waiting = Waiting(self._entries)
        if threading.get_ident() != self._leader:
            self.workers.run(partial(self._lead, self._led + 1))
            self._led += 1
            with contextlib.suppress(OSError):
                if before.wake.is_whole():
                    before.wake.set()  # the former leader may still be waiting
        self._waiting = waiting
        if lost is None:
            before.close()
        else:
            before.keep()
            self._losses.append(HTTPServeError(lost))

    def _tell_of_loss(self) -> None:
        """Report losses. Called without the lock, which ``report`` may need."""
        while self._losses:
            with contextlib.suppress(IndexError):  # another thread has reported it
                self._tell(self._losses.pop())

    def leave(self, entry: Entry) -> None:
        """Called before ``entry`` waits: the leading thread belongs to ``entry`` from here on, and another one leads.

        Raises RuntimeError if the system has no more threads; then this thread goes on leading.
        """
        with self._lock:
            if entry.led and self._waiting is not None:
                self._pass_on(entry)
            elif entry.led:  # in a fork of the process
                entry.go_alone()

    def _pass_on(self, entry: Entry) -> None:
        """Let another thread lead; events of ``entry`` are no longer the leader's."""
        self.workers.run(partial(self._lead, self._led + 1))
        self._led += 1
        self._take_out(entry)
        entry.go_alone()
        if self._watched is entry:
            self._watched = None

    # Watching

    def run(self, entry: Entry, code: Callable[..., Result], *arguments: Any) -> Result:  # whatever the code takes
        """Run code that may wait without announcing it, in the leading thread."""
        with self._lock:
            # Nested calls are watched with the outer one.
            watched = entry.led and self._watched is not entry
            if watched:
                self._turns += 1
                self._watched = entry
                if not self._watching:
                    self._begin_watch()
        if not watched:
            return code(*arguments)
        try:
            return code(*arguments)
        finally:
            with self._lock:
                if self._watched is entry:
                    self._watched = None
                else:
                    self.away.discard(entry)

    def _begin_watch(self) -> None:
        with contextlib.suppress(RuntimeError):  # no more threads, so no other could lead
            self.workers.run(self._watch)
            self._watching = True

    def _watch(self) -> None:
        """Let another thread lead when the watched code takes too long."""
        unused, patience = 0.0, PATIENCE
        while True:
            turns = self._turns
            self._quiet.wait(patience)
            with self._lock:
                entry, same = self._watched, self._turns == turns
                unused = unused + patience if entry is None and same else 0.0
                if entry is None and (self._waiting is None or unused >= _UNUSED):
                    self._watching = False
                    return
                if entry is not None and same:
                    # Without another thread, the other entries have to wait.
                    with contextlib.suppress(RuntimeError):
                        self._pass_on(entry)
                        self.away.add(entry)
                patience = PATIENCE if entry is not None else min(2 * patience, MOST_PATIENCE)


def describe_error(error: BaseException) -> str:
    """The text of a test's failure for an error that the loop has reported."""
    if isinstance(error, HTTPServeError):
        return str(error)
    return f"an exception would have ended the thread of the servers:\n{''.join(traceback.format_exception(error))}"


def say_as_thread(error: BaseException) -> None:
    """Report an exception through threading.excepthook, as if it had ended the thread."""
    thread = threading.current_thread()
    threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, thread)))
