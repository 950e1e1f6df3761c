"""Threads that are used again: to start one takes half as long as a request."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
Job = Callable[[], None]

_idle: list[SimpleQueue[Job]] = []  # what the idle threads wait for
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_idle.clear)


def submit(call: Callable[[], T]) -> Future[T]:
    """Run *call* in a thread that does not keep the process alive."""
    future: Future[T] = Future()
    try:
        jobs = _idle.pop()
    except IndexError:
        jobs = SimpleQueue()
        Thread(target=_run_jobs, args=(jobs,), daemon=True).start()
    jobs.put(partial(_run, call, future, partial(_idle.append, jobs)))
    return future


def parallel(calls: Sequence[Callable[[], T]], limit: int = 100) -> list[T]:
    """Run *calls* in at most *limit* threads and return their results in order.

    All of them run, also if one raises an exception; that of the first is raised then.
    """
    if len(calls) < 2:
        return [call() for call in calls]
    futures: list[Future[T]] = [Future() for _ in calls]
    waiting = deque(zip(calls, futures, strict=True))

    def run_waiting() -> None:
        while waiting:
            try:
                call, future = waiting.popleft()
            except IndexError:  # another thread took it
                return
            _run(call, future)

    threads = [submit(run_waiting) for _ in range(min(len(calls), limit))]
    try:
        wait(threads)
    finally:  # Ctrl-C: begin no further call, and leave none behind
        waiting.clear()
        wait(threads)
    return [future.result() for future in futures]


def _run_jobs(jobs: SimpleQueue[Job]) -> None:
    while True:
        jobs.get()()


def _run(
    call: Callable[[], Any], future: Future[Any], at_end: Callable[[], None] = lambda: None
) -> None:
    try:
        finish = partial(future.set_result, call())
    except BaseException as error:
        finish = partial(future.set_exception, error)
    at_end()
    finish()
