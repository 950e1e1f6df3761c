"""The container files agree with the package and with each other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from mockhub.cli.serve import serve

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
VARIABLES = {str(option.envvar) for option in serve.params}


def test_dockerfile_sets_variables_of_serve() -> None:
    """A variable that `mockhub serve` does not read would have no effect."""
    names = set(re.findall(r"MOCKHUB_[A-Z_]+(?==)", DOCKERFILE))
    assert {"MOCKHUB_HOST", "MOCKHUB_PUBLIC_URL", "MOCKHUB_CONTROL"} <= names <= VARIABLES


def test_documented_variables_exist() -> None:
    page = (ROOT / "docs" / "containers.md").read_text("utf-8")
    assert set(re.findall(r"MOCKHUB_[A-Z_]+", page)) <= VARIABLES


def test_build_context_has_what_the_wheel_is_made_of() -> None:
    """The files that pyproject.toml and the Dockerfile name are not ignored."""
    kept = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE))
    assert kept >= {"LICENSE", "README.md", "contract_tests", "fixtures", "mockhub", "openapi.yaml"}
    assert kept >= {"pyproject.toml", "requirements.txt"}
    assert all((ROOT / name).exists() for name in kept)


def test_build_tools_that_are_removed_were_installed() -> None:
    """The names in `pip uninstall` are those of requirements.txt, so that none is left behind."""
    removed = re.search(r"pip uninstall[^\n]*\\\n +(.+)", DOCKERFILE)
    assert removed
    locked = (ROOT / "requirements.txt").read_text("utf-8")
    for name in set(removed[1].split()) - {"pip", "setuptools"}:  # which venv installs
        assert f"\n{name}==" in locked


def test_compose_and_devcontainer_name_files_that_exist() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    for volume in services["client"]["volumes"]:
        assert (ROOT / volume.split(":")[0]).is_file()
    assert set(services["mockhub"]["environment"]) <= VARIABLES
    devcontainer = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text("utf-8"))
    assert devcontainer["postCreateCommand"] == "make env"
