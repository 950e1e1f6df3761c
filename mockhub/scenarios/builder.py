"""Build a hub from a scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mockhub._text import suggest
from mockhub._timestamps import parse_timestamp
from mockhub.domain.accounts import Account
from mockhub.domain.clock import Clock, ManualClock, SystemClock
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_state import DEFAULT_MAX_GENERATIONS, DEFAULT_MAX_GENERATIONS_SIZE
from mockhub.domain.provider import Provider, parse_outcome
from mockhub.exceptions import ApiError, MockhubError, ValidationError
from mockhub.scenarios.loader import Scenario
from mockhub.scenarios.schema import parse_fault_entry
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.config_file import Pointer, error_at


def build_hub(
    scenario: Scenario,
    name: str,
    spec: ApiSpec,
    *,
    clock: Clock | None = None,
    seed: int | None = None,
    image_format: str | None = None,
    max_generations: int | None = None,
    max_generations_size: int | None = None,
    prompt_faults: bool | None = None,
) -> HubBackend:
    """Build a hub from a scenario; the keyword arguments override its settings.

    Raises:
        MockhubError: if a generation of the scenario is invalid.
    """
    content = scenario.content
    hub = HubBackend(
        name,
        spec,
        clock=clock or _build_clock(content.get("clock", "system")),
        seed=content.get("seed", 0) if seed is None else seed,
        max_generations=max_generations or content.get("max_generations", DEFAULT_MAX_GENERATIONS),
        image_format=image_format or content.get("image_format", "png"),
    )
    hub.max_generations_size = max_generations_size or content.get(
        "max_generations_size", DEFAULT_MAX_GENERATIONS_SIZE
    )
    hub.prompt_faults = (
        content.get("prompt_faults", True) if prompt_faults is None else prompt_faults
    )
    for id, entry in content["accounts"].items():
        _add_account(hub, scenario, id, entry)
    for index, entry in enumerate(content.get("generations", ())):
        _import_generation(hub, scenario, index, entry)
    hub.provider = Provider(parse_outcome(text) for text in content.get("provider", ()))
    hub.arm(
        directive for entry in content.get("faults", ()) for directive in parse_fault_entry(entry)
    )
    hub.save_snapshot()
    return hub


def override(
    scenario: Scenario,
    spec: ApiSpec,
    *,
    credits: int | None = None,
    faults: Sequence[str] = (),
    provider: Sequence[str] = (),
) -> Scenario:
    """Return the scenario with more faults, another provider and another balance.

    Args:
        scenario: The scenario.
        spec: The API spec, by which its generations are priced.
        credits: The balance of the first account, after the charges of its generations.
        faults: Faults to arm as well.
        provider: The outcomes of generations; if it is empty, the scenario's.

    Raises:
        MockhubError: if the scenario has no account for the credits.
    """
    content = {**scenario.content}
    if credits is not None:
        if not content["accounts"]:
            raise MockhubError(f"{scenario.path}: accounts: credits need an account; expected one")
        account = next(iter(build_hub(scenario, "priced", spec).accounts.values()))
        grant = {"credits": credits + credits_spent(account)}
        first = content["accounts"][account.id]
        content["accounts"] = {**content["accounts"], account.id: {**first, "grants": [grant]}}
    if faults:
        content["faults"] = [*content.get("faults", ()), *faults]
    if provider:
        content["provider"] = [*provider]
    return replace(scenario, content=content)


def credits_spent(account: Account) -> int:
    """Return what the account has paid for images since it was created, minus refunds."""
    return -account.totals["charge"] - account.totals["refund"]


def _build_clock(entry: Any) -> Clock:
    if entry == "system":
        return SystemClock()
    return ManualClock(parse_timestamp(entry["manual"]), mode=entry.get("mode", "autojump"))


def _add_account(hub: HubBackend, scenario: Scenario, id: str, entry: Mapping[str, Any]) -> None:
    account = hub.add_account(id, account_type=entry.get("account_type", "PRO"))
    for index, grant in enumerate(entry.get("grants", ())):
        expires_at = _optional_timestamp(grant.get("expires_at"))
        try:
            hub.grant(account, grant["credits"], expires_at=expires_at)
        except MockhubError as error:
            raise error_at(scenario.path, ("accounts", id, "grants", index), str(error)) from None
    for key in entry.get("keys", ()):
        hub.add_key(
            id,
            raw=key["key"],
            name=key.get("name", ""),
            expires_at=_optional_timestamp(key.get("expires_at")),
            revoked=key.get("revoked", False),
        )


def _optional_timestamp(text: str | None) -> int | None:
    return None if text is None else parse_timestamp(text)


def _import_generation(
    hub: HubBackend, scenario: Scenario, index: int, entry: Mapping[str, Any]
) -> None:
    pointer: Pointer = ("generations", index)
    account = hub.accounts.get(entry["account"])
    if account is None:
        hint = suggest(entry["account"], hub.accounts)
        raise error_at(
            scenario.path, (*pointer, "account"), f"{entry['account']!r} is not an account{hint}"
        )
    try:
        request = hub.spec.build_request(entry["request"])
        hub.import_generation(
            account,
            request,
            id=entry.get("id"),
            created_at=_optional_timestamp(entry.get("created_at")),
        )
    except (ValidationError, ApiError) as error:
        raise error_at(scenario.path, (*pointer, "request"), str(error)) from None
