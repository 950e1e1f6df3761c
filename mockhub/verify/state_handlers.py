"""Provider states: bring the implementation into a state with a function of its owner."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from mockhub.exceptions import MockhubError
from mockhub.verify.outcomes import Inconclusive, Skipped, describe_exception

StateHandler = Callable[..., object]


def load_state_handler(file: Path | None) -> StateHandler | None:
    """Return the function `state` of a Python file, or None without a file.

    Raises:
        MockhubError: if the file cannot be run, or has no such function.
    """
    if file is None:
        return None
    try:
        handler = runpy.run_path(str(file)).get("state")
    except Exception as error:
        raise MockhubError(f"{file}: {describe_exception(error, str(file))}") from error
    if not callable(handler):
        raise MockhubError(f"{file}: has no function state(name, **params)")
    return cast(StateHandler, handler)


def call_state_handler(
    handler: StateHandler | None, name: str, result_key: str, **params: object
) -> str:
    """Bring the implementation into the state *name* and return what the handler knows about it.

    Raises:
        Skipped: if there is no handler, or it does not offer the state.
        Inconclusive: if it fails, or does not return a text under *result_key*.
    """
    if handler is None:
        raise Skipped(f"no state handler provides the state {name}")
    try:
        result = handler(name, **params)
    except LookupError:
        raise Skipped(f"the state handlers do not offer the state {name}") from None
    except Exception as error:
        message = f"the state handler failed at {name}: {describe_exception(error)}"
        raise Inconclusive(message) from error
    value = result.get(result_key) if isinstance(result, Mapping) else None
    if not isinstance(value, str) or not value.strip():
        raise Inconclusive(
            f"the state handler returned no {result_key!r} for {name}, but {result!r}"
        )
    return value.strip()  # a line break at its end, as commands print it, is no part of a key
