"""Record the balances around generations that were created at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from mockhub.verify import polling
from mockhub.verify.balances import Balances
from mockhub.verify.generation import SECOND_KEY, ObservedGeneration
from mockhub.verify.threads import parallel

Group = Sequence[ObservedGeneration]


def record_balances(
    balances: Balances,
    groups: Sequence[Group],
    roles: Mapping[str, str],
    before: Mapping[str, int | None],
) -> None:
    """Read the balances after *groups* of one payer each, and again after tasks are read again.

    Args:
        roles: The keys whose balances are read.
        before: The balances before the groups.
    """
    after = balances.read_roles(roles, balances.credits_or_none)
    for group in groups:
        _wait_for_refunds(balances, group, roles, before, after)
    for group in groups:
        for generation in group:
            generation.measured_alone = len(group) == 1
            generation.balance_before = before[generation.payer]
            generation.balance_after = after[generation.payer]
            generation.balance_read = balances.balance_reads.get(generation.payer)
            if generation.payer == "valid":
                generation.second_key_balances = before.get(SECOND_KEY), after.get(SECOND_KEY)
    for group in groups:
        others = [one for other in groups for one in other if other is not group]
        _record_bystander(group, others, before, after)
    _read_again(balances, groups)


def _wait_for_refunds(
    balances: Balances,
    group: Group,
    roles: Mapping[str, str],
    before: Mapping[str, int | None],
    after: dict[str, int | None],
) -> None:
    """Update *after* by refunds that come later than the response."""
    payer = group[0].payer
    expected = (before[payer] or 0) - _reported_cost(group)
    has_refunds = any(one.fixture.trigger or one.exchange.status == 202 for one in group)
    if has_refunds and after[payer] != expected:
        after[payer] = balances.wait_for_credits(expected, payer)
    second_key = roles.get(SECOND_KEY) if payer == "valid" else None
    if has_refunds and second_key and after[SECOND_KEY] != after[payer]:
        after[SECOND_KEY] = balances.credits_or_none(second_key)  # it was read before a refund


def _record_bystander(
    group: Group,
    others: Group,
    before: Mapping[str, int | None],
    after: Mapping[str, int | None],
) -> None:
    """Record another user's balance, without what the generations of this user have cost."""
    role = "other" if group[0].payer == "valid" else "valid"
    balance_before, balance_after = before.get(role), after.get(role)
    if others and balance_before is not None and balance_after is not None:
        cost = _reported_cost(others)
        is_plausible = balance_before - balance_after == cost
        balance_after = balance_after + cost if is_plausible else None
    for generation in group:
        generation.other_balance_before, generation.other_balance_after = (
            balance_before,
            balance_after,
        )


def _reported_cost(group: Group) -> int:
    return sum(generation.reported_cost or 0 for generation in group)


def _read_again(balances: Balances, groups: Sequence[Group]) -> None:
    """Read finished tasks again, two at the same moment, and then the balances."""
    finished = [one for group in groups for one in group if one.finished]
    reread = partial(polling.fetch_simultaneously, balances.client, count=2)
    polls = parallel([partial(reread, generation) for generation in finished])
    for generation, reads in zip(finished, polls, strict=True):
        generation.polls += reads
    payers = {one.payer: one.payer for one in finished}
    credits = balances.read_roles(payers, balances.credits_or_none)
    for group in groups:
        for generation in group:
            generation.balance_on_reread = credits.get(generation.payer)
