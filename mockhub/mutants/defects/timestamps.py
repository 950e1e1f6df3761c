"""Defects of times: how they are written, and which they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mockhub._timestamps import SECOND, format_timestamp, parse_timestamp
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Level, mutant
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext


def mutate_timestamps(
    name: str, description: str, rewrite: Callable[[str], object], level: Level | None = None
) -> None:
    """Register a mutant that writes every created_at otherwise."""

    def apply(server: PatchedServer) -> None:
        @server.mutate_generation
        def rewrite_all(content: Any, context: RequestContext) -> None:
            for one in (content, *(content.get("images") or ())):
                if "created_at" in one:
                    one["created_at"] = rewrite(one["created_at"])

    mutant("GEN-8", level=level, name=name, description=description)(apply)


def _shifted(text: str, *, hours: int) -> str:
    moment = parse_timestamp(text) + hours * 60 * 60 * SECOND
    return format_timestamp(moment)


mutate_timestamps("timestamps-without-zone", "Times have no zone.", lambda text: text[:-1])
mutate_timestamps(
    "timestamps-with-space",
    "Times have a blank between date and hour, and no zone.",
    lambda text: text[:-5].replace("T", " "),
)
mutate_timestamps("timestamps-are-dates", "Times are dates.", lambda text: text[:10])
mutate_timestamps(
    "timestamps-with-offset",
    "Times are those of a zone east of Greenwich, with its offset.",
    lambda text: text[:-1] + "+05:30",
)
mutate_timestamps(
    "timestamps-in-seconds", "Times count seconds since 1970.", lambda text: 1777536000
)
mutate_timestamps(
    "timestamps-in-milliseconds",
    "Times are numbers of milliseconds, as text.",
    lambda text: "1777536000000",
)
mutate_timestamps(
    "timestamps-as-http-dates",
    "Times are written as in mail.",
    lambda text: "Thu, 30 Apr 2026 08:00:00 GMT",
)
mutate_timestamps("timestamps-null", "Times are null.", lambda text: None)
for _name, _zone, _hours in (("ahead", "east", 5), ("behind", "west", -8)):
    mutate_timestamps(
        f"timestamps-{_name}",
        f"Times are those of a zone {_zone} of Greenwich, called UTC.",
        partial(_shifted, hours=_hours),
        "inferred",
    )


@mutant("GEN-8", "An image's created_at has no zone; the generation's has.")
def image_timestamps_without_zone(server: PatchedServer) -> None:
    @server.mutate_generation
    def rewrite(content: Any, context: RequestContext) -> None:
        for image in content.get("images") or ():
            image["created_at"] = image["created_at"][:-1]


@mutant("GEN-8", "A queued task's created_at counts seconds since 1970.")
def task_timestamp_in_seconds(server: PatchedServer) -> None:
    server.mutate_json(OperationId.CREATE_GENERATION, status=202)(
        lambda content, context: content.update(created_at=1777536000)
    )


mutate_timestamps(
    "timestamps-with-shifted-hour",
    "Times have the hour of a zone east of Greenwich and the day of UTC.",
    lambda text: f"{text[:11]}{(int(text[11:13]) + 5) % 24:02}{text[13:]}",
    "inferred",
)
