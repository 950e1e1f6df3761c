"""CORS: the headers that let web pages of any origin call the API.

Every response has them, whether the request has an Origin or not: browsers use the cached response
of an <img> for a later fetch of the same URL. So no response needs ``Vary: Origin``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from mockhub.web.responses import Response

_NO_CONTENT = 204
_MAX_ECHOED_BYTES = 1000  # the server caches rendered response headers
_DEFAULT_ALLOWED_HEADERS = b"Authorization, Content-Type"
_MAX_AGE = b"86400"
_REQUESTED_METHOD = b"access-control-request-method"
_REQUESTED_HEADERS = b"access-control-request-headers"

CORS_HEADERS = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"Accept-Ranges, Allow, Content-Range, ETag, Retry-After, WWW-Authenticate",
    ),
)


def with_cors_headers(response: Response) -> Response:
    """Return the response with the headers that let pages of any origin read it."""
    return replace(response, headers=(*response.headers, *CORS_HEADERS))


def is_preflight(method: str, headers: Mapping[bytes, bytes]) -> bool:
    return method == "OPTIONS" and _REQUESTED_METHOD in headers


def options(methods: Iterable[str], headers: Mapping[bytes, bytes]) -> Response:
    """Return the response to OPTIONS, whether it is a preflight request or not.

    A preflight request of a path or method that does not exist is allowed too: else the page could
    not read the 404 or 405, but would see a network error.
    """
    allowed = ", ".join(methods).encode()
    return Response(
        _NO_CONTENT,
        b"",
        (
            *(((b"allow", allowed),) if allowed else ()),
            (b"access-control-allow-methods", _echo(headers, _REQUESTED_METHOD) or allowed),
            (
                b"access-control-allow-headers",
                _echo(headers, _REQUESTED_HEADERS) or _DEFAULT_ALLOWED_HEADERS,
            ),
            (b"access-control-max-age", _MAX_AGE),
        ),
    )


def _echo(headers: Mapping[bytes, bytes], name: bytes) -> bytes:
    value = headers.get(name, b"")
    return value if len(value) <= _MAX_ECHOED_BYTES else b""
