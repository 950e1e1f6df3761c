"""The context of one request on its way through the proxy."""

from __future__ import annotations

from dataclasses import dataclass, field

from mockhub.proxy.findings import Problem
from mockhub.proxy.guard_state import Purchase
from mockhub.proxy.observation import NOTHING, Observation
from mockhub.proxy.request_body import RequestBody
from mockhub.proxy.upstream import UpstreamExchange, UpstreamRequest
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext

_DAMAGING_FAULTS = ("status", "corrupt", "truncate", "reset")


@dataclass(slots=True, eq=False)
class ProxyContext(RequestContext):
    """One request and what is known about it, with its way to the upstream.

    Attributes:
        is_streamed: Whether the body of the response is passed on as it arrives.
        upstream_status: The status of the upstream's response.
        local_body: The body of a checked response as the client gets it.
        is_delivered: Whether the client got the whole response.
        purchase: What the guard reserved for the request.
        repeated: What the guard found that the request is a repeat of.
        upstream_code: The error code of the upstream's response.
        is_purchase: Whether it was sent and could be charged.
        activity: How many of these had started or ended before.
        is_alone: Whether no other one was under way then.
        problems: What is wrong in the response.
        content: The JSON of the upstream's response, if it was read and is JSON.
        seen: What it says.
    """

    request_body: RequestBody | None = None
    upstream_request: UpstreamRequest | None = None
    upstream: UpstreamExchange | None = None
    is_streamed: bool = False
    upstream_status: int | None = None
    local_body: bytes | None = None
    upstream_code: str | None = None
    is_delivered: bool = False
    is_purchase: bool = False
    activity: int = 0
    is_alone: bool = False
    problems: list[Problem] = field(default_factory=list)
    purchase: Purchase | None = None
    repeated: Purchase | None = None
    content: object = None
    seen: Observation = NOTHING

    def finalize(self) -> None:
        """Release also what was read from the upstream: the journal keeps the context."""
        RequestContext.finalize(self)
        self.upstream = self.upstream_request = self.request_body = None
        self.content, self.local_body, self.seen = None, None, NOTHING

    @property
    def is_checked(self) -> bool:
        """Whether the request is one of the API's operations, whose response is read as JSON."""
        return self.operation is not None and self.operation.id != OperationId.GET_IMAGE

    @property
    def is_intact(self) -> bool:
        """Whether no fault has replaced or damaged the response, and the upstream sent it."""
        damaged = any(fault.startswith(_DAMAGING_FAULTS) for fault in self.fired_faults)
        status = self.upstream_status
        return not damaged and (self.response is None or status in (None, self.response.status))
