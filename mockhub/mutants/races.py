"""Defects that show when requests meet: between a check and a charge somebody else comes by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from mockhub.mutants.house import GET, POST, House, Proceed, around
from mockhub.mutants.registry import mutant
from mockhub.mutants.replies import too_many
from mockhub.web import wire
from mockhub.web.visit import Visit
from mockhub.world.accounts import Account
from mockhub.world.generations import Generation, Request

_WORK = 0.05  # seconds that the provider takes, between a read and a write


Make = Callable[[], Generation]


def read_first(house: House, write: Callable[[Account, int, Request, Make], Generation]) -> None:
    """Read the balance, work, and then let *write* make the generation, knowing what was read."""
    read: dict[int, int] = {}

    @around(house.pipeline, "_request")
    async def request(original: Any, visit: Visit) -> Any:
        asked = await original(visit)
        assert visit.account
        read[id(asked)] = visit.account.balance
        await asyncio.sleep(_WORK)
        return asked

    @around(house.hub, "create_generation")
    def create(original: Any, account: Account, request: Request, *rest: Any) -> Generation:
        return write(
            account, read.pop(id(request)), request, lambda: original(account, request, *rest)
        )


def cost(made: Generation) -> int:
    return made.credits if made.ended else made.credits_requested


@mutant("LED-6")
def lost_update(house: House) -> None:
    """The balance is read, the images are made, and what was read less the price is written."""

    @partial(read_first, house)
    def write(account: Account, seen: int, request: Request, make: Make) -> Generation:
        made = make()
        house.move(account, seen - cost(made) - account.balance)
        return made


@mutant("LED-6")
def lost_async_update(house: House) -> None:
    """Two asynchronous requests at once are charged as one: each writes what it had read."""

    @partial(read_first, house)
    def write(account: Account, seen: int, request: Request, make: Make) -> Generation:
        made = make()
        if request.run_async:
            house.move(account, seen - cost(made) - account.balance)
        return made


@mutant("LED-6")
def late_charge_goes_below_zero(house: House) -> None:
    """The balance is checked first and charged after the work: together requests overdraw it."""

    @partial(read_first, house)
    def write(account: Account, seen: int, request: Request, make: Make) -> Generation:
        lent = max(0, seen - account.balance)
        house.move(account, lent)
        try:
            return make()
        finally:
            house.move(account, -lent)


@mutant("LED-6")
def late_charge_stops_at_zero(house: House) -> None:
    """Requests at once all pass the check; charges that the balance cannot bear are lost."""

    @partial(read_first, house)
    def write(account: Account, seen: int, request: Request, make: Make) -> Generation:
        price = house.law.catalog.quote(request.model, request.size).unit * request.n
        if seen >= price:
            house.move(account, max(0, price - account.balance))
        return make()


@mutant("LED-6")
def charged_twice_at_once(house: House) -> None:
    """A request that meets another one is charged twice."""
    inside: list[Visit] = []

    @house.handle(POST)
    async def generate(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
        inside.append(visit)
        await asyncio.sleep(_WORK)
        crowded = len(inside) > 1
        inside.remove(visit)
        answer = await proceed(visit, account)
        if crowded and (made := house.hub.generations.get(visit.generation or "")):
            house.move(account, -cost(made))
        return answer


@mutant("LED-6")
def locked_database(house: House) -> None:
    """Of requests at once only the first is served; the others answer 500."""
    inside: list[Visit] = []

    @house.handle(POST)
    async def generate(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
        if inside:
            raise RuntimeError("database is locked")
        inside.append(visit)
        try:
            await asyncio.sleep(_WORK)
            return await proceed(visit, account)
        finally:
            inside.remove(visit)


@mutant("LIM-2")
def one_at_a_time(house: House) -> None:
    """A second request of the same key at the same time is refused with 429."""
    inside: set[str] = set()

    @house.handle(POST)
    async def generate(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
        if account.id in inside:
            return too_many()
        inside.add(account.id)
        try:
            await asyncio.sleep(_WORK)
            return await proceed(visit, account)
        finally:
            inside.discard(account.id)


@mutant("GEN-11")
def same_id_at_once(house: House) -> None:
    """Requests of one moment get one id: it is made of the time in tenths of a second."""
    made: dict[int, str] = {}

    @around(house.hub.ids, "generation")
    def generation(original: Any) -> str:
        return made.setdefault(house.hub.clock.now() // 100, original())


@mutant("LED-6")
def answers_swapped(house: House) -> None:
    """Of requests at once each is answered with the generation of the last."""
    last: list[wire.Answer] = []

    @house.handle(POST)
    async def generate(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
        answer = await proceed(visit, account)
        last[:] = [answer]
        await asyncio.sleep(_WORK)
        return last[0]


@mutant("LED-1", level="inferred")
def same_request_same_answer(house: House) -> None:
    """A request like one a moment ago gets the answer of that one, and is not charged."""
    kept: dict[Any, tuple[int, Generation]] = {}

    @around(house.hub, "create_generation")
    def create(original: Any, account: Account, request: Any, *rest: Any) -> Any:
        now = house.hub.clock.now()
        at, made = kept.get((account.id, request), (0, None))
        if made is None or now - at > 10_000:  # noqa: PLR2004
            made = original(account, request, *rest)
            kept[account.id, request] = (now, made)
        return made


@mutant("LED-6")
def charged_twice_for_the_same(house: House) -> None:
    """A prompt that the account has sent before is charged twice."""
    sent: set[tuple[str, str]] = set()

    @house.handle(POST)
    async def generate(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
        answer = await proceed(visit, account)
        assert visit.request
        if (account.id, visit.request.prompt) in sent:
            house.move(account, visit.credits)
        sent.add((account.id, visit.request.prompt))
        return answer


@mutant("LED-2")
def refund_lost_at_once(house: House) -> None:
    """A refund writes the balance as it was before the request, and undoes charges meanwhile."""

    @house.handle(POST)
    async def generate(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
        seen = account.balance
        await asyncio.sleep(_WORK)
        try:
            return await proceed(visit, account)
        except Exception:
            if account.balance < seen:
                house.move(account, seen - account.balance)
            raise


@mutant("RET-1")
def read_too_soon(house: House) -> None:
    """A generation can be read only some time after its answer; until then it is not found."""

    @house.handle(GET)
    async def read(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
        made = house.hub.generations.get(visit.argument or "")
        if made and house.hub.clock.now() - made.created_at < 1500:  # noqa: PLR2004
            raise house.error("notFound")
        return await proceed(visit, account)
