"""The loop alone: entries that come, go, expire, wait and raise, without any server."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from pytest_httpserve.net import loop as loop_module
from pytest_httpserve.net import waiting
from pytest_httpserve.net.loop import MOST_AWAY, Loop
from pytest_httpserve.net.poller import READABLE, Poller, Selection, Wake, make_poller
from pytest_httpserve.net.workers import Workers

PATIENCE = 5.0


class Line:
    """An entry over one end of a pair of sockets; ``poke`` sends it a byte from the other end."""

    def __init__(
        self, loop: Loop, work: Callable[[Line], object] | None = None, *, expiry: float | None = None
    ) -> None:
        self.mine, self._other = socket.socketpair()
        self.mine.setblocking(False)
        self.file = self.mine.fileno()
        self.expiry = expiry
        self.led = False
        self.served: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.expired = threading.Event()
        self.busy = False  # it says so when it is to expire
        self.on_expiry: Callable[[], object] = self.expired.set
        self._loop = loop
        self._work = work
        self._claimed = threading.Lock()

    def claim(self, leader: threading.Thread | None = None) -> bool:
        if not self._claimed.acquire(False):
            return False
        self.led = leader is not None
        return True

    def go_alone(self) -> None:
        self.led = False

    def proceed(self) -> None:
        try:
            data = b""
            with contextlib.suppress(OSError):  # nothing there after all, or closed
                data = self.mine.recv(100)
            if self._work is not None:
                self._loop.run(self, self._work, self)
            self.served.put(data)
        finally:
            led, self.led = self.led, False
            if not led and self.file >= 0 and not self.expired.is_set():
                self._loop.add(self)  # it had left
            self._claimed.release()

    def expire(self) -> bool:
        if self.busy:
            return False
        self._loop.remove(self)
        self.on_expiry()
        return True

    def poke(self, data: bytes = b"x") -> None:
        self._other.send(data)

    def take(self) -> bytes:
        """What it was sent; fails if it is not served."""
        return self.served.get(timeout=PATIENCE)

    def settle(self) -> None:
        """Wait until nobody serves it: what has left the loop comes back to it after its answer."""
        if self._claimed.acquire(timeout=PATIENCE):
            self._claimed.release()

    def close(self) -> None:
        self.mine.close()
        self._other.close()


class Bench:
    """A loop and its lines."""

    def __init__(self, *, stays: bool = False) -> None:
        self.workers = Workers("test-loop", daemon=True)
        self.loop = Loop(self.workers, stays=stays)
        self.lines: list[Line] = []
        self.let_go = threading.Event()  # of code that waits; set at the latest at the end

    def line(self, work: Callable[[Line], object] | None = None, *, expiry: float | None = None) -> Line:
        line = Line(self.loop, work, expiry=expiry)
        self.lines.append(line)
        return line

    def added(self, work: Callable[[Line], object] | None = None, *, expiry: float | None = None) -> Line:
        line = self.line(work, expiry=expiry)
        self.loop.add(line)
        return line

    def waits(self, line: Line) -> None:
        """Work that waits without a word."""
        assert self.let_go.wait(PATIENCE)

    @property
    def threads(self) -> set[threading.Thread]:
        return set(self.workers._threads)

    def close(self) -> None:
        self.let_go.set()
        for line in self.lines:
            line.settle()
            self.loop.remove(line)
        self.loop.close()
        self.workers.close(PATIENCE)
        assert not self.threads, "a thread outlives its loop"
        for line in self.lines:
            line.close()


def select_poller() -> Poller:
    return Selection()


@pytest.fixture(params=[make_poller, select_poller], ids=["best", "select"])
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(waiting, "make_poller", request.param)
    bench = Bench()
    yield bench
    bench.close()


def errors_of_threads(monkeypatch: pytest.MonkeyPatch) -> queue.SimpleQueue[BaseException | None]:
    """What leaves threads from now on. No fixture: pytest 8.0 has a hook of its own for each phase of a test."""
    errors: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", lambda arguments: errors.put(arguments.exc_value))
    return errors


def without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)


# Entries


def test_what_can_be_read_is_served(bench: Bench) -> None:
    line = bench.added()
    for data in (b"one", b"two", b"three"):
        line.poke(data)
        assert line.take() == data


def test_all_lines_are_served_by_one_thread(bench: Bench) -> None:
    lines = [bench.added() for _ in range(100)]
    for line in lines:
        line.poke()
    assert [line.take() for line in lines] == [b"x"] * 100
    assert len(bench.threads) == 1


def test_lines_come_and_go_in_many_threads_at_once(bench: Bench) -> None:
    stays = bench.added()
    failed: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def come_and_go() -> None:
        line = Line(bench.loop)
        try:
            for _ in range(50):
                bench.loop.add(line)
                line.poke()
                line.take()
                bench.loop.remove(line)
                assert not bench.loop.has(line)
        except BaseException as error:
            failed.put(error)
        finally:
            bench.loop.remove(line)
            with line._claimed:
                line.close()

    threads = [threading.Thread(target=come_and_go) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * PATIENCE)
        assert not thread.is_alive()
    assert failed.empty(), failed.get()
    stays.poke()
    assert stays.take() == b"x"


def test_what_was_removed_is_not_served(bench: Bench) -> None:
    line, other = bench.added(), bench.added()
    bench.loop.remove(line)
    line.poke()
    for _ in range(3):
        other.poke()
        other.take()
    assert line.served.empty()


def test_removing_what_is_not_there_does_nothing(bench: Bench) -> None:
    line = bench.line()
    bench.loop.remove(line)
    bench.loop.add(line)
    bench.loop.remove(line)
    bench.loop.remove(line)
    bench.loop.add(line)
    line.poke()
    assert line.take() == b"x"


def test_a_line_that_is_claimed_elsewhere_is_served_when_it_is_released(bench: Bench) -> None:
    line, other = bench.added(), bench.added()
    assert line.claim()
    line.poke()
    other.poke()
    other.take()
    assert line.served.empty()
    line._claimed.release()
    assert line.take() == b"x"


def test_a_number_that_is_used_again_belongs_to_the_new_line(bench: Bench) -> None:
    stays, old = bench.added(), bench.added()
    number = old.file
    old.close()  # without being removed
    spare = [bench.line() for _ in range(3)]
    (new,) = [line for line in spare if line.file == number]
    bench.loop.add(new)
    bench.loop.remove(old)  # late
    assert bench.loop.has(new)
    new.poke()
    assert new.take() == b"x"
    stays.poke()
    assert stays.take() == b"x"


def test_what_was_closed_before_it_is_removed_leaves_nothing_behind(bench: Bench) -> None:
    line = bench.added()
    line.close()
    bench.loop.remove(line)
    assert not bench.loop._entries


@pytest.mark.needs("POSIX")  # elsewhere, select knows only when it waits
def test_a_line_that_cannot_be_waited_for_is_refused() -> None:
    bench = Bench()
    stays, line = bench.added(), bench.line()
    line.mine.close()
    with pytest.raises(OSError):
        bench.loop.add(line)
    assert list(bench.loop._entries.values()) == [stays]
    bench.close()


# Beginning and ending


def test_the_thread_ends_with_the_last_line_and_begins_again(bench: Bench) -> None:
    for _ in range(20):
        line = bench.added()
        line.poke()
        assert line.take() == b"x"
        bench.loop.remove(line)
        deadline = time.monotonic() + PATIENCE
        while bench.loop._waiting is not None:
            assert time.monotonic() < deadline, "the loop goes on without lines"
            threading.Event().wait(0.001)


def test_a_loop_that_stays_goes_on_until_it_is_closed() -> None:
    bench = Bench(stays=True)
    line = bench.added()
    bench.loop.remove(line)
    bench.loop.add(line)
    line.poke()
    assert line.take() == b"x"
    bench.loop.remove(line)
    assert bench.loop._waiting is not None
    bench.close()  # which finds no thread


def test_a_loop_that_never_began_is_closed() -> None:
    Bench(stays=True).close()


def test_a_loop_that_is_closed_early_ends_with_its_last_line() -> None:
    bench = Bench(stays=True)
    line = bench.added()
    bench.loop.close()
    line.poke()
    assert line.take() == b"x"
    bench.close()


@pytest.mark.needs("/proc/self/fd")
def test_a_loop_leaves_no_descriptor_behind() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(5):
        bench = Bench()
        line = bench.added(lambda line: None)  # which brings the watch along
        line.poke()
        line.take()
        bench.close()
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_wake_is_seen_once_and_never_waits() -> None:
    wake, poller = Wake(), make_poller()
    poller.register(wake.fileno(), READABLE)
    wake.clear()  # nothing to clear
    for _ in range(100_000):  # more than a pipe takes
        wake.set()
    assert poller.poll(0, 64)
    while poller.poll(0, 64):
        wake.clear()
    wake.set()
    assert poller.poll(PATIENCE, 64)
    poller.close()
    wake.close()


# Expiry


def test_what_expires_while_the_loop_does_something_else_expires_in_its_order(bench: Bench) -> None:
    order: queue.SimpleQueue[int] = queue.SimpleQueue()
    begun, now = threading.Event(), time.monotonic()

    def hold_up() -> None:
        begun.set()
        assert bench.let_go.wait(PATIENCE)

    first = bench.line(expiry=now)
    first.on_expiry = hold_up
    bench.loop.add(first)
    assert begun.wait(PATIENCE)
    for number in (2, 0, 1):
        line = bench.line(expiry=now + number / 1000)
        line.on_expiry = partial(order.put, number)
        bench.loop.add(line)
    while time.monotonic() < now + 0.002:
        pass
    bench.let_go.set()
    assert [order.get(timeout=PATIENCE) for _ in range(3)] == [0, 1, 2]


def test_lines_expire_in_their_order_and_not_before(bench: Bench) -> None:
    order: queue.SimpleQueue[tuple[int, float]] = queue.SimpleQueue()

    def note(number: int) -> None:
        order.put((number, time.monotonic()))

    now = time.monotonic()
    for number, seconds in enumerate((0.15, 0.05, 0.1)):
        line = bench.line(expiry=now + seconds)
        line.on_expiry = partial(note, number)
        bench.loop.add(line)
    seen = [order.get(timeout=PATIENCE) for _ in range(3)]
    assert [number for number, _ in seen] == [1, 2, 0]
    for (_, when), seconds in zip(seen, (0.05, 0.1, 0.15), strict=True):
        assert when >= now + seconds


def test_a_line_that_comes_late_and_expires_early_does(bench: Bench) -> None:
    bench.added(expiry=time.monotonic() + 3600)
    assert bench.added(expiry=time.monotonic() + 0.01).expired.wait(PATIENCE)


def test_what_expires_earlier_than_was_known_does(bench: Bench) -> None:
    line = bench.added()
    bench.added().poke()  # the leader waits, or has done so
    line.expiry = time.monotonic() + 0.01
    bench.loop.expect(line.expiry)
    assert line.expired.wait(PATIENCE)


def test_a_line_whose_expiry_was_put_off_does_not_expire(bench: Bench) -> None:
    line = bench.added(expiry=time.monotonic() + 0.02)
    line.expiry = time.monotonic() + 3600
    assert bench.added(expiry=time.monotonic() + 0.05).expired.wait(PATIENCE)
    assert not line.expired.is_set()


def test_a_line_that_is_not_to_expire_yet_is_asked_again(bench: Bench) -> None:
    line = bench.line(lambda line: setattr(line, "busy", False), expiry=time.monotonic())
    line.busy = True
    bench.loop.add(line)
    later = bench.added(expiry=time.monotonic() + 0.02)
    assert later.expired.wait(PATIENCE)
    assert not line.expired.is_set()
    line.poke()
    assert line.take() == b"x"
    assert line.expired.wait(PATIENCE)


def test_a_line_that_raises_when_it_expires_holds_up_no_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = errors_of_threads(monkeypatch)
    bad, good = bench.line(expiry=time.monotonic()), bench.line(expiry=time.monotonic())

    def fail() -> None:
        raise KeyError("expire")

    bad.on_expiry = fail
    bench.loop.add(bad)
    bench.loop.add(good)
    assert good.expired.wait(PATIENCE)
    assert isinstance(errors.get(timeout=PATIENCE), KeyError)


def test_a_paused_line_is_not_served_until_its_pause_is_over(bench: Bench) -> None:
    line = bench.added()
    line.expire = lambda: bool(bench.loop.resume(line))  # type: ignore[method-assign, func-returns-value]  # as a listener
    paused = time.monotonic()
    bench.loop.pause(line, 0.05)
    line.poke()
    assert line.take() == b"x"
    assert time.monotonic() >= paused + 0.049  # what waits rounds to milliseconds
    assert line.expiry is None


def test_a_paused_line_can_be_resumed_or_removed(bench: Bench) -> None:
    line, other = bench.added(), bench.added()
    for paused in (line, other):
        bench.loop.pause(paused, 3600)
        bench.loop.pause(paused, 3600)
    line.poke()
    bench.loop.resume(line)
    bench.loop.resume(line)
    assert line.take() == b"x"
    bench.loop.remove(other)
    bench.loop.resume(other)
    assert not bench.loop.has(other)


# Code that waits


def test_code_that_waits_holds_nobody_up(bench: Bench) -> None:
    slow, quick = bench.added(bench.waits), bench.added(lambda line: None)
    slow.poke(b"slow")
    for _ in range(3):
        quick.poke(b"quick")
        assert quick.take() == b"quick"
    assert slow.served.empty()
    bench.let_go.set()
    assert slow.take() == b"slow"
    slow.poke(b"again")
    assert slow.take() == b"again"


def test_many_that_wait_for_each_other_meet(bench: Bench) -> None:
    barrier = threading.Barrier(30, timeout=PATIENCE)
    lines = [bench.added(lambda line: barrier.wait()) for _ in range(30)]
    for _ in range(3):
        for line in lines:
            line.poke()
        assert [line.take() for line in lines] == [b"x"] * 30
    assert not bench.loop.away


def test_while_many_are_away_all_the_others_are_served(bench: Bench) -> None:
    slow = [bench.added(bench.waits) for _ in range(3 * MOST_AWAY)]
    for line in slow:
        line.poke()
    quick = bench.added()
    quick.poke()
    assert quick.take() == b"x"
    bench.let_go.set()
    assert [line.take() for line in slow] == [b"x"] * len(slow)
    assert not bench.loop.away


def test_code_that_leaves_by_itself_is_watched_no_more(bench: Bench) -> None:
    left = threading.Event()

    def leave(line: Line) -> None:
        bench.loop.leave(line)
        left.set()
        bench.waits(line)

    line, other = bench.added(leave), bench.added()
    line.poke()
    assert left.wait(PATIENCE)
    assert bench.loop._watched is None, "the watch goes round and round as long as that code goes on"
    other.poke()
    assert other.take() == b"x"
    bench.let_go.set()
    assert line.take() == b"x"


def test_code_within_code_is_watched_with_it(bench: Bench) -> None:
    def outer(line: Line) -> None:
        bench.loop.run(line, lambda: None)
        bench.waits(line)

    line, other = bench.added(outer), bench.added()
    line.poke()
    for _ in range(3):
        other.poke()
        assert other.take() == b"x"
    bench.let_go.set()
    assert line.take() == b"x"
    assert not bench.loop.away


def test_code_that_takes_as_long_as_the_watch_waits_is_served_all_the_same(bench: Bench) -> None:
    """The watch relieves just when the code ends, again and again."""
    lines = [bench.added(lambda line: threading.Event().wait(loop_module.PATIENCE)) for _ in range(8)]
    for _ in range(40):
        for line in lines:
            line.poke()
        assert [line.take() for line in lines] == [b"x"] * 8
    assert not bench.loop.away


def test_the_watch_comes_back_with_the_loop(bench: Bench) -> None:
    for _ in range(30):
        bench.let_go.clear()
        slow, quick = bench.added(bench.waits), bench.added()
        slow.poke()
        quick.poke()
        assert quick.take() == b"x", "nobody watches"
        bench.let_go.set()
        assert slow.take() == b"x"
        with slow._claimed:
            bench.loop.remove(slow)
        with quick._claimed:
            bench.loop.remove(quick)


def test_code_that_waits_holds_nobody_up_where_much_was_quick_before(bench: Bench) -> None:
    quick, slow, other = bench.added(lambda line: None), bench.added(bench.waits), bench.added()
    until = time.monotonic() + 4 * loop_module.MOST_PATIENCE  # the watch has come to look as rarely as it does
    while time.monotonic() < until:
        quick.poke()
        assert quick.take() == b"x"
    slow.poke()
    for _ in range(3):
        other.poke()
        assert other.take() == b"x"
    bench.let_go.set()
    assert slow.take() == b"x"


def test_the_watch_ends_when_there_is_nothing_to_watch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "_UNUSED", 0.004)
    line = bench.added(lambda line: None)
    for _ in range(3):
        line.poke()
        line.take()
        deadline = time.monotonic() + PATIENCE
        while bench.loop._watching:
            assert time.monotonic() < deadline, "the watch goes on, with nothing to watch"
            threading.Event().wait(0.001)


# Code that raises


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])
def test_code_that_raises_costs_nobody_else_anything(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], waits: bool
) -> None:
    errors = errors_of_threads(monkeypatch)
    begun = threading.Event()

    def fail(line: Line) -> None:
        begun.set()
        if waits:
            bench.waits(line)
        raise error("from code")

    bad, good = bench.added(fail), bench.added()
    bad.poke()
    good.poke()
    assert good.take() == b"x"
    assert begun.wait(PATIENCE)
    bench.let_go.set()
    with bad._claimed:  # its code has ended
        pass
    if error is not SystemExit:
        assert isinstance(errors.get(timeout=PATIENCE), error)
    for _ in range(3):
        good.poke()
        assert good.take() == b"x"
    assert not bench.loop.away
    assert errors.empty()


# No threads


def test_a_loop_that_cannot_begin_says_so_and_begins_later(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    line = bench.line()
    with monkeypatch.context() as patch:
        without_threads(patch)
        with pytest.raises(RuntimeError):
            bench.loop.add(line)
    assert bench.loop._waiting is None
    bench.loop.add(line)
    line.poke()
    assert line.take() == b"x"


def test_who_cannot_leave_goes_on_leading(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    said: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def leave(line: Line) -> None:
        try:
            bench.loop.leave(line)
        except RuntimeError:
            said.put(line.led)
        else:
            said.put(False)

    line, other = bench.added(leave), bench.added()
    other.poke()
    other.take()
    with monkeypatch.context() as patch:
        without_threads(patch)
        line.poke()
        assert said.get(timeout=PATIENCE), "it left, and nobody leads"
        line.take()
        for each in (other, line, other):
            each.poke()
            assert each.take() == b"x"
    said.get()
    line.poke()
    assert not said.get(timeout=PATIENCE)
    assert line.take() == b"x"


def test_code_that_waits_without_other_threads_is_served_in_the_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, other = bench.added(), bench.added(bench.waits)
    line.poke()
    line.take()
    with monkeypatch.context() as patch:
        without_threads(patch)
        other.poke()
        line.poke()
        assert line.served.empty()
        bench.let_go.set()
        assert other.take() == b"x"
        assert line.take() == b"x"
        other.poke()
        assert other.take() == b"x"
    assert not bench.loop.away
