"""The command line tells a stranger what to do, and what was wrong in one line."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from click.testing import CliRunner, Result

from mockhub import __version__
from mockhub._resources import resource_path
from mockhub.cli.main import main
from tests.support.live_server import BODY, KEY, POOR, RICH

MOCKHUB = [sys.executable, "-m", "mockhub"]
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def told(*arguments: str | Path) -> str:
    """What a mistaken command says: one line on stderr, nothing else, and exit code 2."""
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert isinstance(done.exception, SystemExit)
    assert done.stderr.count("\n") == 1
    return done.stderr


@contextmanager
def started(*options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`mockhub serve` on a free port, as a person starts it."""
    process = subprocess.Popen(
        [*MOCKHUB, "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def greeting(process: subprocess.Popen[str]) -> str:
    """All that is printed before the first request."""
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.lstrip().startswith("-d "):
            break
    return "".join(lines)


def base_url(greeted: str) -> str:
    found = re.search(r"^  API +(\S+)", ANSI.sub("", greeted), re.MULTILINE)
    assert found, greeted
    return found[1]


def ended(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> str:
    """What is still printed when a signal has ended the server as it should."""
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    return out


def generate(url: str, key: str = KEY, **more: object) -> httpx.Response:
    return httpx.post(
        f"{url}/api/v1/images/generations",
        headers={"Authorization": f"Bearer {key}"},
        json=BODY | more,
    )


def test_the_version_is_printed() -> None:
    """--version prints the package's version."""
    assert f"mockhub, version {__version__}\n" == run("--version").stdout


def test_help_is_understood_without_the_manual() -> None:
    """Every command has a help text, and every option of it says what it does."""
    assert run("--help").exit_code == 0
    for name in main.list_commands(None):  # type: ignore[arg-type]
        command = main.get_command(None, name)  # type: ignore[arg-type]
        assert command
        assert command.help or command.short_help, name
        options = [param for param in command.params if isinstance(param, click.Option)]
        assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_is_printed(shell: str) -> None:
    """The completion script that --help tells of is printed for each shell."""
    if shell == "bash" and not shutil.which("bash"):
        pytest.skip("click asks bash for its version, and there is none")
    done = subprocess.run(
        MOCKHUB[:1] + ["-c", "from mockhub.cli.main import main; main(prog_name='mockhub')"],
        env=os.environ | {"_MOCKHUB_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "_MOCKHUB_COMPLETE" in done.stdout


def test_shell_completion_knows_the_scenarios() -> None:
    """After --scenario, the names of the scenarios are offered."""
    words = {"COMP_WORDS": "mockhub serve --scenario de", "COMP_CWORD": "3"}
    done = CliRunner().invoke(
        main, prog_name="mockhub", env={"_MOCKHUB_COMPLETE": "bash_complete", **words}
    )
    assert done.stdout == "plain,default\n"


MISTAKES = [
    ("--foo", "No such option '--foo'"),
    ("srve", "No such command 'srve'; did you mean 'serve'?"),
    ("serve --prot 1", "'--port'"),
    ("serve --port 70000", "70000 is not in the range"),
    ("serve --public-url localhost:8080", "expected one such as http://"),
    ("serve --public-url ftp://here", "'ftp://here'"),
    ("serve --public-url http://", "'http://'"),
    ("serve --public-url http://here:port", "'http://here:port'"),
    ("serve --public-url http://here?x=1", "'http://here?x=1'"),
    ("serve --scenario defualt", "did you mean 'default'?"),
    ("serve --scenario nowhere.yaml", "nowhere.yaml: cannot be read: No such file"),
    ("serve --spec nowhere.yaml", "nowhere.yaml: cannot be read: No such file"),
    ("serve --host 0.0.0.0", "give --control-token, or --no-control"),
    ("serve --host nowhere.invalid --no-control", "cannot listen on nowhere.invalid:8080"),
    ("serve --max-generations 0", "'--max-generations'"),
    ("serve --log-format xml", "'xml' is not one of"),
    ("assumptions --spec nowhere.yaml", "cannot be read"),
    ("inspect", "Missing argument"),
    ("inspect nowhere.png", "nowhere.png: No such file"),
]


@pytest.mark.parametrize(("command", "what"), MISTAKES)
def test_a_mistake_is_told_in_one_line(command: str, what: str) -> None:
    """A mistaken command names what is wrong and what is allowed, and exits with 2."""
    assert what in told(*command.split())


def test_a_busy_port_is_told() -> None:
    """A port that somebody listens on is named, with the way out."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        error = told("serve", "--port", str(port))
    place = f"cannot listen on 127.0.0.1:{port}"
    assert f"mockhub: {place}: Address already in use; port 0 picks a free one\n" == error


@pytest.mark.parametrize(
    ("option", "content", "what"),
    [
        ("--scenario", "accounts:\n  me:\n    grant: []\n", ":3: #/accounts/me/grant: "),
        ("--scenario", "- not a mapping", "expected a mapping"),
        ("--scenario", "accounts: [", "not YAML"),
        ("--spec", "openapi: 3.1.0\npathz: {}\n", ":2: #/pathz: "),
        ("--spec", "openapi: [", "not YAML"),
        ("--spec", "openapi: 3.0.0", "not an OpenAPI 3.1 document"),
    ],
)
def test_a_broken_file_is_told_with_its_place(
    tmp_path: Path, option: str, content: str, what: str
) -> None:
    """A scenario or a law that cannot be used is told with its file, line and place."""
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    error = told("serve", option, file)
    assert f"{file}" in error
    assert what in error


def test_scenarios_lists_each_with_its_keys() -> None:
    """Every scenario that comes along is listed by name, purpose and keys."""
    listed = run("scenarios").stdout
    for file in resource_path("fixtures/scenarios").glob("*.yaml"):
        assert f"{file.stem}\n" in listed
    assert re.search(rf"documentation +{KEY}\n", listed)


def test_assumptions_tells_each_reading() -> None:
    """Every open point is told with its clauses, its place and its reading."""
    listed = run("assumptions").stdout
    assert "AUTH-11" in listed
    assert "  #/components/schemas/Size/x-sizes\n" in listed
    assert listed.count("\n  #/") == resource_path("openapi.yaml").read_text("utf-8").count(
        "x-assumed:"
    )


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_inspect_reads_back_a_fetched_image(tmp_path: Path, form: str) -> None:
    """A picture fetched from the mock tells its request, whatever its format."""
    with started("--image-format", form, "--seed", "7") as process:
        made = generate(base_url(greeting(process)), n=2, size="1536x1024").json()
        file = tmp_path / f"image.{form}"
        file.write_bytes(httpx.get(made["images"][1]["url"]).content)
        ended(process)
    seen = json.loads(run("inspect", file).stdout)
    assert (BODY["prompt"], "1536x1024") == (seen["prompt"], seen["size"])
    assert (seen["seed"], seen["index"], seen["count"]) == (7, 1, 2)
    assert str(file) == seen["file"]


def test_inspect_goes_on_after_a_foreign_picture(tmp_path: Path) -> None:
    """Each file that is no picture of the mock is told on stderr, and the exit code is 2."""
    foreign = resource_path("fixtures/uploads") / "sunset.png"
    done = run("inspect", foreign, tmp_path, foreign)
    assert done.exit_code == 2
    assert [str(foreign), str(tmp_path), str(foreign)] == [
        line.split(": ")[1] for line in done.stderr.splitlines()
    ]
    assert "without mockhub metadata" in done.stderr


@pytest.mark.parametrize("command", ["scenarios", "assumptions", "--help"])
def test_a_reader_may_go_early(command: str) -> None:
    """`mockhub scenarios | head -1` prints one line and no traceback."""
    quoted = " ".join(MOCKHUB)
    done = subprocess.run(
        ["bash", "-c", f"{quoted} {command} | head -c 1"], capture_output=True, text=True
    )
    assert (len(done.stdout), done.stderr) == (1, "")


def test_the_greeting_tells_what_a_client_needs() -> None:
    """The start prints the address, the keys with their balances, and a command to paste."""
    with started("--scenario", "default") as process:
        greeted = greeting(process)
        url = base_url(greeted)
        ended(process)
    assert f"{url}/api/v1\n" in greeted
    assert f"{url}/_mockhub\n" in greeted
    for name, key, worth in (
        ("documentation", KEY, "120 credits"),
        ("rich", RICH, "1000000 credits"),
        ("poor", POOR, "5 credits"),
        ("expired", "gih_live_expired.*", "expired"),
        ("revoked", "gih_live_revoked.*", "revoked"),
    ):
        assert re.search(rf"^  {name} +{key} +{worth}$", greeted, re.MULTILINE), name


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_printed_command_works_when_it_is_pasted() -> None:
    """The curl command of the greeting makes an image, as it stands."""
    with started() as process:
        pasted = greeting(process).partition("Try:")[2]
        done = subprocess.run(["bash", "-c", f"set -e{pasted}"], capture_output=True, text=True)
        ended(process)
    made = json.loads(done.stdout)
    assert (made["status"], made["balance"]["credits"]) == ("succeeded", 112)


def test_a_request_is_a_line() -> None:
    """Each request is logged with method, path, status, credits and milliseconds."""
    with started() as process:
        url = base_url(greeting(process))
        image = generate(url, n=2).json()["images"][0]["url"].removeprefix(url)
        generate(url, key=POOR)
        httpx.get(f"{url}/api/v1/models")
        httpx.get(url + image)
        httpx.get(f"{url}/hubs/none/api/v1/models")
        first, second, third, fourth, fifth = ended(process).strip().splitlines()
    generations = r"POST +/api/v1/images/generations"
    assert re.fullmatch(rf"{generations} +200 +-16 credits +[0-9.]+ ms", first)
    assert re.fullmatch(rf"{generations} +402 +[0-9.]+ ms", second)
    assert re.fullmatch(r"GET +/api/v1/models +200 +[0-9.]+ ms", third)
    assert re.fullmatch(rf"GET +{image} +200 +[0-9.]+ ms", fourth)
    assert re.fullmatch(r"GET +/api/v1/models +404 +[0-9.]+ ms  hub none", fifth)


def test_max_generations_limits_the_hub() -> None:
    """`--max-generations` bounds the generations and the ledger."""
    with started("--max-generations", "3") as process:
        url = base_url(greeting(process))
        for _ in range(15):
            assert generate(url, RICH).status_code == 200
        hub = httpx.get(f"{url}/_mockhub/hubs/default").json()
        assert sum(hub["generations"].values()) == 3
        account = httpx.get(f"{url}/_mockhub/hubs/default/accounts/rich/entries").json()
        assert len(account["entries"]) == 12


def test_the_log_is_json_when_asked_for() -> None:
    """With --log-format json every line is an object: the start first, then a request each."""
    with started("--log-format", "json") as process:
        assert process.stdout
        start = json.loads(process.stdout.readline())
        generate(start["base_url"])
        (request,) = map(json.loads, ended(process).splitlines())
    assert (start["event"], start["keys"]["documentation"]) == ("started", KEY)
    assert tuple(request[name] for name in ("event", "method", "path", "status", "credits")) == (
        "request",
        "POST",
        "/api/v1/images/generations",
        200,
        -8,
    )
    assert request["ms"] > 0


@pytest.mark.parametrize(("level", "statuses"), [("info", [200, 500]), ("warning", [500])])
def test_the_log_says_as_much_as_is_asked_for(level: str, statuses: list[int]) -> None:
    """At level warning only failures of the server are logged."""
    with started("--log-format", "json", "--log-level", level) as process:
        assert process.stdout
        url = json.loads(process.stdout.readline())["base_url"]
        generate(url)
        generate(url, prompt="[[fail]]")
        assert statuses == [json.loads(line)["status"] for line in ended(process).splitlines()]


@pytest.mark.parametrize(
    ("terminal", "environment", "coloured"),
    [
        (False, {}, False),
        (True, {}, True),
        (True, {"NO_COLOR": "1"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (True, {"NO_COLOR": ""}, True),
    ],
)
def test_colour_is_for_terminals(
    terminal: bool, environment: dict[str, str], coloured: bool
) -> None:
    """Colour appears on a terminal only, unless NO_COLOR or FORCE_COLOR says otherwise."""
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_COLOR")}
    reader, writer = pty.openpty() if terminal else os.pipe()
    subprocess.run(
        [*MOCKHUB, "scenarios"], stdout=writer, env=clean | {"TERM": "xterm"} | environment
    )
    os.close(writer)
    printed = os.read(reader, 10_000).decode()
    os.close(reader)
    assert printed.replace("\r\n", "\n").startswith("\x1b[1mdefault" if coloured else "default\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM, right after the start or while a client waits, exit 0 and say nothing."""
    with started() as process:
        greeting(process)
        assert ended(process, number).strip() == ""
    with started("--log-level", "error") as process:
        url = base_url(greeting(process))
        with socket.create_connection(tuple(url.removeprefix("http://").split(":"))) as waiting:
            body = json.dumps(BODY | {"prompt": "[[hang]]"})
            waiting.sendall(
                f"POST /api/v1/images/generations HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            generate(url)
            ended(process, number)


def test_the_server_outlives_the_reader_of_its_log() -> None:
    """`mockhub serve | head -1` goes on serving, and ends as it should."""
    with started() as process:
        url = base_url(greeting(process))
        assert process.stdout
        process.stdout.close()
        assert [generate(url).status_code for _ in range(2)] == [200, 200]
        process.send_signal(signal.SIGTERM)
        assert process.stderr
        assert process.stderr.read() == ""
        assert process.wait(20) == 0


def test_addresses_in_answers_begin_with_the_public_url() -> None:
    """poll_url and image URLs begin with --public-url, whatever the Host header."""
    with started("--public-url", "https://mock.test/hub/", "--log-format", "json") as process:
        assert process.stdout
        start = json.loads(process.stdout.readline())
        made, queued = asked_with_a_forged_host(start["address"])
        ended(process)
    assert start["base_url"] == "https://mock.test/hub"
    assert made["images"][0]["url"].startswith("https://mock.test/hub/images/")
    assert f"https://mock.test/hub/api/v1/generations/{queued['id']}" == queued["poll_url"]


def test_addresses_in_answers_begin_with_the_address_listened_on() -> None:
    """Without --public-url they begin with the address that the start prints."""
    with started() as process:
        url = base_url(greeting(process))
        made, queued = asked_with_a_forged_host(url)
        ended(process)
    assert made["images"][0]["url"].startswith(f"{url}/images/")
    assert f"{url}/api/v1/generations/{queued['id']}" == queued["poll_url"]


def asked_with_a_forged_host(url: str) -> tuple[Any, Any]:
    headers = {"Host": "evil.example", "Authorization": f"Bearer {KEY}"}
    place = f"{url}/api/v1/images/generations"
    made = httpx.post(place, headers=headers, json=BODY)
    queued = httpx.post(place, headers=headers, json=BODY | {"async": True})
    return made.json(), queued.json()
