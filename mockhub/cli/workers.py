"""Run a server in several processes, for `mockhub serve --workers`."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable

import click

from mockhub.cli._click import one_line_errors
from mockhub.exceptions import MockhubError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_workers(count: int, run: Callable[[int], None]) -> None:
    """Call *run* with 0 to *count* - 1, each in a process of its own, until a signal.

    A process that a signal has killed is started again. When one ends by itself, or this one is
    killed, all end.

    Raises:
        MockhubError: if the system cannot fork processes.
    """
    if not hasattr(os, "fork"):
        raise MockhubError("--workers needs a system that forks processes; start several servers")
    pipe = os.pipe()  # only this process can write: it is closed when this process ends
    numbers = {_fork(number, run, pipe): number for number in range(count)}
    is_stopping, exit_code = False, 0

    def stop(*_: object) -> None:
        nonlocal is_stopping
        is_stopping = True
        for process in numbers:
            os.kill(process, signal.SIGTERM)

    for one in _SIGNALS:
        signal.signal(one, stop)
    while numbers:
        process, status = os.wait()
        number = numbers.pop(process)
        if not is_stopping and os.WIFSIGNALED(status):
            reason = signal.Signals(os.WTERMSIG(status)).name
            click.echo(f"mockhub: worker {number} was ended by {reason}; it is restarted", err=True)
            numbers[_fork(number, run, pipe)] = number
        elif not is_stopping:
            exit_code = os.waitstatus_to_exitcode(status)
            stop()
    sys.exit(exit_code)


def _end_with_parent(reader: int) -> None:
    """Wait until the parent has ended, however it was killed, and end this process."""
    os.read(reader, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _fork(number: int, run: Callable[[int], None], pipe: tuple[int, int]) -> int:
    process = os.fork()
    if process:
        return process
    for one in _SIGNALS:
        signal.signal(one, signal.SIG_DFL)
    reader, writer = pipe
    os.close(writer)
    threading.Thread(target=_end_with_parent, args=[reader], daemon=True).start()
    exit_code = 1
    try:
        with one_line_errors():
            run(number)
        exit_code = 0
    except click.exceptions.Exit as end:
        exit_code = end.exit_code
    except KeyboardInterrupt:
        exit_code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
