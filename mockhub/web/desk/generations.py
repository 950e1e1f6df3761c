"""Generations: what was asked for, and how it went."""

from __future__ import annotations

from itertools import islice

from mockhub.spec.document import nearest
from mockhub.web.desk import views
from mockhub.web.desk.call import Call, conflict, missing
from mockhub.world.generations import Generation


def list_generations(call: Call) -> object:
    """The last ones, newest first."""
    hub, account, status = call.hub, call.query.get("account"), call.query.get("status")
    now = hub.clock.now()
    found = (
        one
        for one in reversed(hub.generations.values())
        if account in (None, one.account) and status in (None, one.status_at(now))
    )
    chosen = islice(found, call.query["limit"])
    return {"generations": [views.generation(one, hub) for one in chosen]}


def show_generation(call: Call) -> object:
    """One of them; no poll."""
    return views.generation(_generation(call), call.hub)


def finish_generation(call: Call) -> object:
    """End it by hand."""
    generation = _generation(call)
    if generation.ended:
        raise conflict(f"{generation.id} has {generation.status} already; what is final stays so")
    ended = call.hub.finish(generation.id, failed=call.body["outcome"] == "failed")
    return views.generation(ended, call.hub)


def _generation(call: Call) -> Generation:
    generations, id = call.hub.generations, call.arguments["generation"]
    if generation := generations.get(id):
        return generation
    hint = nearest(id, islice(reversed(generations), 100))
    raise missing(f"there is no generation {id!r} in {call.hub.name!r}{hint}")
