"""The context of one request on its way through the proxy."""

from __future__ import annotations

from dataclasses import dataclass

from mockhub.proxy.request_body import RequestBody
from mockhub.proxy.upstream import UpstreamExchange, UpstreamRequest
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext


@dataclass(slots=True, eq=False)
class ProxyContext(RequestContext):
    """One request and what is known about it, with its way to the upstream.

    Attributes:
        is_streamed: Whether the body of the response is passed on as it arrives.
        content: The JSON of the upstream's response, if it was read and is JSON.
    """

    request_body: RequestBody | None = None
    upstream_request: UpstreamRequest | None = None
    upstream: UpstreamExchange | None = None
    is_streamed: bool = False
    content: object = None

    @property
    def is_checked(self) -> bool:
        """Whether the request is one of the API's operations, whose response is read as JSON."""
        return self.operation is not None and self.operation.id != OperationId.GET_IMAGE

    async def read_all(self, max_bytes: int) -> bytes:
        """Return the whole body of the response; raises UpstreamError."""
        assert self.upstream is not None
        self.is_streamed = False
        return await self.upstream.read_all(max_bytes)
