"""What `mockhub serve` prints at its start, as text or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from mockhub._text import printable
from mockhub.domain.hub import HubBackend
from mockhub.domain.keys import ApiKey, key_digest
from mockhub.scenarios.loader import Scenario
from mockhub.spec.api_spec import ApiSpec
from mockhub.web.app import CONTROL_PREFIX, OPENAPI_PATHS

if TYPE_CHECKING:
    from mockhub.mutants.registry import Mutant, Variant

_REVOKED, _EXPIRED = "revoked", "expired"
_HASHED = "(only its hash is stored)"
_MAX_KEYS = 50  # of a hub in a database


def page_url(url: str) -> str:
    """Return the address of the page in the browser."""
    return f"{url}{CONTROL_PREFIX}/"


def format_started_event(
    url: str, address: str, spec: ApiSpec, *, control: bool, **more: object
) -> str:
    """Format the first line of a JSON log."""
    event = {
        "event": "started",
        "url": url,
        "base_url": url + spec.base_path,  # as SDKs want it
        "address": address,
        "page": page_url(url) if control else None,
        **more,
    }
    return json.dumps(event)


def raw_keys(scenario: Scenario, hub: HubBackend) -> dict[bytes, str]:
    """Return the keys of *scenario* that *hub* has, by digest; one of a database may lack them."""
    raws = {key_digest(raw.encode()): raw for raw, *_ in scenario.predefined_keys()}
    return {digest: raws[digest] for digest in hub.keys if digest in raws}


def format_banner(
    url: str,
    address: str,
    scenario: Scenario,
    hub: HubBackend,
    *,
    control: bool,
    mutant: Mutant | Variant | None,
    stored: bool = False,
    more_rows: Mapping[str, str] | None = None,
) -> str:
    """Format the endpoints, the keys of *hub* and a curl command that works as printed.

    Args:
        url: The public URL.
        address: The URL listened on.
        scenario: Where the keys come from: the hub has only their hashes.
        hub: The default hub.
        control: Whether the control plane is served.
        mutant: The defect of the server, if any.
        stored: Whether the hub is in a database, and so may have keys of other sources.
        more_rows: More rows of the table of endpoints.
    """
    base_url = url + hub.spec.base_path
    rows = {"API": url, "For OpenAI SDKs": base_url}
    if control:
        rows["Page"] = page_url(url)
        rows["Spec"] = f"{url}{OPENAPI_PATHS[0]}"
    if address != url:
        rows["Listening on"] = address
    if mutant is not None:
        rows[mutant.name] = mutant.description
    rows |= more_rows or {}
    raws = raw_keys(scenario, hub)
    keys = [(raws.get(digest), key, _key_state(hub, key)) for digest, key in hub.keys.items()]
    usable_keys = (raw for raw, _, state in keys if raw and state not in (_REVOKED, _EXPIRED))
    key = next(usable_keys, f"{hub.spec.key_format.prefix}...")
    source = "database" if stored else f"scenario {scenario.name!r}"
    lines = [
        click.style("mockhub serves the GPT Image Hub API. Press Ctrl-C to stop it.", bold=True),
        "",
        *(f"  {label:<16} {value}" for label, value in rows.items()),
        "",
        *(
            [f"API keys of the {source}:", "", *_key_lines(keys)]
            if keys
            else _how_to_create_a_key(url, source, hub, control=control)
        ),
        "",
        "Try:",
        "",
        f"  curl {base_url}/images/generations \\",
        f'    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\',
        f"    -d '{json.dumps(_example_request(hub.spec))}'",
        "",
    ]
    return "\n".join(lines)


def _key_lines(keys: list[tuple[str | None, ApiKey, str]]) -> list[str]:
    rows = [(printable(key.name), raw or _HASHED, state) for raw, key, state in keys[:_MAX_KEYS]]
    width = max(len(raw) for _, raw, _ in rows)
    lines = [f"  {name:<16} {raw:<{width}}  {state:>15}" for name, raw, state in rows]
    return lines + ([f"  and {len(keys) - _MAX_KEYS} more"] if len(keys) > _MAX_KEYS else [])


def _how_to_create_a_key(url: str, source: str, hub: HubBackend, *, control: bool) -> list[str]:
    title = f"The {source} has no API key."
    if not control or not hub.accounts:
        return [f"{title} Use another one; `mockhub scenarios` lists them."]
    account = next(iter(hub.accounts))
    return [f"{title} Create one:", "", f"  mockhub ctl --url {url} create-key {account}"]


def _example_request(spec: ApiSpec) -> dict[str, str]:
    return {
        "model": next(iter(spec.catalog.models)),
        "prompt": "A lighthouse at dusk",
        "size": str(spec.catalog.size_rules.auto),
    }


def _key_state(hub: HubBackend, key: ApiKey) -> str:
    if key.revoked:
        return _REVOKED
    if key.expires_at is not None and key.expires_at <= hub.clock.now():
        return _EXPIRED
    return f"{hub.accounts[key.account].balance} credits"
