"""The options of `mockhub serve` and `mockhub proxy`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from mockhub.web.limits import Limits

if TYPE_CHECKING:
    from mockhub.proxy.guard import RepeatPolicy

LIMIT_NAMES = frozenset(field.name for field in fields(Limits))


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """The options of both commands; *public_url* is None for the address listened on."""

    host: str
    port: int
    public_url: str | None
    arm: tuple[str, ...]
    spec: Path | None
    log_level: str
    log_format: str
    control: bool
    control_token: str | None
    open: bool
    record: Path | None
    limits: Limits

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> Self:
        """Collect the parameters of a command, in which each limit is one of its own."""
        limits = {name: params.pop(name) for name in LIMIT_NAMES & params.keys()}
        return cls(**params, limits=Limits(**limits))


@dataclass(frozen=True, kw_only=True)
class ServeOptions(ServerOptions):
    """The options of one `mockhub serve`; None where the scenario decides."""

    scenario: str
    seed: int | None
    credits: int | None
    provider: tuple[str, ...]
    image_format: str | None
    max_generations: int | None
    max_generations_size: int | None
    prompt_faults: bool | None
    watch: bool
    mutant: str | None
    replay: Path | None
    replay_only: bool
    database: str | None
    workers: int


@dataclass(frozen=True, kw_only=True)
class ProxyOptions(ServerOptions):
    """The options of one `mockhub proxy`."""

    target: str
    ca_file: Path | None
    upstream_timeout: float | None
    rewrite_images: bool
    strict: bool
    exclusive: bool
    fail_on: Literal["violation", "warning", "never"]
    report_json: Path | None
    report_html: Path | None
    report_junit: Path | None
    budget: int | None
    repeats: RepeatPolicy
    repeat_window: float
    state: Path | None
