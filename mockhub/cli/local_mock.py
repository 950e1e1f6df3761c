"""The mock that `mockhub verify` checks if there is no other target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mockhub.verify.profile import Profile


@contextmanager
def local_mock() -> Iterator[Profile]:
    """Serve the default scenario in a thread and yield its profile."""
    from mockhub.scenarios.loader import bundled_scenarios, load_scenario
    from mockhub.server.server import ServerThread, bind
    from mockhub.spec.api_spec import load_spec
    from mockhub.web.app import create_app

    scenario = load_scenario(bundled_scenarios()["default"])
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(load_spec(), scenario, url=url)
    server = ServerThread(app, listener)
    try:
        yield Profile.for_mock(url, {name: key for key, name, _ in scenario.predefined_keys()})
    finally:
        server.stop()
