"""Responses of the upstream on their way to the client and into the journal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from hashlib import sha256

import orjson
from msgspec.structs import replace

from mockhub.journal.exchange import MAX_STORED_BODY, StoredBody
from mockhub.proxy.context import ProxyContext
from mockhub.proxy.errors import UpstreamError
from mockhub.web.asgi import Send, close_connection, send_head
from mockhub.web.fault_injection import ConnectionAborted
from mockhub.web.responses import Response


async def stream(context: ProxyContext, response: Response, send: Send) -> None:
    """Pass a body on as it arrives; the journal gets its length and digest."""
    assert context.upstream is not None
    await send_head(response, send)
    digest, size, start = sha256(), 0, b""
    try:
        while part := await context.upstream.read():
            digest.update(part)
            size += len(part)
            if len(start) <= MAX_STORED_BODY:
                start += part
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except UpstreamError as error:
        context.code = error.code
        close_connection(context.scope, reset=True)
        raise ConnectionAborted from None
    finally:
        content = start if size <= MAX_STORED_BODY else None
        context.stored_response = StoredBody(size, content, digest.hexdigest())


def replace_urls(content: object, body: bytes, urls: Mapping[str, str]) -> bytes:
    """Return the body of a response with other URLs, and otherwise as the upstream wrote it."""
    written = [(orjson.dumps(url), orjson.dumps(local)) for url, local in urls.items()]
    if not all(url in body for url, _ in written):  # it has escapes
        body = orjson.dumps(content)
    for url, local in written:
        body = body.replace(url, local)
    return body


def redact_response(context: ProxyContext) -> None:
    """Keep API keys out of the journal that the upstream has put into its response (AUTH-7)."""
    response, redactor = context.response, context.hub.redactor
    if context.stored_response is not None:
        context.stored_response = context.stored_response.redacted(redactor)
    if response is None:
        return
    is_kept = len(response.body) <= MAX_STORED_BODY
    text = [value for _, value in response.headers] + ([response.body] if is_kept else [])
    if redactor.contains_key(b" ".join(text)):
        redact = redactor.redact_bytes
        headers = tuple((name, redact(value)) for name, value in response.headers)
        body = redact(response.body) if is_kept else response.body
        context.response = replace(response, headers=headers, body=body)


async def chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what was read of a body, and what follows."""
    if first:
        yield first
    async for part in rest:
        yield part
