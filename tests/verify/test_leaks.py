"""Reports about a server that repeats whatever it receives show no key."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from mockhub.verify.budget import Budget
from mockhub.verify.client import BudgetedClient
from mockhub.verify.outcomes import Skipped
from mockhub.verify.report import Report
from mockhub.verify.reporters import terminal
from mockhub.verify.reporters.evidence import write_evidence
from mockhub.verify.reporters.github import workflow_commands
from mockhub.verify.reporters.html import html
from mockhub.verify.reporters.junit import junit
from mockhub.verify.reporters.markdown import markdown
from mockhub.verify.reporters.sarif import sarif
from mockhub.verify.runner import run
from tests.support.live_server import RICH
from tests.support.scripted_server import (
    KEYS,
    Request,
    Response,
    build_profile,
    json_response,
    mock_with_changes,
    scripted_server,
)


def derived_forms(text: str) -> list[str]:
    encoded = text.encode()
    return [
        text,
        text.upper(),
        text[:-1] + "~",
        base64.b64encode(encoded).decode(),
        base64.urlsafe_b64encode(b"??" + encoded).decode(),
        encoded.hex(),
        quote("".join(f"%{byte:02X}" for byte in encoded)),
    ]


def echo(request: Request) -> dict[str, object]:
    """Return everything that was received, in several encodings."""
    received = [request.path, *request.headers.values(), request.body.decode("latin-1")[:500]]
    words = {word for text in received for word in re.split(r"[\s?&=;]+", text) if len(word) > 11}
    return {"echo": [form for word in sorted(words) for form in derived_forms(word)]}


def accept_everything(request: Request) -> Response:
    if request.path.split("?")[0].endswith("credits"):
        return json_response({"credits": 1000, "account_type": "PRO", **echo(request)})
    usage = {"usage": {"credits": 8}, "balance": {"credits": 1000}}
    body = {"id": request.headers.get("Authorization"), "status": "succeeded", **usage}
    return json_response({**body, "images": [{"url": request.path}], **echo(request)})


def echo_in_errors(request: Request, response: Response) -> Response:
    content = response.json()
    if isinstance(content, dict) and "error" in content:
        content["error"]["code"] = " ".join(derived_forms(str(request.headers)))
        content["error"]["message"] = str(echo(request))
    return Response(response.status, json.dumps(content).encode(), response.headers)


def is_text(file: Path) -> bool:
    return file.is_file() and file.suffix not in (".png", ".jpg", ".webp")


def written_by(report: Report, capsys: pytest.CaptureFixture[str], folder: Path) -> str:
    report = replace(report, evidence_folders=write_evidence(report, folder))
    terminal.print_report(report, verbose=True)
    shown = capsys.readouterr()
    texts = [report.as_json_text(), html(report), junit(report), markdown(report)]
    texts += [sarif(report, artifact="t.yaml"), *workflow_commands(report, artifact="t.yaml")]
    texts += [file.read_bytes().decode("latin-1") for file in folder.rglob("*") if is_text(file)]
    return "\n".join([*texts, shown.out, shown.err])


def leaks(text: str) -> set[str]:
    """Return the parts of 12 characters of a key that can be read in a text or computed from it."""
    readable = [text, unquote(text), unquote(unquote(text))]
    for word in set(re.findall(r"[A-Za-z0-9+/_-]{12,}", text)):
        for start in range(4):
            part = word[start : start + (len(word) - start) // 4 * 4].translate(
                str.maketrans("-_", "+/")
            )
            readable.append(base64.b64decode(part).decode("latin-1"))
        with suppress(ValueError):
            readable.append(binascii.unhexlify(word).decode("latin-1"))
    everything = "\n".join(readable).lower()
    randoms = [key.removeprefix("gih_live_") for key in KEYS.values()]
    windows = {key[start : start + 12] for key in randoms for start in range(len(key) - 11)}
    return {window for window in windows if window in everything}


def test_leaks_are_found() -> None:
    """The search of these tests finds a key in each encoding."""
    for form in derived_forms(RICH):
        assert leaks(f'"{form}"') != set()
    assert leaks("nothing") == set()


def test_server_that_accepts_and_echoes_everything(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with scripted_server(accept_everything) as url:
        profile = build_profile(url, poll_timeout=0.5)
        report = run(profile, level="inferred", no_fuzz=True, budget=5000)
    assert report.exit_code == 1
    assert leaks(written_by(report, capsys, tmp_path)) == set()


def test_server_that_echoes_in_errors(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with mock_with_changes(echo_in_errors) as url:
        report = run(build_profile(url), level="inferred", no_fuzz=True, keyword="AUTH or ERR")
    assert report.exit_code == 1
    assert leaks(written_by(report, capsys, tmp_path)) == set()


@pytest.mark.parametrize(
    "derive",
    [
        str,
        str.upper,
        quote,
        lambda key: key[:-1],
        lambda key: base64.b64encode(key.encode()).decode(),
    ],
)
def test_no_key_leaves_this_machine_in_a_url(derive: Callable[[str], str]) -> None:
    """Off loopback a request with a key in its URL is not sent."""
    client = BudgetedClient(build_profile("http://api.example"), Budget(0))
    with pytest.raises(Skipped, match="does not leave this machine"):
        client.get(f"credits?key={derive(RICH)}", key=None)
    assert client.exchanges == []
