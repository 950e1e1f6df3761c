"""Delete old generations from a database."""

from __future__ import annotations

from collections.abc import Iterable

from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import HubRegistry
from mockhub.exceptions import MockhubError, ServiceUnavailable
from mockhub.spec.api_spec import ApiSpec
from mockhub.storage.database import Database
from mockhub.storage.session import Demand, Session


def prune_hubs(
    url: str, spec: ApiSpec, *, hub: str | None, keep: int | None, age: int | None
) -> list[tuple[str, int, int]]:
    """Delete generations that have ended, in one transaction; servers may run meanwhile.

    Args:
        url: The database; see `Database`.
        spec: The API spec.
        hub: The name of a hub; None means all.
        keep: How many of them to keep at most.
        age: How many milliseconds ago, by the hub's clock, those to keep have ended at most.

    Returns:
        The name of each hub, and how many generations were deleted and kept.

    Raises:
        MockhubError: if the database cannot be used, or has no such hub.
    """
    session = Session(Database(url, creates_file=False), spec)

    def find_hubs(registry: HubRegistry) -> Iterable[HubBackend]:
        return registry if hub is None else (registry.get(hub),)

    try:
        session.start(_no_hubs)
        session.open([Demand(find_hubs)])
        results = [_prune(one, keep, age) for one in find_hubs(session.registry)]
        session.commit()
    except ServiceUnavailable as error:
        raise MockhubError(error.message) from error
    finally:
        session.database.close()
    return results


def _no_hubs() -> HubBackend:
    raise MockhubError("the database has no hubs; `mockhub serve --database` creates the first")


def _prune(hub: HubBackend, keep: int | None, age: int | None) -> tuple[str, int, int]:
    before, count = len(hub.generations), len(hub.ended_ids)
    if age is not None:
        ended = (hub.generations[id].ended_at or 0 for id in hub.ended_ids)
        count = sum(ended_at >= hub.clock.now() - age for ended_at in ended)
    limit = hub.max_generations
    hub.set_max_generations(max(1, min(count, limit, keep or count)))
    hub.max_generations = limit
    return hub.name, before - len(hub.generations), len(hub.generations)
