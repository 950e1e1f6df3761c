"""Control-plane handlers for the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mockhub._timestamps import parse_duration, parse_timestamp
from mockhub.control import serializers
from mockhub.control.context import ControlRequest, conflict, parse_field
from mockhub.domain.clock import Clock, ManualClock, SystemClock, parse_clock_time
from mockhub.exceptions import MockhubError, ValidationError


def get_clock(request: ControlRequest) -> object:
    return serializers.clock(request.hub)


def update_clock(request: ControlRequest) -> object:
    hub, now = request.hub, request.hub.clock.now()
    return _move_clock(
        request, lambda: hub.set_clock(build_clock(request.body, hub.clock, now), now)
    )


def advance_clock(request: ControlRequest) -> object:
    by = parse_field("by", parse_duration, request.body["by"])
    return _move_clock(request, lambda: request.hub.manual_clock().advance(by))


def set_clock(request: ControlRequest) -> object:
    to = parse_field("to", parse_timestamp, request.body["to"])
    return _move_clock(request, lambda: request.hub.manual_clock().set(to))


def advance_to_next_event(request: ControlRequest) -> object:
    return _move_clock(request, request.hub.advance_to_next_event)


def build_clock(settings: Mapping[str, Any], current: Clock, now: int) -> Clock:
    """Build a clock from settings; without a mode or a time, of the current one and at *now*."""
    manual = isinstance(current, ManualClock)
    kind = settings.get(
        "kind", "manual" if manual or {"mode", "now"} & settings.keys() else "system"
    )
    if kind == "system":
        if misplaced := next((name for name in ("mode", "now") if name in settings), None):
            raise ValidationError(f"{misplaced} is for manual clocks; expected it with kind manual")
        return SystemClock()
    if "now" in settings:
        now = parse_field("now", parse_clock_time, settings["now"])
    return ManualClock(now, mode=settings.get("mode", getattr(current, "mode", "autojump")))


def _move_clock(request: ControlRequest, move: Callable[[], object]) -> object:
    try:
        move()
    except MockhubError as error:
        raise conflict(str(error)) from None
    request.hub.settle()
    return serializers.clock(request.hub)
