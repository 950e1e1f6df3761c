"""The context of one request on its way through the proxy."""

from __future__ import annotations

from dataclasses import dataclass

from mockhub.proxy.request_body import RequestBody
from mockhub.proxy.upstream import UpstreamExchange, UpstreamRequest
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
