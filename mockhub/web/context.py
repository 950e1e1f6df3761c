"""One visit of a client: what came, what was found on the way, and what left."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter

import orjson

from mockhub.domain.accounts import Account
from mockhub.domain.hub import HubBackend
from mockhub.domain.keys import key_digest
from mockhub.faults.grammar import Directive
from mockhub.journal.exchange import CoverageKey, Exchange
from mockhub.journal.exchange import StoredBody as StoredBody
from mockhub.journal.redaction import _redacted_body, redact
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import Operation
from mockhub.web.asgi import Message, Receive, Scope, headers_of
from mockhub.web.request_body import EMPTY_BODY, ParsedBody, to_stored_body
from mockhub.web.responses import Response

HUB_NAME_SCOPE_KEY = "mockhub.hub"  # where the app leaves the hub's name that it took from the path

_BEARER_PREFIX = b"bearer "
_MAX_FIELD_NAME_LENGTH = 60
_MAX_UNKNOWN_FIELDS = 10
_REDACTED_BEARER = b"Bearer [redacted]"
_EMPTY_SCOPE: Scope = {}


async def _disconnected() -> Message:
    return {"type": "http.disconnect"}


class RequestContext:
    """One request on its way; when it is over the journal keeps it, until a record is asked for."""

    # What a visit has not met yet stays as it stands here; most visits meet little of it.
    hub: HubBackend
    operation: Operation | None = None
    path_param: str | None = None
    allowed_methods: tuple[str, ...] = ()
    account: Account | None = None
    initial_balance = 0  # of the account, before the visit did anything to it
    pending_faults: tuple[Directive, ...] = ()
    fired_faults: tuple[str, ...] = ()
    body: ParsedBody | None = None
    parsed_request: GenerationRequest | None = None
    generation: str | None = None
    response: Response | None = None
    client_disconnected = False
    spec_violation: str | None = None
    milliseconds = 0.0
    coverage_key: CoverageKey = (None, 0, None, None)
    number = 0
    timestamp = 0
    credit_delta = 0
    query_string = b""
    code: str | None = None
    state: str | None = None
    stored_body = EMPTY_BODY
    unknown_fields: tuple[str, ...] = ()
    size = 0  # about how many bytes the journal keeps with it
    contains_api_key = False  # where none belongs: its record must be written at once
    hub_name: str | None = None  # of the path, be there such a hub or not

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.started_at = perf_counter()
        self.scope: Scope = scope
        self.receive: Receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = headers_of(scope)
        self.authorization = authorization = self.headers.get(b"authorization")
        if authorization is None:
            self.key_digest = None
        else:
            self.headers[b"authorization"] = _REDACTED_BEARER
            self.key_digest = (
                key_digest(token) if (token := parse_bearer_token(authorization)) else None
            )

    @property
    def has_unread_body(self) -> bool:
        """Whether a body belongs to it that nobody has read."""
        return self.body is None and bool(self.operation and self.operation.bodies)

    @property
    def current_credit_delta(self) -> int:
        """What the visit did to the account's balance, so far.

        While it waits for its images others may spend: a generation's own entries are what counts.
        """
        if self.parsed_request and (generation := self.hub.generations.get(self.generation or "")):
            return -generation.charged_credits
        return self.account.balance - self.initial_balance if self.account else 0

    def finalize(self, key_prefix: bytes) -> None:
        """It is over: note what will not stay as it is; let go of key (AUTH-7) and connection."""
        self.milliseconds = (perf_counter() - self.started_at) * 1000
        hub = self.hub
        self.number, self.timestamp, self.credit_delta = (
            hub.journal.total + 1,
            hub.clock.now(),
            self.current_credit_delta,
        )
        self.query_string = self.scope["query_string"]
        self.scope, self.receive, self.authorization = _EMPTY_SCOPE, _disconnected, None
        if (parsed_body := self.body) is not None:
            self.stored_body, self.body = parsed_body.stored_body, None
            if parsed_body.unknown_fields:
                self.unknown_fields = self._truncated_names(parsed_body.unknown_fields)
        if (response := self.response) is None or self.fired_faults:
            self.code, self.state = _error_code_and_status(response)
        operation, headers, content = self.operation, self.headers, self.stored_body.content or b""
        searched = b" ".join(
            [self.path.encode(), *headers, *headers.values(), self.query_string, content]
        )
        self.contains_api_key = key_prefix in searched
        size, status = len(searched), 0
        if response is not None:
            size, status = size + len(response.body), response.status
        if self.parsed_request is not None:
            size += len(self.parsed_request.prompt)
        self.size = size
        self.coverage_key = (operation.id if operation else None, status, self.code, self.state)

    def to_exchange(self) -> Exchange:
        """What the journal tells of it; no key is in any of it (AUTH-7)."""
        response, headers = self.response, self.headers
        prefix = self.hub.spec.key_format.prefix
        for name, value in headers.items():
            if prefix.encode() in value:
                headers[name] = redact(value.decode("latin-1"), prefix).encode("latin-1")
        query_string = self.query_string
        target = f"{self.path}?{query_string.decode('latin-1')}" if query_string else self.path
        return Exchange(
            self.number,
            self.timestamp,
            self.method,
            redact(target, prefix),
            self.operation.id if self.operation else None,
            self.account.id if self.account else None,
            self.generation,
            headers,
            _redacted_body(self.stored_body, prefix),
            response.status if response else 0,
            response.headers if response else (),
            to_stored_body(response.body) if response else EMPTY_BODY,  # no message repeats a key
            self.credit_delta,
            self.fired_faults,
            self.milliseconds,
            self.client_disconnected,
            self.spec_violation,
            self.key_digest,
            self.parsed_request,
            self.unknown_fields,
            self.code,
            self.state,
            self.started_at,
        )

    def _truncated_names(self, names: Iterable[str]) -> tuple[str, ...]:
        """A few of the fields that the law does not know, shortened."""
        prefix = self.hub.spec.key_format.prefix
        return tuple(
            redact(name[:_MAX_FIELD_NAME_LENGTH], prefix)
            for name in sorted(names)[:_MAX_UNKNOWN_FIELDS]
        )


def _error_code_and_status(response: Response | None) -> tuple[str | None, str | None]:
    """The error code and the generation's state that an answer tells who can read it."""
    try:
        content = orjson.loads(response.body if response else b"{}")
    except orjson.JSONDecodeError:
        return None, None
    error = content.get("error")
    return error["code"] if error else None, content.get("status")


def parse_bearer_token(authorization: bytes) -> bytes | None:
    """The key of an Authorization header; the scheme's case does not count, the key's does."""
    if authorization[:7].lower() != _BEARER_PREFIX:
        return None
    return authorization[7:].strip() or None
