"""Asynchronous generation: the answer at once, the polls, and the end."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from .. import oracle
from ..checks import check
from ..exchange import Exchange
from ..made import Made, is_final
from ..polls import ours
from ..reading import answered, equal, error_code, expect, field, timestamp
from ..stage import Stage
from ..verdicts import Broken, Inconclusive, NotAsked
from .generate import common_fields, image_fields
from .request import _taken

TASKS = ("page_async", "several_async")
FAILING = ("failure_async", "partial_async")
_RANK = {"queued": 0, "processing": 1, "succeeded": 2, "failed": 2}


def accepted(stage: Stage, *names: str) -> list[tuple[Made, dict[str, Any]]]:
    """The tasks of *names* with their 202 answers."""
    found = []
    for name in names:
        _taken(stage, name)
        made = stage.made(name)
        found.append((made, expect(made.exchange, 202)))
    return found


@check("ASY-1", uses=TASKS)
def tasks_are_queued_at_once(stage: Stage) -> None:
    """async true answers 202 with an id, status queued and no images."""
    for made, body in accepted(stage, *TASKS):
        field(body, "id", str, made.exchange, empty=False)
        equal("queued", field(body, "status", str, made.exchange), "status", made.exchange)
        equal([], field(body, "images", list, made.exchange), "images", made.exchange)


@check("ASY-1", needs=("provider_failure",), uses=("failure_async",))
def tasks_that_will_fail_are_queued_too(stage: Stage) -> None:
    """A task whose provider is going to fail is accepted like any other."""
    accepted(stage, "failure_async")


@check("ASY-2", uses=TASKS)
def tasks_name_their_poll_url(stage: Stage) -> None:
    """poll_url is absolute and is GET /api/v1/generations/{that id}."""
    for made, body in accepted(stage, *TASKS):
        url = field(body, "poll_url", str, made.exchange)
        split = urlsplit(url)
        wanted = f"https://.../api/v1/generations/{made.id}"
        if split.scheme not in ("http", "https") or not split.netloc:
            raise Broken(f"poll_url is {url!r}, not absolute", made.exchange, expected=wanted)
        if not unquote(split.path).endswith(f"/api/v1/generations/{made.id}"):
            raise Broken(f"poll_url is {url!r}", made.exchange, expected=wanted)
        if not ours(stage.target, url):
            if stage.target.loopback:
                raise Broken(f"poll_url leads elsewhere: {url!r}", made.exchange, expected=wanted)
            continue
        exchange = stage.target.get(url)
        if exchange.lost == "unreachable":
            raise Broken("nothing answers at poll_url", exchange, made.exchange, expected=wanted)
        if exchange.status != 200 and not (exchange.status == 500 and not made.ended):
            raise Broken(
                f"poll_url answers {exchange.status}", exchange, made.exchange, expected="200"
            )


@check("ASY-3", "GEN-2", uses=TASKS)
def tasks_answer_with_each_field(stage: Stage) -> None:
    """The 202 body has the ten documented fields."""
    for made, body in accepted(stage, *TASKS):
        common_fields(body, made.exchange)
        timestamp(field(body, "created_at", str, made.exchange), "created_at", made.exchange)
        field(body, "poll_url", str, made.exchange, empty=False)


@check("ASY-4", uses=TASKS)
def tasks_tell_what_was_requested(stage: Stage) -> None:
    """usage is {credits: 0, credits_requested: n times the tier} while queued."""
    for made, body in accepted(stage, *TASKS):
        tier = field(body, "quality", str, made.exchange)
        unit = oracle.prices().get("1K" if made.size == "1024x1024" else tier, 0)
        queued = [poll for poll in made.polls if _status(poll) == "queued"]
        for exchange in (made.exchange, *queued):
            told = expect(exchange, exchange.status)
            equal(0, field(told, "usage.credits", int, exchange), "usage.credits", exchange)
            requested = field(told, "usage.credits_requested", int, exchange)
            equal(made.n * unit, requested, "usage.credits_requested", exchange)
            equal([], field(told, "images", list, exchange), "images while queued", exchange)


def _status(exchange: Exchange) -> Any:
    try:
        body = exchange.parsed()
    except ValueError:
        return None
    return body.get("status") if isinstance(body, dict) and exchange.status == 200 else None


@check("ASY-5", "END-4", uses=TASKS)
def tasks_end_with_their_images(stage: Stage) -> None:
    """Polling reaches succeeded with the images, which then have the documented fields."""
    for made, _ in accepted(stage, *TASKS):
        _ends(stage, made)
        body, exchange = made.final, made.witness
        equal("succeeded", body.get("status"), "status", exchange)
        common_fields(body, exchange)
        equal(made.id, body.get("id"), "id", exchange)
        images = field(body, "images", list, exchange)
        equal(made.n, len(images), "the number of images", exchange)
        image_fields(images, exchange)


def _ends(stage: Stage, made: Made) -> None:
    if made.ended:
        return
    for poll in made.polls[-1:]:
        if answered(poll).status != 200:
            raise Broken(f"a poll is answered {poll.status}", poll, expected="HTTP 200")
        expect(poll, 200)
    raise Broken(
        f"the task has not ended after {stage.profile.poll_timeout:g} s (limits.poll_timeout)",
        *made.polls[-1:],
        expected="status succeeded or failed",
    )


@check("ASY-5", needs=("provider_failure",), uses=("failure_async",))
def tasks_that_fail_end_so(stage: Stage) -> None:
    """A task whose provider fails ends as failed, with no images."""
    for made, _ in accepted(stage, "failure_async"):
        for poll in made.polls:
            if poll.status == 500 and error_code(poll) == "generationFailed" and stage.documented:
                return  # the page does not say how a failed task reads
        _ends(stage, made)
        equal("failed", made.final.get("status"), "status", made.witness)
        if made.final.get("images"):
            raise Broken("a failed task has images", made.witness, expected="images: []")


@check("ASY-5", uses=TASKS)
def tasks_that_ended_stay_so(stage: Stage) -> None:
    """A final state is final: later reads tell the same status."""
    for made, _ in accepted(stage, *TASKS):
        _ends(stage, made)
        ended = made.polls.index(made.witness)
        for poll in (*made.polls[ended:], stage.read(made)):
            if answered(poll).status != 200 or not is_final(poll):
                raise Broken(
                    "a task that had ended has not", made.witness, poll, expected="the same status"
                )
            equal(made.final.get("status"), _status(poll), "status", made.witness, poll)


@check("ASY-5", uses=("form_task",))
def tasks_of_forms_end_too(stage: Stage) -> None:
    """A form that is taken as a task ends like any other; whether forms can be tasks is open."""
    made = stage.made("form_task")
    if answered(made.exchange).status == 202:
        _ends(stage, made)
        images = field(made.final, "images", list, made.witness)
        equal(made.n, len(images), "the number of images", made.witness)


@check("ASY-5", needs=("provider_failure",), uses=("failure_async",))
def tasks_that_failed_stay_so(stage: Stage) -> None:
    """A task that has failed does not succeed later."""
    for made, _ in accepted(stage, "failure_async"):
        for poll in (*made.polls, stage.read(made)):
            if made.ended and _status(poll) == "succeeded":
                raise Broken("a task that had failed has succeeded", made.witness, poll)


# What the page leaves open.


@check("ASY-6", uses=TASKS)
def tasks_only_move_forward(stage: Stage) -> None:
    """queued, processing, then succeeded or failed; never back."""
    for made, _ in accepted(stage, *TASKS):
        before = "queued"
        for poll in made.polls:
            status = _status(answered(poll))
            if status not in _RANK or _RANK[status] < _RANK[before]:
                raise Broken(f"status {status!r} after {before!r}", poll, expected="forward only")
            if _RANK[before] == 2:
                equal(before, status, "the final status", poll)
            before = status


@check("ASY-7", needs=("provider_failure",), uses=("failure_async",))
def tasks_that_failed_tell_why(stage: Stage) -> None:
    """A failed task reads 200 with status failed, no images, usage.credits 0 and the error."""
    for made, _ in accepted(stage, "failure_async"):
        _ends(stage, made)
        body, exchange = made.final, made.witness
        equal("failed", body.get("status"), "status", exchange)
        equal([], field(body, "images", list, exchange), "images", exchange)
        equal(0, field(body, "usage.credits", int, exchange), "usage.credits", exchange)
        equal("generationFailed", error_code(exchange), "error.code", exchange)


@check("ASY-8", needs=("broke",), cost=oracle.unit())
def tasks_that_cannot_be_paid_are_refused(stage: Stage) -> None:
    """An asynchronous request that the balance cannot pay is 402 at submission."""
    from .funds import refused_for_money, short_of_credits

    short_of_credits(stage, "broke")
    refused_for_money(stage, stage.body(**{"async": True}), "broke")


@check("ASY-2", level="inferred", uses=("page_async",))
def tasks_are_polled_as_they_were_made(stage: Stage) -> None:
    """A poll_url at the implementation's own host and port has its scheme."""
    base = urlsplit(stage.profile.base_url)
    for made, body in accepted(stage, "page_async"):
        url = urlsplit(field(body, "poll_url", str, made.exchange))
        if url.netloc == base.netloc:
            equal(base.scheme, url.scheme, "the scheme of poll_url", made.exchange)


@check("ASY-8", needs=("low",), cost=4 * oracle.unit())
def tasks_are_paid_whole(stage: Stage) -> None:
    """A task is refused if the balance pays for some of its images only."""
    from .funds import refused_for_money

    credits = stage.credits("low")
    if not oracle.unit() <= credits < 4 * oracle.unit():
        raise NotAsked(f"keys.low has {credits} credits; expected some, but not for 4 images")
    refused_for_money(stage, stage.body(n=4, **{"async": True}), "low")


@check("ASY-6", uses=("page_async",))
def tasks_were_seen_to_move(stage: Stage) -> None:
    """The poll finds the documented words only."""
    for made, _ in accepted(stage, "page_async"):
        if not made.polls:
            raise Inconclusive("the task was not polled", made.exchange)
        for poll in made.polls:
            for error in oracle.open_answer("get_generation", 200).iter_errors(expect(poll, 200)):
                raise Broken(f"the poll is not as the law says: {error.message[:200]}", poll)
