"""What the guard remembers over a restart: the credits spent, and responses that were lost."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import msgspec

from mockhub._files import lock_file, write_atomically
from mockhub.exceptions import MockhubError

_VERSION = 1


class Purchase(msgspec.Struct, omit_defaults=True):
    """A request that could be charged, until nothing about it can change any more.

    Attributes:
        at: When it was sent, in milliseconds of the system's clock.
        credits: What it costs: the price until a response says more.
        identity: The digest of the logical request, which a repeat has in common with it.
        pending: The upstream has not responded yet.
        confirmed: A response said what it costs.
        settled: The credits cannot change any more.
        lost: The client did not get the response.
        generation: The generation that it created.
        status: The status of the response, if it can be sent again.
        body: Its body.
    """

    at: int
    credits: int
    identity: str
    pending: bool = True
    confirmed: bool = False
    settled: bool = False
    lost: bool = False
    generation: str | None = None
    status: int | None = None
    body: str | None = None


class GuardState(msgspec.Struct):
    """The state of a guard.

    Attributes:
        target: The URL of the upstream.
        budget: The credits that may be spent in all; None if there is no limit.
        closed_credits: What the requests have cost that are no longer in `purchases`.
        closed_unconfirmed: The part of it that no response has confirmed.
        purchases: The others.
    """

    target: str
    budget: int | None = None
    closed_credits: int = 0
    closed_unconfirmed: int = 0
    purchases: list[Purchase] = []
    version: int = _VERSION

    @property
    def spent(self) -> int:
        """The credits spent, with the price of requests whose response is not known."""
        return self.closed_credits + sum(one.credits for one in self.purchases)

    @property
    def unconfirmed(self) -> int:
        """The part of `spent` that no response has confirmed."""
        running = sum(one.credits for one in self.purchases if not one.confirmed)
        return self.closed_unconfirmed + running

    def as_json(self) -> dict[str, object]:
        lost = [one for one in self.purchases if one.lost]
        return {
            "target": self.target,
            "budget": self.budget,
            "spent": self.spent,
            "unconfirmed": self.unconfirmed,
            "left": None if self.budget is None else max(0, self.budget - self.spent),
            "running": sum(not one.settled for one in self.purchases),
            "lost_responses": len(lost),
        }


class StateFile:
    """The file of a guard's state, which is replaced as a whole; without a path there is none.

    Another file beside it, ``.lock``, is locked, so that two proxies do not count over each other.

    Raises:
        MockhubError: if the file cannot be read or written, is not one, or another proxy uses it.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock: IO[bytes] | None = None

    def lock(self) -> None:
        """Lock the file until `close`."""
        if self._path is None:
            return
        try:
            self._lock = self._path.with_name(f"{self._path.name}.lock").open("wb")
        except OSError as error:
            raise self._error(f"cannot be written: {error.strerror}") from None
        if not lock_file(self._lock):
            self.close()
            raise self._error("another proxy uses it; give each proxy a file of its own")

    def load(self) -> GuardState | None:
        """Return the state; None if there is no file yet."""
        if self._path is None:
            return None
        try:
            state = msgspec.json.decode(self._path.read_bytes(), type=GuardState)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error(f"cannot be read: {error.strerror}") from None
        except msgspec.DecodeError as error:
            raise self._error(f"{error}; expected a file that --state has written") from None
        if state.version != _VERSION:
            raise self._error(f"version {state.version}; expected {_VERSION}")
        return state

    def save(self, state: GuardState) -> None:
        if self._path is None:
            return
        try:
            write_atomically(self._path, msgspec.json.encode(state))
        except OSError as error:
            raise self._error(f"cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            self._lock.close()

    def _error(self, problem: str) -> MockhubError:
        return MockhubError(f"{self._path}: {problem}")
