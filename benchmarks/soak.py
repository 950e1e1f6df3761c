"""Soak test, `python -m benchmarks.soak`: many clients, several hubs with faults, then an audit.

64 connections mix all operations. At the end the ledger invariants have to hold in every hub, the
credits of its journal have to be the charges and refunds of its ledger, no error may have been
logged, memory may not have grown, and every response that no fault changed has to match the API
spec.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter, sleep

import orjson

from benchmarks.clients import Client
from benchmarks.servers import rss
from mockhub._resources import resource_path
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import HubRegistry
from mockhub.faults.grammar import parse_directives
from mockhub.journal.journal import Journal
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import load_scenario
from mockhub.server.server import ServerThread, bind
from mockhub.spec.api_spec import load_spec
from mockhub.web.app import create_app
from mockhub.web.context import RequestContext
from mockhub.web.limits import Limits

CLIENTS = 64
MAX_GENERATIONS = 200  # generations and exchanges of a hub, so that eviction begins early
FAULTS = {
    "calm": "",
    "gateway": "status=503 p=0.1 on=get_credits status=429 p=0.05 delay=5ms p=0.2",
    "wire": "reset@after p=0.05 reset p=0.05 truncate p=0.05 corrupt p=0.05 drip=20ms p=0.02",
    "silent": "hang p=0.03 delay=5ms@after p=0.1",
    "provider": "fail p=0.1 deliver=1 p=0.2 duration=30ms p=0.3 polls=3 p=0.1",
}
_WARM_UP = 0.4  # share of the time before memory is measured
_GROWTH = 1.1
_GRACE_SECONDS = 20
_SLACK = 16_000_000  # bytes of heap fragmentation


@dataclass
class Findings:
    """Errors, and the number of responses by kind."""

    errors: list[str] = field(default_factory=list)
    responses: Counter[str] = field(default_factory=Counter)

    def observe(self, context: RequestContext) -> None:
        """Validate the bytes of a response against the API spec."""
        response, operation = context.response, context.operation
        name = operation.id if operation else "-"
        self.responses[
            f"{name} {response.status if response else 'none'}{' *' * bool(context.fired_faults)}"
        ] += 1
        if context.spec_violation:
            self.errors.append(context.spec_violation)
        if context.fired_faults or response is None or operation is None or not response.body:
            return
        validator = operation.responses.get(response.status)
        if validator is None or not validator.is_valid(orjson.loads(response.body)):
            self.errors.append(f"{name} returned {response.status}: {response.body[:200]!r}")


@contextmanager
def serve(findings: Findings) -> Iterator[tuple[str, HubRegistry, ServerThread]]:
    """Serve hubs with different faults."""
    spec = load_spec(resource_path("openapi.yaml"))
    template = build_hub(
        load_scenario(resource_path("fixtures/scenarios/endless.yaml")), "default", spec
    )
    template.set_max_generations(MAX_GENERATIONS)
    registry = HubRegistry(template)
    for name, faults in FAULTS.items():
        hub = registry.add(template.fork(name))
        hub.journal = Journal(max_exchanges=MAX_GENERATIONS)
        if faults:
            hub.faults.arm(parse_directives(faults))
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    limits = Limits(idle_timeout=2)
    app = create_app(spec, registry, url=url, limits=limits, observers=[findings.observe])
    server = ServerThread(app, listener)
    try:
        yield url, registry, server
    finally:
        server.stop()


def soak(seconds: float, *, clients: int = CLIENTS, seed: int = 0) -> Findings:
    """Serve under load for some seconds and return the findings."""
    findings = Findings()
    log = _ErrorLog()
    logging.getLogger().addHandler(log)
    try:
        with serve(findings) as (url, store, server):
            asyncio.run(_load(url, seconds, clients, seed, findings))
            for hub in store:
                findings.errors += [f"hub {hub.name}: {error}" for error in _audit(server, hub)]
                if (
                    any(len(account.entries) == 1 for account in hub.accounts.values())
                    and hub.name in FAULTS
                ):
                    findings.errors.append(f"hub {hub.name}: nothing was ever charged")
    finally:
        logging.getLogger().removeHandler(log)
    findings.errors += log.messages
    return findings


def _audit(server: ServerThread, hub: HubBackend) -> list[str]:
    """Check the ledger and the journal; requests whose client has left may still end."""
    until = perf_counter() + _GRACE_SECONDS
    while True:
        errors = server.call(lambda: [*hub.audit(), *_audit_journal(hub)])
        if not errors or perf_counter() > until:
            return errors
        sleep(0.1)


def _audit_journal(hub: HubBackend) -> Iterator[str]:
    """Yield an error if the journal lacks a charge or refund and no request runs any more."""
    listed = sum(exchange.credits for exchange in hub.journal)
    in_journal, totals = listed + hub.journal.unlisted_credits, hub.credit_totals()
    if in_journal != totals["charge"] + totals["refund"]:
        yield f"the credits of the journal are {in_journal}, the entries of the ledger {totals}"


async def _load(url: str, seconds: float, clients: int, seed: int, findings: Findings) -> None:
    until = perf_counter() + seconds
    names = list(FAULTS)
    tasks = [
        asyncio.create_task(Client(url, names[number % len(names)], seed + number).run(until))
        for number in range(clients)
    ]
    await asyncio.sleep(seconds * _WARM_UP)
    before = rss()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if result is not None:
            findings.errors.append(f"a client: {result!r}")
    after = rss()
    if before and after and after > before * _GROWTH + _SLACK:
        findings.errors.append(f"memory grew from {before / 1e6:.1f} to {after / 1e6:.1f} MB")


class _ErrorLog(logging.Handler):
    """Collects logged warnings and errors."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(f"logged: {self.format(record)}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started, first = perf_counter(), rss()
    report = soak(options.seconds, seed=options.seed)
    for name, number in sorted(report.responses.items()):
        print(f"{number:9,} {name}")
    total, seconds = sum(report.responses.values()), perf_counter() - started
    print(f"{total:,} responses in {seconds:.0f} s; * marks those in which a fault fired")
    if first and (last := rss()):
        print(f"memory: {first / 1e6:.1f} MB at first, {last / 1e6:.1f} MB at last")
    print("\n".join(report.errors[:50]) or "no errors")
    sys.exit(1 if report.errors else 0)


if __name__ == "__main__":
    main()
