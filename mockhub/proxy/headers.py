"""Which headers of a message the proxy passes on."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from mockhub.proxy.target import Target
from mockhub.web.responses import Headers

Fields = Iterable[tuple[bytes, bytes]]

_HOP_BY_HOP = {
    *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization"),
    *(b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
}
_NOT_SENT = _HOP_BY_HOP | {b"host", b"expect", b"x-mockhub"}


def end_to_end(headers: Fields) -> Headers:
    """Return the headers that are for the other end (RFC 9110, 7.6.1)."""
    return tuple(_without(headers, _HOP_BY_HOP))


def response_headers(headers: Fields, target: Target, public_url: str) -> Headers:
    """Return the headers of the response to the client, whose Location leads to the proxy."""
    return tuple(
        (name, target.local_location(value, public_url) if name == b"location" else value)
        for name, value in end_to_end(headers)
    )


def request_headers(headers: Fields, *, chunked: bool, identity: bool) -> Headers:
    """Return the headers of the request to the upstream.

    Args:
        headers: Those that the client sent.
        chunked: Whether the body is sent in chunks, which the HTTP client then declares.
        identity: Whether the response must not be encoded, because it is checked.
    """
    dropped = _NOT_SENT | ({b"accept-encoding"} if identity else set())
    if chunked:
        dropped = dropped | {b"content-length"}
    added = ((b"accept-encoding", b"identity"),) if identity else ()
    return (*_without(headers, dropped), *added)


def _without(headers: Fields, dropped: set[bytes]) -> Iterator[tuple[bytes, bytes]]:
    fields = [*headers]
    named = {
        name.strip().lower()
        for field, value in fields
        if field == b"connection"
        for name in value.split(b",")
    }
    return (field for field in fields if field[0] not in dropped and field[0] not in named)


def decode_body(body: bytes, encoding: bytes, max_bytes: int) -> bytes | None:
    """Return a body without its content encoding, or None if it cannot be decoded.

    Raises:
        OverflowError: if it is longer than *max_bytes*.
    """
    encoding = encoding.strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding not in (b"gzip", b"x-gzip", b"deflate"):
        return None
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        content = decoder.decompress(body, max_bytes + 1)
    except zlib.error:
        return None
    if len(content) > max_bytes:
        raise OverflowError
    return content
