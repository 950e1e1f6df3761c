"""What is in a hub, as the control plane's JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict

from mockhub.web.visit import redacted
from mockhub.web.wire import Links
from mockhub.world.accounts import Account, Key
from mockhub.world.board import Armed
from mockhub.world.clock import ManualClock, to_text
from mockhub.world.generations import STATES, Generation
from mockhub.world.hub import Hub
from mockhub.world.journal import Body, Record
from mockhub.world.ledger import Entry
from mockhub.world.provider import Outcome

API = "/api/v1"
_KEY_ID = 12


def hub_line(hub: Hub, links: Links) -> dict[str, Any]:
    """A hub in the list."""
    return {
        "name": hub.name,
        "url": links.base_url,
        "base_url": links.base_url + API,
        "accounts": len(hub.accounts),
        "keys": len(hub.keys),
        "generations": len(hub.generations),
        "exchanges": hub.journal.made,
    }


def hub_page(hub: Hub, links: Links) -> dict[str, Any]:
    """All that is to be told of one hub."""
    return {
        **hub_line(hub, links),
        "seed": hub.ids.seed,
        "image_format": hub.image_format,
        "keep": hub.keep,
        "clock": clock(hub),
        "generations": states(hub),
        "faults": len(hub.faults.armed),
        "moved": hub.moved(),
        "audit": hub.audit(),
    }


def states(hub: Hub) -> dict[str, int]:
    """How many generations are in which state."""
    now = hub.clock.now()
    found = Counter(one.status_at(now) for one in hub.generations.values())
    return {state: found[state] for state in STATES}


def clock(hub: Hub) -> dict[str, Any]:
    """The hub's clock."""
    manual = isinstance(hub.clock, ManualClock)
    return {
        "kind": "manual" if manual else "system",
        "manner": getattr(hub.clock, "manner", None),
        "now": to_text(hub.clock.now()),
        "next_event": moment(hub.next_event()),
    }


def account(account: Account, hub: Hub) -> dict[str, Any]:
    """An account with its lots."""
    balance = account.read()
    return {
        "id": account.id,
        "account_type": balance.account_type,
        "credits": balance.credits,
        "next_expiration": moment(balance.next_expiration),
        "moved": account.totals,
        "lots": [
            {"id": lot.id, "remaining": lot.remaining, "expires_at": moment(lot.expires_at)}
            for lot in account.lots.values()
        ],
        "keys": [key.name for key in hub.keys.values() if key.account == account.id],
    }


def entry(entry: Entry) -> dict[str, Any]:
    """A line of a ledger."""
    return {**asdict(entry), "at": to_text(entry.at)}


def key_id(key: Key) -> str:
    """How a key is spoken of: the beginning of its hash."""
    return key.digest.hex()[:_KEY_ID]


def key(key: Key) -> dict[str, Any]:
    """A key, of which the server knows only the hash."""
    return {
        "id": key_id(key),
        "name": key.name,
        "account": key.account,
        "expires_at": moment(key.expires_at),
        "revoked": key.revoked,
    }


def generation(generation: Generation, hub: Hub) -> dict[str, Any]:
    """A generation with its request and its fate."""
    request, quote = generation.request, generation.quote
    return {
        "id": generation.id,
        "account": generation.account,
        "status": generation.status_at(hub.clock.now()),
        "model": quote.model,
        "prompt": redacted(request.prompt, hub.law.key_format.prefix),
        "size": request.size,
        "quality": request.quality,
        "n": request.n,
        "async": request.run_async,
        "references": len(request.references),
        "tier": quote.tier,
        "aspect_ratio": quote.ratio,
        "credits": generation.credits,
        "credits_requested": generation.credits_requested,
        "delivered": generation.delivered,
        "polls": generation.polls,
        "created_at": to_text(generation.created_at),
        "due_at": moment(generation.due),
        "ended_at": moment(generation.ended_at),
        "outcome": outcome(generation.outcome),
    }


def outcome(outcome: Outcome) -> str:
    """An outcome in the words of the fault grammar."""
    words = [word for word in ("fail", "stuck") if getattr(outcome, word)]
    if outcome.deliver is not None:
        words.append(f"deliver={outcome.deliver}")
    if outcome.polls is not None:
        words.append(f"polls={outcome.polls}")
    if outcome.take or not words:
        words.append(f"take={outcome.take}ms")
    return " ".join(words)


def armed(armed: Armed) -> dict[str, Any]:
    """An armed fault and its counters."""
    directive = armed.directive
    return {
        "fault": str(directive),
        "operation": directive.on,
        "prompt": directive.prompt,
        "times": directive.times,
        "p": directive.p,
        "nth": directive.nth,
        "seen": armed.seen,
        "struck": armed.fired,
    }


def exchange(record: Record, hub: Hub) -> dict[str, Any]:
    """An exchange of the journal."""
    known = hub.keys.get(record.key) if record.key else None
    return {
        "number": record.number,
        "at": to_text(record.at),
        "method": record.method,
        "target": record.target,
        "operation": record.operation,
        "account": record.account,
        "key": known.name if known else None,
        "generation": record.generation,
        "status": record.status,
        "code": record.code,
        "state": record.state,
        "credits": record.credits,
        "faults": list(record.faults),
        "milliseconds": round(record.milliseconds, 3),
        "client_gone": record.gone,
        "violation": record.violation,
        "request": {
            "headers": header_texts(dict(record.request_headers)),
            "body": body(record.request),
        },
        "response": {
            "headers": header_texts(dict(record.response_headers)),
            "body": body(record.response),
        },
    }


def header_texts(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """Headers as text."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}


def body(body: Body) -> dict[str, Any]:
    """A body as text, or of a long one its length and digest."""
    text = None if body.content is None else body.content.decode("utf-8", "replace")
    return {"length": body.length, "text": text, "sha256": body.digest}


def moment(at: int | None) -> str | None:
    """A time as text, or None."""
    return None if at is None else to_text(at)
