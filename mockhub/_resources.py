"""Files that travel with the package: inside it in a wheel, beside it in a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE_DIR = Path(__file__).resolve().parent


def resource_path(name: str) -> Path:
    """Where the file or folder *name* is, such as ``openapi.yaml`` or ``fixtures/scenarios``.

    Raises:
        FileNotFoundError: naming both places where it was looked for.
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
    """The version of mockhub that is installed."""
    from importlib import metadata  # slow to import, and seldom asked for

    return metadata.version("mockhub")
