"""State handlers of the contract suite for a mutant that runs in this process.

The suite executes this file and calls `state` for states that keys and prompts cannot give.
"""

from __future__ import annotations

from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.serving import current
from mockhub.verify.profile import mock_account


def state(name: str, *, account: str = "", credits: int = 0, seconds: float = 0) -> dict[str, str]:
    """Bring the running server into a state and return the parameters that lead to it.

    Raises:
        LookupError: if the state is unknown or too slow.
    """
    running = current()
    if name == "second_key":
        owner = mock_account(account)
        return {"key": running.call(lambda server: server.hub.add_key(owner, name="second"))}
    if name == "fresh_account":
        return {"key": running.call(lambda server: _fresh_account(server, credits))}
    if name == "slow_generation" and running.allow_slow:
        return {"prompt": f"[[duration={seconds:g}s]] A glacier"}
    raise LookupError(name)


def _fresh_account(server: PatchedServer, credits: int) -> str:
    account = server.hub.add_account(f"fresh-{len(server.hub.accounts)}")
    server.hub.grant(account, credits)
    return server.hub.add_key(account.id)
