"""Conforming servers that read ids, time and money otherwise."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from mockhub.mutants.house import CREDITS, POST, House, around
from mockhub.mutants.polling import at_read, spelt
from mockhub.mutants.registry import variant
from mockhub.web.visit import Visit
from mockhub.world.accounts import Account
from mockhub.world.clock import SECOND
from mockhub.world.faults import outcome
from mockhub.world.generations import Generation
from mockhub.world.provider import Provider

_MONTH = 30 * 24 * 3600 * SECOND


# -- ids -----------------------------------------------------------------------------------------


def identified(house: House, spell: Callable[[str], str]) -> None:
    """Make ids otherwise, out of ours."""
    ids = house.hub.ids
    around(ids, "generation")(lambda original: spell(original()))
    around(ids, "image")(lambda original, made, index: spell(original(made, index)))


@variant()
def uuids(house: House) -> None:
    """Ids are UUIDs."""
    identified(house, lambda id: str(uuid.uuid5(uuid.NAMESPACE_URL, id)))


@variant()
def numbers_as_ids(house: House) -> None:
    """Ids are digits."""
    identified(house, lambda id: str(int(id[-12:], 16)))


@variant()
def long_ids(house: House) -> None:
    """Ids are long, with capitals, dots, dashes and underscores."""
    identified(house, lambda id: f"gen_01HV-{id.upper()}.{id[3:]}~v2")


# -- time ----------------------------------------------------------------------------------------


@variant()
def no_processing(house: House) -> None:
    """A task stays queued until it ends."""
    at_read(house, spelt("processing", "queued"))


@variant()
def many_polls(house: House) -> None:
    """A task is processing for several polls."""
    house.hub.provider = Provider([outcome("polls=6")])


@variant()
def done_at_the_first_poll(house: House) -> None:
    """A task has ended when it is first polled."""
    house.hub.provider = Provider()


@variant()
def slow_jobs(house: House) -> None:
    """A generation takes most of a second, whether it is waited for or polled."""
    house.hub.provider = Provider([outcome("take=700ms")])


# -- money ---------------------------------------------------------------------------------------


def charged_later(house: House, waiting: Callable[[Generation], bool]) -> None:
    """Tell what is reserved for some running generations as still there."""

    def pending(account: str) -> int:
        running = (made for made in house.hub.generations.values() if not made.ended)
        return sum(
            made.credits_requested for made in running if made.account == account and waiting(made)
        )

    @house.on_content(CREDITS, POST, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        if visit.account:
            content.get("balance", content)["credits"] += pending(visit.account.id)


@variant("documented")
def charged_at_the_start(house: House) -> None:
    """A task is charged when its generation starts, not when it is submitted."""
    charged_later(house, lambda made: not made.polls)


@variant("documented")
def charged_at_the_end(house: House) -> None:
    """A task is queued until the moment at which it is charged, made and done."""
    charged_later(house, lambda made: True)
    no_processing(house)


@variant("documented")
def fractions_of_credits(house: House) -> None:
    """A balance may have fractions: half a credit is left over from elsewhere."""

    @house.on_content(CREDITS, POST, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        balance = content.get("balance", content)
        balance["credits"] += 0.5


@variant()
def expiring_credits(house: House) -> None:
    """Everybody has credits that expire in a month."""
    now = house.hub.clock.now()
    for account in house.hub.accounts.values():
        if credits := account.balance // 2:
            house.move(account, -credits)
            house.hub.grant(account, credits, expires_at=now + _MONTH)


@variant()
def other_account_types(house: House) -> None:
    """Account types are small and long: `enterprise_annual`."""
    for account in house.hub.accounts.values():
        account.account_type = "enterprise_annual"


@variant("documented")
def balance_before_body(house: House) -> None:
    """Who cannot pay for any image is answered 402, whatever the body says."""

    @house.handle(POST)
    async def generate(proceed: Any, visit: Visit, account: Account) -> Any:
        if account.balance < min(house.law.catalog.models["gpt-image-2"].prices.values()):
            raise house.error("insufficientCredits")
        return await proceed(visit, account)
