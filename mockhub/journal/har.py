"""Export exchanges as HTTP Archive (HAR) 1.2, which the network panel of a browser opens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from mockhub._resources import version
from mockhub._timestamps import format_timestamp
from mockhub.journal.exchange import Exchange, StoredBody

_PROTOCOL = "HTTP/1.1"


def as_har(exchanges: Iterable[Exchange], public_url: str) -> dict[str, Any]:
    """Return the archive as JSON-compatible data; *public_url* precedes the targets."""
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "mockhub", "version": version()},
            "entries": [_entry(exchange, public_url) for exchange in exchanges],
        }
    }


def _entry(exchange: Exchange, public_url: str) -> dict[str, Any]:
    milliseconds = round(exchange.milliseconds, 3)
    return {
        "startedDateTime": format_timestamp(exchange.timestamp - round(milliseconds)),
        "time": milliseconds,
        "request": _request(exchange, public_url),
        "response": _response(exchange),
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "_number": exchange.number,
        "_operation": exchange.operation,
        "_credits": exchange.credits,
        "_faults": list(exchange.faults),
    }


def _request(exchange: Exchange, public_url: str) -> dict[str, Any]:
    headers = exchange.request_headers
    target = exchange.raw_target.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    request = {
        "method": exchange.method,
        "url": public_url + target,
        "httpVersion": _PROTOCOL,
        "cookies": [],
        "headers": _name_value_pairs(headers.items()),
        "queryString": _query_pairs(target),
        "headersSize": -1,
        "bodySize": exchange.request.length,
    }
    if exchange.request.length:
        request["postData"] = {
            "mimeType": _content_type(headers),
            "params": [],
            "text": _body_text(exchange.request),
        }
    return request


def _response(exchange: Exchange) -> dict[str, Any]:
    headers, body = dict(exchange.response_headers), exchange.response
    return {
        "status": exchange.status,
        "statusText": _reason_phrase(exchange.status),
        "httpVersion": _PROTOCOL,
        "cookies": [],
        "headers": _name_value_pairs(exchange.response_headers),
        "content": {
            "size": body.length,
            "mimeType": _content_type(headers),
            "text": _body_text(body),
        },
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": body.length,
    }


def _name_value_pairs(headers: Iterable[tuple[bytes, bytes]]) -> list[dict[str, str]]:
    return [
        {"name": name.decode("latin-1"), "value": value.decode("latin-1")}
        for name, value in headers
    ]


def _query_pairs(target: str) -> list[dict[str, str]]:
    pairs = parse_qsl(target.partition("?")[2], keep_blank_values=True)
    return [{"name": name, "value": value} for name, value in pairs]


def _content_type(headers: Mapping[bytes, bytes]) -> str:
    return headers.get(b"content-type", b"").decode("latin-1")


def _body_text(body: StoredBody) -> str:
    if body.content is None:
        return f"[{body.length} bytes, sha256 {body.digest or 'not read to the end'}]"
    return body.content.decode("utf-8", "replace")


def _reason_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
