"""The configuration of nginx in examples/replicas."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import httpx

from benchmarks.servers import free_port
from mockhub._resources import resource_path
from tests.support.scripted_server import Request, Response, json_response, scripted_server
from tests.support.tools import require

CONFIG = resource_path("docs").parent / "examples/replicas/nginx.conf"
ERROR = {"error": {"message": "The database is not available", "code": "serviceUnavailable"}}


def test_503_of_both_servers_is_passed_on_each_time(tmp_path: Path) -> None:
    """No server counts as failed then: after the database is back, each is asked at once."""
    nginx = require("nginx")
    count = 0

    def reply(request: Request) -> Response:
        nonlocal count
        count += 1
        return json_response(ERROR, 503)

    port = free_port()
    with scripted_server(reply) as one, scripted_server(reply) as two:
        text = CONFIG.read_text("utf-8").replace("listen 8080", f"listen 127.0.0.1:{port}")
        for name, url in (("one", one), ("two", two)):
            text = text.replace(f"{name}:8080", url.removeprefix("http://"))
        config = tmp_path / "nginx.conf"
        # Without these, only root can start it.
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{kind}_temp_path {tmp_path}/{kind}; " for kind in kinds)
        text = text.replace("http {", f"http {{ access_log off; {paths}")
        config.write_text(f"pid {tmp_path}/pid;\nerror_log {tmp_path}/log;\n{text}", "utf-8")
        process = subprocess.Popen([nginx, "-c", config, "-g", "daemon off;"])
        try:
            responses = [_get(port) for _ in range(3)]
        finally:
            process.terminate()
            process.wait(20)
    assert [(one.status_code, one.json()) for one in responses] == 3 * [(503, ERROR)]
    assert count == 6


def _get(port: int) -> httpx.Response:
    until = time.monotonic() + 20
    while True:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/api/v1/credits")
        except httpx.ConnectError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
