"""States that keys and prompts cannot give, made on demand by an implementer's own file."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mockhub.spec.errors import MockhubError

from .verdicts import Inconclusive, NotAsked

State = Callable[..., Mapping[str, Any]]


def load(file: Path) -> State:
    """The function `state` of a provision.

    Raises:
        MockhubError: if the file cannot be run, or has no such function.
    """
    try:
        found = runpy.run_path(str(file)).get("state")
    except Exception as error:
        raise MockhubError(f"{file}: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise MockhubError(f"{file}: has no function state(name, **params)")
    state: State = found
    return state


def ask(state: State | None, name: str, fact: str, **params: Any) -> str:
    """Put the implementation into a state and return the *fact* that it gives.

    Raises:
        NotAsked: if there is no provision, or it does not offer the state.
        Inconclusive: if it fails, or returns something else.
    """
    if state is None:
        raise NotAsked(f"no provision makes the state {name}")
    try:
        found: Any = state(name, **params)
    except LookupError:
        raise NotAsked(f"the provision does not offer the state {name}") from None
    except Exception as error:
        message = f"the provision failed at {name}: {type(error).__name__}: {error}"
        raise Inconclusive(message) from error
    value = found.get(fact) if isinstance(found, Mapping) else None
    if not isinstance(value, str) or not value:
        raise Inconclusive(f"the provision gave no {fact!r} for {name}, but {found!r}")
    return value
