"""What the guard remembers over a restart: the credits spent, and responses that were lost."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import IO

import msgspec

from mockhub._file_lock import lock_file
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

    It is locked, so that two proxies do not count over each other.

    Raises:
        MockhubError: if the file cannot be read, is not one, or another proxy uses it.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._locked: IO[bytes] | None = None
        self._is_closed = False

    def lock(self) -> None:
        """Lock the file, if there is one yet; `save` keeps the lock."""
        if self._path is None:
            return
        try:
            self._locked = self._path.open("rb")
        except OSError:  # `load` explains it
            return
        if not lock_file(self._locked):
            self.close()
            raise MockhubError(
                f"{self._path}: another proxy uses it; give each proxy a file of its own"
            )

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
            prefix = f".{self._path.name}."
            descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=prefix)
            file = os.fdopen(descriptor, "wb")
            lock_file(file)
            file.write(msgspec.json.encode(state))
            file.flush()
            os.replace(temporary, self._path)
        except OSError as error:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
            message = f"{self._path}: cannot be written: {error.strerror}"
            raise MockhubError(message) from None
        self._release()
        self._locked = file
        if self._is_closed:
            self._release()

    def close(self) -> None:
        """Release the lock; what is still saved after it is not locked."""
        self._is_closed = True
        self._release()

    def _release(self) -> None:
        if self._locked is not None:
            self._locked.close()
