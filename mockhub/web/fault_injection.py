"""Faults of a request: which ones fire, and one function for each transport fault."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256

from msgspec.structs import replace

from mockhub._timestamps import SECOND
from mockhub.exceptions import ApiError, MockhubError, ValidationError
from mockhub.faults.grammar import Directive, parse_directives, parse_prefer_header
from mockhub.faults.prompt import parse_prompt
from mockhub.faults.types import RESPONSE_FAULTS
from mockhub.web import request_body, responses
from mockhub.web.asgi import Send, close_connection, send_head, send_response
from mockhub.web.clock_waiter import ClockWaiter
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response

RequestFault = Callable[[Directive, RequestContext, ClockWaiter], Awaitable[Response | None]]
ResponseFault = Callable[[Directive, RequestContext, Response, Send, ClockWaiter], Awaitable[None]]

_CHUNKS = 20
_TOO_MANY_REQUESTS = 429
_FAULT_HEADERS = {b"x-mockhub", b"prefer"}
_GATEWAY_ERRORS = {
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}
_GATEWAY_ERROR_PAGE = (
    "<html>\r\n<head><title>{0} {1}</title></head>\r\n<body>\r\n"
    "<center><h1>{0} {1}</h1></center>\r\n</body>\r\n</html>\r\n"
)
_OPT_OUT = "; with prompt_faults: false, [[...]] is text"


class ConnectionAborted(Exception):
    """A fault closed the connection; no response can be sent."""


# -- which faults fire ---------------------------------------------------------------------------


def match_request_faults(context: RequestContext, operation_id: str) -> tuple[Directive, ...]:
    """Return the faults that fire for a request, by its headers or because they are armed."""
    hub, headers = context.hub, context.headers
    if hub.faults.armed:
        hub.faults.disarm_expired(hub.clock.now())
    if not hub.faults.armed and _FAULT_HEADERS.isdisjoint(headers):
        return ()
    faults: tuple[Directive, ...] = ()
    if header := headers.get(b"x-mockhub"):
        faults += _parse("X-Mockhub", parse_directives, header.decode("latin-1"))
    if header := headers.get(b"prefer"):
        faults += _parse("Prefer", parse_prefer_header, header.decode("latin-1"))
    random = hub.ids.random
    faults = hub.faults.match_inline(faults, operation_id, random, scope=context.key_digest)
    terminated = any(fault.is_terminal for fault in faults)
    return faults + hub.faults.match_request(operation_id, random, terminated=terminated)


def match_prompt_faults(
    context: RequestContext, operation_id: str, prompt: str
) -> tuple[Directive, ...]:
    """Return the faults that fire for a prompt, by its text or because they are armed for it."""
    hub = context.hub
    if not hub.faults.armed and "[[" not in prompt:
        return ()
    random = hub.ids.random
    faults = _parse("prompt", parse_prompt, prompt, _OPT_OUT) if hub.prompt_faults else ()
    scope = (context.key_digest, sha256(prompt.encode()).digest())
    faults = hub.faults.match_inline(faults, operation_id, random, scope=scope)
    terminated = any(fault.is_terminal for fault in (*context.pending_faults, *faults))
    return faults + hub.faults.match_prompt(operation_id, prompt, random, terminated=terminated)


def _parse(
    source: str, parser: Callable[[str], tuple[Directive, ...]], text: str, hint: str = ""
) -> tuple[Directive, ...]:
    try:
        directives = parser(text)
    except MockhubError as error:
        raise ValidationError(f"{source}: {error}{hint}") from None
    if any(directive.active_for is not None for directive in directives):
        raise ValidationError(f"{source}: for= needs a fault that is armed in advance{hint}")
    return directives


# -- when they act -------------------------------------------------------------------------------


async def apply_before(
    context: RequestContext, faults: tuple[Directive, ...], clock_waiter: ClockWaiter
) -> Response | None:
    """Apply the faults that act before the operation, and leave the others for `apply_after`.

    Returns:
        The response, if a fault sends one in place of the operation's.

    Raises:
        ConnectionAborted: if a fault closes the connection.
        ClientDisconnected, WaitCancelled: if a wait ends early.
    """
    context.pending_faults += faults
    for fault in faults:
        apply = REQUEST_FUNCTIONS.get(fault.name)
        if apply and fault.phase == "before":
            context.fired_faults += (str(fault),)
            if response := await apply(fault, context, clock_waiter):
                context.pending_faults = tuple(
                    [fault for fault in context.pending_faults if fault.name in RESPONSE_FAULTS]
                )
                return response
    return None


async def apply_after(
    context: RequestContext, response: Response, clock_waiter: ClockWaiter
) -> tuple[Response, Directive | None]:
    """Apply the pending faults that act after the operation.

    Returns:
        The response, which a fault may have replaced, and the fault to send it with.

    Raises:
        ConnectionAborted: if a fault closes the connection.
        ClientDisconnected, WaitCancelled: if a wait ends early.
    """
    response_fault = None
    for fault in context.pending_faults:
        apply = REQUEST_FUNCTIONS.get(fault.name)
        if fault.name in RESPONSE_FAULTS:
            response_fault = fault
        elif apply and fault.phase == "after":
            context.fired_faults += (str(fault),)
            response = await apply(fault, context, clock_waiter) or response
    return response, response_fault


async def send_with_fault(
    fault: Directive,
    context: RequestContext,
    response: Response,
    send: Send,
    clock_waiter: ClockWaiter,
) -> None:
    """Send a response through one of the `RESPONSE_FAULTS`."""
    context.fired_faults += (str(fault),)
    await RESPONSE_FUNCTIONS[fault.name](fault, context, response, send, clock_waiter)


# -- the transport faults ------------------------------------------------------------------------


async def status(
    fault: Directive, context: RequestContext, clock_waiter: ClockWaiter
) -> Response | None:
    """Respond with an error of that status, or with the page of a gateway."""
    status, errors = fault.value, context.hub.spec.errors
    if status in _GATEWAY_ERRORS:
        body = _GATEWAY_ERROR_PAGE.format(status, _GATEWAY_ERRORS[status]).encode()
        headers = ((b"content-type", b"text/html"), (b"content-length", b"%d" % len(body)))
        return Response(status, body, headers)
    if code := errors.code_by_status.get(status):
        error = errors.error(code)
    elif status == _TOO_MANY_REQUESTS:
        message = "Too many requests, as a fault demands"
        error = ApiError(status, "tooManyRequests", message, headers={"Retry-After": "1"})
    else:
        error = ApiError(status, f"http{status}", f"Status {status}, as a fault demands")
    return responses.error_response(error)


async def delay(
    fault: Directive, context: RequestContext, clock_waiter: ClockWaiter
) -> Response | None:
    """Wait on the hub's clock."""
    await clock_waiter.wait_until(context, context.hub.clock.now() + fault.value)
    return None


async def reset(
    fault: Directive, context: RequestContext, clock_waiter: ClockWaiter
) -> Response | None:
    """Reset the connection, once a short body has arrived."""
    if context.has_unread_body:
        context.body = request_body.ParsedBody()
        await request_body.drain(context.source)
    close_connection(context.scope, reset=True)
    raise ConnectionAborted


async def hang(
    fault: Directive, context: RequestContext, clock_waiter: ClockWaiter
) -> Response | None:
    """Wait until the client disconnects, which an unread body would hide."""
    if context.has_unread_body:
        context.body = request_body.ParsedBody()
        await request_body.discard(context.source)
    await clock_waiter.wait_until(context, None)
    return None


async def corrupt(
    fault: Directive,
    context: RequestContext,
    response: Response,
    send: Send,
    clock_waiter: ClockWaiter,
) -> None:
    """Send a body with a NUL byte in its middle, which no JSON parser accepts."""
    body, middle = response.body, len(response.body) // 2
    context.response = replace(response, body=body[:middle] + b"\x00" + body[middle + 1 :])
    await send_response(context.response, context.scope, send)


async def truncate(
    fault: Directive,
    context: RequestContext,
    response: Response,
    send: Send,
    clock_waiter: ClockWaiter,
) -> None:
    """Send the first half of the body and close the connection."""
    body = response.body[: len(response.body) // 2]
    context.response = replace(response, body=body)
    await send_head(response, send)
    await send({"type": "http.response.body", "body": body, "more_body": True})
    close_connection(context.scope, reset=False)
    raise ConnectionAborted


async def drip(
    fault: Directive,
    context: RequestContext,
    response: Response,
    send: Send,
    clock_waiter: ClockWaiter,
) -> None:
    """Send the body in small chunks, over the time that the fault states."""
    context.response = response
    await send_head(response, send)
    chunk_size = max(1, -(-len(response.body) // _CHUNKS))
    for start in range(0, len(response.body), chunk_size):
        await clock_waiter.sleep(context, fault.value / _CHUNKS / SECOND)
        chunk = response.body[start : start + chunk_size]
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


REQUEST_FUNCTIONS: dict[str, RequestFault] = {
    function.__name__: function for function in (status, delay, reset, hang)
}
RESPONSE_FUNCTIONS: dict[str, ResponseFault] = {
    function.__name__: function for function in (corrupt, truncate, drip)
}
