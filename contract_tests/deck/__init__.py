"""The deterministic checks, in the order in which they are dealt."""

from __future__ import annotations

from ..checks import DECK

from . import models, auth, request, references, generate, tasks, retrieve, ledger, states, errors  # isort: skip

__all__ = ["DECK", "auth", "errors", "generate", "ledger", "models", "references", "request"]
__all__ += ["retrieve", "states", "tasks"]
