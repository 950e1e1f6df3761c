"""Generations are read only by keys of their owner (RET-2, RET-3, RET-5)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import quote

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_distinct_generations,
    assert_equal,
    assert_field,
    expect,
    expect_error,
    find_balance,
    require_object,
    require_response,
)
from mockhub.verify.check import check
from mockhub.verify.concurrent_requests import SimultaneousRequest
from mockhub.verify.context import CheckContext
from mockhub.verify.fixtures import FAILURE_FIXTURES, SAVED_FIXTURES, request_of_turn
from mockhub.verify.generation import SECOND_KEY, UNKNOWN_KEY, create_generation, encode_request
from mockhub.verify.generation_assertions import (
    generations_with_id,
    image_ids_and_urls,
    require_triggered,
)
from mockhub.verify.outcomes import Failed, Skipped

_MIN_PRICE = oracle.min_price()
_UNKNOWN_IDS = (
    "clx_mockhub_no_such_generation",
    "7",
    "no-such-generation",
    "00000000-0000-4000-8000-000000000000",
    "x" * 200,
)
_LARGE = ("3840x2160", "2048x2048")  # which take longest
_UNUSUAL_IDS = ("%FF%FE", "x" * 4000, "'\";--", "..%2F..%2Fcredits", "{id}", "éß🚢", "-1", "1e400")


@check("RET-2", "ERR-5", requires=("other",), fixtures=SAVED_FIXTURES, last=True, pays_nothing=True)
def retrieve_is_limited_to_owner(context: CheckContext) -> None:
    """Return 404 notFound for another user's generation, whether it has ended or not."""
    roles = context.profile.account_roles
    reads = []
    generations_with_id(context, SAVED_FIXTURES)
    accepted = [one for one in context.history if one.accepted and one.id]
    for at, generation in enumerate(accepted):  # whichever check made it
        strangers = [role for role in roles if role != generation.payer]
        if generation.name not in ("example", "example_form", "example_async"):
            strangers = [strangers[at % len(strangers)]]
        reads += [partial(context.client.get, generation.path, role) for role in strangers]
        for role, earlier in generation.other_reads.items():
            if role not in (SECOND_KEY, UNKNOWN_KEY):
                expect_error(earlier, 404, "notFound")
    for exchange in context.run_batch(reads):
        expect_error(exchange, 404, "notFound")
    exchange = context.fetch(generations_with_id(context, ("example", "example_async"))[0])
    if require_response(exchange).status != 200:
        raise Failed("the owner cannot read it any more", exchange, expected="HTTP 200")


@check(
    "RET-2",
    requires=("other", "provider_failure"),
    fixtures=("failure_async", *FAILURE_FIXTURES),
    pays_nothing=True,
)
def retrieve_of_failure_is_limited_to_owner(context: CheckContext) -> None:
    """Return 404 notFound for another user's failed task."""
    names = [generation.name for generation in context.generate_failures()]
    reads = [
        partial(
            context.client.get, generation.path, "valid" if generation.payer == "other" else "other"
        )
        for generation in generations_with_id(context, ("failure_async", *names))
    ]
    for exchange in context.run_batch(reads):
        expect_error(exchange, 404, "notFound")


def _read_balances(context: CheckContext) -> dict[str, int]:
    """Return the credits of each role that has an account."""
    roles = context.profile.account_roles
    reads = context.run_batch([partial(context.credits, role) for role in roles])
    return dict(zip(roles, reads, strict=True))


@check("RET-2", "CRD-3", "AUTH-3", requires=("other",), fixtures=("example",), pays_nothing=True)
def retrieve_keeps_users_apart(context: CheckContext) -> None:
    """Return to users only what belongs to each, at the same moment or on one connection."""
    generation = context.completed("example")
    balances = _read_balances(context)
    roles = list(balances)
    both = ("credits", generation.path)
    orders: list[tuple[list[tuple[str | None, str]], bool]] = [
        ([(role, path) for role in ordered], False)
        for ordered in (roles, roles[::-1])
        for path in both
    ]
    rejected = [role for role in ("revoked", "expired") if role in context.profile.keys]
    one_after_another = ("valid", None, *rejected, *roles[1:])
    orders.append(([(role, path) for path in both for role in one_after_another], True))
    rounds = [
        partial(
            context.client.send_simultaneously,
            [SimultaneousRequest(role, path=path) for role, path in order],
            one_connection=one_connection,
        )
        for order, one_connection in orders
    ]
    for (order, _), exchanges in zip(orders, context.run_batch(rounds), strict=True):
        for (role, path), exchange in zip(order, exchanges, strict=True):
            if role is None:
                expect_error(exchange, 401, "missingApiKey")
            elif role in rejected:
                expect_error(exchange, 401)
            elif path == "credits":
                credits = find_balance(expect(exchange, 200), exchange)
                what = f"the balance of {role}, read beside others"
                assert_equal(credits, balances[role], what, exchange, clause="CRD-3")
            elif role == "valid":
                assert_field(expect(exchange, 200), "id", generation.id, exchange)
            else:
                expect_error(exchange, 404, "notFound")


@check(
    *("CRD-3", "RET-2"),
    requires=("other", "provider_failure"),
    fixtures=("example",),
    pays_nothing=True,
)
def users_are_separate_during_generation(context: CheckContext) -> None:
    """Return to users only what belongs to each while an image of another user is generated."""
    known = context.completed("example")
    balances = _read_balances(context)
    for turn, payer in enumerate(("valid", "other")):
        fixture = request_of_turn(
            context.seed + turn, is_form=bool(turn), is_task=False, sizes=_LARGE
        )
        fixture = replace(fixture, n=1)
        body = encode_request(fixture, context.profile.provider_failure or "")
        reads = [
            (role, path) for role in balances if role != payer for path in ("credits", known.path)
        ]
        exchanges = context.client.send_simultaneously(
            [
                SimultaneousRequest(payer, body, cost=fixture.max_cost),
                *(SimultaneousRequest(role, path=path) for role, path in reads),
            ],
            ahead=1,
        )
        for (role, path), exchange in zip(reads, exchanges[1:], strict=True):
            if path == "credits":
                what = f"the balance of {role} while an image of {payer} is generated"
                credits = find_balance(expect(exchange, 200), exchange)
                assert_equal(credits, balances[role], what, exchange, exchanges[0])
            elif role == known.payer:
                assert_field(expect(exchange, 200), "id", known.id, exchange)
            else:
                expect_error(exchange, 404, "notFound")
        context.wait_for_credits(balances[payer], payer)


@check(
    *("RET-2", "CRD-3", "LED-1", "LED-2"),
    requires=("other",),
    fixtures=("example",),
    cost=_MIN_PRICE,
    account="valid",
)
def same_request_of_users_is_separate(context: CheckContext) -> None:
    """Generate and charge again what another user has requested with the same body."""
    first = context.completed("example")
    before, fixture = context.credits("other"), replace(first.fixture, payer="other")
    if before < fixture.max_cost:
        raise Skipped(f"keys.other has {before} credits, expected enough for an image")
    second = create_generation(context.client, "example of other", fixture)
    context.adopt_generation(second)
    body = expect(second.exchange, 200)
    assert_distinct_generations([first.exchange, second.exchange])
    assert_field(expect(context.fetch(second), 200), "id", body.get("id"), second.exchange)
    after = context.credits("other")
    what = "the balance of other"
    assert_equal(after, before - _MIN_PRICE, what, second.exchange, clause="LED-1")
    if context.profile.provider_failure and not context.is_slow:
        _assert_distinct_failures(context)


def _assert_distinct_failures(context: CheckContext) -> None:
    """Require the same failing task of two users to be two, without a charge."""
    fixture = context.fixtures["failure_form_task_1"]
    fixtures = [replace(fixture, payer="valid"), replace(fixture, payer="other")]
    before = [context.credits(one.payer) for one in fixtures]
    tasks = [create_generation(context.client, f"failure of {one.payer}", one) for one in fixtures]
    for task in tasks:
        context.adopt_generation(task)
        require_triggered(task)
    assert_distinct_generations([one.exchange for one in tasks if one.exchange.status == 202])
    for credits, task in zip(before, tasks, strict=True):
        after = context.wait_for_credits(credits, task.payer)
        what = f"the balance of {task.payer}"
        assert_equal(after, credits, what, task.final_exchange, clause="LED-2")


@check("RET-3", "ERR-5", fixtures=("example",), pays_nothing=True)
def retrieve_rejects_unknown_id(context: CheckContext) -> None:
    """Return 404 notFound for an unknown id."""
    known_id = context.generation("example").id or "clx_generation_log_id"
    last, digits, letters = known_id[-1], "78", "pq"
    other_last = next(
        character for character in (digits if last.isdigit() else letters) if character != last
    )
    similar_ids = (
        known_id[:-1] + other_last,
        known_id + "x",
        known_id[:-1],
        known_id[: len(known_id) // 2],
    )
    unknown_ids = (*_UNKNOWN_IDS, *similar_ids)
    reads = [
        partial(context.client.get, f"generations/{quote(unknown_id, safe='')}")
        for unknown_id in unknown_ids
    ]
    for unknown_id, exchange in zip(unknown_ids, context.run_batch(reads), strict=True):
        is_found = exchange.status == 200 and require_object(exchange).get("id") == unknown_id
        if is_found and re.sub("[0-9]+", "0", unknown_id) == re.sub("[0-9]+", "0", known_id):
            continue  # ids are consecutive numbers, and this one is an earlier generation
        expect_error(exchange, 404, "notFound")


@check("RET-3", fixtures=("example",), pays_nothing=True)
def retrieve_treats_id_literally(context: CheckContext) -> None:
    """Find no generation by an id of wildcards such as % and *."""
    generations_with_id(context, ("example",))
    for wildcard in ("%", "*", "_", "%_%"):
        path = f"generations/{quote(wildcard, safe='')}"
        exchange = context.client.get(path, unspecified=True)
        if require_response(exchange).status == 200:
            raise Failed(
                f"the id {wildcard!r} finds a generation", exchange, expected="404 notFound"
            )


@check("RET-2", level="inferred", requires=("other",), fixtures=("example",))
def retrieve_hides_foreign_generations(context: CheckContext) -> None:
    """Return the same response for another user's generation as for an unknown id."""
    generation = generations_with_id(context, ("example",))[0]
    ids = (generation.id or "", "clx_no_such_generation", "clx_none")
    reads = [context.client.get(f"generations/{quote(id)}", key="other") for id in ids]
    foreign, *unknown = [
        _parsed(read.text.replace(id, "ID")) for read, id in zip(reads, ids, strict=True)
    ]
    expected = _without_differences(unknown[0], unknown)
    assert_equal(_without_differences(foreign, unknown), expected, "the response", *reads[:2])


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _without_differences(value: object, others: Sequence[object]) -> object:
    """Leave out where *others* differ, such as in the id of the request."""
    objects = [one for one in others if isinstance(one, dict)]
    if isinstance(value, dict) and len(objects) == len(others):
        return {
            name: _without_differences(inner, [one.get(name) for one in objects])
            for name, inner in value.items()
        }
    return value if others[0] == others[1] else None


@check("RET-2", level="inferred", fixtures=("example", "example_async"))
def responses_are_not_cached_for_others(context: CheckContext) -> None:
    """Let no shared cache store what belongs to a user."""
    for exchange in context.client.exchanges:
        directives = exchange.headers.get("cache-control", "").lower().replace(" ", "").split(",")
        shared = [one for one in directives if one == "public" or one.startswith("s-maxage=")]
        is_private = "Authorization" in exchange.request.headers and exchange.status in (200, 202)
        is_public = "/api/v1/" not in exchange.request.url or "/models" in exchange.request.url
        if is_private and not is_public and shared not in ([], ["s-maxage=0"]):
            message = f"Cache-Control is {', '.join(shared)}"
            raise Failed(message, exchange, expected="private, no-store, or no Cache-Control")


@check("RET-3", level="inferred", fixtures=("example",))
def retrieve_compares_whole_id(context: CheckContext) -> None:
    """Find no generation by its id in another case, with blanks, or by an unusual text."""
    known_id = generations_with_id(context, ("example",))[0].id or ""
    variants = [f" {known_id}", f"{known_id} ", f"{known_id}\0", *_UNUSUAL_IDS]
    if not re.fullmatch("[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", known_id.lower()):
        # Of all ids, only in a UUID the case has no meaning.
        variants.append(known_id.swapcase())
    reads = [
        partial(context.client.get, f"generations/{quote(each, safe='%')}", unspecified=True)
        for each in variants
        if each != known_id
    ]
    for exchange in context.run_batch(reads):
        if not 400 <= require_response(exchange).status < 500:
            message = f"HTTP {exchange.status} to an unknown id"
            raise Failed(message, exchange, expected="404 notFound")


@check("RET-5", requires=("state_handlers",), fixtures=SAVED_FIXTURES)
def retrieve_accepts_any_key_of_owner(context: CheckContext) -> None:
    """Return a generation to every key of its owner."""
    key = context.state_key("second_key", account="valid")
    generations = generations_with_id(context, SAVED_FIXTURES)
    own = [generation for generation in generations if generation.payer == "valid"]
    reads = context.run_batch([partial(context.client.get, one.path, key) for one in own])
    for generation, exchange in zip(own, reads, strict=True):
        body, final = expect(exchange, 200), generation.final_body
        evidence = (exchange, generation.final_exchange)
        assert_equal(body.get("id"), generation.id, "id", *evidence)
        if generation.finished or generation.exchange.status == 200:
            assert_equal(body.get("status"), final.get("status"), "status", *evidence)
            saved, created = image_ids_and_urls(body), image_ids_and_urls(final)
            assert_equal(sorted(saved, key=str), sorted(created, key=str), "images", *evidence)
        if (while_running := generation.other_reads.get(SECOND_KEY)) is not None:
            assert_field(expect(while_running, 200), "id", generation.id, while_running)
    generation = context.completed("example")
    if "other" in context.profile.keys:
        expect_error(context.client.get(generation.path, key="other"), 404, "notFound")
