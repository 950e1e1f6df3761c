"""Options of `mockhub serve` from the environment and from a file; the schemas of files."""

from __future__ import annotations

import json
from pathlib import Path

import click
import httpx
import jsonschema_rs
import pytest
import yaml
from click.testing import CliRunner

from mockhub._resources import resource_path
from mockhub.cli import run_server
from mockhub.cli.main import main
from mockhub.cli.options import ServeOptions
from mockhub.cli.schema import build_schema
from mockhub.cli.serve import serve
from mockhub.scenarios.loader import bundled_scenarios
from tests.conftest import Serve
from tests.support.live_server import BODY


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[ServeOptions]:
    """Collect the options of `mockhub serve` instead of serving, in an empty folder."""
    collected: list[ServeOptions] = []
    monkeypatch.setattr(run_server, "run_server", collected.append)
    monkeypatch.chdir(tmp_path)
    return collected


def run(*arguments: str, **environment: str) -> str:
    result = CliRunner().invoke(main, arguments, env=environment)
    assert result.exit_code in (0, 2), result.output
    return result.stderr


def test_environment_sets_options(options: list[ServeOptions]) -> None:
    """Each option has a variable; the command line wins."""
    environment = {
        "MOCKHUB_PORT": "9000",
        "MOCKHUB_HOST": "::1",
        "MOCKHUB_CONTROL": "0",
        "MOCKHUB_MAX_JSON_SIZE": "5000",
        "MOCKHUB_PROVIDER": "fail;deliver=1 duration=2s",
    }
    assert run("serve", "--host", "127.0.0.1", **environment) == ""
    (served,) = options
    assert (served.port, served.host, served.control) == (9000, "127.0.0.1", False)
    assert served.limits.max_json_bytes == 5000
    assert served.provider == ("fail", "deliver=1 duration=2s")


def test_help_shows_the_variable_of_every_option() -> None:
    text = CliRunner().invoke(main, ["serve", "--help"], terminal_width=200).output
    for option in serve.params:
        assert isinstance(option, click.Option)
        name = next(name for name in option.opts if name.startswith("--"))
        assert f"MOCKHUB_{name[2:].upper().replace('-', '_')}" in text


@pytest.mark.parametrize(
    ("file", "table"), [("mockhub.toml", "serve"), ("pyproject.toml", "tool.mockhub.serve")]
)
def test_file_in_the_folder_sets_options(
    options: list[ServeOptions], file: str, table: str
) -> None:
    """The environment wins over the file."""
    lines = ["port = 9000", "max-connections = 40", 'arm = ["reset x1"]', "control = false"]
    Path(file).write_text("\n".join([f"[{table}]", *lines]))
    assert run("serve", MOCKHUB_PORT="9001") == ""
    (served,) = options
    assert (served.port, served.control, served.arm) == (9001, False, ("reset x1",))
    assert served.limits.max_connections == 40


def test_pyproject_of_others_is_ignored(options: list[ServeOptions]) -> None:
    Path("pyproject.toml").write_text("not TOML")
    assert run("serve") == ""
    assert options[0].port == 8080


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[serve]\nprot = 1", "mockhub.toml: 'prot' is not an option; did you mean 'port'?"),
        ("[serve]\nport = 'x'", "mockhub.toml: Invalid value for '--port'"),
        ("[serve]\narm = 'x1'", "mockhub.toml: arm: 'x1': expected a list"),
        ("[serve", "mockhub.toml: not TOML: "),
        ("[serve]\nspec = 5", "mockhub.toml: spec: 5: expected a text in quotes"),
        ("[serve]\nrecord = {}", "mockhub.toml: record: {}: expected a text in quotes"),
        ("[serve]\narm = [1]", "mockhub.toml: arm: 1: expected a text in quotes"),
        ("[serve]\nseed = 1.9", "mockhub.toml: seed: 1.9: expected a whole number"),
        ("[serve]\ncredits = 5.7", "mockhub.toml: credits: 5.7: expected a whole number"),
        ("[serve]\nmax-generations = true", "max-generations: True: expected a whole number"),
        ("[serve]\nidle-timeout = false", "idle-timeout: False: expected a number"),
        ("[serve]\ncontrol = 0", "mockhub.toml: control: 0: expected true or false"),
        ("serve = 5", "mockhub.toml: serve: 5: expected the table [serve]"),
        ("[[serve]]", "mockhub.toml: serve: [{}]: expected the table [serve]"),
        ("[servee]", "mockhub.toml: has no table [serve]; it has [servee]"),
    ],
)
def test_wrong_file_is_an_error_with_its_name(
    options: list[ServeOptions], content: str, message: str
) -> None:
    Path("mockhub.toml").write_text(content)
    error = run("serve")
    assert message in error
    assert (error.count("\n"), options) == (1, [])


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("c.toml", "[proxy]\n[other]", "c.toml: has no table [serve]; it has [proxy], [other]"),
        ("c.toml", "", "c.toml: has no table [serve]; it has none"),
        ("pyproject.toml", "[tool.x]", "pyproject.toml: has no table [tool.mockhub.serve]"),
        ("pyproject.toml", "[tool]\nmockhub = 1", "pyproject.toml: mockhub is not a table"),
        (
            "pyproject.toml",
            "[tool.mockhub]\nserve = [1]",
            "expected the table [tool.mockhub.serve]",
        ),
    ],
)
def test_named_file_without_the_table_is_an_error(
    options: list[ServeOptions], file: str, content: str, message: str
) -> None:
    Path(file).write_text(content)
    error = run("serve", "--config", file)
    assert message in error
    assert (error.count("\n"), options) == (1, [])


def test_file_in_the_folder_needs_no_table(options: list[ServeOptions]) -> None:
    Path("mockhub.toml").write_text("[proxy]\nport = 9000\n")
    assert run("serve") == ""
    assert options[0].port == 8080


@pytest.mark.parametrize("command", ["serve", "proxy"])
def test_help_of_config_names_the_table_of_the_command(command: str) -> None:
    text = CliRunner().invoke(main, [command, "--help"], terminal_width=200).output
    other = {"serve": "proxy", "proxy": "serve"}[command]
    assert f"[tool.mockhub.{command}]" in text
    assert f"[tool.mockhub.{other}]" not in text


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (
            (),
            {"MOCKHUB_PORT": "a"},
            "MOCKHUB_PORT: Invalid value for '--port': 'a' is not an integer",
        ),
        (("--arm", "rest@after"), {}, "Invalid value for '--arm': unknown directive 'rest'"),
        (("--provider", "fial"), {}, "Invalid value for '--provider'"),
        (("--config", "none.toml"), {}, "none.toml: cannot be read: No such file"),
    ],
)
def test_wrong_value_is_an_error_with_its_place(
    options: list[ServeOptions],
    arguments: tuple[str, ...],
    environment: dict[str, str],
    message: str,
) -> None:
    assert message in run("serve", *arguments, **environment)
    assert options == []


def test_server_starts_with_faults_provider_and_credits(serve: Serve) -> None:
    """`--arm`, `--provider` and `--credits` change the scenario, also after a reset."""
    arguments = ("--arm", "status=503 x1", "--provider", "fail", "--credits", "24", "--control")
    with serve(*arguments) as server, httpx.Client(base_url=server.url) as client:
        headers = {"Authorization": f"Bearer {server.keys['documentation']}"}
        for _ in range(2):
            statuses = [
                client.post("/api/v1/images/generations", json=BODY, headers=headers).status_code
                for _ in range(2)
            ]
            assert statuses == [503, 500]
            credits = client.get("/api/v1/credits", headers=headers).json()["credits"]
            assert credits == 24
            client.post("/_mockhub/hubs/default/reset")


def test_ctl_load_replaces_the_state_of_a_hub(serve: Serve, tmp_path: Path) -> None:
    """A file that extends a bundled scenario is loaded twice, into a hub other than the default."""
    file = tmp_path / "mine.yaml"
    key = "gih_live_minemineminemineminemineminemine"
    file.write_text(
        "extends: outage\nprovider: []\nfaults: []\n"
        f"accounts: {{mine: {{grants: [{{credits: 9}}], keys: [{{key: {key}}}]}}}}\n"
    )
    with serve("--control") as server:
        for _ in range(2):
            command = ["ctl", "--url", server.url, "--hub", "mine", "load", str(file)]
            result = CliRunner().invoke(main, command)
            assert result.exit_code == 0, result.output
        response = httpx.get(
            f"{server.url}/api/v1/credits", headers={"Authorization": f"Bearer {key}"}
        )
        assert response.json()["credits"] == 9
        assert "mockhub ctl --hub mine load" in run("ctl", "--url", server.url, "load", str(file))


@pytest.mark.parametrize("kind", ["scenario", "profile"])
def test_published_schema_is_current(kind: str) -> None:
    """`fixtures/` has what `mockhub schema scenario > fixtures/scenario.schema.json` writes."""
    published = resource_path(f"fixtures/{kind}.schema.json").read_text("utf-8")
    assert json.loads(published) == build_schema(kind)
    jsonschema_rs.meta.validate(json.loads(published))


def test_bundled_scenarios_match_the_published_schema() -> None:
    """Each begins with the line by which an editor finds the schema."""
    validator = jsonschema_rs.Draft202012Validator(build_schema("scenario"))
    for path in bundled_scenarios().values():
        first, content = path.read_text("utf-8").split("\n", 1)
        assert first == "# yaml-language-server: $schema=../scenario.schema.json"
        assert validator.is_valid(yaml.safe_load(content))
    assert validator.is_valid({"extends": "slow"})
    assert not validator.is_valid({"seed": 7})
