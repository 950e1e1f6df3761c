"""A recording that cannot be used is refused before the server starts, with the place."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from mockhub._resources import resource_path
from mockhub.cli.main import main
from mockhub.exceptions import MockhubError
from mockhub.recording.files import load_recording, prepare_directory, write_exchange
from mockhub.recording.recorder import Recorder
from tests.recording.conftest import Session
from tests.support.live_server import read_spec

CREDITS = "0002-get-credits-200.yaml"


@pytest.fixture
def recording(session: Session, tmp_path: Path) -> Path:
    return shutil.copytree(session.directory, tmp_path / "cassette")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "status: 200",
            "status: 2000",
            8,
            "#/response/status: 2000 is not valid; expected a status",
        ),
        ("status: 200", "state: 200", 8, "'state' is not known here; did you mean 'status'?"),
        ("  status: 200\n", "", 7, "#/response: 'status' is missing; expected a status"),
        ("  json:", "  text: x\n  json:", 11, "json and text are both given; expected one body"),
        ("method: GET", "method: [GET]", 4, "#/request/method: an array of 1 is not valid"),
        ("content-type: a", "content type: a", 10, "content type: is not the name of a header"),
        ("content-type: a", 'x: "ü\\n"\n    y: a', 10, "expected a text in one line; quote it"),
        ("request:", "request: {", 5, "not YAML"),
        ("target: /api", "target: api", 5, "expected a path such as /api/v1/credits"),
        ("key: key-1", "key: 1", 6, "#/request/key: 1 is not valid; expected a label"),
    ],
)
def test_edited_file_is_rejected_with_its_line(
    recording: Path, old: str, new: str, line: int, message: str
) -> None:
    edit(recording / CREDITS, old, new)
    with pytest.raises(MockhubError, match=CREDITS) as caught:
        load_recording(recording)
    assert message in str(caught.value)
    assert f"{CREDITS}:{line}: " in str(caught.value)


def remove_image(recording: Path) -> None:
    next((recording / "images").iterdir()).unlink()


def change_image(recording: Path) -> None:
    with next((recording / "images").iterdir()).open("ab") as file:
        file.write(b"x")


def remove_exchanges(recording: Path) -> None:
    for path in recording.glob("0*.yaml"):
        path.unlink()


def remove_directory(recording: Path) -> None:
    shutil.rmtree(recording)


def remove_index(recording: Path) -> None:
    (recording / "recording.yaml").unlink()


def raise_version(recording: Path) -> None:
    edit(recording / "recording.yaml", "version: 1", "version: 2")


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (remove_image, "0006-get-image-200.yaml:13: #/response/file: .* cannot be read: No such file"),
    (change_image, "0006-get-image-200.yaml:13: #/response/file: .* was changed: its SHA-256 is"),
    (remove_exchanges, "has no exchanges; expected files such as 0001-....yaml"),
    (remove_directory, "does not exist; expected one that `--record` has written"),
    (remove_index, "has no recording.yaml; expected a directory that `--record` has written"),
    (raise_version, "recording.yaml:2: #/version: 2 is not supported; expected 1"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_damaged_recording_is_rejected(
    recording: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(recording)
    with pytest.raises(MockhubError, match=message):
        load_recording(recording)


@pytest.mark.parametrize("command", ["serve --port 0 --replay"])
def test_command_prints_one_line_and_exits_with_2(recording: Path, command: str) -> None:
    change_image(recording)
    result = CliRunner().invoke(main, [*command.split(), str(recording)])
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert "was changed: its SHA-256 is" in result.output


def test_replay_only_needs_a_recording() -> None:
    result = CliRunner().invoke(main, ["serve", "--port", "0", "--replay-only"])
    assert (result.exit_code, result.output) == (
        2,
        "mockhub: --replay-only needs a recording: give --replay DIR too\n",
    )


def test_recording_is_not_recorded_into_itself(recording: Path) -> None:
    options = ["--record", str(recording), "--replay", str(recording)]
    result = CliRunner().invoke(main, ["serve", "--port", "0", *options])
    assert result.exit_code == 2
    assert "give two directories" in result.output


def test_directory_with_other_files_is_not_recorded_into(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(MockhubError, match=r"is not empty and has no recording\.yaml"):
        prepare_directory(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_two_servers_do_not_record_into_one_directory(tmp_path: Path) -> None:
    """Their files would have the same numbers; a third one may continue."""
    spec = read_spec(resource_path("openapi.yaml"))
    first = Recorder(tmp_path, spec, "http://one")
    with pytest.raises(MockhubError, match="another server records into it"):
        Recorder(tmp_path, spec, "http://two")
    first.close()
    Recorder(tmp_path, spec, "http://three").close()


def test_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MockhubError, match="file: is not a directory"):
        prepare_directory(tmp_path / "file")


def test_killed_recorder_leaves_no_half_file(recording: Path) -> None:
    """The process ends while it writes: what it had begun is ignored."""
    before = len(load_recording(recording))
    child = os.fork()
    if child == 0:  # pragma: no cover
        os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        write_exchange(recording / "0099-get-credits-200.yaml", {"request": {"method": "GET"}})
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert [path.name for path in recording.glob(".*")] == [".0099-get-credits-200.yaml.tmp"]
    assert len(load_recording(recording)) == before
    assert prepare_directory(recording)[0] == before
    assert not list(recording.glob(".*"))
