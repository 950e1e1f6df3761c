"""The last yard of the wire: answers as they are, and answers as a fault leaves them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from msgspec.structs import replace

from mockhub._timestamps import SECOND
from mockhub.domain.hub import HubBackend
from mockhub.exceptions import ApiError
from mockhub.faults.grammar import Directive
from mockhub.spec.error_catalog import ErrorCatalog
from mockhub.web import responses
from mockhub.web.asgi import AsgiBodySource, BodySource, Receive, Scope, Send
from mockhub.web.clock_waiter import ClockWaiter

CYCLE_SCOPE_KEY = "mockhub.cycle"  # where our own server leaves its end of the line

RESPONSE_FAULTS = frozenset({"corrupt", "truncate", "drip"})

_CHUNKS = 20
_TOO_MANY_REQUESTS = 429
_GATEWAY_ERRORS = {
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}
_GATEWAY_ERROR_PAGE = (
    "<html>\r\n<head><title>{0} {1}</title></head>\r\n<body>\r\n"
    "<center><h1>{0} {1}</h1></center>\r\n</body>\r\n</html>\r\n"
)


class ConnectionAborted(Exception):
    """A fault ended the connection; there is nothing to answer any more."""


async def apply_fault(
    directive: Directive,
    hub: HubBackend,
    clock_waiter: ClockWaiter,
    scope: Scope,
    receive: Receive,
    errors: ErrorCatalog,
) -> responses.Response | None:
    """Let a fault happen between the client and the world; an answer ends the request there.

    Raises:
        ConnectionDropped: if the fault ends the connection.
        ClientGone, Closing: if a wait ends otherwise.
    """
    if directive.name == "delay":
        disconnect_receive = (
            receive if directive.phase == "after" else None
        )  # before, the body is still to come
        await clock_waiter.wait_until(hub, hub.clock.now() + directive.value, disconnect_receive)
    elif directive.name == "reset":
        close_connection(scope, reset=True)
        raise ConnectionAborted
    elif directive.name == "hang":
        await clock_waiter.wait_forever(hub, receive)
    elif directive.name == "status":
        return status_response(directive.value, errors)
    return None


def status_response(status: int, errors: ErrorCatalog) -> responses.Response:
    """What a client meets under a status: our error, or the page of a gateway before us."""
    if status in _GATEWAY_ERRORS:
        body = _GATEWAY_ERROR_PAGE.format(status, _GATEWAY_ERRORS[status]).encode()
        headers = ((b"content-type", b"text/html"), (b"content-length", b"%d" % len(body)))
        return responses.Response(status, body, headers)
    if code := errors.code_by_status.get(status):
        error = errors.error(code)
    elif status == _TOO_MANY_REQUESTS:
        message = "Too many requests; this fault was asked for"
        error = ApiError(status, "tooManyRequests", message, headers={"Retry-After": "1"})
    else:
        error = ApiError(status, f"http{status}", f"Status {status}, as a fault asked for")
    return responses.error_response(error)


def close_connection(scope: Scope, *, reset: bool) -> None:
    """End the connection: at once by a reset, or after what was sent.

    Where there is no connection, as in a test that calls the app itself, the caller sees the reset
    as an exception.
    """
    cycle = scope.get(CYCLE_SCOPE_KEY)
    if cycle is None:
        raise ConnectionResetError("mockhub dropped the connection, as a fault asked for")
    cycle.abort(reset=reset)


def body_source(scope: Scope, receive: Receive) -> BodySource:
    """The body of a request; where our own server is, what has come is had without a wait."""
    return scope.get(CYCLE_SCOPE_KEY) or AsgiBodySource(receive)


def try_send_now(response: responses.Response, scope: Scope) -> bool:
    """Whether our own server is there and has sent all of an answer."""
    cycle = scope.get(CYCLE_SCOPE_KEY)
    return cycle is not None and cycle.send_response(response)


async def send_response(response: responses.Response, scope: Scope, send: Send) -> None:
    """Send an answer as it is, in one write where our own server allows it.

    A HEAD request gets its headers only.
    """
    if try_send_now(response, scope):
        return
    is_head = scope["method"] == "HEAD"
    await send(
        {"type": "http.response.start", "status": response.status, "headers": response.headers}
    )
    await send({"type": "http.response.body", "body": b"" if is_head else response.body})


def response_faults(directives: Iterable[Directive]) -> tuple[Directive, ...]:
    """Those of *directives* that let an answer come, but not whole."""
    return tuple(one for one in directives if one.name in RESPONSE_FAULTS)


def corrupted(response: responses.Response, fault: Directive) -> responses.Response:
    """What is left of an answer: text that no JSON parser takes, or its first half."""
    half = len(response.body) // 2
    if fault.name == "corrupt":
        return replace(response, body=response.body[:half] + b"\x00" + response.body[half + 1 :])
    if fault.name == "truncate":
        return replace(response, body=response.body[:half])
    return response


async def send_with_fault(
    response: responses.Response, fault: Directive, send: Send, scope: Scope
) -> None:
    """Send what is left of an answer: unreadable, broken off, or drop by drop."""
    faulty = corrupted(response, fault)
    if fault.name == "corrupt":
        await send_response(faulty, scope, send)
        return
    await send(
        {"type": "http.response.start", "status": response.status, "headers": response.headers}
    )
    if fault.name == "truncate":
        await send({"type": "http.response.body", "body": faulty.body, "more_body": True})
        close_connection(scope, reset=False)
        raise ConnectionAborted
    chunk_size = max(1, -(-len(response.body) // _CHUNKS))
    for start in range(0, len(response.body), chunk_size):
        await asyncio.sleep(fault.value / _CHUNKS / SECOND)
        chunk = response.body[start : start + chunk_size]
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
