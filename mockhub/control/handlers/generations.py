"""Control-plane handlers for generations."""

from __future__ import annotations

from itertools import islice

from mockhub._text import suggest
from mockhub.control import serializers
from mockhub.control.context import ControlRequest, conflict, not_found
from mockhub.domain.generations import Generation


def list_generations(request: ControlRequest) -> object:
    hub, account, status = (
        request.hub,
        request.query_params.get("account"),
        request.query_params.get("status"),
    )
    now = hub.clock.now()
    generations = (
        generation
        for generation in reversed(hub.generations.values())
        if account in (None, generation.account) and status in (None, generation.status_at(now))
    )
    chosen = islice(generations, request.query_params["limit"])
    return {"generations": [serializers.generation(one, hub) for one in chosen]}


def get_generation(request: ControlRequest) -> object:
    """Show a generation; this does not count as a poll."""
    return serializers.generation(_find_generation(request), request.hub)


def complete_generation(request: ControlRequest) -> object:
    generation = _find_generation(request)
    if generation.ended:
        raise conflict(
            f"{generation.id} has already {generation.status}; only a running one can be completed"
        )
    completed = request.hub.complete(generation.id, failed=request.body["outcome"] == "failed")
    return serializers.generation(completed, request.hub)


def _find_generation(request: ControlRequest) -> Generation:
    generations, id = request.hub.generations, request.path_params["generation"]
    if generation := generations.get(id):
        return generation
    hint = suggest(id, islice(reversed(generations), 100))
    raise not_found(f"there is no generation {id!r} in {request.hub.name!r}{hint}")
