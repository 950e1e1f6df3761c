"""Control-plane handlers for generations."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from mockhub._text import suggest
from mockhub.control import serializers
from mockhub.control.context import ControlRequest, conflict, not_found
from mockhub.domain.generations import Generation
from mockhub.web.responses import Response
from mockhub.web.serializers import IMAGES_PREFIX


def list_generations(request: ControlRequest) -> object:
    hub, query = request.hub, request.query_params
    account, status = query.get("account"), query.get("status")
    now, limit = hub.clock.now(), query["limit"]
    matching = (
        generation
        for generation in _newest_first(request)
        if account in (None, generation.account) and status in (None, generation.status_at(now))
    )
    chosen = list(islice(matching, limit + 1))
    return {
        "total": len(hub.generations),
        "more": len(chosen) > limit,
        "generations": [_serialize(request, one) for one in chosen[:limit]],
    }


def _newest_first(request: ControlRequest) -> Iterator[Generation]:
    """Yield the generations, only those older than `before` if it is given."""
    generations, before = request.hub.generations, request.query_params.get("before")
    newest_first = reversed(generations.values())
    if before is not None:
        _find_generation(request, before)
        next(one for one in newest_first if one.id == before)
    return newest_first


def _serialize(request: ControlRequest, generation: Generation) -> dict[str, object]:
    return serializers.generation(generation, request.hub, request.api.links(request.hub.name))


def get_generation(request: ControlRequest) -> object:
    """Show a generation; this does not count as a poll."""
    return _serialize(request, _find_generation(request, request.path_params["generation"]))


def complete_generation(request: ControlRequest) -> object:
    generation = _find_generation(request, request.path_params["generation"])
    if generation.ended:
        raise conflict(
            f"{generation.id} has already {generation.status}; only a running one can be completed"
        )
    completed = request.hub.complete(generation.id, failed=request.body["outcome"] == "failed")
    return _serialize(request, completed)


async def get_preview(request: ControlRequest) -> Response:
    """Return an image without recording an exchange, small enough for a gallery."""
    path = IMAGES_PREFIX + "{generation}/{digest}/{file}".format(**request.path_params)
    images = request.api.images
    return await images.preview(request.hub, path, request.query_params.get("width"))


def _find_generation(request: ControlRequest, id: str) -> Generation:
    generations = request.hub.generations
    if generation := generations.get(id):
        return generation
    hint = suggest(id, islice(reversed(generations), 100))
    raise not_found(f"there is no generation {id!r} in {request.hub.name!r}{hint}")
