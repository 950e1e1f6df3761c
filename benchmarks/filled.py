"""Our server, full from the start: `python -m benchmarks.filled COUNT OPTIONS`."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from benchmarks.calls import BODY
from mockhub import serving
from mockhub.cli import main
from mockhub.world.generations import Request
from mockhub.world.hub import Hub
from mockhub.world.scenarios import build


def filled(count: int, *args: Any, **options: Any) -> Hub:
    """A scenario's hub in which *count* generations were made, each with a prompt of its own."""
    hub = build(*args, **options)
    account = next(iter(hub.accounts.values()))
    for number in range(count):
        prompt = f"{BODY['prompt']}, number {number}"
        hub.create_generation(
            account, Request(BODY["model"], prompt, BODY["size"], "auto", 1, False)
        )
    return hub


if __name__ == "__main__":
    count = int(sys.argv[1])
    setattr(serving, "build", partial(filled, count))  # noqa: B010
    main(["serve", *sys.argv[2:]])
