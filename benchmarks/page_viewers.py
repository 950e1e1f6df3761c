"""`python -m benchmarks.page_viewers`: what people who watch a hub cost its server.

It measures, in turns with and without viewers, the processor time of the server for a request, at a
fixed rate and under full load. Rates vary too much where the machine is busy.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from time import perf_counter

from benchmarks import load
from benchmarks.load import RequestTemplate
from benchmarks.requests import MODELS, post
from benchmarks.servers import Server, free_port, mockhub_command, running

_CONNECTIONS = 20
_EVENTS_PATH = "/_mockhub/hubs/default/events"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page_viewers", description=__doc__)
    parser.add_argument("--viewers", type=int, default=10)
    parser.add_argument("--rate", type=int, default=2000, help="requests a second")
    parser.add_argument("--seconds", type=float, default=5.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    port = free_port()
    with running(mockhub_command(port=port), port=port, ready_path=MODELS.path) as server:
        asyncio.run(_measure(server, options))


async def _measure(server: Server, options: argparse.Namespace) -> None:
    paced: dict[int, list[float]] = {0: [], options.viewers: []}
    full: dict[int, list[float]] = {0: [], options.viewers: []}
    for _ in range(options.rounds):
        for viewers in paced:
            async with _watched(server, viewers):
                paced[viewers].append(await _cpu_at_rate(server, options.rate, options.seconds))
                full[viewers].append(await _cpu_under_full_load(server, options.seconds))
    _print(f"at {options.rate:,} requests/s", paced)
    _print("under full load", full)


def _print(what: str, values: dict[int, list[float]]) -> None:
    (_, alone), (viewers, watched) = values.items()
    before, after = median(alone) * 1e6, median(watched) * 1e6
    print(f"{what}: {before:.0f} µs of CPU for a request, {after:.0f} µs with {viewers} viewers")
    print(f"  {(after / before - 1) * 100:+.1f} %, medians of {len(alone)} rounds")


@asynccontextmanager
async def _watched(server: Server, viewers: int) -> AsyncIterator[None]:
    tasks = []
    for _ in range(viewers):  # people do not open a page at the same moment
        tasks.append(asyncio.create_task(_view(server)))
        await asyncio.sleep(0.07)
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _view(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"GET {_EVENTS_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
    try:
        while await reader.read(65536):
            pass
        raise SystemExit("the server closed the stream of a viewer")
    finally:
        writer.close()


async def _cpu_at_rate(server: Server, rate: int, seconds: float) -> float:
    """Return the processor time of the server for a request, in seconds."""
    before = server.cpu() or 0.0
    counts = await asyncio.gather(
        *(_send_at_rate(server, post(), rate / _CONNECTIONS, seconds) for _ in range(_CONNECTIONS))
    )
    if sum(counts) < 0.9 * rate * seconds:
        print(f"the machine is busy: {sum(counts) / seconds:,.0f} requests/s, not {rate:,}")
    return ((server.cpu() or 0.0) - before) / sum(counts)


async def _cpu_under_full_load(server: Server, seconds: float) -> float:
    before = server.cpu() or 0.0
    _, count = await asyncio.to_thread(load.run, server.url, post(), seconds)
    return ((server.cpu() or 0.0) - before) / count


async def _send_at_rate(server: Server, call: RequestTemplate, rate: float, seconds: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    headers = {**call.headers, "Host": "127.0.0.1", "Content-Length": str(len(call.body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"{call.method} {call.path} HTTP/1.1\r\n{head}\r\n".encode() + call.body
    began, count = perf_counter(), 0
    while (elapsed := perf_counter() - began) < seconds:
        if count > elapsed * rate:
            await asyncio.sleep(count / rate - elapsed)
        writer.write(request)
        response_head = await reader.readuntil(b"\r\n\r\n")
        length = response_head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
        await reader.readexactly(int(length))
        count += 1
    writer.close()
    return count


if __name__ == "__main__":
    main()
