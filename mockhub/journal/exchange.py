"""One recorded request with its response."""

from __future__ import annotations

from collections.abc import Mapping
from sys import getsizeof
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from mockhub._redaction import REDACTED, Redactor
from mockhub.spec.frozen_struct import FrozenStruct
from mockhub.spec.generation_request import GenerationRequest

MAX_STORED_BODY = 4096

_CREDENTIAL_HEADERS = (b"proxy-authorization",)  # `RequestContext` redacts Authorization
# Measured with CPython 3.11, in bytes.
_BASE_SIZE = 2000
_SIZE_PER_HEADER = 160
_SIZE_PER_REFERENCE = 120

Headers = tuple[tuple[bytes, bytes], ...]
# Operation, status, error code and status of the generation.
CoverageKey = tuple[str | None, int, str | None, str | None]


class StoredBody(FrozenStruct, frozen=True):
    """A body, or only the length and SHA-256 of one over `MAX_STORED_BODY` bytes."""

    length: int
    content: bytes | None
    digest: str | None = None

    def redacted(self, redactor: Redactor) -> StoredBody:
        if self.content is None:
            return self
        content = redactor.redact_bytes(self.content)
        return self if content is self.content else replace(self, content=content)


class Exchange(NamedTuple):
    """One recorded request with its response.

    Attributes:
        timestamp: When it ended, in milliseconds of the hub's clock.
        target: The path and query, decoded and without the prefix of the hub.
        credits: The charge and refunds so far of the generation that it created, also refunds
            after its end; negative. 0 if it created none.
        faults: The faults that fired.
        client_disconnected: The client disconnected before it had the whole response.
        spec_violation: How the response breaks the API spec, which is a bug of mockhub.
        key_digest: The digest of the API key that was sent.
        parsed_request: The generation request, if the body was valid.
        unknown_fields: The names of body fields that are not in the API spec.
        unknown_files: The names of files in a form that are not in the API spec.
        body_incomplete: The client disconnected before it had sent the whole body.
        code: The error code of the response.
        state: The status of the generation in the response.
        started_at: When it began, in seconds of a monotonic clock.
        raw_target: The path and query as they were sent; bytes that are not UTF-8 are surrogates
            (PEP 383).
    """

    number: int
    timestamp: int
    method: str
    target: str
    operation: str | None
    account: str | None
    generation: str | None
    request_headers: Mapping[bytes, bytes]
    request: StoredBody
    status: int
    response_headers: Headers
    response: StoredBody
    credits: int
    faults: tuple[str, ...]
    milliseconds: float
    client_disconnected: bool
    spec_violation: str | None
    key_digest: bytes | None = None
    parsed_request: GenerationRequest | None = None
    unknown_fields: tuple[str, ...] = ()
    unknown_files: tuple[str, ...] = ()
    body_incomplete: bool = False
    code: str | None = None
    state: str | None = None
    started_at: float = 0.0
    raw_target: str = ""

    @property
    def coverage_key(self) -> CoverageKey:
        return (self.operation, self.status, self.code, self.state)

    @property
    def created_generation(self) -> str | None:
        return self.generation if self.parsed_request else None

    def to_exchange(self) -> Exchange:
        return self

    def redacted(self, redactor: Redactor) -> Exchange:
        """Return it without API keys, wherever the client sent them (AUTH-7)."""
        redact, request, violation = redactor.redact, self.parsed_request, self.spec_violation
        if not self._may_need_redaction(redactor):  # nearly always, in a quarter of the time
            return self
        if request and (prompt := redact(request.prompt)) != request.prompt:
            request = replace(request, prompt=prompt)
        return self._replace(
            target=redact(self.target),
            raw_target=redact(self.raw_target),
            request_headers={
                redactor.redact_bytes(name): _redact_header(name, value, redactor)
                for name, value in self.request_headers.items()
            },
            request=self.request.redacted(redactor),
            parsed_request=request,
            spec_violation=redact(violation) if violation else None,
        )

    def _may_need_redaction(self, redactor: Redactor) -> bool:
        headers, request = self.request_headers, self.parsed_request
        texts = (self.target, self.raw_target, self.spec_violation, request and request.prompt)
        shown = [text.encode("utf-8", "surrogatepass") for text in texts if text]
        shown += (*headers, *headers.values(), self.request.content or b"")
        return not headers.keys().isdisjoint(_CREDENTIAL_HEADERS) or redactor.contains_key(
            b" ".join(shown)
        )

    @property
    def size(self) -> int:
        """About how many bytes it takes in the journal."""
        headers = self.request_headers
        header_bytes = sum(map(len, (*headers, *headers.values())))
        body_bytes = len(self.request.content or b"") + len(self.response.content or b"")
        return (
            header_bytes
            + body_bytes
            + len(self.raw_target)
            + size_of_objects(self.target, headers, self.faults, self.parsed_request)
        )


def size_of_objects(
    target: str,
    headers: Mapping[bytes, bytes],
    faults: tuple[str, ...],
    request: GenerationRequest | None,
) -> int:
    """Return about how many bytes an exchange takes beside the bytes of headers and bodies."""
    size = _BASE_SIZE + _SIZE_PER_HEADER * len(headers) + getsizeof(target)
    if faults:
        size += sum(map(getsizeof, faults))
    if request is not None:
        size += getsizeof(request.prompt) + _SIZE_PER_REFERENCE * len(request.references)
    return size


def header_texts(headers: Mapping[bytes, bytes] | Headers) -> dict[str, str]:
    return {
        name.decode("latin-1"): value.decode("latin-1") for name, value in dict(headers).items()
    }


def _redact_header(name: bytes, value: bytes, redactor: Redactor) -> bytes:
    return REDACTED.encode() if name in _CREDENTIAL_HEADERS else redactor.redact_bytes(value)


class RecordSource(Protocol):
    """What an exchange is made of when it is read. Most are never read."""

    @property
    def coverage_key(self) -> CoverageKey: ...

    @property
    def size(self) -> int: ...

    @property
    def created_generation(self) -> str | None: ...

    def to_exchange(self) -> Exchange: ...
