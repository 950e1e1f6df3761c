"""Transient failures: responses after which a request is sent again."""

from __future__ import annotations

from mockhub.verify.exchange import Exchange


def is_transient(exchange: Exchange) -> bool:
    """Return whether a response may come from anything between the suite and the API.

    A 502, 503 or 504 in the documented error shape comes from the API.
    """
    if exchange.error:
        return exchange.error in ("closed", "unreachable")
    if exchange.status in (429, 503) and retry_after(exchange) is not None:
        return True
    error = exchange.json_object.get("error")
    in_documented_shape = isinstance(error, dict) and "code" in error
    return exchange.status in (502, 503, 504) and not in_documented_shape


def retry_after(exchange: Exchange) -> float | None:
    """Return the seconds that a response asks to wait, or None if it does not."""
    value = exchange.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None
