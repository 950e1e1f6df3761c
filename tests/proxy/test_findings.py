"""Each kind of finding, in responses of a scripted service."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockhub.proxy import checks as checks_module
from mockhub.proxy import findings as findings_module
from mockhub.proxy.checks import ExchangeChecks
from mockhub.proxy.findings import Problem
from tests.proxy.support import LiveProxy, start_proxy
from tests.proxy.test_checks import LOG, SPEC, findings
from tests.support.live_server import KEY
from tests.support.scripted_server import Response, json_response, scripted_server

BALANCE_KINDS = ("unexplained_balance", "wrongly_insufficient", "accepted_without_credits")


def send(proxy: LiveProxy, what: Any, **options: Any) -> None:
    """POST a generation with these fields, or GET this path."""
    if isinstance(what, str):
        proxy.get(what, **options)
    else:
        proxy.generate(what, **options)


IMAGE = {"object": "image", "url": "http://x/1.png", "created_at": "2026-04-30T08:00:00Z"}


def log(**changes: object) -> Response:
    return json_response({**LOG, **changes})


def accepted(**changes: object) -> Response:
    usage = {"credits": 0, "credits_requested": 8}
    return json_response({**LOG, "status": "queued", "usage": usage, **changes}, 202)


def error(status: int, code: str) -> Response:
    return json_response({"error": {"message": "Not so", "code": code}}, status)


MODELS = json.loads(json.dumps(SPEC.model_list))
MODELS["data"][0]["credits_per_image"]["8K"] = 99  # what is not in the spec is no difference
ASYNC = {"async": True}

# What the client sends (a body to POST, or a path to GET), the response, and what is wrong in it:
# the kind and the first clause.
WRONG: list[tuple[object, Response, str]] = [
    ({}, error(400, "invalid_request"), "valid_request_rejected REQ-10"),
    ({"n": 9}, log(id="1"), "invalid_request_accepted REQ-10"),
    ({}, log(id="2", model="other"), "wrong_property GEN-2"),
    ({}, log(id="2", quality="2K"), "wrong_property GEN-4"),
    ({}, log(id="2", aspect_ratio="16:9"), "wrong_property GEN-5"),
    (ASYNC, accepted(id="3", usage={"credits": 0, "credits_requested": 9}), "wrong_usage ASY-4"),
    (ASYNC, accepted(id="3", usage={"credits": 8}), "wrong_usage ASY-4"),
    ("generations/4", log(id="4", status="processing", usage={"credits": 8}), "wrong_usage ASY-4"),
    ({"n": 2}, log(id="5", images=[{"id": "i", **IMAGE}] * 2), "wrong_images GEN-11"),
    ({}, log(id="5", images=[{"id": "i", **IMAGE}, {"id": "j", **IMAGE}]), "wrong_images GEN-3"),
    ({}, accepted(id="6"), "wrong_mode GEN-1"),
    (ASYNC, log(id="6"), "wrong_mode ASY-1"),
    (ASYNC, accepted(id="6", status="processing"), "wrong_mode ASY-1"),
    ({}, log(id="6", status="queued"), "wrong_mode GEN-1"),
    (ASYNC, accepted(id="7", poll_url="http://x/api/v1/generations/8"), "wrong_poll_url ASY-2"),
    ("generations/8", log(id="9"), ""),
    ("generations/9", log(id="8"), "wrong_id RET-1"),
    ("generations/10", log(id="10", status="processing"), ""),
    ("generations/10", log(id="10", status="queued"), "status_moved_back ASY-6"),
    ("generations/10", log(id="10"), ""),
    ("generations/10", log(id="10", status="processing"), "status_moved_back ASY-6"),
    (ASYNC, accepted(id="11"), ""),
    ("generations/11", log(id="11", quality="2K"), "wrong_property RET-1"),
    ("generations/11", error(404, "notFound"), "lost_generation RET-1"),
    ("models", json_response(MODELS), ""),
    ("models", json_response({"data": [{**MODELS["data"][0], "id": "x"}]}), "other_models MOD-1"),
    ("models", json_response({"data": []}), "other_models MOD-2"),
    ("credits", error(401, "missingApiKey"), "missing_key_code AUTH-4"),
    ("credits", error(402, "notFound"), "error_code ERR-1"),
    ("credits", error(503, "busy"), "undocumented_status LIM-2"),
    ("credits", Response(200, b"{}", (("Content-Type", "text/html"),)), "content_type ERR-7"),
]
WITHOUT_KEY: list[tuple[Response, str]] = [
    (json_response(dict.fromkeys(("credits",), 5)), "missing_key_accepted AUTH-1"),
    (error(401, "invalidApiKey"), "missing_key_code AUTH-3"),
]


def test_each_kind_of_finding_is_named() -> None:
    """Only what something else could explain is a warning."""
    sent = [(what, KEY, reply, expected) for what, reply, expected in WRONG]
    sent += [("credits", None, reply, expected) for reply, expected in WITHOUT_KEY]
    found: list[set[str]] = [set() for _ in sent]
    with (
        scripted_server(lambda request: sent[int(request.headers["x-case"])][2]) as url,
        start_proxy(url) as proxy,
    ):
        for number, (what, key, _, _) in enumerate(sent):
            send(proxy, what, key=key, headers={"X-Case": str(number)})
        warnings = set()
        for finding in findings(proxy):
            problem = finding.problem
            if problem.severity == "warning":
                warnings.add(problem.kind)
            for number in finding.exchange_numbers:
                found[number - 1].add(f"{problem.kind} {problem.clauses[0]}")
    ours = {expected.split()[0] for *_, expected in sent if expected}
    for (what, _, _, expected), kinds in zip(sent, found, strict=True):
        named = {one for one in kinds if one.split()[0] in ours}
        assert expected in kinds if expected else not named, (what, expected, kinds)
    assert warnings >= {"invalid_request_accepted", "undocumented_status"}
    assert not warnings & {"valid_request_rejected", "wrong_usage", "missing_key_accepted"}


Step = tuple[object, Response]


def credits(count: int) -> Step:
    return "credits", json_response(_balance(count))


def _balance(count: int) -> dict[str, object]:
    return {"credits": count, "account_type": "PRO", "next_expiration": None}


IMAGES = {"images": [{"id": "i", **IMAGE}], "usage": {"credits": 8}}
REJECTED = ({}, error(402, "insufficientCredits"))
TASK = ({"n": 2, **ASYNC}, accepted(id="g", usage={"credits": 0, "credits_requested": 16}))
ENDED = ("generations/g", log(id="g", **IMAGES))
ONE_IMAGE = log(**IMAGES, balance=_balance(99))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([credits(100), REJECTED], "LED-4"),
        ([credits(8), REJECTED], "LED-7"),
        ([credits(7), REJECTED], ""),
        ([credits(7), ({}, log(usage={"credits": 8}))], "LED-4"),
        ([credits(100), TASK, credits(84), credits(100)], ""),
        ([credits(100), TASK, credits(83), credits(83)], "LED-6 LED-1 LED-2 CRD-4"),
        ([credits(100), TASK, ENDED, credits(92), credits(91)], "LED-6 LED-1 LED-2 CRD-4"),
        ([credits(100), ({"n": 3}, ONE_IMAGE)], "GEN-7 LED-1 LED-3"),
        ([credits(100), ({"n": 1}, ONE_IMAGE)], "GEN-7 LED-1"),
    ],
)
def test_balances_are_followed(steps: list[Step], expected: str) -> None:
    """A task may be charged when it is accepted or when it ends; each difference is named once."""
    remaining = iter(steps)
    with (
        scripted_server(lambda request: next(remaining)[1]) as url,
        start_proxy(url, checks=ExchangeChecks(SPEC, exclusive=True)) as proxy,
    ):
        for what, _ in steps:
            send(proxy, what)
        found = [one for one in findings(proxy) if one.problem.kind in BALANCE_KINDS]
    assert [" ".join(one.problem.clauses) for one in found] == [expected] * bool(expected)
    assert all(one.count == 1 for one in found)
    messages = [one.problem.message for one in found if one.problem.kind == "unexplained_balance"]
    assert all("refunded (it differs by " in message for message in messages)


def test_findings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is wrong in a new way each time fills no memory."""
    monkeypatch.setattr(findings_module, "_MAX_FINDINGS", 2)
    monkeypatch.setattr(findings_module, "_MAX_NUMBERS", 3)
    found = findings_module.Findings()
    for number in range(9):
        problems = [Problem("a", (), "x"), Problem("b", (), "x", "warning", str(number))]
        found.add(problems, "get_credits", number)
    first, second = found
    assert (first.count, first.exchange_numbers) == (9, [0, 1, 2])
    assert (second.count, second.exchange_numbers) == (1, [0])
    assert (found.count("violation"), found.count("warning")) == (1, 1)


def test_known_generations_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read long ago is forgotten, and no longer missed."""
    monkeypatch.setattr(checks_module, "_MAX_KNOWN", 2)
    replies = [log(id=str(number)) for number in range(3)]
    remaining = iter([*replies, error(404, "notFound"), error(404, "notFound")])
    with scripted_server(lambda request: next(remaining)) as url, start_proxy(url) as proxy:
        for number in (0, 1, 2, 0, 2):
            proxy.get(f"generations/{number}")
        (lost,) = [one for one in findings(proxy) if one.problem.kind == "lost_generation"]
    assert lost.exchange_numbers == [5]
