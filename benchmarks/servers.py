"""Run servers as processes, and read their processor time and memory."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import IO

_START_TIMEOUT = 60.0
_TICK = os.sysconf("SC_CLK_TCK")
_PORTS = range(20_000, 32_000)  # below those that systems give to sockets without a port


class StartFailed(SystemExit):
    """A server exited, or did not respond in time."""


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        port: the port on loopback.
        pid: the process id.
        started: seconds from the start to the first response.
    """

    port: int
    pid: int
    started: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu(self) -> float | None:
        """Return the processor time of all its processes in seconds; None if unknown."""
        return sum(_cpu(pid) for pid in _process_tree(self.pid)) if Path("/proc").is_dir() else None

    def rss(self) -> int | None:
        """Return its resident memory in bytes; None if unknown."""
        return rss(self.pid)


def rss(pid: int | None = None) -> int | None:
    """Return the resident bytes of a process and its children, or of this one; None if unknown."""
    if not Path("/proc").is_dir():
        return None
    return sum(_rss(one) for one in _process_tree(pid or os.getpid()))


@contextmanager
def running(
    command: Sequence[str],
    *,
    port: int,
    ready_path: str = "/",
    timeout: float = _START_TIMEOUT,
    cwd: Path | None = None,
) -> Iterator[Server]:
    """Start *command* in *cwd*, wait for a response at *ready_path*, and stop it afterwards.

    Raises:
        StartFailed: if it exits, or does not respond within *timeout* seconds.
    """
    # An installed server does not compile its modules at each start.
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    began = perf_counter()
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=log, cwd=cwd, env=env
        ) as process,
    ):
        try:
            _wait_until_ready(process, port, ready_path, began + timeout, log)
            yield Server(port, process.pid, perf_counter() - began)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def mockhub_command(*, port: int) -> list[str]:
    """Return the command of our own server."""
    return [sys.executable, "-m", "mockhub", "serve", *_options(port)]


def prefilled(count: int, *, port: int) -> list[str]:
    """Return the command of our own server with *count* generations."""
    return [sys.executable, "-m", "benchmarks.prefilled_app", str(count), *_options(port)]


def _options(port: int) -> list[str]:
    return ["--port", str(port), "--scenario", "endless", "--log-level", "warning"]


def uvicorn_command(app: str, port: int) -> list[str]:
    """Return the command of a bare application under uvicorn."""
    base = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--loop", "uvloop"]
    return [*base, "--http", "httptools", "--no-access-log", "--log-level", "error"]


def free_port() -> int:
    """Return a free port that no client and no `--port 0` takes before the server does.

    Raises:
        StartFailed: if no port is found.
    """
    for _ in range(100):
        port = secrets.choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise StartFailed(f"no free port found in {_PORTS.start} to {_PORTS.stop - 1}")


def _wait_until_ready(
    process: subprocess.Popen[bytes], port: int, path: str, until: float, log: IO[bytes]
) -> None:
    request = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" % path.encode()
    while (left := until - perf_counter()) > 0:
        if process.poll() is not None:
            raise StartFailed(f"{process.args!r} exited: {_end_of_log(log)}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=left) as line:
                line.sendall(request)
                if line.recv(12).startswith(b"HTTP/1.1 "):
                    return
        except (ConnectionError, TimeoutError):
            pass
        sleep(0.002)
    raise StartFailed(f"{process.args!r} did not respond in time: {_end_of_log(log)}")


def _end_of_log(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace").strip()[-500:]


def _process_tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        found = children.read_text().split()
    except OSError:
        found = []
    return [pid, *(one for child in found for one in _process_tree(int(child)))]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _rss(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
