"""The generations of a test's hub, and their images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from threading import Event

from mockhub.domain.generations import Generation
from mockhub.domain.hub import HubBackend
from mockhub.exceptions import MockhubError


def settled_generations(backend: HubBackend, excluded: Collection[str]) -> tuple[Generation, ...]:
    backend.settle()
    return tuple(one for id, one in backend.generations.items() if id not in excluded)


def wait_for_count(
    backend: HubBackend,
    run_on_server: Callable[[Callable[[], None]], None],
    accepted: Callable[[], int],
    count: int,
    timeout: float,
) -> int:
    """Block until *count* generations are accepted, or until none was for *timeout* seconds.

    Returns:
        How many are accepted.
    """
    changed = Event()
    run_on_server(lambda: backend.listeners.append(changed.set))
    try:
        while (before := accepted()) < count:
            changed.clear()
            if accepted() == before and not changed.wait(timeout):
                break
        return before
    finally:
        run_on_server(lambda: backend.listeners.remove(changed.set))


def render_images(
    generations: Iterable[Generation], id: str | None, image_format: str
) -> list[bytes]:
    """Return the images of one generation, or of all; raises MockhubError for an unknown id."""
    from mockhub.images.image_spec import image_spec
    from mockhub.images.renderer import render

    selected = [one for one in generations if id in (None, one.id)]
    if id is not None and not selected:
        raise MockhubError(f"unknown generation {id!r}")
    return [
        render(image_spec(one, index, format=image_format))
        for one in selected
        for index in range(one.delivered)
    ]
