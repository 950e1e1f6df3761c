"""Requests end within their deadline, and leave no thread behind that cannot be used again."""

from __future__ import annotations

import os
import threading
from threading import Event

import pytest

from mockhub.verify.transport import RawResponse, with_deadline


def test_call_returns_its_response() -> None:
    assert with_deadline(10, lambda: RawResponse(204)).status == 204


def test_error_of_a_call_is_raised() -> None:
    def fail() -> RawResponse:
        raise KeyError("unforeseen")

    with pytest.raises(KeyError, match="unforeseen"):
        with_deadline(10, fail)
    assert with_deadline(10, lambda: RawResponse(204)).status == 204


def test_call_that_does_not_end_is_a_timeout() -> None:
    """Its thread is not used before it has ended."""
    released = Event()

    def wait() -> RawResponse:
        released.wait(30)
        return RawResponse(200)

    assert with_deadline(0.05, wait).error == "timeout"
    assert with_deadline(10, lambda: RawResponse(204)).status == 204
    released.set()


def test_threads_are_used_again() -> None:
    threads: set[int] = set()

    def call() -> RawResponse:
        threads.add(threading.get_ident())
        return RawResponse(200)

    for _ in range(20):
        with_deadline(10, call)
    assert len(threads) < 5  # one that has ended late may come between


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_process_starts_threads_of_its_own() -> None:
    with_deadline(10, lambda: RawResponse(200))
    if (child := os.fork()) == 0:
        status = with_deadline(5, lambda: RawResponse(204)).status
        os._exit(0 if status == 204 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
