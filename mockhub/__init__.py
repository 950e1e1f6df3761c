"""The GPT Image Hub API on a laptop: a stateful mock server, contract tests and a pytest plugin.

The public names are imported at their first use, so importing this package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockhub.exceptions import MockhubError
    from mockhub.testing.hub import Hub
    from mockhub.testing.standalone import ASGI, running

__all__ = ["ASGI", "Hub", "MockhubError", "__version__", "running"]

__version__ = "0.1.0"

_LAZY_IMPORTS = {
    "ASGI": "mockhub.testing.standalone",
    "Hub": "mockhub.testing.hub",
    "MockhubError": "mockhub.exceptions",
    "running": "mockhub.testing.standalone",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY_IMPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY_IMPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY_IMPORTS})
