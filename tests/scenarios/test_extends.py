"""A scenario extends another."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockhub.exceptions import MockhubError
from mockhub.scenarios.loader import load_scenario, scenario_from_json


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_fields_and_accounts_are_replaced_by_name(tmp_path: Path) -> None:
    """A file extends a file beside it, which extends a bundled scenario."""
    write(tmp_path / "base.yaml", "extends: outage\nseed: 8\naccounts: {ben: {}}\n")
    path = write(tmp_path / "mine.yaml", "extends: base.yaml\nfaults: []\n")
    content = load_scenario(path).content
    assert list(content["accounts"]) == ["documentation", "ben"]
    assert (content["seed"], content["faults"]) == (8, [])
    assert content["provider"] == ["deliver=2", "fail"]
    assert "extends" not in content


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nextends: outtage", r"mine\.yaml:2: #/extends: .*did you mean 'outage'"),
        ("extends: mine.yaml", r"mine\.yaml:1: #/extends: .* extends itself"),
        ("extends: [slow]\naccounts: {}", r"mine\.yaml:1: #/extends: .*expected a name from"),
        ("extends: slow\naccounts: 3", r"mine\.yaml:2: #/accounts: 3 is not valid"),
    ],
)
def test_wrong_base_is_an_error_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MockhubError, match=message):
        load_scenario(write(tmp_path / "mine.yaml", text))


def test_definition_from_a_client_extends_bundled_scenarios_only(tmp_path: Path) -> None:
    """A file of the server is not read for a client of the control plane."""
    assert (
        "documentation" in scenario_from_json("the body", {"extends": "slow"}).content["accounts"]
    )
    base = write(tmp_path / "base.yaml", "accounts: {}\n")
    with pytest.raises(MockhubError, match="there is no scenario"):
        scenario_from_json("the body", {"extends": str(base)})
