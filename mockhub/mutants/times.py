"""Defects of times: how they are written, and which they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mockhub.mutants.house import POST, House
from mockhub.mutants.registry import Level, mutant
from mockhub.web.visit import Visit
from mockhub.world.clock import SECOND, from_text, to_text


def timed(name: str, says: str, write: Callable[[str], object], level: Level | None = None) -> None:
    """Register a mutant that writes every created_at otherwise."""

    def put(house: House) -> None:
        @house.on_generation
        def rewrite(content: Any, visit: Visit) -> None:
            for one in (content, *(content.get("images") or ())):
                if "created_at" in one:
                    one["created_at"] = write(one["created_at"])

    mutant("GEN-8", level=level, name=name, says=says)(put)


def _shifted(text: str, *, hours: int) -> str:
    moment = from_text(text) + hours * 60 * 60 * SECOND
    return to_text(moment)


timed("times-without-zone", "Times have no zone.", lambda text: text[:-1])
timed(
    "times-with-a-blank",
    "Times have a blank between date and hour, and no zone.",
    lambda text: text[:-5].replace("T", " "),
)
timed("times-are-dates", "Times are dates.", lambda text: text[:10])
timed(
    "times-of-the-east",
    "Times are those of a zone east of Greenwich, with its offset.",
    lambda text: text[:-1] + "+05:30",
)
timed("times-in-seconds", "Times count seconds since 1970.", lambda text: 1777536000)
timed(
    "times-in-milliseconds",
    "Times are numbers of milliseconds, as text.",
    lambda text: "1777536000000",
)
timed(
    "times-in-words", "Times are written as in mail.", lambda text: "Thu, 30 Apr 2026 08:00:00 GMT"
)
timed("times-null", "Times are null.", lambda text: None)
for _name, _zone, _hours in (("ahead", "east", 5), ("behind", "west", -8)):
    timed(
        f"times-{_name}",
        f"Times are those of a zone {_zone} of Greenwich, called UTC.",
        partial(_shifted, hours=_hours),
        "inferred",
    )


@mutant("GEN-8")
def image_times_without_zone(house: House) -> None:
    """An image's created_at has no zone; the generation's has."""

    @house.on_generation
    def rewrite(content: Any, visit: Visit) -> None:
        for image in content.get("images") or ():
            image["created_at"] = image["created_at"][:-1]


@mutant("GEN-8")
def task_time_in_seconds(house: House) -> None:
    """A queued task's created_at counts seconds since 1970."""
    house.on_content(POST, status=202)(lambda content, visit: content.update(created_at=1777536000))


timed(
    "times-with-the-day-of-utc",
    "Times have the hour of a zone east of Greenwich and the day of UTC.",
    lambda text: f"{text[:11]}{(int(text[11:13]) + 5) % 24:02}{text[13:]}",
    "inferred",
)
