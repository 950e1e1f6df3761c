"""State handlers of the contract suite for a mutant that runs in this process.

The suite executes this file and calls `state` for states that keys and prompts cannot give.
"""

from __future__ import annotations

from collections.abc import Callable

from mockhub.mutants.serving import RunningMutant, current
from mockhub.verify.profile import mock_account


def state(name: str, **params: object) -> dict[str, str]:
    """Bring the running server into a state and return the parameters that lead to it.

    Raises:
        LookupError: if the state is unknown or too slow.
    """
    return _STATES[name](current(), **params)


def _second_key(running: RunningMutant, account: str) -> dict[str, str]:
    owner = mock_account(account)
    return {"key": running.call(lambda server: server.hub.add_key(owner, name="second"))}


def _fresh_account(running: RunningMutant, credits: int) -> dict[str, str]:
    def create_account() -> str:
        hub = running.server.hub
        account = hub.add_account(f"fresh-{len(hub.accounts)}")
        hub.grant(account, credits)
        return hub.add_key(account.id)

    return {"key": running.call(lambda server: create_account())}


def _slow_generation(running: RunningMutant, seconds: float) -> dict[str, str]:
    if not running.allow_slow:
        raise LookupError("slow_generation")
    return {"prompt": f"[[duration={seconds:g}s]] A glacier"}


_STATES: dict[str, Callable[..., dict[str, str]]] = {
    "second_key": _second_key,
    "fresh_account": _fresh_account,
    "slow_generation": _slow_generation,
}
