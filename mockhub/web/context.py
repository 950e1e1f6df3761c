"""The context of one request: what arrived, what was found out about it, and its response."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from time import perf_counter
from urllib.parse import quote

import orjson
from msgspec.structs import replace

from mockhub._redaction import REDACTED
from mockhub.domain.accounts import Account
from mockhub.domain.hub import HubBackend
from mockhub.domain.keys import Credentials, NoApiKey, key_digest
from mockhub.faults.grammar import Directive
from mockhub.journal.exchange import (
    MAX_STORED_BODY,
    CoverageKey,
    Exchange,
    StoredBody,
    size_of_objects,
)
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import Operation
from mockhub.web.asgi import AsgiBodySource, BodySource, Message, Scope, headers_of
from mockhub.web.request_body import EMPTY_BODY, ParsedBody, to_stored_body
from mockhub.web.responses import Response

HUBS_PREFIX = "/hubs/"
HUB_NAME_SCOPE_KEY = "mockhub.hub"  # the name of the hub, if the path has the prefix /hubs/NAME

_REDACTED_AUTHORIZATION = f"Bearer {REDACTED}".encode()
_BEARER_PREFIX = b"bearer "
_MAX_FIELD_NAME_LENGTH = 60
_MAX_UNKNOWN_FIELDS = 10
_EMPTY_SCOPE: Scope = {}


async def _disconnected() -> Message:
    return {"type": "http.disconnect"}


_NO_SOURCE = AsgiBodySource(_disconnected)


@dataclass(slots=True, eq=False)
class RequestContext:
    """One request and what is known about it.

    The journal keeps a finished context; `to_exchange` creates the record when it is read.

    Attributes:
        authorization: The Authorization header with the raw key, until the request is finished.
        credentials: The digest of the API key, or why there is none.
        hub: The hub that serves the request.
        hub_name: The name of the hub in the path, whether there is such a hub or not.
        pending_faults: The faults that fire for the request and have not all acted yet.
        fired_faults: The faults that have acted.
        generation: The id of the generation that was created or read.
        spec_violation: How the response breaks the API spec.
        timestamp: When the request was finished, in milliseconds of the hub's clock.
        code: The error code of the response.
        state: The status of the generation in the response.
        size: About how many bytes the journal keeps for it.
        contains_api_key: Whether a key stands where none belongs, so that the record has to be
            made and redacted at once.
    """

    scope: Scope
    source: BodySource

    # What arrived.
    started_at: float = field(init=False)
    method: str = field(init=False)
    path: str = field(init=False)
    headers: dict[bytes, bytes] = field(init=False)
    authorization: bytes | None = field(init=False)
    credentials: Credentials = field(init=False)

    # What is found out in the steps of `PublicApi`.
    hub: HubBackend = field(init=False)
    hub_name: str | None = None
    operation: Operation | None = None
    path_param: str | None = None
    allowed_methods: tuple[str, ...] = ()
    account: Account | None = None
    pending_faults: tuple[Directive, ...] = ()
    fired_faults: tuple[str, ...] = ()
    body: ParsedBody | None = None
    parsed_request: GenerationRequest | None = None
    generation: str | None = None
    response: Response | None = None
    client_disconnected: bool = False
    spec_violation: str | None = None
    code: str | None = None
    state: str | None = None
    stored_response: StoredBody | None = None  # of a body that the journal does not keep

    # What `finalize` adds for the journal.
    number: int = field(init=False)
    timestamp: int = field(init=False)
    milliseconds: float = field(init=False)
    credit_delta: int = field(init=False)
    raw_path: bytes = field(init=False)
    query_string: bytes = field(init=False)
    stored_body: StoredBody = EMPTY_BODY
    unknown_fields: tuple[str, ...] = ()
    unknown_files: tuple[str, ...] = ()
    body_incomplete: bool = False
    size: int = field(init=False)
    contains_api_key: bool = field(init=False)
    coverage_key: CoverageKey = field(init=False)

    def __post_init__(self) -> None:
        scope = self.scope
        self.started_at = perf_counter()
        self.method = scope["method"]
        self.path = scope["path"]
        headers = self.headers = headers_of(scope)
        authorization = self.authorization = headers.get(b"authorization")
        self.credentials = parse_credentials(authorization)
        if authorization is not None:
            headers[b"authorization"] = _REDACTED_AUTHORIZATION

    @property
    def key_digest(self) -> bytes | None:
        return None if isinstance(self.credentials, NoApiKey) else self.credentials

    @property
    def hub_prefix(self) -> str:
        """What the path of the URL has before `path`."""
        return "" if self.hub_name is None else HUBS_PREFIX + self.hub_name

    @property
    def has_unread_body(self) -> bool:
        return self.body is None and bool(self.operation and self.operation.bodies)

    @property
    def current_credit_delta(self) -> int:
        """The charge and refunds so far of the generation that the request created."""
        return self.hub.journal.credits_of(self.created_generation)

    @property
    def created_generation(self) -> str | None:
        return self.generation if self.parsed_request else None

    def client_text(self) -> bytes:
        """Return what the client sent and an error message may quote."""
        hub_name, query = (self.hub_name or "").encode(), self.scope["query_string"]
        body = self.body.stored_body.content if self.body else None
        return b" ".join([hub_name, self.path.encode(), query, *self.headers.values(), body or b""])

    def finalize(self) -> None:
        """Keep what the journal needs; release the connection, the body and the key (AUTH-7)."""
        scope, headers, hub = self.scope, self.headers, self.hub
        self.milliseconds = (perf_counter() - self.started_at) * 1000
        self.number, self.timestamp = hub.journal.total + 1, hub.clock.now()
        self.credit_delta = hub.journal.credits_of(self.created_generation)
        query = self.query_string = scope["query_string"]
        raw_path = self.raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
        self.scope, self.source, self.authorization = _EMPTY_SCOPE, _NO_SOURCE, None
        self.pending_faults = ()
        if body := self.body:
            self.body, self.stored_body = None, body.stored_body
            if body.unknown_fields or body.unknown_files:
                self.unknown_fields = self._shortened_names(body.unknown_fields)
                self.unknown_files = self._shortened_names(body.unknown_files)
            self.body_incomplete = body.incomplete
        response = self.response
        if response is None or self.fired_faults:
            shown = response.body if response else b"{}"
            self.code, self.state = body_error_code_and_status(shown)
        content = self.stored_body.content or b""
        received = b" ".join([raw_path, query, content, *headers, *headers.values()])
        self.contains_api_key = hub.redactor.contains_key(received)
        size = size_of_objects(self.path, headers, self.fired_faults, self.parsed_request)
        self.size = len(received) + size
        if response and len(response.body) > MAX_STORED_BODY:  # an image
            self.stored_response = to_stored_body(response.body)
            self.response = replace(response, body=b"")
        elif response:
            self.size += len(response.body)
        operation_id = self.operation.id if self.operation else None
        status = response.status if response else 0
        self.coverage_key = (operation_id, status, self.code, self.state)

    def to_exchange(self) -> Exchange:
        """Make the record of the journal, in which every key is redacted (AUTH-7)."""
        response = self.response
        query = f"?{self.query_string.decode('latin-1')}" if self.query_string else ""
        exchange = Exchange(
            number=self.number,
            timestamp=self.timestamp,
            method=self.method,
            target=self.path + query,
            operation=self.operation.id if self.operation else None,
            account=self.account.id if self.account else None,
            generation=self.generation,
            request_headers=self.headers,
            request=self.stored_body,
            status=response.status if response else 0,
            response_headers=response.headers if response else (),
            response=self.stored_response
            or (to_stored_body(response.body) if response else EMPTY_BODY),
            credits=self.credit_delta,
            faults=self.fired_faults,
            milliseconds=self.milliseconds,
            client_disconnected=self.client_disconnected,
            spec_violation=self.spec_violation,
            key_digest=self.key_digest,
            parsed_request=self.parsed_request,
            unknown_fields=self.unknown_fields,
            unknown_files=self.unknown_files,
            body_incomplete=self.body_incomplete,
            code=self.code,
            state=self.state,
            started_at=self.started_at,
            raw_target=self._raw_target(),
        )
        return exchange.redacted(self.hub.redactor)

    def _raw_target(self) -> str:
        query = b"?" + self.query_string if self.query_string else b""
        return (self.raw_path + query).decode("utf-8", "surrogateescape")

    def _shortened_names(self, names: Collection[str]) -> tuple[str, ...]:
        redact = self.hub.redactor.redact
        return tuple(
            redact(name)[:_MAX_FIELD_NAME_LENGTH] for name in sorted(names)[:_MAX_UNKNOWN_FIELDS]
        )


def parse_credentials(authorization: bytes | None) -> Credentials:
    """Return the digest of the whole API key in an Authorization header, or why there is none.

    Only a Bearer token is a key (AUTH-8, AUTH-9).
    """
    if authorization is None:
        return NoApiKey.MISSING
    token = parse_bearer_token(authorization)
    return key_digest(token) if token else NoApiKey.MALFORMED


def parse_bearer_token(authorization: bytes) -> bytes | None:
    """Return the token of an Authorization header; the scheme may be in any case."""
    if authorization[:7].lower() != _BEARER_PREFIX:
        return None
    return authorization[7:].strip() or None


def body_error_code_and_status(body: bytes) -> tuple[str | None, str | None]:
    """Return the error code and the generation's status that a client can read in a response."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None, None
    return error_code_and_status(content)


def error_code_and_status(content: object) -> tuple[str | None, str | None]:
    """Return the error code and the generation's status in the JSON of a response, if any."""
    if not isinstance(content, dict):
        return None, None
    error, status = content.get("error"), content.get("status")
    code = error.get("code") if isinstance(error, dict) else None
    return (code if isinstance(code, str) else None), (status if isinstance(status, str) else None)
