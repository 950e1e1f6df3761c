"""Defects of what is judged before the key, and of keys where none is needed."""

from __future__ import annotations

from typing import Any

from mockhub.mutants.house import GET, MODELS, House, around
from mockhub.mutants.registry import mutant
from mockhub.web import wire
from mockhub.web.visit import Visit


@mutant("AUTH-10", tolerable=True)
def body_before_key(house: House) -> None:
    """A bad body is refused before the key is looked at."""
    house.body_first()


@mutant("AUTH-10", tolerable=True)
def content_type_before_key(house: House) -> None:
    """A body of another content type is refused before the key is looked at."""

    @around(house.pipeline, "_pass")
    async def passing(original: Any, visit: Visit) -> Any:
        media = visit.headers.get(b"content-type", b"")
        if visit.method == "POST" and not media.startswith((b"application/json", b"multipart/")):
            visit.hub = house.hub
            raise house.error("invalid_request")
        return await original(visit)


@mutant("AUTH-3", level="inferred")
def unknown_id_before_key(house: House) -> None:
    """An unknown generation is not found, with or without a key."""

    @house.on_answer(GET, code="missingApiKey")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        if visit.argument in house.hub.generations:
            return answer
        return wire.refusal(house.error("notFound"))


@mutant("AUTH-11", tolerable=True)
def models_judge_keys(house: House) -> None:
    """The model list needs no key, and refuses one that is unknown, revoked or expired."""

    @around(house.pipeline, "_pass")
    async def passing(original: Any, visit: Visit) -> Any:
        answer = await original(visit)
        if visit.operation and visit.operation.id == MODELS and visit.authorization is not None:
            house.hub.authenticate(visit.digest, given=True)
        return answer


@mutant("AUTH-11", tolerable=True)
def models_crash_on_schemes(house: House) -> None:
    """The model list refuses an Authorization header of another scheme with 400."""

    @house.on_answer(MODELS, status=200)
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        if visit.authorization is None or visit.digest:
            return answer
        return wire.refusal(house.error("invalid_request"))
