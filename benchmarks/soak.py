"""`python -m benchmarks.soak`: many clients, several hubs, faults armed, and then the books.

64 connections mix all operations for a while. At the end the law of the house has to hold in every
hub, nothing may have been logged as an error, memory may not have grown, and every answer that no
fault spoiled has to have been valid under the law.
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
from time import perf_counter

import orjson

from benchmarks.clients import Client
from benchmarks.servers import rss
from mockhub._resources import resource_path
from mockhub.domain.hub_registry import HubRegistry
from mockhub.faults.grammar import parse_directives
from mockhub.journal.journal import Journal
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import load_scenario
from mockhub.server.server import ServerThread, bind
from mockhub.spec.api_spec import load_spec
from mockhub.web.api import PublicApi
from mockhub.web.app import App
from mockhub.web.context import RequestContext
from mockhub.web.limits import Limits

CLIENTS = 64
KEPT = 200  # generations and exchanges a hub, so that memory is full early
FAULTS = {
    "calm": "",
    "gateway": "status=503 p=0.1 on=get_credits status=429 p=0.05 delay=5ms p=0.2",
    "wire": "reset@after p=0.05 reset p=0.05 truncate p=0.05 corrupt p=0.05 drip=20ms p=0.02",
    "silent": "hang p=0.03 delay=5ms@after p=0.1",
    "provider": "fail p=0.1 deliver=1 p=0.2 duration=30ms p=0.3 polls=3 p=0.1",
}
_WARM = 0.4  # of the time, until memory counts
_GROWTH = 1.1
_SLACK = 16_000_000  # bytes that a heap may be torn by


@dataclass
class Findings:
    """What went wrong, and how much went at all."""

    wrong: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    def note(self, visit: RequestContext) -> None:
        """Hold what left to the law, read from its very bytes."""
        sent, operation = visit.response, visit.operation
        name = operation.id if operation else "-"
        self.answers[
            f"{name} {sent.status if sent else 'none'}{' *' * bool(visit.fired_faults)}"
        ] += 1
        if visit.spec_violation:
            self.wrong.append(visit.spec_violation)
        if visit.fired_faults or sent is None or operation is None or not sent.body:
            return
        law = operation.responses.get(sent.status)
        if law is None or not law.is_valid(orjson.loads(sent.body)):
            self.wrong.append(f"{name} answered {sent.status}: {sent.body[:200]!r}")


@contextmanager
def served(findings: Findings) -> Iterator[tuple[str, HubRegistry, ServerThread]]:
    """A server whose hubs misbehave, each in its own way."""
    law = load_spec(resource_path("openapi.yaml"))
    template = build_hub(
        load_scenario(resource_path("fixtures/scenarios/endless.yaml")), "default", law
    )
    template.max_generations = KEPT
    for account in template.accounts.values():
        account.max_entries = 4 * KEPT
    store = HubRegistry(template)
    for name, faults in FAULTS.items():
        hub = store.add(template.fork(name))
        hub.journal = Journal(max_exchanges=KEPT)
        if faults:
            hub.faults.arm(parse_directives(faults))
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    limits = Limits(idle_timeout=2)
    app = App(PublicApi(law, store, url, limits=limits, observers=[findings.note]))
    server = ServerThread(app, listener)
    try:
        yield url, store, server
    finally:
        server.stop()


def soak(seconds: float, *, clients: int = CLIENTS, seed: int = 0) -> Findings:
    """Serve under load for some seconds and tell what was found."""
    findings = Findings()
    log = _Errors()
    logging.getLogger().addHandler(log)
    try:
        with served(findings) as (url, store, server):
            asyncio.run(_load(url, seconds, clients, seed, findings))
            for hub in store:
                broken = server.call(hub.audit)
                findings.wrong += [f"hub {hub.name}: {sentence}" for sentence in broken]
                if (
                    any(len(one.entries) == 1 for one in hub.accounts.values())
                    and hub.name in FAULTS
                ):
                    findings.wrong.append(f"hub {hub.name}: nothing was ever charged")
    finally:
        logging.getLogger().removeHandler(log)
    findings.wrong += log.messages
    return findings


async def _load(url: str, seconds: float, clients: int, seed: int, findings: Findings) -> None:
    until = perf_counter() + seconds
    names = list(FAULTS)
    crowd = [
        asyncio.create_task(Client(url, names[number % len(names)], seed + number).run(until))
        for number in range(clients)
    ]
    await asyncio.sleep(seconds * _WARM)
    before = rss()
    for result in await asyncio.gather(*crowd, return_exceptions=True):
        if result is not None:
            findings.wrong.append(f"a client: {result!r}")
    after = rss()
    if before and after and after > before * _GROWTH + _SLACK:
        findings.wrong.append(f"memory grew from {before / 1e6:.1f} to {after / 1e6:.1f} MB")


class _Errors(logging.Handler):
    """Keeps what is logged as a warning or an error."""

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
    began, first = perf_counter(), rss()
    found = soak(options.seconds, seed=options.seed)
    for name, number in sorted(found.answers.items()):
        print(f"{number:9,} {name}")
    total, seconds = sum(found.answers.values()), perf_counter() - began
    print(f"{total:,} answers in {seconds:.0f} s; * marks those that a fault struck")
    if first and (last := rss()):
        print(f"memory: {first / 1e6:.1f} MB at first, {last / 1e6:.1f} MB at last")
    print("\n".join(found.wrong[:50]) or "nothing wrong")
    sys.exit(1 if found.wrong else 0)


if __name__ == "__main__":
    main()
