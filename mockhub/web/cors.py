"""CORS: the headers that let web pages of any origin call the API.

Every response has them, whether the request has an Origin or not: browsers use the cached response
of an <img> for a later fetch of the same URL. So no response needs ``Vary: Origin``.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from mockhub.web.responses import Response

_NO_CONTENT = 204
_MAX_ECHOED_BYTES = 1000  # the server caches rendered response headers
_DEFAULT_ALLOWED_HEADERS = b"Authorization, Content-Type"

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


def options(methods: Iterable[str], requested_headers: bytes | None) -> Response:
    """Return the response to OPTIONS, be it a preflight request or not."""
    allowed = ", ".join(methods).encode()
    is_short = requested_headers is not None and len(requested_headers) <= _MAX_ECHOED_BYTES
    return Response(
        _NO_CONTENT,
        b"",
        (
            (b"allow", allowed),
            (b"access-control-allow-methods", allowed),
            (
                b"access-control-allow-headers",
                (is_short and requested_headers) or _DEFAULT_ALLOWED_HEADERS,
            ),
            (b"access-control-max-age", b"86400"),
        ),
    )
