"""Write log lines to a file descriptor from a thread, so that a blocked pipe blocks no request."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import TextIO

MAX_PENDING_BYTES = 4 * 1024 * 1024


class LogWriter:
    """A bounded queue of log lines, and the thread that writes them.

    While the pipe is not read, lines are dropped; later, a line says how many. When the
    reader has closed the pipe, all further lines are discarded.

    Args:
        stream: A standard stream, or None if it is closed.
        drop_notice: Returns the line that says how many lines were dropped.
    """

    def __init__(
        self,
        stream: TextIO | None,
        drop_notice: Callable[[int], str] = "{} log lines dropped".format,
    ) -> None:
        self._fileno = stream.fileno() if stream else os.open(os.devnull, os.O_WRONLY)
        self._drop_notice = drop_notice
        self._changed = threading.Condition()
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._dropped_lines = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="mockhub-log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Add lines; never block."""
        data = text.encode(errors="backslashreplace")
        with self._changed:
            if self._closed:
                return
            if self._dropped_lines or self._pending_bytes + len(data) > MAX_PENDING_BYTES:
                self._dropped_lines += data.count(b"\n")
                return
            self._pending.append(data)
            self._pending_bytes += len(data)
            self._changed.notify()

    def flush(self) -> None:
        """Do nothing: the thread writes as soon as it can."""

    def isatty(self) -> bool:
        return os.isatty(self._fileno)

    def close(self, timeout: float) -> None:
        """Write what is pending, for at most *timeout* seconds."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            while data := self._next():
                while data:
                    data = data[self._write_some(data) :]
        except OSError:  # the reader has closed the pipe, or the disk is full
            with self._changed:
                self._closed = True
                self._pending.clear()

    def _write_some(self, data: bytes) -> int:
        try:
            return os.write(self._fileno, data)
        except BlockingIOError:  # the parent process made the pipe non-blocking
            select.select([], [self._fileno], [])
            return 0

    def _next(self) -> bytes:
        """Wait for lines and return them; b"" after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._dropped_lines or self._closed)
            if self._pending:
                data = self._pending.popleft()
                self._pending_bytes -= len(data)
                return data
            dropped, self._dropped_lines = self._dropped_lines, 0
            return f"{self._drop_notice(dropped)}\n".encode() if dropped else b""
