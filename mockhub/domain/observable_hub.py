"""The state of a hub, with listeners that are called when its clock moves or work ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub._timestamps import format_timestamp
from mockhub.domain.clock import Clock, ManualClock
from mockhub.domain.hub_state import HubState
from mockhub.exceptions import MockhubError


class ObservableHub(HubState):
    """The state of a hub, with listeners that are called when it changes.

    Attributes:
        name: the name by which the server finds the hub.
        listeners: called when the clock is moved, or a generation starts or ends.
        clock_listeners: called when the clock is moved, or all waits are cancelled.
        completion_listeners: called when the generation with that id ends.
        has_provider: whether its own provider decides how generations go, not another service.
        epoch: how often the hub was reset or deleted; a request that waits ends with its epoch.
    """

    has_provider = True

    def __init__(self, name: str, **state: Any) -> None:
        super().__init__(**state)
        self.name = name
        self.listeners: list[Callable[[], None]] = []
        self.clock_listeners: set[Callable[[], None]] = set()
        self.completion_listeners: dict[str, Callable[[], None]] = {}
        self.epoch = 0
        self.clock.listeners.append(self.notify_of_time)

    def manual_clock(self) -> ManualClock:
        """Return the clock, which can be moved; raises MockhubError if it is the system's."""
        if isinstance(self.clock, ManualClock):
            return self.clock
        raise MockhubError(f"the clock of the hub {self.name!r} is the system's: make it manual")

    def set_clock(self, clock: Clock, now: int | None = None) -> None:
        """Replace the clock.

        Args:
            now: The time of the present clock, if it was read before the new one was built.

        Raises:
            MockhubError: if the new one is behind it.
        """
        now = self.clock.now() if now is None else now
        if clock.now() < now:
            raise MockhubError(
                f"it is {format_timestamp(now)} in the hub {self.name!r}; "
                f"a clock at {format_timestamp(clock.now())} would turn time back"
            )
        self.replace_clock(clock)

    def replace_clock(self, clock: Clock) -> None:
        """Replace the clock by one that may be behind it, and wake the requests that wait."""
        self.clock.listeners.remove(self.notify_of_time)
        clock.listeners.append(self.notify_of_time)
        self.clock = clock
        self.notify_of_time()

    def restore(self, state: HubState) -> None:
        """Replace everything by a copy of another state; the exchanges are of the former one."""
        self.clock.listeners.remove(self.notify_of_time)
        super().restore(state)
        self.faults.forget_exchanges()
        self.clock.listeners.append(self.notify_of_time)

    def cancel_waits(self) -> None:
        """Cancel all requests that wait in this hub."""
        self.epoch += 1
        self.notify_of_time()

    def notify(self) -> None:
        """Call the listeners."""
        for listener in tuple(self.listeners):
            listener()

    def notify_of_time(self) -> None:
        """Wake the requests that wait, since the clock has moved or all waits are cancelled."""
        for listener in tuple(self.clock_listeners):
            listener()
        self.notify()
