"""Curl commands send exactly the request that they describe."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from mockhub._curl import Body, File, ShellText, curl_command
from tests.support.tools import needs_curl

HOSTILE = 'it\'s "quoted" $HOME `id` \\ ; @x\n%00 üñí'


class Recorder(BaseHTTPRequestHandler):
    received: tuple[str, str, dict[str, str], bytes]

    def handle(self) -> None:
        self.raw_requestline = self.rfile.readline()
        self.parse_request()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        Recorder.received = (self.command, self.path, dict(self.headers), body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Recorder)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run(command: str, directory: Path) -> tuple[str, str, dict[str, str], bytes]:
    script = 'curl() { command curl -sS --fail "$@"; }\n' + command
    completed = subprocess.run(
        ["bash", "-euc", script],
        cwd=directory,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "MOCKHUB_KEY": "k1", "MOCKHUB_KEY_LOW": "k2"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (completed.returncode, completed.stderr) == (0, "")
    return Recorder.received


pytestmark = needs_curl


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_method_and_target_are_sent(url: str, tmp_path: Path, method: str) -> None:
    """The URL is sent as it is, also with characters that curl expands."""
    received = run(curl_command(method, f"{url}/a/[1-3]?b={{c,d}}&e=1"), tmp_path)
    assert received[:2] == (method, "/a/[1-3]?b={c,d}&e=1")


@pytest.mark.parametrize("text", [HOSTILE, "@/etc/hostname", "{}", ""])
def test_text_body_is_sent_literally(url: str, tmp_path: Path, text: str) -> None:
    """A text body is neither expanded by the shell nor taken for a file name."""
    command = curl_command("POST", url, [("Content-Type", "application/json")], text)
    method, _, headers, body = run(command, tmp_path)
    assert (method, headers["Content-Type"], body.decode()) == ("POST", "application/json", text)


def test_form_is_sent_with_its_own_boundary(url: str, tmp_path: Path) -> None:
    """Texts stay literal, files are read, and curl writes the content type."""
    (tmp_path / "a.png").write_bytes(b"PNG")
    form: Body = [("prompt", "@form;type=x"), ("reference_image", File("a.png", "image/png"))]
    headers = [("content-type", "multipart/form-data; boundary=other"), ("x-a", "1")]
    _, _, received, body = run(curl_command("POST", url, headers, form), tmp_path)
    assert "other" not in received["Content-Type"]
    assert b'name="prompt"\r\n\r\n@form;type=x\r\n' in body
    assert b'filename="a.png"\r\nContent-Type: image/png\r\n\r\nPNG\r\n' in body


def test_body_is_read_from_a_file(url: str, tmp_path: Path) -> None:
    """The bytes of the file are sent unchanged."""
    (tmp_path / "body").write_bytes(b"a\r\nb\n")
    assert run(curl_command("POST", url, body=File("body")), tmp_path)[3] == b"a\r\nb\n"


def test_keys_remain_shell_variables(url: str, tmp_path: Path) -> None:
    """Only the key variables of shell texts are expanded; nothing else is."""
    headers = [
        ("Authorization", ShellText("Bearer $MOCKHUB_KEY")),
        ("X-A", ShellText('$MOCKHUB_KEY_LOW $HOME `id` "q"! \\')),
        ("X-B", "$MOCKHUB_KEY"),
        ("X-Empty", ""),
    ]
    target = ShellText(f"{url}/?key=$MOCKHUB_KEY")
    command = curl_command("GET", target, headers, separator=" \\\n  ")
    _, path, received, _ = run(command, tmp_path)
    assert path == "/?key=k1"
    assert received["Authorization"] == "Bearer k1"
    assert received["X-A"] == 'k2 $HOME `id` "q"! \\'
    assert received["X-B"] == "$MOCKHUB_KEY"
    assert received["X-Empty"] == ""
