"""The options of `mockhub proxy`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mockhub.web.limits import Limits

if TYPE_CHECKING:
    from mockhub.proxy.guard import RepeatPolicy


@dataclass(frozen=True)
class ProxyOptions:
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
    arm: tuple[str, ...]
    host: str
    port: int
    public_url: str | None
    spec: Path | None
    log_level: str
    log_format: str
    control: bool
    control_token: str | None
    open: bool
    record: Path | None
    limits: Limits
