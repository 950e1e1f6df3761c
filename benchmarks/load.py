"""Generate load on a server with wrk or oha if installed, else with a client in Python."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter

CONNECTIONS = 16

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class RequestTemplate:
    """A request that is sent repeatedly; *then_poll* is the path prefix of a poll after each."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    then_poll: str | None = None


@dataclass(frozen=True)
class LoadResult:
    """Result of a load: times in seconds, *cpu* is the server's processor time per request."""

    rate: float
    p50: float
    p99: float
    failed: int
    cpu: float | None = None


def generator() -> str:
    """Return the name of the load generator: wrk, oha or python."""
    return next((name for name in ("wrk", "oha") if shutil.which(name)), "python")


def send_once(url: str, call: RequestTemplate) -> tuple[int, bytes]:
    """Send *call* once and return status and body."""
    with closing(HTTPConnection(url.removeprefix("http://"), timeout=10)) as connection:
        connection.request(call.method, call.path, call.body, dict(call.headers))
        response = connection.getresponse()
        return response.status, response.read()


def run(url: str, call: RequestTemplate, seconds: float) -> tuple[LoadResult, int]:
    """Send *call* over 16 connections; return the result and the number of responses."""
    name = generator()
    if name == "wrk":
        return _wrk(url, call, seconds)
    if name == "oha" and not call.then_poll:
        return _oha(url, call, seconds)
    return asyncio.run(_python(url, call, seconds))


# -- wrk -----------------------------------------------------------------------------------------

_LUA = """
wrk.method, wrk.body = {method}, {body}
for name, value in pairs({headers}) do wrk.headers[name] = value end
"""
_LUA_POLL = """
local made = {{}}
function request()
  local id = table.remove(made)
  if id then return wrk.format("GET", {poll} .. id, wrk.headers, "") end
  return wrk.format()
end
function response(status, headers, body)
  if status == 202 then table.insert(made, body:match('"id":"([^"]+)"')) end
end
"""


def _wrk(url: str, call: RequestTemplate, seconds: float) -> tuple[LoadResult, int]:
    headers = ", ".join(f"[{_lua(name)}]={_lua(value)}" for name, value in call.headers.items())
    script = _LUA.format(
        method=_lua(call.method), body=_lua(call.body), headers="{" + headers + "}"
    )
    if call.then_poll:
        script += _LUA_POLL.format(poll=_lua(call.then_poll))
    with tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="latin-1") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--latency"]
        completed = subprocess.run(
            [*command, "-s", file.name, url + call.path], capture_output=True, text=True, check=True
        )
    text = completed.stdout
    failed = sum(int(count) for count in re.findall(r"Non-2xx or 3xx responses: (\d+)", text))
    failed += sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", text)))
    rate = float(re.findall(r"Requests/sec:\s+([\d.]+)", text)[0])
    count = int(re.findall(r"(\d+) requests in", text)[0])
    return LoadResult(rate, _percentile(text, 50), _percentile(text, 99), failed), count


def _lua(value: str | bytes) -> str:
    raw = value.encode() if isinstance(value, str) else value
    return '"' + "".join(f"\\{byte:03}" for byte in raw) + '"'


def _percentile(text: str, which: int) -> float:
    number, unit = re.findall(rf"{which}%\s+([\d.]+)(us|ms|s|m)", text)[0]
    return float(number) * _SECONDS[unit]


# -- oha -----------------------------------------------------------------------------------------


def _oha(url: str, call: RequestTemplate, seconds: float) -> tuple[LoadResult, int]:
    command = ["oha", "--no-tui", "--output-format", "json", "-z", f"{seconds:g}s"]
    command += ["-c", str(CONNECTIONS), "-m", call.method]
    for name, value in call.headers.items():
        command += ["-H", f"{name}: {value}"]
    with tempfile.TemporaryDirectory() as folder:
        if call.body:
            body = Path(folder) / "body"
            body.write_bytes(call.body)
            command += ["-D", str(body)]
        completed = subprocess.run([*command, url + call.path], capture_output=True, check=True)
    report = json.loads(completed.stdout)
    codes = {int(code): count for code, count in report["statusCodeDistribution"].items()}
    succeeded = sum(count for code, count in codes.items() if code < 400)
    percentiles = report["latencyPercentiles"]
    rate = report["summary"]["requestsPerSec"]
    failed = sum(codes.values()) - succeeded
    return LoadResult(rate, percentiles["p50"], percentiles["p99"], failed), sum(codes.values())


# -- Python --------------------------------------------------------------------------------------


async def _python(url: str, call: RequestTemplate, seconds: float) -> tuple[LoadResult, int]:
    times: list[float] = []
    failed = [0]
    until = perf_counter() + seconds
    await asyncio.gather(*(_client(url, call, until, times, failed) for _ in range(CONNECTIONS)))
    times.sort()
    count = len(times)
    p50, p99 = times[count // 2], times[min(count - 1, count * 99 // 100)]
    return LoadResult(count / seconds, p50, p99, failed[0]), count


async def _client(
    url: str, call: RequestTemplate, until: float, times: list[float], failed: list[int]
) -> None:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    first = _raw_request(call.method, call.path, call.headers, call.body)
    raw = first
    while perf_counter() < until:
        started = perf_counter()
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        times.append(perf_counter() - started)
        status = int(head[9:12])
        failed[0] += status >= 400
        raw = first
        if call.then_poll and status == 202:
            raw = _raw_request("GET", call.then_poll + json.loads(body)["id"], call.headers, b"")
    writer.close()


def _raw_request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
