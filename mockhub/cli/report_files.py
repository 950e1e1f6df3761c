"""The files of reports: checked before a run, and written at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from mockhub._files import why_not_writable
from mockhub.exceptions import MockhubError

ReportFile = tuple[Path | None, Callable[[], str]]  # and the function that renders the report


def check_writable(*files: Path | None) -> None:
    """Raise MockhubError if one of the files cannot be written; None stands for no file."""
    for file in filter(None, files):
        if reason := why_not_writable(file):
            raise _error(file, reason)


def check_folder_writable(folder: Path) -> None:
    """Raise MockhubError if files cannot be written to a folder, which need not exist yet."""
    existing = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not existing.is_dir():
        raise _error(folder, f"{existing} is not a directory")
    check_writable(existing / "finding.txt")


def write_reports(files: Iterable[ReportFile], mode: Literal["w", "a"] = "w") -> None:
    """Write each report; raise MockhubError at the end if one could not be written."""
    errors = []
    for file, render in files:
        if file is None:
            continue
        text = render()
        try:
            # A response may contain half of a surrogate pair, which UTF-8 cannot express.
            with file.open(mode, encoding="utf-8", errors="backslashreplace", newline="") as out:
                out.write(text)
        except OSError as error:
            errors.append(_error(file, str(error.strerror)))
    if errors:
        raise errors[0]


def _error(path: Path, reason: str) -> MockhubError:
    return MockhubError(f"{path}: cannot be written: {reason}")
