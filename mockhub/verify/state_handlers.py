"""States that keys and prompts cannot give, made on demand by an implementer's own file."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mockhub.exceptions import MockhubError
from mockhub.verify.outcomes import Inconclusive, Skipped

StateHandler = Callable[..., Mapping[str, Any]]


def load_state_handler(file: Path) -> StateHandler:
    """The function `state` of a provision.

    Raises:
        MockhubError: if the file cannot be run, or has no such function.
    """
    try:
        handler = runpy.run_path(str(file)).get("state")
    except Exception as error:
        raise MockhubError(f"{file}: {type(error).__name__}: {error}") from error
    if not callable(handler):
        raise MockhubError(f"{file}: has no function state(name, **params)")
    typed_handler: StateHandler = handler
    return typed_handler


def call_state_handler(
    handler: StateHandler | None, name: str, result_key: str, **params: Any
) -> str:
    """Put the implementation into a state and return the *fact* that it gives.

    Raises:
        NotAsked: if there is no provision, or it does not offer the state.
        Inconclusive: if it fails, or returns something else.
    """
    if handler is None:
        raise Skipped(f"no state handler provides the state {name}")
    try:
        result: Any = handler(name, **params)
    except LookupError:
        raise Skipped(f"the state handlers do not offer the state {name}") from None
    except Exception as error:
        message = f"the state handler failed at {name}: {type(error).__name__}: {error}"
        raise Inconclusive(message) from error
    value = result.get(result_key) if isinstance(result, Mapping) else None
    if not isinstance(value, str) or not value:
        raise Inconclusive(
            f"the state handler returned no {result_key!r} for {name}, but {result!r}"
        )
    return value
