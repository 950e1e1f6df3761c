"""What a browser needs to hear before its pages may call the API from another origin."""

from __future__ import annotations

from collections.abc import Iterable

from mockhub.web.wire import Answer

_NO_CONTENT = 204
_LONGEST = 1000  # bytes that are said again; answers' heads are remembered
_USUAL = b"Authorization, Content-Type"

OPEN = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"Accept-Ranges, Allow, Content-Range, ETag, Retry-After, WWW-Authenticate",
    ),
)


def with_origin(answer: Answer) -> Answer:
    """The answer, readable for pages of any origin."""
    return answer._replace(headers=(*answer.headers, *OPEN))


def options(methods: Iterable[str], asked_headers: bytes | None) -> Answer:
    """The answer to OPTIONS: what the path offers, to a browser and to anybody."""
    allowed = ", ".join(methods).encode()
    short = asked_headers is not None and len(asked_headers) <= _LONGEST
    return Answer(
        _NO_CONTENT,
        b"",
        (
            (b"allow", allowed),
            (b"access-control-allow-methods", allowed),
            (b"access-control-allow-headers", (short and asked_headers) or _USUAL),
            (b"access-control-max-age", b"86400"),
        ),
    )
