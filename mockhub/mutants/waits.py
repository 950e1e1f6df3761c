"""Defects of a synchronous generation, which is waited for."""

from __future__ import annotations

from mockhub.mutants.house import POST, House, Proceed
from mockhub.mutants.registry import mutant
from mockhub.web import wire
from mockhub.web.steps import in_time
from mockhub.web.visit import Visit
from mockhub.world.accounts import Account


@mutant("GEN-1")
def sync_answers_202(house: House) -> None:
    """A synchronous request is answered 202, queued."""
    house.on_asked(lambda asked: asked.values.update({"async": True}))


@mutant("GEN-1")
def sync_answers_201(house: House) -> None:
    """A synchronous request is answered 201 Created."""
    house.on_answer(POST, status=200)(lambda answer, visit: answer._replace(status=201))


@mutant("GEN-1")
def sync_does_not_wait(house: House) -> None:
    """A synchronous request is answered 200 at once, processing, with no images."""
    house.on_content(POST, status=200)(
        lambda content, visit: content.update(status="processing", images=[])
    )


@mutant("GEN-1")
def sync_completed(house: House) -> None:
    """A finished generation's status is `completed`."""
    house.on_content(POST, status=200)(lambda content, visit: content.update(status="completed"))


@mutant("GEN-1")
def sync_shouted(house: House) -> None:
    """Statuses are written in capitals."""
    house.on_generation(
        lambda content, visit: content.update(status=str(content.get("status")).upper())
    )


@mutant("LIM-1")
def sync_cut_off(house: House) -> None:
    """A gateway gives up after some seconds, although a generation may take longer."""

    @house.handle(POST)
    async def generate(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
        try:
            return await in_time(proceed(visit, account), 4)
        except TimeoutError:
            content = {"error": {"message": "upstream timed out", "code": "gatewayTimeout"}}
            return wire.answer(504, content)


@mutant("LIM-1")
def slow_becomes_async(house: House) -> None:
    """A synchronous generation that takes some seconds is answered 202, to be polled."""

    @house.handle(POST)
    async def generate(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
        try:
            return await in_time(proceed(visit, account), 4)
        except TimeoutError:
            links, now = house.pipeline.links(house.hub.name), house.hub.clock.now()
            made = house.hub.generations[visit.generation or ""]
            return wire.answer(202, wire.log(made, house.hub, links, now=now))
