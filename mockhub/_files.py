"""Check, lock and replace files, so that no process writes over another one."""

from __future__ import annotations

import os
from pathlib import Path
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


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file, so that every reader finds the old content or the new one."""
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_bytes(content)
    os.replace(draft, path)


def why_not_writable(path: Path) -> str:
    """Say why a file cannot be written, before there is something to write; else return ""."""
    folder = path.absolute().parent
    if not folder.is_dir():
        return "there is no such directory"
    if path.is_dir():
        return "it is a directory"
    return "" if os.access(path if path.exists() else folder, os.W_OK) else "Permission denied"
