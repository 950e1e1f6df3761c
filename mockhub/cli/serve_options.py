"""The options of `mockhub serve`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mockhub.web.limits import Limits


@dataclass(frozen=True)
class ServeOptions:
    """The options of one `mockhub serve`; None where the scenario or the address decides."""

    host: str
    port: int
    public_url: str | None
    scenario: str
    seed: int | None
    credits: int | None
    arm: tuple[str, ...]
    provider: tuple[str, ...]
    spec: Path | None
    image_format: str | None
    max_generations: int | None
    max_generations_size: int | None
    prompt_faults: bool | None
    log_level: str
    log_format: str
    control: bool
    control_token: str | None
    open: bool
    watch: bool
    mutant: str | None
    record: Path | None
    replay: Path | None
    replay_only: bool
    database: str | None
    workers: int
    limits: Limits
