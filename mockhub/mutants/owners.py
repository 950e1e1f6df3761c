"""Defects of ownership: who reads what, and what a stranger can tell."""

from __future__ import annotations

import re
from typing import Any

from mockhub.mutants.house import GET, POST, House, around
from mockhub.mutants.registry import mutant
from mockhub.web import wire
from mockhub.web.visit import Visit
from mockhub.world.accounts import Account
from mockhub.world.generations import Generation


def strange(house: House, visit: Visit) -> Generation | None:
    """The generation that is asked for, if it is another user's."""
    made = house.hub.generations.get(visit.argument or "")
    return made if made and visit.account and made.account != visit.account.id else None


def shown_to_strangers(house: House, wanted: Any) -> None:
    """Show generations to everybody where *wanted* says so."""

    @around(house.hub, "get_generation")
    def read(original: Any, account: Account, id: str) -> Any:
        made = house.hub.generations.get(id)
        if made and wanted(made):
            return original(house.hub.accounts[made.account], id)
        return original(account, id)


@mutant("RET-2")
def everybody_reads(house: House) -> None:
    """Whoever has a key reads everybody's generations."""
    shown_to_strangers(house, lambda made: True)


@mutant("RET-2")
def running_ones_shown(house: House) -> None:
    """While a generation runs, whoever has a key can poll it."""
    shown_to_strangers(house, lambda made: not made.ended)


@mutant("RET-2")
def finished_ones_shown(house: House) -> None:
    """Once a generation has ended, whoever has a key reads it."""
    shown_to_strangers(house, lambda made: made.ended)


@mutant("RET-2")
def async_ones_shown(house: House) -> None:
    """Asynchronous generations can be read by whoever has a key."""
    shown_to_strangers(house, lambda made: made.request.run_async)


@mutant("RET-2")
def sync_ones_shown(house: House) -> None:
    """Synchronous generations can be read by whoever has a key."""
    shown_to_strangers(house, lambda made: not made.request.run_async)


@mutant("RET-2")
def failed_ones_shown(house: House) -> None:
    """Generations that failed can be read by whoever has a key."""
    shown_to_strangers(house, lambda made: made.status == "failed")


def to_strangers(house: House, status: int, code: str) -> None:
    """Answer a stranger otherwise than who asks for nothing that there is."""

    @house.on_answer(GET, code="notFound")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        if not strange(house, visit):
            return answer
        return wire.answer(status, {"error": {"message": "Not yours", "code": code}})


@mutant("RET-2")
def strangers_forbidden(house: House) -> None:
    """Another user's generation answers 403, which tells that it exists."""
    to_strangers(house, 403, "forbidden")


@mutant("RET-2")
def strangers_unauthorized(house: House) -> None:
    """Another user's generation answers 401 invalidApiKey."""
    to_strangers(house, 401, "invalidApiKey")


@mutant("RET-2")
def strangers_coded(house: House) -> None:
    """Another user's generation answers 404 with a code of its own."""
    to_strangers(house, 404, "notYours")


@mutant("RET-2")
def strangers_see_an_outline(house: House) -> None:
    """Another user's generation is shown without its images."""

    @house.on_answer(GET, code="notFound")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        made = strange(house, visit)
        if made is None:
            return answer
        links = house.pipeline.links(house.hub.name)
        content = wire.log(made, house.hub, links, now=house.hub.clock.now())
        return wire.answer(200, {**content, "images": []})


@mutant("RET-2")
def strangers_pay(house: House) -> None:
    """Who asks for another user's generation is answered 404 and charged a credit."""

    @house.on_answer(GET, code="notFound")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        if strange(house, visit) and visit.account:
            house.move(visit.account, -1)
        return answer


@mutant("RET-2")
def strangers_finish_it(house: House) -> None:
    """Who asks for another user's running generation is answered 404 and makes it fail."""

    @house.on_answer(GET, code="notFound")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        made = strange(house, visit)
        if made and not made.ended:
            house.hub.finish(made.id, failed=True)
        return answer


@mutant("RET-2")
def last_reader_owns(house: House) -> None:
    """A generation that its owner has read is kept, and then shown to whoever asks for it."""
    kept: set[str] = set()

    @around(house.hub, "get_generation")
    def read(original: Any, account: Account, id: str) -> Any:
        if id in kept:
            account = house.hub.accounts[house.hub.generations[id].account]
        found = original(account, id)
        if found.ended:
            kept.add(id)
        return found


@mutant("RET-5")
def only_the_key_that_made_it(house: House) -> None:
    """A second key of the same user does not find what the first one made."""
    makers: dict[str, bytes | None] = {}

    @house.after(POST)
    def note(visit: Visit, account: Account) -> None:
        makers[visit.generation or ""] = visit.digest

    @house.on_answer(GET, status=200)
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        if makers.get(visit.argument or "", visit.digest) == visit.digest:
            return answer
        return wire.refusal(house.error("notFound"))


@mutant("RET-3")
def unknown_is_invalid(house: House) -> None:
    """An unknown generation answers 400."""
    house.refuse("notFound", GET, status=400, named="invalid_request")


@mutant("RET-3")
def unknown_is_empty(house: House) -> None:
    """An unknown generation answers 200 and null."""

    @house.on_answer(GET, code="notFound")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        return wire.answer(200, None)


@mutant("RET-3")
def unknown_crashes(house: House) -> None:
    """An unknown generation answers 500."""
    house.refuse("notFound", GET, status=500, named="internalError")


@mutant("RET-3")
def unknown_is_queued(house: House) -> None:
    """An unknown generation is taken for one that is still queued."""

    @house.on_answer(GET, code="notFound")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        example = house.law.operations[POST].examples[202]["queued"]
        return wire.answer(200, {**example, "id": visit.argument})


@mutant("RET-3")
def odd_ids_crash(house: House) -> None:
    """An id that does not look like one of ours answers 500."""

    @house.on_answer(GET, code="notFound")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        if (visit.argument or "").startswith("clx"):
            return answer
        return wire.answer(500, {"error": {"message": "bad id", "code": "internalError"}})


@mutant("RET-3")
def prefix_of_an_id_reads(house: House) -> None:
    """The beginning of an id finds the first generation of the user that begins so."""

    @around(house.hub, "get_generation")
    def read(original: Any, account: Account, id: str) -> Any:
        own = (made.id for made in house.hub.generations.values() if made.account == account.id)
        found = next((known for known in own if len(id) > 5 and known.startswith(id)), id)  # noqa: PLR2004
        return original(account, found)


@mutant("RET-3")
def wildcards_read(house: House) -> None:
    """An id may have the wildcards of a database: % finds one of the user's generations."""

    @around(house.hub, "get_generation")
    def read(original: Any, account: Account, id: str) -> Any:
        pattern = re.compile(re.escape(id).replace("%", ".*").replace("_", "."), re.IGNORECASE)
        own = (made.id for made in house.hub.generations.values() if made.account == account.id)
        return original(account, next(filter(pattern.fullmatch, own), id))


@mutant("RET-2", level="inferred")
def strangers_are_told(house: House) -> None:
    """The message of the 404 tells who asks for another user's generation that it is that."""

    @house.on_content(GET, code="notFound")
    def rewrite(content: Any, visit: Visit) -> None:
        if strange(house, visit):
            content["error"]["message"] = "This generation belongs to another account"
