"""The table of faults: what each one targets, takes and does.

To add a fault, add its row here, its function in `mockhub.web.fault_injection` (a provider outcome
needs a field of `mockhub.domain.provider.Outcome` instead) and its row in `docs/faults.md`.
"""

from __future__ import annotations

from typing import Literal

from mockhub._timestamps import SECOND
from mockhub.spec.frozen_struct import FrozenStruct

Target = Literal["provider", "transport"]
Phase = Literal["before", "after"]

MAX_NUMBER = 1_000_000_000
MAX_DIRECTIVES = 100  # in one text
MAX_WAIT = 3600 * SECOND  # the longest that a request waits, whatever it waits for
MAX_DURATION = 30 * 24 * 3600 * SECOND  # of a generation, which no request has to wait for


class Argument(FrozenStruct, frozen=True):
    """The value behind the equals sign: a whole number within bounds, or milliseconds."""

    example: str
    is_duration: bool = False
    minimum: int = 0
    maximum: int = MAX_NUMBER


class FaultType(FrozenStruct, frozen=True):
    """One fault.

    Attributes:
        name: how it is written.
        summary: what it does, for people who choose one.
        target: whether it shapes the generation or the exchange.
        argument: its value, if it takes one.
        phases: when it may fire, relative to the operation; the first is the default. A provider
            outcome has none.
        is_terminal: whether it ends the request, so that no other terminal fault fires.
        alters_response: whether the client receives the response, but damaged or slowly.
    """

    name: str
    summary: str
    target: Target
    argument: Argument | None = None
    phases: tuple[Phase, ...] = ()
    is_terminal: bool = False
    alters_response: bool = False


_STATUS = Argument("503", minimum=400, maximum=599)
_TIME = Argument("2s", is_duration=True, maximum=MAX_WAIT)
_ANY: tuple[Phase, ...] = ("before", "after")
_AFTER: tuple[Phase, ...] = ("after",)

_ROWS = (
    FaultType("fail", "The provider fails; the charge is refunded.", "provider"),
    FaultType(
        "deliver", "Only so many images; the others are refunded.", "provider", Argument("3")
    ),
    FaultType(
        "duration",
        "The generation takes that time on the hub's clock.",
        "provider",
        Argument("800s", is_duration=True, maximum=MAX_DURATION),
    ),
    FaultType(
        "polls", "An async generation completes at that poll.", "provider", Argument("3", minimum=1)
    ),
    FaultType("never", "The generation never completes by itself.", "provider"),
    FaultType(
        "status",
        "An error status in place of the response.",
        "transport",
        _STATUS,
        _ANY,
        is_terminal=True,
    ),
    FaultType("delay", "The response comes later.", "transport", _TIME, _ANY),
    FaultType("reset", "The connection is reset.", "transport", None, _ANY, is_terminal=True),
    FaultType("hang", "No response is sent.", "transport", None, _ANY, is_terminal=True),
    FaultType(
        "truncate",
        "Half of the response, then the connection closes.",
        "transport",
        None,
        _AFTER,
        alters_response=True,
    ),
    FaultType(
        "corrupt", "A body that is not valid JSON.", "transport", None, _AFTER, alters_response=True
    ),
    FaultType(
        "drip",
        "The response in pieces over that time.",
        "transport",
        _TIME,
        _AFTER,
        alters_response=True,
    ),
)

FAULTS: dict[str, FaultType] = {fault.name: fault for fault in _ROWS}

PROVIDER_FAULTS = frozenset(fault.name for fault in _ROWS if fault.target == "provider")
TRANSPORT_FAULTS = frozenset(FAULTS) - PROVIDER_FAULTS
RESPONSE_FAULTS = frozenset(fault.name for fault in _ROWS if fault.alters_response)
FLAGS = frozenset(fault.name for fault in _ROWS if fault.argument is None)
