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

from mockhub.cli import find_scenario
from mockhub.request_log import RequestLog, say
from mockhub.resources import path
from mockhub.spec.errors import MockhubError
from mockhub.spec.law import Law, load_law
from mockhub.web.app import CONTROL, App
from mockhub.web.limits import Limits
from mockhub.web.pipeline import Observer, Pipeline
from mockhub.web.server import listen, make_server
from mockhub.world.accounts import key_digest
from mockhub.world.hub import Hub
from mockhub.world.scenarios import Scenario, build
from mockhub.world.store import DEFAULT, Store

if TYPE_CHECKING:
    from mockhub.mutants.registry import Mutant, Variant

_REVOKED, _EXPIRED = "revoked", "expired"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def run(
    *,
    host: str,
    port: int,
    public_url: str | None,
    scenario: str,
    seed: int | None,
    spec: Path | None,
    image_format: str | None,
    keep: int | None,
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
    wrong = _find(mutant) if mutant else None
    control = control and wrong is None  # what it resets would be as documented again
    if control and not control_token and not _loopback(host):
        raise MockhubError(
            f"--host {host} can be reached from outside: give --control-token, or --no-control"
        )
    law = load_law(spec or path("openapi.yaml"))
    chosen = find_scenario(scenario)
    listener = listen(host, port)
    address = _address(host, listener.getsockname()[1])
    base_url = public_url or address
    log = RequestLog(log_level, log_format)
    app = _app(law, chosen, base_url, wrong, seed=seed, observe=log.visited)
    app.pipeline.limits = limits
    hub = app.pipeline.store.default
    hub.image_format = image_format or hub.image_format
    hub.keep = keep or hub.keep
    hub.remember_start()
    app.pictures.observe = log.fetched
    if control:
        from mockhub.web.control import attach

        attach(app, token=control_token, host=host)
    if log_format == "json":
        greeting = _for_programs(base_url, address, chosen)
    else:
        places = _places(base_url, address, control)
        if wrong is not None:
            places |= {wrong.name: wrong.says}
        greeting = _for_people(places, chosen, hub)
    _serve(app, listener, log, ready=lambda: say(greeting))


def _find(mutant: str) -> Mutant | Variant:
    from mockhub.mutants.registry import find

    return find(mutant)


def _app(
    law: Law,
    scenario: Scenario,
    url: str,
    wrong: Mutant | Variant | None,
    *,
    seed: int | None,
    observe: Observer,
) -> App:
    if wrong is not None:
        from mockhub.mutants.house import House

        house = House(law, scenario, url, seed=seed, observers=[observe])
        wrong.change(house)
        return house.app
    hub = build(scenario, DEFAULT, law, seed=seed)
    return App(Pipeline(law, Store(hub), url, observers=[observe]))


def _serve(app: App, listener: Any, log: RequestLog, *, ready: Callable[[], None]) -> None:
    server = make_server(app, ready=ready)
    _spare_the_collector()
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn, when it is down, passes them on
        signal.signal(number, lambda *_: None)
    try:
        server.run(sockets=[listener])
    finally:
        log.flush()
        listener.close()


def _spare_the_collector() -> None:
    """Look for cycles seldom: a request makes none, and a hub keeps much to look through."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(host: str, port: int) -> str:
    """Where a client on this machine finds the server; what listens everywhere is here too."""
    host = _EVERYWHERE.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def _for_programs(base_url: str, address: str, scenario: Scenario) -> str:
    keys = {name: key for key, name, _ in scenario.fixed_keys()}
    start = {"event": "started", "base_url": base_url, "address": address, "keys": keys}
    return json.dumps(start)


def _places(base_url: str, address: str, control: bool) -> dict[str, str]:
    places = {"The API": base_url, "For OpenAI SDKs": f"{base_url}/api/v1"}
    if control:
        places["Control plane"] = f"{base_url}{CONTROL}"
    if address != base_url:
        places["Listening on"] = address
    return places


def _for_people(places: Mapping[str, str], scenario: Scenario, hub: Hub) -> str:
    keys = [(name, raw, _worth(hub, raw)) for raw, name, _ in scenario.fixed_keys()]
    good = (raw for _, raw, worth in keys if worth not in (_REVOKED, _EXPIRED))
    key = next(good, f"{hub.law.key_format.prefix}...")
    lines = [
        click.style("mockhub serves the GPT Image Hub API; Ctrl-C ends it.", bold=True),
        "",
        *(f"  {what:<16} {where}" for what, where in places.items()),
        "",
        f"Keys of the world {scenario.name!r}:",
        "",
        *(f"  {name:<16} {raw}  {worth:>15}" for name, raw, worth in keys),
        "",
        "Try:",
        "",
        f"  curl {places['The API']}/api/v1/images/generations \\",
        f'    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\',
        f"    -d '{json.dumps(_first_request(hub.law))}'",
        "",
    ]
    return "\n".join(lines)


def _first_request(law: Law) -> dict[str, str]:
    return {
        "model": next(iter(law.catalog.models)),
        "prompt": "A lighthouse at dusk",
        "size": str(law.catalog.sizes.auto),
    }


def _worth(hub: Hub, raw: str) -> str:
    key = hub.keys[key_digest(raw.encode())]
    if key.revoked:
        return _REVOKED
    if key.expires_at is not None and key.expires_at <= hub.clock.now():
        return _EXPIRED
    return f"{hub.accounts[key.account].balance} credits"
