"""The board: the faults that are armed in a hub, and how often each has struck."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator

from mockhub.world.faults import MAKING, PROVIDER, WIRE, Directive

Chance = Callable[[], float]

_CARRIED = 1000  # directives of requests whose calls are counted


class Armed:
    """A directive on the board, with its counters."""

    __slots__ = ("directive", "fired", "seen")

    def __init__(self, directive: Directive, *, seen: int = 0, fired: int = 0) -> None:
        self.directive = directive
        self.seen = seen
        self.fired = fired

    def strikes(self, chance: Chance, *, barred: bool = False) -> bool:
        """Whether it applies to the call at hand, which it counts.

        A call that is *barred*, because another fault ends it, uses up none of its times.
        """
        directive = self.directive
        self.seen += 1
        if barred or (directive.nth is not None and self.seen != directive.nth):
            return False
        if directive.times is not None and self.fired >= directive.times:
            return False
        if directive.p < 1 and chance() >= directive.p:
            return False
        self.fired += 1
        return True

    def copy(self) -> Armed:
        return Armed(self.directive, seen=self.seen, fired=self.fired)


class Board:
    """What is armed in a hub, in the order of arming; of what ends a request the first strikes."""

    def __init__(self) -> None:
        self.armed: dict[int, Armed] = {}
        self._made = 0
        self._carried: dict[Hashable, Armed] = {}

    def arm(self, directives: Iterable[Directive]) -> None:
        """Arm directives; what is armed already for the same case makes room for them.

        Arming again starts the counters anew; those that are armed together stand in a row.
        """
        batch = tuple(directives)
        again = {_case(directive) for directive in batch}
        self.armed = {
            number: armed
            for number, armed in self.armed.items()
            if _case(armed.directive) not in again
        }
        for directive in batch:
            self._made += 1
            self.armed[self._made] = Armed(directive)

    def clear(self) -> None:
        """Disarm everything, and forget how often requests' own directives have struck."""
        self.armed.clear()
        self._carried.clear()

    def on_arrival(
        self, operation: str, chance: Chance, *, ended: bool = False
    ) -> tuple[Directive, ...]:
        """What strikes a request before anything but its operation is known."""

        def concerns(one: Directive) -> bool:
            return one.prompt is None and one.word in WIRE and one.on in (None, operation)

        return tuple(self._struck(concerns, chance, ended))

    def on_prompt(
        self, operation: str, prompt: str, chance: Chance, *, ended: bool = False
    ) -> tuple[Directive, ...]:
        """What strikes a request on the wire once its prompt is known."""

        def concerns(one: Directive) -> bool:
            return one.word in WIRE and _named(one, prompt) and (one.on or MAKING) == operation

        return tuple(self._struck(concerns, chance, ended))

    def on_generation(self, prompt: str, chance: Chance) -> tuple[Directive, ...]:
        """What the provider will do to a generation that is paid."""

        def concerns(one: Directive) -> bool:
            return one.word in PROVIDER and (one.prompt is None or _named(one, prompt))

        return tuple(self._struck(concerns, chance, ended=False))

    def carried(
        self, directives: Iterable[Directive], operation: str, chance: Chance, *, by: Hashable
    ) -> tuple[Directive, ...]:
        """Which of the directives that a request brings itself strike it.

        Those that have to be counted are counted for all requests that bring the same, and are the
        same *by*.
        """
        struck, ended = [], False
        for one in directives:
            if operation != (one.on or (MAKING if one.word in PROVIDER else operation)):
                continue
            armed = self._counted(one, by) if one.limited else Armed(one)
            if armed.strikes(chance, barred=ended and one.ends):
                struck.append(one)
                ended = ended or one.ends
        return tuple(struck)

    def copy(self) -> Board:
        """The same board, counters and all."""
        twin = Board()
        twin.armed = {number: armed.copy() for number, armed in self.armed.items()}
        twin._made = self._made
        twin._carried = {key: armed.copy() for key, armed in self._carried.items()}
        return twin

    def _struck(
        self, concerns: Callable[[Directive], bool], chance: Chance, ended: bool
    ) -> Iterator[Directive]:
        for armed in tuple(self.armed.values()):
            directive = armed.directive
            if not concerns(directive):
                continue
            if armed.strikes(chance, barred=ended and directive.ends):
                ended = ended or directive.ends
                yield directive

    def _counted(self, directive: Directive, by: Hashable) -> Armed:
        while len(self._carried) >= _CARRIED:
            del self._carried[next(iter(self._carried))]
        return self._carried.setdefault((directive, by), Armed(directive))


def _case(directive: Directive) -> tuple[object, ...]:
    return directive.word, directive.phase, directive.on, directive.nth, directive.prompt


def _named(directive: Directive, prompt: str) -> bool:
    return directive.prompt is not None and directive.prompt in prompt
