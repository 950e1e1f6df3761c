"""`mockhub serve` with COUNT generations: `python -m benchmarks.prefilled_app COUNT OPTIONS`."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from benchmarks.requests import BODY
from mockhub.cli import app_factory
from mockhub.cli.main import main
from mockhub.domain.hub import HubBackend
from mockhub.scenarios.builder import build_hub
from mockhub.spec.generation_request import GenerationRequest


def prefilled_hub(count: int, *args: Any, **options: Any) -> HubBackend:
    """Build a hub and create *count* generations, each with a different prompt."""
    hub = build_hub(*args, **options)
    account = next(iter(hub.accounts.values()))
    for number in range(count):
        prompt = f"{BODY['prompt']}, number {number}"
        hub.create_generation(
            account, GenerationRequest(BODY["model"], prompt, BODY["size"], "auto", 1, False)
        )
    return hub


if __name__ == "__main__":
    count = int(sys.argv[1])
    setattr(app_factory, "build_hub", partial(prefilled_hub, count))  # noqa: B010
    main(["serve", *sys.argv[2:]])
