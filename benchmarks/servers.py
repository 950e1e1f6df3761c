"""Servers as processes of their own, with what the system knows of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import IO

_PATIENCE = 60.0
_TICK = os.sysconf("SC_CLK_TCK")


class NoAnswer(SystemExit):
    """A server ended, or kept silent, where it should have begun to answer."""


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        port: where it listens, on loopback.
        pid: its process.
        started: seconds from its start to its first answer.
    """

    port: int
    pid: int
    started: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu(self) -> float | None:
        """Seconds of processor time used so far, by all its processes; None where unknown."""
        return sum(_cpu(pid) for pid in _family(self.pid)) if Path("/proc").is_dir() else None

    def rss(self) -> int | None:
        """Bytes in memory now; None where unknown."""
        return rss(self.pid)


def rss(pid: int | None = None) -> int | None:
    """Bytes that a process and its children have in memory, our own by default; None if unknown."""
    if not Path("/proc").is_dir():
        return None
    return sum(_rss(one) for one in _family(pid or os.getpid()))


@contextmanager
def running(
    command: Sequence[str],
    *,
    port: int,
    first: str = "/",
    patience: float = _PATIENCE,
    cwd: Path | None = None,
) -> Iterator[Server]:
    """Start *command* in *cwd*, wait until it answers at the path *first*, and end it afterwards.

    Raises:
        NoAnswer: if it ends, or does not answer within *patience* seconds.
    """
    began = perf_counter()
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, cwd=cwd) as process,
    ):
        try:
            _answered(process, port, first, began + patience, log)
            yield Server(port, process.pid, perf_counter() - began)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def mockhub(*, port: int) -> list[str]:
    """The command of our own server."""
    return [sys.executable, "-m", "mockhub", "serve", *_options(port)]


def filled(count: int, *, port: int) -> list[str]:
    """The command of our own server with *count* generations made before it starts."""
    return [sys.executable, "-m", "benchmarks.prefilled_app", str(count), *_options(port)]


def _options(port: int) -> list[str]:
    return ["--port", str(port), "--scenario", "endless", "--log-level", "warning"]


def uvicorn(app: str, port: int) -> list[str]:
    """The command of a bare application under uvicorn."""
    base = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--loop", "uvloop"]
    return [*base, "--http", "httptools", "--no-access-log", "--log-level", "error"]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _answered(
    process: subprocess.Popen[bytes], port: int, path: str, until: float, log: IO[bytes]
) -> None:
    request = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" % path.encode()
    while (left := until - perf_counter()) > 0:
        if process.poll() is not None:
            raise NoAnswer(f"{process.args!r} ended: {_last(log)}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=left) as line:
                line.sendall(request)
                if line.recv(12).startswith(b"HTTP/1.1 "):
                    return
        except (ConnectionError, TimeoutError):
            pass
        sleep(0.002)
    raise NoAnswer(f"{process.args!r} did not answer in time: {_last(log)}")


def _last(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace").strip()[-500:]


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        found = children.read_text().split()
    except OSError:
        found = []
    return [pid, *(one for child in found for one in _family(int(child)))]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _rss(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
