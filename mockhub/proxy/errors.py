"""The error responses that the proxy makes itself, in the documented shape."""

from __future__ import annotations

from mockhub.exceptions import ApiError

_BAD_GATEWAY, _GATEWAY_TIMEOUT = 502, 504
_MAX_SHOWN = 200


class UpstreamError(ApiError):
    """The upstream gave no usable response; `upstreamTimeout` is a 504, other codes are a 502."""

    def __init__(self, code: str, message: str) -> None:
        status = _GATEWAY_TIMEOUT if code == "upstreamTimeout" else _BAD_GATEWAY
        super().__init__(status, code, message)


def timed_out(message: str) -> UpstreamError:
    return UpstreamError("upstreamTimeout", message)


def stopped(*, may_be_charged: bool) -> UpstreamError:
    message = "the proxy was stopped before the upstream had responded"
    return UpstreamError(
        "proxyStopped", message + (", which may have charged it" if may_be_charged else "")
    )


def invalid_response(message: str) -> UpstreamError:
    return UpstreamError("upstreamInvalidResponse", message)


def too_large(max_bytes: int) -> UpstreamError:
    message = f"the upstream's response is longer than {max_bytes} bytes"
    return UpstreamError("upstreamResponseTooLarge", message)


def redirected(origin: str, location: bytes) -> UpstreamError:
    shown = location.decode("latin-1")[:_MAX_SHOWN]
    return UpstreamError(
        "upstreamRedirect",
        f"{origin} redirects to {shown!r}, where no API key is sent; "
        "if this is the address of the service, give it as --target",
    )
