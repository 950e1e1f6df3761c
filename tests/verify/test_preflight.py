"""Mistakes of a profile end a run before it has spent a credit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Timer

import pytest

from mockhub.exceptions import MockhubError
from mockhub.mutants.catalog import mutants
from mockhub.mutants.serving import running
from mockhub.verify import preflight
from mockhub.verify.exchange_log import ExchangeLog
from mockhub.verify.outcomes import Inconclusive
from mockhub.verify.profile import Partial
from mockhub.verify.runner import run, select_checks
from tests.support.live_server import LiveHub, serve_hub
from tests.support.scripted_server import (
    KEYS,
    Request,
    Response,
    build_profile,
    json_response,
    mock,
    scripted_server,
)

_UNKNOWN_KEY = "gih_live_" + "z" * 32


@pytest.fixture(scope="module")
def served() -> Iterator[LiveHub]:
    with mock() as hub:
        yield hub


def _check(url: str, keys: Mapping[str, str] = KEYS, budget: int = 310) -> list[str]:
    checks = select_checks("documented")
    rows = preflight.check_profile(build_profile(url, keys=keys), budget, checks, seed=1)
    return [str(row) for row in rows]


def test_right_profile_is_shown_as_table(served: LiveHub) -> None:
    """Each role is shown with its status, credits and account type."""
    rows = _check(served.url)
    assert [row.split()[0] for row in rows] == list(KEYS)
    assert "HTTP 200" in rows[0]
    assert "credits" in rows[0]
    assert rows[-1].split()[1:] == ["HTTP", "401", "invalidApiKey"]


_TITLE = "\x1b]0;title\x07\x9b31m\u202e"


@pytest.mark.parametrize(
    "response",
    [
        json_response({"error": {"message": "", "code": _TITLE + KEYS["valid"]}}, 500),
        json_response({"credits": 10**400, "account_type": _TITLE + KEYS["valid"]}),
        json_response({"account_type": {_TITLE: [KEYS["valid"]] * 1000}}),
        Response(200, b'{"credits": 1e999, "account_type": null}'),
        Response(200, b'{"credits": NaN, "account_type": null}'),
    ],
    ids=["code", "account-type", "long", "infinite", "nan"],
)
def test_texts_of_the_server_are_shown_safely(response: Response) -> None:
    """No row has a control sequence, a key, or more than a few lines."""
    with scripted_server(lambda request: response) as url:
        rows = _check(url)
    assert len(rows) == len(KEYS)
    for row in rows:
        assert row.isprintable()
        assert len(row) < 500
        assert not any(key in row for key in KEYS.values())


def test_location_of_a_redirect_is_shown_without_the_key() -> None:
    """A server may repeat the key that it got."""
    response = Response(302, headers=(("Location", f"http://a/?key={KEYS['valid']}"),))
    with (
        scripted_server(lambda request: response) as url,
        pytest.raises(MockhubError, match="redirects: .* Location http://a/") as raised,
    ):
        _check(url)
    assert KEYS["valid"] not in str(raised.value)


def test_equal_balances_are_noticed(served: LiveHub) -> None:
    """Two keys that read the same balance may belong to one user, which a free read cannot show."""
    second = served.server.call(lambda: served.backend.add_key("rich"))
    rows = _check(served.url, keys={"valid": KEYS["valid"], "other": second})
    assert "as many as valid: is it another user?" in rows[1]
    assert "is it another user" not in _check(served.url)[1]


@pytest.mark.parametrize(
    ("keys", "budget", "message"),
    [
        ({"valid": _UNKNOWN_KEY, "other": KEYS["other"]}, 310, "keys.other is accepted, are they"),
        ({"valid": _UNKNOWN_KEY}, 310, "keys.valid is rejected with HTTP 401"),
        ({"valid": KEYS["broke"]}, 310, r"keys.valid has \d credits, and the run may spend"),
        ({"valid": KEYS["low"]}, 310, r"or give --budget \d+"),
        ({"valid": KEYS["valid"], "broke": KEYS["other"]}, 310, "enough for an image.* swapped"),
        (
            {"valid": KEYS["valid"], "broke": KEYS["valid"]},
            310,
            "enough for an image.* the same user",
        ),
    ],
)
def test_wrong_key_is_named(
    served: LiveHub, keys: dict[str, str], budget: int, message: str
) -> None:
    """Keys that are wrong or swapped, and accounts without credits, are named."""
    with pytest.raises(MockhubError, match=message):
        _check(served.url, keys, budget)


def test_small_budget_needs_few_credits(served: LiveHub) -> None:
    """With a budget that the account can pay there is no complaint."""
    assert _check(served.url, {"valid": KEYS["low"]}, budget=8)


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (Response(301, b"", (("Location", "https://api.example/x"),)), "https://api.example/x"),
        (Response(404, b"<html>"), "base_url is what precedes /api/v1"),
    ],
)
def test_wrong_base_url_is_named(response: Response, message: str) -> None:
    """A base URL that redirects or has a wrong path is named, with the Location."""
    with scripted_server(lambda request: response) as url, pytest.raises(MockhubError) as error:
        _check(url)
    assert message in str(error.value)


def test_two_keys_of_one_user_are_found() -> None:
    """A key of `other` that belongs to the user of `valid` ends the run."""
    with mock() as hub:
        key = hub.server.call(lambda: hub.backend.add_key("rich", name="second"))
        profile = build_profile(hub.url, keys={"valid": KEYS["valid"], "other": key})
        with pytest.raises(MockhubError, match="keys.other belongs to the same user"):
            run(profile, keyword="RET-2", no_fuzz=True)


def test_cached_balance_is_no_mistake_of_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A balance that the server returns to the next user, too, is for the checks to find."""
    monkeypatch.setattr(preflight, "_CACHE_SECONDS", 0)
    balances = iter((1000, 1000, 0))

    def respond(request: Request) -> Response:
        if request.path.endswith("/models"):
            return json_response({"data": []})
        return json_response({"credits": next(balances)})

    with scripted_server(respond) as url:
        rows = _check(url, {"valid": KEYS["valid"], "broke": KEYS["broke"]})
    assert "0 credits" in rows[1]
    assert "1000 credits" not in rows[1]


def test_server_that_ends_meanwhile_is_named(
    served: LiveHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def require_responses(log: ExchangeLog, kind: str) -> None:
        if kind == "GET credits":
            raise Inconclusive("not sent: the server no longer responds to GET credits")

    monkeypatch.setattr(ExchangeLog, "require_responses", require_responses)
    with pytest.raises(MockhubError, match="no longer responds to GET credits"):
        _check(served.url)


def test_server_that_starts_late_is_waited_for() -> None:
    """A server behind a gateway that returns 502 at first is waited for."""
    ready: list[bool] = []

    def handle(request: Request) -> Response:
        return json_response({}) if ready else Response(502)

    with scripted_server(handle) as url:
        Timer(0.3, lambda: ready.append(True)).start()
        preflight.wait_until_ready(build_profile(url), 20)
    assert ready


def test_waiting_ends() -> None:
    """A server that is never ready is named, with what it last returned."""
    with (
        scripted_server(lambda request: Response(503)) as url,
        pytest.raises(MockhubError, match="not ready within 0.1 s: HTTP 503"),
    ):
        preflight.wait_until_ready(build_profile(url), 0.1)


def test_spent_account_is_replaced_by_fresh_one(tmp_path: Path) -> None:
    """If keys.low is spent, the state handlers supply an account."""
    handlers = tmp_path / "states.py"
    with serve_hub() as hub:
        key = hub.server.call(lambda: _account(hub, 0))
        fresh = hub.server.call(lambda: _account(hub, 24))
        handlers.write_text(
            "def state(name, **params):\n"
            "    if params.get('credits') == 24:\n"
            f"        return {{'key': {fresh!r}}}\n"
            "    raise LookupError(name)\n"
        )
        profile = build_profile(hub.url, keys={**KEYS, "low": key}, state_handlers=handlers)
        report = run(profile, keyword="ledger_is_never_overdrawn", no_fuzz=True)
    assert {clause.id: clause.outcome for clause in report.clauses}["LED-4"] == "passed"


def _account(hub: LiveHub, credits: int) -> str:
    name = f"account-{credits}"
    hub.backend.add_account(name)
    hub.backend.grant(hub.backend.accounts[name], credits)
    return hub.backend.add_key(name)


@pytest.mark.parametrize(
    ("trigger", "keyword"),
    [
        ("provider_failure", "ERR-6 or LED-2"),
        ("partial", "LED-3"),
        ("provider_failure", None),
        ("partial", None),
    ],
)
def test_trigger_without_effect_is_inconclusive(
    served: LiveHub, trigger: str, keyword: str | None
) -> None:
    """A prompt without effect is no defect, and leaves the credits for other checks."""
    prompt = "A quiet sea"
    value = prompt if trigger == "provider_failure" else Partial(prompt, 4, 3)
    profile = build_profile(served.url, **{trigger: value})
    report = run(profile, keyword=keyword, no_fuzz=True)
    assert report.with_outcome("failed") == []
    assert any("has no effect" in clause.reason for clause in report.with_outcome("inconclusive"))
    assert keyword or "GEN-3" in [clause.id for clause in report.with_outcome("passed")]


def test_user_that_may_be_the_same_is_not_accused() -> None:
    """Without a charge, another user with the same balance may be the same one."""
    with mock() as hub:
        key = hub.server.call(lambda: hub.backend.add_key("rich", name="second"))
        profile = build_profile(hub.url, keys={"valid": KEYS["valid"], "other": key})
        keyword = "retrieve_of_failure_is_limited_to_owner"
        report = run(profile, keyword=keyword, no_fuzz=True)
    assert report.with_outcome("failed") == []
    [clause] = report.with_outcome("inconclusive")
    assert "keys.other may belong to the user of keys.valid" in clause.reason


def test_users_whose_balances_differ_are_two() -> None:
    """A defect that mixes up their balances does not make two users one."""
    with running(mutants()["balance-of-concurrent-caller"].change) as server:
        account = server.hub.add_account("twin", account_type="PRO")
        server.hub.grant(account, server.hub.accounts["rich"].balance)
        keys = {**KEYS, "other": server.hub.add_key("twin")}
        profile = build_profile(server.url, keys=keys)
        report = run(profile, keyword="retrieve_keeps_users_apart", no_fuzz=True)
    assert [clause.id for clause in report.with_outcome("failed")] == ["CRD-3"]
