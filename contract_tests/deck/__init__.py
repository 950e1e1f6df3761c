"""The deterministic checks, in the order in which they are dealt."""

from __future__ import annotations

from ..checks import DECK

# isort: off
from . import models, auth, request, references, generate, tasks, retrieve
from . import ledger, refunds, funds, books, payers, states, errors
# isort: on

__all__ = ["DECK", "auth", "books", "errors", "funds", "generate", "ledger", "models", "payers"]
__all__ += ["references", "refunds", "request", "retrieve", "states", "tasks"]
