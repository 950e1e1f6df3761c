"""Mutants of timestamps (GEN-8): their format, and the time that they denote."""

from __future__ import annotations

from collections.abc import Callable

from mockhub._timestamps import SECOND, format_timestamp, parse_timestamp
from mockhub.domain.generations import Generation
from mockhub.mutants.hooks import hook, mutate_accepted, mutate_images, update
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant_table
from mockhub.mutants.responses import Json

_UNIX_TIME = 1777536000


@hook
def replace_timestamps(server: PatchedServer, rewrite: Callable[[str], object]) -> None:
    """Rewrite created_at of every generation and image."""

    @server.mutate_generation()
    def rewrite_all(content: Json, generation: Generation) -> None:
        for one in (content, *(content.get("images") or ())):
            if "created_at" in one:
                one["created_at"] = rewrite(one["created_at"])


def _shifted(text: str, hours: int) -> str:
    return format_timestamp(parse_timestamp(text) + hours * 60 * 60 * SECOND)


mutant_table("GEN-8", replace_timestamps)(
    timestamps_without_zone=("Timestamps have no time zone.", lambda text: text[:-1]),
    timestamps_with_space=(
        "Timestamps have a space between date and time, and no time zone.",
        lambda text: text[:-5].replace("T", " "),
    ),
    timestamps_are_dates=("Timestamps are dates without a time.", lambda text: text[:10]),
    timestamps_with_offset=(
        "Timestamps are in a time zone east of UTC, with its offset.",
        lambda text: text[:-1] + "+05:30",
    ),
    timestamps_in_seconds=("Timestamps are seconds since 1970.", lambda text: _UNIX_TIME),
    timestamps_in_milliseconds=(
        "Timestamps are milliseconds since 1970, as a string.",
        lambda text: f"{_UNIX_TIME}000",
    ),
    timestamps_as_http_dates=(
        "Timestamps have the format of HTTP dates.",
        lambda text: "Thu, 30 Apr 2026 08:00:00 GMT",
    ),
    timestamps_null=("Timestamps are null.", lambda text: None),
)
mutant_table("GEN-8", replace_timestamps, level="inferred")(
    timestamps_ahead=(
        "Timestamps are the local time of a zone east of UTC, marked as UTC.",
        lambda text: _shifted(text, 5),
    ),
    timestamps_behind=(
        "Timestamps are the local time of a zone west of UTC, marked as UTC.",
        lambda text: _shifted(text, -8),
    ),
    timestamps_with_shifted_hour=(
        "Timestamps have the hour of a zone east of UTC and the date of UTC.",
        lambda text: f"{text[:11]}{(int(text[11:13]) + 5) % 24:02}{text[13:]}",
    ),
)
mutant_table("GEN-8", mutate_images)(
    image_timestamps_without_zone=(
        "The created_at of images has no time zone; that of generations has one.",
        lambda image, index: image.update(created_at=image["created_at"][:-1]),
    ),
)
mutant_table("GEN-8", mutate_accepted)(
    task_timestamp_in_seconds=(
        "The created_at of a queued task is in seconds since 1970.",
        update(created_at=_UNIX_TIME),
    ),
)
