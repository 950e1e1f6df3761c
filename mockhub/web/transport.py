"""The last yard of the wire: answers as they are, and answers as a fault leaves them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from mockhub.spec.errors import ApiError, ErrorCatalog
from mockhub.web import wire
from mockhub.web.asgi import Incoming, Receive, Received, Scope, Send
from mockhub.web.waiting import Waiting
from mockhub.world.clock import SECOND
from mockhub.world.faults import Directive
from mockhub.world.hub import Hub

EXCHANGE = "mockhub.exchange"  # where our own server leaves its end of the line

SPOILERS = frozenset({"garble", "truncate", "drip"})

_DRIPS = 20
_TOO_MANY = 429
_REASONS = {502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}
_PAGE = (
    "<html>\r\n<head><title>{0} {1}</title></head>\r\n<body>\r\n"
    "<center><h1>{0} {1}</h1></center>\r\n</body>\r\n</html>\r\n"
)


class ConnectionDropped(Exception):
    """A fault ended the connection; there is nothing to answer any more."""


async def strike(
    directive: Directive,
    hub: Hub,
    waiting: Waiting,
    scope: Scope,
    receive: Receive,
    errors: ErrorCatalog,
) -> wire.Answer | None:
    """Let a fault happen between the client and the world; an answer ends the request there.

    Raises:
        ConnectionDropped: if the fault ends the connection.
        ClientGone, Closing: if a wait ends otherwise.
    """
    if directive.word == "delay":
        told = receive if directive.phase == "after" else None  # before, the body is still to come
        await waiting.until(hub, hub.clock.now() + directive.value, told)
    elif directive.word == "drop":
        end(scope, reset=True)
        raise ConnectionDropped
    elif directive.word == "hang":
        await waiting.for_ever(hub, receive)
    elif directive.word == "status":
        return status_page(directive.value, errors)
    return None


def status_page(status: int, errors: ErrorCatalog) -> wire.Answer:
    """What a client meets under a status: our error, or the page of a gateway before us."""
    if status in _REASONS:
        body = _PAGE.format(status, _REASONS[status]).encode()
        headers = ((b"content-type", b"text/html"), (b"content-length", b"%d" % len(body)))
        return wire.Answer(status, body, headers)
    if code := errors.by_status.get(status):
        error = errors.refusal(code)
    elif status == _TOO_MANY:
        message = "Too many requests; this fault was asked for"
        error = ApiError(status, "tooManyRequests", message, headers={"Retry-After": "1"})
    else:
        error = ApiError(status, f"http{status}", f"Status {status}, as a fault asked for")
    return wire.refusal(error)


def end(scope: Scope, *, reset: bool) -> None:
    """End the connection: at once by a reset, or after what was sent.

    Where there is no connection, as in a test that calls the app itself, the caller sees the reset
    as an exception.
    """
    exchange = scope.get(EXCHANGE)
    if exchange is None:
        raise ConnectionResetError("mockhub dropped the connection, as a fault asked for")
    exchange.abort(reset=reset)


def incoming(scope: Scope, receive: Receive) -> Incoming:
    """The body of a request; where our own server is, what has come is had without a wait."""
    return scope.get(EXCHANGE) or Received(receive)


def sent_at_once(answer: wire.Answer, scope: Scope) -> bool:
    """Whether our own server is there and has sent all of an answer."""
    exchange = scope.get(EXCHANGE)
    return exchange is not None and exchange.respond(answer)


async def send_answer(answer: wire.Answer, scope: Scope, send: Send) -> None:
    """Send an answer as it is, in one write where our own server allows it.

    A HEAD request gets its headers only.
    """
    if sent_at_once(answer, scope):
        return
    head = scope["method"] == "HEAD"
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})


def spoilers(directives: Iterable[Directive]) -> tuple[Directive, ...]:
    """Those of *directives* that let an answer come, but not whole."""
    return tuple(one for one in directives if one.word in SPOILERS)


def spoiled(answer: wire.Answer, spoiler: Directive) -> wire.Answer:
    """What is left of an answer: text that no JSON parser takes, or its first half."""
    half = len(answer.body) // 2
    if spoiler.word == "garble":
        return answer._replace(body=answer.body[:half] + b"\x00" + answer.body[half + 1 :])
    if spoiler.word == "truncate":
        return answer._replace(body=answer.body[:half])
    return answer


async def send_spoiled(answer: wire.Answer, spoiler: Directive, send: Send, scope: Scope) -> None:
    """Send what is left of an answer: unreadable, broken off, or drop by drop."""
    left = spoiled(answer, spoiler)
    if spoiler.word == "garble":
        await send_answer(left, scope, send)
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    if spoiler.word == "truncate":
        await send({"type": "http.response.body", "body": left.body, "more_body": True})
        end(scope, reset=False)
        raise ConnectionDropped
    step = max(1, -(-len(answer.body) // _DRIPS))
    for start in range(0, len(answer.body), step):
        await asyncio.sleep(spoiler.value / _DRIPS / SECOND)
        piece = answer.body[start : start + step]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
