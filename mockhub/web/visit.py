"""One visit of a client: what came, what was found on the way, and what left."""

from __future__ import annotations

import re
from time import perf_counter

from mockhub.spec.operations import Operation
from mockhub.web.asgi import Receive, Scope
from mockhub.web.bodies import EMPTY, Reading, kept
from mockhub.web.wire import Answer
from mockhub.world.accounts import Account, key_digest
from mockhub.world.faults import Directive
from mockhub.world.generations import Request
from mockhub.world.hub import Hub
from mockhub.world.journal import Body as Kept
from mockhub.world.journal import Headers, Record

HUB_NAME = "mockhub.hub"  # where the app leaves the hub's name that it took from the path

_BEARER = b"bearer "
_REDACTED = "[redacted]"
_HIDDEN = b"Bearer [redacted]"


class Visit:
    """One request on its way; made by the pipeline and dropped when it is over."""

    __slots__ = (
        "account", "allowed", "argument", "authorization", "balance", "began", "digest",
        "directives", "generation", "gone", "headers", "hub", "hub_name", "method",
        "milliseconds", "operation", "path", "reading", "receive", "request", "scope", "sent",
        "struck", "token", "violation",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.began = perf_counter()
        self.scope = scope
        self.receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.hub_name: str | None = scope.get(HUB_NAME)
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.authorization = self.headers.get(b"authorization")
        self.token = _token(self.authorization)
        self.digest = key_digest(self.token) if self.token else None
        self.hub: Hub = None  # type: ignore[assignment]  # found in the first step
        self.operation: Operation | None = None
        self.argument: str | None = None
        self.allowed: list[str] = []
        self.account: Account | None = None
        self.balance = 0
        self.directives: tuple[Directive, ...] = ()
        self.struck: list[str] = []
        self.reading: Reading | None = None
        self.request: Request | None = None
        self.generation: str | None = None
        self.sent: Answer | None = None
        self.gone = False
        self.violation: str | None = None
        self.milliseconds = 0.0

    def enter(self, account: Account) -> None:
        """The key was good: from here on the world may move."""
        self.account = account
        self.balance = account.balance

    @property
    def credits(self) -> int:
        """What the visit did to the account's balance, so far."""
        return self.account.balance - self.balance if self.account else 0

    def record(self) -> Record:
        """What the journal keeps of it; the key is in none of it (AUTH-7)."""
        answer, scope = self.sent, self.scope
        query = scope.get("query_string", b"")
        target = f"{self.path}?{query.decode('latin-1')}" if query else self.path
        prefix = self.hub.law.key_format.prefix
        return Record(
            number=self.hub.journal.made + 1,
            at=self.hub.clock.now(),
            method=self.method,
            target=_clean(target, prefix),
            operation=self.operation.id if self.operation else None,
            account=self.account.id if self.account else None,
            generation=self.generation,
            request_headers=self._redacted(scope["headers"]),
            request=_clean_body(self.reading.kept, prefix) if self.reading else EMPTY,
            status=answer.status if answer else 0,
            response_headers=answer.headers if answer else (),
            response=kept(answer.body) if answer else EMPTY,
            credits=self.credits,
            faults=tuple(self.struck),
            milliseconds=self.milliseconds,
            gone=self.gone,
            violation=self.violation,
        )

    def _redacted(self, headers: list[tuple[bytes, bytes]]) -> Headers:
        if self.authorization is None:
            return tuple(headers)
        return tuple(
            (name, _HIDDEN) if name == b"authorization" else (name, value)
            for name, value in headers
        )


def _clean(text: str, prefix: str) -> str:
    return re.sub(re.escape(prefix) + r"\w+", _REDACTED, text) if prefix in text else text


def _clean_body(body: Kept, prefix: str) -> Kept:
    if body.content is None or prefix.encode() not in body.content:
        return body
    return body._replace(content=_clean(body.content.decode("latin-1"), prefix).encode("latin-1"))


def _token(authorization: bytes | None) -> bytes | None:
    """The key of an Authorization header; the scheme's case does not count, the key's does."""
    if authorization is None or authorization[:7].lower() != _BEARER:
        return None
    return authorization[7:].strip() or None
