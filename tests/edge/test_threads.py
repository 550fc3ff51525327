"""Threads that calls hold: as many as there are tasks at once, used again, and gone when nobody needs them."""

from __future__ import annotations

import threading

import pytest

from protoplane.edge import threads
from protoplane.edge.threads import Threads


class Tasks:
    """Tasks that wait for each other, and the threads that ran them."""

    def __init__(self) -> None:
        self.ran: list[threading.Thread] = []
        self.changed = threading.Condition()
        self.on = threading.Event()
        self.on.set()

    def __call__(self) -> None:
        """One of them."""
        with self.changed:
            self.ran.append(threading.current_thread())
            self.changed.notify_all()
        assert self.on.wait(20)

    def wait_for(self, count: int) -> list[threading.Thread]:
        """Until so many have begun."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.ran) >= count, 20)
            return list(self.ran)


def waits(pool: Threads, free: int) -> None:
    """Until so many threads wait."""
    pause = threading.Event()
    for _ in range(2_000):
        if pool._free == free:
            return
        pause.wait(0.005)
    raise AssertionError(f"{pool._free} wait, not {free}")


def test_tasks_at_once_have_threads_of_their_own_and_later_ones_use_them_again() -> None:
    pool, tasks = Threads("t"), Tasks()
    tasks.on.clear()
    for _ in range(3):
        pool.run(tasks)
    first = tasks.wait_for(3)
    assert len(set(first)) == 3
    tasks.on.set()
    waits(pool, 3)
    for _ in range(10):
        pool.run(tasks)
        waits(pool, 3)
    assert set(tasks.wait_for(13)) == set(first)
    pool.stop()
    for thread in first:
        thread.join(10)
        assert not thread.is_alive()


def test_a_thread_that_nobody_needs_ends_and_another_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "IDLE_SECONDS_MAX", 0.05)
    pool, tasks = Threads("t"), Tasks()
    pool.run(tasks)
    (first,) = tasks.wait_for(1)
    first.join(10)
    assert not first.is_alive()
    assert pool._free == 0
    pool.run(tasks)
    assert tasks.wait_for(2)[1] is not first
    pool.stop()


def test_no_task_is_lost_between_a_thread_that_ends_and_one_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "IDLE_SECONDS_MAX", 0.0005)
    pool, tasks, pause = Threads("t"), Tasks(), threading.Event()
    for _ in range(500):
        pool.run(tasks)
        pause.wait(0.0005)
    assert len(tasks.wait_for(500)) == 500
    waits(pool, 0)


def test_a_task_under_way_when_all_stops_ends_with_its_thread() -> None:
    pool, tasks = Threads("t"), Tasks()
    tasks.on.clear()
    pool.run(tasks)
    (thread,) = tasks.wait_for(1)
    pool.stop()
    tasks.on.set()
    thread.join(10)
    assert not thread.is_alive()
