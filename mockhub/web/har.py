"""Exchanges as an HTTP archive, version 1.2, which browsers' network panels open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from mockhub.resources import version
from mockhub.world.clock import to_text
from mockhub.world.journal import Body, Record

_PROTOCOL = "HTTP/1.1"


def as_har(records: Iterable[Record], base_url: str) -> dict[str, Any]:
    """The archive of *records*; *base_url* stands before their targets."""
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "mockhub", "version": version()},
            "entries": [_entry(record, base_url) for record in records],
        }
    }


def _entry(record: Record, base_url: str) -> dict[str, Any]:
    milliseconds = round(record.milliseconds, 3)
    return {
        "startedDateTime": to_text(record.at - round(milliseconds)),
        "time": milliseconds,
        "request": _request(record, base_url),
        "response": _response(record),
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "_number": record.number,
        "_operation": record.operation,
        "_credits": record.credits,
        "_faults": list(record.faults),
    }


def _request(record: Record, base_url: str) -> dict[str, Any]:
    headers = record.request_headers
    request = {
        "method": record.method,
        "url": base_url + record.target,
        "httpVersion": _PROTOCOL,
        "cookies": [],
        "headers": _pairs(headers.items()),
        "queryString": _query(record.target),
        "headersSize": -1,
        "bodySize": record.request.length,
    }
    if record.request.length:
        request["postData"] = {
            "mimeType": _type(headers),
            "params": [],
            "text": _text(record.request),
        }
    return request


def _response(record: Record) -> dict[str, Any]:
    headers, body = dict(record.response_headers), record.response
    return {
        "status": record.status,
        "statusText": _phrase(record.status),
        "httpVersion": _PROTOCOL,
        "cookies": [],
        "headers": _pairs(record.response_headers),
        "content": {"size": body.length, "mimeType": _type(headers), "text": _text(body)},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": body.length,
    }


def _pairs(headers: Iterable[tuple[bytes, bytes]]) -> list[dict[str, str]]:
    return [
        {"name": name.decode("latin-1"), "value": value.decode("latin-1")}
        for name, value in headers
    ]


def _query(target: str) -> list[dict[str, str]]:
    pairs = parse_qsl(target.partition("?")[2], keep_blank_values=True)
    return [{"name": name, "value": value} for name, value in pairs]


def _type(headers: Mapping[bytes, bytes]) -> str:
    return headers.get(b"content-type", b"").decode("latin-1")


def _text(body: Body) -> str:
    """The body, or what the journal kept of it."""
    if body.content is None:
        return f"[{body.length} bytes, sha256 {body.digest or 'not read to the end'}]"
    return body.content.decode("utf-8", "replace")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
