"""What a browser needs to hear before its pages may call the API from another origin."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from mockhub.web.responses import Response

_NO_CONTENT = 204
_MAX_ECHOED_BYTES = 1000  # bytes that are said again; answers' heads are remembered
_DEFAULT_ALLOWED_HEADERS = b"Authorization, Content-Type"

CORS_HEADERS = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"Accept-Ranges, Allow, Content-Range, ETag, Retry-After, WWW-Authenticate",
    ),
)


def with_origin(response: Response) -> Response:
    """The answer, readable for pages of any origin."""
    return replace(response, headers=(*response.headers, *CORS_HEADERS))


def options(methods: Iterable[str], requested_headers: bytes | None) -> Response:
    """The answer to OPTIONS: what the path offers, to a browser and to anybody."""
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
