"""Control-plane handlers for the journal and the client report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockhub._timestamps import SECOND, parse_duration
from mockhub.client_report.report import build_report
from mockhub.control import serializers
from mockhub.control.context import ControlRequest, PlainResponse, not_found, parse_field
from mockhub.journal.curl import as_curl
from mockhub.journal.exchange import Exchange
from mockhub.journal.har import as_har


def get_journal(request: ControlRequest) -> object:
    hub, query = request.hub, request.query_params
    exchanges = [exchange for exchange in hub.journal if _matches(exchange, query)][
        -query["limit"] :
    ]
    if query["format"] == "har":
        return as_har(exchanges, request.api.public_url)
    if query["format"] == "curl":
        return PlainResponse("text/plain", as_curl(exchanges, request.api.public_url))
    serialize = (
        serializers.exchange_summary if query["format"] == "summary" else serializers.exchange
    )
    return {
        "total": hub.journal.total,
        "stored": len(hub.journal),
        "journal": hub.journal.version,
        "exchanges": [serialize(exchange, hub) for exchange in exchanges],
    }


def stream_events(request: ControlRequest) -> object:
    from mockhub.control.events import EventStream

    return EventStream(request.api, request.hub, request.query_params["since"])


def get_exchange(request: ControlRequest) -> object:
    return exchange_detail(request, find_exchange(request, int(request.path_params["number"])))


def find_exchange(request: ControlRequest, number: int) -> Exchange:
    """Return an exchange of the journal; raise ApiError 404 if it has been evicted."""
    if exchange := request.hub.journal.find(number):
        return exchange
    total, stored = request.hub.journal.total, len(request.hub.journal)
    first = total - stored + 1
    known = f"it has {first} to {total}" if stored else "it is empty"
    raise not_found(f"there is no exchange {number} in the journal; {known}")


def exchange_detail(request: ControlRequest, exchange: Exchange) -> dict[str, object]:
    return {
        "exchange": serializers.exchange(exchange, request.hub),
        "curl": as_curl([exchange], request.api.public_url),
    }


def clear_journal(request: ControlRequest) -> object:
    stored = len(request.hub.journal)
    request.hub.journal.clear()
    return {"deleted": f"{stored} exchanges"}


def get_report(request: ControlRequest) -> object:
    interval = request.query_params.get("min_poll_interval")
    min_poll_interval = (
        SECOND if interval is None else parse_field("min_poll_interval", parse_duration, interval)
    )
    client_report = build_report(
        request.hub,
        min_poll_interval=min_poll_interval,
        service_findings=request.api.service_findings(),
    )
    if request.query_params["format"] == "text":
        return PlainResponse("text/plain", client_report.as_text() + "\n")
    return client_report.as_json()


def _matches(exchange: Exchange, query: Mapping[str, Any]) -> bool:
    if exchange.number <= query["since"]:
        return False
    names = ("operation", "status", "account", "generation")
    return all(name not in query or getattr(exchange, name) == query[name] for name in names)
