"""One visit of a client: what came, what was found on the way, and what left."""

from __future__ import annotations

import re
from collections.abc import Iterable
from time import perf_counter

import orjson

from mockhub.spec.operations import Operation
from mockhub.web.asgi import Message, Receive, Scope, headers_of
from mockhub.web.bodies import EMPTY, Reading, kept
from mockhub.web.wire import Answer
from mockhub.world.accounts import Account, key_digest
from mockhub.world.faults import Directive
from mockhub.world.generations import Request
from mockhub.world.hub import Hub
from mockhub.world.journal import Body as Kept
from mockhub.world.journal import Met, Record

HUB_NAME = "mockhub.hub"  # where the app leaves the hub's name that it took from the path

_BEARER = b"bearer "
_SHOWN = 60
_FEW = 10
_REDACTED = "[redacted]"
_HIDDEN = b"Bearer [redacted]"
_NOWHERE: Scope = {}


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


class Visit:
    """One request on its way; when it is over the journal keeps it, until a record is asked for."""

    # What a visit has not met yet stays as it stands here; most visits meet little of it.
    hub: Hub
    operation: Operation | None = None
    argument: str | None = None
    allowed: tuple[str, ...] = ()
    account: Account | None = None
    balance = 0  # of the account, before the visit did anything to it
    directives: tuple[Directive, ...] = ()
    struck: tuple[str, ...] = ()
    reading: Reading | None = None
    request: Request | None = None
    generation: str | None = None
    sent: Answer | None = None
    gone = False
    violation: str | None = None
    milliseconds = 0.0
    met: Met = (None, 0, None, None)
    number = 0
    at = 0
    moved = 0
    query = b""
    code: str | None = None
    state: str | None = None
    came = EMPTY
    unknown: tuple[str, ...] = ()
    size = 0  # about how many bytes the journal keeps with it
    holds_a_key = False  # where none belongs: its record must be written at once
    hub_name: str | None = None  # of the path, be there such a hub or not

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.began = perf_counter()
        self.scope: Scope = scope
        self.receive: Receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = headers_of(scope)
        self.authorization = authorization = self.headers.get(b"authorization")
        if authorization is None:
            self.digest = None
        else:
            self.headers[b"authorization"] = _HIDDEN
            self.digest = key_digest(token) if (token := _token(authorization)) else None

    @property
    def awaits_body(self) -> bool:
        """Whether a body belongs to it that nobody has read."""
        return self.reading is None and bool(self.operation and self.operation.bodies)

    @property
    def credits(self) -> int:
        """What the visit did to the account's balance, so far.

        While it waits for its images others may spend: a generation's own entries are what counts.
        """
        if self.request and (made := self.hub.generations.get(self.generation or "")):
            return -made.paid
        return self.account.balance - self.balance if self.account else 0

    def end(self, key_prefix: bytes) -> None:
        """It is over: note what will not stay as it is; let go of key (AUTH-7) and connection."""
        self.milliseconds = (perf_counter() - self.began) * 1000
        hub = self.hub
        self.number, self.at, self.moved = hub.journal.made + 1, hub.clock.now(), self.credits
        self.query = self.scope["query_string"]
        self.scope, self.receive, self.authorization = _NOWHERE, _nothing, None
        if (reading := self.reading) is not None:
            self.came, self.reading = reading.kept, None
            if reading.unknown:
                self.unknown = self._shortened(reading.unknown)
        if (sent := self.sent) is None or self.struck:
            self.code, self.state = _told(sent)
        operation, headers, body = self.operation, self.headers, self.came.content or b""
        came = b" ".join([self.path.encode(), *headers, *headers.values(), self.query, body])
        self.holds_a_key = key_prefix in came
        size, status = len(came), 0
        if sent is not None:
            size, status = size + len(sent.body), sent.status
        if self.request is not None:
            size += len(self.request.prompt)
        self.size = size
        self.met = (operation.id if operation else None, status, self.code, self.state)

    def record(self) -> Record:
        """What the journal tells of it; no key is in any of it (AUTH-7)."""
        answer, headers = self.sent, self.headers
        prefix = self.hub.law.key_format.prefix
        for name, value in headers.items():
            if prefix.encode() in value:
                headers[name] = redacted(value.decode("latin-1"), prefix).encode("latin-1")
        query = self.query
        target = f"{self.path}?{query.decode('latin-1')}" if query else self.path
        return Record(
            self.number,
            self.at,
            self.method,
            redacted(target, prefix),
            self.operation.id if self.operation else None,
            self.account.id if self.account else None,
            self.generation,
            headers,
            _clean_body(self.came, prefix),
            answer.status if answer else 0,
            answer.headers if answer else (),
            kept(answer.body) if answer else EMPTY,  # no message repeats a key
            self.moved,
            self.struck,
            self.milliseconds,
            self.gone,
            self.violation,
            self.digest,
            self.request,
            self.unknown,
            self.code,
            self.state,
            self.began,
        )

    def _shortened(self, unknown: Iterable[str]) -> tuple[str, ...]:
        """A few of the fields that the law does not know, shortened."""
        prefix = self.hub.law.key_format.prefix
        return tuple(redacted(name[:_SHOWN], prefix) for name in sorted(unknown)[:_FEW])


def _told(answer: Answer | None) -> tuple[str | None, str | None]:
    """The error code and the generation's state that an answer tells who can read it."""
    try:
        content = orjson.loads(answer.body if answer else b"{}")
    except orjson.JSONDecodeError:
        return None, None
    error = content.get("error")
    return error["code"] if error else None, content.get("status")


def redacted(text: str, prefix: str) -> str:
    """*text* with whatever looks like an API key hidden."""
    return re.sub(re.escape(prefix) + r"\w+", _REDACTED, text) if prefix in text else text


def _clean_body(body: Kept, prefix: str) -> Kept:
    if body.content is None or prefix.encode() not in body.content:
        return body
    return body._replace(content=redacted(body.content.decode("latin-1"), prefix).encode("latin-1"))


def _token(authorization: bytes) -> bytes | None:
    """The key of an Authorization header; the scheme's case does not count, the key's does."""
    if authorization[:7].lower() != _BEARER:
        return None
    return authorization[7:].strip() or None
