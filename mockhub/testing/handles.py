"""What hangs on a hub's handle: its accounts, its keys and its clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Protocol, TypeVar

from mockhub.spec.document import nearest
from mockhub.spec.errors import MockhubError
from mockhub.testing.exchanges import to_datetime
from mockhub.world.accounts import Account as Facts
from mockhub.world.accounts import key_digest
from mockhub.world.clock import SECOND, ManualClock, duration, from_text, to_text
from mockhub.world.hub import Hub as World
from mockhub.world.ledger import Entry

T = TypeVar("T")

Moment = str | datetime
Duration = str | float | timedelta


class Call(Protocol):
    """Runs a function where no request runs meanwhile, and returns its result."""

    def __call__(self, function: Callable[[], T], /) -> T: ...


def milliseconds(length: Duration) -> int:
    """A length of time as the world counts it; raises MockhubError."""
    if isinstance(length, timedelta):
        return round(length.total_seconds() * SECOND)
    return duration(length)


def moment(when: Moment) -> int:
    """A moment as the world counts it; raises MockhubError."""
    return from_text(when.isoformat() if isinstance(when, datetime) else when)


def _expiry(world: World, at: Moment | None, after: Duration | None) -> int | None:
    if at is not None and after is not None:
        raise MockhubError(f"expires_at={at!r} and expires_in={after!r}: give one of the two")
    if after is not None:
        return world.clock.now() + milliseconds(after)
    return None if at is None else moment(at)


class Account:
    """One user of a hub.

    Attributes:
        id: its name in the hub.
    """

    def __init__(self, world: World, id: str, call: Call) -> None:
        self.id = id
        self._world = world
        self._call = call

    def __repr__(self) -> str:
        return f"<Account {self.id!r}, {self.credits} credits>"

    @property
    def _facts(self) -> Facts:
        return self._world.accounts[self.id]

    @property
    def credits(self) -> int:
        """The balance now: what is due by the hub's clock has been refunded or has expired."""
        return self._call(lambda: self._world.get_credits(self._facts).credits)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every movement of its credits: `grant`, `charge`, `refund` and `expiry`, oldest first."""

        def entries() -> tuple[Entry, ...]:
            self._world.settle()
            return tuple(self._facts.entries)

        return self._call(entries)

    @cached_property
    def key(self) -> str:
        """An API key that opens it, made when it is first asked for."""
        return self._call(lambda: self._world.add_key(self.id))

    def grant(
        self,
        credits: int,
        *,
        expires_at: Moment | None = None,
        expires_in: Duration | None = None,
    ) -> None:
        """Give it credits, for ever or until a time.

        Raises:
            MockhubError: if a time cannot be read.
        """
        expiry = _expiry(self._world, expires_at, expires_in)
        self._call(lambda: self._world.grant(self._facts, credits, expires_at=expiry))


class Accounts(Mapping[str, Account]):
    """The users of a hub by name."""

    def __init__(self, world: World, call: Call) -> None:
        self._world = world
        self._call = call
        self._made: dict[str, Account] = {}

    def __getitem__(self, id: str) -> Account:
        if id not in self._world.accounts:
            known = self._world.accounts
            raise MockhubError(
                f"there is no account {id!r}{nearest(id, known)}; known are {', '.join(known)}"
            )
        if id not in self._made:
            self._made[id] = Account(self._world, id, self._call)
        return self._made[id]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._world.accounts))

    def __len__(self) -> int:
        return len(self._world.accounts)

    def make(self, id: str, *, credits: int = 0, account_type: str = "PRO") -> Account:
        """Open an account for another user, whose `.key` opens it.

        Raises:
            MockhubError: if the name is taken.
        """
        if id in self._world.accounts:
            raise MockhubError(f"there is an account {id!r} already")
        self._call(lambda: self._world.add_account(id, account_type=account_type))
        account = self[id]
        if credits:
            account.grant(credits)
        return account


class Keys:
    """The API keys of a hub; a raw key is shown once, when it is made (AUTH-7)."""

    def __init__(self, world: World, accounts: Accounts, call: Call) -> None:
        self._world = world
        self._accounts = accounts
        self._call = call

    def make(
        self,
        account: str | None = None,
        *,
        expires_at: Moment | None = None,
        expires_in: Duration | None = None,
    ) -> str:
        """A new key of an account, or of the first one.

        Raises:
            MockhubError: if there is no such account, or a time cannot be read.
        """
        id = self._accounts[account if account is not None else next(iter(self._accounts))].id
        expiry = _expiry(self._world, expires_at, expires_in)
        return self._call(lambda: self._world.add_key(id, expires_at=expiry))

    def revoke(self, key: str) -> None:
        """Let a key open nothing any more, from now on; raises MockhubError."""
        digest = self._known(key)
        self._call(lambda: self._world.revoke(digest))

    def expire(self, key: str, at: Moment | None = None) -> None:
        """Let a key expire, now or at a time; raises MockhubError."""
        digest = self._known(key)
        expiry = self._world.clock.now() if at is None else moment(at)
        self._call(lambda: self._world.expire(digest, expiry))

    def _known(self, key: str) -> bytes:
        if (digest := key_digest(key.encode())) in self._world.keys:
            return digest
        raise MockhubError("that is no key of this hub; expected one that it made or began with")


class Clock:
    """A hub's clock, in a test's hand."""

    def __init__(self, world: World, call: Call) -> None:
        self._world = world
        self._call = call

    def now(self) -> datetime:
        """What time it is in the hub."""
        return to_datetime(self._world.clock.now())

    def advance(self, length: Duration) -> datetime:
        """Let time pass: ``"800s"``, ``"2m"``, seconds or a timedelta; returns the time then.

        Raises:
            MockhubError: if the length cannot be read, or the clock is the system's.
        """
        return self._move(self._manual().now() + milliseconds(length))

    def set(self, when: Moment) -> datetime:
        """Let it be a later moment: ``"2026-05-01T00:00:00Z"`` or a datetime with its zone.

        Raises:
            MockhubError: if it cannot be read or lies in the past, or the clock is the system's.
        """
        return self._move(moment(when))

    def to_next_event(self) -> datetime:
        """Let time pass until something falls due: a generation, a key or credits.

        Raises:
            MockhubError: if nothing will, or the clock is the system's.
        """
        self._manual()
        due = self._call(self._world.next_event)
        if due is None:
            raise MockhubError("nothing falls due by time: no generation, no key and no credits")
        return self._move(due)

    def _manual(self) -> ManualClock:
        clock = self._world.clock
        if isinstance(clock, ManualClock):
            return clock
        raise MockhubError(
            "the hub's clock is the system's and cannot be moved; begin with clock='jump', 'hold' "
            "or a time"
        )

    def _move(self, when: int) -> datetime:
        clock = self._manual()

        def move() -> None:
            clock.set(when)
            self._world.settle()

        self._call(move)
        return self.now()

    def __repr__(self) -> str:
        return f"<Clock {to_text(self._world.clock.now())}>"
