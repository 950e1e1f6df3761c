"""`mockhub ctl` against a running server: what it prints, and what it does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner

from mockhub.cli.main import main
from tests.support.live_server import KEY, POOR, LiveHub, serve_hub

Ctl = Callable[..., str]


@pytest.fixture
def hub() -> Iterator[LiveHub]:
    with serve_hub(control=True) as running:
        yield running


@pytest.fixture
def ctl(hub: LiveHub) -> Ctl:
    """Runs `mockhub ctl` with the words given and returns what it prints."""

    def run(*words: str, exits: int = 0) -> str:
        done = CliRunner().invoke(main, ["ctl", "--url", hub.url, *words])
        assert exits == done.exit_code, done.output
        return done.output

    return run


def test_tables_have_what_is_there(hub: LiveHub, ctl: Ctl) -> None:
    """Hubs, keys, accounts and generations are tables with a line for each."""
    assert f"{hub.url}/api/v1" in ctl("hubs")
    assert "documentation" in ctl("keys")
    assert "1000000" in ctl("accounts")
    assert "clx_generation_log_id" in ctl("generations", "--status", "succeeded")
    assert "audit" in ctl("show")


def test_json_is_what_the_server_says(hub: LiveHub, ctl: Ctl) -> None:
    """With --json a program reads the answer as it came."""
    told = json.loads(ctl("--json", "hubs"))
    assert hub.client.get("/_mockhub/hubs").json() == told


def test_hubs_come_and_go(hub: LiveHub, ctl: Ctl) -> None:
    """A hub is made with its key, forked, reset and dropped by name."""
    made = json.loads(ctl("--json", "create-hub", "t1", "--credits", "20", "--manual"))
    assert hub.credits(made["key"]) == 20
    ctl("--hub", "t1", "fork", "t2")
    ctl("--hub", "t1", "reset")
    ctl("--hub", "t2", "delete-hub")
    assert [one.name for one in hub.app.api.hub_registry] == ["default", "t1"]
    assert "gih_live_" in ctl("create-hub", "t3")


def test_money_and_keys(hub: LiveHub, ctl: Ctl) -> None:
    """A grant, a new key, a revoked and an expired one."""
    ctl("grant", "poor", "10", "--expires-in", "1h")
    assert hub.credits(POOR) == 15
    raw = json.loads(ctl("--json", "create-key", "poor", "--name", "second"))["key"]
    assert hub.credits(raw) == 15
    ctl("expire-key", "second", "0s")
    assert hub.get("credits", raw).json()["error"]["code"] == "expiredApiKey"
    ctl("revoke", "poor")
    assert hub.get("credits", POOR).json()["error"]["code"] == "invalidApiKey"


def test_provider_faults_and_time(hub: LiveHub, ctl: Ctl) -> None:
    """A script, a fault and the clock are set and shown."""
    assert "fail, deliver=1 duration=60000ms" in ctl("provider", "fail", "deliver=1 duration=1m")
    assert hub.generate({}).status_code == 500
    id = hub.generate({"async": True}).json()["id"]
    assert "2026-04-30T08:00:30.000Z" in ctl("advance", "30s")
    assert "2026-04-30T08:01:00.000Z" in ctl("advance")
    assert hub.get(f"generations/{id}").json()["status"] == "succeeded"
    assert "status=503@before" in ctl("arm-fault", "status=503 x1")
    assert hub.get("credits").status_code == 503
    assert "status=503" in ctl("faults")
    assert "status=503" not in ctl("faults", "--clear")
    assert "hold" in ctl("clock", "--mode", "hold")
    assert "fail" in ctl("provider")


def test_a_stuck_generation_is_finished(hub: LiveHub, ctl: Ctl) -> None:
    """By its id, as failed."""
    ctl("provider", "never")
    id = hub.generate({"async": True}).json()["id"]
    assert "failed" in ctl("complete", id, "failed")
    assert hub.credits() == 120


def test_the_report_is_a_table(hub: LiveHub, ctl: Ctl) -> None:
    """Findings with their reasons, and what was met and never met."""
    assert "No findings in 0 exchanges." in ctl("report")
    for _ in range(2):
        hub.generate({}, key=POOR)
    told = ctl("report", "--min-poll-interval", "2s")
    assert "warning retried_client_error (#1, #2)" in told
    assert "insufficientCredits x2" in told
    assert json.loads(ctl("--json", "report"))["findings"][0]["kind"] == "retried_client_error"


def test_the_journal_in_every_form(hub: LiveHub, ctl: Ctl) -> None:
    """As a table, as commands to paste, as an archive; filtered."""
    hub.get("credits")
    hub.generate({}, key=POOR)
    assert "insufficientCredits" in ctl("journal")
    assert "insufficientCredits" not in ctl("journal", "--operation", "get_credits")
    assert "$MOCKHUB_KEY" in ctl("journal", "--curl")
    assert len(json.loads(ctl("journal", "--har", "--status", "402"))["log"]["entries"]) == 1
    assert KEY not in ctl("--json", "journal")


def test_the_journal_is_followed(hub: LiveHub, ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --follow new exchanges are shown once each, until somebody interrupts."""
    pauses = iter([lambda: hub.get("credits"), lambda: hub.client.get("/api/v1/models")])

    def pause(seconds: float) -> None:
        happens = next(pauses, None)
        if happens is None:
            raise KeyboardInterrupt
        happens()

    monkeypatch.setattr("mockhub.cli.ctl.commands.time.sleep", pause)
    told = ctl("journal", "--follow", exits=1)
    assert (told.count("/api/v1/credits"), told.count("/api/v1/models")) == (1, 1)


def test_a_terminal_obeys_no_prompt(hub: LiveHub, ctl: Ctl) -> None:
    """Control characters of a prompt are shown, not done."""
    hub.generate({"prompt": "\x1b[2Jgone [red]?"})
    told = ctl("generations")
    assert "\x1b" not in told
    assert "gone [red]?" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--hub", "defalt", "keys"], "there is no hub 'defalt'; did you mean 'default'?"),
        (["arm-fault", "rset"], "fault: unknown directive 'rset'; did you mean 'reset'?"),
        (["--url", "http://127.0.0.1:9", "hubs"], "no mockhub server at http://127.0.0.1:9"),
        (["--url", "localhost:8080", "hubs"], "expected one such as http://127.0.0.1:8080"),
    ],
)
def test_a_mistake_is_one_line(ctl: Ctl, words: list[str], told: str) -> None:
    """The server's own message, or why there is none; exit code 2."""
    output = ctl(*words, exits=2)
    assert told in output
    assert output.count("\n") == 1


def test_another_server_is_named(hub: LiveHub, ctl: Ctl) -> None:
    """What is no control plane is told in its own words."""
    assert "nothing at '/nowhere/_mockhub/hubs'" in ctl(
        "--url", f"{hub.url}/nowhere", "hubs", exits=2
    )


def test_the_token_goes_along() -> None:
    """--token opens a guarded control plane, and without it the refusal is told."""
    with serve_hub(token="open sesame") as hub:
        run = CliRunner().invoke
        words = ["ctl", "--url", hub.url]
        assert run(main, [*words, "--token", "open sesame", "hubs"]).exit_code == 0
        refused = run(main, [*words, "hubs"])
        assert (refused.exit_code, "Authorization: expected Bearer" in refused.output) == (2, True)
