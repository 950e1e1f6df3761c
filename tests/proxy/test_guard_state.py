"""What the guard keeps in its file over a restart."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import rmtree

import pytest

from mockhub.exceptions import MockhubError
from mockhub.proxy.guard import Guard
from mockhub.proxy.guard_state import GuardState, Purchase, StateFile
from tests.proxy.support import start_proxy
from tests.proxy.test_guard import SPEC, guarded, lose, status
from tests.support.live_server import KEY, LiveHub
from tests.support.scripted_server import json_response, scripted_server


def test_restart_does_not_forget(upstream: LiveHub, tmp_path: Path) -> None:
    """Credits, lost responses and running generations survive in the file, without a key."""
    file = tmp_path / "guard.json"
    with guarded(upstream, file=file, budget=40) as proxy:
        lose(proxy)
        created = proxy.generate({"async": True, "prompt": "[[polls=2 fail]]"}).json()
        before = status(proxy)
    assert KEY not in file.read_text()
    assert before["spent"] == 16
    with guarded(upstream, file=file, budget=40, repeats="replay") as proxy:
        assert status(proxy) == before
        for _ in range(2):
            proxy.get(f"generations/{created['id']}")
        assert status(proxy)["spent"] == 8
        saved = StateFile(file).load()
        assert saved
        assert saved.spent == 8
        assert proxy.generate({}).headers["x-mockhub-guard"] == "replayed"
    assert upstream.credits() == 112


def test_file_stays_locked_until_the_last_exchange_is_settled(tmp_path: Path) -> None:
    """Another proxy that starts meanwhile would count without it, and both would write."""
    guard = Guard(SPEC, "target", file=StateFile(tmp_path / "guard.json"))
    with start_proxy("http://127.0.0.1:9", guard=guard) as proxy:
        proxy.server.stop()
        with pytest.raises(MockhubError, match="another proxy uses it"):
            Guard(SPEC, "target", file=StateFile(tmp_path / "guard.json"))
    Guard(SPEC, "target", file=StateFile(tmp_path / "guard.json")).close()


def test_killed_proxy_counts_what_it_had_sent(upstream: LiveHub, tmp_path: Path) -> None:
    """A request without a response counts as spent, and its repeat is held back."""
    file = tmp_path / "guard.json"
    with guarded(upstream, file=file, budget=16) as proxy:
        lose(proxy)
        state = json.loads(file.read_text())
    state["purchases"][0] |= {"pending": True, "confirmed": False, "lost": False}
    file.write_text(json.dumps(state))
    with guarded(upstream, file=file, budget=16) as proxy:
        assert (status(proxy)["spent"], status(proxy)["unconfirmed"]) == (8, 8)
        assert status(proxy)["running"] == 0
        assert proxy.generate({}).status_code == 409
        assert proxy.generate({"n": 2}).status_code == 402


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "expected a file that --state has written"),
        ('{"target": 5}', "Expected `str`, got `int`"),
        ('{"target": "target", "version": 9}', "version 9"),
        ('{"target": "https://other"}', "belongs to the target https://other"),
    ],
)
def test_wrong_state_files_are_rejected(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "guard.json"
    file.write_text(content)
    with pytest.raises(MockhubError, match=problem):
        Guard(SPEC, "target", file=StateFile(file))
    assert file.read_text() == content


def test_two_proxies_do_not_share_a_state_file(tmp_path: Path) -> None:
    """The second one is rejected, until the first one has ended."""
    file = tmp_path / "guard.json"
    for _ in range(2):  # the file is new, then it exists
        first = Guard(SPEC, "target", file=StateFile(file))
        with pytest.raises(MockhubError, match=r"guard\.json: another proxy uses it"):
            Guard(SPEC, "target", file=StateFile(file))
        first.close()


def test_state_that_cannot_be_written_stops_spending(upstream: LiveHub, tmp_path: Path) -> None:
    """Without a place to reserve the price, nothing is sent."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with guarded(upstream, file=folder / "guard.json") as proxy:
        rmtree(folder)
        response = proxy.generate({})
        assert (response.status_code, response.json()["error"]["code"]) == (500, "guardState")
        assert status(proxy)["spent"] == 0
    assert upstream.credits() == 120


def test_no_credits_are_left_when_more_was_spent() -> None:
    """A response may cost more than the prices of the spec."""
    state = GuardState("target", budget=5, purchases=[Purchase(0, 8, "digest")])
    assert state.as_json()["left"] == 0


def test_kept_response_has_no_key(tmp_path: Path) -> None:
    """A service that repeats the key in its response does not bring it into the file."""
    file = tmp_path / "guard.json"
    usage = {"credits": 8}
    with (
        scripted_server(lambda request: json_response({"echo": KEY, "usage": usage})) as url,
        start_proxy(url, guard=Guard(SPEC, url, file=StateFile(file))) as proxy,
    ):
        lose(proxy)
        assert status(proxy)["lost_responses"] == 1
    assert '"usage"' in json.loads(file.read_text())["purchases"][0]["body"]
    assert KEY not in file.read_text()
