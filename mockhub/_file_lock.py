"""Lock a file, so that two processes do not write over each other."""

from __future__ import annotations

from typing import IO

try:
    import fcntl
except ImportError:  # on Windows, where nothing is locked
    fcntl = None  # type: ignore[assignment]


def lock_file(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed; return False if another one has locked it."""
    try:
        if fcntl is not None:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # the file system has no locks
    return True
