"""The board: the faults that are armed in a hub, and how often each has struck."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator

from mockhub.faults.grammar import PROVIDER_FAULTS, TRANSPORT_FAULTS, Directive
from mockhub.spec.operations import OperationId

RandomSource = Callable[[], float]

_MAX_INLINE_COUNTERS = 1000  # directives of requests whose calls are counted


class ArmedFault:
    """A directive on the board, with its counters."""

    __slots__ = ("directive", "fired", "evaluated")

    def __init__(self, directive: Directive, *, evaluated: int = 0, fired: int = 0) -> None:
        self.directive = directive
        self.evaluated = evaluated
        self.fired = fired

    def should_fire(self, random: RandomSource, *, suppressed: bool = False) -> bool:
        """Whether it applies to the call at hand, which it counts.

        A call that is *barred*, because another fault ends it, uses up none of its times.
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

    def copy(self) -> ArmedFault:
        return ArmedFault(self.directive, evaluated=self.evaluated, fired=self.fired)


class FaultRegistry:
    """What is armed in a hub, in the order of arming; of what ends a request the first strikes."""

    def __init__(self) -> None:
        self.armed: dict[int, ArmedFault] = {}
        self._last_number = 0
        self._inline_counters: dict[Hashable, ArmedFault] = {}

    def arm(self, directives: Iterable[Directive]) -> None:
        """Arm directives; what is armed already for the same case makes room for them.

        Arming again starts the counters anew; those that are armed together stand in a row.
        """
        batch = tuple(directives)
        targets = {_target_of(directive) for directive in batch}
        self.armed = {
            number: armed
            for number, armed in self.armed.items()
            if _target_of(armed.directive) not in targets
        }
        for directive in batch:
            self._last_number += 1
            self.armed[self._last_number] = ArmedFault(directive)

    def clear(self) -> None:
        """Disarm everything, and forget how often requests' own directives have struck."""
        self.armed.clear()
        self._inline_counters.clear()

    def match_request(
        self, operation: str, random: RandomSource, *, terminated: bool = False
    ) -> tuple[Directive, ...]:
        """What strikes a request before anything but its operation is known."""

        def matches(one: Directive) -> bool:
            return (
                one.prompt is None
                and one.name in TRANSPORT_FAULTS
                and one.operation in (None, operation)
            )

        return tuple(self._fire_matching(matches, random, terminated))

    def match_prompt(
        self, operation: str, prompt: str, random: RandomSource, *, terminated: bool = False
    ) -> tuple[Directive, ...]:
        """What strikes a request on the wire once its prompt is known."""

        def matches(one: Directive) -> bool:
            return (
                one.name in TRANSPORT_FAULTS
                and _prompt_matches(one, prompt)
                and (one.operation or OperationId.CREATE_GENERATION) == operation
            )

        return tuple(self._fire_matching(matches, random, terminated))

    def match_provider(self, prompt: str, random: RandomSource) -> tuple[Directive, ...]:
        """What the provider will do to a generation that is paid."""

        def matches(one: Directive) -> bool:
            return one.name in PROVIDER_FAULTS and (
                one.prompt is None or _prompt_matches(one, prompt)
            )

        return tuple(self._fire_matching(matches, random, terminated=False))

    def match_inline(
        self,
        directives: Iterable[Directive],
        operation: str,
        random: RandomSource,
        *,
        scope: Hashable,
    ) -> tuple[Directive, ...]:
        """Which of the directives that a request brings itself strike it.

        Those that have to be counted are counted for all requests that bring the same, and are the
        same *by*.
        """
        fired, terminated = [], False
        for one in directives:
            if operation != (
                one.operation
                or (OperationId.CREATE_GENERATION if one.name in PROVIDER_FAULTS else operation)
            ):
                continue
            armed = self._inline_counter(one, scope) if one.needs_counting else ArmedFault(one)
            if armed.should_fire(random, suppressed=terminated and one.is_terminal):
                fired.append(one)
                terminated = terminated or one.is_terminal
        return tuple(fired)

    def copy(self) -> FaultRegistry:
        """The same board, counters and all."""
        clone = FaultRegistry()
        clone.armed = {number: armed.copy() for number, armed in self.armed.items()}
        clone._last_number = self._last_number
        clone._inline_counters = {key: armed.copy() for key, armed in self._inline_counters.items()}
        return clone

    def _fire_matching(
        self, matches: Callable[[Directive], bool], random: RandomSource, terminated: bool
    ) -> Iterator[Directive]:
        for armed in tuple(self.armed.values()):
            directive = armed.directive
            if not matches(directive):
                continue
            if armed.should_fire(random, suppressed=terminated and directive.is_terminal):
                terminated = terminated or directive.is_terminal
                yield directive

    def _inline_counter(self, directive: Directive, scope: Hashable) -> ArmedFault:
        while len(self._inline_counters) >= _MAX_INLINE_COUNTERS:
            del self._inline_counters[next(iter(self._inline_counters))]
        return self._inline_counters.setdefault((directive, scope), ArmedFault(directive))


def _target_of(directive: Directive) -> tuple[object, ...]:
    return directive.name, directive.phase, directive.operation, directive.nth, directive.prompt


def _prompt_matches(directive: Directive, prompt: str) -> bool:
    return directive.prompt is not None and directive.prompt in prompt
