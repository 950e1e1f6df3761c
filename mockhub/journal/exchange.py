"""One recorded request with its response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from mockhub.spec.frozen_struct import FrozenStruct
from mockhub.spec.generation_request import GenerationRequest

Headers = tuple[tuple[bytes, bytes], ...]


MAX_STORED_BODY = 4096


class StoredBody(FrozenStruct, frozen=True):
    """A body, or of a long one its length and digest only."""

    length: int
    content: bytes | None
    digest: str | None = None


class Exchange(NamedTuple):
    """One exchange."""

    number: int
    timestamp: int  # milliseconds, the hub's clock
    method: str
    target: str  # path and query
    operation: str | None
    account: str | None
    generation: str | None
    request_headers: Mapping[bytes, bytes]
    request: StoredBody
    status: int
    response_headers: Headers
    response: StoredBody
    credits: int  # what the exchange did to the account's balance
    faults: tuple[str, ...]
    milliseconds: float
    client_disconnected: bool  # the client left before it had the whole answer
    spec_violation: str | None  # how our answer broke the law
    key_digest: bytes | None = None  # the hash of the key that came along
    parsed_request: GenerationRequest | None = None  # what was asked for, where the body was valid
    unknown_fields: tuple[str, ...] = ()  # fields of the body that the law does not know
    code: str | None = None  # of the error that was answered
    state: str | None = None  # of the generation that was answered
    started_at: float = 0.0  # seconds on the machine's stopwatch; only differences mean anything

    @property
    def coverage_key(self) -> CoverageKey:
        """What the client met."""
        return (self.operation, self.status, self.code, self.state)

    def to_exchange(self) -> Exchange:
        """Itself; what is not written down yet has another."""
        return self

    @property
    def size(self) -> int:
        """About how many bytes it keeps."""
        prompt_size = len(self.parsed_request.prompt) if self.parsed_request else 0
        headers = self.request_headers
        header_size = len(self.target) + sum(map(len, (*headers, *headers.values())))
        body_size = len(self.request.content or b"") + len(self.response.content or b"")
        return header_size + body_size + prompt_size


# What an exchange let the client meet: operation, status, error code and the job's state.
CoverageKey = tuple[str | None, int, str | None, str | None]


class RecordSource(Protocol):
    """An exchange; its record is written when somebody reads it, since nearly all go unread."""

    @property
    def coverage_key(self) -> CoverageKey: ...

    @property
    def size(self) -> int: ...

    def to_exchange(self) -> Exchange: ...
