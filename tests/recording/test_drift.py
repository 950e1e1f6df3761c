"""`mockhub drift` is silent about our own mock, and names each planted difference."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mockhub.cli.main import main
from tests.recording.conftest import Session
from tests.recording.test_files import edit

CASSETTE = Path(__file__).parent / "cassette"


def drift(directory: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["drift", str(directory), *options])


def test_our_own_mock_has_no_drift(session: Session) -> None:
    result = drift(session.directory, "--json")
    report = json.loads(result.output)
    assert report["differences"] == []
    assert result.exit_code == 0
    assert report["compared"] == 16
    assert [one["reason"] for one in report["skipped"]] == [
        "it is not a whole image",
        "it is not a whole image",
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "0007-get-credits-200",
            "credits: 112",
            "credits: 110",
            "#/credits: the service has 110, the mock 112  (CRD-2",
        ),
        (
            "0007-get-credits-200",
            "account_type: PRO",
            "account_type: 1",
            "#/account_type: the service has a number, the mock a text  (CRD-2)",
        ),
        (
            "0007-get-credits-200",
            "    next_expiration: null\n",
            "    expires: null\n",
            "#/expires: the service has null, the mock no such field  (CRD-1, CRD-2)",
        ),
        (
            "0002-create-generation-202",
            "credits_requested: 8",
            "credits_requested: 10",
            "#/usage/credits_requested: the service has 10, the mock 8  (ASY-4",
        ),
        (
            "0002-create-generation-202",
            "credits: 0",
            "credits: false",
            "#/usage/credits: the service has false, the mock 0  (ASY-4",
        ),
        (
            "0002-create-generation-202",
            "status: queued",
            "status: pending",
            '#/status: the service has "pending", the mock "queued"  (ASY-',
        ),
        (
            "0005-get-generation-200",
            "quality: 1K",
            "quality: 2K",
            '#/quality: the service has "2K", the mock "1K"  (RET-1, GEN-4)',
        ),
        (
            "0005-get-generation-200",
            "credits: 8",
            "credits: 8.5",
            "#/usage/credits: the service has 8.5, the mock 8  (",
        ),
        (
            "0002-create-generation-202",
            "  status: 202",
            "  status: 200",
            "status: the service has 200, the mock 202  (GEN-1",
        ),
        (
            "0002-create-generation-202",
            "content-type: application/json\n  json:\n    object",
            "content-type: text/html\n  json:\n    object",
            "Content-Type: the service has text/html, the mock application/json  (ASY-1",
        ),
        (
            "0002-create-generation-202",
            "content-type: application/json",
            "content-type: application/json\n    location: /api/v1/generations/x",
            "Location: the service has /api/v1/generations/x, the mock none  (ASY-1",
        ),
        (
            "0007-get-credits-200",
            "credits: 112",
            "credits: true",
            "#/credits: the service has true, the mock 999999992",
        ),
        (
            "0005-get-generation-200",
            "created_at: '2026-11-27T09:15:31.554Z'",
            "created_at: yesterday",
            "#/created_at: the service has a text, the mock a time in UTC  (RET-4, GEN-8)",
        ),
    ],
)
def test_planted_difference_is_found(
    tmp_path: Path, file: str, old: str, new: str, expected: str
) -> None:
    directory = shutil.copytree(CASSETTE, tmp_path / "cassette")
    edit(directory / f"{file}.yaml", old, new)
    result = drift(directory)
    first, second, *_ = result.output.splitlines()
    assert first.startswith(f"{file}.yaml: ")
    assert second.strip().startswith(expected)
    assert result.exit_code == 1


# What is no difference: the service may choose it, or the mock cannot know better.
ALLOWED = [
    ("0003-get-generation-200", "status: queued", "status: processing"),
    ("0003-get-generation-200", "status: processing", "status: queued"),
    ("0005-get-generation-200", "key: key-1", "key: key-9"),  # of the same account
    ("0007-get-credits-200", "next_expiration: null", "next_expiration: '2027-01-01T00:00:00Z'"),
]


@pytest.mark.parametrize(("file", "old", "new"), ALLOWED)
def test_what_the_service_may_choose_is_no_difference(
    tmp_path: Path, file: str, old: str, new: str
) -> None:
    directory = shutil.copytree(CASSETTE, tmp_path / "cassette")
    text = (directory / f"{file}.yaml").read_text("utf-8")
    (directory / f"{file}.yaml").write_text(text.replace(old, new), "utf-8")
    result = drift(directory)
    assert "compared, 0 differences" in result.output


def test_task_that_had_not_ended_has_not_ended_in_the_mock(tmp_path: Path) -> None:
    """Without its last poll, those before are still compared, and equal."""
    directory = shutil.copytree(CASSETTE, tmp_path / "cassette")
    for number in ("0005-get-generation", "0006-get-image", "0007-get-credits"):
        (directory / f"{number}-200.yaml").unlink()
    assert "4 exchanges compared, 0 differences" in drift(directory).output


def test_generation_from_before_the_recording_is_not_compared(tmp_path: Path) -> None:
    directory = shutil.copytree(CASSETTE, tmp_path / "cassette")
    (directory / "0002-create-generation-202.yaml").unlink()
    result = drift(directory)
    assert "not compared: the request that created the generation was not compared" in result.output
    assert "0006-get-image-200.yaml: not compared: the request that created" in result.output
    assert "0 differences" in result.output


def test_image_of_no_generation_is_not_compared(tmp_path: Path) -> None:
    directory = shutil.copytree(CASSETTE, tmp_path / "cassette")
    edit(directory / "0006-get-image-200.yaml", "target: /images/", "target: /images/other/")
    assert "it is neither an operation of the API nor an image" in drift(directory).output


def write_overlapping(directory: Path, *exchanges: tuple[float, float, str, int, int]) -> None:
    """Write a recording: the time, the seconds, the request, the status and the balance of each."""
    directory.mkdir()
    (directory / "recording.yaml").write_text("version: 1\n", "utf-8")
    for number, (time, seconds, request, status, credits) in enumerate(exchanges, 1):
        method, target, body = "GET", "/api/v1/credits", ""
        balance: dict[str, object] = {
            "credits": credits,
            "account_type": "PRO",
            "next_expiration": None,
        }
        content = balance
        if request == "POST":
            method, target = "POST", "/api/v1/images/generations"
            body = "json: {model: gpt-image-2, prompt: A}"
            content = {
                "object": "image_generation",
                "id": f"clx{number}",
                "status": "succeeded",
                "model": "gpt-image-2",
                "aspect_ratio": "auto",
                "quality": "1K",
                "images": [
                    {
                        "id": f"clx-image-{number}",
                        "object": "image",
                        "url": f"http://mockhub.invalid/images/{number}.png",
                        "created_at": "2026-11-28T18:47:39.087Z",
                    }
                ],
                "usage": {"credits": 8},
                "balance": balance,
            }
        if status == 402:
            content = {"error": {"message": "Insufficient credits", "code": "insufficientCredits"}}
        (directory / f"{number:04d}-x-{status}.yaml").write_text(
            f"""\
time: {time}
seconds: {seconds}
request:
  method: {method}
  target: {target}
  key: key-1
  headers: {{content-type: application/json}}
  {body}
response:
  status: {status}
  headers: {{content-type: application/json}}
  json: {json.dumps(content)}
""",
            "utf-8",
        )


OVERLAPPING = (
    (0.0, 0.1, "GET", 200, 24),
    (1.0, 0.5, "POST", 200, 8),  # charged after the next one
    (1.1, 0.1, "POST", 200, 16),
    (1.4, 0.5, "POST", 200, 0),
    (1.6, 0.2, "GET", 200, 8),
)


def test_balances_of_overlapping_requests_are_not_compared(tmp_path: Path) -> None:
    """The order in which the service charged them is not recorded; their sum is compared."""
    write_overlapping(tmp_path / "a", *OVERLAPPING, (2.0, 0.1, "GET", 200, 0))
    assert "6 exchanges compared, 0 differences" in drift(tmp_path / "a").output
    write_overlapping(tmp_path / "b", *OVERLAPPING, (2.0, 0.1, "GET", 200, 1))
    result = drift(tmp_path / "b")
    assert "#/credits: the service has 1, the mock 0" in result.output
    assert "1 difference." in result.output


def test_balances_of_requests_that_only_touch_are_compared(tmp_path: Path) -> None:
    write_overlapping(tmp_path / "a", (0, 1, "GET", 200, 24), (1, 1, "POST", 200, 15))
    assert "#/balance/credits: the service has 15, the mock 16" in drift(tmp_path / "a").output


@pytest.mark.parametrize("time", [1.45, 2.5])
def test_unpaid_request_beside_others_is_unpaid_in_the_mock(tmp_path: Path, time: float) -> None:
    """Also if the balance that was recorded last is not the lowest one."""
    exchanges = sorted([*OVERLAPPING[:4], (time, 0.1, "POST", 402, 0)])
    write_overlapping(tmp_path / "a", *exchanges)
    assert "5 exchanges compared, 0 differences" in drift(tmp_path / "a").output


def test_image_of_another_size_is_found(tmp_path: Path, session: Session) -> None:
    directory = shutil.copytree(CASSETTE, tmp_path / "cassette")
    (small,) = (CASSETTE / "images").iterdir()
    large = next(path for path in (session.directory / "images").iterdir())
    shutil.copy(large, directory / "images")
    edit(directory / "0006-get-image-200.yaml", small.name, large.name)
    result = drift(directory)
    assert "image size: the service has 1024x1024, the mock 256x256  (GEN-10)" in result.output


def test_size_of_an_image_without_a_requested_size_is_not_compared(
    tmp_path: Path, session: Session
) -> None:
    """The service chooses it."""
    directory = shutil.copytree(session.directory, tmp_path / "recording")
    for path in directory.glob("*-create-generation-*.yaml"):
        path.write_text(path.read_text("utf-8").replace("size: 1024x1024", "size: auto"), "utf-8")
    (small,) = (CASSETTE / "images").iterdir()
    shutil.copy(small, directory / "images")
    image = directory / "0006-get-image-200.yaml"
    edit(image, image.read_text("utf-8").partition("file: images/")[2].strip(), small.name)
    differences = json.loads(drift(directory, "--json").output)["differences"]
    assert "#/aspect_ratio" in [one["place"] for one in differences]
    assert "image size" not in [one["place"] for one in differences]


def test_ids_of_models_are_compared(tmp_path: Path, session: Session) -> None:
    """Unlike the ids of generations, which the service chooses."""
    directory = shutil.copytree(session.directory, tmp_path / "recording")
    edit(directory / "0001-list-models-200.yaml", "id: gpt-image-2", "id: gpt-image-3")
    result = drift(directory)
    assert '#/data/0/id: the service has "gpt-image-3", the mock "gpt-image-2"' in result.output


def test_expired_key_is_expired_in_the_mock(tmp_path: Path) -> None:
    directory = shutil.copytree(CASSETTE, tmp_path / "cassette")
    (directory / "0008-get-credits-401.yaml").write_text(
        """\
request:
  method: GET
  target: /api/v1/credits
  key: key-2
response:
  status: 401
  headers:
    content-type: application/json
    www-authenticate: Bearer
  json: {error: {message: Expired, code: expiredApiKey}}
""",
        "utf-8",
    )
    assert "8 exchanges compared, 0 differences" in drift(directory).output


def test_each_difference_of_a_balance_is_reported_once(tmp_path: Path, session: Session) -> None:
    directory = shutil.copytree(session.directory, tmp_path / "cassette")
    edit(directory / "0003-create-generation-200.yaml", "credits: 112", "credits: 111")
    edit(directory / "0004-get-credits-200.yaml", "credits: 112", "credits: 111")
    report = json.loads(drift(directory, "--json").output)
    assert [one["file"][:4] for one in report["differences"]] == ["0003", "0005"]
    assert report["differences"][0]["place"] == "#/balance/credits"


def test_other_prices_are_a_difference(tmp_path: Path) -> None:
    """With an openapi.yaml of another price, the recorded credits are no longer right."""
    spec = Path(__file__).resolve().parents[2] / "openapi.yaml"
    changed = tmp_path / "openapi.yaml"
    text = spec.read_text("utf-8")
    assert "1K: 8\n" in text
    changed.write_text(text.replace("1K: 8\n", "1K: 9\n"), "utf-8")
    result = drift(CASSETTE, "--spec", str(changed))
    assert "#/usage/credits_requested: the service has 8, the mock 9" in result.output


def test_balance_after_a_lost_response_is_not_compared(tmp_path: Path, session: Session) -> None:
    """A request whose response was lost is missing in the recording, but was charged."""
    directory = shutil.copytree(session.directory, tmp_path / "recording")
    (directory / "0003-create-generation-200.yaml").unlink()
    (directory / "0006-get-image-200.yaml").unlink()
    (directory / "0007-get-image-200.yaml").unlink()
    result = drift(directory)
    assert result.exit_code == 0, result.output
    assert (
        "0004-get-credits-200.yaml: not compared: its balance, because 0003 is not in the "
        "recording and may have been charged" in result.output
    )
    assert "because 0006 to 0007 is not in the recording" in result.output
    edit(directory / "0005-create-generation-200.yaml", "credits: 96", "credits: 95")
    assert "#/balance/credits: the service has 95, the mock 96" in drift(directory).output


def test_unpaid_request_after_a_lost_response_is_unpaid_in_the_mock(
    tmp_path: Path, session: Session
) -> None:
    """What the lost request has left of a balance is not known."""
    directory = shutil.copytree(session.directory, tmp_path / "recording")
    unpaid = next(directory.glob("*-create-generation-402.yaml"))
    edit(unpaid, "key: key-2", "key: key-1")
    next(directory.glob("0013-*.yaml")).unlink()
    assert "status" not in [
        one["place"] for one in json.loads(drift(directory, "--json").output)["differences"]
    ]


def test_unusable_recording_exits_with_2(tmp_path: Path) -> None:
    result = drift(tmp_path / "missing")
    assert result.exit_code == 2
    assert "missing: does not exist" in result.output


def test_charge_of_a_request_that_is_not_compared_is_no_difference(
    session: Session, tmp_path: Path
) -> None:
    """The mock did not get the request, so its balance is another one from then on."""
    directory = tmp_path / "recording"
    shutil.copytree(session.directory, directory)
    edit(directory / "0003-create-generation-200.yaml", "prompt: A", "prompt: '[[delay=1ms]]' #")
    report = json.loads(drift(directory, "--json").output)
    assert "0003-create-generation-200.yaml" in [one["file"] for one in report["skipped"]]
    assert report["differences"] == []
