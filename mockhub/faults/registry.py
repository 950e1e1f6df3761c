"""The armed faults of a hub, and how often each has fired."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

from mockhub.faults.grammar import Directive
from mockhub.faults.types import PROVIDER_FAULTS, TRANSPORT_FAULTS
from mockhub.spec.operations import OperationId

RandomSource = Callable[[], float]

_MAX_INLINE_COUNTERS = 1000


@dataclass(slots=True)
class ArmedFault:
    """A fault with its counters.

    Attributes:
        expires_at: When it is disarmed, in milliseconds.
        armed_after: The number of the last exchange before it was armed.
    """

    directive: Directive
    evaluated: int = 0
    fired: int = 0
    expires_at: int | None = None
    armed_after: int = 0

    def should_fire(self, random: RandomSource, *, suppressed: bool = False) -> bool:
        """Count a matching request, and decide whether the fault fires on it.

        A request that is *suppressed*, because another fault ends it, does not count as fired.
        """
        directive = self.directive
        self.evaluated += 1
        if suppressed or (directive.nth is not None and self.evaluated != directive.nth):
            return False
        if directive.times is not None and self.fired >= directive.times:
            return False
        if directive.p < 1 and random() >= directive.p:
            return False
        self.fired += 1
        return True


@dataclass(slots=True)
class FaultRegistry:
    """What is armed in a hub, in the order of arming; only one terminal fault fires at a time."""

    armed: dict[int, ArmedFault] = field(default_factory=dict)
    last_number: int = 0
    inline_counters: dict[Hashable, ArmedFault] = field(default_factory=dict)

    def arm(self, directives: Iterable[Directive], now: int = 0, *, last_exchange: int = 0) -> None:
        """Arm faults, replacing any that target the same case; their counters start at zero.

        Those with ``for=`` count from *now*.

        Faults for the same case that are armed together fire one after the other.
        """
        batch = tuple(directives)
        targets = {_target_of(directive) for directive in batch}
        self.armed = {
            number: armed
            for number, armed in self.armed.items()
            if _target_of(armed.directive) not in targets
        }
        for directive in batch:
            self.last_number += 1
            expires_at = None if directive.active_for is None else now + directive.active_for
            self.armed[self.last_number] = ArmedFault(
                directive, expires_at=expires_at, armed_after=last_exchange
            )

    def disarm_expired(self, now: int) -> None:
        """Disarm the faults whose time is over."""
        for number, armed in tuple(self.armed.items()):
            if armed.expires_at is not None and armed.expires_at <= now:
                del self.armed[number]

    def forget_exchanges(self) -> None:
        """Count all faults as armed before the first exchange, since the journal is a new one."""
        for armed in self.armed.values():
            armed.armed_after = 0

    def clear(self) -> None:
        """Disarm every fault, and reset the counters of inline faults."""
        self.armed.clear()
        self.inline_counters.clear()

    def match_request(
        self, operation: str, random: RandomSource, *, terminated: bool = False
    ) -> tuple[Directive, ...]:
        """Return the transport faults that fire on a request, whatever its prompt is.

        A fault without an operation fires on those of the API, not on the download of an image.
        """
        operations = (operation,) if operation == OperationId.GET_IMAGE else (None, operation)

        def matches(directive: Directive) -> bool:
            return (
                directive.prompt is None
                and directive.name in TRANSPORT_FAULTS
                and directive.operation in operations
            )

        return self._fire_matching(matches, random, terminated=terminated)

    def match_prompt(
        self, operation: str, prompt: str, random: RandomSource, *, terminated: bool = False
    ) -> tuple[Directive, ...]:
        """Return the transport faults that fire on a request because of its prompt."""

        def matches(directive: Directive) -> bool:
            return (
                directive.name in TRANSPORT_FAULTS
                and directive.prompt is not None
                and directive.prompt in prompt
                and (directive.operation or OperationId.CREATE_GENERATION) == operation
            )

        return self._fire_matching(matches, random, terminated=terminated)

    def match_provider(self, prompt: str, random: RandomSource) -> tuple[Directive, ...]:
        """Return the provider outcomes that apply to a generation that the account can pay."""

        def matches(directive: Directive) -> bool:
            return directive.name in PROVIDER_FAULTS and (
                directive.prompt is None or directive.prompt in prompt
            )

        return self._fire_matching(matches, random)

    def match_inline(
        self,
        directives: Iterable[Directive],
        operation: str,
        random: RandomSource,
        *,
        scope: Hashable,
    ) -> tuple[Directive, ...]:
        """Return those of a request's own *directives* that fire on it.

        Requests with the same directive and the same *scope* share a counter.
        """
        candidates = (
            self._inline_counter(directive, scope)
            if directive.needs_counting
            else ArmedFault(directive)
            for directive in directives
            if operation == (directive.operation or _default_operation(directive) or operation)
        )
        return _fire(candidates, random)

    def _fire_matching(
        self,
        matches: Callable[[Directive], bool],
        random: RandomSource,
        *,
        terminated: bool = False,
    ) -> tuple[Directive, ...]:
        candidates = (armed for armed in self.armed.values() if matches(armed.directive))
        return _fire(candidates, random, terminated=terminated)

    def _inline_counter(self, directive: Directive, scope: Hashable) -> ArmedFault:
        while len(self.inline_counters) >= _MAX_INLINE_COUNTERS:
            del self.inline_counters[next(iter(self.inline_counters))]
        return self.inline_counters.setdefault((directive, scope), ArmedFault(directive))


def _fire(
    candidates: Iterable[ArmedFault], random: RandomSource, *, terminated: bool = False
) -> tuple[Directive, ...]:
    """Return what fires; once a fault has *terminated* the request, no other one may do so."""
    fired = []
    for armed in candidates:
        directive = armed.directive
        if armed.should_fire(random, suppressed=terminated and directive.is_terminal):
            fired.append(directive)
            terminated = terminated or directive.is_terminal
    return tuple(fired)


def _default_operation(directive: Directive) -> OperationId | None:
    return OperationId.CREATE_GENERATION if directive.name in PROVIDER_FAULTS else None


def _target_of(directive: Directive) -> tuple[object, ...]:
    return directive.name, directive.phase, directive.operation, directive.nth, directive.prompt
