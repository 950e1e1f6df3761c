"""The parts of a Hub: its accounts, its API keys and its clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Protocol, TypeVar

from mockhub._text import suggest
from mockhub._timestamps import format_timestamp, parse_duration, parse_timestamp
from mockhub.domain.accounts import Account
from mockhub.domain.clock import ManualClock
from mockhub.domain.hub import HubBackend
from mockhub.domain.keys import key_digest
from mockhub.domain.ledger import Entry
from mockhub.domain.names import require_name
from mockhub.exceptions import MockhubError
from mockhub.testing.exchanges import to_datetime

T = TypeVar("T")

Timestamp = str | datetime
Duration = str | float | timedelta


class RunOnServer(Protocol):
    """Runs a function in the thread that handles the requests, between two of them."""

    def __call__(self, function: Callable[[], T], /) -> T: ...


def timestamp_ms(value: Timestamp) -> int:
    """Convert ``"2026-05-01T00:00:00Z"`` or an aware datetime to milliseconds since 1970.

    Raises:
        MockhubError: if the text is not a timestamp, or the time zone is missing.
    """
    return parse_timestamp(value.isoformat() if isinstance(value, datetime) else value)


def _resolve_expiry(
    backend: HubBackend, expires_at: Timestamp | None, expires_in: Duration | None
) -> int | None:
    if expires_at is not None and expires_in is not None:
        raise MockhubError(
            f"expires_at={expires_at!r} and expires_in={expires_in!r}: give only one of them"
        )
    if expires_in is not None:
        return backend.clock.now() + parse_duration(expires_in)
    return None if expires_at is None else timestamp_ms(expires_at)


class AccountHandle:
    """One account of a hub.

    Attributes:
        id: The name of the account.
    """

    def __init__(self, backend: HubBackend, id: str, run_on_server: RunOnServer) -> None:
        self.id = id
        self._backend = backend
        self._run_on_server = run_on_server

    def __repr__(self) -> str:
        return f"<Account {self.id!r}, {self.credits} credits>"

    @property
    def _account(self) -> Account:
        return self._backend.accounts[self.id]

    @property
    def credits(self) -> int:
        """The balance at the hub's time, after all refunds and expiries that are due."""
        return self._run_on_server(lambda: self._backend.get_credits(self._account).credits)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The ledger: entries of kind `grant`, `charge`, `refund` or `expiry`, oldest first."""

        def read_entries() -> tuple[Entry, ...]:
            self._backend.settle()
            return tuple(self._account.entries)

        return self._run_on_server(read_entries)

    @cached_property
    def key(self) -> str:
        """An API key of the account, created at the first access."""
        return self._run_on_server(lambda: self._backend.add_key(self.id))

    def grant(
        self,
        credits: int,
        *,
        expires_at: Timestamp | None = None,
        expires_in: Duration | None = None,
    ) -> None:
        """Add credits.

        Args:
            credits: How many.
            expires_at: When they expire: ``"2026-05-01T00:00:00Z"`` or an aware datetime.
            expires_in: Or after how long: ``"30d"``, seconds or a timedelta.

        Raises:
            MockhubError: if *credits* is not a whole number, a time is not valid, or both times
                are given.
        """
        expires_at_ms = _resolve_expiry(self._backend, expires_at, expires_in)
        self._run_on_server(
            lambda: self._backend.grant(self._account, credits, expires_at=expires_at_ms)
        )


class AccountsHandle(Mapping[str, AccountHandle]):
    """The accounts of a hub by name, a mapping; an unknown name raises MockhubError."""

    def __init__(self, backend: HubBackend, run_on_server: RunOnServer) -> None:
        self._backend = backend
        self._run_on_server = run_on_server
        self._handles: dict[str, AccountHandle] = {}

    def __getitem__(self, id: str) -> AccountHandle:
        if id not in self._backend.accounts:
            known, hint = self._backend.accounts, suggest(str(id), self._backend.accounts)
            raise MockhubError(f"unknown account {id!r}{hint}; known accounts: {', '.join(known)}")
        if id not in self._handles:
            self._handles[id] = AccountHandle(self._backend, id, self._run_on_server)
        return self._handles[id]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._backend.accounts))

    def __len__(self) -> int:
        return len(self._backend.accounts)

    def create(self, id: str, *, credits: int = 0, account_type: str = "PRO") -> AccountHandle:
        """Create an account for another user; its API key is `AccountHandle.key`.

        Raises:
            MockhubError: if the name is taken or not valid, or *credits* is not a whole number.
        """
        require_name("the name of an account", id)
        if id in self._backend.accounts:
            raise MockhubError(f"the account {id!r} exists already")
        self._run_on_server(
            lambda: self._backend.create_account(id, account_type=account_type, credits=credits)
        )
        return self[id]


class KeysHandle:
    """The API keys of a hub. A key is returned once, when it is created (AUTH-7)."""

    def __init__(
        self, backend: HubBackend, accounts: AccountsHandle, run_on_server: RunOnServer
    ) -> None:
        self._backend = backend
        self._accounts = accounts
        self._run_on_server = run_on_server

    def create(
        self,
        account: str | None = None,
        *,
        expires_at: Timestamp | None = None,
        expires_in: Duration | None = None,
    ) -> str:
        """Create a key and return it.

        Args:
            account: The name of an account; the first one by default.
            expires_at: When it expires: ``"2026-05-01T00:00:00Z"`` or an aware datetime.
            expires_in: Or after how long: ``"10m"``, seconds or a timedelta.

        Raises:
            MockhubError: if the account is unknown, a time is not valid, or both are given.
        """
        id = self._accounts[account if account is not None else next(iter(self._accounts))].id
        expires_at_ms = _resolve_expiry(self._backend, expires_at, expires_in)
        return self._run_on_server(lambda: self._backend.add_key(id, expires_at=expires_at_ms))

    def revoke(self, key: str) -> None:
        """Revoke a key; raises MockhubError for a key of another hub."""
        digest = self._digest_of(key)
        self._run_on_server(lambda: self._backend.keys.revoke(digest))

    def expire(self, key: str, at: Timestamp | None = None) -> None:
        """Expire a key, now or at a time; raises MockhubError for a key of another hub."""
        digest = self._digest_of(key)
        expires_at_ms = self._backend.clock.now() if at is None else timestamp_ms(at)
        self._run_on_server(lambda: self._backend.keys.set_expiry(digest, expires_at_ms))

    def _digest_of(self, key: object) -> bytes:
        if isinstance(key, str) and (digest := key_digest(key.encode())) in self._backend.keys:
            return digest
        raise MockhubError("unknown API key; expected one of this hub")


class ClockHandle:
    """The clock of a hub. A clock of the system can only be read."""

    def __init__(self, backend: HubBackend, run_on_server: RunOnServer) -> None:
        self._backend = backend
        self._run_on_server = run_on_server

    def now(self) -> datetime:
        """Return the hub's time, in UTC."""
        return to_datetime(self._backend.clock.now())

    def advance(self, duration: Duration) -> datetime:
        """Advance the clock by ``"800s"``, ``"2m"``, seconds or a timedelta.

        Returns:
            The new time.

        Raises:
            MockhubError: if the duration is not valid, or the clock is the system's.
        """
        return self._move_to(self._manual_clock().now() + parse_duration(duration))

    def set(self, timestamp: Timestamp) -> datetime:
        """Set the clock to a later time: ``"2026-05-01T00:00:00Z"`` or an aware datetime.

        Returns:
            The new time.

        Raises:
            MockhubError: if the time is not valid or in the past, or the clock is the system's.
        """
        return self._move_to(timestamp_ms(timestamp))

    def advance_to_next_event(self) -> datetime:
        """Advance the clock to the next completion or expiry: of a generation, key or credits.

        Returns:
            The new time.

        Raises:
            MockhubError: if nothing is due at any time, or the clock is the system's.
        """
        self._manual_clock()
        due_at = self._run_on_server(self._backend.next_event)
        if due_at is None:
            raise MockhubError("no next event: no generation, key or credits are due at a time")
        return self._move_to(due_at)

    def _manual_clock(self) -> ManualClock:
        clock = self._backend.clock
        if isinstance(clock, ManualClock):
            return clock
        raise MockhubError(
            "the clock of the hub is the system's and cannot be moved; create the hub with "
            "clock='autojump', 'hold' or a start time"
        )

    def _move_to(self, timestamp: int) -> datetime:
        clock = self._manual_clock()

        def move() -> None:
            clock.set(timestamp)
            self._backend.settle()

        self._run_on_server(move)
        return self.now()

    def __repr__(self) -> str:
        return f"<Clock {format_timestamp(self._backend.clock.now())}>"
