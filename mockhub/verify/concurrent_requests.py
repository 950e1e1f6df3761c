"""Requests that reach the server at the same moment: each waits for its last byte."""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class PendingRequest:
    """One POST of a volley."""

    url: str
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class RawResponse:
    """What came back, or why nothing did."""

    status: int = 0
    headers: Mapping[str, str] | None = None
    content: bytes = b""
    error: str = ""


def send_simultaneously(requests: Sequence[PendingRequest], timeout: float) -> list[RawResponse]:
    """Send everything but the last byte of each, then the last bytes in one go."""
    connections = [_open(request, timeout) for request in requests]
    for connection, request in zip(connections, requests, strict=True):
        if connection is not None:
            with suppress(OSError):
                connection.send(request.content[-1:])
    return [_read_response(connection) for connection in connections]


def _open(request: PendingRequest, timeout: float) -> http.client.HTTPConnection | None:
    split = urlsplit(request.url)
    connection_class = (
        http.client.HTTPSConnection if split.scheme == "https" else http.client.HTTPConnection
    )
    connection = connection_class(split.hostname or "", split.port, timeout=timeout)
    try:
        connection.putrequest("POST", split.path, skip_accept_encoding=True)
        for name, value in {**request.headers, "Content-Length": str(len(request.content))}.items():
            connection.putheader(name, value)
        connection.endheaders(request.content[:-1])
    except OSError:
        connection.close()
        return None
    return connection


def _read_response(connection: http.client.HTTPConnection | None) -> RawResponse:
    if connection is None:
        return RawResponse(error="unreachable")
    try:
        response = connection.getresponse()
        content = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return RawResponse(response.status, headers, content)
    except TimeoutError:
        return RawResponse(error="timeout")
    except (OSError, http.client.HTTPException):
        return RawResponse(error="closed")
    finally:
        connection.close()
