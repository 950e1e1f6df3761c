"""The hub's time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mockhub.spec.coerce import Invalid
from mockhub.spec.errors import MockhubError
from mockhub.web.desk import views
from mockhub.web.desk.call import Call, conflict, read
from mockhub.world.clock import Clock, ManualClock, SystemClock, duration, from_text


def get_clock(call: Call) -> object:
    """What time it is."""
    return views.clock(call.hub)


def change_clock(call: Call) -> object:
    """Another kind or manner of clock."""
    hub = call.hub
    return _moved(call, lambda: hub.use_clock(chosen_clock(call.body, hub.clock)))


def advance_clock(call: Call) -> object:
    """Move on."""
    by = read("by", duration, call.body["by"])
    return _moved(call, lambda: call.hub.manual_clock().advance(by))


def set_clock(call: Call) -> object:
    """Move to a time."""
    to = read("to", from_text, call.body["to"])
    return _moved(call, lambda: call.hub.manual_clock().set(to))


def next_event(call: Call) -> object:
    """Move to what falls due next."""
    return _moved(call, call.hub.to_next_event)


def chosen_clock(asked: Mapping[str, Any], present: Clock) -> Clock:
    """The clock that is asked for; what is left out stays as it is at *present*."""
    manual = isinstance(present, ManualClock)
    kind = asked.get("kind", "manual" if manual or {"manner", "now"} & asked.keys() else "system")
    if kind == "system":
        if odd := next((name for name in ("manner", "now") if name in asked), None):
            raise Invalid(f"{odd} is for manual clocks; expected it with kind manual")
        return SystemClock()
    now = read("now", from_text, asked["now"]) if "now" in asked else present.now()
    return ManualClock(now, manner=asked.get("manner", getattr(present, "manner", "jump")))


def _moved(call: Call, move: Callable[[], object]) -> object:
    try:
        move()
    except MockhubError as error:
        raise conflict(str(error)) from None
    call.hub.settle()
    return views.clock(call.hub)
