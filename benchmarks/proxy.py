"""`python -m benchmarks.proxy`: what `mockhub proxy` adds to a request.

Rounds alternate between the mock and the proxy in front of it, since the load of the machine
changes. The rate "on one core" is what the processor time of the proxy allows.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from contextlib import ExitStack
from http.client import HTTPConnection
from time import perf_counter

from benchmarks import load, requests
from benchmarks.servers import Server, free_port, mockhub_command, running

_SAMPLES = 300


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proxy", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="of load in each round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with ExitStack() as stack:
        port = free_port()
        mock = stack.enter_context(running(mockhub_command(port=port), port=port))
        proxy = stack.enter_context(running(_proxy_command(mock, port := free_port()), port=port))
        for name, path in (("GET models", "/api/v1/models"), ("GET credits", "/api/v1/credits")):
            _measure(name, path, mock, proxy, options.seconds, options.rounds)


def _measure(
    name: str, path: str, mock: Server, proxy: Server, seconds: float, rounds: int
) -> None:
    template = load.RequestTemplate("GET", path, {"Authorization": f"Bearer {requests.KEY}"})
    rates, costs, added = [], [], []
    for _ in range(rounds):
        direct, through = _latency(mock, path), _latency(proxy, path)
        added.append((through - direct) * 1000)
        before = proxy.cpu() or 0.0
        result, responses = load.run(proxy.url, template, seconds)
        costs.append(((proxy.cpu() or 0.0) - before) / responses)
        rates.append(result.rate)
    cost = statistics.median(costs)
    print(
        f"{name}: p50 {statistics.median(added):+.2f} ms over direct, "
        f"{statistics.median(rates):,.0f} a second over {load.CONNECTIONS} connections, "
        f"{cost * 1e6:.0f} us of processor time each: {1 / cost:,.0f} a second on one core"
    )


def _latency(server: Server, path: str) -> float:
    """Return the median time of a request in seconds, one after the other on one connection."""
    connection, times = HTTPConnection("127.0.0.1", server.port, timeout=30), []
    for _ in range(_SAMPLES):
        started = perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {requests.KEY}"})
        connection.getresponse().read()
        times.append(perf_counter() - started)
    connection.close()
    return statistics.median(times)


def _proxy_command(mock: Server, port: int) -> list[str]:
    command = [sys.executable, "-m", "mockhub", "proxy", "--target", mock.url]
    return [*command, "--port", str(port), "--no-control", "--log-level", "error"]


if __name__ == "__main__":
    main()
