"""The deterministic checks, in the order in which they are dealt."""

from __future__ import annotations

from ..checks import DECK

# isort: off
from . import models, auth, request, references, generate, tasks, retrieve, ledger, payers
from . import states, errors
# isort: on

__all__ = ["DECK", "auth", "errors", "generate", "ledger", "models", "references", "request"]
__all__ += ["payers", "retrieve", "states", "tasks"]
