"""`mockhub serve --watch` loads the scenario and the API spec again when their files change."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from mockhub._resources import resource_path
from mockhub.cli import watch
from mockhub.cli.main import main
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import load_scenario
from mockhub.spec.api_spec import load_spec
from mockhub.web.app import create_app

SCENARIO = """
description: watched
accounts:
  me: {account_type: PRO, grants: [{credits: 10}]}
"""


class Log:
    """Collects events, and waits for the next one."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def log_event(self, event: str, text: str, **fields: object) -> None:
        json.dumps(fields)
        self.events.put_nowait((event, text))


def test_files_are_loaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change replaces the default hub and says what changed; a broken file changes nothing."""
    monkeypatch.setattr(watch, "_INTERVAL", 0.01)
    base, file, spec_file = (tmp_path / name for name in ("base.yaml", "my.yaml", "openapi.yaml"))
    base.write_text(SCENARIO)
    file.write_text("extends: base.yaml\n")
    spec_text = resource_path("openapi.yaml").read_text("utf-8")
    spec_file.write_text(spec_text, "utf-8")

    def load() -> tuple[watch.App, watch.Scenario]:
        spec, scenario = load_spec(spec_file), load_scenario(file)
        return create_app(spec, scenario, url="http://localhost"), scenario

    async def scene() -> None:
        app, scenario = load()
        other = build_hub(scenario, "other", app.api.spec)
        app.api.hub_registry.add(other)
        log = Log()
        task = asyncio.create_task(watch.Watcher(app, scenario, load, log).run())  # type: ignore[arg-type]
        await asyncio.sleep(0)

        async def change(path: Path, text: str) -> tuple[str, str]:
            path.write_text(text, "utf-8")
            return await asyncio.wait_for(log.events.get(), 30)

        def credits() -> int:
            return app.api.hub_registry.default.accounts["me"].balance

        event, text = await change(base, SCENARIO.replace("10", "2525"))
        assert (event, credits()) == ("reloaded", 2525)
        assert f"{base} (/accounts/me/grants)" in text
        assert app.api.hub_registry.get("other") is other
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            assert (await client.get("/api/v1/models")).status_code == 200
        assert app.api.hub_registry.default.journal.total == 1

        event, text = await change(file, "extends: base.yaml\naccounts: {me: {grants: 1}}\n")
        assert (event, credits()) == ("reload_failed", 2525)
        assert "not reloaded, the former state remains" in text
        assert f"{file}:2" in text

        event, _ = await change(file, "extends: base.yaml\nseed: 7\n")
        assert (event, app.api.hub_registry.default.ids.seed) == ("reloaded", 7)

        changed = spec_text.replace("title: GPT Image Hub API", "title: Another API")
        assert changed != spec_text
        event, text = await change(spec_file, changed)
        assert event == "reloaded"
        assert f"{spec_file} (/info/title)" in text
        assert "other" not in app.api.hub_registry
        task.cancel()

    asyncio.run(scene())


def test_watch_and_mutant_exclude_each_other() -> None:
    result = CliRunner().invoke(main, ["serve", "--watch", "--mutant", "slow-responses"])
    assert (result.exit_code, "--watch and --mutant exclude each other" in result.output) == (
        2,
        True,
    )
