"""Our own mock behind a proxy that fails some requests, as gateways and load balancers do.

Measure how many runs of the suite end red: ``python -m tests.support.unreliable_proxy 20``.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random  # noqa: TID251 - seeded
from threading import Lock

from mockhub.verify.client import MAX_ATTEMPTS
from mockhub.verify.runner import run
from tests.support.scripted_server import (
    Request,
    Response,
    build_profile,
    forward_to,
    mock,
    problems,
    scripted_server,
)

_HTML = (("Content-Type", "text/html"),)
_FAILURES = (
    Response(502, b"<html>Bad Gateway</html>", _HTML),
    Response(503, b"Service Unavailable", _HTML),
    Response(0),
)


@contextmanager
def unreliable_mock(rate: float, seed: int, *, lose: bool = False) -> Iterator[str]:
    """Serve the mock; the share *rate* of the requests fails before it is reached.

    With *lose* half of these requests reach it, and their responses are lost. The same request
    fails less often in a row than the suite sends it.
    """
    random, lock = Random(seed), Lock()
    failures_in_a_row: Counter[tuple[str, str, bytes]] = Counter()
    with mock() as served:

        def handle(request: Request) -> Response:
            with lock:
                fails, loses = random.random() < rate, lose and random.random() < 0.5
                failure = random.choice(_FAILURES)
                same = (request.method, request.path, request.body)
                fails = fails and failures_in_a_row[same] < MAX_ATTEMPTS - 1
                failures_in_a_row[same] = failures_in_a_row[same] + 1 if fails else 0
            if fails and not loses:
                return failure
            response = forward_to(served.client, request)
            own_url = f"http://{request.headers['Host']}".encode()
            response = response._replace(body=response.body.replace(served.url.encode(), own_url))
            return failure if fails else response

        with scripted_server(handle) as url:
            yield url


def main(runs: int, rate: float = 0.01, *, lose: bool = False) -> None:
    """Print the outcome of each run, and how many ended with which exit code."""
    exit_codes: Counter[int] = Counter()
    for seed in range(runs):
        with unreliable_mock(rate, seed, lose=lose) as url:
            report = run(build_profile(url), seed=seed)
        exit_codes[report.exit_code] += 1
        sys.stdout.write(f"{seed}: exit {report.exit_code}, {report.summary} {problems(report)}\n")
    sys.stdout.write(f"exit codes of {runs} runs: {dict(exit_codes)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(float, sys.argv[2:3]), lose="--lose" in sys.argv)
