"""What the guard remembers over a restart: the credits spent, and responses that were lost."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec

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
    identity: str | None = None
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

    Raises:
        MockhubError: if the file cannot be read, or is not one.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self) -> GuardState | None:
        """Return the state; None if there is no file yet."""
        if self._path is None:
            return None
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MockhubError(f"{self._path}: cannot be read: {error.strerror}") from None
        try:
            state = msgspec.json.decode(content, type=GuardState)
        except msgspec.DecodeError as error:
            message = f"{self._path}: {error}; expected a file that --state has written"
            raise MockhubError(message) from None
        if state.version != _VERSION:
            raise MockhubError(f"{self._path}: version {state.version}; expected {_VERSION}")
        return state

    def save(self, state: GuardState) -> None:
        """Replace the file; raises MockhubError."""
        if self._path is None:
            return
        temporary = None
        try:
            with tempfile.NamedTemporaryFile(
                dir=self._path.parent, prefix=f".{self._path.name}.", delete=False
            ) as file:
                temporary = file.name
                file.write(msgspec.json.encode(state))
            os.replace(temporary, self._path)
        except OSError as error:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
            message = f"{self._path}: cannot be written: {error.strerror}"
            raise MockhubError(message) from None
