"""Calls that run in threads, as many at the same time as is allowed."""

from __future__ import annotations

from threading import Barrier, Lock

import pytest

from mockhub.verify.threads import parallel

_SECONDS = 30  # in which threads meet


def test_results_are_in_order() -> None:
    assert parallel([lambda at=at: at for at in range(20)], 3) == list(range(20))  # type: ignore[misc]


def test_all_calls_run_at_the_same_time() -> None:
    barrier = Barrier(8)
    assert sorted(parallel([lambda: barrier.wait(_SECONDS)] * 8)) == list(range(8))


def test_calls_may_run_calls() -> None:
    barrier = Barrier(4)
    inner = [lambda: barrier.wait(_SECONDS)] * 2
    assert len(parallel([lambda: parallel(inner)] * 2)) == 2


def test_limit_is_kept() -> None:
    running, most, lock = 0, 0, Lock()

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    parallel([call] * 50, 2)
    assert most <= 2


def test_first_error_is_raised_after_all_calls() -> None:
    ran: list[int] = []

    def call(at: int) -> None:
        ran.append(at)
        if at in (1, 3):
            raise KeyError(at)

    with pytest.raises(KeyError, match="1"):
        parallel([lambda at=at: call(at) for at in range(6)], 2)  # type: ignore[misc]
    assert sorted(ran) == list(range(6))
