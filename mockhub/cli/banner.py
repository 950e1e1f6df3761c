"""What `mockhub serve` prints at its start, as text or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from mockhub.domain.hub import HubBackend
from mockhub.domain.keys import key_digest
from mockhub.scenarios.loader import Scenario
from mockhub.spec.api_spec import ApiSpec
from mockhub.web.app import CONTROL_PREFIX, OPENAPI_PATHS

if TYPE_CHECKING:
    from mockhub.mutants.registry import Mutant, Variant

_REVOKED, _EXPIRED = "revoked", "expired"


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


def format_banner(
    url: str,
    address: str,
    scenario: Scenario,
    hub: HubBackend,
    *,
    control: bool,
    mutant: Mutant | Variant | None,
    more_rows: Mapping[str, str] | None = None,
) -> str:
    """Format the endpoints, the keys of *scenario* and a curl command that works as printed."""
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
    keys = [(name, raw, _describe_key(hub, raw)) for raw, name, _ in scenario.predefined_keys()]
    key_lines = [f"  {name:<16} {raw}  {state:>15}" for name, raw, state in keys]
    usable_keys = (raw for _, raw, state in keys if state not in (_REVOKED, _EXPIRED))
    key = next(usable_keys, f"{hub.spec.key_format.prefix}...")
    lines = [
        click.style("mockhub serves the GPT Image Hub API. Press Ctrl-C to stop it.", bold=True),
        "",
        *(f"  {label:<16} {value}" for label, value in rows.items()),
        "",
        *(
            [f"API keys of the scenario {scenario.name!r}:", "", *key_lines]
            if keys
            else _how_to_create_a_key(url, scenario, hub, control=control)
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


def _how_to_create_a_key(
    url: str, scenario: Scenario, hub: HubBackend, *, control: bool
) -> list[str]:
    title = f"The scenario {scenario.name!r} has no API key."
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


def _describe_key(hub: HubBackend, raw: str) -> str:
    key = hub.keys[key_digest(raw.encode())]
    if key.revoked:
        return _REVOKED
    if key.expires_at is not None and key.expires_at <= hub.clock.now():
        return _EXPIRED
    return f"{hub.accounts[key.account].balance} credits"
