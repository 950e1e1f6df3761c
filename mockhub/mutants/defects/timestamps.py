"""Mutants of timestamps (GEN-8): their format, and the time that they denote."""

from __future__ import annotations

from collections.abc import Callable

from mockhub._timestamps import SECOND, format_timestamp, parse_timestamp
from mockhub.mutants import responses
from mockhub.mutants.changes import constant, edit, only_if, update
from mockhub.mutants.matching import has_count, has_failed
from mockhub.mutants.registry import Row, mutant_table
from mockhub.mutants.types import Generation, Json

_UNIX_TIME = 1777536000


@responses.mutate_generation.adapted
def replace_timestamps(
    rewrite: Callable[[str], object], content: Json, generation: Generation
) -> None:
    for part in (content, *(content.get("images") or ())):
        if "created_at" in part:
            part["created_at"] = rewrite(part["created_at"])


def _shifted(text: str, hours: int) -> str:
    return format_timestamp(parse_timestamp(text) + hours * 60 * 60 * SECOND)


mutant_table("GEN-8", replace_timestamps)(
    timestamps_without_zone=Row("Timestamps have no time zone.", lambda text: text[:-1]),
    timestamps_with_space=Row(
        "Timestamps have a space for T, and no zone.", lambda text: text[:-5].replace("T", " ")
    ),
    timestamps_are_dates=Row("Timestamps are dates without a time.", lambda text: text[:10]),
    timestamps_with_offset=Row(
        "Timestamps are in a zone east of UTC, with its offset.", lambda text: text[:-1] + "+05:30"
    ),
    timestamps_in_seconds=Row("Timestamps are seconds since 1970.", constant(_UNIX_TIME)),
    timestamps_in_milliseconds=Row(
        "Timestamps are milliseconds since 1970, as a string.", constant(f"{_UNIX_TIME}000")
    ),
    timestamps_as_http_dates=Row(
        "Timestamps have the format of HTTP dates.", constant("Thu, 30 Apr 2026 08:00:00 GMT")
    ),
    timestamps_null=Row("Timestamps are null.", constant(None)),
    timestamps_ahead=Row(
        "Timestamps are the local time east of UTC, marked as UTC.",
        lambda text: _shifted(text, 5),
        level="inferred",
    ),
    timestamps_behind=Row(
        "Timestamps are the local time west of UTC, marked as UTC.",
        lambda text: _shifted(text, -8),
        level="inferred",
    ),
    timestamps_in_1970=Row(
        "Timestamps are in 1970.", constant("1970-01-01T00:00:00.000Z"), level="inferred"
    ),
    timestamps_of_the_documentation=Row(
        "Timestamps are those of the documentation.",
        constant("2026-04-30T08:00:00.000Z"),
        level="inferred",
    ),
    timestamps_in_another_century=Row(
        "Timestamps are a thousand years ahead.",
        lambda text: f"{int(text[:4]) + 1000}{text[4:]}",
        level="inferred",
    ),
    timestamps_with_shifted_hour=Row(
        "Timestamps have the hour of a zone east of UTC and the date of UTC.",
        lambda text: f"{text[:11]}{(int(text[11:13]) + 5) % 24:02}{text[13:]}",
        level="inferred",
    ),
)
mutant_table("GEN-8", responses.mutate_log)(
    timestamps_of_four_without_zone=Row(
        "The created_at of a generation of four images has no time zone.",
        only_if(has_count(4), edit("created_at", lambda text: text[:-1])),
    ),
    failed_tasks_in_1970=Row(
        "The created_at of a failed task is in 1970.",
        only_if(has_failed, update(created_at="1970-01-01T00:00:00.000Z")),
        level="inferred",
    ),
)
mutant_table("GEN-8", responses.mutate_images)(
    image_timestamps_without_zone=Row(
        "The created_at of images has no time zone.", edit("created_at", lambda text: text[:-1])
    )
)
mutant_table("GEN-8", responses.mutate_accepted)(
    task_timestamp_in_seconds=Row(
        "The created_at of a queued task is in seconds since 1970.", update(created_at=_UNIX_TIME)
    )
)
