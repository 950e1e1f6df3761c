"""The command line: help, errors, the banner and the access log of `mockhub serve`."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
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
from mockhub.cli.banner import format_banner
from mockhub.cli.main import main
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import bundled_scenarios, load_scenario
from mockhub.spec.api_spec import load_spec
from tests.support.live_server import BODY, KEY, POOR, RICH
from tests.support.tools import needs_curl

MOCKHUB = [sys.executable, "-m", "mockhub"]
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def error_line(*arguments: str | Path) -> str:
    """Run a command that must fail; return its only line on stderr (exit code 2)."""
    completed = run(*arguments)
    assert (completed.exit_code, completed.stdout) == (2, "")
    assert isinstance(completed.exception, SystemExit)
    assert completed.stderr.count("\n") == 1
    return completed.stderr


@contextmanager
def start(*options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start `mockhub serve` on a free port."""
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


def read_banner(process: subprocess.Popen[str]) -> str:
    """Return what is printed before the first request."""
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.lstrip().startswith("-d "):
            break
    return "".join(lines)


def base_url(banner: str) -> str:
    match = re.search(r"^  API +(\S+)", ANSI.sub("", banner), re.MULTILINE)
    assert match, banner
    return match[1]


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> str:
    """Stop the server with a signal; return what it printed since the banner."""
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    return out


def generate(url: str, key: str = KEY, **fields: object) -> httpx.Response:
    return httpx.post(
        f"{url}/api/v1/images/generations",
        headers={"Authorization": f"Bearer {key}"},
        json=BODY | fields,
    )


def test_version_is_printed() -> None:
    assert run("--version").stdout == f"mockhub, version {__version__}\n"


def test_every_command_and_option_has_help() -> None:
    assert run("--help").exit_code == 0
    commands: list[click.Command] = [main]
    for command in commands:  # grows by the subcommands of groups
        assert command.help or command.short_help, command.name
        options = [param for param in command.params if isinstance(param, click.Option)]
        assert [option.name for option in options if not option.help] == []
        if isinstance(command, click.Group):
            context = click.Context(command)
            subcommands = (
                command.get_command(context, name) for name in command.list_commands(context)
            )
            commands += filter(None, subcommands)
    assert "arm-fault" in {command.name for command in commands}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_script_is_printed(shell: str) -> None:
    """The environment variable in --help prints the script for each shell."""
    completed = subprocess.run(
        MOCKHUB[:1] + ["-c", "from mockhub.cli.main import main; main(prog_name='mockhub')"],
        env=os.environ | {"_MOCKHUB_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
    )
    assert (completed.returncode, completed.stderr) == (0, "")
    assert "_MOCKHUB_COMPLETE" in completed.stdout


def test_shell_completion_offers_scenarios() -> None:
    words = {"COMP_WORDS": "mockhub serve --scenario de", "COMP_CWORD": "3"}
    completed = CliRunner().invoke(
        main, prog_name="mockhub", env={"_MOCKHUB_COMPLETE": "bash_complete", **words}
    )
    assert completed.stdout == "plain,default\n"


USAGE_ERRORS = [
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
    ("serve --control-token=", "--control-token is empty; give a token, or leave the option out"),
    ("proxy --target https://a.example --control-token=", "--control-token is empty"),
    ("serve --host nowhere.invalid --no-control", "cannot listen on nowhere.invalid:8080"),
    ("serve --max-generations 0", "'--max-generations'"),
    ("serve --max-generations 10000001", "not in the range 1<=x<=10000000"),
    ("serve --max-connections 2147483648", "not in the range 1<=x<=2147483647"),
    ("serve --idle-timeout nan", "'nan' is not a number of seconds"),
    ("serve --idle-timeout inf", "not in the range 0<x<=86400"),
    ("serve --seed 9007199254740992", "not in the range"),
    ("verify --seed 9007199254740992", "not in the range"),
    ("serve --log-format xml", "'xml' is not one of"),
    ("assumptions --spec nowhere.yaml", "cannot be read"),
    ("inspect", "Missing argument"),
    ("serve --mutant", " serve: Option '--mutant' requires an argument."),
    ("ctl journal --limit", " ctl journal: Option '--limit' requires an argument."),
    ("schema", "Choose from: scenario, profile, recording. Try `"),
    ("serve --arm", " serve: Option '--arm' requires an argument."),
    ("inspect nowhere.png", "nowhere.png: No such file"),
]


@pytest.mark.parametrize(("command", "message"), USAGE_ERRORS)
def test_usage_error_is_one_line(command: str, message: str) -> None:
    """It names what is wrong and what is allowed; the exit code is 2."""
    assert message in error_line(*command.split())


def test_busy_port_is_an_error() -> None:
    """The error names the port and suggests port 0."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        error = error_line("serve", "--port", str(port))
    assert error == (
        f"mockhub: cannot listen on 127.0.0.1:{port}: Address already in use; "
        "port 0 picks a free one\n"
    )


@pytest.mark.parametrize(
    ("option", "content", "message"),
    [
        ("--scenario", "accounts:\n  me:\n    grant: []\n", ":3: #/accounts/me/grant: "),
        ("--scenario", "- not a mapping", "expected a mapping"),
        ("--scenario", "accounts: [", "not YAML"),
        ("--spec", "openapi: 3.1.0\npathz: {}\n", ":2: #/pathz: "),
        ("--spec", "openapi: [", "not YAML"),
        ("--spec", "openapi: 3.0.0", "not an OpenAPI 3.1 document"),
    ],
)
def test_invalid_file_is_an_error_with_line_and_pointer(
    tmp_path: Path, option: str, content: str, message: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    error = error_line("serve", option, file)
    assert f"{file}" in error
    assert message in error


def test_scenarios_lists_every_scenario_with_its_keys() -> None:
    output = run("scenarios").stdout
    for file in resource_path("fixtures/scenarios").glob("*.yaml"):
        assert f"{file.stem}\n" in output
    assert re.search(rf"documentation +{KEY}\n", output)


def test_assumptions_lists_every_assumption() -> None:
    """Each has its clauses and its place in openapi.yaml."""
    output = run("assumptions").stdout
    assert "AUTH-11" in output
    assert "  #/components/schemas/Size/x-sizes\n" in output
    assert output.count("\n  #/") == resource_path("openapi.yaml").read_text("utf-8").count(
        "x-assumed:"
    )


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
def test_inspect_shows_the_request_of_a_fetched_image(tmp_path: Path, image_format: str) -> None:
    with start("--image-format", image_format, "--seed", "7") as process:
        generation = generate(base_url(read_banner(process)), n=2, size="1536x1024").json()
        file = tmp_path / f"image.{image_format}"
        file.write_bytes(httpx.get(generation["images"][1]["url"]).content)
        stop(process)
    summary = json.loads(run("inspect", file).stdout)
    assert (summary["prompt"], summary["size"]) == (BODY["prompt"], "1536x1024")
    assert (summary["seed"], summary["index"], summary["count"]) == (7, 1, 2)
    assert summary["file"] == str(file)


def test_inspect_continues_after_a_foreign_file(tmp_path: Path) -> None:
    """Files that are not images of the mock are reported on stderr; the exit code is 2."""
    foreign = resource_path("fixtures/uploads") / "sunset.png"
    completed = run("inspect", foreign, tmp_path, foreign)
    assert completed.exit_code == 2
    files = [line.split(": ")[1] for line in completed.stderr.splitlines()]
    assert files == [str(foreign), str(tmp_path), str(foreign)]
    assert "without mockhub metadata" in completed.stderr


@pytest.mark.parametrize("command", ["scenarios", "assumptions", "--help"])
def test_closed_pipe_is_no_traceback(command: str) -> None:
    """`mockhub scenarios | head -1` prints one line and no traceback."""
    quoted = " ".join(MOCKHUB)
    completed = subprocess.run(
        ["bash", "-c", f"{quoted} {command} | head -c 1"], capture_output=True, text=True
    )
    assert (len(completed.stdout), completed.stderr) == (1, "")


def test_banner_has_addresses_and_keys_with_balances() -> None:
    with start("--scenario", "default") as process:
        banner = read_banner(process)
        url = base_url(banner)
        stop(process)
    assert f"{url}/api/v1\n" in banner
    assert f"{url}/_mockhub/\n" in banner
    for name, key, state in (
        ("documentation", KEY, "120 credits"),
        ("rich", RICH, "1000000 credits"),
        ("poor", POOR, "5 credits"),
        ("expired", "gih_live_expired.*", "expired"),
        ("revoked", "gih_live_revoked.*", "revoked"),
    ):
        assert re.search(rf"^  {name} +{key} +{state}$", banner, re.MULTILINE), name


@needs_curl
def test_printed_curl_command_works() -> None:
    with start() as process:
        command = read_banner(process).partition("Try:")[2]
        completed = subprocess.run(
            ["bash", "-c", f"set -e{command}"], capture_output=True, text=True
        )
        stop(process)
    generation = json.loads(completed.stdout)
    assert (generation["status"], generation["balance"]["credits"]) == ("succeeded", 112)


def test_access_log_has_a_line_for_each_request() -> None:
    """A line has the time, method, path, status, credits and milliseconds."""
    with start() as process:
        url = base_url(read_banner(process))
        image = generate(url, n=2).json()["images"][0]["url"].removeprefix(url)
        generate(url, key=POOR)
        httpx.get(f"{url}/api/v1/models")
        httpx.get(url + image)
        httpx.get(f"{url}/hubs/none/api/v1/models")
        first, second, third, fourth, fifth = stop(process).strip().splitlines()
    time = r"[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z  "
    generations = rf"{time}POST +/api/v1/images/generations"
    assert re.fullmatch(rf"{generations} +200 +-16 credits +[0-9.]+ ms", first)
    assert re.fullmatch(rf"{generations} +402 +[0-9.]+ ms  insufficientCredits: .+", second)
    assert re.fullmatch(rf"{time}GET +/api/v1/models +200 +[0-9.]+ ms", third)
    assert re.fullmatch(rf"{time}GET +{image} +200 +[0-9.]+ ms", fourth)
    assert re.fullmatch(
        rf"{time}GET +/api/v1/models +404 +[0-9.]+ ms  hub none  notFound: .+", fifth
    )


def test_request_cannot_forge_a_line_of_the_access_log() -> None:
    """A path and the name of a hub are one line, without control characters."""
    with start() as process:
        url = base_url(read_banner(process))
        httpx.get(f"{url}/hubs/x%0aPOST%20paid%1b%5b31m%e2%80%ae/api/v1/models")
        httpx.get(f"{url}/a%0d%0ab%c2%9b")
        first, second = stop(process).strip().splitlines()
    assert r"hub x\nPOST paid\x1b[31m\u202e" in first
    assert r"/a\r\nb\x9b" in second


@pytest.mark.parametrize(
    ("control", "expected"),
    [(True, "mockhub ctl --url http://a create-key plain"), (False, "`mockhub scenarios`")],
)
def test_banner_says_how_to_get_a_key(control: bool, expected: str) -> None:
    """A scenario without keys, such as `plain`, can be used."""
    scenario = load_scenario(bundled_scenarios()["plain"])
    hub = build_hub(scenario, "default", load_spec(resource_path("openapi.yaml")))
    banner = format_banner("http://a", "http://a", scenario, hub, control=control, mutant=None)
    assert "The scenario 'plain' has no API key." in banner
    assert expected in banner


def test_no_prompt_faults_reads_brackets_as_text() -> None:
    with start("--no-prompt-faults") as process:
        url = base_url(read_banner(process))
        assert generate(url, prompt="[[fail]] whale logo").status_code == 200


def test_max_generations_limits_the_hub() -> None:
    """`--max-generations` bounds the generations and the ledger."""
    with start("--max-generations", "3") as process:
        url = base_url(read_banner(process))
        for _ in range(15):
            assert generate(url, RICH).status_code == 200
        hub = httpx.get(f"{url}/_mockhub/hubs/default").json()
        assert sum(hub["generations"].values()) == 3
        account = httpx.get(f"{url}/_mockhub/hubs/default/accounts/rich/entries").json()
        assert len(account["entries"]) == 12


def test_options_apply_to_a_mutant() -> None:
    with start(
        "--mutant", "failure-fee", "--max-json-size", "200", "--image-format", "webp"
    ) as process:
        url = base_url(read_banner(process))
        image = httpx.get(generate(url).json()["images"][0]["url"])
        too_long = generate(url, prompt="x" * 200)
        stop(process)
    assert image.headers["content-type"] == "image/webp"
    assert (too_long.status_code, too_long.json()["error"]["code"]) == (400, "invalid_request")


def test_open_shows_the_page_of_the_banner(tmp_path: Path) -> None:
    """`--open` opens the address that the banner prints; it is the page."""
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.tmp && mv {opened}.tmp {opened}\n')
    browser.chmod(0o755)
    with start("--open", BROWSER=f"{browser} %s") as process:
        banner = read_banner(process)
        url = base_url(banner)
        deadline = time.monotonic() + 20
        while not opened.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert opened.read_text().strip() == f"{url}/_mockhub/"
        assert f"{url}/_mockhub/" in banner
        assert "<title>mockhub" in httpx.get(opened.read_text().strip()).text


@pytest.mark.parametrize("option", ["--no-control", "--mutant failure-fee"])
def test_open_needs_the_page(option: str) -> None:
    message = error_line("serve", "--open", *option.split())
    assert f"--open opens the page, which {option} switches off" in message


@pytest.mark.parametrize("option", ["--control", "--control-token=secret"])
def test_mutant_has_no_control_plane(option: str) -> None:
    message = error_line("serve", "--mutant", "failure-fee", option)
    assert f"--mutant and {option.partition('=')[0]} exclude each other" in message


@pytest.mark.parametrize("command", ["serve", "proxy --target http://127.0.0.1:9"])
@pytest.mark.parametrize(
    ("options", "environment"),
    [
        ("--no-control --control-token x", {}),
        ("--control-token x", {"MOCKHUB_CONTROL": "0"}),
        ("", {"MOCKHUB_CONTROL": "0", "MOCKHUB_CONTROL_TOKEN": "x"}),
    ],
)
def test_token_without_control_plane_is_an_error(
    command: str, options: str, environment: dict[str, str]
) -> None:
    words = [*command.split(), *options.split(), "--port", "0", "--host", "256.0.0.0"]
    result = CliRunner().invoke(main, words, env=environment)
    assert result.exit_code == 2
    assert "the control plane is off, so its token has no effect" in result.stderr


def test_no_control_wins_over_a_token_of_the_environment() -> None:
    """A shell may have one for `mockhub ctl`; the next error is that of the host."""
    words = ["serve", "--no-control", "--port", "0", "--host", "256.0.0.0"]
    result = CliRunner().invoke(main, words, env={"MOCKHUB_CONTROL_TOKEN": "x"})
    assert "cannot listen on 256.0.0.0" in result.stderr


def test_json_log_begins_with_the_started_event() -> None:
    """Every line is an object: the start, then one for each request."""
    with start("--log-format", "json") as process:
        assert process.stdout
        event = json.loads(process.stdout.readline())
        generate(event["url"])
        generate(event["url"], key=POOR)
        request, rejected = map(json.loads, stop(process).splitlines())
    assert event["base_url"] == event["url"] + "/api/v1", "as SDKs want it"
    assert rejected["code"] == "insufficientCredits"
    assert "credits" in rejected["message"].lower()
    assert rejected["account"]
    assert request["generation"].startswith("clx")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT.+Z", request["time"])
    assert event["page"] == event["url"] + "/_mockhub/"
    assert (event["event"], event["keys"]["documentation"]) == ("started", KEY)
    assert tuple(request[name] for name in ("event", "method", "path", "status", "credits")) == (
        "request",
        "POST",
        "/api/v1/images/generations",
        200,
        -8,
    )
    assert request["ms"] > 0


@pytest.mark.parametrize(("level", "statuses"), [("info", [200, 500]), ("warning", [500])])
def test_log_level_warning_logs_only_5xx_responses(level: str, statuses: list[int]) -> None:
    with start("--log-format", "json", "--log-level", level) as process:
        assert process.stdout
        url = json.loads(process.stdout.readline())["url"]
        generate(url)
        generate(url, prompt="[[fail]]")
        assert [json.loads(line)["status"] for line in stop(process).splitlines()] == statuses


@pytest.mark.parametrize(
    ("terminal", "environment", "colored"),
    [
        (False, {}, False),
        (True, {}, True),
        (True, {"NO_COLOR": "1"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (True, {"NO_COLOR": ""}, True),
    ],
)
def test_color_is_for_terminals(terminal: bool, environment: dict[str, str], colored: bool) -> None:
    """Color appears on a terminal only, unless NO_COLOR or FORCE_COLOR is set."""
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_COLOR")}
    reader, writer = pty.openpty() if terminal else os.pipe()
    subprocess.run(
        [*MOCKHUB, "scenarios"], stdout=writer, env=clean | {"TERM": "xterm"} | environment
    )
    os.close(writer)
    printed = os.read(reader, 10_000).decode()
    os.close(reader)
    assert printed.replace("\r\n", "\n").startswith("\x1b[1mdefault" if colored else "default\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_the_server_with_exit_code_0(number: signal.Signals) -> None:
    """This holds for SIGINT and SIGTERM, right after the start and while a request is pending."""
    with start() as process:
        read_banner(process)
        assert stop(process, number).strip() == ""
    with start("--log-level", "error") as process:
        url = base_url(read_banner(process))
        with socket.create_connection(tuple(url.removeprefix("http://").split(":"))) as waiting:
            body = json.dumps(BODY | {"prompt": "[[hang]]"})
            waiting.sendall(
                f"POST /api/v1/images/generations HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            generate(url)
            stop(process, number)


def test_signal_during_the_start_stops_the_server() -> None:
    program = """
import signal
from mockhub.cli.main import main
from mockhub.server.server import Server

run = Server.run

def run_after_signal(self, **options):
    signal.raise_signal(signal.SIGTERM)
    run(self, **options)

Server.run = run_after_signal
main(["serve", "--port", "0"])
"""
    completed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert (completed.returncode, completed.stderr) == (0, "")


def test_server_continues_after_its_log_pipe_is_closed() -> None:
    with start() as process:
        url = base_url(read_banner(process))
        assert process.stdout
        process.stdout.close()
        assert [generate(url).status_code for _ in range(2)] == [200, 200]
        process.send_signal(signal.SIGTERM)
        assert process.stderr
        assert process.stderr.read() == ""
        assert process.wait(20) == 0


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("is_read_late", [False, True])
def test_unread_log_does_not_block_the_server(log_format: str, is_read_late: bool) -> None:
    """The server answers and stops while its log pipe is full, and counts the lines it drops."""
    count = 90  # 5 MB of log lines, more than are kept
    with start("--log-format", log_format) as process:
        assert process.stdout
        if log_format == "json":
            url = json.loads(process.stdout.readline())["address"]
        else:
            url = base_url(read_banner(process))
        request = b"GET /" + 60_000 * b"x" + b" HTTP/1.1\r\n\r\n"
        with socket.create_connection(tuple(url.removeprefix("http://").split(":"))) as client:
            client.settimeout(20)
            for _ in range(count):
                client.sendall(request)
                assert client.recv(65536).startswith(b"HTTP/1.1 404 ")
        if not is_read_late:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            return
        lines = stop(process).splitlines()
    (dropped,) = [line for line in lines if "dropped" in line]
    number = re.search(r"([0-9]+) log lines|\"lines\": ([0-9]+)", dropped)
    assert number
    assert re.search(r"[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", dropped)
    assert len(lines) - 1 + int(number[1] or number[2]) == count


def test_urls_in_responses_begin_with_the_public_url() -> None:
    """poll_url and image URLs do not follow the Host header."""
    with start("--public-url", "https://mock.test/hub/", "--log-format", "json") as process:
        assert process.stdout
        event = json.loads(process.stdout.readline())
        generation, queued = generate_with_forged_host(event["address"])
        stop(process)
    assert event["url"] == "https://mock.test/hub"
    assert generation["images"][0]["url"].startswith("https://mock.test/hub/images/")
    assert queued["poll_url"] == f"https://mock.test/hub/api/v1/generations/{queued['id']}"


def test_urls_in_responses_begin_with_the_address_listened_on() -> None:
    """This is so without --public-url."""
    with start() as process:
        url = base_url(read_banner(process))
        generation, queued = generate_with_forged_host(url)
        stop(process)
    assert generation["images"][0]["url"].startswith(f"{url}/images/")
    assert queued["poll_url"] == f"{url}/api/v1/generations/{queued['id']}"


def generate_with_forged_host(url: str) -> tuple[Any, Any]:
    headers = {"Host": "evil.example", "Authorization": f"Bearer {KEY}"}
    endpoint = f"{url}/api/v1/images/generations"
    generation = httpx.post(endpoint, headers=headers, json=BODY)
    queued = httpx.post(endpoint, headers=headers, json=BODY | {"async": True})
    return generation.json(), queued.json()
