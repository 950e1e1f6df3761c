"""`mockhub serve`: make the world, tell about it, and serve it."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import click

from mockhub.cli import find_scenario
from mockhub.resources import path
from mockhub.spec.errors import MockhubError
from mockhub.spec.law import Law, load_law
from mockhub.web.app import App
from mockhub.web.pipeline import Pipeline
from mockhub.web.server import listen, make_server
from mockhub.web.visit import Visit
from mockhub.web.wire import Answer
from mockhub.world.accounts import key_digest
from mockhub.world.hub import Hub
from mockhub.world.scenarios import Scenario, build
from mockhub.world.store import DEFAULT, Store

_FLUSH_SECONDS = 0.05
_COLOURS = {2: "green", 3: "cyan", 4: "yellow", 5: "red"}
_OUR_FAULT = 500


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
) -> None:
    """Serve until a signal ends it.

    Raises:
        MockhubError: if the law, the scenario or the address cannot be used.
    """
    if control and not control_token and not _loopback(host):
        raise MockhubError(
            f"--host {host} can be reached from outside: give --control-token, or --no-control"
        )
    law = load_law(spec or path("openapi.yaml"))
    chosen = find_scenario(scenario)
    hub = build(chosen, DEFAULT, law, seed=seed)
    hub.image_format = image_format or hub.image_format
    hub.keep = keep or hub.keep
    listener = listen(host, port)
    base_url = (public_url or _address(host, listener.getsockname()[1])).rstrip("/")
    log = RequestLog(log_level, log_format)
    app = App(Pipeline(law, Store(hub), base_url, observe=log.add))
    if control:
        from mockhub.web.control import attach

        attach(app, token=control_token)
    _greet(base_url, chosen, hub, law, log_format)
    _serve(app, listener, log)


def _serve(app: App, listener: Any, log: RequestLog) -> None:
    server = make_server(app)
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
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def _greet(base_url: str, scenario: Scenario, hub: Hub, law: Law, log_format: str) -> None:
    if log_format == "json":
        keys = {name: key for key, name, _ in scenario.fixed_keys()}
        click.echo(json.dumps({"event": "started", "base_url": base_url, "keys": keys}))
        sys.stdout.flush()
        return
    click.echo(f"mockhub serves the GPT Image Hub API at {click.style(base_url, bold=True)}")
    click.echo(f"  OpenAI SDKs: base_url={base_url}/api/v1\n")
    for key, name, _ in scenario.fixed_keys():
        click.echo(f"  {name:<14} {key}  {_worth(hub, key)}")
    key = next((key for key, _, _ in scenario.fixed_keys()), "gih_live_...")
    model = next(iter(law.catalog.models))
    click.echo(
        f"""
Try:
  curl {base_url}/api/v1/images/generations \\
    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\
    -d '{{"model": "{model}", "prompt": "A lighthouse at dusk", "size": "1024x1024"}}'
"""
    )
    sys.stdout.flush()


def _worth(hub: Hub, raw: str) -> str:
    key = hub.keys[key_digest(raw.encode())]
    if key.revoked:
        return "  revoked"
    if key.expires_at is not None and key.expires_at <= hub.clock.now():
        return "  expired"
    return f"{hub.accounts[key.account].balance:>9} credits"


class RequestLog:
    """A line a request, written some times a second: a write each would cost more than they do."""

    def __init__(self, level: str, form: str) -> None:
        self._wants = {"debug": 0, "info": 0, "warning": _OUR_FAULT, "error": 1000}[level]
        self._line = self._as_json if form == "json" else self._as_text
        self._lines: list[str] = []

    def add(self, visit: Visit, answer: Answer | None) -> None:
        """Note a visit that is over."""
        status = answer.status if answer else 0
        if status < self._wants and not visit.violation:
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)
        self._lines.append(self._line(visit, status))

    def flush(self) -> None:
        """Write what has been noted."""
        lines, self._lines = self._lines, []
        if lines:
            click.echo("\n".join(lines))

    def _as_text(self, visit: Visit, status: int) -> str:
        credits = f"{visit.credits:+d}" if visit.credits else ""
        faults = f"  {' '.join(visit.struck)}" if visit.struck else ""
        ours = f"  OUR FAULT: {visit.violation}" if visit.violation else ""
        gone = "  client gone" if visit.gone else ""
        shown = click.style(str(status or "---"), fg=_COLOURS.get(status // 100))
        target = f"{visit.method:<7} {_printable(visit.path):<44}"
        return f"{target} {shown} {credits:>5} {visit.milliseconds:8.2f} ms{faults}{gone}{ours}"

    def _as_json(self, visit: Visit, status: int) -> str:
        return json.dumps(
            {
                "event": "request",
                "hub": visit.hub.name,
                "method": visit.method,
                "path": visit.path,
                "operation": visit.operation.id if visit.operation else None,
                "status": status,
                "credits": visit.credits,
                "ms": round(visit.milliseconds, 3),
                "faults": visit.struck,
                "violation": visit.violation,
            }
        )


def _printable(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode()
