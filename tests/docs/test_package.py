"""What is built can be installed, and works from any folder without the checkout."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

import mockhub
from mockhub import _resources

if TYPE_CHECKING:
    from conftest import Serve

ROOT = Path(__file__).resolve().parents[2]
SHOW_HELP = """
import sys
from mockhub.cli.main import main

for command in sys.argv[1:]:
    main([command, "--help"], prog_name="mockhub", standalone_mode=False)
"""
CARRIED = ("openapi.yaml", "fixtures", "contract_tests")


def run(*command: str | Path, cwd: Path) -> str:
    completed = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


def build(project: Path, folder: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "--directory", folder, cwd=project)


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@dataclass(frozen=True)
class Built:
    """What `hatchling build` made of the checkout."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(wheel, sdist)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create an environment with the wheel and the dependencies of this one."""
    venv = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=venv)
    python = venv / "bin" / "python"
    offline = ["--no-deps", "--no-index", "--disable-pip-version-check"]
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", *offline, built.wheel),
        cwd=venv,
    )
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return venv


@pytest.fixture(scope="module")
def call(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Return a function that calls a program of that environment in an empty folder."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    return lambda program, *arguments: run(installed / "bin" / program, *arguments, cwd=elsewhere)


def test_wheel_installs_one_package(built: Built) -> None:
    """Nothing but `mockhub` lands beside other people's packages, and no rubbish in it."""
    listed = names(built.wheel)
    metadata = f"mockhub-{mockhub.__version__}.dist-info"
    assert {name.split("/")[0] for name in listed} == {"mockhub", metadata}
    assert [name for name in listed if re.search(r"__pycache__|\.pyc$|node_modules", name)] == []


def test_wheel_contains_the_data_files_of_the_checkout(built: Built) -> None:
    """The spec, the control plane's description, fixtures, the checks and py.typed are inside."""
    expected = {"mockhub/openapi.yaml", "mockhub/control/control.yaml", "mockhub/py.typed"}
    expected |= {str(file.relative_to(ROOT)) for file in (ROOT / "mockhub").rglob("*.j2")}
    for name in CARRIED:
        files = (file for file in (ROOT / name).rglob("*") if file.is_file())
        expected |= {f"mockhub/{file.relative_to(ROOT)}" for file in files if file.suffix != ".pyc"}
    assert "mockhub/contract_tests/clauses.yaml" in expected
    assert set() == expected - names(built.wheel)


def test_sdist_builds_the_same_wheel(built: Built, tmp_path: Path) -> None:
    """The source distribution is all that is needed to build the wheel."""
    run(sys.executable, "-m", "tarfile", "--extract", built.sdist, tmp_path, cwd=tmp_path)
    (source,) = tmp_path.iterdir()
    build(source, tmp_path / "dist")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert names(built.wheel) == names(wheel)
    assert not (source / "tests" / "node" / "node_modules").exists()


def test_it_says_its_version_from_any_folder(call: Callable[..., str]) -> None:
    """The installed command runs where there is no checkout."""
    assert f"mockhub, version {mockhub.__version__}\n" == call("mockhub", "--version")


def test_its_commands_run_from_any_folder(call: Callable[..., str]) -> None:
    """The installed command offers what it offers in the checkout, and finds its files."""
    from_source = run(sys.executable, "-m", "mockhub", "--help", cwd=ROOT)
    installed_help = call("mockhub", "--help")
    assert from_source.partition("Commands:")[2] == installed_help.partition("Commands:")[2]
    commands = re.findall(
        r"^  (\w+) +[^( ]", installed_help.partition("Commands:")[2], re.MULTILINE
    )
    shown = call("python", "-c", SHOW_HELP, *commands)
    assert [name for name in commands if f"Usage: mockhub {name}" not in shown] == []
    assert "  documentation  " in call("mockhub", "scenarios")
    assert "AUTH-11" in call("mockhub", "assumptions")


def test_it_serves_from_any_folder(serve: Serve, installed: Path, tmp_path: Path) -> None:
    """The installed server makes and serves an image where there is no checkout."""
    with serve(python=str(installed / "bin" / "python"), cwd=tmp_path) as server:
        generation = httpx.post(
            f"{server.url}/api/v1/images/generations",
            headers={"Authorization": f"Bearer {server.keys['documentation']}"},
            json={"model": "gpt-image-2", "prompt": "A lighthouse", "size": "1024x1024"},
        ).json()
        assert httpx.get(generation["images"][0]["url"]).content.startswith(b"\x89PNG")
    assert generation["balance"]["credits"] == 112


def test_installed_package_finds_its_files_inside_the_package(
    call: Callable[..., str], installed: Path
) -> None:
    """An installed package uses the spec inside it."""
    output = call(
        "python",
        "-c",
        "from mockhub._resources import resource_path; print(resource_path('openapi.yaml'))",
    )
    assert Path(output.strip()).is_relative_to(installed.resolve())
    assert Path(output.strip()).parent.name == "mockhub"


@pytest.mark.parametrize("name", CARRIED)
def test_checkout_finds_its_files_beside_the_package(name: str) -> None:
    """A checkout uses its own spec, not the copy of an install."""
    assert _resources.resource_path(name) == ROOT / name


def test_missing_file_error_names_both_places() -> None:
    """The error for a missing file names both places."""
    with pytest.raises(FileNotFoundError) as caught:
        _resources.resource_path("nowhere.yaml")
    assert f"{ROOT / 'mockhub' / 'nowhere.yaml'}" in str(caught.value)
    assert f"{ROOT / 'nowhere.yaml'}" in str(caught.value)
