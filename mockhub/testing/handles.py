"""What hangs on a hub's handle: its accounts, its keys and its clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Protocol, TypeVar

from mockhub._text import suggest
from mockhub._timestamps import SECOND, format_timestamp, parse_duration, parse_timestamp
from mockhub.domain.accounts import Account
from mockhub.domain.clock import ManualClock
from mockhub.domain.hub import HubBackend
from mockhub.domain.keys import key_digest
from mockhub.domain.ledger import Entry
from mockhub.exceptions import MockhubError
from mockhub.testing.exchanges import to_datetime

T = TypeVar("T")

Timestamp = str | datetime
Duration = str | float | timedelta


class RunOnServer(Protocol):
    """Runs a function where no request runs meanwhile, and returns its result."""

    def __call__(self, function: Callable[[], T], /) -> T: ...


def duration_ms(value: Duration) -> int:
    """A length of time as the world counts it; raises MockhubError."""
    if isinstance(value, timedelta):
        return round(value.total_seconds() * SECOND)
    return parse_duration(value)


def timestamp_ms(value: Timestamp) -> int:
    """A moment as the world counts it; raises MockhubError."""
    return parse_timestamp(value.isoformat() if isinstance(value, datetime) else value)


def _resolve_expiry(
    backend: HubBackend, expires_at: Timestamp | None, expires_in: Duration | None
) -> int | None:
    if expires_at is not None and expires_in is not None:
        raise MockhubError(
            f"expires_at={expires_at!r} and expires_in={expires_in!r}: give one of the two"
        )
    if expires_in is not None:
        return backend.clock.now() + duration_ms(expires_in)
    return None if expires_at is None else timestamp_ms(expires_at)


class AccountHandle:
    """One user of a hub.

    Attributes:
        id: its name in the hub.
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
        """The balance now: what is due by the hub's clock has been refunded or has expired."""
        return self._run_on_server(lambda: self._backend.get_credits(self._account).credits)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every movement of its credits: `grant`, `charge`, `refund` and `expiry`, oldest first."""

        def read_entries() -> tuple[Entry, ...]:
            self._backend.settle()
            return tuple(self._account.entries)

        return self._run_on_server(read_entries)

    @cached_property
    def key(self) -> str:
        """An API key that opens it, made when it is first asked for."""
        return self._run_on_server(lambda: self._backend.add_key(self.id))

    def grant(
        self,
        credits: int,
        *,
        expires_at: Timestamp | None = None,
        expires_in: Duration | None = None,
    ) -> None:
        """Give it credits, for ever or until a time.

        Raises:
            MockhubError: if a time cannot be read.
        """
        expires_at_ms = _resolve_expiry(self._backend, expires_at, expires_in)
        self._run_on_server(
            lambda: self._backend.grant(self._account, credits, expires_at=expires_at_ms)
        )


class AccountsHandle(Mapping[str, AccountHandle]):
    """The users of a hub by name."""

    def __init__(self, backend: HubBackend, run_on_server: RunOnServer) -> None:
        self._backend = backend
        self._run_on_server = run_on_server
        self._handles: dict[str, AccountHandle] = {}

    def __getitem__(self, id: str) -> AccountHandle:
        if id not in self._backend.accounts:
            known = self._backend.accounts
            raise MockhubError(
                f"there is no account {id!r}{suggest(id, known)}; known are {', '.join(known)}"
            )
        if id not in self._handles:
            self._handles[id] = AccountHandle(self._backend, id, self._run_on_server)
        return self._handles[id]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._backend.accounts))

    def __len__(self) -> int:
        return len(self._backend.accounts)

    def create(self, id: str, *, credits: int = 0, account_type: str = "PRO") -> AccountHandle:
        """Open an account for another user, whose `.key` opens it.

        Raises:
            MockhubError: if the name is taken.
        """
        if id in self._backend.accounts:
            raise MockhubError(f"there is an account {id!r} already")
        self._run_on_server(lambda: self._backend.add_account(id, account_type=account_type))
        account = self[id]
        if credits:
            account.grant(credits)
        return account


class KeysHandle:
    """The API keys of a hub; a raw key is shown once, when it is made (AUTH-7)."""

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
        """A new key of an account, or of the first one.

        Raises:
            MockhubError: if there is no such account, or a time cannot be read.
        """
        id = self._accounts[account if account is not None else next(iter(self._accounts))].id
        expires_at_ms = _resolve_expiry(self._backend, expires_at, expires_in)
        return self._run_on_server(lambda: self._backend.add_key(id, expires_at=expires_at_ms))

    def revoke(self, key: str) -> None:
        """Let a key open nothing any more, from now on; raises MockhubError."""
        digest = self._digest_of(key)
        self._run_on_server(lambda: self._backend.keys.revoke(digest))

    def expire(self, key: str, at: Timestamp | None = None) -> None:
        """Let a key expire, now or at a time; raises MockhubError."""
        digest = self._digest_of(key)
        expires_at_ms = self._backend.clock.now() if at is None else timestamp_ms(at)
        self._run_on_server(lambda: self._backend.keys.set_expiry(digest, expires_at_ms))

    def _digest_of(self, key: str) -> bytes:
        if (digest := key_digest(key.encode())) in self._backend.keys:
            return digest
        raise MockhubError("that is no key of this hub; expected one that it made or began with")


class ClockHandle:
    """A hub's clock, in a test's hand."""

    def __init__(self, backend: HubBackend, run_on_server: RunOnServer) -> None:
        self._backend = backend
        self._run_on_server = run_on_server

    def now(self) -> datetime:
        """What time it is in the hub."""
        return to_datetime(self._backend.clock.now())

    def advance(self, duration: Duration) -> datetime:
        """Let time pass: ``"800s"``, ``"2m"``, seconds or a timedelta; returns the time then.

        Raises:
            MockhubError: if the length cannot be read, or the clock is the system's.
        """
        return self._move_to(self._manual_clock().now() + duration_ms(duration))

    def set(self, timestamp: Timestamp) -> datetime:
        """Let it be a later moment: ``"2026-05-01T00:00:00Z"`` or a datetime with its zone.

        Raises:
            MockhubError: if it cannot be read or lies in the past, or the clock is the system's.
        """
        return self._move_to(timestamp_ms(timestamp))

    def advance_to_next_event(self) -> datetime:
        """Let time pass until something falls due: a generation, a key or credits.

        Raises:
            MockhubError: if nothing will, or the clock is the system's.
        """
        self._manual_clock()
        due_at = self._run_on_server(self._backend.next_event)
        if due_at is None:
            raise MockhubError("nothing falls due by time: no generation, no key and no credits")
        return self._move_to(due_at)

    def _manual_clock(self) -> ManualClock:
        clock = self._backend.clock
        if isinstance(clock, ManualClock):
            return clock
        raise MockhubError(
            "the hub's clock is the system's and cannot be moved; begin with clock='autojump', 'hold' "  # noqa: E501
            "or a time"
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
