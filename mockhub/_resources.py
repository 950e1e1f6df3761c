"""Find the data files of the package: inside it in a wheel, beside it in a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE_DIR = Path(__file__).resolve().parent


def resource_path(name: str) -> Path:
    """Return the path of a file or folder such as ``openapi.yaml`` or ``fixtures/scenarios``.

    Raises:
        FileNotFoundError: with the two paths where it was expected.
    """
    candidates = (_PACKAGE_DIR / name, _PACKAGE_DIR.parent / name)
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise FileNotFoundError(
        f"{name} is neither {candidates[0]} nor {candidates[1]}; reinstall mockhub"
    )


@cache
def version() -> str:
    """Return the installed version of mockhub."""
    from importlib import metadata  # slow to import, and seldom needed

    return metadata.version("mockhub")
