"""`mockhub ctl` against a running server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import click
import pytest
from click.testing import CliRunner

from mockhub.cli.main import main
from tests.support.live_server import KEY, POOR, LiveHub, serve_hub
from tests.support.scripted_server import Request, Response, json_response, scripted_server

Ctl = Callable[..., str]


@pytest.fixture
def hub() -> Iterator[LiveHub]:
    with serve_hub(control=True) as running:
        yield running


@pytest.fixture
def ctl(hub: LiveHub) -> Ctl:
    """Return a function that runs `mockhub ctl` and returns what it prints."""

    def run(*words: str, exits: int = 0) -> str:
        result = CliRunner().invoke(main, ["ctl", "--url", hub.url, *words])
        assert result.exit_code == exits, result.output
        return result.output

    return run


def test_lists_are_tables(hub: LiveHub, ctl: Ctl) -> None:
    """Hubs, keys, accounts and generations have one line each."""
    assert f"{hub.url}/api/v1" in ctl("hubs")
    assert "documentation" in ctl("keys")
    assert "1000000" in ctl("accounts")
    assert "clx_generation_log_id" in ctl("generations", "--status", "succeeded")
    assert "audit" in ctl("show")


def test_json_prints_the_response_of_the_server(hub: LiveHub, ctl: Ctl) -> None:
    assert json.loads(ctl("--json", "hubs")) == hub.client.get("/_mockhub/hubs").json()


def test_hubs_can_be_created_forked_reset_and_deleted(hub: LiveHub, ctl: Ctl) -> None:
    created = json.loads(ctl("--json", "create-hub", "t1", "--credits", "20", "--manual"))
    assert hub.credits(created["key"]) == 20
    ctl("--hub", "t1", "fork", "t2")
    ctl("--hub", "t1", "reset")
    ctl("--hub", "t2", "delete-hub")
    assert [registered.name for registered in hub.app.api.hub_registry] == ["default", "t1"]
    assert "gih_live_" in ctl("create-hub", "t3")
    assert "gih_live_" in ctl("create-hub", "t3", "--replace")
    assert '"name": "t3"' in ctl("--json", "fork", "t3", "--replace")


@pytest.mark.parametrize("scenario", [[], ["--scenario", "slow"]])
@pytest.mark.parametrize(
    ("option", "expected"),
    [([], True), (["--prompt-faults"], True), (["--no-prompt-faults"], False)],
)
def test_prompt_faults_of_a_created_hub_are_those_of_the_api(
    ctl: Ctl, scenario: list[str], option: list[str], expected: bool
) -> None:
    """An option that is not given is not sent."""
    created = json.loads(ctl("--json", "create-hub", "t1", *scenario, *option))
    assert created["hub"]["prompt_faults"] is expected


def test_credits_and_keys_can_be_changed(hub: LiveHub, ctl: Ctl) -> None:
    ctl("grant", "poor", "10", "--expires-in", "1h")
    assert hub.credits(POOR) == 15
    assert "grant" in ctl("ledger", "poor")
    raw = json.loads(ctl("--json", "create-key", "poor", "--name", "second"))["key"]
    assert hub.credits(raw) == 15
    ctl("expire-key", "second", "0s")
    assert hub.get("credits", raw).json()["error"]["code"] == "expiredApiKey"
    ctl("revoke", "poor")
    assert hub.get("credits", POOR).json()["error"]["code"] == "invalidApiKey"


def test_provider_faults_and_clock_can_be_changed(hub: LiveHub, ctl: Ctl) -> None:
    assert "fail, deliver=1 duration=60000ms" in ctl("provider", "fail", "deliver=1 duration=1m")
    assert hub.generate({}).status_code == 500
    id = hub.generate({"async": True}).json()["id"]
    assert "2026-04-30T08:00:30.000Z" in ctl("advance", "30s")
    assert "2026-04-30T08:01:00.000Z" in ctl("advance")
    assert hub.get(f"generations/{id}").json()["status"] == "succeeded"
    assert "status=503@before" in ctl("arm-fault", "status=503 x1")
    assert hub.get("credits").status_code == 503
    assert "status=503" in ctl("faults")
    assert "status=503" not in ctl("faults", "--disarm", "1")
    ctl("arm-fault", "status=503 for=1h")
    assert "status=503" not in ctl("faults", "--clear")
    assert "deliver" in ctl("fault-types")
    assert "hold" in ctl("clock", "--mode", "hold")
    assert "fail" in ctl("provider")


def test_running_generation_can_be_completed(hub: LiveHub, ctl: Ctl) -> None:
    ctl("provider", "never")
    id = hub.generate({"async": True}).json()["id"]
    assert "failed" in ctl("complete", id, "failed")
    assert hub.credits() == 120


def test_report_prints_findings_and_coverage(hub: LiveHub, ctl: Ctl) -> None:
    assert "No findings in 0 exchanges." in ctl("report")
    for _ in range(2):
        hub.generate({}, key=POOR)
    output = ctl("report", "--min-poll-interval", "2s")
    assert "warning retried_client_error (#1, #2)" in output
    assert "insufficientCredits x2" in output
    assert json.loads(ctl("--json", "report"))["findings"][0]["kind"] == "retried_client_error"


def test_journal_prints_table_curl_and_har(hub: LiveHub, ctl: Ctl) -> None:
    hub.get("credits")
    hub.generate({}, key=POOR)
    assert "insufficientCredits" in ctl("journal")
    assert "insufficientCredits" not in ctl("journal", "--operation", "get_credits")
    assert "$MOCKHUB_KEY" in ctl("journal", "--curl")
    assert len(json.loads(ctl("journal", "--har", "--status", "402"))["log"]["entries"]) == 1
    assert KEY not in ctl("--json", "journal")


Follow = Callable[..., str]


@pytest.fixture
def follow(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> Follow:
    """Return a function that follows the journal, and calls a step before each further read."""

    def run(*steps: Callable[[], object], options: tuple[str, ...] = ()) -> str:
        remaining = iter(steps)

        def sleep(seconds: float) -> None:
            step = next(remaining, None)
            if step is None:
                raise KeyboardInterrupt
            step()

        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr("mockhub.cli.ctl.follow.time.sleep", sleep)
        return ctl("journal", "--follow", *options, exits=1)

    return run


def numbers(output: str) -> list[int]:
    """Return the numbers of the exchanges in a table."""
    words = [line.split()[0] for line in output.splitlines() if line.strip()]
    return [int(word) for word in words if word.isdigit()]


def test_follow_prints_new_exchanges_once(hub: LiveHub, follow: Follow) -> None:
    """It continues until an interrupt, and prints the header once."""
    hub.get("credits")
    output = follow(
        lambda: hub.get("credits"), lambda: None, lambda: hub.client.get("/api/v1/models")
    )
    assert (output.count("/api/v1/credits"), output.count("/api/v1/models")) == (2, 1)
    assert output.count("timestamp") == 1


@pytest.mark.parametrize("options", [(), ("--limit", "3"), ("--operation", "get_credits")])
def test_follow_prints_all_exchanges_of_a_burst(
    hub: LiveHub, follow: Follow, options: tuple[str, ...]
) -> None:
    """The limit is that of the exchanges which happened before."""

    def send() -> None:
        for _ in range(30):
            hub.get("credits")

    for _ in range(5):
        hub.get("credits")
    output = follow(send, send, options=options)
    assert numbers(output) == [*range(3 if options[:1] == ("--limit",) else 1, 66)]


@pytest.mark.parametrize("count", [1, 5])
def test_follow_notices_a_reset(hub: LiveHub, follow: Follow, count: int) -> None:
    """Also if there have been more exchanges since then than before."""

    def reset() -> None:
        hub.client.post("/_mockhub/hubs/default/reset")
        for _ in range(count):
            hub.get("credits")

    for _ in range(3):
        hub.get("credits")
    output = follow(lambda: None, reset, lambda: hub.get("credits"))
    assert numbers(output) == [1, 2, 3, *range(1, count + 2)]
    assert output.count("mockhub: the hub was reset or replaced, or its journal cleared") == 1


def test_follow_counts_exchanges_that_left_the_journal(
    hub: LiveHub, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = hub.backend.journal
    monkeypatch.setattr(journal, "_max_exchanges", 4)

    def send() -> None:
        for _ in range(7):
            hub.get("credits")

    output = follow(send)
    assert numbers(output) == [4, 5, 6, 7]
    assert "mockhub: 3 exchanges left the journal before it was read" in output


def test_control_characters_of_prompts_are_escaped(hub: LiveHub, ctl: Ctl) -> None:
    hub.generate({"prompt": "\x1b[2Jdeleted [red]?"})
    output = ctl("generations")
    assert "\x1b" not in output
    assert "deleted [red]?" in output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hub", "defalt", "keys"], "there is no hub 'defalt'; did you mean 'default'?"),
        (["arm-fault", "rset"], "fault: unknown directive 'rset'; did you mean 'reset'?"),
        (["--url", "http://127.0.0.1:9", "hubs"], "no mockhub server at http://127.0.0.1:9"),
        (["--url", "localhost:8080", "hubs"], "expected one such as http://127.0.0.1:8080"),
        (["--url", "http://[", "hubs"], "expected one such as http://127.0.0.1:8080"),
        (["--url", "http://127.0.0.1/é", "hubs"], "expected one such as http://127.0.0.1:8080"),
        (["--token", "secret\n", "hubs"], "has a line break"),
        (["--token", "日本", "hubs"], "expected printable ASCII characters"),
    ],
)
def test_error_is_one_line(ctl: Ctl, words: list[str], message: str) -> None:
    """It is the message of the server, or says why there is none; the exit code is 2."""
    output = ctl(*words, exits=2)
    assert message in output
    assert output.count("\n") == 1


def test_response_of_another_server_is_an_error(hub: LiveHub, ctl: Ctl) -> None:
    for path in ("/nowhere", "/api/v1"):
        output = ctl("--url", f"{hub.url}{path}", "hubs", exits=2)
        assert f"{hub.url}{path} has no control plane: --url is not the root" in output


@pytest.mark.parametrize("command", ["hubs", "show", "journal --curl", "keys --json"])
def test_json_of_another_server_is_an_error(command: str) -> None:
    """Whatever it responds with, as a success too."""
    with scripted_server(lambda request: json_response({"hubs": [], "status": "ok"})) as url:
        result = CliRunner().invoke(main, ["ctl", "--url", url, *command.split()])
    assert result.exit_code == 2
    assert f"{url} has no control plane" in result.stderr


def test_server_without_control_plane_is_named() -> None:
    with serve_hub() as hub:
        result = CliRunner().invoke(main, ["ctl", "--url", hub.url, "--hub", "t1", "show"])
    assert result.exit_code == 2
    assert "the server was started with --no-control" in result.stderr


def test_long_prompt_is_shortened_in_tables(hub: LiveHub, ctl: Ctl) -> None:
    """Also where one generation is printed; JSON has all of it."""
    prompt = "word " * 6000
    ctl("provider", "never")
    id = hub.generate({"prompt": prompt, "async": True}).json()["id"]
    assert len(ctl("generations")) < 1000
    assert prompt in ctl("generations", "--json")
    assert len(ctl("complete", id, "succeeded")) < 5000


def test_audit_without_problems_is_clean(hub: LiveHub, ctl: Ctl) -> None:
    for command in ("show", "create-hub t1", "fork t2", "reset", "update-hub --image-format webp"):
        audit = [line for line in ctl(*command.split()).splitlines() if line.startswith("audit")]
        assert [line.split() for line in audit] == [["audit", "clean"]]
    hub.backend.accounts["poor"].balance += 1
    assert "clean" not in ctl("show")
    hub.backend.accounts["poor"].balance -= 1


def test_token_is_sent_to_a_protected_control_plane() -> None:
    """Without it the error of the server is printed."""
    with serve_hub(token="open sesame") as hub:
        run = CliRunner().invoke
        words = ["ctl", "--url", hub.url]
        assert run(main, [*words, "--token", "open sesame", "hubs"]).exit_code == 0
        rejected = run(main, [*words, "hubs"])
    assert rejected.exit_code == 2
    assert "Authorization: expected Bearer" in rejected.output


KEY_COLUMNS = ("id", "name", "account", "expires_at", "status")


def control(response: Response) -> Response:
    """Return the response as that of a control plane."""
    return response._replace(headers=(*response.headers, ("X-Mockhub-Control", "1")))


HOSTILE = "\x1b]0;title\x07\x9b\u202e\n::error::forged [red]"


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("journal --follow --har", "--follow and --har"),
        ("journal --curl -f", "--follow and --curl"),
        ("journal --har --curl", "--har and --curl"),
        ("journal --curl --json", "--json and --curl"),
        ("clock --manual --system", "--manual and --system"),
        ("faults --clear --disarm 1", "--clear and --disarm"),
    ],
)
def test_options_that_exclude_each_other_are_an_error(command: str, options: str) -> None:
    result = CliRunner().invoke(main, ["ctl", "--url", "http://127.0.0.1:1", *command.split()])
    assert result.exit_code == 2
    assert f"{options} exclude each other" in result.stderr


def test_redirects_are_not_followed() -> None:
    """The token is for one server; urllib would send it to another one."""
    received: list[Request] = []

    def record(request: Request) -> Response:
        received.append(request)
        return json_response({"hubs": []})

    with scripted_server(record) as other:

        def redirect(request: Request) -> Response:
            return Response(302, b"", (("Location", f"{other}/\x1b{request.path}"),))

        with scripted_server(redirect) as url:
            result = CliRunner().invoke(main, ["ctl", "--url", url, "--token", "T0ken", "hubs"])
    assert (result.exit_code, received) == (2, [])
    assert f"redirects to {other}/\\x1b/_mockhub/hubs, which is not followed" in result.stderr


@pytest.mark.parametrize(
    ("response", "command"),
    [
        (json_response({"error": {"message": HOSTILE}}, 400), ["hubs"]),
        (json_response({HOSTILE: HOSTILE}), ["show"]),
        (json_response({HOSTILE: HOSTILE}), ["--json", "show"]),
        (json_response({"keys": [dict.fromkeys(KEY_COLUMNS, HOSTILE)]}), ["keys"]),
        (Response(200, HOSTILE.encode(), (("Content-Type", "text/plain"),)), ["journal", "--curl"]),
    ],
)
def test_text_of_the_server_cannot_control_the_terminal(
    response: Response, command: list[str]
) -> None:
    """Control characters, line breaks and overrides are escaped; markup stays text."""
    with scripted_server(lambda request: control(response)) as url:
        result = CliRunner().invoke(main, ["ctl", "--url", url, *command])
    output = result.output
    assert output.replace("\n", "").isprintable()
    assert "[red]" in output
    if command[0] != "journal":
        assert "\n::" not in output


@pytest.mark.parametrize(
    "response",
    [
        Response(200, b"{"),
        Response(200, b"\xff", (("Content-Type", "text/plain"),)),
        Response(404, b"{}"),
    ],
)
def test_unreadable_response_is_an_error(response: Response) -> None:
    with scripted_server(lambda request: control(response)) as url:
        result = CliRunner().invoke(main, ["ctl", "--url", url, "hubs"])
    assert result.exit_code == 2
    assert "is it a mockhub server?" in result.stderr


def _options(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Option]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _options(inner, f"{path} {name}")
    for param in command.params:
        if isinstance(param, click.Option):
            yield path, param


def test_flag_that_is_not_given_has_not_its_own_value() -> None:
    """With `flag_value` alone, click takes that value as the default too."""
    for path, option in _options(main):
        if option.is_flag and not option.secondary_opts:
            default = option.get_default(click.Context(main))
            assert default in (None, False), f"{path} {option.opts}"
            assert default is not option.flag_value, f"{path} {option.opts}"


# -- settings, narrow terminals and completion ---------------------------------------------------


def test_settings_of_a_hub_can_be_changed(hub: LiveHub, ctl: Ctl) -> None:
    assert "webp" in ctl("update-hub", "--image-format", "webp", "--no-prompt-faults")
    assert hub.generate({"prompt": "[[fail]]"}).json()["images"][0]["url"].endswith(".webp")
    assert "give an option" in ctl("update-hub", exits=2)


@pytest.mark.parametrize("columns", [40, 80])
def test_wide_table_becomes_paragraphs(
    hub: LiveHub, ctl: Ctl, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """No line is longer than the terminal, and no value is lost."""
    monkeypatch.setenv("COLUMNS", str(columns))
    hub.generate({"prompt": "word " * 40})
    hub.get("credits", key=None)
    for command, expected in (
        ("journal", "code missingApiKey"),
        ("generations", "status succeeded"),
        ("hubs", "http://127.0.0.1"),
        ("keys", "documentation"),
    ):
        output = ctl(command)
        assert max(map(len, output.splitlines())) <= columns
        assert expected in " ".join(output.split())


def test_hubs_accounts_and_keys_are_completed(hub: LiveHub, ctl: Ctl) -> None:
    """The shell asks the running server; without one there is nothing to complete."""
    ctl("create-hub", "checkout")

    def complete(*words: str, url: str = hub.url) -> list[str]:
        line = ["mockhub", "ctl", "--url", url, *words]
        environment = {
            "_MOCKHUB_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(line),
            "COMP_CWORD": str(len(line) - 1),
        }
        result = CliRunner().invoke(main, prog_name="mockhub", env=environment)
        return [line.partition(",")[2] for line in result.output.split()]

    assert complete("--hub", "ch") == ["checkout"]
    assert complete("grant", "po") == ["poor"]
    assert complete("--hub", "checkout", "grant", "") == ["tester"]
    assert complete("revoke", "exp") == ["expired"]
    assert complete("grant", "po", url="http://127.0.0.1:1") == []
