"""Conforming servers that speak otherwise: headers, encodings, spellings, patience."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import orjson

from mockhub.mutants.house import CREDITS, GET, MODELS, POST, House, Proceed
from mockhub.mutants.layers import Asgi, Layer
from mockhub.mutants.registry import variant
from mockhub.mutants.replies import with_body
from mockhub.web import wire
from mockhub.web.asgi import Message, Receive, Scope, Send
from mockhub.web.visit import Visit
from mockhub.world.accounts import Account

_ALL = (MODELS, CREDITS, POST, GET)


def sending(change: Callable[[Scope, Message, bytes, Send], Any]) -> Layer:
    """A layer that gathers an answer and lets *change* send it."""

    async def layer(app: Asgi, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        body = b""

        async def gather(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                await change(scope, start, body, send)

        await app(scope, receive, gather)

    return layer


@variant()
def gzipped(house: House) -> None:
    """Answers are compressed where the client takes gzip."""

    async def send_gzipped(scope: Scope, start: Message, body: bytes, send: Send) -> None:
        headers = dict(start["headers"])
        if body and b"gzip" in dict(scope["headers"]).get(b"accept-encoding", b""):
            body = gzip.compress(body)
            headers[b"content-encoding"] = b"gzip"
            headers[b"vary"] = b"Accept-Encoding"
            headers[b"content-length"] = b"%d" % len(body)
        await send({**start, "headers": list(headers.items())})
        await send({"type": "http.response.body", "body": body})

    house.layer(sending(send_gzipped))


@variant()
def chunked(house: House) -> None:
    """Answers come in chunks, and do not say how long they are."""

    async def send_chunked(scope: Scope, start: Message, body: bytes, send: Send) -> None:
        headers = [header for header in start["headers"] if header[0] != b"content-length"]
        await send({**start, "headers": headers})
        for at in range(0, len(body), 40):
            piece = body[at : at + 40]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    house.layer(sending(send_chunked))


def headed(house: House, *headers: tuple[bytes, bytes]) -> None:
    """Send more headers with every answer."""
    house.on_answer()(lambda answer, visit: answer._replace(headers=(*answer.headers, *headers)))


@variant()
def connections_closed(house: House) -> None:
    """Each answer ends its connection."""
    headed(house, (b"connection", b"close"))


@variant()
def more_headers(house: House) -> None:
    """Answers have headers of a proxy, of a framework, of a session and of a cache."""
    headed(
        house,
        (b"server", b"cloudflare"),
        (b"x-request-id", b"req_8c1f"),
        (b"x-ratelimit-remaining", b"99"),
        (b"strict-transport-security", b"max-age=63072000"),
        (b"set-cookie", b"session=1; Path=/; HttpOnly"),
        (b"cache-control", b"no-store"),
        (b"vary", b"Origin"),
        (b"retry-after", b"1"),
    )


@variant()
def capital_headers(house: House) -> None:
    """Header names are written with capitals, but for the one that our connection looks for."""
    length = b"content-length"
    house.on_answer()(
        lambda answer, visit: answer._replace(
            headers=tuple(
                (name if name == length else name.title(), value) for name, value in answer.headers
            )
        )
    )


@variant()
def bare_refusals(house: House) -> None:
    """Refused keys are answered without WWW-Authenticate."""
    house.on_answer(status=401)(
        lambda answer, visit: answer._replace(
            headers=tuple(one for one in answer.headers if one[0] != b"www-authenticate")
        )
    )


@variant()
def charset_named(house: House) -> None:
    """The content type of answers names their charset."""
    house.on_answer()(
        lambda answer, visit: (
            with_body(answer, answer.body, "application/json; charset=utf-8")
            if answer.body
            else answer
        )
    )


def spelt(house: House, spell: Callable[[Any], bytes]) -> None:
    """Write the JSON of answers otherwise."""
    house.on_answer()(
        lambda answer, visit: (
            with_body(answer, spell(orjson.loads(answer.body))) if answer.body else answer
        )
    )


@variant()
def pretty(house: House) -> None:
    """JSON is indented, in the order of the alphabet, and in ASCII."""
    spelt(house, lambda content: json.dumps(content, indent=2, sort_keys=True).encode() + b"\n")


@variant()
def backwards(house: House) -> None:
    """The fields of JSON objects stand in the opposite order."""

    def turned(content: Any) -> Any:
        if isinstance(content, dict):
            return {name: turned(value) for name, value in reversed(content.items())}
        return [turned(one) for one in content] if isinstance(content, list) else content

    spelt(house, lambda content: orjson.dumps(turned(content)))


@variant()
def decimal_credits(house: House) -> None:
    """Credits are written as decimals: 112.0."""

    def decimal(content: Any) -> Any:
        if isinstance(content, dict):
            return {
                name: float(value)
                if name.startswith("credits") and isinstance(value, int)
                else decimal(value)
                for name, value in content.items()
            }
        return [decimal(one) for one in content] if isinstance(content, list) else content

    spelt(house, lambda content: orjson.dumps(decimal(content)))


@variant()
def more_fields(house: House) -> None:
    """Every object has fields that the documentation does not name."""

    def more(content: Any) -> Any:
        if isinstance(content, dict):
            grown = {name: more(value) for name, value in content.items()}
            return {"request_id": "req_8c1f", "_links": {"self": None}, **grown, "version": 3}
        return [more(one) for one in content] if isinstance(content, list) else content

    house.on_content(CREDITS, POST, GET)(lambda content, visit: more(content))
    house.on_content(MODELS)(
        lambda content, visit: {**content, "has_more": False, "total": len(content["data"])}
    )


@variant()
def other_words(house: House) -> None:
    """Errors are told in another language, and point at what is wrong."""
    house.on_content()(
        lambda content, visit: (
            content["error"].update(
                message="अनुरोध पूरा नहीं हो सका।",
                type="api_error",
                param=None,
                docs="https://example.com",
            )
            if isinstance(content, dict) and isinstance(content.get("error"), dict)
            else None
        )
    )


@variant()
def slow_answers(house: House) -> None:
    """Every answer takes a moment."""

    @house.layer
    async def wait(app: Asgi, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.03)
        await app(scope, receive, send)


@variant()
def one_after_the_other(house: House) -> None:
    """Generations wait for one another, each for some time."""
    turn = asyncio.Lock()

    @house.handle(POST)
    async def generate(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
        async with turn:
            await asyncio.sleep(0.05)
            return await proceed(visit, account)


@variant()
def no_head(house: House) -> None:
    """HEAD is offered nowhere."""

    @house.layer
    async def refuse(app: Asgi, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "HEAD":
            await app(scope, receive, send)
            return
        headers = [(b"allow", b"GET"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 405, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def clocked(house: House, write: Callable[[str], str]) -> None:
    """Write every time otherwise."""

    def change(content: Any) -> Any:
        if isinstance(content, dict):
            return {
                name: write(value)
                if name in ("created_at", "next_expiration") and isinstance(value, str)
                else change(value)
                for name, value in content.items()
            }
        return [change(one) for one in content] if isinstance(content, list) else content

    spelt(house, lambda content: orjson.dumps(change(content)))


@variant()
def times_in_whole_seconds(house: House) -> None:
    """Times have no milliseconds."""
    clocked(house, lambda text: text[:-5] + "Z")


@variant()
def times_with_an_offset(house: House) -> None:
    """Times end in +00:00."""
    clocked(house, lambda text: text[:-1] + "+00:00")


@variant()
def times_in_microseconds(house: House) -> None:
    """Times have six digits behind the second, and end in +00:00."""
    clocked(house, lambda text: text[:-1] + "123+00:00")
