"""Control-plane handlers for hubs."""

from __future__ import annotations

from itertools import count
from typing import Any

from mockhub._text import suggest
from mockhub.control import serializers
from mockhub.control.context import ControlRequest, conflict, not_found
from mockhub.control.handlers.clock import build_clock
from mockhub.domain.clock import Clock, SystemClock
from mockhub.domain.hub import HubBackend
from mockhub.domain.ids import Ids
from mockhub.exceptions import MockhubError, ValidationError
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import Scenario, bundled_scenarios, load_scenario, scenario_from_json

DEFAULT_ACCOUNT = "tester"
DEFAULT_CREDITS = 1000

_SCENARIO_FIELDS = ("scenario", "scenario_definition")
_PLAIN_HUB_FIELDS = ("credits", "account_type")


def list_hubs(request: ControlRequest) -> object:
    links = request.api.links
    return {"hubs": [serializers.hub_summary(hub, links(hub.name)) for hub in request.hub_registry]}


def create_hub(request: ControlRequest) -> object:
    name = _available_name(request)
    clock: Clock | None = None
    if "clock" in request.body:
        clock = build_clock(request.body["clock"], SystemClock(), SystemClock().now())
    credentials: dict[str, Any] = {}
    if scenario := _requested_scenario(request):
        spec, seed = request.api.spec, request.body.get("seed")
        hub = build_hub(scenario, name, spec, clock=clock, seed=seed)
    else:
        hub = HubBackend(name, request.api.spec, clock=clock, seed=request.body.get("seed", 0))
        credentials = {"account": DEFAULT_ACCOUNT, "key": _create_default_account(hub, request)}
    hub.image_format = request.body.get("image_format", hub.image_format)
    hub.prompt_faults = request.body.get("prompt_faults", hub.prompt_faults)
    return {"hub": _add_hub(request, hub), **credentials}


def get_hub(request: ControlRequest) -> object:
    return _hub_detail(request, request.hub)


def update_hub(request: ControlRequest) -> object:
    hub = request.hub
    if "seed" in request.body:
        hub.ids = Ids(request.body["seed"], counter=hub.ids.counter)  # ids stay unique
    hub.image_format = request.body.get("image_format", hub.image_format)
    hub.prompt_faults = request.body.get("prompt_faults", hub.prompt_faults)
    hub.set_max_generations(
        request.body.get("max_generations", hub.max_generations),
        request.body.get("max_generations_size"),
    )
    return _hub_detail(request, hub)


def delete_hub(request: ControlRequest) -> object:
    name = request.hub.name
    try:
        request.hub_registry.delete(name)
    except MockhubError as error:
        raise conflict(str(error)) from None
    return {"deleted": f"hub {name}"}


def fork_hub(request: ControlRequest) -> object:
    return _add_hub(request, request.hub.fork(_available_name(request)))


def reset_hub(request: ControlRequest) -> object:
    request.hub_registry.reset(request.hub.name)
    return _hub_detail(request, request.hub)


def _add_hub(request: ControlRequest, hub: HubBackend) -> dict[str, Any]:
    """Add a new hub in its initial state, in place of one that the request replaces."""
    hub.save_snapshot()
    if hub.name == request.hub_registry.default.name:
        raise conflict(f"the hub {hub.name!r} is the default one; reset it instead")
    return _hub_detail(request, request.hub_registry.add(hub))


def _hub_detail(request: ControlRequest, hub: HubBackend) -> dict[str, Any]:
    return serializers.hub_detail(hub, request.api.links(hub.name))


def _available_name(request: ControlRequest) -> str:
    """Return the name in the body, which may be in use if it replaces that hub, or a new one."""
    name: str | None = request.body.get("name")
    if name is None:
        return next(
            name for name in map("hub-{}".format, count(1)) if name not in request.hub_registry
        )
    if name in request.hub_registry and not request.body.get("replace", False):
        raise conflict(f"there is a hub {name!r} already; expected another name, or replace: true")
    return name


def _requested_scenario(request: ControlRequest) -> Scenario | None:
    """Return the scenario that the body names or defines, if any."""
    given = [name for name in (*_SCENARIO_FIELDS, *_PLAIN_HUB_FIELDS) if name in request.body]
    if not set(given) & set(_SCENARIO_FIELDS):
        return None
    if len(given) > 1:
        raise ValidationError(f"{given[0]} and {given[1]} are both given; expected one of them")
    if "scenario_definition" in request.body:
        return scenario_from_json(
            "the body's scenario_definition", request.body["scenario_definition"]
        )
    known, scenario_name = bundled_scenarios(), request.body["scenario"]
    if scenario_name not in known:
        hint = suggest(scenario_name, known)
        raise not_found(
            f"there is no scenario {scenario_name!r}{hint}; known are {', '.join(known)}"
        )
    return load_scenario(known[scenario_name])


def _create_default_account(hub: HubBackend, request: ControlRequest) -> str:
    hub.create_account(
        DEFAULT_ACCOUNT,
        account_type=request.body.get("account_type", "PRO"),
        credits=request.body.get("credits", DEFAULT_CREDITS),
    )
    return hub.add_key(DEFAULT_ACCOUNT)
