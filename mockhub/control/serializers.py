"""Convert hubs and what they hold to the JSON of the control plane."""

from __future__ import annotations

from collections import Counter

from msgspec.structs import asdict

from mockhub._timestamps import format_timestamp
from mockhub.domain.accounts import Account
from mockhub.domain.clock import ManualClock
from mockhub.domain.generations import STATUSES, Generation
from mockhub.domain.hub import HubBackend
from mockhub.domain.keys import ApiKey
from mockhub.domain.ledger import Entry
from mockhub.domain.provider import Outcome
from mockhub.faults.registry import ArmedFault
from mockhub.faults.types import FaultType
from mockhub.journal.curl import unstored_fields
from mockhub.journal.exchange import Exchange, StoredBody, header_texts
from mockhub.web.responses import error_message
from mockhub.web.serializers import Links

_KEY_ID_LENGTH = 12


def hub_summary(hub: HubBackend, links: Links) -> dict[str, object]:
    return {
        "name": hub.name,
        "url": links.base_url,
        "base_url": links.base_url + hub.spec.base_path,
        "accounts": len(hub.accounts),
        "keys": len(hub.keys),
        "generations": len(hub.generations),
        "exchanges": hub.journal.total,
    }


def hub_detail(hub: HubBackend, links: Links) -> dict[str, object]:
    return {
        **hub_summary(hub, links),
        "seed": hub.ids.seed,
        "image_format": hub.image_format,
        "max_generations": hub.max_generations,
        "max_generations_size": hub.max_generations_size,
        "prompt_faults": hub.prompt_faults,
        "clock": clock(hub),
        "generations": generation_counts(hub),
        "faults": len(hub.faults.armed),
        "credit_totals": hub.credit_totals(),
        "audit": hub.audit(),
    }


def generation_counts(hub: HubBackend) -> dict[str, int]:
    now = hub.clock.now()
    counts = Counter(generation.status_at(now) for generation in hub.generations.values())
    return {state: counts[state] for state in STATUSES}


def clock(hub: HubBackend) -> dict[str, object]:
    manual = isinstance(hub.clock, ManualClock)
    return {
        "kind": "manual" if manual else "system",
        "mode": getattr(hub.clock, "mode", None),
        "now": format_timestamp(hub.clock.now()),
        "next_event": timestamp(hub.next_event()),
    }


def account(account: Account, hub: HubBackend) -> dict[str, object]:
    balance = account.balance_snapshot()
    return {
        "id": account.id,
        "account_type": balance.account_type,
        "credits": balance.credits,
        "next_expiration": timestamp(balance.next_expiration),
        "credit_totals": account.totals,
        "lots": [
            {"id": lot.id, "remaining": lot.remaining, "expires_at": timestamp(lot.expires_at)}
            for lot in account.lots.values()
        ],
        "keys": [key.name for key in hub.keys.values() if key.account == account.id],
    }


def ledger_entry(number: int, entry: Entry, balance: int) -> dict[str, object]:
    return {
        **asdict(entry),
        "number": number,
        "created_at": format_timestamp(entry.created_at),
        "balance": balance,
    }


def key_id(key: ApiKey) -> str:
    """Return the id of a key, which is the beginning of its hash."""
    return key.digest.hex()[:_KEY_ID_LENGTH]


def key(key: ApiKey, hub: HubBackend) -> dict[str, object]:
    expired = key.expires_at is not None and key.expires_at <= hub.clock.now()
    return {
        "id": key_id(key),
        "name": key.name,
        "account": key.account,
        "expires_at": timestamp(key.expires_at),
        "revoked": key.revoked,
        "status": "revoked" if key.revoked else "expired" if expired else "valid",
    }


def generation(generation: Generation, hub: HubBackend, links: Links) -> dict[str, object]:
    request, quote = generation.request, generation.quote
    images = links.images(generation, hub.image_format)[: generation.delivered]
    return {
        "id": generation.id,
        "account": generation.account,
        "status": generation.status_at(hub.clock.now()),
        "model": quote.model,
        "prompt": hub.redactor.redact(request.prompt),
        "size": request.size,
        "quality": request.quality,
        "n": request.n,
        "async": request.run_async,
        "references": len(request.references),
        "tier": quote.tier,
        "aspect_ratio": quote.aspect_ratio,
        "credits": generation.credits,
        "credits_requested": generation.credits_requested,
        "delivered": generation.delivered,
        "polls": generation.polls,
        "created_at": format_timestamp(generation.created_at),
        "due_at": timestamp(generation.due_at),
        "ended_at": timestamp(generation.ended_at),
        "outcome": outcome(generation.outcome) if hub.has_provider else None,
        "error": "generationFailed" if generation.status == "failed" else None,
        "progress": progress(generation, hub.clock.now()),
        "images": [
            {
                "url": url,
                "preview_path": f"/_mockhub/hubs/{hub.name}{url.removeprefix(links.base_url)}",
                "media_type": f"image/{hub.image_format}",
                "width": quote.size.width,
                "height": quote.size.height,
            }
            for _, url in images
        ],
    }


def progress(generation: Generation, now: int) -> float | None:
    """Return how much of a generation is done, from 0 to 1; None if nothing says when it ends."""
    created_at, due_at, polls = generation.created_at, generation.due_at, generation.outcome.polls
    if generation.ended:
        return 1.0
    if due_at is not None:
        return min(1.0, (now - created_at) / max(1, due_at - created_at))
    return None if polls is None or generation.outcome.never else generation.polls / polls


def outcome(outcome: Outcome) -> str:
    """Write an outcome in the fault grammar."""
    return " ".join(outcome.faults) or f"duration={outcome.duration}ms"


def fault_type(fault: FaultType) -> dict[str, object]:
    argument = fault.argument
    return {
        "name": fault.name,
        "summary": fault.summary,
        "target": fault.target,
        "phases": list(fault.phases),
        "argument": argument
        and {
            "kind": "duration" if argument.is_duration else "number",
            "example": argument.example,
            "minimum": argument.minimum,
            "maximum": argument.maximum,
        },
    }


def armed_fault(number: int, armed: ArmedFault) -> dict[str, object]:
    directive = armed.directive
    return {
        "number": number,
        "fault": str(directive),
        "operation": directive.operation,
        "prompt": directive.prompt,
        "times": directive.times,
        "p": directive.p,
        "nth": directive.nth,
        "expires_at": timestamp(armed.expires_at),
        "evaluated": armed.evaluated,
        "fired": armed.fired,
        "armed_after": armed.armed_after,
    }


def exchange_summary(exchange: Exchange, hub: HubBackend) -> dict[str, object]:
    """Return what a list shows of an exchange, without headers and bodies."""
    api_key = hub.keys.get(exchange.key_digest) if exchange.key_digest else None
    return {
        "number": exchange.number,
        "timestamp": format_timestamp(exchange.timestamp),
        "method": exchange.method,
        "target": exchange.target,
        "operation": exchange.operation,
        "account": exchange.account,
        "key": api_key.name if api_key else None,
        "generation": exchange.generation,
        "status": exchange.status,
        "code": exchange.code,
        "state": exchange.state,
        "reason": error_message(exchange.response.content) if exchange.code else None,
        "credits": exchange.credits,
        "faults": list(exchange.faults),
        "milliseconds": round(exchange.milliseconds, 3),
        "client_disconnected": exchange.client_disconnected,
    }


def exchange(exchange: Exchange, hub: HubBackend) -> dict[str, object]:
    return {
        **exchange_summary(exchange, hub),
        "spec_violation": exchange.spec_violation,
        "raw_target": (exchange.raw_target or exchange.target)
        .encode("utf-8", "surrogateescape")
        .decode("utf-8", "replace"),
        "fields": [{"name": name, "value": value} for name, value in unstored_fields(exchange)],
        "request": {
            "headers": header_texts(exchange.request_headers),
            "body": body(exchange.request),
        },
        "response": {
            "headers": header_texts(exchange.response_headers),
            "body": body(exchange.response),
        },
    }


def body(body: StoredBody) -> dict[str, object]:
    text = None if body.content is None else body.content.decode("utf-8", "replace")
    return {"length": body.length, "text": text, "sha256": body.digest}


def timestamp(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else format_timestamp(milliseconds)
