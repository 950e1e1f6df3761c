"""Checks with generated requests; they run last, with the budget that is left.

They are in `contract_tests/generated.py` and `contract_tests/stateful.py`.
"""

from __future__ import annotations

from mockhub.verify import oracle
from mockhub.verify.assertions import require_response
from mockhub.verify.check import Check, CheckFunction, contract_module
from mockhub.verify.clauses import DOCUMENTED
from mockhub.verify.context import CheckContext
from mockhub.verify.outcomes import Inconclusive, Skipped

_SEQUENCE_CLAUSES = ("LED-1", "RET-1", "RET-2", "GEN-6", "REQ-5")
_BODY_CLAUSES = ("REQ-10", "END-3")


def random_sequences(context: CheckContext) -> None:
    """Keep the ledger balanced and generations readable through any sequence of requests."""
    _require_credits(context)
    contract_module("stateful").run(context)


def random_bodies(context: CheckContext) -> None:
    """Accept generated bodies that are valid and reject those that are invalid."""
    if "broke" not in context.profile.keys:
        _require_credits(context)
    contract_module("generated").run(context)


def _require_credits(context: CheckContext) -> None:
    exchange = context.client.get("credits")
    if require_response(exchange).status != 200:
        raise Inconclusive("the balance cannot be read", exchange)
    context.client.budget.settle()
    if context.client.budget.remaining < oracle.min_price():
        raise Skipped("no credits are left for generated requests")


def _check(
    run: CheckFunction,
    clauses: tuple[str, ...],
    *,
    needs_success: bool = False,
    pays_nothing: bool = False,
) -> Check:
    description = (run.__doc__ or "").rstrip(".")
    check = Check(run.__name__, clauses, DOCUMENTED, (), (), 0, description, run)
    return check._replace(needs_success=needs_success, pays_nothing=pays_nothing)


FUZZ_CHECKS = [
    _check(random_bodies, _BODY_CLAUSES, pays_nothing=True),
    # After a failure they would only pay to find it again.
    _check(random_sequences, _SEQUENCE_CLAUSES, needs_success=True),
]
