"""Files that travel with the package: inside it in a wheel, beside it in a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def path(name: str) -> Path:
    """Where the file or folder *name* is, such as ``openapi.yaml`` or ``fixtures/scenarios``.

    Raises:
        FileNotFoundError: naming both places where it was looked for.
    """
    places = (_PACKAGE / name, _PACKAGE.parent / name)
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"{name} is neither {places[0]} nor {places[1]}; reinstall mockhub")


@cache
def version() -> str:
    """The version of mockhub that is installed."""
    from importlib import metadata  # slow to import, and seldom asked for

    return metadata.version("mockhub")
