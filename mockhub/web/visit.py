"""One visit of a client: what came, what was found on the way, and what left."""

from __future__ import annotations

import re
from time import perf_counter

import orjson

from mockhub.spec.operations import Operation
from mockhub.web.asgi import Receive, Scope, headers_of
from mockhub.web.bodies import EMPTY, Reading, kept
from mockhub.web.wire import Answer
from mockhub.world.accounts import Account, key_digest
from mockhub.world.faults import Directive
from mockhub.world.generations import Request
from mockhub.world.hub import Hub
from mockhub.world.journal import Body as Kept
from mockhub.world.journal import Record

HUB_NAME = "mockhub.hub"  # where the app leaves the hub's name that it took from the path

_BEARER = b"bearer "
_SHOWN = 60
_FEW = 10
_REDACTED = "[redacted]"
_HIDDEN = b"Bearer [redacted]"


class Visit:
    """One request on its way; made by the pipeline and dropped when it is over."""

    # What a visit has not met yet stays as it stands here; most visits meet little of it.
    hub: Hub
    operation: Operation | None = None
    argument: str | None = None
    allowed: tuple[str, ...] = ()
    account: Account | None = None
    balance = 0
    directives: tuple[Directive, ...] = ()
    struck: tuple[str, ...] = ()
    reading: Reading | None = None
    request: Request | None = None
    generation: str | None = None
    sent: Answer | None = None
    gone = False
    violation: str | None = None
    milliseconds = 0.0

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.began = perf_counter()
        self.scope = scope
        self.receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = headers_of(scope)
        self.authorization = self.headers.get(b"authorization")
        token = _token(self.authorization)
        self.digest = key_digest(token) if token else None

    def enter(self, account: Account) -> None:
        """The key was good: from here on the world may move."""
        self.account = account
        self.balance = account.balance

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

    def record(self) -> Record:
        """What the journal keeps of it; the key is in none of it (AUTH-7)."""
        answer, hub, headers = self.sent, self.hub, self.headers
        prefix = hub.law.key_format.prefix
        if self.authorization is not None:
            headers[b"authorization"] = _HIDDEN
        for name, value in headers.items():
            if prefix.encode() in value:
                headers[name] = redacted(value.decode("latin-1"), prefix).encode("latin-1")
        query = self.scope["query_string"]
        target = f"{self.path}?{query.decode('latin-1')}" if query else self.path
        code, state = _told(answer) if answer else (None, None)
        return Record(
            hub.journal.made + 1,
            hub.clock.now(),
            self.method,
            redacted(target, prefix),
            self.operation.id if self.operation else None,
            self.account.id if self.account else None,
            self.generation,
            headers,
            _clean_body(self.reading.kept, prefix) if self.reading else EMPTY,
            answer.status if answer else 0,
            answer.headers if answer else (),
            kept(answer.body) if answer else EMPTY,  # no message repeats a key
            self.credits,
            self.struck,
            self.milliseconds,
            self.gone,
            self.violation,
            self.digest,
            self.request,
            self._unknown() if self.reading else (),
            code,
            state,
            self.began,
        )

    def _unknown(self) -> tuple[str, ...]:
        """The fields of the body that the law does not know; a few of them, shortened."""
        assert self.reading
        assert self.operation
        odd = self.reading.values.keys() - self.operation.bodies[self.reading.media].fields.keys()
        prefix = self.hub.law.key_format.prefix
        return tuple(redacted(name[:_SHOWN], prefix) for name in sorted(odd)[:_FEW]) if odd else ()


def _told(answer: Answer) -> tuple[str | None, str | None]:
    """The error code and the generation's state that an answer tells who can read it."""
    content = answer.content
    if content is None:  # not held to the law: a fault's doing
        try:
            content = orjson.loads(answer.body)
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


def _token(authorization: bytes | None) -> bytes | None:
    """The key of an Authorization header; the scheme's case does not count, the key's does."""
    if authorization is None or authorization[:7].lower() != _BEARER:
        return None
    return authorization[7:].strip() or None
