"""Threads that are used again."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pytest_httpserve.errors import NoMoreThreads
from pytest_httpserve.net.workers import Workers

PATIENCE = 5.0


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers("test-worker", daemon=True)
    yield workers
    workers.close(PATIENCE)


def test_a_task_runs_on_a_thread_with_the_workers_name(workers: Workers) -> None:
    threads: list[threading.Thread] = []
    done = threading.Event()

    def task() -> None:
        threads.append(threading.current_thread())
        done.set()

    workers.run(task)
    assert done.wait(PATIENCE)
    assert threads[0].name == "test-worker"
    assert threads[0].daemon
    assert threads[0] is not threading.current_thread()


def test_tasks_that_wait_for_each_other_meet(workers: Workers) -> None:
    barrier = threading.Barrier(21, timeout=PATIENCE)
    for _ in range(3):
        for _ in range(20):
            workers.run(barrier.wait)
        barrier.wait()
    assert len(workers._threads) <= 40, "threads that were free were not used again"


def test_a_free_thread_ends_after_its_idle_time() -> None:
    workers = Workers("test-worker", daemon=True, idle=0.01)
    for _ in range(20):
        done = threading.Event()
        workers.run(done.set)
        assert done.wait(PATIENCE)
    (*threads,) = workers._threads
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert not workers._threads


def test_no_task_is_lost_to_a_thread_that_ends_just_then() -> None:
    workers = Workers("test-worker", daemon=True, idle=0.0)  # each thread ends as soon as it is free
    for _ in range(500):
        done = threading.Event()
        workers.run(done.set)
        assert done.wait(PATIENCE), "a task was given to a thread that has ended"
    workers.close(PATIENCE)


def test_system_exit_ends_the_task_and_not_the_thread(workers: Workers) -> None:
    def leave() -> None:
        raise SystemExit

    workers.run(leave)
    done = threading.Event()
    workers.run(done.set)
    assert done.wait(PATIENCE)


def test_a_thread_that_dies_of_its_task_is_not_counted_on(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    died = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda arguments: died.set())

    def fail() -> None:
        raise KeyError

    workers.run(fail)
    assert died.wait(PATIENCE)
    done = threading.Event()
    workers.run(done.set)
    assert done.wait(PATIENCE)


def test_a_thread_that_cannot_be_made_is_an_error_that_leaves_nothing(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError):
            workers.run(lambda: None)
    assert not workers._threads
    done = threading.Event()
    workers.run(done.set)
    assert done.wait(PATIENCE)


def test_a_worker_that_is_closed_while_busy_ends_with_its_task() -> None:
    workers = Workers("test-worker", daemon=True)
    begun, let_go, threads = threading.Event(), threading.Event(), []

    def task() -> None:
        threads.append(threading.current_thread())
        begun.set()
        let_go.wait(PATIENCE)

    workers.run(task)
    assert begun.wait(PATIENCE)
    workers.close(0)
    let_go.set()
    threads[0].join(PATIENCE)
    assert not threads[0].is_alive()


def test_closing_waits_for_a_thread_that_is_about_to_start(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    start, about, go = threading.Thread.start, threading.Event(), threading.Event()

    def start_late(thread: threading.Thread) -> None:
        if thread.name == "test-worker":
            about.set()
            assert go.wait(PATIENCE)
        start(thread)

    def close() -> None:
        try:
            workers.close(PATIENCE)
        except RuntimeError as error:
            errors.append(error)

    monkeypatch.setattr(threading.Thread, "start", start_late)
    errors: list[RuntimeError] = []
    done = threading.Event()
    others = [threading.Thread(target=workers.run, args=(done.set,)), threading.Thread(target=close)]
    others[0].start()
    assert about.wait(PATIENCE)
    others[1].start()
    others[1].join(0.05)  # it either fails by now, or waits
    go.set()
    for other in others:
        other.join()
    assert errors == []
    assert done.is_set()


def test_workers_may_be_closed_by_one_of_them() -> None:
    workers = Workers("test-worker", daemon=True)
    done = threading.Event()

    def task() -> None:
        workers.close(PATIENCE)
        done.set()

    workers.run(task)
    assert done.wait(PATIENCE)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("can't start new thread", "the system has no more threads (or ulimit -u allows no more)"),
        (
            "can't create new thread at interpreter shutdown",
            "a server needs threads, and Python has none here: can't create new thread at interpreter shutdown",
        ),
    ],
)
def test_why_there_is_no_thread_is_said(monkeypatch: pytest.MonkeyPatch, said: str, sentence: str) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    workers = Workers("w", daemon=True)
    with pytest.raises(NoMoreThreads) as refused:
        workers.run(lambda: None)

    assert str(refused.value) == sentence
    assert not workers._threads
