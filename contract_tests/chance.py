"""What is random: played after the deck, with the budget that is left."""

from __future__ import annotations

from . import oracle
from .checks import Check
from .clauses import DOCUMENTED
from .reading import answered
from .stage import Stage
from .verdicts import Inconclusive, NotAsked

_SEQUENCES = ("LED-1", "RET-1", "RET-2", "GEN-6", "REQ-5")
_BREADTH = ("REQ-10", "END-3")


def random_sequences(stage: Stage) -> None:
    """Any sequence of requests leaves the books balanced and every generation readable."""
    from . import sequences

    _can_play(stage)
    sequences.run(stage)


def random_bodies(stage: Stage) -> None:
    """Generated bodies are taken if they are good, and refused if they are bad."""
    from . import breadth

    _can_play(stage)
    breadth.run(stage)


def _can_play(stage: Stage) -> None:
    exchange = stage.target.get("credits")
    if answered(exchange).status != 200:
        raise Inconclusive("the balance cannot be read", exchange)
    stage.target.meter.settle()
    if stage.target.meter.left < oracle.unit():
        raise NotAsked("no credits are left for what is random")


CHANCE = [
    Check(run.__name__, clauses, DOCUMENTED, (), (), 0, (run.__doc__ or "").rstrip("."), run)
    for run, clauses in ((random_bodies, _BREADTH), (random_sequences, _SEQUENCES))
]
