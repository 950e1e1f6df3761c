"""`mockhub serve`: make the world, tell about it, and serve it."""

from __future__ import annotations

import gc
import json
import signal
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mockhub._resources import resource_path
from mockhub.cli.access_log import AccessLog, print_line
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import DEFAULT, HubRegistry
from mockhub.domain.keys import key_digest
from mockhub.exceptions import MockhubError
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import Scenario, find_scenario
from mockhub.server.server import bind, create_server
from mockhub.spec.api_spec import ApiSpec, load_spec
from mockhub.web.api import Observer, PublicApi
from mockhub.web.app import CONTROL_PREFIX, App
from mockhub.web.limits import Limits

if TYPE_CHECKING:
    from mockhub.mutants.registry import Mutant, Variant

_REVOKED, _EXPIRED = "revoked", "expired"
_WILDCARD_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def run(
    *,
    host: str,
    port: int,
    public_url: str | None,
    scenario: str,
    seed: int | None,
    spec: Path | None,
    image_format: str | None,
    max_generations: int | None,
    log_level: str,
    log_format: str,
    control: bool,
    control_token: str | None,
    limits: Limits,
    mutant: str | None = None,
) -> None:
    """Serve until a signal ends it.

    Raises:
        MockhubError: if the law, the scenario or the address cannot be used.
    """
    served_mutant = _find_mutant(mutant) if mutant else None
    control = control and served_mutant is None  # what it resets would be as documented again
    if control and not control_token and not _is_loopback(host):
        raise MockhubError(
            f"--host {host} can be reached from outside: give --control-token, or --no-control"
        )
    api_spec = load_spec(spec or resource_path("openapi.yaml"))
    loaded_scenario = find_scenario(scenario)
    listener = bind(host, port)
    address = _local_url(host, listener.getsockname()[1])
    base_url = public_url or address
    access_log = AccessLog(log_level, log_format)
    app = _create_app(
        api_spec,
        loaded_scenario,
        base_url,
        served_mutant,
        seed=seed,
        observe=access_log.log_request,
    )
    app.api.limits = limits
    hub = app.api.hub_registry.default
    hub.image_format = image_format or hub.image_format
    hub.max_generations = max_generations or hub.max_generations
    hub.save_snapshot()
    app.image_endpoint.observe = access_log.log_image
    if control:
        from mockhub.control.app import mount_control_plane

        mount_control_plane(app, token=control_token, host=host)
    if log_format == "json":
        banner = format_started_event(base_url, address, loaded_scenario)
    else:
        endpoints = _endpoints(base_url, address, control)
        if served_mutant is not None:
            endpoints |= {served_mutant.name: served_mutant.description}
        banner = format_banner(endpoints, loaded_scenario, hub)
    _run_server(app, listener, access_log, on_ready=lambda: print_line(banner))


def _find_mutant(name: str) -> Mutant | Variant:
    from mockhub.mutants.catalog import find

    return find(name)


def _create_app(
    spec: ApiSpec,
    scenario: Scenario,
    url: str,
    mutant: Mutant | Variant | None,
    *,
    seed: int | None,
    observe: Observer,
) -> App:
    if mutant is not None:
        from mockhub.mutants.patched_server import PatchedServer

        server = PatchedServer(spec, scenario, url, seed=seed, observers=[observe])
        mutant.change(server)
        return server.app
    hub = build_hub(scenario, DEFAULT, spec, seed=seed)
    return App(PublicApi(spec, HubRegistry(hub), url, observers=[observe]))


def _run_server(
    app: App, listener: Any, access_log: AccessLog, *, on_ready: Callable[[], None]
) -> None:
    server = create_server(app, on_ready=on_ready)
    _tune_gc()
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn, when it is down, passes them on
        signal.signal(number, lambda *_: None)
    try:
        server.run(sockets=[listener])
    finally:
        access_log.flush()
        listener.close()


def _tune_gc() -> None:
    """Look for cycles seldom: a request makes none, and a hub keeps much to look through."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _local_url(host: str, port: int) -> str:
    """Where a client on this machine finds the server; what listens everywhere is here too."""
    host = _WILDCARD_ADDRESSES.get(host, host)
    url_host = f"[{host}]" if ":" in host else host
    return f"http://{url_host}:{port}"


def format_started_event(base_url: str, address: str, scenario: Scenario) -> str:
    keys = {name: key for key, name, _ in scenario.predefined_keys()}
    event = {"event": "started", "base_url": base_url, "address": address, "keys": keys}
    return json.dumps(event)


def _endpoints(base_url: str, address: str, control: bool) -> dict[str, str]:
    endpoints = {"The API": base_url, "For OpenAI SDKs": f"{base_url}/api/v1"}
    if control:
        endpoints["Control plane"] = f"{base_url}{CONTROL_PREFIX}"
    if address != base_url:
        endpoints["Listening on"] = address
    return endpoints


def format_banner(endpoints: Mapping[str, str], scenario: Scenario, hub: HubBackend) -> str:
    keys = [(name, raw, _describe_key(hub, raw)) for raw, name, _ in scenario.predefined_keys()]
    usable_keys = (raw for _, raw, worth in keys if worth not in (_REVOKED, _EXPIRED))
    key = next(usable_keys, f"{hub.spec.key_format.prefix}...")
    lines = [
        click.style("mockhub serves the GPT Image Hub API; Ctrl-C ends it.", bold=True),
        "",
        *(f"  {what:<16} {where}" for what, where in endpoints.items()),
        "",
        f"Keys of the world {scenario.name!r}:",
        "",
        *(f"  {name:<16} {raw}  {worth:>15}" for name, raw, worth in keys),
        "",
        "Try:",
        "",
        f"  curl {endpoints['The API']}/api/v1/images/generations \\",
        f'    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\',
        f"    -d '{json.dumps(_example_request(hub.spec))}'",
        "",
    ]
    return "\n".join(lines)


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
