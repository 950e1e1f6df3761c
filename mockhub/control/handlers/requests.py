"""Control-plane handler that sends a request to the public API, as a client would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote

import orjson

from mockhub.control.context import ControlRequest, conflict
from mockhub.control.handlers.journal import exchange_detail, find_exchange
from mockhub.control.handlers.keys import find_key
from mockhub.exceptions import ValidationError
from mockhub.journal.curl import COPIED_HEADERS, request_fields
from mockhub.journal.exchange import Exchange
from mockhub.spec.operations import FORM, JSON
from mockhub.web.asgi import AsgiBodySource, Message, Scope, receive_from
from mockhub.web.clock_waiter import WaitCancelled
from mockhub.web.context import HUB_NAME_SCOPE_KEY, HUBS_PREFIX, RequestContext
from mockhub.web.fault_injection import ConnectionAborted
from mockhub.web.request_body import ClientDisconnected

_CONTENT_TYPE = b"content-type"
_NOT_SENT = (b"authorization", b"content-length", b"transfer-encoding", b"host")


class _NewRequest(NamedTuple):
    method: str
    target: str
    headers: Mapping[bytes, bytes]
    body: bytes
    key_digest: bytes | None


async def send_request(request: ControlRequest) -> object:
    """Send a request; no raw key is needed, because its digest is known (AUTH-7)."""
    body = request.body
    if "exchange" in body:
        if len(body) > 1:
            raise ValidationError("exchange is given with other fields; expected it alone")
        new = _repeat(find_exchange(request, body["exchange"]))
    else:
        new = _compose(request)
    number = await _send(request, new)
    return exchange_detail(request, find_exchange(request, number))


def _compose(request: ControlRequest) -> _NewRequest:
    body = request.body
    if missing := next((name for name in ("method", "target") if name not in body), None):
        raise ValidationError(f"{missing} is missing; expected method and target, or exchange")
    headers = {_CONTENT_TYPE: JSON.encode()} if "body" in body else {}
    for name, value in body.get("headers", {}).items():
        headers[name.lower().encode()] = value.encode()
    digest = find_key(request, body["key"]).digest if "key" in body else None
    return _NewRequest(
        body["method"], body["target"], headers, body.get("body", "").encode(), digest
    )


def _repeat(exchange: Exchange) -> _NewRequest:
    """Return the request of an exchange; raise ApiError 409 if the journal has not its body."""
    names = (*COPIED_HEADERS, b"authorization")
    headers = {name: value for name, value in exchange.request_headers.items() if name in names}
    content, parsed = exchange.request.content or b"", exchange.parsed_request
    is_form = headers.get(_CONTENT_TYPE, b"").startswith(FORM.encode())
    if exchange.request.length and (is_form or exchange.request.content is None):
        if parsed is None or parsed.references:
            raise conflict(
                f"the journal has not the whole body of exchange {exchange.number}; "
                "send it with your client"
            )
        content, headers[_CONTENT_TYPE] = orjson.dumps(request_fields(parsed)), JSON.encode()
    return _NewRequest(exchange.method, exchange.target, headers, content, exchange.key_digest)


async def _send(request: ControlRequest, new: _NewRequest) -> int:
    """Let the public API handle a request; return the number of its exchange."""
    hub, api = request.hub, request.api
    message = {"type": "http.request", "body": new.body, "more_body": False}

    async def send(message: Message) -> None:
        """Discard the response; the journal has it."""

    context = RequestContext(
        _scope(new, None if hub is request.hub_registry.default else hub.name),
        AsgiBodySource(receive_from([message])),
    )
    if new.key_digest is not None:
        context.credentials = new.key_digest
    try:
        await api.respond(context, await api.handle(context), send)
    except ClientDisconnected:
        context.client_disconnected = True
    except (ConnectionAborted, ConnectionResetError, WaitCancelled):
        pass  # a fault closed the connection: the exchange has no response
    finally:
        api.record(context)
    return context.number


def _scope(new: _NewRequest, hub_name: str | None) -> Scope:
    path, _, query = new.target.partition("?")
    headers = [(name, value) for name, value in new.headers.items() if name not in _NOT_SENT]
    if new.key_digest is not None or b"authorization" in new.headers:
        headers.append((b"authorization", new.headers.get(b"authorization", b"Bearer -")))
    if new.body:
        headers.append((b"content-length", b"%d" % len(new.body)))
    prefix = HUBS_PREFIX + hub_name if hub_name else ""
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": new.method,
        "path": unquote(path),
        "raw_path": quote(prefix + path, safe="/%:@!$&'()*+,;=~").encode(),
        "query_string": query.encode(),
        "headers": headers,
    }
    return {**scope, HUB_NAME_SCOPE_KEY: hub_name} if prefix else scope
