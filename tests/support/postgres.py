"""A temporary PostgreSQL cluster, for tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import mkdtemp

from benchmarks.servers import free_port

USER = "mockhub"
_UNPRIVILEGED = 65534  # on every Unix
_START_TIMEOUT = 60  # seconds
_FAST = ("fsync=off", "full_page_writes=off", "max_connections=50")


class Cluster:
    """A PostgreSQL server with files of its own, on a free port of the loopback interface.

    Args:
        settings: Settings of the server; by default a loss of power would harm it.
    """

    def __init__(self, *, settings: Sequence[str] = _FAST) -> None:
        self.directory = Path(mkdtemp(prefix="mockhub-pg-"))
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self.port = free_port()
        self._demote = _demotion()
        if self._demote:
            shutil.chown(self.directory, _unprivileged_user())
        self._run("initdb", "-D", self._data, "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8")
        self.start()

    @property
    def _data(self) -> str:
        return str(self.directory / "data")

    def start(self) -> None:
        options = ["-p", str(self.port), "-k", str(self.directory), "-h", "127.0.0.1"]
        for setting in self._settings:
            options += ["-c", setting]
        self._process = subprocess.Popen(
            [find_program("postgres"), "-D", self._data, *options],
            preexec_fn=self._demote,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.directory,
        )
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._is_ready():
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, *, immediately: bool = False) -> None:
        """Stop the server; connections are closed."""
        assert self._process
        self._process.send_signal(signal.SIGQUIT if immediately else signal.SIGINT)
        self._process.wait(_START_TIMEOUT)

    def close(self) -> None:
        self.stop(immediately=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Create an empty database and return its URL."""
        import psycopg

        self._databases += 1
        name = f"test_{self._databases}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [find_program(program), *arguments],
            check=True,
            preexec_fn=self._demote,
            stdout=subprocess.DEVNULL,
            cwd=self.directory,
        )


def find_program(name: str) -> str:
    """Return the path of a program of PostgreSQL, which Debian does not have on the path."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = shutil.which(name) or (str(installed[0]) if installed else None)
    if found is None:
        raise FileNotFoundError(name)
    return found


def why_not() -> str | None:
    """Return why no cluster can be started here, or None."""
    try:
        find_program("initdb"), find_program("postgres")
    except FileNotFoundError as error:
        return f"PostgreSQL is not installed: there is no {error}"
    return None


def _unprivileged_user() -> str:
    names = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in names else pwd.getpwuid(_UNPRIVILEGED).pw_name


def _demotion() -> Callable[[], None] | None:
    """Return what gives up the rights of root, since PostgreSQL refuses to run with them."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam(_unprivileged_user())

    def demote() -> None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)

    return demote
